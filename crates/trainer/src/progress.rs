//! The progress of a run: everything that it is resumed from except weights and moments.

use serde::{Deserialize, Serialize};
use triax_engine::StepResult;

use crate::exact;
use crate::fit_plan::FitPlan;
use crate::schedule::ScheduleState;

/// The progress of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Complete epochs.
    pub(crate) epochs: usize,
    /// Steps taken of the epoch in progress.
    pub(crate) steps: usize,
    /// Sums over those steps.
    pub(crate) sums: EpochSums,
    /// Wall-clock seconds spent on those steps.
    pub(crate) seconds: f64,
    /// The state of the schedule.
    pub(crate) schedule: ScheduleState,
    /// Sums of the last complete epoch.
    pub(crate) last: EpochSums,
    /// The best epoch so far.
    pub(crate) best: Option<BestEpoch>,
    /// Length of `history.jsonl`.
    pub(crate) history_bytes: u64,
    /// Length of `steps.jsonl`.
    pub(crate) steps_bytes: u64,
}

/// The epoch with the lowest loss; of equal ones the first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BestEpoch {
    /// The epoch, from 1.
    pub(crate) epoch: usize,
    /// Its validation loss; its training loss without validation windows.
    #[serde(with = "exact")]
    pub(crate) loss: f64,
    /// Its training sums.
    pub(crate) sums: EpochSums,
}

/// Sums over the steps of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochSums {
    /// Sum of the loss of each batch times its number of windows.
    #[serde(with = "exact")]
    loss: f64,
    /// Windows classified correctly.
    correct: u64,
    /// Windows.
    windows: u64,
}

impl EpochSums {
    /// Adds the results of steps `first..` of an epoch of `n_windows` windows, up to the first that is not finite. Returns
    /// its index in `results`, and what is not finite.
    pub(crate) fn add(
        &mut self,
        results: &[StepResult],
        first: usize,
        batch_size: usize,
        n_windows: usize,
    ) -> Option<(usize, &'static str)> {
        for (idx, result) in results.iter().enumerate() {
            if let Some(what) = not_finite(result) {
                return Some((idx, what));
            }
            self.add_batch(result, batch_size.min(n_windows - (first + idx) * batch_size));
        }
        None
    }

    /// Checks that these are sums over `n_windows` windows.
    fn check(&self, n_windows: u64) -> Result<(), String> {
        let Self { loss, correct, windows } = *self;
        if windows != n_windows || correct > windows {
            return Err(format!("{correct} of {windows} windows right cannot be the count over {n_windows} windows"));
        }
        if loss.is_finite() { Ok(()) } else { Err(format!("the sum of its losses is {loss}")) }
    }

    fn add_batch(&mut self, step: &StepResult, n_windows: usize) {
        self.loss += f64::from(step.loss) * n_windows as f64;
        self.correct += u64::from(step.correct);
        self.windows += n_windows as u64;
    }

    /// Mean loss as in Keras: each batch is weighted by its number of windows.
    pub(crate) fn mean_loss(&self) -> f64 {
        self.loss / self.windows as f64
    }

    /// Fraction of the windows classified correctly.
    pub(crate) fn accuracy(&self) -> f64 {
        self.correct as f64 / self.windows as f64
    }
}

/// The part of a step's result that is not finite, if any.
pub(crate) fn not_finite(result: &StepResult) -> Option<&'static str> {
    if !result.loss.is_finite() {
        return Some("the loss");
    }
    (!result.gradient_norm.is_finite()).then_some("the gradient's norm")
}

impl Progress {
    /// Before the first step.
    pub(crate) fn new(plan: &FitPlan) -> Self {
        Self {
            epochs: 0,
            steps: 0,
            sums: EpochSums::default(),
            seconds: 0.0,
            schedule: ScheduleState::new(plan.learning_rate),
            last: EpochSums::default(),
            best: None,
            history_bytes: 0,
            steps_bytes: 0,
        }
    }

