//! A network in integers from the parts that a file holds.

use triax_model::{Activation, Layer};

use super::{Affine, Grid, Lookup, Quantised, QuantisedLayer};
use crate::{ReadError, Trained};

/// Weights of a layer in integers, as files hold them.
pub(crate) struct Integers {
    kernel: Vec<i8>,
    scales: Vec<f32>,
    bias: Vec<i32>,
}

impl Integers {
    /// Weights (outputs, inputs of one), their scales, one or as many as outputs, and bias (outputs).
    ///
    /// # Errors
    /// Parts that do not fit each other; sums that may not fit into 32 bits.
    pub fn new(kernel: Vec<i8>, scales: Vec<f32>, bias: Vec<i32>) -> Result<Self, String> {
        Self::check(&kernel, &scales, &bias)?;
        Ok(Self { kernel, scales, bias })
    }

    /// Checks what [`Self::new`] does.
    pub fn check(kernel: &[i8], scales: &[f32], bias: &[i32]) -> Result<(), String> {
        let outputs = bias.len();
        let are_scales = scales.iter().all(|scale| *scale > 0.0 && scale.is_finite());
        let is_fitting = outputs > 0 && !kernel.is_empty() && kernel.len().is_multiple_of(outputs);
        if !is_fitting || !are_scales || scales.is_empty() || scales.len() != 1 && scales.len() != outputs {
            return Err("its kernel holds no integers with their scales".into());
        }
        let largest = kernel.chunks_exact(kernel.len() / outputs).zip(bias).map(|(weights, bias)| {
            weights.iter().map(|weight| 255 * i64::from(weight.unsigned_abs())).sum::<i64>()
                + i64::from(bias.unsigned_abs())
        });
        if largest.max().unwrap_or(0) > i64::from(i32::MAX) {
            return Err("its sums may not fit into 32 bits".into());
        }
        Ok(())
    }
}

/// A layer with weights, as files hold it: its weights, where its sums lie, and its results.
pub(crate) struct QuantisedAffine {
    pub integers: Integers,
    pub sums: Grid,
    pub output: Grid,
}

impl Grid {
    /// The grid of a file, if these numbers are one.
    pub(crate) fn new(scale: f32, zero_point: i32) -> Option<Self> {
        let is_grid = scale > 0.0 && scale.is_finite() && (-128..=127).contains(&zero_point);
        is_grid.then_some(Self { scale, zero_point })
    }
}

impl Quantised {
    /// The network of `shape`, whose weights are `part` of the name of each layer that has some; `part` is told whether its
    /// results have a grid of their own beside that of its sums.
    ///
    /// # Errors
    /// What `part` refuses; numbers that the quantiser does not make.
    pub(crate) fn assemble(
        shape: Trained,
        input: Grid,
        mut part: impl FnMut(&str, bool) -> Result<QuantisedAffine, ReadError>,
    ) -> Result<Self, ReadError> {
        let mut grid = input;
        let mut layers = Vec::new();
        for layer in shape.network.layers() {
            let (name, activation, outputs, n_weights) = match layer {
                Layer::Dropout { .. } => continue,
                Layer::Pool { .. } => {
                    layers.push(QuantisedLayer { layer: layer.clone(), affine: None, output: grid });
                    continue;
                }
                Layer::Conv { name, activation, input, output, kernel, .. } => {
                    (name, *activation, output.1, kernel * input.1 * output.1)
                }
                Layer::Dense { name, activation, inputs, units } => (name, *activation, *units, inputs * units),
            };
            let has_lookup = !matches!(activation, Activation::Linear | Activation::Relu);
            let QuantisedAffine { integers, sums, output } = part(name, has_lookup)?;
            // Of a hyperbolic tangent only one grid has a table. Factors from one grid to the next are below 1.
            let is_fixed = activation == Activation::Tanh && output != Lookup::TANH_OUTPUT;
            let are_factors = integers.scales.iter().all(|scale| scale * grid.scale < sums.scale)
                && output.scale >= sums.scale / 257.0;
            let is_fitting = (integers.kernel.len(), integers.bias.len()) == (n_weights, outputs);
            if !is_fitting || !are_factors || is_fixed || Lookup::of(activation).is_err() {
                return Err(ReadError::new(name, "is not in integers as they are written here"));
            }
            let Integers { kernel, scales, bias } = integers;
            let affine = Affine::new(layer, grid, (kernel, scales, bias), sums, output);
            layers.push(QuantisedLayer { layer: layer.clone(), affine: Some(affine), output });
            grid = output;
        }
        let Trained { network, preparation, scaler, softmax, about, .. } = shape;
        Ok(Self { network, preparation, scaler, softmax, about, input, layers })
    }
}
