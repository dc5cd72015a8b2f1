//! From floating point to integers: which interval of each tensor matters, and the weights on their grids.

use triax_model::{Activation, Layer};

use super::lookup::Lookup;
use super::{Affine, Grid, Multiplier, Quantised, QuantisedLayer};
use crate::arithmetic::{self, LayerWeights, activation, prepared};
use crate::{Trained, Unsupported};

/// The share of values that an interval may leave out at each of its ends: a percentile of 99.99, one of the calibrations that
/// Wu et al. compare ("Integer Quantization for Deep Learning Inference", arXiv:2004.09602). TensorFlow Lite leaves nothing out,
/// so that a single shock of the sensor decides how coarse the grid is. On the accelerometers of WISDM v2 both give the float
/// network's class in 99.5 % of windows, and the same accuracy; with a percentile of 99 it is 98.6 %.
const LEFT_OUT: f64 = 1e-4;

/// The most windows that intervals are found with, spread over those that are given.
const MOST_WINDOWS: usize = 1000;

/// The most values of a layer that are kept at a time: 256 MiB.
const MOST_VALUES: usize = 1 << 26;

/// The largest bias in integers: sums keep half of 32 bits, at least, for the weights.
const MOST_BIAS: i32 = 1 << 30;

/// Brings `trained` to integers. The interval of each tensor is that of `calibration` (n_windows, window, channels): windows
/// of the training part, in the sensor's unit.
///
/// # Errors
/// If parts of the network do not fit each other, if there are no windows or they hold values that are not finite, and if a
/// layer has an activation or sums that integers cannot hold.
pub fn quantise(trained: &Trained, calibration: &[f32]) -> Result<Quantised, Unsupported> {
    trained.check()?;
    let size = trained.network.spec().window * trained.channels();
    if calibration.is_empty() || !calibration.len().is_multiple_of(size) {
        return Err(Unsupported(format!(
            "the grids of integers are found with training windows of {size} values, and there are {} values",
            calibration.len()
        )));
    }
    let mut tensors = prepared_windows(trained, calibration);
    let mut grid = fitted(&mut tensors).ok_or_else(|| not_finite("the input"))?;
    let input = grid;
    let mut layers = Vec::new();
    for (layer, weights) in arithmetic::layers(trained) {
        let (affine, output) = match (layer, weights) {
            (Layer::Dropout { .. }, _) => continue,
            (_, Some(weights)) => affine(layer, weights, grid, &mut tensors)?,
            (_, None) => {
                forward(layer, None, &mut tensors);
                (None, grid)
            }
        };
        layers.push(QuantisedLayer { layer: layer.clone(), affine, output });
        grid = output;
    }
    Ok(Quantised {
        network: trained.network.clone(),
        preparation: trained.preparation.clone(),
        scaler: trained.scaler.clone(),
        softmax: trained.softmax,
        about: trained.about.clone(),
        input,
        layers,
    })
}

fn not_finite(what: &str) -> Unsupported {
    Unsupported(format!("{what} is not finite for the windows that the grids of integers are found with"))
}

/// What the first layer reads of the windows that are taken.
fn prepared_windows(trained: &Trained, calibration: &[f32]) -> Vec<Vec<f32>> {
    let spec = trained.network.spec();
    let size = spec.window * trained.channels();
    let input = spec.window * spec.channels;
    let largest = trained.network.layers().iter().map(values_of).max().unwrap_or(0).max(input);
    let given = calibration.len() / size;
    let taken = given.min(MOST_WINDOWS).min(MOST_VALUES / largest).max(1);
    (0..taken)
        .map(|n| &calibration[n * given / taken * size..][..size])
        .map(|window| prepared(spec, &trained.preparation, trained.scaler.as_ref(), window))
        .collect()
}

/// The number of values that `layer` gives for a window.
fn values_of(layer: &Layer) -> usize {
    match layer {
        Layer::Conv { output, .. } | Layer::Pool { output, .. } => output.0 * output.1,
        Layer::Dropout { units, .. } | Layer::Dense { units, .. } => *units,
    }
}

