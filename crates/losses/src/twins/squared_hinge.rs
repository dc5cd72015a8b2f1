//! `l = 1/C Σ max(1 − y·p, 0)²`, y = 1 for the true class and −1 for the others. Twin of
//! `kernels/loss/squared_hinge.wgsl`.

use crate::Real;

/// Loss of one row of finite scores; `d = −2·y·max(1 − y·p, 0)/C`.
pub(crate) fn row<F: Real>(scores: &[F], label: usize, d_scores: &mut [F]) -> F {
    let n_classes = F::from_count(scores.len());
    let mut sum = F::ZERO;
    for (class, (&score, d)) in scores.iter().zip(d_scores).enumerate() {
        let y = if class == label { F::ONE } else { -F::ONE };
        let margin = (F::ONE - y * score).max(F::ZERO);
        sum += margin * margin;
        *d = -y * (margin + margin) / n_classes;
    }
    sum / n_classes
}
