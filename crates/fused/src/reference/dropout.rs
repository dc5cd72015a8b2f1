//! Inverted dropout: `y = mask · x`, the mask 0 or 1 / (1 − rate). Keras's form, with our counter-based masks.

use triax_random::dropout_mask;

/// The mask (batch, features) of one training step.
pub(super) fn mask(seed: u64, step: u64, rate: f32, features: usize, n_values: usize) -> Vec<f64> {
    let mut mask = vec![0.0; n_values];
    dropout_mask(seed, step, rate, features, &mut mask);
    mask.into_iter().map(f64::from).collect()
}

/// `mask · values`: the forward pass on values, and equally the backward pass on their gradients.
pub(super) fn apply(mask: &[f64], values: &[f64]) -> Vec<f64> {
    debug_assert_eq!(mask.len(), values.len());
    mask.iter().zip(values).map(|(mask, value)| mask * value).collect()
}
