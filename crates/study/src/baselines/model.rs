//! What a classical method has learnt, to score windows with.

use super::features::FeatureScaler;
use super::trees::Forest;
use super::{Baseline, FeatureSet, Features, linear, logistic, svm};

/// How far a class that was never seen lies below the lowest of the others: its probability is then below the smallest
/// that an `f32` tells from 0.
const UNSEEN_BELOW: f64 = 100.0;

/// How to train a classical model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassicalPlan {
    /// The method.
    pub method: Baseline,
    /// Inverse of the strength of the L2 penalty, as `C` of scikit-learn. Only linear methods have a penalty.
    pub regularization: f64,
    /// The features that it reads.
    pub features: FeatureSet,
}

impl ClassicalPlan {
    /// The plan of the baselines of a study.
    pub fn new(method: Baseline) -> Self {
        Self { method, regularization: 1.0, features: FeatureSet::Basic }
    }

    /// Rejects a regularization that no training can have.
    ///
    /// # Errors
    /// A regularization that is not above 0, or not finite.
    pub fn check(&self) -> Result<(), String> {
        match self.regularization {
            c if c.is_finite() && c > 0.0 => Ok(()),
            c => Err(format!("`regularization` is {c}; it must be a number above 0")),
        }
    }
}

/// A trained classical model.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassicalModel {
    pub(super) method: Baseline,
    pub(super) features: FeatureSet,
    pub(super) learnt: Learnt,
}

/// What a method has learnt.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Learnt {
    Linear(Linear),
    Trees(Forest),
}

/// A linear function of the standardised features for each class.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Linear {
    pub scaler: FeatureScaler,
    /// Weights of the features of each class, its bias last; none for a class that was never seen.
    pub weights: Vec<Option<Vec<f64>>>,
}

impl ClassicalModel {
    /// Learns from the windows at `train` with these `labels` (one for each window of `features`, below `classes`). The
    /// result is deterministic.
    ///
    /// # Errors
    /// No training window; an invalid plan, or one for other features; an optimisation that fails.
    pub fn train(
        plan: &ClassicalPlan,
        features: &Features,
        labels: &[u32],
        train: &[u32],
        classes: usize,
    ) -> Result<Self, String> {
        plan.check()?;
        if features.set() != plan.features {
            let (found, wanted) = (features.set().name(), plan.features.name());
            return Err(format!("these are the {found} features, and the plan is for {wanted} ones"));
        }
        let labels: Vec<u32> = train.iter().map(|&idx| labels[idx as usize]).collect();
        if labels.is_empty() {
            return Err("there is no window to train on".to_owned());
        }
        let learnt = match plan.method {
            Baseline::ExtraTrees => {
                let rows: Vec<&[f64]> = train.iter().map(|&idx| features.row(idx)).collect();
                Learnt::Trees(Forest::train(&rows, &labels, classes))
            }
            Baseline::Majority | Baseline::LogisticRegression | Baseline::LinearSvm => {
                let scaler = FeatureScaler::fit(features, train);
                let rows: Vec<Vec<f64>> = train.iter().map(|&idx| scaler.apply(features.row(idx))).collect();
                let weights = linear_weights(plan, &rows, &labels, classes)?;
                Learnt::Linear(Linear { scaler, weights })
            }
        };
        Ok(Self { method: plan.method, features: plan.features, learnt })
    }

    /// The method that it was trained with.
    pub fn method(&self) -> Baseline {
        self.method
    }

    /// The features that it reads.
    pub fn features(&self) -> FeatureSet {
        self.features
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        match &self.learnt {
            Learnt::Linear(linear) => linear.weights.len(),
            Learnt::Trees(forest) => forest.shares.len(),
        }
    }

    /// What it holds, in words.
    pub fn in_words(&self) -> String {
        match &self.learnt {
            Learnt::Linear(linear) => {
                format!("{} weights", linear.weights.iter().flatten().map(Vec::len).sum::<usize>())
            }
            Learnt::Trees(forest) => {
                let n_nodes: usize = forest.trees.iter().map(|tree| tree.nodes.len()).sum();
                format!("{} trees of {n_nodes} nodes", forest.trees.len())
            }
        }
    }

    /// Scores (n, classes) of the windows of `features` at `indices`; logits or margins, as [`Baseline::loss`] says. A
    /// class that was never seen has a score below all others.
    ///
    /// # Panics
    /// If `features` are of windows with another number of channels than in training.
    pub fn scores(&self, features: &Features, indices: &[u32]) -> Vec<f32> {
        indices.iter().flat_map(|&idx| self.scores_of(features.row(idx))).map(|score| score as f32).collect()
    }

    /// The class with the largest score for each window of `features` at `indices`, the first of equal ones.
    pub(crate) fn predict(&self, features: &Features, indices: &[u32]) -> Vec<u32> {
        let class_of = |&idx: &u32| {
            let scores = self.scores_of(features.row(idx));
            (1..scores.len()).fold(0, |best, other| if scores[other] > scores[best] { other } else { best }) as u32
        };
        indices.iter().map(class_of).collect()
    }

    /// The score of each class for a window with this row of features.
    fn scores_of(&self, row: &[f64]) -> Vec<f64> {
        match &self.learnt {
            Learnt::Linear(linear) => linear.scores(row),
            Learnt::Trees(forest) => forest.scores(row),
        }
    }
}

impl Linear {
    fn scores(&self, row: &[f64]) -> Vec<f64> {
        assert_eq!(row.len(), self.scaler.mean.len(), "the features of windows as in training");
        let row = self.scaler.apply(row);
        let scores: Vec<Option<f64>> =
            self.weights.iter().map(|weights| weights.as_ref().map(|weights| linear::score(weights, &row))).collect();
        let lowest = scores.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        scores.into_iter().map(|score| score.unwrap_or(lowest - UNSEEN_BELOW)).collect()
    }
}

