//! The engine: which device computes, what fits on it, and how its failures become errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::{Device, ExecutionError, Tensor, TensorData};
use triax_device::{DeviceInfo, Opened};
use triax_engine::{Engine, EngineError, Session, TrainingPlan, WindowSet};
use triax_model::{Layer, Network, Weights};

use crate::parameters;
use crate::sensor_cnn::SensorCnn;
use crate::session::BurnSession;

/// Windows that one forward pass without gradients takes. With 128 instead of 512 the reference network scores windows
/// 8 % faster on two CPU cores, and in a third less time on a software GPU: what one layer leaves is still in the cache
/// for the next.
const WINDOWS_A_PASS: usize = 128;

/// Bytes of windows that [`Engine::scores`] copies to the device at once.
const UPLOAD_BYTES: usize = 64 << 20;

/// Burn on one device.
#[derive(Clone, Debug)]
pub struct BurnEngine {
    pub(crate) host: Host,
}

/// A device of Burn, with what Burn does not tell about it.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub device: Device,
    /// Its name, for errors.
    pub name: String,
    /// Bytes of the largest buffer that a shader sees; none on the CPU, where memory is the only limit.
    pub buffer_limit: Option<u64>,
}

impl BurnEngine {
    /// The CPU.
    pub fn cpu() -> Self {
        let name = DeviceInfo::cpu().name;
        Self { host: Host { device: Device::flex(), name, buffer_limit: None } }
    }

    /// A GPU. Burn keeps its handles until the process ends, so open a GPU once and clone the engine.
    ///
    /// # Errors
    /// A GPU on which Burn cannot run.
    pub fn gpu(opened: &Opened) -> Result<Self, EngineError> {
        let setup = WgpuSetup {
            instance: opened.instance.clone(),
            adapter: opened.adapter.clone(),
            device: opened.device.clone(),
            queue: opened.queue.clone(),
            backend: opened.adapter.get_info().backend,
        };
        let name = opened.info.to_string();
        let failed = |reason: String| EngineError::Device { device: name.clone(), reason };
        let device = Device::wgpu_options().setup(setup).init().map_err(|error| failed(error.to_string()))?;
        let limits = opened.device.limits();
        let buffer_limit = Some(limits.max_buffer_size.min(limits.max_storage_buffer_binding_size));
        Ok(Self { host: Host { device, name, buffer_limit } })
    }
}

impl Engine for BurnEngine {
    fn name(&self) -> &'static str {
        "burn"
    }

    fn open(
        &self,
        network: &Network,
        weights: &Weights,
        plan: &TrainingPlan,
        train: &WindowSet,
        valid: &WindowSet,
    ) -> Result<Box<dyn Session>, EngineError> {
        plan.check(network)?;
        weights.fits(network).map_err(EngineError::Input)?;
        train.check("training", network)?;
        valid.check("validation", network)?;
        self.host.check_fit("the training windows", train.windows.len())?;
        self.host.check_fit("the validation windows", valid.windows.len())?;
        self.host.check_fit("the vector of all weights", network.n_parameters())?;
        self.host.check_layers(network, plan.batch_size.min(train.len()))?;
        let session = self.host.guard(|| Ok(BurnSession::new(&self.host, network, weights, plan, train, valid)))?;
        Ok(Box::new(session))
    }

    fn scores(&self, network: &Network, weights: &Weights, windows: &[f32]) -> Result<Vec<f32>, EngineError> {
        weights.fits(network).map_err(EngineError::Input)?;
        let n_values = network.spec().window * network.spec().channels;
        if !windows.len().is_multiple_of(n_values) {
            let problem = format!("{} values are not a whole number of windows of {n_values}", windows.len());
            return Err(EngineError::Input(problem));
        }
        self.host.check_layers(network, WINDOWS_A_PASS.min(windows.len() / n_values))?;
        let n_windows = (UPLOAD_BYTES / 4 / n_values).max(1);
        self.host.guard(|| {
            let device = &self.host.device;
            let cnn = SensorCnn::of_parameters(network, parameters::upload(weights, device));
            let mut scores = Vec::with_capacity(windows.len() / n_values * network.spec().classes);
            for part in windows.chunks(n_windows * n_values) {
                let rows = TensorData::new(part.to_vec(), [part.len() / n_values, n_values]);
                scores.extend(read_scores(&cnn, network, &Tensor::from_data(rows, device))?);
            }
            Ok(scores)
        })
    }
}

/// Scores (n_windows, classes) of windows (n_windows, window · channels), without dropout.
pub(crate) fn read_scores(cnn: &SensorCnn, network: &Network, windows: &Tensor<2>) -> Result<Vec<f32>, ExecutionError> {
    let spec = network.spec();
    let [n_windows, _] = windows.dims();
    if n_windows == 0 {
        return Ok(Vec::new());
    }
    let passes = (0..n_windows).step_by(WINDOWS_A_PASS).map(|start| {
        let end = (start + WINDOWS_A_PASS).min(n_windows);
        let part = windows.clone().slice(start..end).reshape([end - start, spec.window, spec.channels]);
        cnn.forward(part, None)
    });
    parameters::read(Tensor::cat(passes.collect(), 0))
}

impl Host {
    /// Refuses a buffer of `n_values` f32 that the device cannot hold, before anything is allocated: afterwards the
    /// driver's own message names no cause.
    fn check_fit(&self, what: &str, n_values: usize) -> Result<(), EngineError> {
        let needed = n_values as u64 * 4;
        match self.buffer_limit {
            Some(limit) if needed > limit => Err(EngineError::TooLarge {
                device: self.name.clone(),
                what: format!("{what} (in bytes)"),
                needed,
                limit,
            }),
            _ => Ok(()),
        }
    }

    /// Whether reading back waits for a queue.
    pub fn is_gpu(&self) -> bool {
        self.buffer_limit.is_some()
    }

    /// [`Host::check_fit`] for everything that `n_windows` windows at once become on their way through the network.
    fn check_layers(&self, network: &Network, n_windows: usize) -> Result<(), EngineError> {
        for layer in network.layers() {
            let (name, n_values) = match layer {
                Layer::Conv { name, input, output, kernel, .. } => (name, output.0 * (kernel * input.1).max(output.1)),
                Layer::MaxPool { name, input, .. } => (name, input.0 * input.1),
                Layer::Dropout { units, .. } => (&"dropout".to_owned(), *units),
                Layer::Dense { name, inputs, units, .. } => (name, *inputs.max(units)),
            };
            self.check_fit(&format!("{name} for {n_windows} windows at once"), n_windows * n_values)?;
        }
        Ok(())
    }

    /// Runs work on the device. Burn reports a lost device or exhausted memory by a panic in some places and an error
    /// in others; both become an [`EngineError`] here, so that a run ends with its last checkpoint and a sentence.
    pub fn guard<T>(&self, work: impl FnOnce() -> Result<T, ExecutionError>) -> Result<T, EngineError> {
        // What a panic leaves half-done belongs to the session, which is of no further use after an error.
        let reason = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
                (Some(text), _) => text.clone(),
                (None, Some(text)) => (*text).to_owned(),
                (None, None) => "it stopped without a reason".to_owned(),
            },
        };
        Err(EngineError::Device { device: self.name.clone(), reason })
    }
}