    /// Checks that a training by `plan` on `n_train` windows can have come this far.
    ///
    /// # Errors
    /// The first number that cannot be, as a sentence.
    pub(crate) fn check(&self, plan: &FitPlan, n_train: usize) -> Result<(), String> {
        let Self { epochs, steps, seconds, .. } = *self;
        let steps_per_epoch = plan.training.n_steps(n_train);
        if epochs > plan.epochs || steps > steps_per_epoch || (epochs == plan.epochs && steps > 0) {
            let n_epochs = plan.epochs;
            return Err(format!(
                "{epochs} epochs and {steps} steps cannot be the progress of {n_epochs} epochs of {steps_per_epoch} steps"
            ));
        }
        if !(seconds.is_finite() && seconds >= 0.0) {
            return Err(format!("{seconds} seconds cannot have passed"));
        }
        let n_train = n_train as u64;
        self.sums.check((steps as u64).saturating_mul(plan.training.batch_size as u64).min(n_train))?;
        self.last.check(if epochs > 0 { n_train } else { 0 })?;
        if let Some(best) = &self.best {
            best.sums.check(n_train)?;
            if !best.loss.is_finite() {
                return Err(format!("the loss of the best epoch is {}", best.loss));
            }
        }
        self.schedule.check(plan, epochs)
    }

    /// Whether no epoch is left to train: the last one is done, or early stopping has ended the run.
    pub(crate) fn finished(&self, plan: &FitPlan) -> bool {
        self.epochs >= plan.epochs || self.out_of_patience(plan)
    }

    /// Keras's `EarlyStopping`: stops after an epoch that is no new best if `patience` epochs have passed since the best. A
    /// patience of 0 therefore acts as 1, as in Keras.
    fn out_of_patience(&self, plan: &FitPlan) -> bool {
        match (plan.early_stopping, self.best) {
            (Some(patience), Some(best)) => self.epochs - best.epoch >= patience.max(1),
            _ => false,
        }
    }

