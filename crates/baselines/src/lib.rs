//! Classical baselines that keep a network honest: features that the field has used for decades, and linear classifiers on
//! them. A network that does not beat these has learnt nothing that was worth a network.
//!
//! Logistic regression is `linfa`'s. Its support vector machine works on a kernel matrix of all pairs of windows, which for
//! thousands of windows in each of dozens of folds takes too long; a linear one needs no such matrix, so that [`svm`] is
//! ours.
//!
//! This crate must never know a GPU or a training step.

mod features;
mod svm;

use linfa::Dataset;
use linfa::traits::{Fit, Predict};
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2};

pub use features::Features;

/// Inverse of the strength of regularisation, as scikit-learn's `C`.
const C: f64 = 1.0;
/// Iterations of L-BFGS for logistic regression.
const MOST_ITERATIONS: u64 = 200;

/// A classical method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Whatever class is the most frequent in training: the floor.
    Majority,
    /// Multinomial logistic regression with an L2 penalty (C = 1) on standardised features.
    LogisticRegression,
    /// One linear support vector machine a class, with the true hinge loss and an L2 penalty (C = 1), on standardised
    /// features.
    LinearSvm,
}

impl Baseline {
    /// Every one, the simplest first.
    pub const ALL: [Self; 3] = [Self::Majority, Self::LogisticRegression, Self::LinearSvm];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::LogisticRegression => "logistic_regression",
            Self::LinearSvm => "linear_svm",
        }
    }

    /// Learns from the windows at `train`, of these `labels` (one for each window, below `classes`), and gives the class of
    /// each window at `valid`. A class without a training window is never predicted. The same input gives the same output.
    ///
    /// # Errors
    /// No training window; a method that fails to fit, in its own words.
    pub fn predict(
        self,
        features: &Features,
        labels: &[u32],
        train: &[u32],
        valid: &[u32],
        classes: usize,
    ) -> Result<Vec<u32>, String> {
        let of_train: Vec<u32> = train.iter().map(|&idx| labels[idx as usize]).collect();
        let mut counts = vec![0_usize; classes];
        of_train.iter().for_each(|&label| counts[label as usize] += 1);
        let known: Vec<u32> = (0..classes as u32).filter(|&class| counts[class as usize] > 0).collect();
        let Some(&most) = known.iter().max_by_key(|&&class| (counts[class as usize], std::cmp::Reverse(class))) else {
            return Err("there is no window to train on".to_owned());
        };
        if self == Self::Majority || known.len() == 1 {
            return Ok(vec![most; valid.len()]);
        }
        let (x, judged) = features.standardised(train, valid);
        match self {
            Self::Majority => unreachable!("answered above"),
            Self::LogisticRegression => logistic_regression(&x, &of_train, &judged),
            Self::LinearSvm => {
                let margins: Vec<Vec<f64>> = known
                    .iter()
                    .map(|&class| {
                        let signs: Vec<f64> =
                            of_train.iter().map(|&label| if label == class { 1.0 } else { -1.0 }).collect();
                        let machine = svm::train(&x, &signs, C);
                        judged.iter().map(|row| svm::margin(&machine, row)).collect()
                    })
                    .collect();
                let best = |window: usize| {
                    let better = |&best: &usize, &other: &usize| margins[other][window] > margins[best][window];
                    (0..known.len()).fold(0, |best, other| if better(&best, &other) { other } else { best })
                };
                Ok((0..valid.len()).map(|window| known[best(window)]).collect())
            }
        }
    }
}

fn logistic_regression(x: &[Vec<f64>], labels: &[u32], judged: &[Vec<f64>]) -> Result<Vec<u32>, String> {
    let labels = Array1::from_iter(labels.iter().copied());
    let model = MultiLogisticRegression::default()
        .alpha(1.0 / C)
        .max_iterations(MOST_ITERATIONS)
        .gradient_tolerance(1e-2)
        .fit(&Dataset::new(matrix(x), labels))
        .map_err(|error| error.to_string())?;
    Ok(model.predict(&matrix(judged)).to_vec())
}

/// Rows as a matrix.
fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), rows.first().map_or(0, Vec::len)), |(row, column)| rows[row][column])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of three classes that differ in how fast and how strong they swing, of 64 samples in three channels.
    fn windows(n: usize) -> (Features, Vec<u32>) {
        let labels: Vec<u32> = (0..n as u32).map(|idx| idx % 3).collect();
        let mut values = Vec::new();
        for (idx, &label) in labels.iter().enumerate() {
            let (rate, phase) = ([0.2, 0.5, 0.9][label as usize], idx as f32);
            for t in 0..64 {
                let swing = (rate * t as f32 + phase).sin() * (1.0 + 0.3 * (idx % 5) as f32);
                values.extend([swing, 0.5 * swing + 0.1 * phase.cos(), 9.8]);
            }
        }
        (Features::of(&values, 64, 3, Some(20.0)), labels)
    }

    #[test]
    fn linear_methods_tell_apart_what_the_majority_cannot() {
        let (features, labels) = windows(90);
        let (train, valid): (Vec<u32>, Vec<u32>) = (0..90).partition(|idx| idx % 4 != 0);
        let accuracy = |baseline: Baseline| {
            let found = baseline.predict(&features, &labels, &train, &valid, 3).unwrap();
            assert_eq!(found, baseline.predict(&features, &labels, &train, &valid, 3).unwrap(), "not the same twice");
            let hits = found.iter().zip(&valid).filter(|(class, idx)| **class == labels[**idx as usize]).count();
            hits as f64 / valid.len() as f64
        };
        assert!(accuracy(Baseline::Majority) < 0.5);
        assert!(accuracy(Baseline::LogisticRegression) > 0.95);
        assert!(accuracy(Baseline::LinearSvm) > 0.95);
    }

    #[test]
    fn a_class_that_was_never_seen_is_never_predicted() {
        let (features, labels) = windows(30);
        let (valid, train): (Vec<u32>, Vec<u32>) = (0..30).partition(|&idx| labels[idx as usize] == 1);
        for baseline in Baseline::ALL {
            let found = baseline.predict(&features, &labels, &train, &valid, 3).unwrap();
            assert!(found.iter().all(|&class| class != 1), "{}", baseline.name());
            assert!(baseline.predict(&features, &labels, &[], &valid, 3).is_err());
        }
    }
}
