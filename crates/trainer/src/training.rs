//! The training loop: epochs and steps of the models that are on a device together. A run is a fleet of one with files.

use std::ops::{ControlFlow, Range};
use std::time::Instant;

use rayon::prelude::*;
use triax_engine::{
    Engine, EngineError, Evaluation, Member, MemberEpoch, Optimizer, Phase, Session, SessionState, Stretch,
};
use triax_model::Weights;

use crate::error::FitError;
use crate::job::{Job, Model};
use crate::metrics::Metrics;
use crate::model_result::ModelResult;
use crate::model_state::ModelState;
use crate::observer::Observer;
use crate::progress::not_finite;
use crate::run_files::RunFiles;

/// Steps per stretch if each step's loss is logged. Longer stretches delay the log; shorter ones leave a GPU idle.
const LOGGED_STRETCH: usize = 50;

/// Models in training.
pub(crate) struct Training<'a> {
    pub(crate) job: &'a Job<'a>,
    pub(crate) session: Box<dyn Session>,
    pub(crate) models: Vec<ModelState<'a>>,
    /// The files of a run. A fleet in memory has none.
    pub(crate) files: Option<RunFiles<'a>>,
    /// Index in the job of the first of these models.
    first_model_idx: usize,
    /// Steps of the job that lie before those of these models.
    steps_before: u64,
    /// Steps reported to the observer.
    steps_reported: u64,
    /// The final weights of the models of a fleet in memory.
    end_weights: Option<Vec<Weights>>,
    /// The weights of the best epoch of one model in memory, if it has early stopping.
    best_weights: Option<Vec<Weights>>,
    /// The windows that each model visits in the next epoch, if they are known already.
    next_orders: Option<Vec<Vec<u32>>>,
}

/// Steps that were started.
struct StartedSteps {
    /// The number of steps of each model.
    asked: Vec<usize>,
    /// Whether the observer asked to stop before all of them were.
    interrupted: bool,
}

/// An epoch whose steps were started.
struct StartedEpoch {
    steps: StartedSteps,
    /// Whether its validation was started, too.
    validates: bool,
}

impl<'a> Training<'a> {
    /// Opens a session for the models of `job` at `models`. `steps_before` is the number of steps of the models before them.
    pub(crate) fn open(job: &'a Job<'a>, models: Range<usize>, steps_before: u64) -> Result<Self, EngineError> {
        let first_model_idx = models.start;
        let models = &job.models[models];
        let members: Vec<Member<'_>> = models.iter().map(Model::member).collect();
        Ok(Self {
            job,
            session: job.engine.open_part(&members, job.windows, job.planned.unwrap_or(members.len()))?,
            models: models.iter().map(ModelState::new).collect(),
            files: None,
            first_model_idx,
            steps_before,
            steps_reported: 0,
            end_weights: None,
            best_weights: None,
            next_orders: None,
        })
    }

