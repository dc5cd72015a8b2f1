//! Trains: from a job and weights to a run folder with trained weights.

use std::ops::ControlFlow;
use std::time::Instant;

use triax_engine::{EngineError, Session, SessionState, StepResult, Stretch};
use triax_model::Weights;
use triax_random::epoch_order;

use crate::checkpoint::Checkpoint;
use crate::error::{FitError, FolderError};
use crate::history::{EpochRecord, JsonLines, StepRecord};
use crate::identity::Identity;
use crate::job::Job;
use crate::metrics::{Metrics, MetricsError};
use crate::observer::{Observer, RunShape};
use crate::progress::Progress;
use crate::run_folder::{Figures, RunFolder, Summary};

/// Steps between two looks at the device where each step's loss is logged: often enough that a curve grows while one
/// watches, seldom enough that a GPU's queue does not run dry.
const LOGGED_STRETCH: usize = 50;

/// How a run ended without an error.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// No epoch is left. `best.safetensors`, `last.safetensors` and `metrics.json` are written.
    Finished(Summary),
    /// The observer asked to stop. The checkpoint is written, and [`resume`] goes on.
    Interrupted {
        /// The epoch to go on with, from 1.
        epoch: usize,
        /// Steps of it that are done.
        step: usize,
    },
}

/// Trains `job` from `weights` in a folder fresh from [`RunFolder::create`].
///
/// # Errors
/// See [`FitError`]. Whatever the error, the folder's last checkpoint and best weights stay as they are.
pub fn fit(
    job: &Job<'_>,
    weights: &Weights,
    folder: &RunFolder,
    observer: &mut dyn Observer,
) -> Result<Outcome, FitError> {
    job.check()?;
    let _lock = folder.lock()?;
    if folder.checkpoint_path().exists() {
        return Err(FolderError::AlreadyStarted { path: folder.path().to_owned() }.into());
    }
    let session = job.open(weights)?;
    let mut run = Run::new(job, folder, session, Identity::of(job), Progress::new(job.plan), None)?;
    // Killed within its first epoch, the run resumes from here; and a disk that is full is noticed now.
    let state = run.state()?;
    run.save(state)?;
    run.go(observer)
}

/// Goes on with the run in `folder` from its last checkpoint, in the middle of an epoch if it was interrupted there. On
/// the same device it ends with the bits of a run that was never stopped. A finished run is summed up again.
///
/// # Errors
/// See [`FitError`]. A checkpoint of another job (plan, network, windows) is refused with what differs.
pub fn resume(job: &Job<'_>, folder: &RunFolder, observer: &mut dyn Observer) -> Result<Outcome, FitError> {
    job.check()?;
    let _lock = folder.lock()?;
    let path = folder.checkpoint_path();
    if !path.exists() {
        return Err(FolderError::NoCheckpoint { path: folder.path().to_owned() }.into());
    }
    let identity = Identity::of(job);
    if let Some(difference) = Checkpoint::read_identity(&path)?.difference(&identity) {
        return Err(FitError::OtherJob { path, difference });
    }
    let checkpoint = Checkpoint::read(&path, job.network, &job.plan.training.optimizer)?;
    let mut session = job.open(&checkpoint.state.weights)?;
    session.restore(&checkpoint.state)?;
    Run::new(job, folder, session, identity, checkpoint.progress, checkpoint.best)?.go(observer)
}

/// A run in progress.
struct Run<'a> {
    job: &'a Job<'a>,
    folder: &'a RunFolder,
    session: Box<dyn Session>,
    identity: Identity,
    progress: Progress,
    best: Option<Weights>,
    history: JsonLines,
    steps: Option<JsonLines>,
}

impl<'a> Run<'a> {
    fn new(
        job: &'a Job<'a>,
        folder: &'a RunFolder,
        session: Box<dyn Session>,
        identity: Identity,
        progress: Progress,
        best: Option<Weights>,
    ) -> Result<Self, FitError> {
        let history = JsonLines::open(&folder.history_path(), progress.history_bytes)?;
        let steps = job.plan.log_steps.then(|| JsonLines::open(&folder.steps_path(), progress.steps_bytes));
        Ok(Self { job, folder, session, identity, progress, best, history, steps: steps.transpose()? })
    }

