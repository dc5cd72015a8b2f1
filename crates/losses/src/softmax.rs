//! Probabilities of logits.

use crate::Real;

/// Replaces a row of finite scores by its softmax, `exp(pᵢ/T) / Σ exp(p/T)`, with the `temperature` T, above 0. Exponentials
/// are taken relative to the largest score, so that none overflows.
pub fn softmax<F: Real>(scores: &mut [F], temperature: F) {
    let Some(largest) = scores.iter().copied().reduce(F::max) else { return };
    let mut sum = F::ZERO;
    for score in &mut *scores {
        *score = ((*score - largest) / temperature).exp();
        sum += *score;
    }
    for share in scores {
        *share = *share / sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn softmax_of<F: Real, const N: usize>(mut scores: [F; N], temperature: F) -> [F; N] {
        softmax(&mut scores, temperature);
        scores
    }

    #[test]
    fn shares_are_those_of_the_exponentials() {
        let scores = [1.0_f64, 2.0, 4.0];
        for temperature in [0.5, 1.0, 3.0] {
            let exponentials = scores.map(|score| (score / temperature).exp());
            let sum: f64 = exponentials.iter().sum();
            for (found, wanted) in softmax_of(scores, temperature).iter().zip(exponentials) {
                assert!((found - wanted / sum).abs() < 1e-15, "{found} at {temperature}");
            }
        }
    }

    #[test]
    fn large_scores_do_not_overflow() {
        assert_eq!(softmax_of([3e38_f32, -3e38], 0.01), [1.0, 0.0]);
        assert_eq!(softmax_of([-3e38_f32, -3e38], 0.01), [0.5, 0.5]);
        assert!(softmax_of([], 1.0_f32).is_empty());
    }
}
