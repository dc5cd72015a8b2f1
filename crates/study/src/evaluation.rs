//! The figures of a training, from the scores in its file.

use triax_data::Fold;
use triax_losses::predicted_classes;
use triax_trainer::{Metrics, SubjectFigures};

use crate::StudyError;
use crate::grid::{Study, Training};
use crate::training_file::TrainingFile;

/// The figures of a training over the validation windows of its fold.
pub(crate) struct TrainingFigures {
    pub metrics: Metrics,
    /// The class of each window.
    pub predictions: Vec<u32>,
}

impl TrainingFigures {
    /// The figures of `training`, from the scores in `file`; none if it broke down.
    ///
    /// # Errors
    /// Scores that do not belong to the fold's windows.
    pub fn from_file(study: &Study, training: Training, file: &TrainingFile) -> Result<Option<Self>, StudyError> {
        if file.trained.broken.is_some() {
            return Ok(None);
        }
        let (setting, fold) = (&study.settings[training.setting], &study.folds[training.fold]);
        let labels = study.labels(&fold.valid);
        let metrics = Metrics::from_scores(&file.scores, &labels, setting.loss(), study.classes())
            .map_err(|error| StudyError::Scores { number: training.number, problem: error.to_string() })?;
        let predictions = predicted_classes(&file.scores, study.classes().len());
        Ok(Some(Self { metrics, predictions }))
    }
}

/// The validation windows of `folds`, fold after fold.
pub(crate) fn valid_windows(folds: &[Fold]) -> Vec<u32> {
    folds.iter().flat_map(|fold| fold.valid.iter().copied()).collect()
}

/// The figures of each subject, from `predictions` for the windows at `indices`.
pub(crate) fn subject_figures(study: &Study, indices: &[u32], predictions: &[u32]) -> Vec<SubjectFigures> {
    let subjects: Vec<&str> = indices.iter().map(|&idx| study.subject(idx)).collect();
    SubjectFigures::by_subject(predictions, &study.labels(indices), &subjects, &study.corpus.class_names)
}
