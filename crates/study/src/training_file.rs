//! The file of one training: what it left behind, before it is judged.
//!
//! A safetensors file with one tensor, `scores` (n_valid, classes): the scores of its fold's validation windows, none
//! where the training broke down. The metadata entry `training` says the rest.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use triax_model::whole_file;
use triax_trainer::FleetEpoch;

use crate::StudyError;
use crate::grid::Study;

/// Key of the metadata.
const KEY: &str = "training";

/// What one training left behind.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingFile {
    /// How it went.
    pub trained: Trained,
    /// (n_valid, classes) scores of the validation windows; empty where it broke down.
    pub scores: Vec<f32>,
}

/// How a training went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// Its number.
    pub number: usize,
    /// Name of its setting.
    pub setting: String,
    /// Name of its fold.
    pub fold: String,
    /// Its seed.
    pub seed: u64,
    /// Fingerprint of the data.
    pub fingerprint: String,
    /// Device and engine that trained it.
    pub device: String,
    /// When its group was begun: seconds since 1970.
    pub started: u64,
    /// Its share of the seconds that its group took.
    pub seconds: f64,
    /// Its complete epochs.
    pub history: Vec<FleetEpoch>,
    /// How it broke down, where it did.
    pub broken: Option<String>,
}

impl TrainingFile {
    /// Writes it, whole or not at all.
    pub(crate) fn write(&self, path: &Path, classes: usize) -> Result<(), StudyError> {
        let bytes: Vec<u8> = self.scores.iter().flat_map(|score| score.to_le_bytes()).collect();
        let shape = vec![self.scores.len() / classes, classes];
        let json = serde_json::to_string(&self.trained).expect("a training is plain data");
        let metadata = HashMap::from([(KEY.to_owned(), json)]);
        let view = TensorView::new(Dtype::F32, shape, &bytes).expect("as many bytes as the shape says");
        let file = safetensors::serialize([("scores", view)], Some(metadata)).expect("one tensor can be serialised");
        whole_file::write(path, &file).map_err(StudyError::io("write", path))
    }

    /// Whether it is what `study` has under its number.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub(crate) fn check(&self, study: &Study) -> Result<(), String> {
        let Trained { number, setting, fold, seed, fingerprint, broken, .. } = &self.trained;
        if *number >= study.n_trainings() {
            return Err(format!("it is training {number} of a study of {}", study.n_trainings()));
        }
        let wanted = study.training(*number);
        let (own_setting, own_fold) = (&study.settings[wanted.setting].name, &study.folds[wanted.fold]);
        if (setting, fold, *seed) != (own_setting, &own_fold.name, wanted.seed) {
            return Err(format!(
                "it is of {setting}, fold {fold}, seed {seed}, and the study has {own_setting}, fold {}, seed {} there",
                own_fold.name, wanted.seed
            ));
        }
        if *fingerprint != study.corpus.fingerprint {
            return Err("it was trained on other data".to_owned());
        }
        let n_scores = own_fold.valid.len() * study.classes().len();
        if broken.is_none() && self.scores.len() != n_scores {
            return Err(format!("it has {} scores, and its fold {n_scores}", self.scores.len()));
        }
        Ok(())
    }

    /// Whether `other` is the same training with the same end, whenever and however fast it was trained.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let untimed = |trained: &Trained| Trained { started: 0, seconds: 0.0, ..trained.clone() };
        self.scores == other.scores && untimed(&self.trained) == untimed(&other.trained)
    }

    /// Reads what [`TrainingFile::write`] has written.
    pub(crate) fn read(path: &Path, classes: usize) -> Result<Self, StudyError> {
        let damaged = |problem: String| StudyError::damaged(path, problem);
        let bytes = std::fs::read(path).map_err(StudyError::io("read", path))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
        let json = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let json = json.ok_or_else(|| damaged(format!("it has no `{KEY}` in its metadata")))?;
        let trained: Trained = serde_json::from_str(json).map_err(|error| damaged(error.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        let scores = tensors.tensor("scores").map_err(|error| damaged(error.to_string()))?;
        if scores.dtype() != Dtype::F32 || scores.shape().len() != 2 || scores.shape()[1] != classes {
            return Err(damaged(format!("its scores are {:?} of {:?}", scores.shape(), scores.dtype())));
        }
        let values = scores.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Ok(Self { trained, scores: values.collect() })
    }
}
