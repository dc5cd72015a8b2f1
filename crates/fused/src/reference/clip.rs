//! Clipping by the global norm: all gradients are scaled by `min(1, bound / norm)`, as Keras's `global_clipnorm` does.

use super::Tensors;

/// Euclidean norm of all gradients together.
pub(super) fn global_norm(gradients: &Tensors) -> f64 {
    gradients.iter().flatten().map(|g| g * g).sum::<f64>().sqrt()
}

/// Scales the gradients, whose global norm is `norm`, so that it is at most `bound`.
pub(super) fn clip(gradients: &mut Tensors, norm: f64, bound: f64) {
    if norm > bound {
        for g in gradients.iter_mut().flatten() {
            *g *= bound / norm;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_norm_above_the_bound_is_scaled() {
        let gradients: Tensors = vec![vec![3.0], vec![0.0, -4.0]];
        assert_eq!(global_norm(&gradients), 5.0);
        let mut clipped = gradients.clone();
        for bound in [10.0, 5.0] {
            clip(&mut clipped, 5.0, bound);
            assert_eq!(clipped, gradients);
        }
        clip(&mut clipped, 5.0, 2.5);
        assert_eq!(clipped, [vec![1.5], vec![0.0, -2.0]]);
    }
}
