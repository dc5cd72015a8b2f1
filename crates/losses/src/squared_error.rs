//! The squared error of a vector, for training without labels. It is no loss of a classifier, so that no [`crate::Loss`] is it.

use crate::Real;

/// `l = Σ (y − t)² / n` over the `n` outputs of one row; writes `d = 2·(y − t) / n` to `d_outputs`. An output that is not
/// finite makes the error and its own derivative so.
///
/// # Panics
/// If their numbers differ.
pub fn squared_error<F: Real>(outputs: &[F], targets: impl ExactSizeIterator<Item = F>, d_outputs: &mut [F]) -> F {
    let n = [targets.len(), d_outputs.len()];
    assert_eq!(n, [outputs.len(); 2], "a target and a derivative for each output");
    let n = F::from_count(outputs.len());
    let mut sum = F::ZERO;
    for ((&y, t), d) in outputs.iter().zip(targets).zip(d_outputs) {
        let difference = y - t;
        sum += difference * difference;
        *d = (difference + difference) / n;
    }
    sum / n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_a_mean_of_squares_and_its_derivative_is_that_of_each_output() {
        let mut d = [0.0_f64; 4];
        let error = squared_error(&[1.0, 2.0, -1.0, 0.5], [1.0, 0.0, 1.0, 1.0].into_iter(), &mut d);
        assert_eq!(error, (0.0 + 4.0 + 4.0 + 0.25) / 4.0);
        assert_eq!(d, [0.0, 1.0, -1.0, -0.25]);
    }

    #[test]
    fn what_is_not_finite_is_not_hidden() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut d = [0.0; 2];
            assert!(!squared_error(&[0.0, bad], [0.0, 0.0].into_iter(), &mut d).is_finite());
            assert!(!d[1].is_finite());
        }
    }
}
