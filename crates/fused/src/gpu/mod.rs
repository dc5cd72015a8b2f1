//! The GPU executor: the two passes in WGSL, on one device of wgpu.
//!
//! Windows, weights, moments and activations live on the device; a stretch is queued without a read-back. The kernels
//! are put together by [`source`] for one fleet, and every buffer and every grid has a model axis. What it computes, and
//! in which layout, is told by `kernels/README.md` and the heads of the kernels.

mod device;
mod layout;
mod members;
mod pace;
mod scores;
mod session;
mod source;
mod stages;
mod windows;

use triax_device::Opened;
use triax_engine::{Engine, EngineError, Member, Session, TrainingPlan, WindowSet, check_fleet};
use triax_model::{Network, Weights};

use crate::Stages;
use device::Device;
use session::GpuSession;

/// Trains on a GPU.
#[derive(Clone, Debug)]
pub struct GpuEngine {
    device: Device,
    most_window_bytes: u64,
}

impl GpuEngine {
    /// The engine on `opened`, whose errors it listens to from now on.
    ///
    /// # Errors
    /// A device that cannot compute.
    pub fn new(opened: &Opened) -> Result<Self, EngineError> {
        let device = Device::new(opened)?;
        Ok(Self { most_window_bytes: device.most_bytes(), device })
    }

    /// The same with at most `bytes` for a buffer of windows. A data set that needs more streams through two of them, to
    /// the same results.
    pub fn with_window_bytes(self, bytes: u64) -> Self {
        Self { most_window_bytes: self.most_window_bytes.min(bytes), ..self }
    }

    /// Forward and backward pass of the windows at `indices`, with what each stage left behind: the counterpart of
    /// [`crate::gradients`]. Dropout works in place, so that the output of the layer before it, and the gradient of its
    /// own, are empty, as are the losses of single windows; a pool's gradient is 0 where its output is, since the ReLU
    /// before it is taken into account.
    ///
    /// # Errors
    /// As [`Engine::open`]; no windows, or windows that there are not.
    pub fn gradients(
        &self,
        network: &Network,
        weights: &Weights,
        plan: &TrainingPlan,
        windows: &WindowSet,
        indices: &[u32],
        step: u64,
    ) -> Result<Stages, EngineError> {
        stages::gradients(&self.device, network, weights, plan, windows, indices, step)
    }
}

impl Engine for GpuEngine {
    fn name(&self) -> &'static str {
        "fused"
    }

    fn capacity(&self, member: &Member<'_>, _windows: &WindowSet) -> usize {
        session::capacity(member, self.device.most_bytes())
    }

    fn open(&self, fleet: &[Member<'_>], windows: &WindowSet) -> Result<Box<dyn Session>, EngineError> {
        check_fleet(fleet, windows)?;
        Ok(Box::new(GpuSession::new(&self.device, fleet, windows, self.most_window_bytes)?))
    }

    fn scores(&self, network: &Network, weights: &Weights, windows: &[f32]) -> Result<Vec<f32>, EngineError> {
        scores::scores(&self.device, network, weights, windows, self.most_window_bytes)
    }
}
