//! The model of the windows of a sequence.

use super::dynamics::Dynamics;
use super::normalised;
use super::transitions::after;

/// The least likelihood, relative to the other activities'. No window alone can rule an activity out.
const LEAST: f64 = 1e-9;
/// The share of its windows that an unknown activity is taken to have below the threshold of rejection. Nothing is known about
/// it, and at a half neither side is favoured.
const UNKNOWN_REJECTED: f64 = 0.5;

/// A hidden Markov model over the windows of a sequence. Its states are the classes, and after them `unknown` if it may say so.
#[derive(Clone, Debug)]
pub struct Chain {
    /// (states, states) probability of each state a step after each other.
    transitions: Vec<Vec<f64>>,
    /// Probability of each state at the first window.
    start: Vec<f64>,
    /// Shares of the classes in training.
    priors: Vec<f64>,
    /// The power that likelihoods are raised to.
    power: f64,
    /// The share of known windows that are rejected, where `unknown` is a state.
    rejected: Option<f64>,
}

/// What a window says: the network's probabilities (classes), and whether it was rejected.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The network's probabilities, one for each class.
    pub probabilities: &'a [f64],
    /// Whether the window is below the threshold of rejection. It counts where `unknown` is a state.
    pub is_rejected: bool,
}

impl Chain {
    /// A model for windows of `window` samples, one every `step` samples, by a network trained with these shares of the classes
    /// (`priors`). With `rejected`, the share of known windows that a threshold rejects, the last state is `unknown`: it lasts
    /// as long as activities do in the mean, is as likely to come next as any of them, and gives no class a preference.
    ///
    /// Time goes on between windows: an activity may change more than once within a step, and after a step much longer than
    /// activities last, the one before is forgotten.
    ///
    /// # Panics
    /// If `priors` is not as long as `dynamics` has activities.
    pub fn new(dynamics: &Dynamics, priors: &[f64], (window, step): (usize, usize), rejected: Option<f64>) -> Self {
        let (classes, step) = (dynamics.durations.len(), step.max(1) as f64);
        assert_eq!(priors.len(), classes, "a share for each class");
        // Of the changes from an activity, those to `unknown`.
        let unknown = rejected.map_or(0.0, |_| 1.0 / classes.max(1) as f64);
        let row = |(&duration, next): (&f64, &Vec<f64>)| {
            let mut row: Vec<f64> = next.iter().map(|p| (1.0 - unknown) * p / duration).collect();
            row.extend(rejected.map(|_| unknown / duration));
            row
        };
        let mut rates: Vec<Vec<f64>> = dynamics.durations.iter().zip(&dynamics.next).map(row).collect();
        let mut start = dynamics.shares();
        if rejected.is_some() {
            let mut row = vec![1.0 / classes as f64 / dynamics.mean_duration(); classes];
            row.push(0.0);
            rates.push(row);
            start.push(1.0 / classes as f64);
            start = normalised(start);
        }
        let transitions = after(&rates, step);
        let power = (step / window.max(1) as f64).min(1.0);
        Self { transitions, start, priors: priors.to_vec(), power, rejected }
    }

    /// The number of states: the classes, and `unknown` if it is one.
    pub fn n_states(&self) -> usize {
        self.start.len()
    }

    /// The likelihood of a window in each state, up to a factor.
    pub(super) fn likelihoods(&self, evidence: Evidence<'_>) -> Vec<f64> {
        let known = self.rejected.map_or(1.0, |share| if evidence.is_rejected { share } else { 1.0 - share });
        let of_class = |(p, prior): (&f64, &f64)| known * p / prior.max(LEAST);
        let mut values: Vec<f64> = evidence.probabilities.iter().zip(&self.priors).map(of_class).collect();
        // The mean likelihood over the classes, by their shares, is 1.
        values.extend(
            self.rejected.map(|_| if evidence.is_rejected { UNKNOWN_REJECTED } else { 1.0 - UNKNOWN_REJECTED }),
        );
        let largest = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        values.iter().map(|value| (value / largest).max(LEAST).powf(self.power)).collect()
    }

    /// The probabilities of the states at a window, given those at the window before, if there is one, and its likelihoods.
    pub(super) fn forward(&self, before: Option<&[f64]>, likelihoods: &[f64]) -> Vec<f64> {
        let Some(before) = before else {
            return normalised(self.start.iter().zip(likelihoods).map(|(p, likelihood)| p * likelihood).collect());
        };
        let mut now = vec![0.0; self.n_states()];
        for (p, row) in before.iter().zip(&self.transitions) {
            now.iter_mut().zip(row).for_each(|(now, change)| *now += p * change);
        }
        normalised(now.iter().zip(likelihoods).map(|(p, likelihood)| p * likelihood).collect())
    }

