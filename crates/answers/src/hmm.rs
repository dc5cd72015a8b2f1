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

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The least likelihood, relative to the other activities'. No window alone can rule an activity out.
const LEAST: f64 = 1e-9;
/// The durations that a file may say, in samples.
const DURATIONS: std::ops::RangeInclusive<f64> = 1e-3..=1e15;
/// The order of the Taylor polynomial: at a half, the rest is below 1e-16.
const TAYLOR: u32 = 14;
/// Steps of the power iteration for the share of each activity among the changes. A step is half a change, so this is far more
/// than a sequence remembers.
const ITERATIONS: usize = 500;
/// The share of its windows that an unknown activity is taken to have below the threshold of rejection. Nothing is known about
/// it, and at a half neither side is favoured.
const UNKNOWN_REJECTED: f64 = 0.5;

/// A stretch of one activity in a labelled sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bout {
    /// The class.
    pub class: u32,
    /// Its length in samples.
    pub samples: f64,
    /// Whether it follows the bout before it without a gap, so that the change was recorded.
    pub follows: bool,
}

/// How long each activity lasts, and which comes next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dynamics {
    /// Mean duration of each activity in samples.
    pub durations: Vec<f64>,
    /// (classes, classes) probability of each activity to come after another one; 0 after itself.
    pub next: Vec<Vec<f64>>,
    /// Recorded changes that `next` was learnt from.
    pub n_changes: usize,
}

impl Dynamics {
    /// Learns from the bouts of each sequence, such as a person's recordings in the order of time. A duration is the mean over
    /// the bouts of an activity, and over all bouts for one that has none. What comes next is learnt from bouts that follow each
    /// other directly, each other activity counting once more than it was seen (Laplace): without such changes, all are as
    /// likely. None without bouts.
    ///
    /// # Panics
    /// If a class is not below `classes`.
    pub fn learn(sequences: &[Vec<Bout>], classes: usize) -> Option<Self> {
        let (mut samples, mut bouts) = (vec![0.0; classes], vec![0.0; classes]);
        let mut counts = vec![vec![1.0; classes]; classes];
        let mut n_changes = 0;
        for sequence in sequences {
            for bout in sequence {
                samples[bout.class as usize] += bout.samples;
                bouts[bout.class as usize] += 1.0;
            }
            for pair in sequence.windows(2).filter(|pair| pair[1].follows && pair[0].class != pair[1].class) {
                counts[pair[0].class as usize][pair[1].class as usize] += 1.0;
                n_changes += 1;
            }
        }
        let (all_samples, all_bouts): (f64, f64) = (samples.iter().sum(), bouts.iter().sum());
        if all_samples <= 0.0 {
            return None;
        }
        let duration = |(&samples, &bouts): (&f64, &f64)| {
            if bouts > 0.0 { (samples / bouts).max(1.0) } else { all_samples / all_bouts }
        };
        let durations = samples.iter().zip(&bouts).map(duration).collect();
        Some(Self { durations, next: without_itself(counts), n_changes })
    }

    /// All activities last `samples` in the mean, and any other one may follow.
    pub fn uniform(samples: f64, classes: usize) -> Self {
        Self {
            durations: vec![samples; classes],
            next: without_itself(vec![vec![1.0; classes]; classes]),
            n_changes: 0,
        }
    }

    /// The mean duration over the activities, in samples.
    pub fn mean_duration(&self) -> f64 {
        self.durations.iter().sum::<f64>() / self.durations.len().max(1) as f64
    }

