//! Whether a network is right more often where it is surer.

use serde::{Deserialize, Serialize};
use triax_losses::{Loss, predicted_class, softmax};

/// How sure a network is of its answer, by its scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The probability of the answer, from 0 to 1: the softmax of scores that are logits. Files of early versions have no
    /// other.
    #[default]
    Probability,
    /// By how much the largest score exceeds the second, in units of the margin: for scores of a hinge, which are no
    /// probabilities, and have no upper end.
    Lead,
}

/// How sure a network is, against its accuracy, in bins of equal width.
///
/// Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, for probabilities. For the scores of a hinge there is no
/// calibration; the same bins show whether a larger lead means a higher accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// What `confidence` is.
    #[serde(default)]
    pub measure: Measure,
    /// Windows in each bin: see [`Measure::bin_width`].
    pub n_windows: Vec<u64>,
    /// Mean of the measure in each bin; 0 of an empty one.
    pub confidence: Vec<f64>,
    /// Accuracy of each bin; 0 of an empty one.
    pub accuracy: Vec<f64>,
    /// Expected calibration error of probabilities: mean |confidence − accuracy|, weighted by windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
}

impl Measure {
    /// The measure that the scores of `loss` have.
    pub fn of(loss: Loss) -> Self {
        if loss.scores_are_logits() { Self::Probability } else { Self::Lead }
    }

    /// The width of a bin: a tenth of a probability; a fifth of a margin of one, of which the scores ±1 make two.
    pub fn bin_width(self) -> f64 {
        match self {
            Self::Probability => 0.1,
            Self::Lead => 0.2,
        }
    }

    /// The measure of one row of finite scores, whose largest is that of class `predicted`.
    fn value(self, row: &[f32], predicted: usize) -> f64 {
        let mut row: Vec<f64> = row.iter().copied().map(f64::from).collect();
        match self {
            Self::Probability => {
                softmax(&mut row, 1.0);
                row[predicted]
            }
            Self::Lead => {
                let others = row.iter().enumerate().filter(|&(class, _)| class != predicted);
                row[predicted] - others.map(|(_, &score)| score).fold(f64::NEG_INFINITY, f64::max)
            }
        }
    }
}

impl Reliability {
    /// The number of bins: from 0, each as wide as [`Measure::bin_width`]. Each includes its lower end; the last one has all
    /// that is above it.
    pub const BINS: usize = 10;

    /// The reliability of `scores` (n_windows, classes), all finite, for windows with `labels`. `loss` is that of training.
    ///
    /// # Panics
    /// If there is not one score for each window and class.
    pub fn from_scores(scores: &[f32], labels: &[u32], classes: usize, loss: Loss) -> Self {
        assert_eq!(scores.len(), labels.len() * classes, "a score for each window and class");
        let measure = Measure::of(loss);
        let of_window = |(row, &label): (&[f32], &u32)| {
            let predicted = predicted_class(row);
            (measure.value(row, predicted), predicted == label as usize)
        };
        Self::binned(measure, scores.chunks_exact(classes).zip(labels).map(of_window))
    }

    /// The reliability of probabilities, each with whether it came true.
    fn binned(measure: Measure, values: impl Iterator<Item = (f64, bool)>) -> Self {
        let mut bins = [Sums::default(); Self::BINS];
        for (value, came_true) in values {
            // A number above the largest index is that index: a float becomes the nearest whole number that there is.
            let bin = &mut bins[((value / measure.bin_width()) as usize).min(Self::BINS - 1)];
            bin.n_windows += 1;
            bin.confidence += value;
            bin.correct += f64::from(u8::from(came_true));
        }
        Self::from_bins(measure, &bins)
    }

    /// The reliability for the windows of all `parts` (folds, seeds) together; none without parts. They are of one loss.
    pub fn pooled<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let (mut measure, mut bins) = (None, [Sums::default(); Self::BINS]);
        for part in parts {
            measure = Some(part.measure);
            for (bin, sums) in bins.iter_mut().enumerate() {
                let n_windows = part.n_windows[bin];
                sums.n_windows += n_windows;
                sums.confidence += n_windows as f64 * part.confidence[bin];
                sums.correct += n_windows as f64 * part.accuracy[bin];
            }
        }
        measure.map(|measure| Self::from_bins(measure, &bins))
    }

    fn from_bins(measure: Measure, bins: &[Sums]) -> Self {
        let in_all: u64 = bins.iter().map(|bin| bin.n_windows).sum();
        let mean = |sum: f64, n_windows: u64| if n_windows == 0 { 0.0 } else { sum / n_windows as f64 };
        let gaps: f64 = bins.iter().map(|bin| (bin.confidence - bin.correct).abs()).sum();
        Self {
            measure,
            n_windows: bins.iter().map(|bin| bin.n_windows).collect(),
            confidence: bins.iter().map(|bin| mean(bin.confidence, bin.n_windows)).collect(),
            accuracy: bins.iter().map(|bin| mean(bin.correct, bin.n_windows)).collect(),
            error: (measure == Measure::Probability).then(|| mean(gaps, in_all)),
        }
    }
}

