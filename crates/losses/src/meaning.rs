//! What the value of a loss says: what a constant answer costs, what a mistake costs at least, and which windows cost nothing.

use crate::Loss;

impl Loss {
    /// The scores that cost least where every window gets the same ones, and windows of class `c` are the fraction
    /// `shares[c]` of all. The fractions sum to 1. Cross-entropy gives a class without windows the score −∞.
    ///
    /// Each column of a hinge is a problem of its own: −1 if less than half of the windows are of the class, else 1. The
    /// squared hinge has its minimum at `2·share − 1`, cross-entropy at the logarithm of the share. Of a categorical hinge
    /// nothing is better than 0 everywhere, unless more than half of all windows are of one class.
    pub fn constant_answer(self, shares: &[f64]) -> Vec<f64> {
        let score = |share: f64| match self {
            Self::Hinge => {
                if share < 0.5 {
                    -1.0
                } else {
                    1.0
                }
            }
            Self::SquaredHinge => 2.0 * share - 1.0,
            Self::CategoricalHinge => f64::from(u8::from(share > 0.5)),
            Self::CategoricalCrossentropy => share.ln(),
        };
        shares.iter().map(|&share| score(share)).collect()
    }

    /// The mean loss of [`Loss::constant_answer`]: what a network costs that has learnt the shares of the classes and
    /// nothing else.
    ///
    /// With `C` classes of shares π: `2/C · Σ min(π, 1 − π)` (hinge), `4/C · Σ π·(1 − π)` (squared hinge),
    /// `min(1, 2·(1 − max π))` (categorical hinge), `−Σ π·ln π` (cross-entropy).
    pub fn floor(self, shares: &[f64]) -> f64 {
        let n_classes = shares.len().max(1) as f64;
        let sum = |term: fn(f64) -> f64| shares.iter().map(|&share| term(share)).sum::<f64>();
        match self {
            Self::Hinge => 2.0 / n_classes * sum(|share| share.min(1.0 - share)),
            Self::SquaredHinge => 4.0 / n_classes * sum(|share| share * (1.0 - share)),
            Self::CategoricalHinge => {
                let largest = shares.iter().copied().fold(0.0, f64::max);
                (2.0 * (1.0 - largest)).min(1.0)
            }
            Self::CategoricalCrossentropy => sum(|share| if share > 0.0 { -share * share.ln() } else { 0.0 }),
        }
    }

    /// The least loss of a window whose largest score is not its label's. So at most `loss / price` of all windows are
    /// wrong, where `loss` is their mean.
    ///
    /// If a rival's score is no less than the label's, the two terms of a hinge add up to 2 at least, and so do their squares;
    /// the categorical hinge is at least 1; and the label has at most half of the softmax, which costs ln 2.
    pub fn price_of_a_mistake(self, n_classes: usize) -> f64 {
        match self {
            Self::Hinge | Self::SquaredHinge => 2.0 / n_classes as f64,
            Self::CategoricalHinge => 1.0,
            Self::CategoricalCrossentropy => std::f64::consts::LN_2,
        }
    }

    /// Whether the loss is exactly 0 for scores that are right by a margin. Cross-entropy never is.
    pub fn has_margin(self) -> bool {
        match self {
            Self::Hinge | Self::SquaredHinge | Self::CategoricalHinge => true,
            Self::CategoricalCrossentropy => false,
        }
    }

