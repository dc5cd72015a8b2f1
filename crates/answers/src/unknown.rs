//! The reject option: windows that the network should not answer.

use serde::{Deserialize, Serialize};

/// The number of quantiles that are kept, less one.
const PARTS: usize = 200;

/// The confidence that a network has in windows that it answers rightly, of people whom it was not trained on. A window with less
/// than nearly all of these is rejected, as `unknown`.
///
/// Confidence is the largest calibrated probability (Hendrycks and Gimpel, "A baseline for detecting misclassified and
/// out-of-distribution examples in neural networks", ICLR 2017).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KnownConfidence {
    /// Quantiles in equal parts, ascending.
    quantiles: Vec<f64>,
}

impl KnownConfidence {
    /// The confidence of `probabilities` (n_windows, classes) where they are right about `labels`. None if they never are.
    ///
    /// # Panics
    /// If there is not one probability for each window and class.
    pub fn fit(probabilities: &[f64], labels: &[u32], classes: usize) -> Option<Self> {
        assert_eq!(probabilities.len(), labels.len() * classes, "a probability for each window and class");
        let rows = probabilities.chunks_exact(classes).zip(labels);
        let right = rows.filter(|(row, label)| triax_losses::predicted_class(row) == **label as usize);
        let mut right: Vec<f64> = right.map(|(row, _)| confidence(row)).collect();
        right.sort_by(f64::total_cmp);
        let last = right.len().checked_sub(1)?;
        let rounded = |value: f64| (value * 1e6).round() / 1e6;
        Some(Self { quantiles: (0..=PARTS).map(|part| rounded(right[part * last / PARTS])).collect() })
    }

    /// The confidence below which a `share` (0 to 1) of rightly answered windows lies.
    pub fn threshold(&self, share: f64) -> f64 {
        let last = self.quantiles.len().saturating_sub(1);
        let place = share.clamp(0.0, 1.0) * last as f64;
        let at = |place: usize| self.quantiles.get(place).copied().unwrap_or(0.0);
        let (below, above) = (at(place.floor() as usize), at(place.ceil() as usize));
        below + (place - place.floor()) * (above - below)
    }

    /// Checks what a file says.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let is_sound = self.quantiles.len() > 1
            && self.quantiles.is_sorted()
            && self.quantiles.iter().all(|value| (0.0..=1.0).contains(value));
        if is_sound { Ok(()) } else { Err("`confidence` is not a list of probabilities in ascending order".to_owned()) }
    }
}

/// The confidence of a window: its largest probability.
pub fn confidence(probabilities: &[f64]) -> f64 {
    probabilities.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of two classes with confidences from 0.5 to 1, of which those with an odd number are answered wrongly.
    fn example() -> (Vec<f64>, Vec<u32>) {
        let rows = (0..1001).flat_map(|n| [0.5 + f64::from(n) / 2000.0, 0.5 - f64::from(n) / 2000.0]);
        (rows.collect(), (0..1001).map(|n| n % 2).collect())
    }

    #[test]
    fn a_threshold_rejects_the_share_that_was_asked_for() {
        let (probabilities, labels) = example();
        let found = KnownConfidence::fit(&probabilities, &labels, 2).unwrap();
        found.check().unwrap();
        for share in [0.0, 0.05, 0.126, 0.5, 1.0] {
            let threshold = found.threshold(share);
            let right = (0..1001).step_by(2).map(|n| 0.5 + f64::from(n) / 2000.0);
            let rejected = right.filter(|confidence| *confidence < threshold).count() as f64 / 501.0;
            assert!((rejected - share).abs() < 0.006, "{rejected} is not {share}");
        }
        assert_eq!(KnownConfidence::fit(&[0.9, 0.1], &[1], 2), None);
    }

    #[test]
    fn a_file_may_say_anything() {
        for (json, is_sound) in [("[0.1, 0.9]", true), ("[]", false), ("[0.9, 0.1]", false), ("[0.1, 7]", false)] {
            let read: KnownConfidence = serde_json::from_str(json).unwrap();
            assert_eq!(read.check().is_ok(), is_sound, "{json}");
            read.threshold(0.5);
        }
    }
}