    /// Checks what a file says.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self, classes: usize) -> Result<(), String> {
        let is_row = |row: &Vec<f64>| {
            let sum: f64 = row.iter().sum();
            row.len() == classes
                && row.iter().all(|p| (0.0..=1.0).contains(p))
                && (classes < 2 || (sum - 1.0).abs() < 1e-6)
        };
        if self.durations.len() != classes || !self.durations.iter().all(|one| DURATIONS.contains(one)) {
            return Err(format!("`durations` are not {classes} numbers of samples"));
        }
        if self.next.len() != classes || !self.next.iter().all(is_row) {
            return Err(format!("`next` is not a matrix of {classes} rows that sum to 1"));
        }
        Ok(())
    }

    /// The share of time of each activity in a long sequence.
    fn shares(&self) -> Vec<f64> {
        let classes = self.durations.len();
        let mut changes = vec![1.0 / classes as f64; classes];
        for _ in 0..ITERATIONS {
            let mut next: Vec<f64> = changes.iter().map(|share| share / 2.0).collect();
            for (share, row) in changes.iter().zip(&self.next) {
                next.iter_mut().zip(row).for_each(|(next, p)| *next += share * p / 2.0);
            }
            changes = next;
        }
        normalised(changes.iter().zip(&self.durations).map(|(share, duration)| share * duration).collect())
    }
}

/// The rows of `counts` as shares, without their diagonal.
fn without_itself(counts: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let row = |(class, mut row): (usize, Vec<f64>)| {
        row[class] = 0.0;
        normalised(row)
    };
    counts.into_iter().enumerate().map(row).collect()
}

/// (states, states) the probability of each state a time of `step` after each other, if a state goes over into another one at
/// these `rates` (states, states), all at least 0: the exponential of their matrix, whose diagonal makes each row sum to 0. It
/// is the square of that of half a step, and so on, down to a step for which a Taylor polynomial is exact.
fn after(rates: &[Vec<f64>], step: f64) -> Vec<Vec<f64>> {
    let n = rates.len();
    let fastest = rates.iter().map(|row| row.iter().sum::<f64>()).fold(0.0, f64::max) * step;
    let n_halvings = fastest.log2().ceil().clamp(0.0, 1000.0) as i32 + 1;
    let step = step * 0.5_f64.powi(n_halvings);
    let of_row = |(state, row): (usize, &Vec<f64>)| {
        let sum: f64 = row.iter().sum();
        let rate = |(other, rate): (usize, &f64)| step * if other == state { rate - sum } else { *rate };
        row.iter().enumerate().map(rate).collect()
    };
    let rates: Vec<Vec<f64>> = rates.iter().enumerate().map(of_row).collect();
    let unit = |row: usize| (0..n).map(|column| f64::from(u8::from(row == column))).collect();
    let mut term: Vec<Vec<f64>> = (0..n).map(unit).collect();
    let mut sum = term.clone();
    for order in 1..=TAYLOR {
        term = product(&term, &rates);
        for (sum, term) in sum.iter_mut().flatten().zip(term.iter_mut().flatten()) {
            *term /= f64::from(order);
            *sum += *term;
        }
    }
    for _ in 0..n_halvings {
        sum = product(&sum, &sum);
    }
    sum.into_iter().map(|row| normalised(row.into_iter().map(|p| p.max(0.0)).collect())).collect()
}

/// The product of two square matrices.
fn product(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let of_row = |row: &Vec<f64>| {
        let mut sum = vec![0.0; row.len()];
        for (factor, other) in row.iter().zip(b) {
            sum.iter_mut().zip(other).for_each(|(sum, value)| *sum += factor * value);
        }
        sum
    };
    a.iter().map(of_row).collect()
}

