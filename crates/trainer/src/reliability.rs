//! Calibration: confidence against accuracy.

use serde::{Deserialize, Serialize};
use triax_losses::predicted_class;

/// Confidence (softmax of the scores, largest class) against accuracy, in bins of equal width.
///
/// Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. Scores of a hinge loss are no
/// probabilities, but their softmax shows whether a large score means a high accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Windows in each bin of confidence from 0 to 1.
    pub n_windows: Vec<u64>,
    /// Mean confidence of each bin; 0 of an empty one.
    pub confidence: Vec<f64>,
    /// Accuracy of each bin; 0 of an empty one.
    pub accuracy: Vec<f64>,
    /// Expected calibration error: mean |confidence − accuracy|, weighted by windows.
    pub error: f64,
}

impl Reliability {
    /// The number of bins of confidence: 0 to 0.1, 0.1 to 0.2 and so on. Each includes its lower end; the last one includes
    /// its upper end too.
    pub const BINS: usize = 10;

    /// The reliability of `scores` (n_windows, classes), all finite, for windows with `labels`.
    ///
    /// # Panics
    /// If there is not one score for each window and class.
    pub fn from_scores(scores: &[f32], labels: &[u32], classes: usize) -> Self {
        assert_eq!(scores.len(), labels.len() * classes, "a score for each window and class");
        let mut bins = [Sums::default(); Self::BINS];
        for (row, &label) in scores.chunks_exact(classes).zip(labels) {
            let predicted = predicted_class(row);
            let largest = f64::from(row[predicted]);
            // The largest term of softmax, exp(largest − largest) over the sum.
            let confidence = 1.0 / row.iter().map(|&score| (f64::from(score) - largest).exp()).sum::<f64>();
            let bin = &mut bins[((confidence * Self::BINS as f64) as usize).min(Self::BINS - 1)];
            bin.n_windows += 1;
            bin.confidence += confidence;
            bin.correct += f64::from(u8::from(predicted == label as usize));
        }
        Self::from_bins(&bins)
    }

    /// The reliability for the windows of all `parts` (folds, seeds) together.
    pub fn pooled<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut bins = [Sums::default(); Self::BINS];
        for part in parts {
            for (bin, sums) in bins.iter_mut().enumerate() {
                let n_windows = part.n_windows[bin];
                sums.n_windows += n_windows;
                sums.confidence += n_windows as f64 * part.confidence[bin];
                sums.correct += n_windows as f64 * part.accuracy[bin];
            }
        }
        Self::from_bins(&bins)
    }

    fn from_bins(bins: &[Sums]) -> Self {
        let in_all: u64 = bins.iter().map(|bin| bin.n_windows).sum();
        let mean = |sum: f64, n_windows: u64| if n_windows == 0 { 0.0 } else { sum / n_windows as f64 };
        let gaps: f64 = bins.iter().map(|bin| (bin.confidence - bin.correct).abs()).sum();
        Self {
            n_windows: bins.iter().map(|bin| bin.n_windows).collect(),
            confidence: bins.iter().map(|bin| mean(bin.confidence, bin.n_windows)).collect(),
            accuracy: bins.iter().map(|bin| mean(bin.correct, bin.n_windows)).collect(),
            error: mean(gaps, in_all),
        }
    }
}

/// The sums of a bin.
#[derive(Clone, Copy, Default)]
struct Sums {
    n_windows: u64,
    confidence: f64,
    correct: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores of two classes whose softmax gives the first one `confidence`.
    fn scores(confidence: f64) -> [f32; 2] {
        [(confidence / (1.0 - confidence)).ln() as f32, 0.0]
    }

    #[test]
    fn windows_fall_into_the_bin_of_their_confidence() {
        let all = [scores(0.75), scores(0.76), scores(0.95), scores(0.55)].concat();
        let found = Reliability::from_scores(&all, &[0, 1, 0, 0], 2);
        assert_eq!(found.n_windows, [0, 0, 0, 0, 0, 1, 0, 2, 0, 1]);
        assert_eq!((found.accuracy[5], found.accuracy[7], found.accuracy[9]), (1.0, 0.5, 1.0));
        assert!((found.confidence[7] - 0.755).abs() < 1e-6);
        // By hand: (|0.55 − 1| + 2 · |0.755 − 0.5| + |0.95 − 1|) / 4.
        assert!((found.error - (0.45 + 2.0 * 0.255 + 0.05) / 4.0).abs() < 1e-6, "{}", found.error);
    }

    #[test]
    fn large_scores_do_not_overflow() {
        let found = Reliability::from_scores(&[3e38, -3e38, -3e38, 3e38], &[0, 1], 2);
        assert_eq!((found.n_windows[9], found.confidence[9], found.error), (2, 1.0, 0.0));
    }

    #[test]
    fn parts_pooled_are_the_whole() {
        let all: Vec<f32> = (51..99).flat_map(|percent| scores(f64::from(percent) / 100.0)).collect();
        let labels: Vec<u32> = (0..48).map(|window| window * window % 3 % 2).collect();
        let whole = Reliability::from_scores(&all, &labels, 2);
        let parts = [
            Reliability::from_scores(&all[..30], &labels[..15], 2),
            Reliability::from_scores(&all[30..], &labels[15..], 2),
        ];
        let pooled = Reliability::pooled(&parts);
        assert_eq!(pooled.n_windows, whole.n_windows);
        assert!((pooled.error - whole.error).abs() < 1e-12);
    }

    #[test]
    fn the_error_of_no_windows_is_0() {
        assert_eq!(Reliability::from_scores(&[], &[], 3).error, 0.0);
    }
}
