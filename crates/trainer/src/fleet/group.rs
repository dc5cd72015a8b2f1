//! The models that are trained together.

use std::ops::{ControlFlow, Range};

use rayon::prelude::*;
use triax_engine::{Evaluation, Member, MemberEpoch, Session, StepResult, Stretch};
use triax_model::Weights;

use super::{FleetEpoch, FleetJob, FleetModel, FleetObserver, FleetResult, TrainedModel};
use crate::average;
use crate::error::{Breakdown, FitError};
use crate::fit::check_taken;
use crate::metrics::Metrics;
use crate::progress::EpochSums;
use crate::schedule::{Schedule, ScheduleState};

/// Some models of a fleet, on the device.
pub(super) struct Group<'a> {
    job: &'a FleetJob<'a>,
    session: Box<dyn Session>,
    courses: Vec<Course<'a>>,
    /// Steps of the whole fleet that lie behind.
    steps_done: u64,
}

/// One model on its way through its epochs.
struct Course<'a> {
    /// Index in the whole fleet.
    model_idx: usize,
    model: &'a FleetModel<'a>,
    schedule: ScheduleState,
    history: Vec<FleetEpoch>,
    /// Mean of the last epochs' weights so far, where it is to end with one.
    average: Option<Weights>,
    broken: Option<Breakdown>,
}

/// What a model does in an epoch: its order, and a learning rate for each step.
type EpochPlan = (Vec<u32>, Vec<f32>);

impl<'a> Group<'a> {
    /// Puts the models at `models` on the device. `steps_done` is what the groups before have done.
    pub fn open(job: &'a FleetJob<'a>, models: Range<usize>, steps_done: u64) -> Result<Self, FitError> {
        let members: Vec<Member<'_>> = job.models[models.clone()].iter().map(FleetModel::member).collect();
        let session = job.engine.open(&members, job.windows)?;
        let courses = models.map(|model_idx| Course::new(model_idx, &job.models[model_idx])).collect();
        Ok(Self { job, session, courses, steps_done })
    }

    /// Trains the models to their end. None where the observer asked to stop.
    pub fn train(mut self, observer: &mut dyn FleetObserver) -> Result<Option<Vec<FleetResult>>, FitError> {
        let epochs = self.courses[0].model.plan.epochs;
        for epoch in 0..epochs {
            let goes_on = self.courses.iter().any(|course| course.broken.is_none());
            if goes_on && self.train_epoch(epoch, observer)?.is_break() {
                return Ok(None);
            }
            self.steps_done += self.courses.iter().map(|course| course.model.steps_per_epoch() as u64).sum::<u64>();
            observer.steps_done(self.steps_done);
        }
        let weights = self.last_weights()?;
        let evaluations = self.session.validate()?;
        if self.job.follows_validation {
            self.courses.iter_mut().zip(&evaluations).for_each(|(course, evaluation)| course.follow(evaluation));
        }
        let ends = self.courses.into_iter().zip(weights).zip(evaluations);
        let classes = self.job.classes;
        Ok(Some(ends.map(|((course, weights), evaluation)| course.end(weights, &evaluation, classes)).collect()))
    }

    /// The weights that the models end with, which the session has then too.
    fn last_weights(&mut self) -> Result<Vec<Weights>, FitError> {
        let mut weights = self.session.weights()?;
        if self.courses.iter().any(|course| course.average.is_some()) {
            for (weights, course) in weights.iter_mut().zip(&mut self.courses) {
                if let Some(average) = course.average.take() {
                    *weights = average;
                }
            }
            self.session.set_weights(&weights)?;
        }
        Ok(weights)
    }

