//! The arithmetic of a network in plain f32, for one window: the yardstick of all formats.

use triax_model::{Activation, Layer, PoolKind};

use crate::Trained;

/// One score for each class.
pub fn scores(trained: &Trained, window: &[f32]) -> Vec<f32> {
    let spec = trained.network.spec();
    let mut values = window.to_vec();
    if let Some(per_window) = trained.per_window {
        per_window.apply(&mut values, spec.window, spec.channels).expect("the parts of the network fit each other");
    }
    if let Some(scaler) = &trained.scaler {
        scaler.apply(&mut values);
    }
    let mut tensors = trained.weights.tensors.chunks_exact(2);
    for layer in trained.network.layers() {
        let mut kernel_and_bias = || match tensors.next() {
            Some([kernel, bias]) => (&kernel.values[..], &bias.values[..]),
            _ => unreachable!("every layer with weights has its two tensors"),
        };
        values = match layer {
            Layer::Conv { input, output, kernel, stride, before, activation, .. } => {
                let (weights, bias) = kernel_and_bias();
                let mut outputs = Vec::with_capacity(output.0 * output.1);
                for t in 0..output.0 {
                    let mut sums = bias.to_vec();
                    for k in 0..*kernel {
                        let Some(position) = (t * stride + k).checked_sub(*before).filter(|p| *p < input.0) else {
                            continue;
                        };
                        let x = &values[position * input.1..][..input.1];
                        add_product(&mut sums, x, &weights[k * input.1 * output.1..]);
                    }
                    outputs.extend(sums.into_iter().map(|sum| activated(*activation, sum)));
                }
                outputs
            }
            Layer::Pool { kind, input, output, size, stride, before, .. } => {
                let channels = input.1;
                let pooled = |t: usize, c: usize| {
                    let (start, end) =
                        ((t * stride).saturating_sub(*before), (t * stride + size - before).min(input.0));
                    let values = (start..end).map(|position| values[position * channels + c]);
                    match kind {
                        PoolKind::Max => values.fold(f32::NEG_INFINITY, f32::max),
                        PoolKind::Average => values.sum::<f32>() / (end - start) as f32,
                    }
                };
                (0..output.0).flat_map(|t| (0..channels).map(move |c| (t, c))).map(|(t, c)| pooled(t, c)).collect()
            }
            Layer::Dropout { .. } => values,
            Layer::Dense { activation, .. } => {
                let (weights, bias) = kernel_and_bias();
                let mut sums = bias.to_vec();
                add_product(&mut sums, &values, weights);
                sums.into_iter().map(|sum| activated(*activation, sum)).collect()
            }
        };
    }
    if trained.softmax {
        softmax(&mut values);
    }
    values
}

/// Adds the product of `x` (inputs) and `weights` (inputs, outputs) to `sums` (outputs).
fn add_product(sums: &mut [f32], x: &[f32], weights: &[f32]) {
    for (x, weights) in x.iter().zip(weights.chunks_exact(sums.len())) {
        sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += x * weight);
    }
}

fn activated(activation: Activation, sum: f32) -> f32 {
    activation.value(f64::from(sum)) as f32
}

/// Replaces the scores of a window by their softmax.
pub fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
    let total: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= total);
}
