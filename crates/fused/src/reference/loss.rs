//! Loss and accuracy of a batch: `Σ w·l / batch`, and the windows whose first largest score is their label's.

use triax_losses::{Loss, loss_rows};

/// Loss of a batch, with its gradient.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BatchLoss {
    /// `w·l` of each row.
    pub rows: Vec<f64>,
    /// `Σ w·l / batch`.
    pub mean: f64,
    /// Gradient of `mean` by the scores, (batch, classes).
    pub d_scores: Vec<f64>,
    /// Rows whose first largest score is their label's.
    pub correct: u32,
}

/// The loss of `scores` (batch, classes) against a class index a row, each row weighted.
pub(super) fn batch_loss(loss: Loss, scores: &[f64], labels: &[u32], weights: &[f64]) -> BatchLoss {
    let batch = labels.len() as f64;
    let (mut rows, mut d_scores) = (vec![0.0; labels.len()], vec![0.0; scores.len()]);
    loss_rows(loss, scores, labels, weights, &mut rows, &mut d_scores);
    for d_score in &mut d_scores {
        *d_score /= batch;
    }
    let predictions = scores.chunks_exact(scores.len() / labels.len()).map(first_largest);
    let correct = predictions.zip(labels).filter(|(predicted, label)| *predicted == **label as usize).count() as u32;
    BatchLoss { mean: rows.iter().sum::<f64>() / batch, rows, d_scores, correct }
}

/// Index of the first of the largest scores: the predicted class.
fn first_largest(scores: &[f64]) -> usize {
    let mut best = 0;
    for (class, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = class;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_scores_the_first_is_predicted() {
        assert_eq!(first_largest(&[0.0, 0.0, 0.0]), 0);
        assert_eq!(first_largest(&[-2.0, -1.0, -1.0]), 1);
        assert_eq!(first_largest(&[-2.0, -1.0, 3.0]), 2);
    }

    #[test]
    fn weights_scale_rows_and_the_mean_divides_by_the_batch() {
        let scores = [0.25, -0.5, 0.75, 0.125, -0.375, 0.5];
        let labels = [2, 0];
        for loss in Loss::ALL {
            let plain = batch_loss(loss, &scores, &labels, &[1.0, 1.0]);
            let weighted = batch_loss(loss, &scores, &labels, &[3.0, 0.0]);
            assert_eq!(weighted.mean, 3.0 * plain.rows[0] / 2.0);
            assert_eq!(weighted.rows[1], 0.0);
            assert_eq!(weighted.d_scores[3..], [0.0; 3]);
            assert_eq!((plain.correct, weighted.correct), (1, 1));
        }
    }
}