/// The weights of each class, its bias last, that a linear method finds for rows `x` (n, features) of the classes `labels`;
/// none for a class without a row.
fn linear_weights(
    plan: &ClassicalPlan,
    x: &[Vec<f64>],
    labels: &[u32],
    classes: usize,
) -> Result<Vec<Option<Vec<f64>>>, String> {
    let mut counts = vec![0_usize; classes];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    let seen: Vec<u32> = (0..classes as u32).filter(|&class| counts[class as usize] > 0).collect();
    let n_features = x[0].len();
    let of_seen: Vec<Vec<f64>> = match plan.method {
        Baseline::LogisticRegression if seen.len() > 1 => {
            let place = |label: &u32| seen.binary_search(label).expect("a seen class") as u32;
            let places: Vec<u32> = labels.iter().map(place).collect();
            let weights = logistic::train(x, &places, seen.len(), plan.regularization)?;
            weights.chunks_exact(n_features + 1).map(<[f64]>::to_vec).collect()
        }
        Baseline::LinearSvm if seen.len() > 1 => {
            let signs = |class: u32| -> Vec<f64> {
                labels.iter().map(|&label| if label == class { 1.0 } else { -1.0 }).collect()
            };
            seen.iter().map(|&class| svm::train(x, &signs(class), plan.regularization)).collect()
        }
        // The majority, and one class, which has nothing to be told apart from: the logarithm of its share is what a regression
        // without features would find.
        _ => {
            let bias = |&class: &u32| (counts[class as usize] as f64 / labels.len() as f64).ln();
            seen.iter().map(|class| [vec![0.0; n_features], vec![bias(class)]].concat()).collect()
        }
    };
    let mut weights = vec![None; classes];
    seen.iter().zip(of_seen).for_each(|(&class, of_class)| weights[class as usize] = Some(of_class));
    Ok(weights)
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

    fn trained(method: Baseline, windows: &(Features, Vec<u32>), train: &[u32]) -> Result<ClassicalModel, String> {
        ClassicalModel::train(&ClassicalPlan::new(method), &windows.0, &windows.1, train, 3)
    }

    #[test]
    fn linear_methods_tell_apart_what_the_majority_cannot() {
        let windows = windows(90);
        let (train, valid): (Vec<u32>, Vec<u32>) = (0..90).partition(|idx| idx % 4 != 0);
        let accuracy = |method: Baseline| {
            let model = trained(method, &windows, &train).unwrap();
            assert_eq!(model, trained(method, &windows, &train).unwrap(), "not the same twice");
            let found = model.predict(&windows.0, &valid);
            assert_eq!(found, triax_losses::predicted_classes(&model.scores(&windows.0, &valid), 3));
            let hits = found.iter().zip(&valid).filter(|(class, idx)| **class == windows.1[**idx as usize]).count();
            hits as f64 / valid.len() as f64
        };
        assert!(accuracy(Baseline::Majority) < 0.5);
        assert!(accuracy(Baseline::LogisticRegression) > 0.95);
        assert!(accuracy(Baseline::LinearSvm) > 0.95);
        assert!(accuracy(Baseline::ExtraTrees) > 0.95);
    }

    #[test]
    fn a_class_that_was_never_seen_has_the_lowest_score() {
        let windows = windows(30);
        let (valid, train): (Vec<u32>, Vec<u32>) = (0..30).partition(|&idx| windows.1[idx as usize] == 1);
        for method in Baseline::ALL {
            let scores = trained(method, &windows, &train).unwrap().scores(&windows.0, &valid);
            for row in scores.chunks_exact(3) {
                assert!(row[1].is_finite() && row[1] < row[0].min(row[2]), "{}: {row:?}", method.name());
            }
            assert!(trained(method, &windows, &[]).is_err());
        }
        let only: Vec<u32> = (0..30).filter(|idx| idx % 3 == 2).collect();
        for method in Baseline::ALL {
            let model = trained(method, &windows, &only).unwrap();
            assert_eq!(model.predict(&windows.0, &valid), vec![2; valid.len()], "{}", method.name());
        }
    }

    #[test]
    fn a_stronger_penalty_gives_smaller_weights_and_a_softer_answer() {
        let windows = windows(60);
        let train: Vec<u32> = (0..60).collect();
        for method in [Baseline::LogisticRegression, Baseline::LinearSvm] {
            let length = |regularization: f64| {
                let plan = ClassicalPlan { regularization, ..ClassicalPlan::new(method) };
                let model = ClassicalModel::train(&plan, &windows.0, &windows.1, &train, 3).unwrap();
                let Learnt::Linear(linear) = model.learnt else { panic!("{method:?} is linear") };
                linear.weights.iter().flatten().flatten().map(|weight| weight * weight).sum::<f64>()
            };
            assert!(length(1e-4) < 0.5 * length(1.0), "{}", method.name());
            for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
                let plan = ClassicalPlan { regularization: bad, ..ClassicalPlan::new(method) };
                let error = ClassicalModel::train(&plan, &windows.0, &windows.1, &train, 3).unwrap_err();
                assert!(error.contains("`regularization`"), "{error}");
            }
        }
    }

    #[test]
    fn the_probabilities_of_the_majority_are_the_shares_of_the_classes() {
        let windows = windows(30);
        let model = trained(Baseline::Majority, &windows, &[0, 1, 3, 6]).unwrap();
        let scores = model.scores(&windows.0, &[5]);
        assert!((scores[0].exp() - 0.75).abs() < 1e-6 && (scores[1].exp() - 0.25).abs() < 1e-6, "{scores:?}");
    }
}
