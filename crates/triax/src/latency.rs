//! How long a window takes on this processor.

use std::time::{Duration, Instant};

use serde::Serialize;
use triax_engine::device::DeviceInfo;
use triax_engine::{CpuEngine, Engine};
use triax_model::{Network, Weights};

use crate::{Error, Predictor};

/// The time from a window to its scores, measured over many calls with one window each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Calls that were timed.
    pub n_calls: usize,
    /// Median, in seconds.
    pub median: f64,
    /// Lower quartile, in seconds.
    pub lower: f64,
    /// Upper quartile, in seconds.
    pub upper: f64,
    /// Name of the processor.
    pub processor: String,
}

/// The most calls, and the time after which no other is made.
const MOST_CALLS: usize = 2_000;
const LONGEST: Duration = Duration::from_millis(400);
/// Calls that are not timed: they open the network and fill the caches.
const WARM_UP: usize = 20;

impl Latency {
    /// Measures the networks of `predictor` together, with their preprocessing, on the CPU.
    ///
    /// # Errors
    /// As [`Predictor::scores`].
    pub fn of_predictor(predictor: &Predictor) -> Result<Self, Error> {
        let window = window(predictor.spec().window * predictor.n_channels());
        Self::of_calls(|| predictor.scores_of_one(&window).map(drop))
    }

    /// Measures `network` alone, with weights drawn at random: the time does not depend on them.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn of_network(network: &Network) -> Result<Self, Error> {
        let engine = CpuEngine::<f32>::new();
        let mut scorer = engine.scorer(network, &Weights::glorot_uniform(network, 0), None)?;
        let window = window(network.spec().window * network.spec().channels);
        Self::of_calls(|| Ok(scorer.scores(&window).map(drop)?))
    }

    fn of_calls(mut call: impl FnMut() -> Result<(), Error>) -> Result<Self, Error> {
        let began = Instant::now();
        let mut seconds = Vec::with_capacity(MOST_CALLS);
        for n in 0..WARM_UP + MOST_CALLS {
            let start = Instant::now();
            call()?;
            // A call that is slow needs no warming up.
            if n >= WARM_UP || began.elapsed() >= LONGEST {
                seconds.push(start.elapsed().as_secs_f64());
            }
            if began.elapsed() >= LONGEST {
                break;
            }
        }
        Ok(Self::from_seconds(seconds, DeviceInfo::cpu().name))
    }

    /// # Panics
    /// If nothing was measured.
    fn from_seconds(mut seconds: Vec<f64>, processor: String) -> Self {
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| seconds[((seconds.len() - 1) as f64 * share).round() as usize];
        Self { n_calls: seconds.len(), median: at(0.5), lower: at(0.25), upper: at(0.75), processor }
    }
}

/// A window of a movement.
fn window(n_values: usize) -> Vec<f32> {
    (0..n_values).map(|idx| (idx as f32 * 0.1).sin()).collect()
}

#[cfg(test)]
mod tests {
    use triax_model::NetworkSpec;

    use super::*;

    #[test]
    fn the_median_stands_between_the_quartiles() {
        let seconds = [5.0, 1.0, 9.0, 2.0, 4.0].to_vec();
        let found = Latency::from_seconds(seconds, "a processor".to_owned());
        assert_eq!((found.n_calls, found.lower, found.median, found.upper), (5, 2.0, 4.0, 5.0));
    }

    #[test]
    fn a_network_is_measured_and_what_fails_is_said() {
        let network = Network::new(NetworkSpec::default()).unwrap();
        let found = Latency::of_network(&network).unwrap();
        assert!(found.n_calls > 0 && 0.0 < found.lower && found.lower <= found.median && found.median <= found.upper);
        assert!(!found.processor.is_empty());
        let failed = Latency::of_calls(|| Err(Error::Input("no scores".to_owned())));
        assert!(failed.unwrap_err().to_string().contains("no scores"));
    }

    #[test]
    fn a_slow_network_is_measured_once() {
        let found = Latency::of_calls(|| {
            std::thread::sleep(LONGEST);
            Ok(())
        });
        assert_eq!(found.unwrap().n_calls, 1);
    }
}
