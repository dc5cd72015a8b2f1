//! What trains a network: the interface every engine implements, and the f64 reference.
//!
//! An [`Engine`] is a device that can train. It takes a network, weights, windows and a [`TrainingPlan`], and opens a
//! [`Session`]: the state of one training run, resident on that device. The trainer drives the session a stretch of
//! steps at a time, and reads back what it needs at the end of the stretch.
//!
//! This crate must never know files, progress bars or what a subject is.

mod plan;
pub mod reference;
mod windows;

use std::ops::{ControlFlow, Range};

pub use plan::{Optimizer, TrainingPlan};
use triax_model::{Network, Weights};
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

/// A stretch of steps within one epoch.
#[derive(Clone, Debug)]
pub struct Stretch<'a> {
    /// The order of the training windows in this epoch: a permutation of their indices.
    pub order: &'a [u32],
    /// Steps to run, counted from the start of the epoch. Step `s` trains on `order[s·batch .. (s+1)·batch]`, cut at the
    /// end of the epoch.
    pub steps: Range<usize>,
    /// Steps taken before this epoch: the counter of dropout is `first_step + s`.
    pub first_step: u64,
    /// Learning rate of each step in `steps`.
    pub learning_rates: &'a [f32],
}

impl Stretch<'_> {
    /// Whether these are steps that a session of `n_windows` training windows can take, with a learning rate for each.
    ///
    /// # Errors
    /// [`EngineError::Input`] with what does not belong together.
    pub fn check(&self, plan: &TrainingPlan, n_windows: usize) -> Result<(), EngineError> {
        let n_steps = plan.n_steps(self.order.len());
        let problem = if self.steps.end > n_steps {
            format!("steps {:?} of an epoch that has {n_steps}", self.steps)
        } else if self.learning_rates.len() != self.steps.len() {
            format!("{} learning rates for {} steps", self.learning_rates.len(), self.steps.len())
        } else if let Some(window_idx) = self.order.iter().find(|&&window_idx| window_idx as usize >= n_windows) {
            format!("the order names window {window_idx} of {n_windows}")
        } else {
            return Ok(());
        };
        Err(EngineError::Input(format!("these steps cannot be taken: {problem}")))
    }
}

/// What one step left behind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepResult {
    /// Loss of the batch, before the update: Σ w·l / batch.
    pub loss: f32,
    /// Windows of the batch whose largest score (the first of equals) is their label's.
    pub correct: u32,
    /// Euclidean norm of the whole gradient, before clipping.
    pub gradient_norm: f32,
}

/// Everything a session needs to go on elsewhere exactly as it would have here.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionState {
    /// The weights.
    pub weights: Weights,
    /// The optimizer's moments, each with the shapes of the weights, in the order of [`Optimizer::moment_names`].
    pub moments: Vec<Weights>,
    /// Updates applied so far: Adam's t.
    pub updates: u64,
}

impl SessionState {
    /// Whether this is the state of a session of `network` and `optimizer`.
    ///
    /// # Errors
    /// [`EngineError::Input`] with the first tensor that does not fit.
    pub fn check(&self, network: &Network, optimizer: &Optimizer) -> Result<(), EngineError> {
        let refuse = |problem: String| Err(EngineError::Input(format!("the saved state does not fit: {problem}")));
        if let Err(problem) = self.weights.fits(network) {
            return refuse(problem);
        }
        let names = optimizer.moment_names();
        if self.moments.len() != names.len() {
            return refuse(format!("{} moments, and the optimizer keeps {names:?}", self.moments.len()));
        }
        for (name, moment) in names.iter().zip(&self.moments) {
            if let Err(problem) = moment.fits(network) {
                return refuse(format!("moment `{name}`: {problem}"));
            }
        }
        Ok(())
    }
}

/// A device that can train networks.
pub trait Engine {
    /// Name of the engine (`burn`, `reference`).
    fn name(&self) -> &'static str;

    /// Opens a training session with data and weights on the device.
    ///
    /// # Errors
    /// Shapes that do not fit the network, a device that cannot hold them, a device that fails.
    fn open(
        &self,
        network: &Network,
        weights: &Weights,
        plan: &TrainingPlan,
        train: &WindowSet,
        valid: &WindowSet,
    ) -> Result<Box<dyn Session>, EngineError>;

    /// Scores of `windows` (n_windows, window, channels) as (n_windows, classes), without dropout.
    ///
    /// # Errors
    /// As [`Engine::open`].
    fn scores(&self, network: &Network, weights: &Weights, windows: &[f32]) -> Result<Vec<f32>, EngineError>;
}

/// One training run on a device.
pub trait Session {
    /// Runs the steps of `stretch` and returns a result for each step taken. `after_step` is told each step of the epoch
    /// as it is queued, with its result where that costs nothing (on a CPU); `Break` ends the stretch after that step.
    ///
    /// Nothing is read back from a GPU until the stretch ends.
    ///
    /// # Errors
    /// A device that fails. The session is of no further use then.
    fn train(
        &mut self,
        stretch: &Stretch<'_>,
        after_step: &mut dyn FnMut(usize, Option<StepResult>) -> ControlFlow<()>,
    ) -> Result<Vec<StepResult>, EngineError>;

    /// Scores of the validation windows, (n_valid, classes).
    ///
    /// # Errors
    /// A device that fails.
    fn validation_scores(&mut self) -> Result<Vec<f32>, EngineError>;

    /// Reads weights and moments back. The session goes on from exactly these values, so that another that restores them
    /// goes on the same.
    ///
    /// # Errors
    /// A device that fails.
    fn state(&mut self) -> Result<SessionState, EngineError>;

    /// Replaces weights, moments and the count of updates.
    ///
    /// # Errors
    /// A state of another network or optimizer; a device that fails.
    fn restore(&mut self, state: &SessionState) -> Result<(), EngineError>;
}
