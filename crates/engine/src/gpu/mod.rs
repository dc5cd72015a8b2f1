//! The GPU executor: the two passes in WGSL, on one wgpu device.
//!
//! Windows, weights, moments and activations stay on the device, and a stretch is submitted without reading anything back.
//! [`source`] composes the kernels for a fleet; every buffer and every grid has a model axis. `kernels/README.md` and the
//! headers of the kernels describe what they compute, and the layouts.

mod device;
mod gradients;
mod layout;
mod members;
mod scores;
mod session;
mod source;
mod submissions;
mod vectors;
mod windows;

use crate::device::OpenGpu;
use crate::{Engine, EngineError, Member, Phase, Scorer, Session, Timings, WindowSet, check_fleet, check_scorer};
use triax_model::{Network, Scaler, Weights};

use device::Device;
use scores::GpuScorer;
use session::{GpuSession, Options};

/// Trains on a GPU.
#[derive(Clone, Debug)]
pub struct GpuEngine {
    device: Device,
    options: Options,
    timings: Timings,
}

impl GpuEngine {
    /// The engine on `opened`. It replaces the error callbacks of the device.
    ///
    /// # Errors
    /// A device whose limits are too low.
    pub fn new(opened: &OpenGpu) -> Result<Self, EngineError> {
        let device = Device::new(opened)?;
        let software = device.is_software();
        let in_textures = software && device.has_vector_textures();
        let options = Options { most_window_bytes: device.most_bytes(), software, in_textures };
        Ok(Self { device, options, timings: Timings::off() })
    }

    /// Limits a buffer of windows to `bytes`. A larger data set is streamed through two such buffers, with the same
    /// results.
    pub fn with_window_bytes(mut self, bytes: u64) -> Self {
        self.options.most_window_bytes = self.options.most_window_bytes.min(bytes);
        self
    }

    /// Selects the kernels for software devices, or those for hardware, instead of those for this device. Arrays are in
    /// textures only if the device supports it.
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
        let _uploading = self.timings.phase(Phase::Uploading);
        Ok(Box::new(GpuSession::new(&self.device, fleet, windows, &self.options)?))
    }

    fn scorer(
        &self,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
    ) -> Result<Box<dyn Scorer>, EngineError> {
        check_scorer(network, weights, scaler)?;
        Ok(Box::new(GpuScorer {
            device: self.device.clone(),
            options: self.options,
            network: network.clone(),
            weights: weights.clone(),
            scaler: scaler.cloned(),
            timings: self.timings.clone(),
        }))
    }

    fn timings(&self) -> &Timings {
        &self.timings
    }

    fn set_timings(&mut self, timings: &Timings) {
        self.timings = timings.clone();
    }
}
