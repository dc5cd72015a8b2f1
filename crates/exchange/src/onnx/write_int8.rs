//! Networks in integers as ONNX graphs.

use triax_model::{Activation, Layer};

use super::builder::Builder;
use super::model::{Attribute, Data};
use super::write::{activate, features, input, pool, softmax, steps, transpose};
use crate::about::{DROPOUT, preparation_entry};
use crate::int8::{Affine, Grid, Quantised};
use crate::{Trained, Unsupported};

/// The bytes of an ONNX file (opset 13, IR 7) with a network in integers of eight bits.
///
/// Input and output are those of [`super::write()`]. Between operators of floats stand `QuantizeLinear` and `DequantizeLinear`,
/// which say where values lie: runtimes that have operators of integers compute with those. They round in ways of their own, so
/// scores may differ from [`Quantised::scores`] by steps of their grid.
///
/// # Errors
/// Layers in integers that are not those of the network.
pub fn write_int8(quantised: &Quantised) -> Result<Vec<u8>, Unsupported> {
    Trained::check_steps(&quantised.network)?;
    let spec = quantised.network.spec();
    let mut graph = Builder::new(spec.window, quantised.channels());
    let x = input(&mut graph, &quantised.preparation, quantised.scaler.as_ref(), spec);
    let x = transpose(&mut graph, "channels_first", &x);
    let mut grid = quantised.input;
    let mut x = on_grid(&mut graph, "input", &x, grid);
    let mut layers = quantised.layers.iter();
    for layer in quantised.network.layers() {
        if let Layer::Dropout { units, .. } = layer {
            x = features(&mut graph, &x, *units);
            continue;
        }
        let other = || Unsupported("the layers in integers are not those of the network".into());
        let part = layers.next().filter(|part| part.layer == *layer).ok_or_else(other)?;
        x = match layer {
            Layer::Conv { name, output, kernel, input, activation, .. } => {
                let affine = part.affine.as_ref().ok_or_else(other)?;
                let [outputs, length, inputs] = [output.1, *kernel, input.1];
                // (outputs, kernel, inputs) becomes (outputs, inputs, kernel).
                let at = |o: usize, i: usize, k: usize| affine.kernel[(o * length + k) * inputs + i];
                let places =
                    (0..outputs).flat_map(|o| (0..inputs).flat_map(move |i| (0..length).map(move |k| (o, i, k))));
                let kernel = places.map(|(o, i, k)| at(o, i, k)).collect();
                let parts = parts(&mut graph, name, affine, grid, &[outputs, inputs, length], kernel);
                let x = graph.node(name, "Conv", &[&x, &parts[0], &parts[1]], &steps(layer));
                activated(&mut graph, name, &x, *activation, affine.sums, part.output)
            }
            Layer::Dense { name, inputs, units, activation } => {
                let affine = part.affine.as_ref().ok_or_else(other)?;
                let parts = parts(&mut graph, name, affine, grid, &[*units, *inputs], affine.kernel.clone());
                let transposed = [("transB", Attribute::Int(1))];
                let x = graph.node(name, "Gemm", &[&x, &parts[0], &parts[1]], &transposed);
                activated(&mut graph, name, &x, *activation, affine.sums, part.output)
            }
            Layer::Pool { name, .. } => {
                let x = pool(&mut graph, layer, &x);
                on_grid(&mut graph, name, &x, part.output)
            }
            Layer::Dropout { .. } => unreachable!("taken above"),
        };
        grid = part.output;
    }
    if quantised.softmax {
        softmax(&mut graph, "softmax", &x);
    }
    let doc = "Scores of a window of motion-sensor samples, computed in integers of eight bits.";
    let entries = [(DROPOUT, spec.dropout.to_string())].into_iter().chain(preparation_entry(&quantised.preparation));
    Ok(graph.finish(spec.classes, doc, &quantised.about, entries))
}

/// Brings `x` to integers and back.
fn on_grid(graph: &mut Builder, name: &str, x: &str, grid: Grid) -> String {
    let scale = graph.constant(&format!("{name}/scale"), &[], Data::Float(vec![grid.scale]));
    let zero = graph.constant(&format!("{name}/zero_point"), &[], Data::Int8(vec![grid.zero_point as i8]));
    let quantised = graph.node(&format!("{name}/quantised"), "QuantizeLinear", &[x, &scale, &zero], &[]);
    graph.node(&format!("{name}/dequantised"), "DequantizeLinear", &[&quantised, &scale, &zero], &[])
}

/// Adds kernel and bias of a layer that reads `input`: integers, and what they stand for.
fn parts(
    graph: &mut Builder,
    name: &str,
    affine: &Affine,
    input: Grid,
    shape: &[usize],
    kernel: Vec<i8>,
) -> [String; 2] {
    let outputs = affine.bias.len();
    // Several scales lie along the first axis.
    let along = |scales: &[f32]| if scales.len() > 1 { vec![scales.len()] } else { Vec::new() };
    let scales_of = |graph: &mut Builder, part: &str, scales: &[f32]| {
        graph.constant(&format!("{name}.{part}/scale"), &along(scales), Data::Float(scales.to_vec()))
    };
    let axis = [("axis", Attribute::Int(0))];
    let integers = graph.constant(&format!("{name}.kernel"), shape, Data::Int8(kernel));
    let scales = scales_of(graph, "kernel", &affine.kernel_scales);
    let zeros = vec![0; affine.kernel_scales.len()];
    let zeros = graph.constant(&format!("{name}.kernel/zero_point"), &along(&affine.kernel_scales), Data::Int8(zeros));
    let kernel =
        graph.node(&format!("{name}.kernel/dequantised"), "DequantizeLinear", &[&integers, &scales, &zeros], &axis);
    let integers = graph.constant(&format!("{name}.bias"), &[outputs], Data::Int32(affine.bias.clone()));
    let scales = scales_of(graph, "bias", &affine.bias_scales(input));
    let bias = graph.node(&format!("{name}.bias/dequantised"), "DequantizeLinear", &[&integers, &scales], &axis);
    [kernel, bias]
}

/// Adds the activation of layer `name`, whose sums lie on `sums` and whose results on `output`.
fn activated(graph: &mut Builder, name: &str, x: &str, activation: Activation, sums: Grid, output: Grid) -> String {
    match activation {
        Activation::Linear | Activation::Relu => {
            let x = activate(graph, name, x, activation);
            on_grid(graph, name, &x, output)
        }
        _ => {
            let x = on_grid(graph, &format!("{name}/sums"), x, sums);
            let x = activate(graph, name, &x, activation);
            on_grid(graph, name, &x, output)
        }
    }
}
