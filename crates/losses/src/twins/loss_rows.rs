//! The loss as an operation over a batch. Twin of `kernels/stage/loss_rows.wgsl`, with the same buffers.

use crate::{Loss, Real};

/// Weighted loss of each row, `weights[r] · l(scores[r], labels[r])`, into `losses`, and its derivative in each score
/// into `d_scores`.
///
/// Shapes: `scores` and `d_scores` (rows, classes), row-major; `labels`, `weights` and `losses` (rows). A row with a
/// score that is not finite, or with a label that is no class, gets NaN for its loss and its derivatives.
///
/// # Panics
/// If the shapes do not belong together.
pub fn loss_rows<F: Real>(
    loss: Loss,
    scores: &[F],
    labels: &[u32],
    weights: &[F],
    losses: &mut [F],
    d_scores: &mut [F],
) {
    let rows = labels.len();
    assert!(
        weights.len() == rows && losses.len() == rows && scores.len() == d_scores.len(),
        "one weight and one loss for each label, one derivative for each score"
    );
    if rows == 0 {
        return;
    }
    assert_eq!(scores.len() % rows, 0, "the same number of classes in each row");
    let classes = scores.len() / rows;
    assert!(classes > 0, "scores of at least one class");
    let rows_of_scores = scores.chunks_exact(classes).zip(d_scores.chunks_exact_mut(classes));
    for (((&label, &weight), value), (scores, d_scores)) in labels.iter().zip(weights).zip(losses).zip(rows_of_scores) {
        let label = label as usize;
        if label < classes {
            *value = weight * loss.row(scores, label, d_scores);
            for d in d_scores {
                *d = weight * *d;
            }
        } else {
            *value = F::NAN;
            d_scores.fill(F::NAN);
        }
    }
}
