//! Networks from TensorFlow Lite graphs that were written here.

use triax_model::{Activation, Network, PerWindow, PoolKind};

use super::builder::{ABOUT, Builder};
use super::model::{Kind, Model, Operator, Setting, Tensor, op};
use crate::assembly::{Affine, Assembly, Order, Pads, Pool};
use crate::preprocessing::normalise;
use crate::{About, ReadError, Trained};

/// The network of a file that [`super::write`] has written: what it computes, read from its operators and not from its
/// metadata.
///
/// # Errors
/// Bytes that are no such file, with the operator at fault.
pub fn read(bytes: &[u8]) -> Result<Trained, ReadError> {
    let model = Model::decode(bytes)?;
    let input = &model.tensors[model.input];
    let &[1, window, channels] = &input.shape[..] else {
        return Err(ReadError::new(format!("input `{}`", input.name), "is not (batch, window, channels)"));
    };
    let size = |size: i32| usize::try_from(size).unwrap_or(0);
    let refuse = |problem: String| ReadError::new("input", problem);
    let mut reader = Reader {
        model: &model,
        assembly: Assembly::new(size(window), size(channels)).map_err(refuse)?,
        value: model.input,
    };
    let mut operators = &model.operators[..];
    if let Some((per_window, rest, value)) = reader.normalisation(operators, size(window), size(channels)) {
        reader.assembly.normalise(per_window).map_err(refuse)?;
        (operators, reader.value) = (rest, value);
    }
    for (n, operator) in operators.iter().enumerate() {
        let name = &model.tensors[operator.output].name;
        let taken = reader.take(operator);
        taken.map_err(|problem| ReadError::new(format!("operator {n} (`{name}`)"), problem))?;
    }
    if reader.value != model.output {
        return Err(ReadError::new("output", "is not what the last operator gives"));
    }
    let entries: serde_json::Map<String, serde_json::Value> = model
        .metadata
        .iter()
        .find(|(name, _)| name == ABOUT)
        .and_then(|(_, text)| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let texts: Vec<(&str, &str)> =
        entries.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect();
    let dropout = texts.iter().find(|(key, _)| *key == "dropout").and_then(|(_, rate)| rate.parse::<f32>().ok());
    let mut imported = reader.assembly.finish(About::from_entries(texts.iter().copied()))?;
    imported.spec.dropout = dropout.filter(|rate| (0.0..1.0).contains(rate)).unwrap_or(0.0);
    let network = Network::new(imported.spec).map_err(|error| ReadError::new(error.layer, error.problem))?;
    Ok(Trained {
        network,
        weights: imported.weights,
        per_window: imported.per_window,
        scaler: imported.scaler,
        softmax: imported.softmax,
        about: imported.about,
    })
}

struct Reader<'a> {
    model: &'a Model,
    assembly: Assembly,
    /// The tensor that the last operator gave.
    value: usize,
}

type Refusal = String;

impl<'a> Reader<'a> {
    /// The normalisation that the graph begins with, if it is one of those that are written here: what it is, what follows, and
    /// the tensor that it gives. Tensors are compared by what they hold, in the order of the operators.
    fn normalisation(
        &self,
        operators: &'a [Operator],
        window: usize,
        channels: usize,
    ) -> Option<(PerWindow, &'a [Operator], usize)> {
        let found = &self.model.tensors;
        for per_window in [PerWindow::Standardise, PerWindow::AlignGravity] {
            // A file has an operator for each channel at least: this bounds what is built to compare.
            let is_possible = per_window == PerWindow::Standardise || channels.is_multiple_of(3);
            if !is_possible
                || operators.len() < channels.min(4)
                || per_window == PerWindow::AlignGravity && operators.len() < channels
            {
                continue;
            }
            let mut builder = Builder::new(window, channels);
            let input = builder.input();
            let last = normalise(&mut builder, per_window, &input, channels);
            let expected = builder.into_model();
            let Some((head, rest)) = operators.split_at_checked(expected.operators.len()) else { continue };
            let is_same = |(e, f): (&Operator, &Operator)| {
                let tensors = |e: usize, f: usize| {
                    let is_made = expected.tensors[e].data.is_none();
                    // What is made in the graph has the same place in both, as they begin alike.
                    if is_made { e == f } else { found[f] == expected.tensors[e] }
                };
                e.op == f.op
                    && e.settings == f.settings
                    && e.inputs.len() == f.inputs.len()
                    && e.output == f.output
                    && e.inputs.iter().zip(&f.inputs).all(|(e, f)| tensors(*e, *f))
            };
            if expected.operators.iter().zip(head).all(is_same) {
                return Some((per_window, rest, last));
            }
        }
        None
    }

