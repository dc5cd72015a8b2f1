//! `l = log Σ exp(p) − p_true`, scores taken as logits. Twin of `kernels/loss/categorical_crossentropy.wgsl`.

use crate::Real;

/// Loss of one row of finite scores; `d = exp(p)/Σ exp(p) − y`, y = 1 for the true class and 0 for the others.
/// Exponentials are taken relative to the largest score, so that none overflows.
pub(crate) fn row<F: Real>(scores: &[F], label: usize, d_scores: &mut [F]) -> F {
    let largest = scores.iter().copied().fold(scores[label], F::max);
    let mut sum = F::ZERO;
    for (&score, d) in scores.iter().zip(&mut *d_scores) {
        *d = (score - largest).exp();
        sum += *d;
    }
    for (class, d) in d_scores.iter_mut().enumerate() {
        *d = *d / sum - if class == label { F::ONE } else { F::ZERO };
    }
    (largest - scores[label]) + sum.ln()
}
