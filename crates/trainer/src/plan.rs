//! What a run does, from its first epoch to its last.

use serde::{Deserialize, Serialize};
use triax_engine::TrainingPlan;
use triax_random::epoch_order;

use crate::schedule::Schedule;

/// The settings of a run. Two runs with equal plans, networks, windows and initial weights end with equal bits on the
/// same device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitPlan {
    /// What each step does. Its seed also draws the order of the windows.
    pub training: TrainingPlan,
    /// Epochs to train at most; at least 1.
    pub epochs: usize,
    /// Whether each epoch visits the windows in an order of its own; otherwise in the order given.
    pub shuffle: bool,
    /// Learning rate of the first step.
    pub learning_rate: f32,
    /// How the learning rate changes from there.
    pub schedule: Schedule,
    /// Epochs without a new best after which the run ends with the weights of its best epoch (Keras's `EarlyStopping`
    /// with `restore_best_weights`). Judged by the validation loss, without validation windows by the training loss.
    pub early_stopping: Option<usize>,
    /// Whether the loss of each step is written to `steps.jsonl`.
    pub log_steps: bool,
}

impl FitPlan {
    /// Checks every setting but those of [`TrainingPlan::check`].
    ///
    /// # Errors
    /// The first setting that cannot work, as a sentence.
    pub fn check(&self) -> Result<(), String> {
        if self.epochs == 0 {
            return Err("epochs must be at least 1".into());
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(format!("the learning rate must be positive and finite, it is {}", self.learning_rate));
        }
        self.schedule.check()
    }

    /// The windows `train` in the order in which epoch `epoch` (from 0) visits them.
    pub(crate) fn order(&self, epoch: usize, train: &[u32]) -> Vec<u32> {
        if !self.shuffle {
            return train.to_vec();
        }
        let order = epoch_order(self.training.seed, epoch, train.len());
        order.into_iter().map(|position| train[position as usize]).collect()
    }
}
