//! Loss and accuracy of a batch: `Σ w·l / batch`, and the windows whose first largest score is their label's.

use triax_losses::Loss;

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
    let batch = labels.len();
    let classes = scores.len() / batch;
    let mut d_scores = vec![0.0; scores.len()];
    let mut rows = Vec::with_capacity(batch);
    let mut correct = 0;
    let scores_and_gradients = scores.chunks_exact(classes).zip(d_scores.chunks_exact_mut(classes));
    for ((&label, &weight), (scores, d_scores)) in labels.iter().zip(weights).zip(scores_and_gradients) {
        let label = label as usize;
        rows.push(weight * loss.row(scores, label, d_scores));
        for d_score in d_scores {
            *d_score *= weight / batch as f64;
        }
        correct += u32::from(first_largest(scores) == label);
    }
    let mean = rows.iter().sum::<f64>() / batch as f64;
    BatchLoss { rows, mean, d_scores, correct }
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
