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
mod vectors;
mod windows;

use crate::device::Opened;
use crate::{Engine, EngineError, Member, Session, WindowSet, check_fleet};
use triax_model::{Network, Scaler, Weights};

use device::Device;
use session::{GpuSession, Options};

/// Trains on a GPU.
#[derive(Clone, Debug)]
pub struct GpuEngine {
    device: Device,
    options: Options,
}

impl GpuEngine {
    /// The engine on `opened`, whose errors it listens to from now on.
    ///
    /// # Errors
    /// A device that cannot compute.
    pub fn new(opened: &Opened) -> Result<Self, EngineError> {
        let device = Device::new(opened)?;
        let software = device.is_software();
        let in_textures = software && device.has_vector_textures();
        let options = Options { most_window_bytes: device.most_bytes(), software, in_textures };
        Ok(Self { device, options })
    }

    /// The same with at most `bytes` for a buffer of windows. A data set that needs more streams through two of them, to
    /// the same results.
    pub fn with_window_bytes(mut self, bytes: u64) -> Self {
        self.options.most_window_bytes = self.options.most_window_bytes.min(bytes);
        self
    }

    /// The same with the kernels that GPUs of silicon get by default, or with those of software devices, as far as this
    /// device can run them.
    pub fn with_kernels_for_software(mut self, software: bool) -> Self {
        self.options.software = software;
        self.options.in_textures = software && self.device.has_vector_textures();
        self
    }
}

impl Engine for GpuEngine {
    fn name(&self) -> &'static str {
        "fused"
    }

    fn capacity(&self, member: &Member<'_>, _windows: &WindowSet) -> usize {
        session::capacity(&self.device, member, &self.options)
    }

    fn open(&self, fleet: &[Member<'_>], windows: &WindowSet) -> Result<Box<dyn Session>, EngineError> {
        check_fleet(fleet, windows)?;
        Ok(Box::new(GpuSession::new(&self.device, fleet, windows, &self.options)?))
    }

    fn scores(
        &self,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
        windows: &[f32],
    ) -> Result<Vec<f32>, EngineError> {
        scores::scores(&self.device, network, weights, scaler, windows, &self.options)
    }
}