    /// Whether the softmax of the scores is what the loss fits to the probabilities of the classes. Scores of a hinge are
    /// distances from a boundary, in units of the margin.
    pub fn scores_are_logits(self) -> bool {
        matches!(self, Self::CategoricalCrossentropy)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::predicted_class;

    fn close(ours: f64, expected: f64) {
        assert!((ours - expected).abs() < 1e-12, "{ours} is not {expected}");
    }

    /// The mean loss of `scores` for windows of which `shares` are of each class.
    fn mean_loss(loss: Loss, scores: &[f64], shares: &[f64]) -> f64 {
        let of_class = |label: usize| loss.row(scores, label, &mut vec![0.0; scores.len()]);
        shares.iter().enumerate().map(|(label, share)| share * of_class(label)).sum()
    }

    #[test]
    fn the_floors_of_equal_classes_are_those_worked_out_by_hand() {
        let six = [1.0 / 6.0; 6];
        // 2/6 · 6 · 1/6; 4/6 · 6 · 1/6 · 5/6; 0 everywhere costs 1; ln 6.
        close(Loss::Hinge.floor(&six), 1.0 / 3.0);
        close(Loss::SquaredHinge.floor(&six), 5.0 / 9.0);
        close(Loss::CategoricalHinge.floor(&six), 1.0);
        close(Loss::CategoricalCrossentropy.floor(&six), 6.0_f64.ln());
    }

    #[test]
    fn a_class_of_most_windows_is_answered_and_one_without_windows_costs_nothing() {
        let shares = [0.75, 0.25, 0.0];
        close(Loss::Hinge.floor(&shares), 2.0 / 3.0 * (0.25 + 0.25));
        close(Loss::SquaredHinge.floor(&shares), 4.0 / 3.0 * (0.1875 + 0.1875));
        close(Loss::CategoricalHinge.floor(&shares), 0.5);
        close(Loss::CategoricalCrossentropy.floor(&shares), -(0.75 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln()));
        assert_eq!(Loss::Hinge.constant_answer(&shares), [1.0, -1.0, -1.0]);
        assert_eq!(Loss::SquaredHinge.constant_answer(&shares), [0.5, -0.5, -1.0]);
        assert_eq!(Loss::CategoricalHinge.constant_answer(&shares), [1.0, 0.0, 0.0]);
    }

    fn losses() -> impl Strategy<Value = Loss> {
        prop::sample::select(Loss::ALL.to_vec())
    }

    proptest! {
        /// The floor is what the constant answer costs, and no other answer costs less.
        #[test]
        fn no_constant_answer_is_below_the_floor(
            loss in losses(),
            counts in prop::collection::vec(1_u32..20, 2..8),
            moves in prop::collection::vec(-2.0..2.0_f64, 8),
            size in prop::sample::select(vec![1e-3, 0.1, 1.0]),
        ) {
            let n = f64::from(counts.iter().sum::<u32>());
            let shares: Vec<f64> = counts.iter().map(|&count| f64::from(count) / n).collect();
            let (answer, floor) = (loss.constant_answer(&shares), loss.floor(&shares));
            prop_assert!((mean_loss(loss, &answer, &shares) - floor).abs() < 1e-12);
            let other: Vec<f64> = answer.iter().zip(&moves).map(|(score, by)| score + size * by).collect();
            prop_assert!(mean_loss(loss, &other, &shares) >= floor - 1e-12);
            prop_assert!(mean_loss(loss, &moves[..shares.len()], &shares) >= floor - 1e-12);
        }

        /// A wrong window costs its price, and there is one that costs no more.
        #[test]
        fn a_mistake_costs_its_price_at_least(
            loss in losses(),
            scores in prop::collection::vec(-3.0..3.0_f64, 2..12),
            label in 0_usize..12,
        ) {
            let (n, label) = (scores.len(), label % scores.len());
            let (price, mut d_scores) = (loss.price_of_a_mistake(n), vec![0.0; n]);
            if predicted_class(&scores) != label {
                prop_assert!(loss.row(&scores, label, &mut d_scores) >= price - 1e-12);
            }
            // A rival that ties with the label at 0, all others far away.
            let tie: Vec<f64> = (0..n).map(|class| if class < 2 { 0.0 } else { -40.0 }).collect();
            prop_assert!((loss.row(&tie, 1, &mut d_scores) - price).abs() < 1e-12);
        }
    }
}
