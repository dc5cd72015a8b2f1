//! Trains networks: epochs, schedules, metrics, history, checkpoints.
//!
//! # The interface in one page
//!
//! ```no_run
//! use std::collections::BTreeMap;
//! use triax_trainer::{FitOutcome, Job, Observer, RunFolder, RunOutcome, fit, fit_run, resume_run};
//! # fn example(job: &Job<'_>, config: &serde_json::Value, observer: &mut dyn Observer)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! // Many models at once, in memory:
//! if let FitOutcome::Finished(results) = fit(job, observer)? {
//!     println!("{} models, {} epochs each", results.len(), results[0].history.len());
//! }
//! // One model, in a folder:
//! let metadata = BTreeMap::<String, String>::new();
//! let folder = RunFolder::create("runs/walk".as_ref(), config)?; // refused where the folder holds anything
//! match fit_run(job, &folder, &metadata, observer)? {
//!     RunOutcome::Finished { summary, .. } => println!("best epoch {}", summary.best.epoch),
//!     RunOutcome::Interrupted { epoch, step } => println!("saved in epoch {epoch} after step {step}"),
//! }
//! // Later, in another process, with the same job:
//! let folder = RunFolder::open("runs/walk".as_ref())?;
//! let outcome = resume_run(job, &folder, &metadata, observer)?;
//! # Ok(()) }
//! ```
//!
//! - A [`Job`] names the engine, the windows and the [`Model`]s. A model has a network, the windows to train on and to
//!   validate with, and a [`FitPlan`], its settings.
//! - [`fit()`] trains the models in memory, as many at once as the device holds. [`fit_run`] trains one model, and keeps its
//!   state in a folder. Both use the same loop, so that a model has the same result in a fleet and alone.
//! - A [`RunFolder`] holds the files of a run: `config.json`, `history.jsonl` (an [`EpochRecord`] per line), `steps.jsonl`,
//!   `metrics.json` (a [`Summary`]), `best.safetensors`, `last.safetensors` and `checkpoint.safetensors`; and an empty
//!   `.lock`, which keeps a second process from training there.
//! - An [`Observer`] receives the events of a training, and can stop it.
//! - [`Metrics`], [`LossReading`], [`Reliability`], [`SubjectFigures`] and the worst [`Mistake`]s are computed from scores and labels alone.
//!   The evaluation of a finished network therefore agrees with that of its training.
//!
//! Epochs and steps count from 1 wherever they are shown or written. In the order of windows and the counters of random
//! numbers they count from 0.
//!
//! This crate must never know the file format of a data set, nor a device: it drives a `dyn` [`triax_engine::Engine`].

mod average;
mod checkpoint;
mod error;
mod exact;
mod fit;
mod fit_plan;
mod history;
mod identity;
mod job;
mod loss_reading;
mod metrics;
mod mistakes;
mod model_result;
mod model_state;
mod observer;
mod progress;
mod reliability;
mod run;
mod run_files;
mod run_folder;
mod sampling;
mod schedule;
mod subjects;
mod training;

pub use error::{Breakdown, FitError, FolderError};
pub use fit::{FitOutcome, fit};
pub use fit_plan::FitPlan;
pub use history::{EpochRecord, StepRecord};
pub use job::{Job, Model};
pub use loss_reading::{LossReading, Margin};
pub use metrics::{ClassMetrics, Metrics, MetricsError};
pub use mistakes::{Mistake, WrongWindow, worst_mistakes};
pub use model_result::{ModelResult, TrainedModel};
pub use observer::{FitSize, Observer};
pub use reliability::{CrossFit, Measure, ProbabilityFigures, Reliability, TemperatureScaling};
pub use run::{Contents, Judged, RunOutcome, fit_run, resume_run};
pub use run_folder::{Figures, RunFolder, Summary};
pub use sampling::Sampling;
pub use schedule::Schedule;
pub use subjects::SubjectFigures;
