//! Fits a network: epochs, schedules, metrics, history, checkpoints.
//!
//! # The interface in one page
//!
//! ```no_run
//! use triax_trainer::{Job, Observer, Outcome, RunFolder, fit, resume};
//! # fn example(job: &Job<'_>, weights: &triax_model::Weights, config: &serde_json::Value, observer: &mut dyn Observer)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let folder = RunFolder::create("runs/walk".as_ref(), config)?; // refused where the folder holds anything
//! match fit(job, weights, &folder, observer)? {
//!     Outcome::Finished(summary) => println!("best epoch {}", summary.best.epoch),
//!     Outcome::Interrupted { epoch, step } => println!("saved in epoch {epoch} after step {step}"),
//! }
//! // Later, in another process, with the same job:
//! let folder = RunFolder::open("runs/walk".as_ref())?;
//! let outcome = resume(job, &folder, observer)?;
//! # Ok(()) }
//! ```
//!
//! - A [`Job`] names the engine, the network, the windows, which of them to train on and which to judge by, and the
//!   [`FitPlan`]: what is trained, and how.
//! - A [`RunFolder`] holds everything a run leaves on disk: `config.json`, `history.jsonl` (an [`EpochRecord`] a line),
//!   `steps.jsonl`, `metrics.json` (a [`Summary`]), `best.safetensors`, `last.safetensors` and `checkpoint.safetensors`;
//!   and an empty `.lock`, which keeps a second process from training there.
//! - An [`Observer`] is told what happens, to draw bars, and is asked whether to stop.
//! - [`fit_fleet`] trains a [`FleetJob`]: many models at once, without a folder, their results handed over as they come.
//! - [`Metrics`] come from scores and labels alone, so that evaluating a finished network counts exactly as training did;
//!   so do [`Reliability`], [`SubjectFigures`] and the worst [`Mistake`]s, which reports show.
//!
//! Epochs and steps are counted from 1 in everything that is shown or written, from 0 in the order of windows and the
//! counters of random numbers.
//!
//! This crate must never know the file format of a data set, nor a device: it drives a `dyn` [`triax_engine::Engine`].

mod average;
mod checkpoint;
mod error;
mod exact;
mod fit;
mod fleet;
mod history;
mod identity;
mod job;
mod metrics;
mod mistakes;
mod observer;
mod plan;
mod progress;
mod reliability;
mod run_folder;
mod sampling;
mod schedule;
mod subjects;

pub use error::{Breakdown, FitError, FolderError};
pub use fit::{Outcome, fit, resume};
pub use fleet::{
    FleetEpoch, FleetJob, FleetModel, FleetObserver, FleetOutcome, FleetResult, FleetShape, TrainedModel, fit_fleet,
};
pub use history::{EpochRecord, StepRecord};
pub use job::Job;
pub use metrics::{ClassMetrics, Metrics, MetricsError};
pub use mistakes::{Mistake, WrongWindow, worst_mistakes};
pub use observer::{Observer, RunShape};
pub use plan::FitPlan;
pub use reliability::Reliability;
pub use run_folder::{Figures, RunFolder, Summary};
pub use sampling::Sampling;
pub use schedule::Schedule;
pub use subjects::SubjectFigures;