    fn take(&mut self, operator: &Operator) -> Result<(), Refusal> {
        if operator.inputs.first() != Some(&self.value) {
            return Err("does not read what the operator before it gives".into());
        }
        self.value = operator.output;
        let (positions, channels) = self.assembly.shape();
        let byte = |n: usize| match operator.settings.slots.get(n) {
            Some(Setting::Byte(value)) => *value,
            _ => 0,
        };
        let int = |n: usize| match operator.settings.slots.get(n) {
            Some(Setting::Int(value)) => usize::try_from(*value).unwrap_or(0),
            _ => 0,
        };
        let pads = if byte(0) == 0 { Pads::Same } else { Pads::Explicit(0, 0) };
        let is_relu = |fused: u8| match fused {
            0 => Ok(Activation::Linear),
            1 => Ok(Activation::Relu),
            other => Err(format!("has the fused activation {other}")),
        };
        match operator.op {
            op::SUB | op::DIV => {
                let values = self.floats(operator, 1, &[channels])?;
                let affine = |value: &f32| match operator.op {
                    op::SUB => (1.0, -f64::from(*value)),
                    _ => (f64::from(*value).recip(), 0.0),
                };
                let (scale, shift) = values.iter().map(affine).unzip();
                self.assembly.affine(Affine { scale, shift })
            }
            op::RESHAPE => match self.ints(operator, 1)?[..] {
                [-1, 1, window, inputs] if self.assembly.is_empty() => {
                    let is_same = usize::try_from(window) == Ok(positions) && usize::try_from(inputs) == Ok(channels);
                    is_same.then_some(()).ok_or_else(|| "reshapes windows to another size".into())
                }
                [-1, features] if usize::try_from(features).ok() == positions.checked_mul(channels) => {
                    self.assembly.flatten(Order::ChannelsLast)
                }
                _ => Err("is neither the reshape before the first layer, nor a flatten".into()),
            },
            op::CONV_2D => {
                let kernel = self.constant(operator, 1)?;
                let [outputs, 1, length, inputs] = sizes(kernel)[..] else {
                    return Err("has a kernel that is not (outputs, 1, length, inputs)".into());
                };
                let kernel = self.floats(operator, 1, &[outputs, 1, length, inputs])?;
                let bias = self.floats(operator, 2, &[outputs])?;
                if (int(2), int(4), int(5)) != (1, 1, 1) {
                    return Err("moves along its height, or leaves positions out".into());
                }
                let kernel = outputs_last(&kernel, outputs);
                self.assembly.conv([length, inputs, outputs], kernel, bias, int(1), pads)?;
                self.assembly.activation(is_relu(byte(3))?)
            }
            op::MAX_POOL_2D | op::AVERAGE_POOL_2D => {
                let kind = if operator.op == op::MAX_POOL_2D { PoolKind::Max } else { PoolKind::Average };
                if (int(2), int(4), byte(5)) != (1, 1, 0) {
                    return Err("has a height, or an activation".into());
                }
                // Its place in the family is told by its name only: it computes the same.
                if self.model.tensors[operator.output].name == "global_pool" && int(3) == positions {
                    return self.assembly.global_pool(kind);
                }
                let (size, stride) = (int(3), int(1));
                self.assembly.pool(Pool { kind, size, stride, pads, rounds_up: false, counts_pads: false })
            }
            op::FULLY_CONNECTED => {
                let kernel = self.constant(operator, 1)?;
                let [outputs, inputs] = sizes(kernel)[..] else {
                    return Err("has a kernel that is not (outputs, inputs)".into());
                };
                let kernel = self.floats(operator, 1, &[outputs, inputs])?;
                let bias = self.floats(operator, 2, &[outputs])?;
                self.assembly.dense(outputs, outputs_last(&kernel, outputs), bias)?;
                self.assembly.activation(is_relu(byte(0))?)
            }
            op::ELU => self.assembly.activation(Activation::Elu),
            op::TANH => self.assembly.activation(Activation::Tanh),
            op::GELU if byte(0) == 0 => self.assembly.activation(Activation::Gelu),
            op::LEAKY_RELU => match operator.settings.slots[..] {
                [Setting::Float(slope)] if (0.0..1.0).contains(&slope) => {
                    self.assembly.activation(Activation::LeakyRelu { slope })
                }
                _ => Err("has a slope that is not in [0, 1)".into()),
            },
            op::SOFTMAX if operator.settings.slots == [Setting::Float(1.0)] => self.assembly.softmax(),
            op::QUANTIZE | op::DEQUANTIZE => Err("is of a network in integers, and one in floats is wanted".into()),
            other => Err(format!("is operator {other} of TensorFlow Lite, which networks of floats do not have here")),
        }
    }

    /// The constant that is input `at` of `operator`.
    fn constant(&self, operator: &Operator, at: usize) -> Result<&'a Tensor, Refusal> {
        let tensor = operator.inputs.get(at).map(|tensor| &self.model.tensors[*tensor]);
        tensor.filter(|tensor| tensor.data.is_some()).ok_or_else(|| format!("its input {at} is no constant"))
    }

    fn words(&self, operator: &Operator, at: usize, kind: Kind) -> Result<Vec<[u8; 4]>, Refusal> {
        let tensor = self.constant(operator, at)?;
        let (words, rest) = tensor.data.as_deref().unwrap_or_default().as_chunks::<4>();
        if tensor.kind != kind || !rest.is_empty() {
            return Err(format!("its input {at} is of another type"));
        }
        Ok(words.to_vec())
    }

    fn floats(&self, operator: &Operator, at: usize, shape: &[usize]) -> Result<Vec<f32>, Refusal> {
        let words = self.words(operator, at, Kind::Float)?;
        let n = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        if n != Some(words.len()) || sizes(self.constant(operator, at)?) != shape {
            return Err(format!("its input {at} has {} values, which do not fill {shape:?}", words.len()));
        }
        Ok(words.into_iter().map(f32::from_le_bytes).collect())
    }

    fn ints(&self, operator: &Operator, at: usize) -> Result<Vec<i32>, Refusal> {
        Ok(self.words(operator, at, Kind::Int32)?.into_iter().map(i32::from_le_bytes).collect())
    }
}

/// The shape of a constant; an axis of a negative length counts as 0.
fn sizes(tensor: &Tensor) -> Vec<usize> {
    tensor.shape.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect()
}

/// Weights (outputs, ..) as (.., outputs).
fn outputs_last(weights: &[f32], outputs: usize) -> Vec<f32> {
    let n = weights.len() / outputs.max(1);
    (0..n).flat_map(|i| weights.iter().skip(i).step_by(n).copied()).collect()
}