/// Replaces each of `tensors` by what `layer` gives for it, before its activation.
fn forward(layer: &Layer, weights: Option<LayerWeights<'_>>, tensors: &mut [Vec<f32>]) {
    for tensor in tensors {
        *tensor = arithmetic::sums(layer, weights, std::mem::take(tensor));
    }
}

fn activate(activation: Activation, tensors: &mut [Vec<f32>]) {
    let values = tensors.iter_mut().flatten();
    values.for_each(|value| *value = activation.value(f64::from(*value)) as f32);
}

/// The grid over the interval of `tensors` that matters. What is beyond is brought to its ends, as it will be in integers.
/// `None` if a value is not finite.
fn fitted(tensors: &mut [Vec<f32>]) -> Option<Grid> {
    let mut values: Vec<f32> = tensors.iter().flatten().copied().collect();
    if !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let left_out = (values.len() as f64 * LEFT_OUT) as usize;
    let last = values.len() - 1;
    let low = *values.select_nth_unstable_by(left_out, f32::total_cmp).1;
    let high = *values.select_nth_unstable_by(last - left_out, f32::total_cmp).1;
    let grid = Grid::over(low, high);
    let (low, high) = (grid.number(-128), grid.number(127));
    tensors.iter_mut().flatten().for_each(|value| *value = value.clamp(low, high));
    Some(grid)
}

/// The layer in integers, after one on `input`, and the grid of its results. `tensors` go from its inputs to its results.
fn affine(
    layer: &Layer,
    weights: LayerWeights<'_>,
    input: Grid,
    tensors: &mut [Vec<f32>],
) -> Result<(Option<Affine>, Grid), Unsupported> {
    let (name, outputs, is_conv) = match layer {
        Layer::Conv { name, output, .. } => (name, output.1, true),
        Layer::Dense { name, units, .. } => (name, *units, false),
        Layer::Pool { name, .. } => unreachable!("pool {name} has no weights"),
        Layer::Dropout { .. } => unreachable!("dropout has no weights"),
    };
    let refuse = |problem: String| Unsupported(format!("{name}: {problem}; export the network in a float format"));
    let activation = activation(layer);
    let lookup = Lookup::of(activation)
        .map_err(|activation| refuse(format!("TensorFlow Lite Micro has no {activation} in integers")))?;

    let (kernel_scales, kernel, bias) = quantised_weights(weights, outputs, input, is_conv);
    let most = kernel.chunks_exact(kernel.len() / outputs).zip(&bias).map(|(weights, bias)| {
        weights.iter().map(|weight| 255 * i64::from(weight.abs())).sum::<i64>() + i64::from(bias.abs())
    });
    if most.max().unwrap_or(0) > i64::from(i32::MAX) {
        return Err(refuse("its sums may not fit into 32 bits".into()));
    }

    let ranged = |activation, tensors: &mut [Vec<f32>]| {
        activate(activation, tensors);
        fitted(tensors).ok_or_else(|| not_finite(name))
    };
    forward(layer, Some(weights), tensors);
    let fused = if lookup.is_none() { activation } else { Activation::Linear };
    // Sums are multiples of the product of the scales: a finer grid would tell nothing apart. So multipliers stay below 1.
    let coarsest = kernel_scales.iter().copied().fold(0.0, f32::max) * input.scale * 1.001;
    if !coarsest.is_finite() {
        return Err(refuse("its weights are too large for integers".into()));
    }
    let sums = ranged(fused, tensors)?.at_least(coarsest);
    let output = match lookup {
        None => sums,
        Some(Lookup::Tanh) => {
            activate(activation, tensors);
            Lookup::TANH_OUTPUT
        }
        Some(_) => ranged(activation, tensors)?.at_least(sums.scale / 256.0),
    };
    let affine = Affine::new(layer, input, (kernel, kernel_scales, bias), sums, output);
    Ok((Some(affine), output))
}

