//! Temperature scaling: probabilities that are right as often as they say.

use serde::{Deserialize, Serialize};
use triax_losses::softmax;

/// The least and the largest temperature that is fitted.
const ENDS: (f64, f64) = (1e-2, 1e2);
/// Halvings of the interval between the logarithms of the two: to 1e-7 of the temperature.
const HALVINGS: usize = 26;

/// A temperature: scores are divided by it before their softmax.
///
/// Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. The scores may be logits or the margins of a hinge, which
/// are no probabilities until a temperature was fitted to them. The predicted class does not change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Temperature(f64);

impl Temperature {
    /// The temperature of scores that are taken as they are.
    pub const ONE: Self = Self(1.0);

    /// The temperature that minimises the mean negative log-likelihood of `labels` over windows with `scores` (n_windows,
    /// classes), all finite, between 0.01 and 100.
    ///
    /// One more window of an unknown class counts, so that scores which are never wrong do not ask for a temperature of 0
    /// (as in Platt, "Probabilistic outputs for support vector machines", 1999). Without windows, it is 1.
    ///
    /// # Panics
    /// If there is not one score for each window and class, or a label is no class.
    pub fn fit(scores: &[f32], labels: &[u32], classes: usize) -> Self {
        assert_eq!(scores.len(), labels.len() * classes, "a score for each window and class");
        let targets = Targets { scores, labels, classes };
        if labels.is_empty() {
            return Self::ONE;
        }
        // The likelihood is log-concave in the inverse of the temperature, so its slope changes its sign once.
        let (mut low, mut high) = (ENDS.0.ln(), ENDS.1.ln());
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if targets.slope(Self(middle.exp())) > 0.0 { low = middle } else { high = middle }
        }
        // So few digits that what a file says is read as it was.
        Self((f64::midpoint(low, high).exp() * 1e7).round() / 1e7)
    }

    /// Its value.
    pub fn value(self) -> f64 {
        self.0
    }

    /// The probabilities (n_windows, classes) of `scores`, all finite: the softmax of each row divided by the temperature.
    pub fn probabilities(self, scores: &[f32], classes: usize) -> Vec<f64> {
        scores.chunks_exact(classes).flat_map(|row| self.row(row)).collect()
    }

    /// The probabilities of one row of scores.
    fn row(self, scores: &[f32]) -> Vec<f64> {
        let mut row: Vec<f64> = scores.iter().copied().map(f64::from).collect();
        softmax(&mut row, self.0);
        row
    }
}

impl TryFrom<f64> for Temperature {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        match value.is_finite() && value > 0.0 {
            true => Ok(Self(value)),
            false => Err(format!("a temperature is above 0, not {value}")),
        }
    }
}

impl From<Temperature> for f64 {
    fn from(temperature: Temperature) -> Self {
        temperature.0
    }
}

/// Scores and what they should say.
struct Targets<'a> {
    scores: &'a [f32],
    labels: &'a [u32],
    classes: usize,
}

impl Targets<'_> {
    /// How much the mean score falls short of the targets' at `temperature`: the slope of the mean negative log-likelihood in
    /// the inverse of the temperature. It is positive where a higher temperature is better.
    fn slope(&self, temperature: Temperature) -> f64 {
        // The share of the one more window.
        let unknown = 1.0 / (self.labels.len() + 1) as f64;
        let rows = self.scores.chunks_exact(self.classes).zip(self.labels);
        let of_window = |(row, &label): (&[f32], &u32)| {
            let expected: f64 = temperature.row(row).iter().zip(row).map(|(p, &score)| p * f64::from(score)).sum();
            let mean: f64 = row.iter().map(|&score| f64::from(score)).sum::<f64>() / self.classes as f64;
            expected - (1.0 - unknown) * f64::from(row[label as usize]) - unknown * mean
        };
        rows.map(of_window).sum::<f64>() / self.labels.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use triax_testing::golden;

    use super::*;

    fn log_loss(probabilities: &[f64], labels: &[u32], classes: usize) -> f64 {
        let rows = probabilities.chunks_exact(classes).zip(labels);
        rows.map(|(row, &label)| -row[label as usize].ln()).sum::<f64>() / labels.len() as f64
    }

    /// `golden/over_time.py`
    #[derive(Deserialize)]
    struct Case {
        classes: usize,
        scores: Vec<f32>,
        labels: Vec<u32>,
        temperature: f64,
        before: f64,
        after: f64,
    }

    #[derive(Deserialize)]
    struct Golden {
        temperatures: Vec<Case>,
    }

    #[test]
    fn temperatures_are_those_of_numpy() {
        let golden: Golden = golden(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/over_time.json"));
        assert_eq!(golden.temperatures.len(), 2);
        for Case { classes, scores, labels, temperature, before, after } in golden.temperatures {
            let found = Temperature::fit(&scores, &labels, classes);
            assert!((found.value() - temperature).abs() < 1e-6, "{} is not {temperature}", found.value());
            let loss = |one: Temperature| log_loss(&one.probabilities(&scores, classes), &labels, classes);
            assert!((loss(Temperature::ONE) - before).abs() < 1e-9);
            assert!((loss(found) - after).abs() < 1e-7);
        }
    }

    #[test]
    fn scores_that_are_never_wrong_keep_a_doubt() {
        let scores = [1.0, -1.0, -1.0, 1.0].repeat(50);
        let found = Temperature::fit(&scores, &[0, 1].repeat(50), 2);
        // By hand: the probability of the label is 1 − 1/202.
        let p = found.probabilities(&scores[..2], 2)[0];
        assert!((p - (1.0 - 0.5 / 101.0)).abs() < 1e-6, "{p}");
        assert_eq!(Temperature::fit(&[], &[], 2), Temperature::ONE);
    }

    #[test]
    fn only_a_temperature_is_read_as_one() {
        assert_eq!(serde_json::from_str::<Temperature>("1.5").unwrap().value(), 1.5);
        for bad in ["0", "-1", "1e999", "null"] {
            assert!(serde_json::from_str::<Temperature>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn probabilities_sum_to_one_and_scaled_scores_are_undone(
            scores in prop::collection::vec(-30.0..30.0_f32, 12..=12), factor in 0.5..2.0_f32,
        ) {
            let labels = [0, 1, 2, 1];
            let found = Temperature::fit(&scores, &labels, 3);
            for row in found.probabilities(&scores, 3).chunks_exact(3) {
                prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            }
            let scaled: Vec<f32> = scores.iter().map(|score| score * factor).collect();
            let again = Temperature::fit(&scaled, &labels, 3).value() / f64::from(factor);
            let inside = |value: f64| value > 2.0 * ENDS.0 && value < ENDS.1 / 2.0;
            if inside(found.value()) && inside(again) {
                prop_assert!((again / found.value() - 1.0).abs() < 1e-4, "{} {again}", found.value());
            }
        }
    }
}
