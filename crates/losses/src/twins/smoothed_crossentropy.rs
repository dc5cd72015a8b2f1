//! Cross-entropy by smoothed labels. Twin of `kernels/loss/smoothed_crossentropy.wgsl`.

use crate::Real;

use super::categorical_crossentropy;

/// Loss of one row of finite scores; `d = exp(p)/Σ exp(p) − t`, `t = (1 − ε)·y + ε/C` with the `smoothing` ε. Both are
/// those of the plain labels y, and what the smoothing adds to them.
pub(crate) fn row<F: Real>(scores: &[F], label: usize, smoothing: F, d_scores: &mut [F]) -> F {
    let n_classes = F::from_count(scores.len());
    let plain = categorical_crossentropy::row(scores, label, d_scores);
    for (class, d) in d_scores.iter_mut().enumerate() {
        *d += smoothing * (if class == label { F::ONE } else { F::ZERO } - F::ONE / n_classes);
    }
    plain + smoothing * (scores[label] - scores.iter().copied().sum::<F>() / n_classes)
}
