//! Classical baselines: linear classifiers on features in time and frequency. A network has to do better than these.
//!
//! `argmin` minimises the loss of `logistic`. The crate `linfa` has both methods, but neither is suitable. Its logistic
//! regression takes the logarithm of sums of exponentials relative to the largest score of all windows, and ends 40 % above
//! the minimum on recordings. Its support vector machine computes a kernel matrix of all pairs of windows, which takes too
//! long for thousands of windows in dozens of folds, and which a linear machine (`svm`) does not need.
//!
//! This module must never know a GPU or a training step.

mod features;
mod folds;
mod linear;
mod logistic;
mod svm;

pub use features::Features;
pub(crate) use folds::{BaselineFold, features, train};

/// Inverse of the strength of regularisation, as scikit-learn's `C`.
const C: f64 = 1.0;

/// A classical method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The class that is the most frequent in training.
    Majority,
    /// Multinomial logistic regression with an L2 penalty (C = 1) on standardised features.
    LogisticRegression,
    /// One linear support vector machine a class, with the true hinge loss and an L2 penalty (C = 1), on standardised
    /// features.
    LinearSvm,
}

impl Baseline {
    /// All baselines, the simplest first.
    pub const ALL: [Self; 3] = [Self::Majority, Self::LogisticRegression, Self::LinearSvm];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::LogisticRegression => "logistic_regression",
            Self::LinearSvm => "linear_svm",
        }
    }

    /// Learns from the windows at `train` with these `labels` (one for each window, below `classes`), and predicts the class
    /// of each window at `valid`. A class without a training window is never predicted. The result is deterministic.
    ///
    /// # Errors
    /// No training window; an optimisation that fails.
    pub fn predict(
        self,
        features: &Features,
        labels: &[u32],
        train: &[u32],
        valid: &[u32],
        classes: usize,
    ) -> Result<Vec<u32>, String> {
        let train_labels: Vec<u32> = train.iter().map(|&idx| labels[idx as usize]).collect();
        let mut counts = vec![0_usize; classes];
        train_labels.iter().for_each(|&label| counts[label as usize] += 1);
        let known: Vec<u32> = (0..classes as u32).filter(|&class| counts[class as usize] > 0).collect();
        let Some(&most) = known.iter().max_by_key(|&&class| (counts[class as usize], std::cmp::Reverse(class))) else {
            return Err("there is no window to train on".to_owned());
        };
        if self == Self::Majority || known.len() == 1 {
            return Ok(vec![most; valid.len()]);
        }
        let (x, judged) = features.standardised(train, valid);
        // Weights of each known class, with the bias last.
        let weights: Vec<Vec<f64>> = match self {
            Self::Majority => unreachable!("answered above"),
            Self::LogisticRegression => {
                let place = |label: &u32| known.binary_search(label).expect("a known class") as u32;
                let places: Vec<u32> = train_labels.iter().map(place).collect();
                let weights = logistic::train(&x, &places, known.len(), C)?;
                weights.chunks_exact(weights.len() / known.len()).map(<[f64]>::to_vec).collect()
            }
            Self::LinearSvm => {
                let signs = |class: u32| -> Vec<f64> {
                    train_labels.iter().map(|&label| if label == class { 1.0 } else { -1.0 }).collect()
                };
                known.iter().map(|&class| svm::train(&x, &signs(class), C)).collect()
            }
        };
        let class_of = |row: &Vec<f64>| {
            let scores: Vec<f64> = weights.iter().map(|weights| linear::score(weights, row)).collect();
            let better = |best: usize, other: usize| if scores[other] > scores[best] { other } else { best };
            known[(1..known.len()).fold(0, better)]
        };
        Ok(judged.iter().map(class_of).collect())
    }
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
        (Features::new(&values, 64, 3, Some(20.0)), labels)
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
