//! The state of one model in training.

use std::ops::Range;

use triax_engine::StepResult;
use triax_model::Weights;

use crate::average;
use crate::error::Breakdown;
use crate::history::EpochRecord;
use crate::job::Model;
use crate::metrics::Metrics;
use crate::model_result::{ModelResult, TrainedModel};
use crate::progress::Progress;
use crate::schedule::Schedule;

/// A model in training.
pub(crate) struct ModelState<'a> {
    /// Its inputs.
    pub(crate) inputs: &'a Model<'a>,
    /// Its progress.
    pub(crate) progress: Progress,
    /// Mean of the weights so far, if it ends with an average.
    pub(crate) average: Option<Weights>,
    /// How its training broke down, if it did.
    pub(crate) broken: Option<Breakdown>,
    /// The epochs that this process has trained.
    history: Vec<EpochRecord>,
    /// Metrics after the last epoch.
    validation: Option<Metrics>,
}

impl<'a> ModelState<'a> {
    pub(crate) fn new(inputs: &'a Model<'a>) -> Self {
        let progress = Progress::new(inputs.plan);
        Self { inputs, progress, average: None, broken: None, history: Vec::new(), validation: None }
    }

    /// Whether an epoch is left to train.
    pub(crate) fn is_training(&self) -> bool {
        self.broken.is_none() && !self.progress.finished(self.inputs.plan)
    }

    /// The windows that it visits in the epoch after the first `epochs`, in order. `labels` are those of all windows.
    pub(crate) fn order(&self, epochs: usize, labels: &[u32]) -> Vec<u32> {
        if !self.is_training() {
            return Vec::new();
        }
        self.inputs.plan.order(epochs, self.inputs.train, labels)
    }

    /// Steps of the first `epochs` epochs.
    pub(crate) fn first_step(&self, epochs: usize) -> u64 {
        (epochs * self.inputs.steps_per_epoch()) as u64
    }

    /// The learning rate of each of `steps` of the epoch after the first `epochs`, as far as it is known by now; fewer if
    /// its epoch is shorter.
    pub(crate) fn learning_rates(&self, epochs: usize, steps: &Range<usize>) -> Vec<f32> {
        if !self.is_training() {
            return Vec::new();
        }
        let (first, n_steps) = (self.first_step(epochs), self.inputs.steps_per_epoch());
        let [start, end] = [steps.start, steps.end].map(|step| first + step.min(n_steps) as u64);
        self.progress.schedule.rates(&self.inputs.plan.schedule, start..end, self.inputs.n_steps())
    }

