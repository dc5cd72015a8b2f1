//! How long activities last, and which comes next.

use serde::{Deserialize, Serialize};

use super::normalised;

/// The durations that a file may say, in samples.
const DURATIONS: std::ops::RangeInclusive<f64> = 1e-3..=1e15;
/// Steps of the power iteration for the share of each activity among the changes. A step is half a change, so this is far more
/// than a sequence remembers.
const ITERATIONS: usize = 500;

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
    pub(super) fn shares(&self) -> Vec<f64> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn figures_that_no_activity_has_are_refused() {
        let bad = Dynamics { durations: vec![1.0, f64::NAN], ..Dynamics::uniform(1.0, 2) };
        assert!(bad.check(2).is_err() && Dynamics::uniform(1.0, 3).check(2).is_err());
    }
}
