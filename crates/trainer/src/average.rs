//! The mean of the weights that the last epochs ended with (stochastic weight averaging: Izmailov et al., "Averaging weights
//! leads to wider optima and better generalization", UAI 2018).
//!
//! The mean is over epochs, and computed on the host. A mean over steps would need a kernel and a buffer on the device, and
//! a rate of decay that depends on the length of the run.

use triax_model::Weights;

/// Adds `weights` to the mean as its `n`-th term (from 1): `mean += (weights − mean) / n`.
pub(crate) fn include(mean: &mut Option<Weights>, weights: &Weights, n: usize) {
    let Some(mean) = mean.as_mut().filter(|_| n > 1) else {
        *mean = Some(weights.clone());
        return;
    };
    for (mean, tensor) in mean.tensors.iter_mut().zip(&weights.tensors) {
        mean.values.iter_mut().zip(&tensor.values).for_each(|(mean, &value)| *mean += (value - *mean) / n as f32);
    }
}

#[cfg(test)]
mod tests {
    use triax_model::Tensor;

    use super::*;

    #[test]
    fn all_weigh_the_same() {
        let weights =
            |value| Weights { tensors: vec![Tensor { name: "a".into(), shape: vec![1], values: vec![value] }] };
        let mut mean = None;
        for (n, value) in [4.0, -2.0, 1.0, 9.0].into_iter().enumerate() {
            include(&mut mean, &weights(value), n + 1);
        }
        assert_eq!(mean, Some(weights(3.0)));
        include(&mut mean, &weights(5.0), 1);
        assert_eq!(mean, Some(weights(5.0)), "the first of a new mean");
    }
}