    /// Adds the results of further steps of the epoch, and returns those before the first that is not finite.
    pub(crate) fn add_steps<'r>(&mut self, results: &'r [StepResult]) -> &'r [StepResult] {
        let (first, batch_size) = (self.progress.steps, self.inputs.plan.training.batch_size);
        let not_finite = self.progress.sums.add(results, first, batch_size, self.inputs.train.len());
        let finite = &results[..not_finite.map_or(results.len(), |(idx, _)| idx)];
        self.progress.steps += finite.len();
        if let Some((idx, what)) = not_finite {
            self.break_down(what, Some(first + idx + 1));
        }
        finite
    }

    /// Ends its training: `what` is not finite after `step` (from 1) of the epoch in progress.
    pub(crate) fn break_down(&mut self, what: impl Into<String>, step: Option<usize>) {
        self.broken = Some(Breakdown { what: what.into(), epoch: self.progress.epochs + 1, step });
    }

    /// Whether the steps of an epoch are known before the results of the epochs before it are.
    pub(crate) fn is_foreseeable(&self) -> bool {
        let plan = self.inputs.plan;
        !matches!(plan.schedule, Schedule::Plateau { .. })
            && plan.early_stopping.is_none()
            && plan.average_last.is_none()
    }

    /// Whether its learning rate or its end depends on its validation loss.
    pub(crate) fn watches_validation(&self) -> bool {
        let plan = self.inputs.plan;
        let watches = matches!(plan.schedule, Schedule::Plateau { .. }) || plan.early_stopping.is_some();
        watches && !self.inputs.valid.is_empty()
    }

    /// Whether the last complete epoch is the best so far, and the training may end with its weights.
    pub(crate) fn may_end_with_this_epoch(&self) -> bool {
        let Progress { epochs, best, .. } = &self.progress;
        self.inputs.plan.early_stopping.is_some() && best.is_some_and(|best| best.epoch == *epochs)
    }

    /// The number of epochs in its average after the epoch in progress; 0 if it has no average yet.
    pub(crate) fn n_averaged(&self) -> usize {
        if self.is_training() { self.inputs.plan.n_averaged(self.progress.epochs + 1) } else { 0 }
    }

    /// Adds the weights at the end of the epoch in progress to the average.
    pub(crate) fn average(&mut self, weights: &Weights) {
        match self.n_averaged() {
            0 => {}
            n => average::include(&mut self.average, weights, n),
        }
    }

    /// Ends the epoch in progress. `seconds` is the time since its last step. The model breaks down if the validation loss
    /// is not finite and `must_be_finite`.
    pub(crate) fn end_epoch(
        &mut self,
        validation: Option<Metrics>,
        follows_validation: bool,
        must_be_finite: bool,
        seconds: f64,
    ) -> Option<EpochRecord> {
        let (sums, plan) = (self.progress.sums, self.inputs.plan);
        let last_step = self.first_step(self.progress.epochs) + self.inputs.steps_per_epoch() as u64 - 1;
        let mut record = EpochRecord {
            epoch: self.progress.epochs + 1,
            loss: sums.mean_loss(),
            accuracy: sums.accuracy(),
            val_loss: None,
            val_accuracy: None,
            val_macro_f1: None,
            learning_rate: self.progress.schedule.rate(&plan.schedule, last_step, self.inputs.n_steps()),
            seconds: self.progress.seconds + seconds,
        };
        if must_be_finite && validation.as_ref().is_some_and(|metrics| !metrics.loss.is_finite()) {
            self.history.push(record);
            self.break_down("the validation loss", None);
            return None;
        }
        if let Some(metrics) = validation.as_ref().filter(|_| follows_validation) {
            record.val_loss = Some(metrics.loss);
            record.val_accuracy = Some(metrics.accuracy);
            record.val_macro_f1 = Some(metrics.macro_f1);
        }
        self.history.push(record);
        self.progress.end_epoch(plan, validation.as_ref().map_or(record.loss, |metrics| metrics.loss));
        self.validation = validation;
        Some(record)
    }

    /// Replaces the metrics by those of the weights that it ends with.
    pub(crate) fn set_validation(&mut self, metrics: Option<Metrics>) {
        self.validation = metrics;
    }

    /// Metrics after the last epoch.
    pub(crate) fn validation(&self) -> Option<&Metrics> {
        self.validation.as_ref()
    }

    /// Its result, with `weights` as its final weights and `scores` as those of its validation windows, if they are wanted.
    /// Moments are not checked: reading those of a fleet back from a GPU
    /// takes longer than an epoch.
    pub(crate) fn into_result(self, weights: Weights, scores: Option<Vec<f32>>) -> ModelResult {
        let Self { progress, broken, history, validation, .. } = self;
        let at_the_end = |what| Breakdown { what, epoch: progress.epochs, step: None };
        let not_finite = || weights.first_non_finite().map(|name| at_the_end(format!("the weight `{name}`")));
        let loss_not_finite = || {
            let loss = validation.as_ref().map(|metrics| metrics.loss);
            loss.filter(|loss| !loss.is_finite()).map(|_| at_the_end("the validation loss".into()))
        };
        let end = match broken.or_else(not_finite).or_else(loss_not_finite) {
            Some(breakdown) => Err(breakdown),
            None => Ok(TrainedModel { weights, validation, scores }),
        };
        ModelResult { history, end }
    }
}
