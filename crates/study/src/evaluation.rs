//! The figures of a training, from the scores in its file, and the scores of ensembles.

use triax_data::Fold;
use triax_losses::{Loss, predicted_class, predicted_classes};
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
        let metrics = Metrics::from_scores(&file.scores, &labels, setting.plan.training.loss, study.classes())
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

/// The scores of several networks for the same windows, combined into those of one predictor. Logits are combined as the
/// mean of their probabilities. Margins have an absolute scale (a hinge requires 1), and are combined as their mean.
pub struct EnsembleScores {
    loss: Loss,
    classes: usize,
    /// (n_windows, classes)
    sum: Vec<f32>,
    n_networks: usize,
}

impl EnsembleScores {
    /// The scores of no networks. `loss` is that of their training.
    pub fn new(loss: Loss, classes: usize) -> Self {
        Self { loss, classes, sum: Vec::new(), n_networks: 0 }
    }

    /// Adds the scores of a network (n_windows, classes).
    ///
    /// # Panics
    /// If the number of windows differs from that of the networks before.
    pub fn add(&mut self, scores: &[f32]) {
        if self.n_networks == 0 {
            self.sum = vec![0.0; scores.len()];
        }
        assert_eq!(scores.len(), self.sum.len(), "scores of the same windows");
        self.n_networks += 1;
        for (sum, row) in self.sum.chunks_exact_mut(self.classes).zip(scores.chunks_exact(self.classes)) {
            match self.loss {
                Loss::CategoricalCrossentropy => {
                    let largest = row[predicted_class(row)];
                    let total: f32 = row.iter().map(|score| (score - largest).exp()).sum();
                    sum.iter_mut().zip(row).for_each(|(sum, score)| *sum += (score - largest).exp() / total);
                }
                Loss::Hinge | Loss::SquaredHinge | Loss::CategoricalHinge => {
                    sum.iter_mut().zip(row).for_each(|(sum, score)| *sum += score);
                }
            }
        }
    }

    /// The combined scores (n_windows, classes). Mean probabilities are returned as logarithms, so that their softmax
    /// is the mean probabilities.
    pub fn scores(mut self) -> Vec<f32> {
        let n = self.n_networks as f32;
        self.sum.iter_mut().for_each(|sum| *sum /= n);
        if self.loss == Loss::CategoricalCrossentropy {
            self.sum.iter_mut().for_each(|sum| *sum = sum.max(f32::MIN_POSITIVE).ln());
        }
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn combined(networks: &[&[f32]], loss: Loss, classes: usize) -> Vec<f32> {
        let mut all = EnsembleScores::new(loss, classes);
        networks.iter().for_each(|scores| all.add(scores));
        all.scores()
    }

    #[test]
    fn logits_are_combined_as_probabilities_and_margins_as_they_are() {
        let (a, b) = ([2.0, 0.0], [0.0, 1.0]);
        assert_eq!(combined(&[&a, &b], Loss::Hinge, 2), [1.0, 0.5]);
        let logits = combined(&[&a, &b], Loss::CategoricalCrossentropy, 2);
        let p = |own: f32, other: f32| own.exp() / (own.exp() + other.exp());
        let wanted = [(p(2.0, 0.0) + p(0.0, 1.0)) / 2.0, (p(0.0, 2.0) + p(1.0, 0.0)) / 2.0];
        for (found, wanted) in logits.iter().zip(wanted) {
            assert!((found.exp() - wanted).abs() < 1e-6, "{found} is not the logarithm of {wanted}");
        }
    }

    #[test]
    fn probabilities_that_vanish_stay_finite() {
        let logits = combined(&[&[200.0, -200.0]], Loss::CategoricalCrossentropy, 2);
        assert!(logits.iter().all(|logit| logit.is_finite()), "{logits:?}");
    }
}