    /// How large the run is, and where it stands.
    fn shape(&self) -> RunShape {
        RunShape {
            epochs: self.job.plan.epochs,
            steps_per_epoch: self.job.steps_per_epoch(),
            n_train: self.job.train.len(),
            n_valid: self.job.valid.len(),
            epochs_done: self.progress.epochs,
            steps_done: self.progress.steps,
        }
    }

    /// The run from where it stands to its end.
    fn go(mut self, observer: &mut dyn Observer) -> Result<Outcome, FitError> {
        observer.run_started(&self.shape());
        while !self.progress.finished(self.job.plan) {
            observer.epoch_started(self.progress.epochs + 1);
            if self.train_epoch(observer)?.is_break() {
                let state = self.state()?;
                self.save(state)?;
                return Ok(Outcome::Interrupted { epoch: self.progress.epochs + 1, step: self.progress.steps });
            }
            self.end_epoch(observer)?;
        }
        self.finish()
    }

    /// Takes the epoch's steps that are left. `Break` where the observer asked to stop.
    fn train_epoch(&mut self, observer: &mut dyn Observer) -> Result<ControlFlow<()>, FitError> {
        let (plan, n_train) = (self.job.plan, self.job.train.len());
        let order = match plan.shuffle {
            true => epoch_order(plan.training.seed, self.progress.epochs, n_train),
            false => (0..n_train as u32).collect(),
        };
        let n_steps = self.job.steps_per_epoch();
        let longest = if plan.log_steps { LOGGED_STRETCH } else { n_steps };
        while self.progress.steps < n_steps {
            let started = Instant::now();
            let steps = self.progress.steps..n_steps.min(self.progress.steps + longest);
            let learning_rates: Vec<f32> = steps.clone().map(|step| self.learning_rate(step)).collect();
            let stretch = Stretch {
                order: &order,
                steps: steps.clone(),
                first_step: self.step_of_run(0),
                learning_rates: &learning_rates,
            };
            let mut interrupted = false;
            let results = self.session.train(&stretch, &mut |step, result| {
                observer.step_done(step + 1, result);
                interrupted = observer.interrupted();
                match interrupted || result.is_some_and(|result| not_finite(&result).is_some()) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })?;
            self.progress.seconds += started.elapsed().as_secs_f64();
            self.take_note(&results)?;
            if interrupted {
                return Ok(ControlFlow::Break(()));
            }
            if results.len() != steps.len() {
                let reason = format!("took {} of {} steps", results.len(), steps.len());
                return Err(EngineError::Device { device: self.job.engine.name().into(), reason }.into());
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Adds up and logs what the last steps left behind.
    fn take_note(&mut self, results: &[StepResult]) -> Result<(), FitError> {
        let batch_size = self.job.plan.training.batch_size;
        let broken = results.iter().position(|result| not_finite(result).is_some());
        let sound = &results[..broken.unwrap_or(results.len())];
        let first = self.progress.steps;
        for (step, result) in (first..).zip(sound) {
            self.progress.sums.add(result, batch_size.min(self.job.train.len() - step * batch_size));
        }
        self.progress.steps += sound.len();
        let before = self.step_of_run(first);
        if let Some(steps) = &mut self.steps {
            steps.append((before + 1..).zip(sound).map(|(step, result)| StepRecord { step, loss: result.loss }))?;
        }
        match broken {
            Some(idx) => Err(self.not_finite(not_finite(&results[idx]).unwrap_or("the loss"), Some(first + idx + 1))),
            None => Ok(()),
        }
    }

    /// Judges the epoch, saves it, and tells the observer.
    fn end_epoch(&mut self, observer: &mut dyn Observer) -> Result<(), FitError> {
        let plan = self.job.plan;
        let started = Instant::now();
        let state = self.state()?;
        let validation = self.validate()?;
        let seconds = self.progress.seconds + started.elapsed().as_secs_f64();
        let sums = self.progress.sums;
        let record = EpochRecord {
            epoch: self.progress.epochs + 1,
            loss: sums.mean_loss(),
            accuracy: sums.accuracy(),
            val_loss: validation.as_ref().map(|metrics| metrics.loss),
            val_accuracy: validation.as_ref().map(|metrics| metrics.accuracy),
            val_macro_f1: validation.as_ref().map(|metrics| metrics.macro_f1),
            learning_rate: self.learning_rate(self.job.steps_per_epoch() - 1),
            seconds,
        };
        if self.progress.end_epoch(plan, record.val_loss.unwrap_or(record.loss)) {
            self.folder.write_best(&self.job.weight_file(state.weights.clone()))?;
            self.best = Some(state.weights.clone());
        }
        // The checkpoint comes last: whatever a killed run has written beyond it is cut off when it resumes.
        self.history.append([record])?;
        self.save(state)?;
        observer.epoch_ended(&record, validation.as_ref());
        Ok(())
    }

    /// Writes the weights the run ends with, and its figures.
    fn finish(mut self) -> Result<Outcome, FitError> {
        let plan = self.job.plan;
        let mut state = self.state()?;
        let validation = self.validate()?;
        let mut last = Figures::new(self.progress.epochs, self.progress.last, validation);
        let (Some(best_epoch), Some(best_weights)) = (self.progress.best, self.best.take()) else {
            unreachable!("a finished run has an epoch, and the first one is the best so far")
        };
        let last_weights = std::mem::replace(&mut state.weights, best_weights);
        self.session.restore(&state)?;
        let best = Figures::new(best_epoch.epoch, best_epoch.sums, self.validate()?);
        let best_file = self.job.weight_file(state.weights);
        let last_file = match plan.early_stopping {
            Some(_) => {
                last = best.clone();
                best_file.clone()
            }
            None => self.job.weight_file(last_weights),
        };
        let summary =
            Summary { epochs: self.progress.epochs, stopped_early: self.progress.epochs < plan.epochs, best, last };
        self.folder.write_best(&best_file)?;
        self.folder.write_last(&last_file)?;
        self.folder.write_summary(&summary)?;
        Ok(Outcome::Finished(summary))
    }

    /// Figures over the validation windows, if there are any.
    fn validate(&mut self) -> Result<Option<Metrics>, FitError> {
        let valid = self.job.valid;
        if valid.is_empty() {
            return Ok(None);
        }
        let scores = self.session.validation_scores()?;
        match Metrics::from_scores(&scores, &valid.labels, self.job.plan.training.loss, self.job.classes) {
            Ok(metrics) => Ok(Some(metrics)),
            Err(MetricsError::NotFinite { window, class }) => {
                Err(self.not_finite(format!("the score of class {class} for validation window {window}"), None))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads weights and moments back, and refuses values that are not finite.
    fn state(&mut self) -> Result<SessionState, FitError> {
        let state = self.session.state()?;
        let names = self.job.plan.training.optimizer.moment_names();
        let moments =
            names.iter().zip(&state.moments).map(|(name, moment)| (format!("the optimizer's {name}"), moment));
        let broken = std::iter::once(("the weight".to_owned(), &state.weights))
            .chain(moments)
            .find_map(|(what, weights)| Some(format!("{what} `{}`", weights.first_non_finite()?)));
        match broken {
            Some(what) => Err(self.not_finite(what, None)),
            None => Ok(state),
        }
    }

    fn save(&mut self, state: SessionState) -> Result<(), FitError> {
        self.progress.history_bytes = self.history.bytes();
        self.progress.steps_bytes = self.steps.as_ref().map_or(0, JsonLines::bytes);
        let checkpoint = Checkpoint {
            identity: self.identity.clone(),
            progress: self.progress.clone(),
            state,
            best: self.best.clone(),
        };
        Ok(checkpoint.write(&self.folder.checkpoint_path(), &self.job.plan.training.optimizer)?)
    }

    /// `step` of the epoch in progress, counted over the whole run from 0.
    fn step_of_run(&self, step: usize) -> u64 {
        (self.progress.epochs * self.job.steps_per_epoch() + step) as u64
    }

    /// Learning rate of `step` of the epoch in progress.
    fn learning_rate(&self, step: usize) -> f32 {
        let n_steps = (self.job.plan.epochs * self.job.steps_per_epoch()) as u64;
        self.progress.schedule.rate(&self.job.plan.schedule, self.step_of_run(step), n_steps)
    }

    fn not_finite(&self, what: impl Into<String>, step: Option<usize>) -> FitError {
        FitError::NotFinite {
            what: what.into(),
            epoch: self.progress.epochs + 1,
            step,
            folder: self.folder.path().to_owned(),
        }
    }
}

/// What of a step's result is not finite, if anything.
fn not_finite(result: &StepResult) -> Option<&'static str> {
    if !result.loss.is_finite() {
        return Some("the loss");
    }
    (!result.gradient_norm.is_finite()).then_some("the gradient's norm")
}