impl Affine {
    /// The layer with these weights, their scales and bias, after one on `input`. Activations that integers do not have are left
    /// out.
    pub(crate) fn new(
        layer: &Layer,
        input: Grid,
        (kernel, kernel_scales, bias): (Vec<i8>, Vec<f32>, Vec<i32>),
        sums: Grid,
        output: Grid,
    ) -> Self {
        let is_conv = matches!(layer, Layer::Conv { .. });
        let activation = activation(layer);
        let multipliers = kernel_scales.iter().map(|scale| {
            // TensorFlow Lite rounds the product of the scales in a dense layer, and not in a convolution.
            let product =
                if is_conv { f64::from(input.scale) * f64::from(*scale) } else { f64::from(input.scale * scale) };
            Multiplier::of(product / f64::from(sums.scale))
        });
        Self {
            multipliers: multipliers.collect(),
            kernel,
            kernel_scales,
            bias,
            sums,
            least: if activation == Activation::Relu { sums.zero_point as i8 } else { i8::MIN },
            lookup: Lookup::of(activation).ok().flatten().map(|lookup| lookup.table(sums, output)),
        }
    }
}

/// Scales of the weights, the weights (outputs, inputs of one output), and the bias (outputs) as integers.
fn quantised_weights(
    (kernel, bias): LayerWeights<'_>,
    outputs: usize,
    input: Grid,
    is_conv: bool,
) -> (Vec<f32>, Vec<i8>, Vec<i32>) {
    let of_output = |o: usize| kernel.iter().skip(o).step_by(outputs);
    // The scale that brings the largest weight to 127, and leaves the bias room.
    let scale = |o: usize| {
        let largest = of_output(o).fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        let for_bias = f64::from(bias[o].abs()) / (f64::from(input.scale) * f64::from(MOST_BIAS));
        (f64::from(largest) / 127.0).max(for_bias).max(super::LEAST_SCALE) as f32
    };
    let mut scales: Vec<f32> = (0..outputs).map(scale).collect();
    if !is_conv {
        scales = vec![scales.into_iter().fold(0.0, f32::max)];
    }
    let scale = |o: usize| scales[o % scales.len()];
    let integer = |o: usize, weight: &f32| (weight / scale(o)).round().clamp(-127.0, 127.0) as i8;
    let weights = (0..outputs).flat_map(|o| of_output(o).map(move |weight| integer(o, weight))).collect();
    let bias = bias.iter().enumerate().map(|(o, bias)| {
        let step = f64::from(input.scale) * f64::from(scale(o));
        (f64::from(*bias) / step).round() as i32
    });
    let bias = bias.collect();
    (scales, weights, bias)
}

#[cfg(test)]
mod tests {
    use triax_model::{PoolKind, Preparation};

    use super::*;
    use crate::trained::tests::{trained, windows};

    /// Largest error of the scores in integers, as a share of the largest score.
    fn error(one: &Trained, quantised: &Quantised, windows: &[f32]) -> f32 {
        let (exact, scores) = (one.scores(windows), quantised.scores(windows));
        let largest = exact.iter().fold(0.0_f32, |largest, score| largest.max(score.abs()));
        exact.iter().zip(&scores).fold(0.0_f32, |error, (a, b)| error.max((a - b).abs())) / largest
    }

