//! The arithmetic of a quantised network, for one window: the yardstick of all formats in integers.

use triax_model::{Layer, PoolKind};

use super::{Affine, Grid, Quantised};
use crate::arithmetic::{prepared, softmax};

pub fn scores(network: &Quantised, windows: &[f32]) -> Vec<f32> {
    let output = network.output();
    let mut scores: Vec<f32> = integers(network, windows).into_iter().map(|integer| output.number(integer)).collect();
    if network.softmax {
        scores.chunks_exact_mut(network.network.spec().classes).for_each(softmax);
    }
    scores
}

pub fn integers(network: &Quantised, windows: &[f32]) -> Vec<i8> {
    let spec = network.network.spec();
    let values = spec.window * network.channels();
    assert!(windows.len().is_multiple_of(values), "whole windows");
    let of_window = |window| {
        let prepared = prepared(spec, &network.preparation, network.scaler.as_ref(), window);
        let mut values: Vec<i8> = prepared.into_iter().map(|value| network.input.integer(value)).collect();
        let mut grid = network.input;
        for layer in &network.layers {
            values = match &layer.affine {
                Some(affine) => affine.forward(&layer.layer, grid, &values),
                None => pooled(&layer.layer, &values),
            };
            grid = layer.output;
        }
        values
    };
    windows.chunks_exact(values).flat_map(of_window).collect()
}

impl Affine {
    /// Results (positions, outputs) of `layer` for `values` (positions, inputs) on `input`.
    fn forward(&self, layer: &Layer, input: Grid, values: &[i8]) -> Vec<i8> {
        // A dense layer is a convolution with a single position.
        let (positions, inputs, outputs, kernel, stride, dilation, before) = match layer {
            Layer::Conv { input, output, kernel, stride, dilation, before, .. } => {
                (input.0, input.1, output.0, *kernel, *stride, *dilation, *before)
            }
            _ => (1, values.len(), 1, 1, 1, 1, 0),
        };
        let mut results = Vec::with_capacity(outputs * self.bias.len());
        for t in 0..outputs {
            for (o, (weights, bias)) in self.kernel.chunks_exact(kernel * inputs).zip(&self.bias).enumerate() {
                let mut sum = *bias;
                // What the padding would read stands for 0.
                for (k, weights) in weights.chunks_exact(inputs).enumerate() {
                    let position = (t * stride + k * dilation).checked_sub(before);
                    let Some(position) = position.filter(|p| *p < positions) else { continue };
                    let x = &values[position * inputs..][..inputs];
                    sum += x
                        .iter()
                        .zip(weights)
                        .map(|(x, weight)| (i32::from(*x) - input.zero_point) * i32::from(*weight))
                        .sum::<i32>();
                }
                let multiplier = self.multipliers[o % self.multipliers.len()];
                let sum =
                    multiplier.apply(sum).saturating_add(self.sums.zero_point).clamp(self.least.into(), 127) as i8;
                results.push(self.lookup.as_ref().map_or(sum, |table| table[(i32::from(sum) + 128) as usize]));
            }
        }
        results
    }
}

/// What a pool takes of `values` (positions, channels). A mean is rounded to the nearest, halves away from 0.
fn pooled(layer: &Layer, values: &[i8]) -> Vec<i8> {
    let Layer::Pool { kind, input, output, size, stride, before, .. } = layer else {
        unreachable!("layers without weights are pools")
    };
    let channels = input.1;
    let pooled = |t: usize, c: usize| {
        let (start, end) =
            ((t * stride).saturating_sub(*before), ((t * stride).saturating_add(*size) - before).min(input.0));
        let values = (start..end).map(|position| values[position * channels + c]);
        match kind {
            PoolKind::Max => values.max().unwrap_or(i8::MIN),
            PoolKind::Average => {
                let (sum, n) = (values.map(i32::from).sum::<i32>(), (end - start) as i32);
                ((if sum > 0 { sum + n / 2 } else { sum - n / 2 }) / n) as i8
            }
        }
    };
    (0..output.0).flat_map(|t| (0..channels).map(move |c| (t, c))).map(|(t, c)| pooled(t, c)).collect()
}
