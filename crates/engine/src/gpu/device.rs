//! The opened device: buffers, pipelines and submissions whose failures become errors, and never a panic.

use pollster::block_on;
use std::sync::{Arc, Mutex, mpsc};

use crate::EngineError;
use crate::device::wgpu::{
    self, BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindGroupLayoutDescriptor,
    BindGroupLayoutEntry, BindingResource, BindingType, Buffer, BufferBindingType, BufferDescriptor, BufferUsages,
    CommandEncoder, ComputePipeline, ComputePipelineDescriptor, ErrorFilter, Extent3d, Features, MapMode,
    PipelineLayoutDescriptor, PollType, ShaderModuleDescriptor, ShaderSource, ShaderStages, StorageTextureAccess,
    SubmissionIndex, TexelCopyBufferLayout, TexelCopyTextureInfo, Texture, TextureDescriptor, TextureDimension,
    TextureFormat, TextureFormatFeatureFlags, TextureUsages, TextureView, TextureViewDimension,
};
use crate::device::{DeviceKind, OpenGpu};

/// The most workgroups of a grid in one dimension: the default limit of WebGPU.
pub(super) const MOST_GROUPS: usize = 65_535;

/// The format of a texture of vectors.
const VECTORS: TextureFormat = TextureFormat::Rgba32Float;

