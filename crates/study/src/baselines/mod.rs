//! Classical models: linear classifiers and trees on features in time and frequency. A network has to do better than these.
//!
//! `argmin` minimises the loss of `logistic`. The crate `linfa` has both methods, but neither is suitable. Its logistic
//! regression takes the logarithm of sums of exponentials relative to the largest score of all windows, and ends 40 % above
//! the minimum on recordings. Its support vector machine computes a kernel matrix of all pairs of windows, which takes too
//! long for thousands of windows in dozens of folds, and which a linear machine (`svm`) does not need.
//!
//! This module must never know a GPU or a training step.

use triax_losses::Loss;

mod features;
mod file;
mod folds;
mod linear;
mod logistic;
mod model;
mod oriented;
mod svm;
mod tensors;
mod trees;

pub use features::{FeatureSet, Features};
pub use file::ClassicalFile;
pub(crate) use folds::{BaselineFold, features, train};
pub use model::{ClassicalModel, ClassicalPlan};

/// A classical method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The class that is the most frequent in training.
    Majority,
    /// Multinomial logistic regression with an L2 penalty on standardised features.
    LogisticRegression,
    /// One linear support vector machine a class, with the true hinge loss and an L2 penalty, on standardised features.
    LinearSvm,
    /// Extremely randomised trees (Geurts, Ernst, Wehenkel 2006).
    ExtraTrees,
}

impl Baseline {
    /// All methods, the simplest first.
    pub const ALL: [Self; 4] = [Self::Majority, Self::LogisticRegression, Self::LinearSvm, Self::ExtraTrees];
    /// Those that every study trains beside its networks: they take moments.
    pub const OF_STUDIES: [Self; 3] = [Self::Majority, Self::LogisticRegression, Self::LinearSvm];

    /// Whether an L2 penalty regularises it.
    pub fn is_penalised(self) -> bool {
        matches!(self, Self::LogisticRegression | Self::LinearSvm)
    }

    /// The method of this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// What the scores of its models are: logits, so that their softmax gives probabilities, or the margins of a hinge.
    pub fn loss(self) -> Loss {
        match self {
            Self::Majority | Self::LogisticRegression | Self::ExtraTrees => Loss::CategoricalCrossentropy,
            Self::LinearSvm => Loss::Hinge,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::LogisticRegression => "logistic_regression",
            Self::LinearSvm => "linear_svm",
            Self::ExtraTrees => "extra_trees",
        }
    }
}
