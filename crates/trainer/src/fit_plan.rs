//! The settings by which a model is trained, from its first epoch to its last.

use serde::{Deserialize, Serialize};
use triax_engine::TrainingPlan;

use crate::sampling::Sampling;
use crate::schedule::Schedule;

/// The settings of a run. Two runs with equal plans, networks, windows and initial weights end with equal bits on the
/// same device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitPlan {
    /// What each step does. Its seed also draws the order of the windows.
    pub training: TrainingPlan,
    /// The most epochs to train; at least 1.
    pub epochs: usize,
    /// Whether each epoch visits the windows in an order of its own; otherwise in the order given.
    pub shuffle: bool,
    /// Which windows a shuffled epoch visits. The plain shuffle is not written, so that older plans have the same text.
    #[serde(default, skip_serializing_if = "Sampling::is_shuffle")]
    pub sampling: Sampling,
    /// Learning rate of the first step.
    pub learning_rate: f32,
    /// How the learning rate changes after it.
    pub schedule: Schedule,
    /// Epochs without a new best after which the run ends with the weights of its best epoch (Keras's `EarlyStopping`
    /// with `restore_best_weights`). The best is that of the validation loss, without validation windows of the training loss.
    pub early_stopping: Option<usize>,
    /// The number of last epochs whose final weights are averaged, instead of taking those of the last epoch. It excludes
    /// early stopping, which does not know its last epochs in advance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_last: Option<usize>,
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
        if !self.shuffle && !self.sampling.is_shuffle() {
            return Err("an epoch in the order of the data cannot be balanced: leave one of the two out".into());
        }
        match self.average_last {
            Some(n) if !(1..=self.epochs).contains(&n) => {
                return Err(format!("the weights of {n} epochs cannot be averaged in a run of {}", self.epochs));
            }
            Some(_) if self.early_stopping.is_some() => {
                return Err("early stopping ends with the best epoch's weights: average no others".into());
            }
            _ => {}
        }
        self.schedule.check()
    }

    /// The number of epochs in the average after `epochs` complete epochs; 0 before it begins.
    pub(crate) fn n_averaged(&self, epochs: usize) -> usize {
        self.average_last.map_or(0, |n| (epochs + n).saturating_sub(self.epochs))
    }

    /// The windows of `train` that epoch `epoch` (from 0) visits, in order. `labels` are those of all windows.
    pub(crate) fn order(&self, epoch: usize, train: &[u32], labels: &[u32]) -> Vec<u32> {
        if !self.shuffle {
            return train.to_vec();
        }
        self.sampling.order(self.training.seed, epoch, train, labels)
    }
}