    /// Trains epoch `epoch` (from 0) of all models. `Break` where the observer asked to stop.
    fn train_epoch(&mut self, epoch: usize, observer: &mut dyn FleetObserver) -> Result<ControlFlow<()>, FitError> {
        // To shuffle thousands of windows for each of a thousand models takes one thread a tenth of a second.
        let labels = &self.job.windows.labels;
        let plans: Vec<EpochPlan> = self.courses.par_iter().map(|course| course.plan(epoch, labels)).collect();
        let members = self.courses.iter().zip(&plans).map(|(course, (order, learning_rates))| MemberEpoch {
            order,
            first_step: course.first_step(epoch),
            learning_rates,
        });
        let members: Vec<MemberEpoch<'_>> = members.collect();
        let n_steps = plans.iter().map(|(_, learning_rates)| learning_rates.len()).max().unwrap_or(0);
        let mut interrupted = false;
        let results = self.session.train(&Stretch { steps: 0..n_steps, members: &members }, &mut |done| {
            observer.steps_done(self.steps_done + done.steps as u64);
            interrupted = observer.interrupted();
            if interrupted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if interrupted {
            return Ok(ControlFlow::Break(()));
        }
        for ((course, results), (_, learning_rates)) in self.courses.iter_mut().zip(&results).zip(&plans) {
            check_taken(self.job.engine, results.len(), learning_rates.len())?;
            course.take_note(epoch, results, learning_rates);
        }
        if self.courses.iter().any(|course| course.model.plan.n_averaged(epoch + 1) > 0) {
            for (course, weights) in self.courses.iter_mut().zip(self.session.weights()?) {
                match course.model.plan.n_averaged(epoch + 1) {
                    0 => {}
                    n => average::include(&mut course.average, &weights, n),
                }
            }
        }
        let last = epoch + 1 == self.courses[0].model.plan.epochs;
        let follows = self.job.follows_validation;
        if !last && (follows || self.courses.iter().any(Course::watches_validation)) {
            for (course, evaluation) in self.courses.iter_mut().zip(self.session.validate()?) {
                course.take_note_of_validation(epoch, &evaluation);
                if follows {
                    course.follow(&evaluation);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl<'a> Course<'a> {
    fn new(model_idx: usize, model: &'a FleetModel<'a>) -> Self {
        let schedule = ScheduleState::new(model.plan.learning_rate);
        Self { model_idx, model, schedule, history: Vec::new(), average: None, broken: None }
    }

    /// Steps before `epoch`.
    fn first_step(&self, epoch: usize) -> u64 {
        (epoch * self.model.steps_per_epoch()) as u64
    }

    /// What it does in `epoch`: nothing once it is broken.
    fn plan(&self, epoch: usize, labels: &[u32]) -> EpochPlan {
        if self.broken.is_some() {
            return (Vec::new(), Vec::new());
        }
        let FleetModel { plan, train, .. } = *self.model;
        let steps = self.first_step(epoch)..self.first_step(epoch + 1);
        (plan.order(epoch, train, labels), self.schedule.rates(&plan.schedule, steps, self.model.n_steps()))
    }

    /// Whether its learning rate depends on how well it does on its validation windows.
    fn watches_validation(&self) -> bool {
        matches!(self.model.plan.schedule, Schedule::Plateau { .. }) && !self.model.valid.is_empty()
    }

    /// Adds an epoch to the history.
    fn take_note(&mut self, epoch: usize, results: &[StepResult], learning_rates: &[f32]) {
        let Some(&learning_rate) = learning_rates.last() else { return };
        let mut sums = EpochSums::default();
        let batch_size = self.model.plan.training.batch_size;
        if let Some((step, what)) = sums.add(results, 0, batch_size, self.model.train.len()) {
            self.broken = Some(Breakdown { what: what.into(), epoch: epoch + 1, step: Some(step + 1) });
            return;
        }
        self.history.push(FleetEpoch {
            loss: sums.mean_loss(),
            accuracy: sums.accuracy(),
            val_loss: None,
            val_accuracy: None,
            learning_rate,
        });
        if !self.watches_validation() {
            self.schedule.epoch_ended(&self.model.plan.schedule, sums.mean_loss());
        }
    }

    /// Lets the schedule look at how the epoch ended.
    fn take_note_of_validation(&mut self, epoch: usize, evaluation: &Evaluation) {
        if self.broken.is_some() || !self.watches_validation() {
            return;
        }
        if evaluation.loss.is_finite() {
            self.schedule.epoch_ended(&self.model.plan.schedule, evaluation.loss);
        } else {
            self.broken = Some(Breakdown { what: "the validation loss".into(), epoch: epoch + 1, step: None });
        }
    }

    /// Adds to the history how the epoch ended for the validation windows.
    fn follow(&mut self, evaluation: &Evaluation) {
        let n_windows: u64 = evaluation.confusion.iter().sum();
        let Some(epoch) = self.history.last_mut().filter(|_| n_windows > 0 && self.broken.is_none()) else { return };
        let n_classes = evaluation.confusion.len().isqrt();
        let correct: u64 = evaluation.confusion.iter().step_by(n_classes + 1).sum();
        epoch.val_loss = Some(evaluation.loss);
        epoch.val_accuracy = Some(correct as f64 / n_windows as f64);
    }

    /// What became of it, having ended with `weights`. Moments are not looked at: on a GPU it would take longer to read those
    /// of a fleet than an epoch takes.
    fn end(self, weights: Weights, evaluation: &Evaluation, classes: &[String]) -> FleetResult {
        let Self { model_idx, model, history, broken, .. } = self;
        let at_the_end = |what| Breakdown { what, epoch: model.plan.epochs, step: None };
        let validation = (!model.valid.is_empty()).then_some(evaluation);
        let broken = broken
            .or_else(|| weights.first_non_finite().map(|name| at_the_end(format!("the weight `{name}`"))))
            .or_else(|| {
                validation.filter(|found| !found.loss.is_finite()).map(|_| at_the_end("the validation loss".into()))
            });
        let end = match broken {
            Some(breakdown) => Err(breakdown),
            None => Ok(TrainedModel {
                weights,
                validation: validation.map(|found| Metrics::from_evaluation(found, classes)),
            }),
        };
        FleetResult { model: model_idx, history, end }
    }
}
