//! What trains networks: the interface of an engine, the devices of a machine, and the fused engine on both kinds of them.
//!
//! An [`Engine`] is a device that can train. It takes a fleet, which is one or more models of one shape, and the windows
//! that they learn from, and opens a [`Session`]: the state of their training, resident on that device. The trainer
//! drives the session a stretch of steps at a time, and reads back what it needs at the end of the stretch.
//!
//! [`device`] finds the GPUs of this machine and opens them. [`CpuEngine`] and [`GpuEngine`] are the two halves of the fused
//! engine: a training step in two passes, a fleet of models at once.
//!
//! This crate must never know files, progress bars or what a subject is.

mod augmentation;
mod confusion;
mod cpu;
pub mod device;
mod evaluation;
mod fleet;
mod gpu;
mod optimizer;
mod state;
mod stretch;
mod training_plan;
mod windows;

use std::ops::ControlFlow;

pub use augmentation::Augmentation;
pub use confusion::Confusion;
pub use cpu::{CpuEngine, Float, StageTime, Stages, gradients, stage_times};
pub use evaluation::{Evaluation, NotFinite};
pub use fleet::{Member, can_share, check_fleet, check_scores, check_weights};
pub use gpu::GpuEngine;
pub use optimizer::Optimizer;
pub use state::SessionState;
pub use stretch::{MemberEpoch, Progress, StepResult, Stretch};
pub use training_plan::TrainingPlan;
use triax_model::{Network, Scaler, Weights};
pub use windows::WindowSet;

/// What an engine can report as gone wrong.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The device lacks something that this job needs.
    #[error("{device} cannot hold this job: {what} needs {needed}, the limit is {limit}")]
    TooLarge {
        /// The device's name.
        device: String,
        /// The buffer or dispatch at fault.
        what: String,
        /// What it needs.
        needed: u64,
        /// What the device has.
        limit: u64,
    },
    /// The device failed: lost, out of memory, or an error of its driver.
    #[error("{device} failed: {reason}")]
    Device {
        /// The device's name.
        device: String,
        /// What the driver or the runtime said.
        reason: String,
    },
    /// The arguments do not belong together.
    #[error("{0}")]
    Input(String),
}

/// A device that can train networks.
pub trait Engine {
    /// Name of the engine (`fused`, `burn`).
    fn name(&self) -> &'static str;

    /// How many models such as `member`, learning from `windows`, one session can hold; at least 1. A single model that
    /// is too large is refused by [`Engine::open`], which says why.
    fn capacity(&self, member: &Member<'_>, windows: &WindowSet) -> usize;

    /// Opens a session that trains `fleet` on `windows`, with data and weights on the device.
    ///
    /// # Errors
    /// What [`check_fleet`] refuses; a fleet that the device cannot hold; a device that fails.
    fn open(&self, fleet: &[Member<'_>], windows: &WindowSet) -> Result<Box<dyn Session>, EngineError>;

    /// Scores of `windows` (n_windows, window, channels) as (n_windows, classes), without dropout. The values are as the
    /// sensors gave them: `scaler` standardises them, as [`Scaler::apply`] does, and they are taken as they are without.
    ///
    /// # Errors
    /// What [`check_scores`] refuses; windows that the device cannot hold; a device that fails.
    fn scores(
        &self,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
        windows: &[f32],
    ) -> Result<Vec<f32>, EngineError>;
}

/// What [`Session::train`] tells as it goes; from whichever thread takes the steps, but from one at a time.
pub type Watch<'a> = dyn FnMut(Progress) -> ControlFlow<()> + Send + 'a;

/// The training of a fleet on a device. What is returned for each member is in the order of the fleet.
pub trait Session {
    /// Runs the steps of `stretch`, and returns for each member a result of each step that it took. `watch` is told as
    /// steps are taken or queued; where it answers `Break`, a fleet of one ends after that step, a larger one soon after.
    ///
    /// Nothing is read back from a GPU until the stretch ends.
    ///
    /// # Errors
    /// A stretch that does not belong to this session; a device that fails. The session is of no further use then.
    fn train(&mut self, stretch: &Stretch<'_>, watch: &mut Watch<'_>) -> Result<Vec<Vec<StepResult>>, EngineError>;

    /// How well each member classifies its validation windows, without dropout.
    ///
    /// # Errors
    /// A device that fails.
    fn validate(&mut self) -> Result<Vec<Evaluation>, EngineError>;

    /// Reads the weights of each member back, without moments: what is judged, averaged and written.
    ///
    /// # Errors
    /// A device that fails.
    fn weights(&mut self) -> Result<Vec<Weights>, EngineError>;

    /// Replaces the weights of each member, and leaves moments and counts as they are.
    ///
    /// # Errors
    /// Weights of other networks, or of another number of members; a device that fails.
    fn set_weights(&mut self, weights: &[Weights]) -> Result<(), EngineError>;

    /// Reads weights and moments of each member back. The session goes on from exactly these values, so that another
    /// that restores them goes on the same.
    ///
    /// # Errors
    /// A device that fails.
    fn state(&mut self) -> Result<Vec<SessionState>, EngineError>;

    /// Replaces weights, moments and the count of updates of each member.
    ///
    /// # Errors
    /// States of other networks or optimizers, or of another number of members; a device that fails.
    fn restore(&mut self, states: &[SessionState]) -> Result<(), EngineError>;
}
