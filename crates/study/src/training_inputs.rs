//! The inputs of the trainings of a study.

use triax_engine::{Engine, EngineError};
use triax_model::{Scaler, Weights};
use triax_trainer::{FitPlan, Model};

use crate::grid::{Study, Training};

/// The inputs of one training.
pub(crate) struct TrainingInputs {
    pub training: Training,
    pub plan: FitPlan,
    pub scaler: Option<Scaler>,
    weights: Weights,
}

impl TrainingInputs {
    /// The inputs of the trainings of these numbers.
    pub fn prepare(study: &Study, numbers: impl Iterator<Item = usize>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for number in numbers {
            let training = study.training(number);
            let setting = &study.settings[training.setting];
            // The seeds of a setting and fold follow each other, and share their scaler.
            let has_scaler =
                |other: &&Self| (other.training.setting, other.training.fold) == (training.setting, training.fold);
            let scaler = match all.last().filter(has_scaler) {
                Some(before) => before.scaler.clone(),
                None => study.scaler(setting, &study.folds[training.fold]),
            };
            let weights = Weights::glorot_uniform(&setting.network, training.seed);
            all.push(Self { training, plan: study.plan(training), scaler, weights });
        }
        all
    }

    /// The model to train.
    pub fn model<'a>(&'a self, study: &'a Study) -> Model<'a> {
        let fold = &study.folds[self.training.fold];
        Model {
            network: &study.settings[self.training.setting].network,
            weights: &self.weights,
            plan: &self.plan,
            scaler: self.scaler.as_ref(),
            train: &fold.train,
            valid: &fold.valid,
        }
    }

    /// The scores of the fold's validation windows, once trained to `weights`.
    pub fn scores(&self, study: &Study, engine: &dyn Engine, weights: &Weights) -> Result<Vec<f32>, EngineError> {
        let (setting, fold) = (&study.settings[self.training.setting], &study.folds[self.training.fold]);
        let windows = setting.windows.values_at(&fold.valid);
        engine.scores(&setting.network, weights, self.scaler.as_ref(), &windows)
    }
}
