//! The classification losses, each as a WGSL kernel and its Rust twin.
//!
//! A loss takes one row of scores (classes) and one class index. Where it is not differentiable, it gives a fixed
//! subgradient: 0 where a `max(·, 0)` switches, and equal shares where several classes attain a maximum. Keras 3 gives
//! the same shares, and leaves the other case to its backend.
//!
//! This crate knows neither what computed the scores, nor the device that its WGSL runs on.

mod labels;
mod meaning;
mod real;
mod smoothed;
mod softmax;
mod twins;
pub mod wgsl;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use labels::{LabelError, balanced_class_weights, labels_from_matrix};
pub use real::Real;
pub use smoothed::SmoothedLoss;
pub use softmax::softmax;
pub use twins::loss_rows;

/// A loss over (batch, classes) scores and one class index a row, as Keras 3 defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Mean over classes of `max(1 − y·p, 0)` with y = ±1.
    Hinge,
    /// Mean over classes of `max(1 − y·p, 0)²` with y = ±1.
    SquaredHinge,
    /// `max(neg − pos + 1, 0)` with `pos = Σ y·p`, `neg = max((1 − y)·p)`, y = 0 or 1.
    CategoricalHinge,
    /// `log Σ exp(p) − p_label`, on logits.
    CategoricalCrossentropy,
}

impl Loss {
    /// Every loss.
    pub const ALL: [Self; 4] = [Self::Hinge, Self::SquaredHinge, Self::CategoricalHinge, Self::CategoricalCrossentropy];

    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hinge => "hinge",
            Self::SquaredHinge => "squared_hinge",
            Self::CategoricalHinge => "categorical_hinge",
            Self::CategoricalCrossentropy => "categorical_crossentropy",
        }
    }

    /// The loss of one row, unweighted; writes its derivative in each score to `d_scores`.
    ///
    /// A score that is not finite makes the loss and all of `d_scores` NaN: the network has diverged, even where the
    /// formula would give a number.
    ///
    /// # Panics
    /// If `label` is no class, or the lengths of `d_scores` and `scores` differ.
    pub fn row<F: Real>(self, scores: &[F], label: usize, d_scores: &mut [F]) -> F {
        assert_eq!(scores.len(), d_scores.len(), "one derivative for each score");
        assert!(label < scores.len(), "label {label} of {} classes", scores.len());
        if !scores.iter().all(|score| score.is_finite()) {
            d_scores.fill(F::NAN);
            return F::NAN;
        }
        match self {
            Self::Hinge => twins::hinge::row(scores, label, d_scores),
            Self::SquaredHinge => twins::squared_hinge::row(scores, label, d_scores),
            Self::CategoricalHinge => twins::categorical_hinge::row(scores, label, d_scores),
            Self::CategoricalCrossentropy => twins::categorical_crossentropy::row(scores, label, d_scores),
        }
    }
}

/// The predicted class: the index of the largest score, the first of equals. The result for NaN is unspecified.
pub fn predicted_class<F: Real>(scores: &[F]) -> usize {
    let mut best = 0;
    for (class, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = class;
        }
    }
    best
}

/// The predicted class of each row of `scores` (n, classes).
pub fn predicted_classes<F: Real>(scores: &[F], classes: usize) -> Vec<u32> {
    scores.chunks_exact(classes).map(|row| predicted_class(row) as u32).collect()
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The error for an unknown name of a loss.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown loss `{0}`; there are hinge, squared_hinge, categorical_hinge and categorical_crossentropy (on logits)"
)]
pub struct UnknownLoss(pub String);

impl FromStr for Loss {
    type Err = UnknownLoss;

    fn from_str(name: &str) -> Result<Self, UnknownLoss> {
        Self::ALL.into_iter().find(|loss| loss.name() == name).ok_or_else(|| UnknownLoss(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_scores_is_predicted() {
        assert_eq!(predicted_class(&[0.0_f32, 0.0, 0.0]), 0);
        assert_eq!(predicted_class(&[-2.0_f64, -1.0, -1.0]), 1);
        assert_eq!(predicted_class(&[-2.0_f32, -1.0, 3.0]), 2);
    }

    #[test]
    fn names_round_trip_and_are_what_serde_writes() {
        use serde::de::IntoDeserializer;
        use serde::de::value::{Error, StrDeserializer};
        for loss in Loss::ALL {
            assert_eq!(loss.to_string().parse(), Ok(loss));
            let deserializer: StrDeserializer<'_, Error> = loss.name().into_deserializer();
            assert_eq!(Loss::deserialize(deserializer), Ok(loss));
        }
        let error = "mse".parse::<Loss>().unwrap_err().to_string();
        assert!(error.contains("`mse`"));
        for loss in Loss::ALL {
            assert!(error.contains(loss.name()));
        }
    }
}