/// `values` divided by their sum, where it is above 0.
fn normalised(mut values: Vec<f64>) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    if sum > 0.0 {
        values.iter_mut().for_each(|value| *value /= sum);
    }
    values
}

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
    fn likelihoods(&self, evidence: Evidence<'_>) -> Vec<f64> {
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
    fn forward(&self, before: Option<&[f64]>, likelihoods: &[f64]) -> Vec<f64> {
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
    fn backward(&self, later: &[f64], likelihoods: &[f64]) -> Vec<f64> {
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

/// Smooths a sequence as it comes: the answer for a window follows `lag` windows later, and knows the windows up to then.
#[derive(Clone, Debug)]
pub struct FixedLag {
    chain: Chain,
    lag: usize,
    /// Of the windows without an answer, from the oldest on: probabilities given the windows up to it, and its likelihoods.
    waiting: VecDeque<(Vec<f64>, Vec<f64>)>,
    /// The forward probabilities of the newest window.
    newest: Option<Vec<f64>>,
}

impl FixedLag {
    /// A smoother that answers `lag` windows later. With 0, an answer knows the past alone.
    pub fn new(chain: Chain, lag: usize) -> Self {
        Self { chain, lag, waiting: VecDeque::new(), newest: None }
    }

    /// The number of states: see [`Chain::n_states`].
    pub fn n_states(&self) -> usize {
        self.chain.n_states()
    }

    /// Takes the next window. Returns the probabilities of the states at the window `lag` before it, if there is one.
    pub fn push(&mut self, window: Evidence<'_>) -> Option<Vec<f64>> {
        let likelihoods = self.chain.likelihoods(window);
        let forward = self.chain.forward(self.newest.as_deref(), &likelihoods);
        self.newest = Some(forward.clone());
        self.waiting.push_back((forward, likelihoods));
        (self.waiting.len() > self.lag).then(|| self.oldest())
    }

    /// Ends the sequence. Returns the probabilities at the windows that have no answer yet. The next window begins a new
    /// sequence.
    pub fn finish(&mut self) -> Vec<Vec<f64>> {
        self.newest = None;
        (0..self.waiting.len()).map(|_| self.oldest()).collect()
    }

    /// The probabilities at the oldest window without an answer, which leaves.
    fn oldest(&mut self) -> Vec<f64> {
        let mut later = vec![1.0; self.chain.n_states()];
        for (_, likelihoods) in self.waiting.iter().skip(1).rev() {
            later = self.chain.backward(&later, likelihoods);
        }
        let (forward, _) = self.waiting.pop_front().expect("a window waits");
        normalised(forward.iter().zip(&later).map(|(p, later)| p * later).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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

    fn evidence(probabilities: &[Vec<f64>]) -> impl Iterator<Item = Evidence<'_>> {
        probabilities.iter().map(|probabilities| Evidence { probabilities, is_rejected: false })
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

    #[test]
    fn after_a_long_step_all_is_forgotten_and_after_a_short_one_nothing() {
        let rates = [vec![0.0, 0.1], vec![0.3, 0.0]];
        // By hand: the share of the second state tends to 1/4, at a rate of 0.4.
        for step in [0.01_f64, 1.0, 7.0, 1e6] {
            let second = 0.25 * (1.0 - (-0.4 * step).exp());
            let found = after(&rates, step);
            assert!((found[0][1] - second).abs() < 1e-12 && (found[1][0] - 3.0 * second).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn durations_and_changes_are_counted() {
        let bout = |class, samples, follows| Bout { class, samples, follows };
        let sequences = [
            vec![bout(0, 100.0, false), bout(1, 40.0, true), bout(0, 50.0, true), bout(1, 20.0, false)],
            vec![bout(1, 30.0, true)],
        ];
        let found = Dynamics::learn(&sequences, 3).unwrap();
        assert_eq!(found.durations, [75.0, 30.0, 48.0]);
        assert_eq!(found.next, [vec![0.0, 2.0 / 3.0, 1.0 / 3.0], vec![2.0 / 3.0, 0.0, 1.0 / 3.0], vec![0.5, 0.5, 0.0]]);
        assert_eq!(found.n_changes, 2);
        assert_eq!(Dynamics::learn(&[], 3), None);
        let even = Dynamics::uniform(10.0, 3);
        assert!(
            (even.mean_duration() - 10.0).abs() < 1e-12
                && even.shares().iter().all(|share| (share - 1.0 / 3.0).abs() < 1e-12)
        );
    }

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
        let bad = Dynamics { durations: vec![1.0, f64::NAN], ..Dynamics::uniform(1.0, 2) };
        assert!(bad.check(2).is_err() && Dynamics::uniform(1.0, 3).check(2).is_err());
    }

    fn any_sequence() -> impl Strategy<Value = Vec<Vec<f64>>> {
        let row = prop::collection::vec(0.01..1.0_f64, 3).prop_map(normalised);
        prop::collection::vec(row, 1..12)
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
