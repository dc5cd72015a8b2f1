//! The arithmetic of a network in plain f32, for one window: the yardstick of all formats.

use triax_model::{Activation, Layer, NetworkSpec, PoolKind, Preparation, Scaler};

use crate::Trained;

/// One score for each class.
pub fn scores(trained: &Trained, window: &[f32]) -> Vec<f32> {
    let mut values = prepared(trained.network.spec(), &trained.preparation, trained.scaler.as_ref(), window);
    for (layer, weights) in layers(trained) {
        values = sums(layer, weights, values);
        let activation = activation(layer);
        values.iter_mut().for_each(|value| *value = activation.value(f64::from(*value)) as f32);
    }
    if trained.softmax {
        softmax(&mut values);
    }
    values
}

/// What the first layer reads of `window`.
pub fn prepared(spec: &NetworkSpec, preparation: &Preparation, scaler: Option<&Scaler>, window: &[f32]) -> Vec<f32> {
    let prepared = preparation.apply(window.into(), spec.window, window.len() / spec.window);
    let mut values = prepared.expect("the parts of the network fit each other").into_owned();
    if let Some(scaler) = scaler {
        scaler.apply(&mut values);
    }
    values
}

/// Kernel and bias of a layer.
pub type LayerWeights<'a> = (&'a [f32], &'a [f32]);

/// The layers in order, each with its weights if it has some.
pub fn layers(trained: &Trained) -> impl Iterator<Item = (&Layer, Option<LayerWeights<'_>>)> {
    let mut tensors = trained.weights.tensors.chunks_exact(2);
    trained.network.layers().iter().map(move |layer| match layer {
        Layer::Conv { .. } | Layer::Dense { .. } => match tensors.next() {
            Some([kernel, bias]) => (layer, Some((&kernel.values[..], &bias.values[..]))),
            _ => unreachable!("every layer with weights has its two tensors"),
        },
        Layer::Pool { .. } | Layer::Dropout { .. } => (layer, None),
    })
}

/// What becomes of the [`sums`] of a layer.
pub fn activation(layer: &Layer) -> Activation {
    match layer {
        Layer::Conv { activation, .. } | Layer::Dense { activation, .. } => *activation,
        Layer::Pool { .. } | Layer::Dropout { .. } => Activation::Linear,
    }
}

/// What a layer gives for `values` before its activation.
pub fn sums(layer: &Layer, weights: Option<LayerWeights<'_>>, values: Vec<f32>) -> Vec<f32> {
    let (weights, bias) = weights.unwrap_or_default();
    match layer {
        Layer::Conv { input, output, kernel, stride, dilation, before, .. } => {
            let mut outputs = Vec::with_capacity(output.0 * output.1);
            for t in 0..output.0 {
                let mut sums = bias.to_vec();
                for k in 0..*kernel {
                    let position = (t * stride + k * dilation).checked_sub(*before);
                    let Some(position) = position.filter(|p| *p < input.0) else { continue };
                    let x = &values[position * input.1..][..input.1];
                    add_product(&mut sums, x, &weights[k * input.1 * output.1..]);
                }
                outputs.extend(sums);
            }
            outputs
        }
        Layer::Pool { kind, input, output, size, stride, before, .. } => {
            let channels = input.1;
            let pooled = |t: usize, c: usize| {
                let (start, end) =
                    ((t * stride).saturating_sub(*before), ((t * stride).saturating_add(*size) - before).min(input.0));
                let values = (start..end).map(|position| values[position * channels + c]);
                match kind {
                    PoolKind::Max => values.fold(f32::NEG_INFINITY, f32::max),
                    PoolKind::Average => values.sum::<f32>() / (end - start) as f32,
                }
            };
            (0..output.0).flat_map(|t| (0..channels).map(move |c| (t, c))).map(|(t, c)| pooled(t, c)).collect()
        }
        Layer::Dropout { .. } => values,
        Layer::Dense { .. } => {
            let mut sums = bias.to_vec();
            add_product(&mut sums, &values, weights);
            sums
        }
    }
}

/// Adds the product of `x` (inputs) and `weights` (inputs, outputs) to `sums` (outputs).
fn add_product(sums: &mut [f32], x: &[f32], weights: &[f32]) {
    for (x, weights) in x.iter().zip(weights.chunks_exact(sums.len())) {
        sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += x * weight);
    }
}

/// Replaces the scores of a window by their softmax.
pub fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
    let total: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= total);
}