/// How far probabilities are from what came true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbabilityFigures {
    /// Mean negative log-likelihood of the labels.
    pub log_loss: f64,
    /// Expected calibration error of the answers, as [`Reliability::error`].
    pub error: f64,
    /// The same for each class: of its probability over all windows, against the share of its windows (classwise calibration
    /// error; Kull et al., "Beyond temperature scaling", NeurIPS 2019).
    pub per_class: Vec<f64>,
}

impl ProbabilityFigures {
    /// The figures of `probabilities` (n_windows, classes) for windows with `labels`.
    ///
    /// # Panics
    /// If there is not one probability for each window and class.
    pub fn new(probabilities: &[f64], labels: &[u32], classes: usize) -> Self {
        assert_eq!(probabilities.len(), labels.len() * classes, "a probability for each window and class");
        let rows = || probabilities.chunks_exact(classes).zip(labels);
        let error = |values: &mut dyn Iterator<Item = (f64, bool)>| {
            Reliability::binned(Measure::Probability, values).error.unwrap_or_default()
        };
        let answer = |(row, &label): (&[f64], &u32)| {
            let predicted = predicted_class(row);
            (row[predicted], predicted == label as usize)
        };
        let log_loss: f64 = rows().map(|(row, &label)| -row[label as usize].max(f64::MIN_POSITIVE).ln()).sum();
        let of_class = |class: usize| error(&mut rows().map(|(row, &label)| (row[class], label as usize == class)));
        Self {
            log_loss: log_loss / labels.len().max(1) as f64,
            error: error(&mut rows().map(answer)),
            per_class: (0..classes).map(of_class).collect(),
        }
    }
}

/// How well the probabilities of a network hold on windows that it was not trained on, before and after its scores are divided
/// by a temperature. Files call it `calibration`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemperatureScaling {
    /// The temperature that is fitted to all of the windows, for people who come later.
    pub temperature: f64,
    /// Number of windows.
    pub n_windows: u64,
    /// How the windows were divided for the figures after.
    pub judged: CrossFit,
    /// With a temperature of 1. Scores of a hinge are no probabilities yet: these are the figures of their softmax.
    pub before: ProbabilityFigures,
    /// With a temperature that was fitted to other windows; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ProbabilityFigures>,
}

/// Which windows a temperature is fitted to that others are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrossFit {
    /// For each person, the windows of the other people.
    People,
    /// For each half of the recordings of each class, the other half: there is one person, or nobody knows who they are.
    Recordings,
    /// For each fold of a study, the windows of the other folds.
    Folds,
    /// The temperature was fitted before, to windows of other people.
    Before,
    /// There are no others.
    None,
}

impl CrossFit {
    /// For whom a temperature was fitted to which windows, in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::People => "for each person by the temperature of the other people",
            Self::Recordings => "for each half of the recordings by the temperature of the other half",
            Self::Folds => "for each fold by the temperature of the other folds",
            Self::Before => "by the temperature that the network came with",
            Self::None => "not judged: there are no other windows to fit a temperature to",
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

    const LOGITS: Loss = Loss::CategoricalCrossentropy;

    /// Scores of two classes whose softmax gives the first one `confidence`.
    fn scores(confidence: f64) -> [f32; 2] {
        [(confidence / (1.0 - confidence)).ln() as f32, 0.0]
    }

    #[test]
    fn windows_fall_into_the_bin_of_their_confidence() {
        let all = [scores(0.75), scores(0.76), scores(0.95), scores(0.55)].concat();
        let found = Reliability::from_scores(&all, &[0, 1, 0, 0], 2, LOGITS);
        assert_eq!(found.measure, Measure::Probability);
        assert_eq!(found.n_windows, [0, 0, 0, 0, 0, 1, 0, 2, 0, 1]);
        assert_eq!((found.accuracy[5], found.accuracy[7], found.accuracy[9]), (1.0, 0.5, 1.0));
        assert!((found.confidence[7] - 0.755).abs() < 1e-6);
        // By hand: (|0.55 − 1| + 2 · |0.755 − 0.5| + |0.95 − 1|) / 4.
        let error = found.error.unwrap();
        assert!((error - (0.45 + 2.0 * 0.255 + 0.05) / 4.0).abs() < 1e-6, "{error}");
    }