/// An open device, with its first failure.
#[derive(Clone, Debug)]
pub(super) struct Device {
    opened: OpenGpu,
    /// The first message of its callbacks: that it is lost, or an error that no scope caught.
    failure: Arc<Mutex<Option<String>>>,
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
            failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(what);
        };
        let lost = Arc::clone(&failure);
        opened.device.set_device_lost_callback(move |_, message| {
            let remedy =
                "resume from the last checkpoint; if it is lost again, restart its driver or take another device";
            note(&lost, format!("it was lost ({}): {remedy}", message.trim().trim_end_matches('.')));
        });
        let uncaptured = Arc::clone(&failure);
        opened.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| note(&uncaptured, message(&error))));
        let device = Self { opened: opened.clone(), failure };
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

    /// Whether it computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.opened.info.kind == DeviceKind::Software
    }

    /// Whether kernels may read and write textures of vectors, which WebGPU does not promise.
    pub fn has_vector_textures(&self) -> bool {
        let needed = TextureFormatFeatureFlags::STORAGE_READ_ONLY | TextureFormatFeatureFlags::STORAGE_READ_WRITE;
        self.opened.device.features().contains(Features::TEXTURE_ADAPTER_SPECIFIC_FORMAT_FEATURES)
            && self.opened.adapter.get_texture_format_features(VECTORS).flags.contains(needed)
    }

    /// The bytes of the largest storage buffer.
    pub fn most_bytes(&self) -> u64 {
        let limits = self.opened.device.limits();
        limits.max_buffer_size.min(limits.max_storage_buffer_binding_size)
    }

    /// The rows of the largest texture.
    pub fn most_texture_rows(&self) -> u64 {
        self.opened.device.limits().max_texture_dimension_2d.into()
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
        let failure = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
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

    /// Allocates a storage texture of zeros, of `rows` rows of `width` vectors. `what` names its contents in an error.
    pub fn texture(&self, what: &str, width: usize, rows: usize) -> Result<Texture, EngineError> {
        let row_bytes = 16 * width as u64;
        let most_rows = self.most_texture_rows();
        if rows as u64 > most_rows {
            return Err(EngineError::TooLarge {
                device: self.name(),
                what: format!("the texture of the {what}"),
                needed: rows as u64 * row_bytes,
                limit: most_rows * row_bytes,
            });
        }
        let descriptor = TextureDescriptor {
            label: Some(what),
            size: Extent3d { width: width as u32, height: rows as u32, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: TextureDimension::D2,
            format: VECTORS,
            usage: TextureUsages::STORAGE_BINDING | TextureUsages::COPY_DST | TextureUsages::COPY_SRC,
            view_formats: &[],
        };
        self.checked(|device| device.create_texture(&descriptor))
            .map_err(|error| self.error(format!("no room for the {what} ({} bytes): {error}", rows as u64 * row_bytes)))
    }

    /// Writes `data` to a part of a texture, before the next submission.
    pub fn write_texture(
        &self,
        place: TexelCopyTextureInfo<'_>,
        data: &[u8],
        layout: TexelCopyBufferLayout,
        size: Extent3d,
    ) -> Result<(), EngineError> {
        self.checked(|_| self.opened.queue.write_texture(place, data, layout, size))
    }

    /// Writes `data` to the start of `buffer`, before the next submission.
    pub fn write<T: bytemuck::NoUninit>(&self, buffer: &Buffer, data: &[T]) -> Result<(), EngineError> {
        if data.is_empty() {
            return Ok(());
        }
        self.checked(|_| self.opened.queue.write_buffer(buffer, 0, bytemuck::cast_slice(data)))
    }

    /// Compiles a kernel whose bindings are all in group 0.
    pub fn pipeline(&self, name: &str, source: &str, bindings: &[Binding<'_>]) -> Result<Kernel, EngineError> {
        let entries: Vec<BindGroupLayoutEntry> = bindings.iter().zip(0..).map(|(bound, n)| bound.entry(n)).collect();
        self.checked(|device| {
            let descriptor = BindGroupLayoutDescriptor { label: Some(name), entries: &entries };
            let layout = device.create_bind_group_layout(&descriptor);
            let module = device.create_shader_module(ShaderModuleDescriptor {
                label: Some(name),
                source: ShaderSource::Wgsl(source.into()),
            });
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
            Kernel { pipeline, layout }
        })
    }

    /// Binds `bindings` for `kernel`.
    pub fn bind(&self, kernel: &Kernel, bindings: &[Binding<'_>]) -> Result<BindGroup, EngineError> {
        let entries: Vec<BindGroupEntry<'_>> = bindings.iter().zip(0..).map(|(bound, n)| bound.resource(n)).collect();
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
        self.read_copy(n, |encoder, staging| encoder.copy_buffer_to_buffer(buffer, 0, staging, 0, bytes))
    }

    /// Reads `n` values that `copy` copies to a staging buffer, after all submitted work.
    pub fn read_copy<T: bytemuck::Pod>(
        &self,
        n: usize,
        copy: impl FnOnce(&mut CommandEncoder, &Buffer),
    ) -> Result<Vec<T>, EngineError> {
        let bytes = (n * size_of::<T>()) as u64;
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let staging = self.buffer("values to read back", bytes, BufferUsages::COPY_DST | BufferUsages::MAP_READ)?;
        let submission = self.submit(|encoder| copy(encoder, &staging))?;
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

/// A compiled kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    pub pipeline: ComputePipeline,
    layout: BindGroupLayout,
}

/// A buffer or a texture that is bound to a kernel, and its access.
#[derive(Clone, Copy, Debug)]
pub(super) enum Binding<'a> {
    Read(&'a Buffer),
    Write(&'a Buffer),
    ReadTexture(&'a TextureView),
    WriteTexture(&'a TextureView),
    /// One vector, at the offset of each dispatch.
    Uniform(&'a Buffer),
}

impl Binding<'_> {
    fn entry(&self, binding: u32) -> BindGroupLayoutEntry {
        let storage = |read_only| BindingType::Buffer {
            ty: BufferBindingType::Storage { read_only },
            has_dynamic_offset: false,
            min_binding_size: None,
        };
        let texture =
            |access| BindingType::StorageTexture { access, format: VECTORS, view_dimension: TextureViewDimension::D2 };
        let ty = match self {
            Self::ReadTexture(_) => texture(StorageTextureAccess::ReadOnly),
            Self::WriteTexture(_) => texture(StorageTextureAccess::ReadWrite),
            Self::Read(_) => storage(true),
            Self::Write(_) => storage(false),
            Self::Uniform(_) => {
                BindingType::Buffer { ty: BufferBindingType::Uniform, has_dynamic_offset: true, min_binding_size: None }
            }
        };
        BindGroupLayoutEntry { binding, visibility: ShaderStages::COMPUTE, ty, count: None }
    }

    fn resource(&self, binding: u32) -> BindGroupEntry<'_> {
        let resource = match self {
            Self::Read(buffer) | Self::Write(buffer) => buffer.as_entire_binding(),
            Self::ReadTexture(view) | Self::WriteTexture(view) => BindingResource::TextureView(view),
            Self::Uniform(buffer) => {
                BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size: wgpu::BufferSize::new(16) })
            }
        };
        BindGroupEntry { binding, resource }
    }
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
