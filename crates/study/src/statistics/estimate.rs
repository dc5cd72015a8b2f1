//! A mean with its confidence interval.

use serde::{Deserialize, Serialize};
use triax_model::random::{Purpose, Stream};

use super::{mean, quantile};

/// Number of resamples of a bootstrap. It determines the ends of an interval to about a fiftieth of its width.
pub const RESAMPLES: usize = 10_000;
/// Probability outside of the interval, on each side.
const TAIL: f64 = 0.025;

/// With fewer values than this, an interval is said to rest on few: it is far too narrow, and for two values it is no more
/// than their range.
const FEW: usize = 5;

/// A mean over subjects with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean over the subjects, each counting once.
    pub mean: f64,
    /// Number of subjects.
    pub n: usize,
    /// Standard deviation over the subjects (n − 1); 0 for one subject.
    pub deviation: f64,
    /// The 95 % bootstrap interval of the mean. One subject has none: `low` and `high` are then missing in JSON.
    #[serde(flatten)]
    pub interval: Option<Interval>,
}

/// The ends of a confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// The mean of `values` with the percentile interval of the bootstrap: the middle 95 % of the means of 10,000 samples of
    /// the same size, drawn with replacement (Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics
    /// 7, 1979). The percentile method keeps an interval of shares within 0 and 1. The interval is too narrow for few
    /// subjects, by about a tenth of its width for ten; see [`Estimate::rests_on_few`].
    ///
    /// The same values and `seed` give the same interval. One value has no interval; without values, the mean is 0.
    pub fn new(values: &[f64], seed: u64) -> Self {
        let n = values.len();
        let mean = mean(values);
        if n < 2 {
            return Self { mean, n, deviation: 0.0, interval: None };
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let mut draws = Stream::new(seed, Purpose::Bootstrap, 0);
        let mut resampled = || (0..n).map(|_| values[draws.below(n as u32) as usize]).sum::<f64>() / n as f64;
        let mut means: Vec<f64> = (0..RESAMPLES).map(|_| resampled()).collect();
        means.sort_by(f64::total_cmp);
        let interval = Interval { low: quantile(&means, TAIL), high: quantile(&means, 1.0 - TAIL) };
        Self { mean, n, deviation: (squares / (n - 1) as f64).sqrt(), interval: Some(interval) }
    }

    /// Whether there is an interval, over fewer than five values. Whoever shows it says so.
    pub fn rests_on_few(&self) -> bool {
        self.interval.is_some() && self.n < FEW
    }

    /// Whether there is an interval, and 0 lies outside of it.
    pub fn excludes_0(&self) -> bool {
        self.interval.is_some_and(|ends| ends.low > 0.0 || ends.high < 0.0)
    }

    /// The ends of the interval; without one, the mean twice.
    pub fn ends(&self) -> [f64; 2] {
        self.interval.map_or([self.mean; 2], |Interval { low, high }| [low, high])
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
            let [low, high] = found.ends();
            assert!((low - case.low).abs() < near && (high - case.high).abs() < near, "{found:?}");
        }
    }

    #[test]
    fn one_value_has_no_interval_and_few_say_so() {
        assert_eq!(Estimate::new(&[], 0), Estimate { mean: 0.0, n: 0, deviation: 0.0, interval: None });
        assert_eq!(Estimate::new(&[0.5], 0), Estimate { mean: 0.5, n: 1, deviation: 0.0, interval: None });
        let interval = Some(Interval { low: 0.5, high: 0.5 });
        assert_eq!(Estimate::new(&[0.5; 9], 0), Estimate { mean: 0.5, n: 9, deviation: 0.0, interval });
        let few = (0..7).map(|n| Estimate::new(&vec![0.25; n], 0).rests_on_few()).collect::<Vec<_>>();
        assert_eq!(few, [false, false, true, true, true, false, false]);
    }

    #[test]
    fn in_json_the_ends_are_missing_where_there_is_no_interval() {
        let json = |estimate: &Estimate| serde_json::to_string(estimate).unwrap();
        let one = Estimate::new(&[0.5], 0);
        assert_eq!(json(&one), r#"{"mean":0.5,"n":1,"deviation":0.0}"#);
        let two = Estimate::new(&[0.5, 0.5], 0);
        assert_eq!(json(&two), r#"{"mean":0.5,"n":2,"deviation":0.0,"low":0.5,"high":0.5}"#);
        for estimate in [one, two] {
            assert_eq!(serde_json::from_str::<Estimate>(&json(&estimate)).unwrap(), estimate);
        }
    }

    #[test]
    fn the_seed_decides() {
        let values = [0.1, 0.4, 0.35, 0.8, 0.9];
        assert_eq!(Estimate::new(&values, 1), Estimate::new(&values, 1));
        assert_ne!(Estimate::new(&values, 1), Estimate::new(&values, 2));
    }
}
