//! The opened device: buffers, pipelines and submissions whose failures become errors, and never a panic.

use pollster::block_on;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use crate::EngineError;
use crate::device::OpenGpu;
use crate::device::wgpu::{
    self, BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindGroupLayoutDescriptor,
    BindGroupLayoutEntry, BindingResource, BindingType, Buffer, BufferBindingType, BufferDescriptor, BufferUsages,
    CommandEncoder, ComputePipeline, ComputePipelineDescriptor, ErrorFilter, Features, MapMode,
    PipelineLayoutDescriptor, PollError, PollType, QuerySet, QuerySetDescriptor, QueryType, ShaderModuleDescriptor,
    ShaderRuntimeChecks, ShaderSource, ShaderStages, SubmissionIndex,
};

use super::plan::{self, Access};

/// The most workgroups of a grid in one dimension: the default limit of WebGPU.
pub(super) const MOST_GROUPS: usize = 65_535;

/// An open device, with its first failure.
#[derive(Clone, Debug)]
pub(super) struct Device {
    opened: OpenGpu,
    /// The first message of its callbacks: that it is lost, or an error that no scope caught.
    failure: Arc<Mutex<Option<String>>>,
    /// The kernels compiled so far, by their source. Clones of a device share them.
    kernels: Arc<Mutex<HashMap<String, Arc<Kernel>>>>,
    counts: Arc<Counts>,
}

/// What a device has been asked for so far.
#[derive(Debug, Default)]
struct Counts {
    read_backs: AtomicUsize,
}