    /// Trains the remaining epochs. Returns `Break` if the observer asked to stop. A model that breaks down is marked in its
    /// state, and not trained any further.
    pub(crate) fn train(&mut self, observer: &mut dyn Observer) -> Result<ControlFlow<()>, FitError> {
        let is_foreseeable = self.files.is_none() && self.models.iter().all(ModelState::is_foreseeable);
        if is_foreseeable && self.session.runs_ahead() {
            return self.train_ahead(observer);
        }
        while let Some(epochs) = self.complete_epochs() {
            let epoch = epochs + 1;
            observer.epoch_started(epoch);
            if self.train_epoch(epochs, observer)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.files.is_none() {
                self.report_steps(epoch, observer);
            }
            self.end_epoch(epoch, observer)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// [`Training::train`] for a fleet in memory, none of whose steps depends on a result: each epoch is submitted before
    /// the results of the one before it are fetched, so that the device never waits.
    fn train_ahead(&mut self, observer: &mut dyn Observer) -> Result<ControlFlow<()>, FitError> {
        let (mut ended, mut next) = (Instant::now(), None);
        while let Some(epochs) = self.complete_epochs() {
            let epoch = epochs + 1;
            observer.epoch_started(epoch);
            let present = match next.take() {
                Some(started) => started,
                None => self.start_epoch(epochs, observer)?,
            };
            if !present.steps.interrupted && self.in_training().any(|model| epoch < model.inputs.plan.epochs) {
                next = Some(self.start_epoch(epoch, observer)?);
            }
            if present.steps.interrupted || next.as_ref().is_some_and(|next| next.steps.interrupted) {
                return Ok(ControlFlow::Break(()));
            }
            self.fetch_results(&present.steps)?;
            let evaluations = present.validates.then(|| self.session.evaluations()).transpose()?;
            self.report_steps(epoch, observer);
            if self.ends_with(epoch) {
                self.end_weights = Some(self.session.weights()?);
            }
            let seconds = ended.elapsed().as_secs_f64();
            ended = Instant::now();
            self.record_epoch(evaluations, (epoch, seconds), None, observer)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Starts the epoch after the first `epochs`, and its validation behind it.
    fn start_epoch(&mut self, epochs: usize, observer: &mut dyn Observer) -> Result<StartedEpoch, FitError> {
        let orders = self.orders(epochs);
        let steps = self.start_steps(epochs, 0..self.n_steps(), &orders, observer)?;
        let validates = !steps.interrupted && self.is_validated(self.ends_with(epochs + 1));
        if validates {
            self.session.start_validation()?;
        }
        Ok(StartedEpoch { steps, validates })
    }

    /// Reports the steps of the first `epochs` epochs as done, unless they were reported before.
    fn report_steps(&mut self, epochs: usize, observer: &mut dyn Observer) {
        let steps = self.steps_done(epochs, 0);
        if steps > self.steps_reported {
            self.steps_reported = steps;
            observer.steps_done(steps, None);
        }
    }

    /// The models with epochs left to train. They are all in the same epoch.
    fn in_training(&self) -> impl Iterator<Item = &ModelState<'a>> {
        self.models.iter().filter(|model| model.is_training())
    }

    /// Complete epochs of the models in training; none if no model is left.
    fn complete_epochs(&self) -> Option<usize> {
        self.in_training().next().map(|model| model.progress.epochs)
    }

    /// Steps of the job that are done after `epochs` epochs and `step` steps. Those of a model that has broken down count.
    fn steps_done(&self, epochs: usize, step: usize) -> u64 {
        let steps_per_epoch = self.models.iter().map(|model| model.inputs.steps_per_epoch());
        self.steps_before + steps_per_epoch.map(|n_steps| (epochs * n_steps + step.min(n_steps)) as u64).sum::<u64>()
    }

    /// Whether epoch `epoch` (from 1) is the last of a fleet in memory.
    fn ends_with(&self, epoch: usize) -> bool {
        self.files.is_none() && self.in_training().any(|model| model.inputs.plan.epochs == epoch)
    }

    /// The number of steps of the longest epoch.
    fn n_steps(&self) -> usize {
        self.in_training().map(|model| model.inputs.steps_per_epoch()).max().unwrap_or(0)
    }

    /// The windows that each model visits in the epoch after the first `epochs`.
    fn orders(&self, epochs: usize) -> Vec<Vec<u32>> {
        // In parallel: one thread would take 0.1 s to shuffle thousands of windows for each of a thousand models.
        let _preparing = self.job.engine.timings().phase(Phase::Preparing);
        let labels = &self.job.windows.labels;
        self.models.par_iter().map(|model| model.order(epochs, labels)).collect()
    }

    /// Takes the remaining steps of the epoch after the first `epochs`. Returns `Break` if the observer asked to stop.
    fn train_epoch(&mut self, epochs: usize, observer: &mut dyn Observer) -> Result<ControlFlow<()>, FitError> {
        let orders = self.next_orders.take().unwrap_or_else(|| self.orders(epochs));
        let n_steps = self.n_steps();
        let logs_steps = self.in_training().any(|model| model.inputs.plan.log_steps);
        let longest = if logs_steps { LOGGED_STRETCH } else { n_steps };
        let mut step = self.in_training().map(|model| model.progress.steps).max().unwrap_or(0);
        while step < n_steps && self.complete_epochs().is_some() {
            let steps = step..n_steps.min(step + longest);
            step = steps.end;
            let clock = Instant::now();
            let started = self.start_steps(epochs, steps, &orders, observer)?;
            let is_last = !self.in_training().any(|model| epochs + 1 < model.inputs.plan.epochs);
            if self.session.runs_ahead() && step == n_steps && !is_last && !started.interrupted {
                // While the device works.
                self.next_orders = Some(self.orders(epochs + 1));
            }
            self.fetch_results(&started)?;
            let seconds = clock.elapsed().as_secs_f64();
            self.models.iter_mut().for_each(|model| model.progress.seconds += seconds);
            if started.interrupted {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Starts `steps` of the epoch after the first `epochs`.
    fn start_steps(
        &mut self,
        epochs: usize,
        steps: Range<usize>,
        orders: &[Vec<u32>],
        observer: &mut dyn Observer,
    ) -> Result<StartedSteps, FitError> {
        let learning_rates: Vec<Vec<f32>> =
            self.models.par_iter().map(|model| model.learning_rates(epochs, &steps)).collect();
        let members: Vec<MemberEpoch<'_>> = self
            .models
            .iter()
            .zip(orders)
            .zip(&learning_rates)
            .map(|((model, order), learning_rates)| MemberEpoch {
                order: if model.is_training() { order } else { &[] },
                first_step: model.first_step(epochs),
                learning_rates,
            })
            .collect();
        let steps_before = self.steps_done(epochs, steps.start);
        let (mut interrupted, mut n_done) = (false, self.steps_reported);
        self.session.start(&Stretch { steps, members: &members }, &mut |done| {
            n_done = n_done.max(steps_before + done.steps as u64);
            observer.steps_done(n_done, done.newest);
            interrupted = observer.interrupted();
            match interrupted || done.newest.is_some_and(|result| not_finite(&result).is_some()) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        self.steps_reported = n_done;
        Ok(StartedSteps { asked: learning_rates.iter().map(Vec::len).collect(), interrupted })
    }

    /// Fetches the results of the oldest steps, which are `started`, and adds them up and logs them. Those of a model that
    /// broke down before are ignored.
    fn fetch_results(&mut self, started: &StartedSteps) -> Result<(), FitError> {
        let results = self.session.results()?;
        for ((model, results), &asked) in self.models.iter_mut().zip(&results).zip(&started.asked) {
            if model.broken.is_some() {
                continue;
            }
            let first_step = model.first_step(model.progress.epochs) + model.progress.steps as u64;
            let finite = model.add_steps(results);
            if let Some(files) = &mut self.files {
                files.append_steps(first_step, finite)?;
            }
            if model.broken.is_none() && !started.interrupted {
                check_taken(self.job.engine, results.len(), asked)?;
            }
        }
        Ok(())
    }

    /// Ends epoch `epoch` (from 1): validates, records, and reports it to the observer.
    fn end_epoch(&mut self, epoch: usize, observer: &mut dyn Observer) -> Result<(), FitError> {
        let started = Instant::now();
        let state = if self.files.is_some() { self.finite_state()? } else { None };
        let is_end = self.ends_with(epoch);
        self.average_weights(state.as_ref(), is_end)?;
        let evaluations = self.is_validated(is_end).then(|| self.session.validate()).transpose()?;
        self.record_epoch(evaluations, (epoch, started.elapsed().as_secs_f64()), state, observer)?;
        if self.files.is_none() && self.models.iter().any(ModelState::may_end_with_this_epoch) {
            self.best_weights = Some(self.session.weights()?);
        }
        Ok(())
    }

    /// Whether the record of each epoch has validation figures.
    fn follows_validation(&self) -> bool {
        self.files.is_some() || self.job.follows_validation
    }

    /// Whether an epoch is validated.
    ///
    /// A run is validated after each epoch, and again with its final weights. A fleet in memory is validated after an epoch
    /// only if its figures are used, and once after its last epoch (`is_end`), when it has its final weights.
    fn is_validated(&self, is_end: bool) -> bool {
        let is_wanted = |model: &ModelState<'_>| self.follows_validation() || is_end || model.watches_validation();
        self.in_training().any(|model| !model.inputs.valid.is_empty() && is_wanted(model))
    }

    /// Records epoch `epoch` (from 1), which took `seconds` since its last step, and reports it to the observer. `state` is
    /// that of a run.
    fn record_epoch(
        &mut self,
        evaluations: Option<Vec<Evaluation>>,
        (epoch, seconds): (usize, f64),
        mut state: Option<SessionState>,
        observer: &mut dyn Observer,
    ) -> Result<(), FitError> {
        let (is_run, is_end) = (self.files.is_some(), self.ends_with(epoch));
        let follows_validation = self.follows_validation();
        for (m, model) in self.models.iter_mut().enumerate().filter(|(_, model)| model.is_training()) {
            let evaluation = evaluations.as_ref().map(|all| &all[m]).filter(|_| !model.inputs.valid.is_empty());
            let validation = evaluation.map(|found| Metrics::from_evaluation(found, self.job.classes));
            let must_be_finite = is_run || (model.watches_validation() && !is_end);
            let record = model.end_epoch(validation, follows_validation, must_be_finite, seconds);
            let Some(record) = record else { continue };
            if let (Some(files), Some(state)) = (&mut self.files, state.take()) {
                files.end_epoch(&record, model, state)?;
            }
            observer.epoch_ended(self.first_model_idx + m, &record, model.validation().filter(|_| follows_validation));
        }
        Ok(())
    }

    /// Adds the weights of the epoch in progress to the averages. At the end of a fleet in memory, it also keeps the final
    /// weights. Weights are read back only if one of the two needs them.
    fn average_weights(&mut self, state: Option<&SessionState>, is_end: bool) -> Result<(), FitError> {
        let read = match state {
            None if is_end || self.in_training().any(|model| model.n_averaged() > 0) => Some(self.session.weights()?),
            _ => None,
        };
        let weights = state.map(|state| std::slice::from_ref(&state.weights)).or(read.as_deref()).unwrap_or_default();
        self.models.iter_mut().zip(weights).for_each(|(model, weights)| model.average(weights));
        if let Some(mut weights) = read.filter(|_| is_end) {
            self.set_averages(&mut weights)?;
            self.end_weights = Some(weights);
        }
        Ok(())
    }

    /// Replaces the weights of each model that has an average by the average, in `weights` and on the device.
    pub(crate) fn set_averages(&mut self, weights: &mut [Weights]) -> Result<(), EngineError> {
        if self.models.iter().all(|model| model.average.is_none()) {
            return Ok(());
        }
        for (weights, model) in weights.iter_mut().zip(&mut self.models) {
            if let Some(average) = model.average.take() {
                *weights = average;
            }
        }
        self.session.set_weights(weights)
    }

    /// Reads back the state of a fleet of one. None if a value is not finite, which ends its training.
    fn finite_state(&mut self) -> Result<Option<SessionState>, FitError> {
        let [model] = &mut *self.models else { return Ok(None) };
        if model.broken.is_some() {
            return Ok(None);
        }
        let state = single(self.session.state()?);
        let Some(what) = broken_tensor(&state, &model.inputs.plan.training.optimizer) else { return Ok(Some(state)) };
        model.break_down(what, None);
        Ok(None)
    }

    /// Holds the present state of a run as the one to save next.
    pub(crate) fn hold_state(&mut self) -> Result<(), FitError> {
        if let (Some(state), Some(files)) = (self.finite_state()?, &mut self.files) {
            files.hold(&self.models[0], state);
        }
        Ok(())
    }

    /// The results of the models of a fleet in memory.
    pub(crate) fn into_results(mut self) -> Result<Vec<ModelResult>, FitError> {
        self.restore_best()?;
        let weights = match self.end_weights.take() {
            Some(weights) => weights,
            None => self.session.weights()?, // every model broke down
        };
        let scoring = self.job.engine.timings().phase(Phase::Scoring);
        let scores: Vec<Option<Vec<f32>>> = match self.job.wants_scores {
            true => self.session.scores()?.into_iter().map(Some).collect(),
            false => vec![None; self.models.len()],
        };
        drop(scoring);
        let ends = self.models.into_iter().zip(weights).zip(scores);
        Ok(ends.map(|((model, weights), scores)| model.into_result(weights, scores)).collect())
    }

    /// Puts back the weights of the best epoch of a model in memory with early stopping, and validates them.
    fn restore_best(&mut self) -> Result<(), EngineError> {
        let Some(best) = self.best_weights.take() else { return Ok(()) };
        self.session.set_weights(&best)?;
        self.end_weights = Some(best);
        if !self.models[0].inputs.valid.is_empty() {
            let evaluation = single(self.session.validate()?);
            let metrics = Metrics::from_evaluation(&evaluation, self.job.classes);
            self.models[0].set_validation(Some(metrics));
        }
        Ok(())
    }
}

/// The result of a session for a fleet of one.
pub(crate) fn single<T>(answers: Vec<T>) -> T {
    answers.into_iter().next().expect("a session answers for each member of its fleet")
}

/// Fails if an engine took fewer steps than it was asked for, although nobody stopped it.
fn check_taken(engine: &dyn Engine, taken: usize, asked: usize) -> Result<(), EngineError> {
    if taken == asked {
        return Ok(());
    }
    let reason = format!("took {taken} of {asked} steps");
    Err(EngineError::Device { device: engine.name().into(), reason })
}

/// The first tensor of `state` with a value that is not finite, if there is one.
fn broken_tensor(state: &SessionState, optimizer: &Optimizer) -> Option<String> {
    let names = optimizer.moment_names().iter();
    let moments = names.zip(&state.moments).map(|(name, moment)| (format!("the optimizer's {name}"), moment));
    std::iter::once(("the weight".to_owned(), &state.weights))
        .chain(moments)
        .find_map(|(what, weights)| Some(format!("{what} `{}`", weights.first_non_finite()?)))
}
