//! The file of one training, from which all its figures are computed.
//!
//! It is a safetensors file with one tensor, `scores` (n_valid, classes): the scores of its fold's validation windows, or
//! no rows if the training broke down. The metadata entry `training` is a [`Trained`] as JSON.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use triax_model::whole_file;
use triax_trainer::EpochRecord;

use crate::StudyError;
use crate::calibration::{self, CalibratedSubject};
use crate::folder::MOST_BYTES;
use crate::grid::Study;

/// Key of the metadata.
const KEY: &str = "training";

/// The results of one training.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingFile {
    /// Its description and history.
    pub trained: Trained,
    /// (n_valid, classes) scores of the validation windows; empty if it broke down.
    pub scores: Vec<f32>,
}

/// The description and the history of a training.
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
    /// When its group started, in seconds since 1970.
    pub started: u64,
    /// The duration of its group, divided by the number of trainings in it.
    pub seconds: f64,
    /// Its complete epochs.
    pub history: Vec<TrainedEpoch>,
    /// How it broke down, if it did.
    pub broken: Option<String>,
    /// The held-out subjects before and after each calibration of the study.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibrated: Vec<CalibratedSubject>,
}

/// The fields of an [`EpochRecord`] that the file of a training keeps. The others follow from the position in the history,
/// the scores, and the duration of the training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainedEpoch {
    /// As [`EpochRecord::loss`].
    pub loss: f64,
    /// As [`EpochRecord::accuracy`].
    pub accuracy: f64,
    /// As [`EpochRecord::val_loss`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// As [`EpochRecord::val_accuracy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_accuracy: Option<f64>,
    /// As [`EpochRecord::learning_rate`].
    pub learning_rate: f32,
}

impl From<EpochRecord> for TrainedEpoch {
    fn from(record: EpochRecord) -> Self {
        let EpochRecord { loss, accuracy, val_loss, val_accuracy, learning_rate, .. } = record;
        Self { loss, accuracy, val_loss, val_accuracy, learning_rate }
    }
}

impl TrainingFile {
    /// Writes the file, as [`whole_file::write`] does.
    pub(crate) fn write(&self, path: &Path, classes: usize) -> Result<(), StudyError> {
        let bytes: Vec<u8> = self.scores.iter().flat_map(|score| score.to_le_bytes()).collect();
        let shape = vec![self.scores.len() / classes, classes];
        let json = serde_json::to_string(&self.trained).expect("a training is plain data");
        let metadata = HashMap::from([(KEY.to_owned(), json)]);
        let view = TensorView::new(Dtype::F32, shape, &bytes).expect("as many bytes as the shape says");
        let file = safetensors::serialize([("scores", view)], Some(metadata)).expect("one tensor can be serialised");
        whole_file::write(path, &file).map_err(StudyError::io("write", path))
    }

    /// Checks that it is the training of `study` with its number.
    ///
    /// # Errors
    /// The first difference, as a sentence.
    pub(crate) fn check(&self, study: &Study) -> Result<(), String> {
        let Trained { number, setting, fold, seed, fingerprint, broken, seconds, history, calibrated, .. } =
            &self.trained;
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
        let n_epochs = study.settings[wanted.setting].epochs();
        if history.len() > n_epochs || (broken.is_none() && history.len() != n_epochs) {
            return Err(format!("it has {} epochs, and the study trains {n_epochs}", history.len()));
        }
        if !(seconds.is_finite() && *seconds >= 0.0) {
            return Err(format!("it has taken {seconds} seconds"));
        }
        // Only networks are calibrated.
        if broken.is_none() && study.settings[wanted.setting].classical.is_none() {
            calibration::check(study, own_fold, calibrated)?;
        }
        Ok(())
    }

    /// Whether `other` has the same contents, except for start and duration.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let untimed = |trained: &Trained| Trained { started: 0, seconds: 0.0, ..trained.clone() };
        self.scores == other.scores && untimed(&self.trained) == untimed(&other.trained)
    }

    /// Reads a file that [`TrainingFile::write`] has written.
    pub(crate) fn read(path: &Path, classes: usize) -> Result<Self, StudyError> {
        let damaged = |problem: String| StudyError::damaged(path, problem);
        let bytes = whole_file::read(path, MOST_BYTES).map_err(StudyError::io("read", path))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of studies that were trained in shares by different versions are joined: their text must stay as it is.
    #[test]
    fn the_format_stays_as_it_is() {
        let record = EpochRecord {
            epoch: 1,
            loss: 0.5,
            accuracy: 0.25,
            val_loss: Some(1.5),
            val_accuracy: Some(0.75),
            val_macro_f1: Some(0.125),
            learning_rate: 0.01,
            seconds: 2.0,
        };
        let unjudged = EpochRecord { val_loss: None, val_accuracy: None, val_macro_f1: None, ..record };
        let trained = Trained {
            number: 3,
            setting: "loss=hinge".into(),
            fold: "1".into(),
            seed: 7,
            fingerprint: "ab".into(),
            device: "cpu".into(),
            started: 1,
            seconds: 0.5,
            history: vec![record.into(), unjudged.into()],
            broken: None,
            calibrated: Vec::new(),
        };
        let text =
            r#"{"number":3,"setting":"loss=hinge","fold":"1","seed":7,"fingerprint":"ab","device":"cpu","started":1,"#
                .to_owned()
                + r#""seconds":0.5,"history":[{"loss":0.5,"accuracy":0.25,"val_loss":1.5,"val_accuracy":0.75,"#
                + r#""learning_rate":0.01},{"loss":0.5,"accuracy":0.25,"learning_rate":0.01}],"broken":null}"#;
        assert_eq!(serde_json::to_string(&trained).unwrap(), text);
        assert_eq!(serde_json::from_str::<Trained>(&text).unwrap(), trained);
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("00003.safetensors");
        let file = TrainingFile { trained, scores: vec![0.5, -1.0, 2.0, 0.25] };
        file.write(&path, 2).unwrap();
        assert_eq!(TrainingFile::read(&path, 2).unwrap(), file);
    }
}
