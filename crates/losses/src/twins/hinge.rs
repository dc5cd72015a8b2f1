//! `l = 1/C Σ max(1 − y·p, 0)`, y = 1 for the true class and −1 for the others. Twin of `kernels/loss/hinge.wgsl`.

use crate::Real;

/// Loss of one row of finite scores; `d = −y/C` where `1 − y·p > 0`, else 0 (at the kink too).
pub(crate) fn row<F: Real>(scores: &[F], label: usize, d_scores: &mut [F]) -> F {
    let n_classes = F::from_count(scores.len());
    let mut sum = F::ZERO;
    for (class, (&score, d)) in scores.iter().zip(d_scores).enumerate() {
        let y = if class == label { F::ONE } else { -F::ONE };
        let margin = (F::ONE - y * score).max(F::ZERO);
        sum += margin;
        *d = if margin > F::ZERO { -y / n_classes } else { F::ZERO };
    }
    sum / n_classes
}
