//! The settings of a training step: loss, optimizer, batch, regularisation.

use serde::{Deserialize, Serialize};
use triax_losses::{Loss, SmoothedLoss};
use triax_model::Network;

use crate::{Augmentation, EngineError, Optimizer};

/// The settings that every step of a run shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingPlan {
    /// The loss.
    pub loss: Loss,
    /// How much the labels are smoothed in training; windows of validation are judged by the labels as they are. See
    /// [`SmoothedLoss`]. Not serialised if it is 0, so that the text of older plans does not change.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub label_smoothing: f32,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The number of windows in a step; the last step of an epoch takes the remaining ones.
    pub batch_size: usize,
    /// The upper bound of the gradient's global norm, if it is clipped.
    pub clip_norm: Option<f32>,
    /// The weight of each class in the training loss, if classes are weighted.
    pub class_weights: Option<Vec<f32>>,
    /// How windows are varied. Not serialised if they are not, so that the text of older plans does not change.
    #[serde(default, skip_serializing_if = "Augmentation::is_none")]
    pub augmentation: Augmentation,
    /// The key of dropout masks and of augmentation.
    pub seed: u64,
}

impl TrainingPlan {
    /// The number of steps of an epoch over `n_windows` windows.
    ///
    /// # Panics
    /// If the batch size is 0, which [`TrainingPlan::check`] refuses.
    pub fn n_steps(&self, n_windows: usize) -> usize {
        n_windows.div_ceil(self.batch_size)
    }

    /// The loss that is trained with.
    ///
    /// # Panics
    /// If the loss does not go with the label smoothing, which [`TrainingPlan::check`] refuses.
    pub fn training_loss(&self) -> SmoothedLoss {
        SmoothedLoss::new(self.loss, self.label_smoothing).expect("a checked plan")
    }

    /// Checks that `network` can be trained by this plan.
    ///
    /// # Errors
    /// [`EngineError::Input`] for a batch size of 0, a setting of the optimizer out of its range, a bound of the norm
    /// that is not positive, class weights that are not one finite number of at least 0 for each class, or what
    /// [`SmoothedLoss::new`] or [`Augmentation::check`] refuses.
    pub fn check(&self, network: &Network) -> Result<(), EngineError> {
        let classes = network.spec().classes;
        let problem = if self.batch_size == 0 {
            "the batch size is 0; it must be at least 1".to_owned()
        } else if let Some((name, value, _)) = self.optimizer.settings().into_iter().find(|(_, _, allowed)| !allowed) {
            format!("the optimizer's {name} is {value}; a share must be in [0, 1), anything else at least 0 and finite")
        } else if let Some(bound) = self.clip_norm.filter(|bound| !(*bound > 0.0 && bound.is_finite())) {
            format!("the gradient's norm cannot be held to {bound}; the bound must be positive")
        } else if let Some(weights) = self.class_weights.as_ref().filter(|weights| weights.len() != classes) {
            format!("{} class weights for {classes} classes", weights.len())
        } else if let Some(weight) =
            self.class_weights.iter().flatten().find(|weight| !(**weight >= 0.0 && weight.is_finite()))
        {
            format!("the class weight {weight} is not a finite number of at least 0")
        } else if let Err(problem) = SmoothedLoss::new(self.loss, self.label_smoothing) {
            problem
        } else if let Err(problem) = self.augmentation.check(network.spec()) {
            problem
        } else {
            return Ok(());
        };
        Err(EngineError::Input(problem))
    }
}

/// Whether a setting is not used.
fn is_zero(setting: &f32) -> bool {
    *setting == 0.0
}
