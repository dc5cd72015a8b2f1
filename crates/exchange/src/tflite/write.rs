//! Networks as TensorFlow Lite graphs.

use triax_model::{Activation, Layer, Padding, PoolKind, Preparation, Scaler};

use super::builder::{Builder, Operation, operation};
use super::model::{Setting, op, tables};
use crate::about::{DROPOUT, preparation_entry};
use crate::arithmetic::{activation, layers};
use crate::int8::{Affine, Grid, Quantised, QuantisedLayer};
use crate::preprocessing::prepare;
use crate::{Trained, Unsupported};

/// The bytes of a TensorFlow Lite file with one network in floats.
///
/// Its input is `window` (batch, window, channels), float32, as the sensor gave it: normalisation and scaler are inside, in
/// f32. Its output is `scores` (batch, classes). LiteRT has all operators; TensorFlow Lite Micro has all but GELU.
///
/// # Errors
/// Parts of the network that do not fit each other.
pub fn write(trained: &Trained) -> Result<Vec<u8>, Unsupported> {
    trained.check()?;
    Trained::check_steps(&trained.network)?;
    let spec = trained.network.spec();
    let mut graph = Builder::new(spec.window, trained.channels());
    let x = input(&mut graph, &trained.preparation, trained.scaler.as_ref());
    let mut x = graph.reshape("image", x, &[1, spec.window, spec.channels], None);
    for (layer, weights) in layers(trained) {
        let Some((kernel, bias)) = weights else {
            x = without_weights(&mut graph, x, layer, None);
            continue;
        };
        let (name, outputs) = affine_name(layer);
        let kernel = graph.floats(&format!("{name}.kernel"), &kernel_shape(layer), &outputs_first(kernel, outputs));
        let bias = graph.floats(&format!("{name}.bias"), &[outputs], bias);
        let is_relu = activation(layer) == Activation::Relu;
        x = affine(&mut graph, [x, kernel, bias], layer, [1, 1], is_relu, None);
        if let Some(operation) = separate_activation(activation(layer), 1) {
            let shape = graph.shape(x);
            x = graph.layer(&format!("{name}/activation"), operation, &[x], &shape, None);
        }
    }
    end(&mut graph, x, trained.softmax);
    let entries = [(DROPOUT, spec.dropout.to_string())].into_iter().chain(preparation_entry(&trained.preparation));
    Ok(graph.finish("Scores of a window of motion-sensor samples.", &trained.about, entries))
}

/// The bytes of a TensorFlow Lite file with one network in integers of eight bits.
///
/// Input and output are those of [`write()`], in floats: they are brought to integers and back within the graph. TensorFlow Lite
/// Micro computes [`Quantised::scores`] bit for bit, except for the normalisation of windows, which is in f32.
///
/// # Errors
/// Parts of the network that do not fit each other.
pub fn write_int8(quantised: &Quantised) -> Result<Vec<u8>, Unsupported> {
    Trained::check_steps(&quantised.network)?;
    let spec = quantised.network.spec();
    let mut graph = Builder::new(spec.window, quantised.channels());
    let x = input(&mut graph, &quantised.preparation, quantised.scaler.as_ref());
    let mut grid = quantised.input;
    let shape = graph.shape(x);
    let x = graph.layer("quantised", operation(op::QUANTIZE, 1, tables::QUANTIZE, []), &[x], &shape, Some(grid));
    let mut x = graph.reshape("image", x, &[1, spec.window, spec.channels], Some(grid));
    let mut quantised_layers = quantised.layers.iter();
    for layer in quantised.network.layers() {
        if matches!(layer, Layer::Dropout { .. }) {
            x = without_weights(&mut graph, x, layer, Some(grid));
            continue;
        }
        let quantised = quantised_layers.next().filter(|quantised| quantised.layer == *layer);
        let quantised =
            quantised.ok_or_else(|| Unsupported("the layers in integers are not those of the network".into()))?;
        x = match &quantised.affine {
            None => without_weights(&mut graph, x, layer, Some(grid)),
            Some(affine) => affine_int8(&mut graph, x, quantised, affine, grid),
        };
        grid = quantised.output;
    }
    let shape = graph.shape(x);
    let x = graph.layer("dequantised", operation(op::DEQUANTIZE, 2, tables::DEQUANTIZE, []), &[x], &shape, None);
    end(&mut graph, x, quantised.softmax);
    let description = "Scores of a window of motion-sensor samples, computed in integers of eight bits.";
    let entries = [(DROPOUT, spec.dropout.to_string())].into_iter().chain(preparation_entry(&quantised.preparation));
    Ok(graph.finish(description, &quantised.about, entries))
}

/// Adds preparation and scaler, and returns what the first layer reads.
pub fn input(graph: &mut Builder, preparation: &Preparation, scaler: Option<&Scaler>) -> usize {
    let input = graph.input();
    let shape = graph.shape(input);
    let mut x = prepare(graph, preparation, &input, (shape[1], shape[2]));
    let shape = graph.shape(x);
    if let Some(scaler) = scaler {
        let mean = graph.floats("scaler.mean", &[shape[2]], &scaler.mean);
        let scale = graph.floats("scaler.scale", &[shape[2]], &scaler.scale);
        let plain = [Setting::Byte(0)];
        x = graph.layer("scaler/centre", operation(op::SUB, 1, tables::SUB, plain), &[x, mean], &shape, None);
        x = graph.layer("scaler", operation(op::DIV, 1, tables::DIV, plain), &[x, scale], &shape, None);
    }
    x
}

