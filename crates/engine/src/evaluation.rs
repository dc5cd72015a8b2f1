//! How well scores fit labels: the mean loss and the confusion matrix, from which all other figures follow.

use triax_losses::{Loss, predicted_class};

use crate::Confusion;

/// The results of a model on some windows. Every window counts once, regardless of class weights in training.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean loss; 0 of no windows.
    pub loss: f64,
    /// Windows by label and prediction. The prediction is the class of the largest score, the first of equals.
    pub confusion: Confusion,
}

/// A score that is NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the score of class {class} (from 0) for window {window} (from 0) is not finite")]
pub struct NotFinite {
    /// The index of the window.
    pub window: usize,
    /// The index of the class.
    pub class: usize,
}

impl Evaluation {
    /// Evaluates `scores` (n_windows, classes) by `labels` (n_windows). The loss is summed in f64; it is not finite if
    /// a score is not.
    ///
    /// # Panics
    /// If there is not one score for each window and class, or a label is no class.
    pub fn from_scores(scores: &[f32], labels: impl ExactSizeIterator<Item = u32>, classes: usize, loss: Loss) -> Self {
        let n_windows = labels.len();
        assert_eq!(scores.len(), n_windows * classes, "a score for each window and class");
        let (mut row_f64, mut d_scores) = (vec![0.0; classes], vec![0.0; classes]);
        let mut evaluation = Self { loss: 0.0, confusion: Confusion::new(classes) };
        for (row, label) in scores.chunks_exact(classes).zip(labels) {
            row_f64.iter_mut().zip(row).for_each(|(wide, &score)| *wide = f64::from(score));
            evaluation.loss += loss.row(&row_f64, label as usize, &mut d_scores);
            evaluation.confusion.add(label as usize, predicted_class(row));
        }
        evaluation.loss /= n_windows.max(1) as f64;
        evaluation
    }
}

impl NotFinite {
    /// The first such score among `scores` (n_windows, classes).
    pub fn find(scores: &[f32], classes: usize) -> Option<Self> {
        let idx = scores.iter().position(|score| !score.is_finite())?;
        Some(Self { window: idx / classes, class: idx % classes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_counted_by_label_and_prediction_and_the_loss_is_their_mean() {
        // Categorical hinge, worked out by hand: max(0.25, 0) − 1 + 1 = 0.25 and max(0.5, 0) − (−1) + 1 = 2.5.
        let scores = [1.0, 0.25, 0.5, -1.0];
        let evaluation = Evaluation::from_scores(&scores, [0, 1].into_iter(), 2, Loss::CategoricalHinge);
        let confusion = Confusion::from_counts(2, vec![1, 0, 1, 0]);
        assert_eq!(evaluation, Evaluation { loss: (0.25 + 2.5) / 2.0, confusion });
    }

    #[test]
    fn a_score_that_is_not_finite_is_found_and_spoils_the_loss() {
        let scores = [0.0, 1.0, f32::INFINITY, 2.0];
        assert_eq!(NotFinite::find(&scores, 2), Some(NotFinite { window: 1, class: 0 }));
        assert_eq!(NotFinite::find(&scores[..2], 2), None);
        for loss in Loss::ALL {
            assert!(Evaluation::from_scores(&scores, [0, 1].into_iter(), 2, loss).loss.is_nan());
        }
    }
}
