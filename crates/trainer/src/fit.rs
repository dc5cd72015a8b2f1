//! Trains: from a job and weights to a run folder with trained weights.

use std::ops::{ControlFlow, Range};
use std::time::Instant;

use triax_engine::{Engine, EngineError, MemberEpoch, Optimizer, Session, SessionState, StepResult, Stretch};
use triax_model::Weights;

use crate::average;
use crate::checkpoint::Checkpoint;
use crate::error::{Breakdown, FitError, FolderError};
use crate::history::{EpochRecord, JsonLines, StepRecord};
use crate::identity::Identity;
use crate::job::Job;
use crate::metrics::Metrics;
use crate::observer::{Observer, RunShape};
use crate::progress::{Progress, not_finite};
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
/// See [`FitError`]. Whatever the error, the folder keeps the last state that was sound, to resume from, and the best
/// weights.
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
    let mut run = Run::new(job, folder, session, Identity::of(job), Progress::new(job.plan), [None, None])?;
    // Killed within its first epoch, the run resumes from here; and a disk that is full is noticed now.
    let state = run.state()?;
    run.hold(state);
    run.save()?;
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
    let checkpoint = Checkpoint::read(&path, job.network, job.plan)?;
    let mut session = job.open(&checkpoint.state.weights)?;
    session.restore(std::slice::from_ref(&checkpoint.state))?;
    Run::new(job, folder, session, identity, checkpoint.progress, [checkpoint.best, checkpoint.average])?.go(observer)
}

/// A run in progress.
struct Run<'a> {
    job: &'a Job<'a>,
    folder: &'a RunFolder,
    session: Box<dyn Session>,
    identity: Identity,
    progress: Progress,
    best: Option<Weights>,
    /// Mean of the last epochs' weights so far, where the run is to end with one.
    average: Option<Weights>,
    history: JsonLines,
    steps: Option<JsonLines>,
    /// The last state to resume from, while it is not on the disk.
    unsaved: Option<Checkpoint>,
    /// When the checkpoint on the disk was written.
    saved: Instant,
    /// The epoch whose weights are in `best.safetensors`, for all that this process knows.
    best_on_disk: Option<usize>,
}

impl<'a> Run<'a> {
    fn new(
        job: &'a Job<'a>,
        folder: &'a RunFolder,
        session: Box<dyn Session>,
        identity: Identity,
        progress: Progress,
        [best, average]: [Option<Weights>; 2],
    ) -> Result<Self, FitError> {
        let history = JsonLines::open(&folder.history_path(), progress.history_bytes)?;
        let steps = job.plan.log_steps.then(|| JsonLines::open(&folder.steps_path(), progress.steps_bytes));
        let (steps, saved, best_on_disk) = (steps.transpose()?, Instant::now(), progress.best.map(|best| best.epoch));
        let unsaved = None;
        Ok(Self {
            job,
            folder,
            session,
            identity,
            progress,
            best,
            average,
            history,
            steps,
            unsaved,
            saved,
            best_on_disk,
        })
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
        let trained = self.train(observer);
        // However it ended, what was trained is kept. Of two errors, the first is the one to know of.
        let saved = self.save();
        let trained = trained?;
        saved?;
        if trained.is_break() {
            return Ok(Outcome::Interrupted { epoch: self.progress.epochs + 1, step: self.progress.steps });
        }
        self.finish()
    }

