//! `l = max(neg − pos + 1, 0)`, `pos = Σ y·p`, `neg = max((1 − y)·p)`, y = 1 for the true class and 0 for the others.
//! Twin of `kernels/loss/categorical_hinge.wgsl`.

use crate::Real;

/// Loss of one row of finite scores. Where it is 0, so are the derivatives; elsewhere `d` is −1 for the true class and
/// 1 for the class that attains neg, in equal shares if several do. The true class's own 0 takes its share too.
pub(crate) fn row<F: Real>(scores: &[F], label: usize, d_scores: &mut [F]) -> F {
    let term = |class: usize| if class == label { F::ZERO } else { scores[class] };
    let neg = (0..scores.len()).map(term).fold(F::ZERO, F::max);
    let ties = (0..scores.len()).filter(|&class| term(class) == neg).count();
    let value = (neg - scores[label] + F::ONE).max(F::ZERO);
    for (class, d) in d_scores.iter_mut().enumerate() {
        *d = match class {
            _ if value == F::ZERO => F::ZERO,
            _ if class == label => -F::ONE,
            _ if scores[class] == neg => F::ONE / F::from_count(ties),
            _ => F::ZERO,
        };
    }
    value
}
