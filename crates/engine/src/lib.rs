//! Training of networks: the interface of an engine, and an engine for CPUs and GPUs.
//!
//! An [`Engine`] trains on one device. [`Engine::open`] takes a fleet (one or more models of one shape, each a
//! [`Member`] with a [`TrainingPlan`]) and a [`WindowSet`], and returns a [`Session`]: the state of the fleet's
//! training, resident on the device. A session starts a [`Stretch`] of steps at a time, and later returns a [`StepResult`]
//! for each step of each member. [`Engine::scorer`] takes a trained network, and returns a [`Scorer`] of windows.
//!
//! | module | contents |
//! |---|---|
//! | `fleet`, `training_plan`, `optimizer`, `augmentation` | what is trained, and how |
//! | `windows` | the data |
//! | `stretch`, `evaluation`, `confusion`, `state` | what a session is asked for, and what it returns |
//! | `timings` | where the time goes, if somebody asks |
//! | [`device`] | the devices of this machine |
//! | `cpu` | [`CpuEngine`], in f32 or f64; at f64 it is the reference for all other engines |
//! | `gpu` | [`GpuEngine`], which composes the sources of `triax-kernels` and runs them through wgpu |
//!
//! The CPU takes a training step in two passes: the sample pass runs each tile of windows through the network and back, the
//! parameter pass sums the gradient of each parameter over the batch and updates it. A GPU takes the same in a few more, a
//! dispatch for each layer.
//!
//! This crate knows neither files, nor progress bars, nor subjects.

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
mod timings;
mod training_plan;
mod windows;

use std::ops::ControlFlow;

use triax_model::{Network, Scaler, Weights};

pub use augmentation::Augmentation;
pub use confusion::Confusion;
pub use cpu::{BatchTrace, CpuEngine, Float, StageTime, gradients, stage_times};
pub use evaluation::{Evaluation, NotFinite};
pub use fleet::{Member, can_share, check_fleet, check_plain, check_scorer, check_weights, count_windows};
pub use gpu::{GpuEngine, wgsl};
pub use optimizer::Optimizer;
pub use state::SessionState;
pub use stretch::{MemberEpoch, Progress, StepResult, Stretch};
pub use timings::{Phase, PhaseGuard, PhaseTime, StageRow, Timings, TimingsFound};
pub use training_plan::TrainingPlan;
pub use windows::WindowSet;

/// Why an engine refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The job exceeds a limit of the device.
    #[error("{device} cannot hold this job: {what} needs {needed}, the limit is {limit}")]
    TooLarge {
        /// The device's name.
        device: String,
        /// What exceeds the limit.
        what: String,
        /// What the job needs.
        needed: u64,
        /// The limit of the device.
        limit: u64,
    },
    /// The device failed: lost, out of memory, or an error of its driver.
    #[error("{device} failed: {reason}")]
    Device {
        /// The device's name.
        device: String,
        /// The message of the driver or the runtime.
        reason: String,
    },
    /// Invalid arguments.
    #[error("{0}")]
    Input(String),
}

impl EngineError {
    /// The error of a session that is asked for the results of `what`, and has nothing of the kind left to return.
    pub fn nothing_started(what: &str) -> Self {
        Self::Input(format!("there are no {what} left to fetch: start them first"))
    }
}

/// A device that trains networks.
pub trait Engine {
    /// The name of the engine (`fused`, `burn`).
    fn name(&self) -> &'static str;