impl Device {
    /// Wraps `opened`, and registers error callbacks.
    ///
    /// # Errors
    /// A device whose limits are too low for the kernels.
    pub fn new(opened: &OpenGpu) -> Result<Self, EngineError> {
        let failure = Arc::new(Mutex::new(None));
        let note = |failure: &Mutex<Option<String>>, what: String| {
            // The first failure is the cause of those that follow.
            lock(failure).get_or_insert(what);
        };
        let lost = Arc::clone(&failure);
        opened.device.set_device_lost_callback(move |_, message| {
            let remedy =
                "resume from the last checkpoint; if it is lost again, restart its driver or take another device";
            note(&lost, format!("it was lost ({}): {remedy}", message.trim().trim_end_matches('.')));
        });
        let uncaptured = Arc::clone(&failure);
        opened.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| note(&uncaptured, message(&error))));
        let (kernels, counts) = Default::default();
        let device = Self { opened: opened.clone(), failure, kernels, counts };
        let limits = opened.device.limits();
        for (what, needed, limit) in [
            ("a kernel's storage buffers", 8, limits.max_storage_buffers_per_shader_stage),
            ("a kernel's workgroup", 256, limits.max_compute_invocations_per_workgroup),
            ("a kernel's workgroup memory", 16_384, limits.max_compute_workgroup_storage_size),
        ] {
            if limit < needed {
                let (needed, limit) = (needed.into(), limit.into());
                return Err(EngineError::TooLarge { device: device.name(), what: what.to_owned(), needed, limit });
            }
        }
        Ok(device)
    }

    /// The name of the device, for messages.
    pub fn name(&self) -> String {
        self.opened.info.to_string()
    }

    /// The invocations that every subgroup has at least; 1 where kernels cannot use subgroups.
    pub fn subgroup(&self) -> usize {
        match self.opened.device.features().contains(Features::SUBGROUP) {
            true => self.opened.adapter.get_info().subgroup_min_size.max(1) as usize,
            false => 1,
        }
    }

    /// Whether it measures the time of passes.
    pub fn has_timestamps(&self) -> bool {
        self.opened.device.features().contains(Features::TIMESTAMP_QUERY)
    }

    /// Nanoseconds of a unit of its timestamps.
    pub fn timestamp_ns(&self) -> f32 {
        self.opened.queue.get_timestamp_period()
    }

    /// Room for `count` timestamps.
    pub fn queries(&self, count: u32) -> Result<QuerySet, EngineError> {
        let descriptor = QuerySetDescriptor { label: Some("stages"), ty: QueryType::Timestamp, count };
        self.checked(|device| device.create_query_set(&descriptor))
    }

    /// The number of kernels compiled so far.
    pub fn n_kernels(&self) -> usize {
        lock(&self.kernels).len()
    }

    /// The number of times that something was read back so far.
    pub fn n_read_backs(&self) -> usize {
        self.counts.read_backs.load(Ordering::Relaxed)
    }

    /// The bytes of the largest storage buffer.
    pub fn most_bytes(&self) -> u64 {
        let limits = self.opened.device.limits();
        limits.max_buffer_size.min(limits.max_storage_buffer_binding_size)
    }

    pub fn error(&self, reason: impl Into<String>) -> EngineError {
        EngineError::Device { device: self.name(), reason: reason.into() }
    }

    /// Runs `work` in an error scope. Returns its result unless the device reports an error.
    pub fn checked<T>(&self, work: impl FnOnce(&wgpu::Device) -> T) -> Result<T, EngineError> {
        let device = &self.opened.device;
        let filters = [ErrorFilter::OutOfMemory, ErrorFilter::Validation, ErrorFilter::Internal];
        let mut scopes: Vec<_> = filters.map(|filter| device.push_error_scope(filter)).into();
        let done = work(device);
        let mut found = None;
        while let Some(scope) = scopes.pop() {
            found = block_on(scope.pop()).or(found);
        }
        match found {
            Some(error) => Err(self.cause().unwrap_or_else(|| self.error(message(&error)))),
            None => self.failed().map_or(Ok(done), Err),
        }
    }

    /// The cause of an error. A lost device reports that when it is polled, and all later errors are consequences.
    fn cause(&self) -> Option<EngineError> {
        let _ = self.opened.device.poll(PollType::Poll);
        self.failed()
    }

    /// The first failure that the callbacks reported.
    fn failed(&self) -> Option<EngineError> {
        let failure = lock(&self.failure);
        failure.as_ref().map(|reason| self.error(reason))
    }

    /// Allocates a storage buffer of zeros, of at least one vector. `what` names its contents in an error.
    pub fn buffer(&self, what: &str, bytes: u64, usage: BufferUsages) -> Result<Buffer, EngineError> {
        let limit = self.most_bytes();
        if bytes > limit {
            return Err(EngineError::TooLarge {
                device: self.name(),
                what: format!("the buffer of the {what}"),
                needed: bytes,
                limit,
            });
        }
        let size = bytes.next_multiple_of(16).max(16);
        let descriptor = BufferDescriptor { label: Some(what), size, usage, mapped_at_creation: false };
        self.checked(|device| device.create_buffer(&descriptor))
            .map_err(|error| self.error(format!("no room for the {what} ({size} bytes): {error}")))
    }

    /// Writes `data` to the start of `buffer`, before the next submission.
    pub fn write<T: bytemuck::NoUninit>(&self, buffer: &Buffer, data: &[T]) -> Result<(), EngineError> {
        if data.is_empty() {
            return Ok(());
        }
        self.checked(|_| self.opened.queue.write_buffer(buffer, 0, bytemuck::cast_slice(data)))
    }

    /// The kernel of `source`, compiled unless it was before. Several threads may ask for kernels at the same time.
    pub fn kernel(&self, name: &str, source: &str) -> Result<Arc<Kernel>, EngineError> {
        if let Some(kernel) = lock(&self.kernels).get(source) {
            return Ok(Arc::clone(kernel));
        }
        let kernel = Arc::new(self.compiled(name, source)?);
        Ok(Arc::clone(lock(&self.kernels).entry(source.to_owned()).or_insert(kernel)))
    }

    fn compiled(&self, name: &str, source: &str) -> Result<Kernel, EngineError> {
        let module = naga::front::wgsl::parse_str(source)
            .map_err(|error| self.error(format!("kernel {name}: {}", error.emit_to_string(source))))?;
        let bindings = plan::reflect(&module);
        let entries: Vec<BindGroupLayoutEntry> = bindings.iter().map(entry).collect();
        self.checked(|device| {
            let descriptor = BindGroupLayoutDescriptor { label: Some(name), entries: &entries };
            let layout = device.create_bind_group_layout(&descriptor);
            let descriptor = ShaderModuleDescriptor { label: Some(name), source: ShaderSource::Wgsl(source.into()) };
            // SAFETY: No kernel reads or writes beyond its buffers: the plan sizes them for every row, vector and word
            // that an index can reach, and the host checks the indices of windows. Some invocations read rows or weights
            // that others write in the same dispatch; they drop what they read. Loops end at constants of the plan.
            let module = unsafe { device.create_shader_module_trusted(descriptor, ShaderRuntimeChecks::unchecked()) };
            let pipeline_layout = device.create_pipeline_layout(&PipelineLayoutDescriptor {
                label: Some(name),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Every kernel writes workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            });
            Kernel { pipeline, layout, bindings }
        })
    }

    /// Binds to `kernel` what `buffer` finds for each name.
    pub fn bind<'a>(
        &self,
        kernel: &Kernel,
        buffer: impl Fn(&str) -> Option<&'a Buffer>,
    ) -> Result<BindGroup, EngineError> {
        let entry = |binding: &plan::Binding| {
            let name = &binding.name;
            let buffer = buffer(name).ok_or_else(|| self.error(format!("no buffer is called `{name}`")))?;
            let resource = match binding.access {
                Access::Uniform => {
                    BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size: wgpu::BufferSize::new(16) })
                }
                Access::Read | Access::Write => buffer.as_entire_binding(),
            };
            Ok(BindGroupEntry { binding: binding.number, resource })
        };
        let entries: Vec<BindGroupEntry<'_>> = kernel.bindings.iter().map(entry).collect::<Result<_, EngineError>>()?;
        let descriptor = BindGroupDescriptor { label: None, layout: &kernel.layout, entries: &entries };
        self.checked(|device| device.create_bind_group(&descriptor))
    }

    /// Records commands by `record`, and submits them.
    pub fn submit(&self, record: impl FnOnce(&mut CommandEncoder)) -> Result<SubmissionIndex, EngineError> {
        self.checked(|device| {
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            record(&mut encoder);
            self.opened.queue.submit([encoder.finish()])
        })
    }

    /// Whether a submission has ended.
    pub fn is_done(&self, submission: &SubmissionIndex) -> Result<bool, EngineError> {
        let poll = PollType::Wait { submission_index: Some(submission.clone()), timeout: Some(Duration::ZERO) };
        match self.checked(|device| device.poll(poll))? {
            Ok(_) => Ok(true),
            Err(PollError::Timeout) => Ok(false),
            Err(error) => Err(self.cause().unwrap_or_else(|| self.error(error.to_string()))),
        }
    }

    /// Waits for a submission.
    pub fn wait(&self, submission: SubmissionIndex) -> Result<(), EngineError> {
        let waited =
            self.checked(|device| device.poll(PollType::Wait { submission_index: Some(submission), timeout: None }))?;
        let Err(error) = waited else { return Ok(()) };
        Err(self.cause().unwrap_or_else(|| self.error(error.to_string())))
    }

    /// Reads the first `n` values of `buffer`, after all submitted work.
    pub fn read<T: bytemuck::Pod>(&self, buffer: &Buffer, n: usize) -> Result<Vec<T>, EngineError> {
        let bytes = (n * size_of::<T>()) as u64;
        let mut reading = self.reading(bytes)?;
        reading.submission =
            Some(self.submit(|encoder| encoder.copy_buffer_to_buffer(buffer, 0, &reading.staging, 0, bytes))?);
        self.finish(reading)
    }

    /// Makes room for `bytes` bytes to read back later: commands copy them to its staging buffer, and [`Self::finish`]
    /// waits for its submission.
    pub fn reading(&self, bytes: u64) -> Result<Reading, EngineError> {
        let staging = self.buffer("values to read back", bytes, BufferUsages::COPY_DST | BufferUsages::MAP_READ)?;
        Ok(Reading { staging, bytes, submission: None })
    }

    /// Waits for a reading, and returns its values.
    pub fn finish<T: bytemuck::Pod>(&self, reading: Reading) -> Result<Vec<T>, EngineError> {
        let Reading { staging, bytes, submission } = reading;
        let Some(submission) = submission.filter(|_| bytes > 0) else { return Ok(Vec::new()) };
        self.counts.read_backs.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::channel();
        self.checked(|_| {
            staging.map_async(MapMode::Read, .., move |result| {
                // The receiver is gone if waiting has failed.
                let _ = sender.send(result);
            });
        })?;
        self.wait(submission)?;
        let lost = || self.cause().unwrap_or_else(|| self.error("it gave no answer"));
        receiver.try_recv().map_err(|_| lost())?.map_err(|error| self.error(error.to_string()))?;
        let view = staging.get_mapped_range(..bytes).map_err(|error| self.error(error.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}

/// Values on their way back from the device.
#[derive(Debug)]
pub(super) struct Reading {
    pub staging: Buffer,
    bytes: u64,
    /// The submission that copies them; none if nothing was submitted.
    pub submission: Option<SubmissionIndex>,
}

/// A compiled kernel, with what it binds.
#[derive(Debug)]
pub(super) struct Kernel {
    pub pipeline: ComputePipeline,
    layout: BindGroupLayout,
    pub bindings: Vec<plan::Binding>,
}

fn entry(binding: &plan::Binding) -> BindGroupLayoutEntry {
    let (ty, has_dynamic_offset) = match binding.access {
        Access::Uniform => (BufferBindingType::Uniform, true),
        Access::Read => (BufferBindingType::Storage { read_only: true }, false),
        Access::Write => (BufferBindingType::Storage { read_only: false }, false),
    };
    BindGroupLayoutEntry {
        binding: binding.number,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    }
}

/// Locks `mutex`, also after a panic of another thread: what it guards is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The message of an error, with a remedy if there is one.
fn message(error: &wgpu::Error) -> String {
    match error {
        wgpu::Error::OutOfMemory { .. } => {
            "it is out of memory; close other programs that use it, or take smaller batches or fewer models at a time"
                .to_owned()
        }
        error => error.to_string(),
    }
}
