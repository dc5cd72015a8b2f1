//! The mean of the weights that the last epochs ended with (stochastic weight averaging: Izmailov et al., "Averaging weights
//! leads to wider optima and better generalization", UAI 2018).
//!
//! Of whole epochs on the host, rather than of steps on the device: it needs no kernel and no buffer of its own, and no rate
//! of decay that would have to fit the length of the run.

use triax_model::Weights;

/// Takes `weights` into the mean, as number `n` (from 1) of those that it is of: `mean += (weights − mean) / n`.
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
