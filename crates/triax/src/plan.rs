//! From settings to what a training does.

use triax_engine::TrainingPlan;
use triax_model::Network;
use triax_trainer::FitPlan;

use crate::failure::Usage;
use crate::settings::Settings;
use crate::values::ClassWeights;

/// What a training of `network` by these settings does, but for weights of classes that depend on the training windows.
pub fn fit_plan(settings: &Settings, network: &Network, classes: &[String]) -> Result<FitPlan, Usage> {
    let training = &settings.training;
    let class_weights = match &training.class_weights {
        ClassWeights::Given(weights) if weights.len() == classes.len() => Some(weights.clone()),
        ClassWeights::Given(weights) => {
            let (given, classes) = (weights.len(), classes.join(", "));
            return Err(Usage(format!("--class-weights gives {given} numbers for the classes {classes}")));
        }
        ClassWeights::None | ClassWeights::Balanced => None,
    };
    let plan = FitPlan {
        training: TrainingPlan {
            loss: training.loss,
            optimizer: training.optimizer()?,
            batch_size: training.batch_size,
            clip_norm: training.clip_norm,
            class_weights,
            augmentation: settings.augmentation.augmentation(),
            seed: training.seed,
        },
        epochs: training.epochs,
        shuffle: !training.no_shuffle,
        sampling: training.sampling.sampling(),
        learning_rate: training.learning_rate,
        schedule: training.schedule(),
        early_stopping: training.early_stopping,
        average_last: training.average_last,
        log_steps: settings.machine.log_steps,
    };
    plan.check().map_err(Usage)?;
    plan.training.augmentation.check(network.spec()).map_err(Usage)?;
    Ok(plan)
}