    /// How well each state explains the windows after one, up to a factor, given the same of the window after it, `later`, and
    /// its likelihoods.
    pub(super) fn backward(&self, later: &[f64], likelihoods: &[f64]) -> Vec<f64> {
        let weighed: Vec<f64> = later.iter().zip(likelihoods).map(|(later, likelihood)| later * likelihood).collect();
        let of_state = |row: &Vec<f64>| row.iter().zip(&weighed).map(|(p, weight)| p * weight).sum();
        normalised(self.transitions.iter().map(of_state).collect())
    }

    /// The probabilities (n_windows, states) of the states at each window, given all windows of the sequence.
    pub fn smooth<'a>(&self, windows: impl IntoIterator<Item = Evidence<'a>>) -> Vec<Vec<f64>> {
        let likelihoods: Vec<Vec<f64>> = windows.into_iter().map(|window| self.likelihoods(window)).collect();
        let mut smoothed: Vec<Vec<f64>> = Vec::with_capacity(likelihoods.len());
        for window in &likelihoods {
            smoothed.push(self.forward(smoothed.last().map(Vec::as_slice), window));
        }
        let mut later = vec![1.0; self.n_states()];
        for (at, window) in likelihoods.iter().enumerate().rev() {
            smoothed[at] = normalised(smoothed[at].iter().zip(&later).map(|(p, later)| p * later).collect());
            later = self.backward(&later, window);
        }
        smoothed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hmm::tests::{any_sequence, evidence};

    #[test]
    fn a_single_slip_is_smoothed_away_and_a_change_is_not() {
        let (walk, sit) = (vec![0.9, 0.1], vec![0.2, 0.8]);
        let of = |pattern: &str| {
            pattern.chars().map(|c| if c == 'w' { walk.clone() } else { sit.clone() }).collect::<Vec<_>>()
        };
        let chain = Chain::new(&Dynamics::uniform(1000.0, 2), &[0.5, 0.5], (100, 100), None);
        let answers = |pattern: &str| -> String {
            chain.smooth(evidence(&of(pattern))).iter().map(|p| if p[0] > p[1] { 'w' } else { 's' }).collect()
        };
        assert_eq!(answers("wwwswwww"), "wwwwwwww");
        assert_eq!(answers("wwwwssss"), "wwwwssss");
    }

    #[test]
    fn windows_that_are_rejected_in_a_row_are_unknown() {
        let chain = Chain::new(&Dynamics::uniform(1000.0, 2), &[0.5, 0.5], (100, 100), Some(0.05));
        let unknown = |rejected: [bool; 6]| {
            let of = |is_rejected| if is_rejected { &[0.6, 0.4] } else { &[0.9, 0.1] };
            let windows = rejected.map(|is_rejected| Evidence { probabilities: of(is_rejected), is_rejected });
            chain.smooth(windows)[3][2]
        };
        assert!(unknown([true; 6]) > 0.9);
        assert!(unknown([false; 6]) < 0.1);
        assert!(unknown([false, false, false, true, false, false]) < 0.2);
    }

    #[test]
    fn one_class_and_hostile_figures_give_probabilities() {
        let chain = Chain::new(&Dynamics::uniform(5.0, 1), &[1.0], (4, 2), None);
        assert_eq!(chain.smooth(evidence(&[vec![1.0], vec![1.0]])), [[1.0], [1.0]]);
        let chain = Chain::new(&Dynamics::uniform(5.0, 1), &[1.0], (4, 2), Some(0.0));
        assert!(chain.smooth(evidence(&[vec![1.0]]))[0].iter().all(|p| p.is_finite()));
        let chain = Chain::new(&Dynamics::uniform(1e300, 2), &[0.0, 1.0], (4, 2), None);
        let sure = chain.smooth(evidence(&[vec![1.0, 0.0], vec![0.0, 1.0]]));
        assert!(sure.iter().flatten().all(|p| p.is_finite()), "{sure:?}");
    }

    proptest! {
        #[test]
        fn probabilities_sum_to_one(sequence in any_sequence(), duration in 1.0..1e6, step in 1..200_usize) {
            for rejected in [None, Some(0.05)] {
                let chain = Chain::new(&Dynamics::uniform(duration, 3), &[0.2, 0.3, 0.5], (100, step), rejected);
                for row in chain.smooth(evidence(&sequence)) {
                    prop_assert_eq!(row.len(), chain.n_states());
                    prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                }
            }
        }

        #[test]
        fn without_memory_each_window_says_what_the_network_says(sequence in any_sequence(), priors in prop::collection::vec(0.1..1.0_f64, 3)) {
            let priors = normalised(priors);
            let mut chain = Chain::new(&Dynamics::uniform(1.0, 3), &priors, (100, 100), None);
            chain.transitions = vec![priors.clone(); 3];
            chain.start = priors;
            for (found, wanted) in chain.smooth(evidence(&sequence)).iter().flatten().zip(sequence.iter().flatten()) {
                prop_assert!((found - wanted).abs() < 1e-9);
            }
        }
    }
}
