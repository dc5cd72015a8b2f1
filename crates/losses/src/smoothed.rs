//! A loss by labels that are smoothed in training.

use crate::{Loss, Real, twins};

/// A loss, and how much its labels are smoothed: what a network is trained with.
///
/// With smoothing ε, the label is `t = (1 − ε)·y + ε/C`, where y is 1 for the true one of C classes and 0 for the others
/// (Szegedy et al., "Rethinking the Inception architecture", 2016; `label_smoothing` of Keras). With ε = 0 it is the loss
/// itself, to the last bit.
///
/// Cross-entropy is linear in the label: smoothing costs `ε·(p_true − mean p)` more. So it goes with all that is linear in the
/// loss too: a class weight multiplies the loss of the whole smoothed label, and where windows are mixed, each of the two
/// labels is smoothed, which is the same as to smooth their blend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SmoothedLoss {
    loss: Loss,
    /// The bits of ε, so that this can be a part of a key.
    smoothing: u32,
}

impl SmoothedLoss {
    /// `loss` by labels smoothed by `smoothing`.
    ///
    /// # Errors
    /// A sentence if `smoothing` is not in [0, 1), or not 0 for a loss other than cross-entropy.
    pub fn new(loss: Loss, smoothing: f32) -> Result<Self, String> {
        if !(0.0..1.0).contains(&smoothing) {
            return Err(format!("the label smoothing is {smoothing}; it must be at least 0 and below 1"));
        }
        if smoothing > 0.0 && loss != Loss::CategoricalCrossentropy {
            return Err(format!(
                "the label smoothing is {smoothing}, and the loss {loss}: a hinge asks for a score beyond a margin on the \
                 right side, and has no probabilities that could be smoothed; take categorical_crossentropy, or no smoothing"
            ));
        }
        // 0 and −0 are the same.
        Ok(Self { loss, smoothing: (smoothing + 0.0).to_bits() })
    }

    /// The loss by the labels as they are, by which a network is validated.
    pub fn loss(self) -> Loss {
        self.loss
    }

    /// ε
    pub fn smoothing(self) -> f32 {
        f32::from_bits(self.smoothing)
    }

    /// The loss of one row, unweighted, and its derivatives, as [`Loss::row`] gives them.
    ///
    /// # Panics
    /// As [`Loss::row`].
    pub fn row<F: Real>(self, scores: &[F], label: usize, d_scores: &mut [F]) -> F {
        let is_finite = || scores.iter().all(|score| score.is_finite());
        if self.smoothing == 0 || !is_finite() {
            return self.loss.row(scores, label, d_scores);
        }
        assert_eq!(scores.len(), d_scores.len(), "one derivative for each score");
        twins::smoothed_crossentropy::row(scores, label, F::from_f32(self.smoothing()), d_scores)
    }
}

impl From<Loss> for SmoothedLoss {
    fn from(loss: Loss) -> Self {
        Self { loss, smoothing: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smoothing_that_is_none_and_one_of_a_hinge_are_refused() {
        for bad in [-0.1, 1.0, f32::NAN, f32::INFINITY] {
            let refusal = SmoothedLoss::new(Loss::CategoricalCrossentropy, bad).unwrap_err();
            assert!(refusal.contains("at least 0 and below 1"), "{refusal}");
        }
        for loss in Loss::ALL {
            assert_eq!(SmoothedLoss::new(loss, -0.0), Ok(loss.into()));
            let smoothed = SmoothedLoss::new(loss, 0.1);
            match loss {
                Loss::CategoricalCrossentropy => assert_eq!(smoothed.map(SmoothedLoss::smoothing), Ok(0.1)),
                _ => assert!(smoothed.unwrap_err().contains("margin"), "{loss}"),
            }
        }
    }
}
