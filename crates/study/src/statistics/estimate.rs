//! A mean with its confidence interval.

use serde::{Deserialize, Serialize};
use triax_model::random::{Purpose, Stream};

use super::{mean, quantile};

/// Number of resamples. It determines the ends of an interval to about a fiftieth of its width.
const RESAMPLES: usize = 10_000;
/// Probability outside of the interval, on each side.
const TAIL: f64 = 0.025;

/// A mean over subjects with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean over the subjects, each counting once.
    pub mean: f64,
    /// Standard deviation over the subjects (n − 1); 0 for one subject.
    pub deviation: f64,
    /// Lower end of the 95 % bootstrap interval of the mean.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// The mean of `values` with the percentile interval of the bootstrap: the middle 95 % of the means of 10,000 samples of
    /// the same size, drawn with replacement (Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics
    /// 7, 1979). The percentile method keeps an interval of shares within 0 and 1. The interval is too narrow for few
    /// subjects, by about a tenth of its width for ten.
    ///
    /// The same values and `seed` give the same interval. One value is its own interval; without values, everything is 0.
    pub fn new(values: &[f64], seed: u64) -> Self {
        let n = values.len();
        let mean = mean(values);
        if n < 2 {
            return Self { mean, deviation: 0.0, low: mean, high: mean };
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let mut draws = Stream::new(seed, Purpose::Bootstrap, 0);
        let mut resampled = || (0..n).map(|_| values[draws.below(n as u32) as usize]).sum::<f64>() / n as f64;
        let mut means: Vec<f64> = (0..RESAMPLES).map(|_| resampled()).collect();
        means.sort_by(f64::total_cmp);
        let deviation = (squares / (n - 1) as f64).sqrt();
        Self { mean, deviation, low: quantile(&means, TAIL), high: quantile(&means, 1.0 - TAIL) }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use triax_testing::golden;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        bootstrap: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        values: Vec<f64>,
        mean: f64,
        deviation: f64,
        low: f64,
        high: f64,
    }

    #[test]
    fn intervals_are_those_of_scipy() {
        let golden: Golden = golden(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/statistics/scipy.json"));
        for case in golden.bootstrap {
            let found = Estimate::new(&case.values, 7);
            assert!((found.mean - case.mean).abs() < 1e-12 && (found.deviation - case.deviation).abs() < 1e-12);
            // Both are draws: SciPy's of 200,000, ours of 10,000.
            let near = 0.03 * (case.high - case.low);
            assert!((found.low - case.low).abs() < near && (found.high - case.high).abs() < near, "{found:?}");
        }
    }

    #[test]
    fn few_values_have_narrow_intervals_and_nothing_breaks() {
        assert_eq!(Estimate::new(&[], 0), Estimate { mean: 0.0, deviation: 0.0, low: 0.0, high: 0.0 });
        assert_eq!(Estimate::new(&[0.5], 0), Estimate { mean: 0.5, deviation: 0.0, low: 0.5, high: 0.5 });
        assert_eq!(Estimate::new(&[0.5; 9], 0), Estimate { mean: 0.5, deviation: 0.0, low: 0.5, high: 0.5 });
    }

    #[test]
    fn the_seed_decides() {
        let values = [0.1, 0.4, 0.35, 0.8, 0.9];
        assert_eq!(Estimate::new(&values, 1), Estimate::new(&values, 1));
        assert_ne!(Estimate::new(&values, 1), Estimate::new(&values, 2));
    }
}