    #[test]
    fn the_whole_family_is_close_to_its_floats() {
        let windows = windows(40);
        for (convs, hidden, pool) in [
            ("8:3:2:2,8:3:1", "12", None),
            ("8:3:1:same:avg3/2-same,6:4:1:same:2/1", "9:tanh,7", None),
            ("8:5:2:elu,6:3:1:leaky_relu=0.3", "12:elu", Some(PoolKind::Average)),
            ("8:5:2:tanh,6:3:1:same:linear", "", Some(PoolKind::Max)),
            ("8:1:1:leaky_relu=0", "", None),
        ] {
            for preparation in ["", "gravity", "window"] {
                let mut one = trained(convs, hidden, pool);
                one.preparation = preparation.parse::<Preparation>().unwrap();
                let quantised = quantise(&one, &windows).unwrap();
                let error = error(&one, &quantised, &windows);
                assert!(error < 0.08, "{convs} {hidden} {preparation}: {error}");
                one.softmax = true;
                let probabilities = quantise(&one, &windows).unwrap().scores(&windows[..120]);
                assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn weights_and_bias_are_within_half_a_step() {
        let one = trained("4:3:1:same", "5", None);
        let quantised = quantise(&one, &windows(20)).unwrap();
        let conv = quantised.layers[0].affine.as_ref().unwrap();
        assert_eq!((conv.kernel_scales.len(), conv.kernel.len(), conv.multipliers.len()), (4, 3 * 6 * 4, 4));
        let kernel = &one.weights.tensors[0].values;
        for o in 0..4 {
            let of_output = &conv.kernel[o * 18..][..18];
            assert_eq!(of_output.iter().map(|weight| weight.abs()).max(), Some(127));
            for (n, weight) in of_output.iter().enumerate() {
                let error = kernel[n * 4 + o] - f32::from(*weight) * conv.kernel_scales[o];
                assert!(error.abs() <= 0.5001 * conv.kernel_scales[o]);
            }
            let step = conv.bias_scales(quantised.input)[o];
            assert!((one.weights.tensors[1].values[o] - conv.bias[o] as f32 * step).abs() <= 0.5001 * step);
        }
        let dense = quantised.layers[1].affine.as_ref().unwrap();
        assert_eq!((dense.kernel_scales.len(), dense.multipliers.len(), dense.bias.len()), (1, 1, 5));
    }

    #[test]
    fn a_single_shock_does_not_decide() {
        let one = trained("8:3:2:2,8:3:1", "12", None);
        let good = windows(400);
        let mut shocked = good.clone();
        shocked[1234] = 1e5;
        let quantised = quantise(&one, &shocked).unwrap();
        assert!(error(&one, &quantised, &good[..120 * 4]) < 0.08);
        // Few values leave none out.
        let mut few = windows(2);
        few[7] = 100.0;
        let quantised = quantise(&one, &few).unwrap();
        assert!(quantised.input.number(127).max(-quantised.input.number(-128)) > 50.0);
    }

    #[test]
    fn extremes_make_grids_that_work() {
        let mut one = trained("4:3:1:same", "5:leaky_relu=0.1", None);
        // A filter without weights, a bias without end, and a layer that gives nothing.
        one.weights.tensors[0].values.iter_mut().step_by(4).for_each(|weight| *weight = 0.0);
        one.weights.tensors[1].values[0] = 1e6;
        one.weights.tensors[4].values.fill(0.0);
        one.weights.tensors[5].values.fill(0.0);
        let quantised = quantise(&one, &windows(3)).unwrap();
        assert!(quantised.scores(&windows(3)).iter().all(|score| score.is_finite()));
        let conv = quantised.layers[0].affine.as_ref().unwrap();
        assert!(conv.multipliers.iter().all(|multiplier| multiplier.shift <= 0), "{:?}", conv.multipliers);
        let zeros = quantise(&one, &vec![0.0; 240]).unwrap();
        assert!(zeros.scores(&[f32::NAN; 120]).iter().all(|score| score.is_finite()));
    }

    #[test]
    fn sums_that_may_leave_32_bits_are_refused() {
        let with = |units: usize| {
            let mut one = trained("1:1:1", &format!("{units}"), None);
            // All weights are the largest.
            one.weights.tensors[4].values.fill(0.1);
            quantise(&one, &windows(1))
        };
        // 66,000 · 127 · 255 < 2³¹ < 66,400 · 127 · 255.
        assert!(with(66_000).is_ok());
        let refusal = with(66_400).unwrap_err().to_string();
        assert!(refusal.starts_with("dense2: its sums may not fit into 32 bits; export"), "{refusal}");
    }

    #[test]
    fn what_integers_cannot_hold_is_refused_with_a_remedy() {
        let refusal = |one: &Trained, windows: &[f32]| quantise(one, windows).unwrap_err().to_string();
        let gelu = refusal(&trained("4:3:1:gelu", "", None), &windows(1));
        assert_eq!(gelu, "conv1: TensorFlow Lite Micro has no GELU in integers; export the network in a float format");
        let one = trained("4:3:1", "5", None);
        assert!(refusal(&one, &[]).contains("there are 0 values"));
        assert!(refusal(&one, &[1.0; 7]).contains("windows of 120 values"));
        assert!(refusal(&one, &[f32::NAN; 120]).contains("the input is not finite"));
        let mut large = one.clone();
        large.weights.tensors[2].values.fill(3e38);
        assert!(refusal(&large, &windows(1)).contains("dense1"));
    }
}