    /// Trains the epochs that are left. `Break` where the observer asked to stop.
    fn train(&mut self, observer: &mut dyn Observer) -> Result<ControlFlow<()>, FitError> {
        while !self.progress.finished(self.job.plan) {
            observer.epoch_started(self.progress.epochs + 1);
            if self.train_epoch(observer)?.is_break() {
                let state = self.state()?;
                self.hold(state);
                return Ok(ControlFlow::Break(()));
            }
            self.end_epoch(observer)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Takes the epoch's steps that are left. `Break` where the observer asked to stop.
    fn train_epoch(&mut self, observer: &mut dyn Observer) -> Result<ControlFlow<()>, FitError> {
        let plan = self.job.plan;
        let order = plan.order(self.progress.epochs, self.job.train, &self.job.windows.labels);
        let n_steps = self.job.steps_per_epoch();
        let longest = if plan.log_steps { LOGGED_STRETCH } else { n_steps };
        while self.progress.steps < n_steps {
            let started = Instant::now();
            let steps = self.progress.steps..n_steps.min(self.progress.steps + longest);
            let learning_rates = self.learning_rates(steps.clone());
            let first_step = self.step_of_run(0);
            let epoch = MemberEpoch { order: &order, first_step, learning_rates: &learning_rates };
            let stretch = Stretch { steps: steps.clone(), members: &[epoch] };
            let mut interrupted = false;
            let results = sole(self.session.train(&stretch, &mut |done| {
                observer.step_done(steps.start + done.steps, done.newest);
                interrupted = observer.interrupted();
                match interrupted || done.newest.is_some_and(|result| not_finite(&result).is_some()) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })?);
            self.progress.seconds += started.elapsed().as_secs_f64();
            self.take_note(&results)?;
            if interrupted {
                return Ok(ControlFlow::Break(()));
            }
            check_taken(self.job.engine, results.len(), steps.len())?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Adds up and logs what the last steps left behind.
    fn take_note(&mut self, results: &[StepResult]) -> Result<(), FitError> {
        let (first, batch_size) = (self.progress.steps, self.job.plan.training.batch_size);
        let broken = self.progress.sums.add(results, first, batch_size, self.job.train.len());
        let sound = &results[..broken.map_or(results.len(), |(idx, _)| idx)];
        self.progress.steps += sound.len();
        let before = self.step_of_run(first);
        if let Some(steps) = &mut self.steps {
            steps.append((before + 1..).zip(sound).map(|(step, result)| StepRecord { step, loss: result.loss }))?;
        }
        match broken {
            Some((idx, what)) => Err(self.not_finite(what, Some(first + idx + 1))),
            None => Ok(()),
        }
    }

    /// Judges the epoch, takes down how it ended, and tells the observer.
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
            learning_rate: self.learning_rates(self.job.steps_per_epoch() - 1..self.job.steps_per_epoch())[0],
            seconds,
        };
        if self.progress.end_epoch(plan, record.val_loss.unwrap_or(record.loss)) {
            self.best = Some(state.weights.clone());
        }
        match plan.n_averaged(self.progress.epochs) {
            0 => {}
            n => average::include(&mut self.average, &state.weights, n),
        }
        self.history.append([record])?;
        self.hold(state);
        if self.saved.elapsed() >= self.folder.save_every {
            self.save()?;
        }
        observer.epoch_ended(&record, validation.as_ref());
        Ok(())
    }

    /// Writes the weights the run ends with, and its figures.
    fn finish(mut self) -> Result<Outcome, FitError> {
        let plan = self.job.plan;
        let mut last_weights = self.state()?.weights;
        if let Some(average) = self.average.take() {
            last_weights = average;
            self.session.set_weights(std::slice::from_ref(&last_weights))?;
        }
        let validation = self.validate()?;
        let mut last = Figures::new(self.progress.epochs, self.progress.last, validation);
        let (Some(best_epoch), Some(best_weights)) = (self.progress.best, self.best.take()) else {
            unreachable!("a finished run has an epoch, and the first one is the best so far")
        };
        self.session.set_weights(std::slice::from_ref(&best_weights))?;
        let best = Figures::new(best_epoch.epoch, best_epoch.sums, self.validate()?);
        let best_file = self.job.weight_file(best_weights);
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
        if self.job.valid.is_empty() {
            return Ok(None);
        }
        let evaluation = sole(self.session.validate()?);
        if !evaluation.loss.is_finite() {
            return Err(self.not_finite("the validation loss", None));
        }
        Ok(Some(Metrics::from_evaluation(&evaluation, self.job.classes)))
    }

    /// Reads weights and moments back, and refuses values that are not finite.
    fn state(&mut self) -> Result<SessionState, FitError> {
        let state = sole(self.session.state()?);
        match broken_tensor(&state, &self.job.plan.training.optimizer) {
            Some(what) => Err(self.not_finite(what, None)),
            None => Ok(state),
        }
    }

    /// Holds `state`, with all that belongs to it, as the one to save next.
    fn hold(&mut self, state: SessionState) {
        self.progress.history_bytes = self.history.bytes();
        self.progress.steps_bytes = self.steps.as_ref().map_or(0, JsonLines::bytes);
        self.unsaved = Some(Checkpoint {
            identity: self.identity.clone(),
            progress: self.progress.clone(),
            state,
            best: self.best.clone(),
            average: self.average.clone(),
        });
    }

    /// Puts the state that is held on the disk. The checkpoint comes last: what it counts on is there before it, and
    /// whatever a killed run has written beyond it is cut off, or written again, when the run resumes.
    fn save(&mut self) -> Result<(), FitError> {
        let Some(checkpoint) = self.unsaved.take() else { return Ok(()) };
        self.history.sync()?;
        self.steps.as_ref().map_or(Ok(()), JsonLines::sync)?;
        let best = checkpoint.progress.best.map(|best| best.epoch);
        if let Some(weights) = checkpoint.best.as_ref().filter(|_| best != self.best_on_disk) {
            self.folder.write_best(&self.job.weight_file(weights.clone()))?;
            self.best_on_disk = best;
        }
        checkpoint.write(&self.folder.checkpoint_path(), &self.job.plan.training.optimizer)?;
        self.saved = Instant::now();
        Ok(())
    }

    /// `step` of the epoch in progress, counted over the whole run from 0.
    fn step_of_run(&self, step: usize) -> u64 {
        (self.progress.epochs * self.job.steps_per_epoch() + step) as u64
    }

    /// Learning rate of each of `steps` of the epoch in progress.
    fn learning_rates(&self, steps: Range<usize>) -> Vec<f32> {
        let n_steps = (self.job.plan.epochs * self.job.steps_per_epoch()) as u64;
        let steps = self.step_of_run(steps.start)..self.step_of_run(steps.end);
        self.progress.schedule.rates(&self.job.plan.schedule, steps, n_steps)
    }

    fn not_finite(&self, what: impl Into<String>, step: Option<usize>) -> FitError {
        let breakdown = Breakdown { what: what.into(), epoch: self.progress.epochs + 1, step };
        FitError::NotFinite { breakdown, folder: self.folder.path().to_owned() }
    }
}

/// What a session answers for a fleet of one.
fn sole<T>(of_members: Vec<T>) -> T {
    of_members.into_iter().next().expect("a session answers for each member of its fleet")
}

/// Refuses to go on where an engine that nobody stopped has taken fewer steps than it was asked for.
pub(crate) fn check_taken(engine: &dyn Engine, taken: usize, asked: usize) -> Result<(), EngineError> {
    if taken == asked {
        return Ok(());
    }
    let reason = format!("took {taken} of {asked} steps");
    Err(EngineError::Device { device: engine.name().into(), reason })
}

/// The first tensor of `state` with a value that is not finite, if there is one.
pub(crate) fn broken_tensor(state: &SessionState, optimizer: &Optimizer) -> Option<String> {
    let names = optimizer.moment_names().iter();
    let moments = names.zip(&state.moments).map(|(name, moment)| (format!("the optimizer's {name}"), moment));
    std::iter::once(("the weight".to_owned(), &state.weights))
        .chain(moments)
        .find_map(|(what, weights)| Some(format!("{what} `{}`", weights.first_non_finite()?)))
}
