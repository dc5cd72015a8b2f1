//! The inputs of the trainings of a study.

use rayon::prelude::*;
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
        let trainings: Vec<Training> = numbers.map(|number| study.training(number)).collect();
        let fold = |training: &Training| (training.setting, training.fold);
        // The seeds of a setting and fold follow each other, and share their scaler.
        let folds: Vec<&[Training]> = trainings.chunk_by(|a, b| fold(a) == fold(b)).collect();
        let prepare = |seeds: &[Training]| -> Vec<Self> {
            let (setting, fold) = (&study.settings[seeds[0].setting], &study.folds[seeds[0].fold]);
            let scaler = study.scaler(setting, fold);
            let inputs = |training: &Training| Self {
                training: *training,
                plan: study.plan(*training),
                scaler: scaler.clone(),
                weights: match &setting.initial {
                    Some(initial) => initial.weights(&setting.network, training.seed),
                    None => Weights::glorot_uniform(&setting.network, training.seed),
                },
            };
            seeds.par_iter().map(inputs).collect()
        };
        // In parallel: a device waits for the weights of hundreds of models.
        folds.into_par_iter().map(prepare).collect::<Vec<_>>().into_iter().flatten().collect()
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
}
