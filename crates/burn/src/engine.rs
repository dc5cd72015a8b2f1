//! The engine: the device, its limits, and the conversion of its failures to errors.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::{Device, ExecutionError, Tensor, TensorData};
use triax_engine::device::{DeviceInfo, OpenGpu};
use triax_engine::{
    Engine, EngineError, Member, Scorer, Session, WindowSet, check_fleet, check_plain, check_scorer, count_windows,
};
use triax_model::{Layer, Network, Scaler, Weights};

use crate::parameters;
use crate::sensor_cnn::SensorCnn;
use crate::session::BurnSession;

/// The windows of a forward pass without gradients. With 128 instead of 512 the reference network scores windows 8 %
/// faster on two CPU cores, and in a third less time on a software GPU: a layer's output is still in the cache for the
/// next layer.
const WINDOWS_A_PASS: usize = 128;

/// The bytes of windows that [`Scorer::scores`] copies to the device at once.
const UPLOAD_BYTES: usize = 64 << 20;

/// Burn on one device.
#[derive(Clone, Debug)]
pub struct BurnEngine {
    pub(crate) host: Host,
}

/// A device of Burn, with its name and limit.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub device: Device,
    /// Its name, for errors.
    pub name: String,
    /// The bytes of the largest buffer of a shader; none on the CPU, where only memory is a limit.
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
    pub fn gpu(opened: &OpenGpu) -> Result<Self, EngineError> {
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

    fn capacity(&self, _: &Member<'_>, _: &WindowSet) -> usize {
        1
    }

    fn open(&self, fleet: &[Member<'_>], windows: &WindowSet) -> Result<Box<dyn Session>, EngineError> {
        check_fleet(fleet, windows)?;
        fleet.iter().try_for_each(|member| check_plain(member.network))?;
        let [member] = fleet else {
            return Err(EngineError::Input(format!(
                "Burn's engine trains one model at a time, and not {} at once: take the fused engine for a fleet",
                fleet.len()
            )));
        };
        if !member.plan.augmentation.is_none() {
            let problem = "Burn's engine trains on the windows as they are: take the fused engine for augmentation";
            return Err(EngineError::Input(problem.to_owned()));
        }
        if member.plan.label_smoothing > 0.0 {
            let problem = "Burn's engine trains by the labels as they are: take the fused engine for label smoothing";
            return Err(EngineError::Input(problem.to_owned()));
        }
        let at_once = member.plan.batch_size.min(windows.len()).max(WINDOWS_A_PASS.min(member.validation.len()));
        self.host.check_fit("the windows", windows.windows.len())?;
        self.host.check_fit("the vector of all weights", member.network.n_parameters())?;
        self.host.check_layers(member.network, at_once)?;
        Ok(Box::new(self.host.guard(|| Ok(BurnSession::new(&self.host, member, windows)))?))
    }

    fn scorer(
        &self,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
    ) -> Result<Box<dyn Scorer>, EngineError> {
        check_scorer(network, weights, scaler)?;
        check_plain(network)?;
        Ok(Box::new(BurnScorer {
            host: self.host.clone(),
            network: network.clone(),
            weights: weights.clone(),
            scaler: scaler.cloned(),
        }))
    }
}

/// A network that scores windows. Each call uploads the weights.
struct BurnScorer {
    host: Host,
    network: Network,
    weights: Weights,
    scaler: Option<Scaler>,
}

impl Scorer for BurnScorer {
    fn scores(&mut self, windows: &[f32]) -> Result<Vec<f32>, EngineError> {
        let Self { host, network, weights, scaler } = self;
        let n_windows = count_windows(network, windows)?;
        let n_values = network.spec().window * network.spec().channels;
        host.check_layers(network, WINDOWS_A_PASS.min(n_windows))?;
        let n_windows_at_once = (UPLOAD_BYTES / 4 / n_values).max(1);
        host.guard(|| {
            let device = &host.device;
            let cnn = SensorCnn::from_parameters(network, parameters::upload(weights, device));
            let mut scores = Vec::with_capacity(n_windows * network.spec().classes);
            for part in windows.chunks(n_windows_at_once * n_values) {
                let n_windows = part.len() / n_values;
                let mut values = part.to_vec();
                if let Some(scaler) = scaler {
                    scaler.apply(&mut values);
                }
                let rows: Tensor<2> = Tensor::from_data(TensorData::new(values, [n_windows, n_values]), device);
                scores.extend(read_scores(&cnn, network, n_windows, |pass| rows.clone().slice(pass))?);
            }
            Ok(scores)
        })
    }
}

/// Scores (n_windows, classes), without dropout. `rows` returns any range of windows as (windows of the range, window ·
/// channels).
pub(crate) fn read_scores(
    cnn: &SensorCnn,
    network: &Network,
    n_windows: usize,
    rows: impl Fn(Range<usize>) -> Tensor<2>,
) -> Result<Vec<f32>, ExecutionError> {
    let spec = network.spec();
    if n_windows == 0 {
        return Ok(Vec::new());
    }
    let passes = (0..n_windows).step_by(WINDOWS_A_PASS).map(|start| {
        let end = (start + WINDOWS_A_PASS).min(n_windows);
        cnn.forward(rows(start..end).reshape([end - start, spec.window, spec.channels]), None)
    });
    parameters::read(Tensor::cat(passes.collect(), 0))
}

impl Host {
    /// Refuses a buffer of `n_values` f32 that the device cannot hold, before it is allocated: the driver's message
    /// would name no cause.
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

    /// Whether this is a GPU, where reading back waits for a queue.
    pub fn is_gpu(&self) -> bool {
        self.buffer_limit.is_some()
    }

    /// [`Host::check_fit`] for the activations of every layer with `n_windows` windows at once.
    fn check_layers(&self, network: &Network, n_windows: usize) -> Result<(), EngineError> {
        for layer in network.layers() {
            let (name, n_values) = match layer {
                Layer::Conv { name, input, output, kernel, .. } => (name, output.0 * (kernel * input.1).max(output.1)),
                Layer::Pool { name, input, .. } => (name, input.0 * input.1),
                Layer::Dropout { units, .. } => (&"dropout".to_owned(), *units),
                Layer::Dense { name, inputs, units, .. } => (name, *inputs.max(units)),
            };
            self.check_fit(&format!("{name} for {n_windows} windows at once"), n_windows * n_values)?;
        }
        Ok(())
    }

    /// Runs `work` on the device. Burn reports a lost device or exhausted memory by a panic in some places and by an
    /// error in others; both become an [`EngineError`].
    pub fn guard<T>(&self, work: impl FnOnce() -> Result<T, ExecutionError>) -> Result<T, EngineError> {
        // A panic may leave the session in an inconsistent state, but a session is not used after an error.
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

/// A study moves an engine to the thread that uses it.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<BurnEngine>();
};