    #[test]
    fn scores_of_a_hinge_are_no_probabilities() {
        // Leads of 0.5, 2.5 (above the last bin's lower end of 1.8) and 0, of three classes.
        let all = [1.0, 0.5, -1.0, -1.0, -1.25, 1.25, 0.0, 0.0, 0.0];
        for loss in [Loss::Hinge, Loss::SquaredHinge, Loss::CategoricalHinge] {
            let found = Reliability::from_scores(&all, &[1, 2, 0], 3, loss);
            assert_eq!((found.measure, found.error), (Measure::Lead, None));
            assert_eq!(found.n_windows, [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
            assert_eq!((found.confidence[0], found.confidence[2], found.confidence[9]), (0.0, 0.5, 2.25));
            assert_eq!((found.accuracy[0], found.accuracy[2], found.accuracy[9]), (1.0, 0.0, 1.0));
        }
    }

    #[test]
    fn each_class_has_its_error() {
        let probabilities = [0.75, 0.25, 0.35, 0.65, 0.95, 0.05, 0.55, 0.45];
        let found = ProbabilityFigures::new(&probabilities, &[0, 1, 0, 1], 2);
        // By hand: each window is alone in its bin.
        let first = (0.25 + 0.35 + 0.05 + 0.55) / 4.0;
        assert!(found.per_class.iter().all(|error| (error - first).abs() < 1e-12), "{found:?}");
        assert!((found.error - (0.25 + 0.35 + 0.05 + 0.55) / 4.0).abs() < 1e-12);
        let log_loss = -(0.75_f64.ln() + 0.65_f64.ln() + 0.95_f64.ln() + 0.45_f64.ln()) / 4.0;
        assert!((found.log_loss - log_loss).abs() < 1e-12);
        // A class that is never done but often feared.
        let found = ProbabilityFigures::new(&[0.5, 0.3, 0.2].repeat(2), &[0, 1], 3);
        let expected = [0.0, 0.2, 0.2];
        assert!(
            found.per_class.iter().zip(expected).all(|(error, wanted)| (error - wanted).abs() < 1e-12),
            "{found:?}"
        );
        assert_eq!(ProbabilityFigures::new(&[], &[], 2).error, 0.0);
    }

    #[test]
    fn large_scores_do_not_overflow() {
        let found = Reliability::from_scores(&[3e38, -3e38, -3e38, 3e38], &[0, 1], 2, LOGITS);
        assert_eq!((found.n_windows[9], found.confidence[9], found.error), (2, 1.0, Some(0.0)));
        let found = Reliability::from_scores(&[3e38, -3e38], &[0], 2, Loss::Hinge);
        assert!(found.n_windows[9] == 1 && found.confidence[9].is_finite());
    }

    #[test]
    fn parts_pooled_are_the_whole() {
        let all: Vec<f32> = (51..99).flat_map(|percent| scores(f64::from(percent) / 100.0)).collect();
        let labels: Vec<u32> = (0..48).map(|window| window * window % 3 % 2).collect();
        for loss in Loss::ALL {
            let whole = Reliability::from_scores(&all, &labels, 2, loss);
            let parts = [
                Reliability::from_scores(&all[..30], &labels[..15], 2, loss),
                Reliability::from_scores(&all[30..], &labels[15..], 2, loss),
            ];
            let pooled = Reliability::pooled(&parts).unwrap();
            assert_eq!((pooled.measure, &pooled.n_windows), (whole.measure, &whole.n_windows));
            let gap = pooled.error.unwrap_or_default() - whole.error.unwrap_or_default();
            assert!(gap.abs() < 1e-12);
        }
        assert_eq!(Reliability::pooled([]), None);
    }

    #[test]
    fn figures_of_an_early_version_are_probabilities() {
        let zeros = vec![0.0; Reliability::BINS];
        let old = serde_json::json!({"n_windows": vec![0; 10], "confidence": zeros, "accuracy": zeros, "error": 0.25});
        let read: Reliability = serde_json::from_value(old).unwrap();
        assert_eq!((read.measure, read.error), (Measure::Probability, Some(0.25)));
    }

    #[test]
    fn the_error_of_no_windows_is_0() {
        assert_eq!(Reliability::from_scores(&[], &[], 3, LOGITS).error, Some(0.0));
    }
}
