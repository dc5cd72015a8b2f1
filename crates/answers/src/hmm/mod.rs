//! One answer for a sequence of windows: a hidden Markov model whose states are the activities.
//!
//! The network's probabilities, divided by the shares of the classes that it was trained with, are the likelihoods of the windows
//! up to a factor (Bourlard and Morgan, "Connectionist Speech Recognition", 1994). The forward-backward algorithm gives the
//! probability of each activity at each window, given all windows (Rabiner, "A tutorial on hidden Markov models and selected
//! applications in speech recognition", Proceedings of the IEEE 77, 1989).
//!
//! The model takes windows to be independent, given the activity. Windows that overlap are not: each sample is seen
//! window / step times, and would count as often. So a likelihood is raised to the power of step / window, and a sequence weighs
//! what its samples weigh.
//!
//! | module | contents |
//! |---|---|
//! | `dynamics` | how long activities last, and which comes next: learnt from labelled recordings, or given |
//! | `transitions` | what that means from one window to the next |
//! | `chain` | the model, and the answers for a whole sequence |
//! | `fixed_lag` | the answers for a sequence as it comes |

mod chain;
mod dynamics;
mod fixed_lag;
mod transitions;

pub use chain::{Chain, Evidence};
pub use dynamics::{Bout, Dynamics};
pub use fixed_lag::FixedLag;

/// `values` divided by their sum, where it is above 0.
fn normalised(mut values: Vec<f64>) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    if sum > 0.0 {
        values.iter_mut().for_each(|value| *value /= sum);
    }
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use triax_testing::golden;

    use super::*;

    /// Sequences whose probabilities were summed over all paths: `golden/over_time.py`.
    #[derive(Deserialize)]
    struct Case {
        durations: Vec<f64>,
        next: Vec<Vec<f64>>,
        priors: Vec<f64>,
        window: usize,
        step: usize,
        rejected_share: Option<f64>,
        probabilities: Vec<Vec<f64>>,
        rejected: Vec<bool>,
        shares: Vec<f64>,
        smoothed: Vec<Vec<f64>>,
        lagged: Vec<Vec<f64>>,
    }

    #[derive(Deserialize)]
    struct Golden {
        sequences: Vec<Case>,
    }

    /// Windows of these probabilities (n_windows, classes), none of which is rejected.
    pub(super) fn evidence(probabilities: &[Vec<f64>]) -> impl Iterator<Item = Evidence<'_>> {
        probabilities.iter().map(|probabilities| Evidence { probabilities, is_rejected: false })
    }

    /// Probabilities (n_windows, 3).
    pub(super) fn any_sequence() -> impl Strategy<Value = Vec<Vec<f64>>> {
        let row = prop::collection::vec(0.01..1.0_f64, 3).prop_map(normalised);
        prop::collection::vec(row, 1..12)
    }

    fn assert_near(found: &[Vec<f64>], wanted: &[Vec<f64>]) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
            assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
        }
    }

    #[test]
    fn the_smoothed_probabilities_are_the_sums_over_all_paths() {
        let golden: Golden = golden(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/over_time.json"));
        assert_eq!(golden.sequences.len(), 3);
        for case in golden.sequences {
            let dynamics = Dynamics { durations: case.durations, next: case.next, n_changes: 0 };
            dynamics.check(case.priors.len()).unwrap();
            for (found, wanted) in dynamics.shares().iter().zip(&case.shares) {
                assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
            }
            let chain = Chain::new(&dynamics, &case.priors, (case.window, case.step), case.rejected_share);
            let windows = || {
                let pairs = case.probabilities.iter().zip(&case.rejected);
                pairs.map(|(probabilities, &is_rejected)| Evidence { probabilities, is_rejected })
            };
            assert_near(&chain.smooth(windows()), &case.smoothed);
            // Two windows later.
            let mut smoother = FixedLag::new(chain, 2);
            let mut found: Vec<Vec<f64>> = windows().filter_map(|window| smoother.push(window)).collect();
            assert_eq!(found.len(), case.probabilities.len() - 2);
            found.extend(smoother.finish());
            assert_near(&found, &case.lagged);
        }
    }

    proptest! {
        #[test]
        fn a_lag_as_long_as_the_sequence_is_the_whole_sequence(sequence in any_sequence(), duration in 1.0..1e4) {
            let chain = Chain::new(&Dynamics::uniform(duration, 3), &[0.2, 0.3, 0.5], (100, 50), None);
            let mut smoother = FixedLag::new(chain.clone(), sequence.len());
            // After a first sequence, which must leave nothing behind.
            evidence(&sequence).for_each(|window| drop(smoother.push(window)));
            smoother.finish();
            prop_assert!(evidence(&sequence).all(|window| smoother.push(window).is_none()));
            for (found, wanted) in smoother.finish().iter().flatten().zip(chain.smooth(evidence(&sequence)).iter().flatten()) {
                prop_assert!((found - wanted).abs() < 1e-9);
            }
        }
    }
}