    /// Ends the epoch in progress with `loss` (of validation; without validation windows, of training).
    /// Returns whether it is the best so far.
    pub(crate) fn end_epoch(&mut self, plan: &FitPlan, loss: f64) -> bool {
        self.epochs += 1;
        self.steps = 0;
        self.seconds = 0.0;
        self.last = std::mem::take(&mut self.sums);
        self.schedule.epoch_ended(&plan.schedule, loss);
        let is_best = self.best.is_none_or(|best| loss < best.loss);
        if is_best {
            self.best = Some(BestEpoch { epoch: self.epochs, loss, sums: self.last });
        }
        is_best
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde::Deserialize;
    use triax_engine::{Augmentation, Optimizer, TrainingPlan};
    use triax_losses::Loss;
    use triax_testing::golden;

    use super::*;
    use crate::sampling::Sampling;
    use crate::schedule::Schedule;

    #[derive(Deserialize)]
    struct Callbacks {
        early_stopping: Vec<StoppedRun>,
        epoch_figures: Epoch,
    }

    #[derive(Deserialize)]
    struct StoppedRun {
        losses: Vec<f64>,
        patience: usize,
        epochs: usize,
        restored: usize,
    }

    #[derive(Deserialize)]
    struct Epoch {
        batches: Vec<Batch>,
        loss: f64,
        accuracy: f64,
    }

    #[derive(Deserialize)]
    struct Batch {
        windows: usize,
        loss: f32,
        correct: u32,
    }

    fn callbacks() -> Callbacks {
        golden(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/callbacks.json"))
    }

    pub(crate) fn plan(epochs: usize, early_stopping: Option<usize>) -> FitPlan {
        FitPlan {
            training: TrainingPlan {
                loss: Loss::Hinge,
                optimizer: Optimizer::sgd(),
                batch_size: 4,
                clip_norm: None,
                class_weights: None,
                label_smoothing: 0.0,
                augmentation: Augmentation::default(),
                seed: 0,
            },
            epochs,
            shuffle: true,
            sampling: Sampling::Shuffle,
            learning_rate: 0.01,
            schedule: Schedule::Constant,
            early_stopping,
            average_last: None,
            log_steps: false,
        }
    }

    #[test]
    fn early_stopping_is_that_of_keras() {
        for run in callbacks().early_stopping {
            let plan = plan(run.losses.len(), Some(run.patience));
            let mut progress = Progress::new(&plan);
            while !progress.finished(&plan) {
                progress.end_epoch(&plan, run.losses[progress.epochs]);
            }
            let best = progress.best.unwrap().epoch;
            assert_eq!((progress.epochs, best), (run.epochs, run.restored), "{:?}, {}", run.losses, run.patience);
        }
    }

    #[test]
    fn without_early_stopping_every_epoch_is_trained() {
        let plan = plan(5, None);
        let mut progress = Progress::new(&plan);
        let mut best = Vec::new();
        while !progress.finished(&plan) {
            best.push(progress.end_epoch(&plan, [3.0, 3.0, 2.0, 2.5, 2.0][progress.epochs]));
        }
        assert_eq!(best, [true, false, true, false, false]);
    }

    #[test]
    fn an_epoch_is_counted_as_keras_counts_it() {
        let epoch = callbacks().epoch_figures;
        let mut sums = EpochSums::default();
        for batch in &epoch.batches {
            sums.add_batch(&StepResult { loss: batch.loss, correct: batch.correct, gradient_norm: 0.0 }, batch.windows);
        }
        // Keras sums in f32.
        assert!((sums.mean_loss() - epoch.loss).abs() < 1e-6 * epoch.loss, "{}", sums.mean_loss());
        assert!((sums.accuracy() - epoch.accuracy).abs() < 1e-7, "{}", sums.accuracy());
        let unweighted = epoch.batches.iter().map(|batch| f64::from(batch.loss)).sum::<f64>() / 3.0;
        assert!((unweighted - epoch.loss).abs() > 0.1, "the golden epoch would not tell the two means apart");
    }

    #[test]
    fn progress_that_cannot_be_is_refused() {
        let (plan, n_train) = (plan(5, None), 10);
        let step = StepResult { loss: 0.5, correct: 2, gradient_norm: 0.0 };
        let mut sound = Progress::new(&plan);
        assert_eq!(sound.check(&plan, n_train), Ok(()));
        sound.sums.add(&[step; 3], 0, 4, n_train);
        sound.end_epoch(&plan, 0.5);
        sound.sums.add(&[step], 0, 4, n_train);
        sound.steps = 1;
        assert_eq!(sound.check(&plan, n_train), Ok(()));
        type Change = fn(&mut Progress);
        let changes: [(&str, Change); 12] = [
            ("epochs", |it| it.epochs = usize::MAX),
            ("epochs", |it| it.epochs = 6),
            ("steps", |it| it.steps = 4),
            ("steps", |it| it.epochs = 5),
            ("windows", |it| it.steps = 2),
            ("seconds", |it| it.seconds = -1.0),
            ("seconds", |it| it.seconds = f64::INFINITY),
            ("windows", |it| it.sums.windows = u64::MAX),
            ("right", |it| it.last.correct = 11),
            ("losses", |it| it.last.loss = f64::NAN),
            ("windows", |it| it.best.as_mut().unwrap().sums.windows = 0),
            ("best epoch", |it| it.best.as_mut().unwrap().loss = f64::NAN),
        ];
        for (named, change) in changes {
            let mut progress = sound.clone();
            change(&mut progress);
            let refusal = progress.check(&plan, n_train).unwrap_err();
            assert!(refusal.contains(named), "{named}: {refusal}");
        }
    }

    #[test]
    fn progress_survives_json_to_the_bit() {
        let plan = plan(5, Some(1));
        let mut progress = Progress::new(&plan);
        progress.end_epoch(&plan, 0.1 + 0.2);
        progress.sums.add(&[StepResult { loss: 1.0 / 3.0, correct: 2, gradient_norm: 0.0 }], 0, 4, 3);
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
        let fresh = Progress::new(&plan); // its lowest loss is infinite
        assert_eq!(serde_json::from_str::<Progress>(&serde_json::to_string(&fresh).unwrap()).unwrap(), fresh);
    }
}