    /// The number of models like `member` that one session on `windows` can hold, at least 1. If a single model is too
    /// large, [`Engine::open`] refuses it.
    fn capacity(&self, member: &Member<'_>, windows: &WindowSet) -> usize;

    /// Opens a session that trains `fleet` on `windows`, with data and weights on the device.
    ///
    /// # Errors
    /// What [`check_fleet`] refuses; a fleet that the device cannot hold; a device that fails.
    fn open(&self, fleet: &[Member<'_>], windows: &WindowSet) -> Result<Box<dyn Session>, EngineError>;

    /// Opens a session for a part of a fleet that was planned with `planned` models: each model comes to the bits that it
    /// would have come to in the whole fleet, also where an engine adds up differently in fleets of other sizes.
    ///
    /// # Errors
    /// As [`Engine::open`].
    fn open_part(
        &self,
        fleet: &[Member<'_>],
        windows: &WindowSet,
        _planned: usize,
    ) -> Result<Box<dyn Session>, EngineError> {
        self.open(fleet, windows)
    }

    /// Opens a [`Scorer`] for a network with these weights. `scaler`, if any, standardises the sensors' values with the
    /// same bits as [`Scaler::apply`].
    ///
    /// # Errors
    /// What [`check_scorer`] refuses; a network that the device cannot hold; a device that fails.
    fn scorer(
        &self,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
    ) -> Result<Box<dyn Scorer>, EngineError>;

    /// Scores of windows, from a scorer for this call only.
    ///
    /// # Errors
    /// As [`Engine::scorer`] and [`Scorer::scores`].
    fn scores(
        &self,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
        windows: &[f32],
    ) -> Result<Vec<f32>, EngineError> {
        self.scorer(network, weights, scaler)?.scores(windows)
    }

    /// The recorder of where the time goes, for this engine and for those who use it.
    fn timings(&self) -> &Timings {
        static OFF: Timings = Timings::off();
        &OFF
    }

    /// Records from now on in `timings`, also in the sessions and scorers that are opened later. An engine that records
    /// nothing ignores it.
    fn set_timings(&mut self, _timings: &Timings) {}
}

/// A network that scores windows on a device, call after call. It may move to the thread that uses it.
pub trait Scorer: Send {
    /// Scores (n_windows, classes) of `windows` (n_windows, window, channels), without dropout. `windows` holds the
    /// sensors' values. The scores of a window do not depend on the others.
    ///
    /// # Errors
    /// What [`count_windows`] refuses; windows that the device cannot hold; a device that fails.
    fn scores(&mut self, windows: &[f32]) -> Result<Vec<f32>, EngineError>;
}

/// A callback for the progress of [`Session::start`]. Any thread that takes steps may call it, one at a time.
pub type Watch<'a> = dyn FnMut(Progress) -> ControlFlow<()> + Send + 'a;

/// The training of a fleet on a device. Results for each member are in the order of the fleet.
///
/// A device works in the order of the calls. Steps and validations are started, and their results are fetched later, the
/// oldest first. Every other method sees the weights after all that was started before it.
pub trait Session {
    /// Whether a device takes the steps while the host goes on. Only then is it worth starting steps before the results
    /// of earlier ones are fetched: a CPU has taken them when [`Session::start`] returns.
    fn runs_ahead(&self) -> bool {
        false
    }

    /// Submits the steps of `stretch`; a CPU takes them. [`Session::results`] returns their results. `watch` is called as
    /// steps are taken or submitted. If it returns `Break`, a fleet of one stops after that step, and a larger one soon
    /// after. A session does not submit so far ahead that a caller who stops has to wait.
    ///
    /// Nothing is read back from a GPU until the stretch ends.
    ///
    /// # Errors
    /// A stretch that does not fit this session; a device that fails. The session is unusable after an error.
    fn start(&mut self, stretch: &Stretch<'_>, watch: &mut Watch<'_>) -> Result<(), EngineError>;

    /// Waits for the oldest stretch that was started and not fetched yet, and returns the results of each member's steps.
    ///
    /// # Errors
    /// No such stretch; a device that fails.
    fn results(&mut self) -> Result<Vec<Vec<StepResult>>, EngineError>;

    /// Takes the steps of `stretch`, and returns their results. No other stretch may wait to be fetched.
    ///
    /// # Errors
    /// As [`Session::start`] and [`Session::results`].
    fn train(&mut self, stretch: &Stretch<'_>, watch: &mut Watch<'_>) -> Result<Vec<Vec<StepResult>>, EngineError> {
        self.start(stretch, watch)?;
        self.results()
    }

    /// Submits the evaluation of each member on its validation windows, without dropout, with the weights after the steps
    /// started so far. [`Session::evaluations`] returns it.
    ///
    /// # Errors
    /// A device that fails.
    fn start_validation(&mut self) -> Result<(), EngineError>;

    /// Waits for the oldest validation that was started and not fetched yet, and returns it.
    ///
    /// # Errors
    /// No such validation; a device that fails.
    fn evaluations(&mut self) -> Result<Vec<Evaluation>, EngineError>;

    /// Evaluates each member on its validation windows. No other validation may wait to be fetched.
    ///
    /// # Errors
    /// As [`Session::start_validation`] and [`Session::evaluations`].
    fn validate(&mut self) -> Result<Vec<Evaluation>, EngineError> {
        self.start_validation()?;
        self.evaluations()
    }

    /// The scores (n_validation, classes) of each member's validation windows, without dropout. On a CPU in f32 they are
    /// those of [`Engine::scores`] to the bit.
    ///
    /// # Errors
    /// A device that fails.
    fn scores(&mut self) -> Result<Vec<Vec<f32>>, EngineError>;

    /// Reads back the weights of each member.
    ///
    /// # Errors
    /// A device that fails.
    fn weights(&mut self) -> Result<Vec<Weights>, EngineError>;

    /// Replaces the weights of each member, but not its moments and counts.
    ///
    /// # Errors
    /// Weights of other networks, or of another number of members; a device that fails.
    fn set_weights(&mut self, weights: &[Weights]) -> Result<(), EngineError>;

    /// Reads back the state of each member. The session continues from exactly these values, so that another session that
    /// restores them continues with the same bits.
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
