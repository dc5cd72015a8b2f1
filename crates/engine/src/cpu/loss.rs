//! Loss and accuracy of the windows of a tile, and the gradient of the batch's loss, `Σ w·l / batch`, by their scores.

use triax_losses::{SmoothedLoss, predicted_class};

use super::row::Row;
use super::{Float, row::TILE};

/// The labels and weights of a tile's windows, and their losses.
#[derive(Clone, Debug)]
pub(super) struct TileLoss<F> {
    /// The number of windows; the lanes behind them are empty.
    pub n_windows: usize,
    /// The class index of each window.
    pub labels: [u32; TILE],
    /// The weight of each window.
    pub weights: [F; TILE],
    /// The labels and weights of their partners, if windows are mixed.
    pub partners: Option<Partners<F>>,
    /// `w·l` of each window, including that by its partner's label.
    pub losses: [F; TILE],
    /// The number of windows whose first largest score is that of their label.
    pub correct: u32,
    /// Buffers for the scores and derivatives of one window.
    row: (Vec<F>, Vec<F>),
}

/// The windows that the windows of a tile are mixed with.
#[derive(Clone, Debug)]
pub(super) struct Partners<F> {
    /// Class index of each.
    pub labels: [u32; TILE],
    /// The weight of each, times its share.
    pub weights: [F; TILE],
}

impl<F: Float> TileLoss<F> {
    pub fn new(classes: usize) -> Self {
        Self {
            n_windows: 0,
            labels: [0; TILE],
            weights: [F::ZERO; TILE],
            partners: None,
            losses: [F::ZERO; TILE],
            correct: 0,
            row: (vec![F::ZERO; classes], vec![F::ZERO; classes]),
        }
    }

    /// Computes the losses of `scores` (a row for each class) and writes `d_scores`, 0 in the empty lanes.
    pub fn judge(&mut self, loss: SmoothedLoss, batch: usize, scores: &[Row<F>], d_scores: &mut [Row<F>]) {
        let batch = F::from_count(batch);
        let (row, d_row) = (&mut self.row.0, &mut self.row.1);
        d_scores.fill(Row::ZERO);
        self.correct = 0;
        for w in 0..self.n_windows {
            row.iter_mut().zip(scores).for_each(|(score, scores)| *score = scores.0[w]);
            let label = self.labels[w] as usize;
            self.losses[w] = self.weights[w] * loss.row(row, label, d_row);
            self.correct += u32::from(predicted_class(row) == label);
            for (d_scores, &d) in d_scores.iter_mut().zip(&*d_row) {
                d_scores.0[w] = self.weights[w] * d / batch;
            }
            let Some(Partners { labels, weights }) = &self.partners else { continue };
            self.losses[w] += weights[w] * loss.row(row, labels[w] as usize, d_row);
            for (d_scores, &d) in d_scores.iter_mut().zip(&*d_row) {
                d_scores.0[w] += weights[w] * d / batch;
            }
        }
    }
}