/// Adds the softmax, if there is one.
fn end(graph: &mut Builder, x: usize, softmax: bool) {
    if softmax {
        let shape = graph.shape(x);
        graph.layer("softmax", operation(op::SOFTMAX, 1, tables::SOFTMAX, [Setting::Float(1.0)]), &[x], &shape, None);
    }
}

fn affine_name(layer: &Layer) -> (&str, usize) {
    match layer {
        Layer::Conv { name, output, .. } => (name, output.1),
        Layer::Dense { name, units, .. } => (name, *units),
        Layer::Pool { .. } | Layer::Dropout { .. } => unreachable!("such layers have no weights"),
    }
}

/// (outputs, 1, kernel, inputs) or (outputs, inputs).
fn kernel_shape(layer: &Layer) -> Vec<usize> {
    match layer {
        Layer::Conv { input, output, kernel, .. } => vec![output.1, 1, *kernel, input.1],
        Layer::Dense { inputs, units, .. } => vec![*units, *inputs],
        Layer::Pool { .. } | Layer::Dropout { .. } => unreachable!("such layers have no weights"),
    }
}

/// Weights (.., outputs) as (outputs, ..).
fn outputs_first(weights: &[f32], outputs: usize) -> Vec<f32> {
    (0..outputs).flat_map(|o| weights.iter().skip(o).step_by(outputs).copied()).collect()
}

fn padding(padding: Padding) -> Setting {
    Setting::Byte(match padding {
        Padding::Same => 0,
        Padding::Valid => 1,
    })
}

/// Adds a convolution or a dense layer of [input, kernel, bias], with versions for both.
fn affine(
    graph: &mut Builder,
    inputs: [usize; 3],
    layer: &Layer,
    [conv, dense]: [i32; 2],
    is_relu: bool,
    grid: Option<Grid>,
) -> usize {
    let fused = Setting::Byte(u8::from(is_relu));
    let int = |value: usize| Setting::Int(value as i32);
    match layer {
        Layer::Conv { name, output, stride, dilation, padding: pads, .. } => {
            let settings = [padding(*pads), int(*stride), int(1), fused, int(*dilation), int(1)];
            let operation = operation(op::CONV_2D, conv, tables::CONV_2D, settings);
            graph.layer(name, operation, &inputs, &[1, 1, output.0, output.1], grid)
        }
        Layer::Dense { name, units, .. } => {
            let settings = [fused, Setting::Byte(0), Setting::Byte(0)];
            let operation = operation(op::FULLY_CONNECTED, dense, tables::FULLY_CONNECTED, settings);
            graph.layer(name, operation, &inputs, &[1, *units], grid)
        }
        Layer::Pool { .. } | Layer::Dropout { .. } => unreachable!("such layers have no weights"),
    }
}

fn affine_int8(graph: &mut Builder, x: usize, quantised: &QuantisedLayer, parts: &Affine, input: Grid) -> usize {
    let layer = &quantised.layer;
    let (name, outputs) = affine_name(layer);
    let kernel = graph.bytes(&format!("{name}.kernel"), &kernel_shape(layer), &parts.kernel);
    graph.set_scales(kernel, &parts.kernel_scales, 0);
    let bias = graph.ints(&format!("{name}.bias"), &[outputs], &parts.bias);
    graph.set_scales(bias, &parts.bias_scales(input), 0);
    let is_relu = activation(layer) == Activation::Relu;
    let x = affine(graph, [x, kernel, bias], layer, [3, 4], is_relu, Some(parts.sums));
    match separate_activation(activation(layer), 2) {
        Some(operation) => {
            let shape = graph.shape(x);
            graph.layer(&format!("{name}/activation"), operation, &[x], &shape, Some(quantised.output))
        }
        None => x,
    }
}

/// The operator of an activation that is not part of a layer. `version` is that of those whose first knows no integers.
fn separate_activation(activation: Activation, version: i32) -> Option<Operation> {
    match activation {
        Activation::Linear | Activation::Relu => None,
        Activation::Elu => Some(operation(op::ELU, 1, tables::NONE, [])),
        Activation::Tanh => Some(operation(op::TANH, version, tables::NONE, [])),
        Activation::LeakyRelu { slope } => {
            Some(operation(op::LEAKY_RELU, version, tables::LEAKY_RELU, [Setting::Float(slope)]))
        }
        Activation::Gelu => Some(operation(op::GELU, 1, tables::GELU, [Setting::Byte(0)])),
    }
}

/// Adds a pool, or the flatten in the place of dropout.
fn without_weights(graph: &mut Builder, x: usize, layer: &Layer, grid: Option<Grid>) -> usize {
    match layer {
        Layer::Pool { name, kind, output, size, stride, padding: pads, .. } => {
            let op = match kind {
                PoolKind::Max => op::MAX_POOL_2D,
                PoolKind::Average => op::AVERAGE_POOL_2D,
            };
            let int = |value: usize| Setting::Int(value as i32);
            let settings = [padding(*pads), int(*stride), int(1), int(*size), int(1), Setting::Byte(0)];
            let version = if grid.is_some() { 2 } else { 1 };
            let operation = operation(op, version, tables::POOL_2D, settings);
            graph.layer(name, operation, &[x], &[1, 1, output.0, output.1], grid)
        }
        Layer::Dropout { units, .. } => graph.reshape("features", x, &[*units], grid),
        Layer::Conv { .. } | Layer::Dense { .. } => unreachable!("such layers have weights"),
    }
}
