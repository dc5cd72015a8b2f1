//! Networks from TensorFlow Lite graphs that were written here.

use triax_model::{Activation, PerWindow, PoolKind, Preparation};

use super::builder::{ABOUT, Builder};
use super::model::{Kind, Model, Operator, Setting, Tensor, op};
use crate::about::{dropout_in, preparation_in};
use crate::assembly::{Affine, Assembly, Order, Pads, Pool, Refusal, Step, Values};
use crate::int8::{Grid, Integers, Quantised, QuantisedAffine};
use crate::preprocessing::prepare;
use crate::{About, ReadError, Trained};

/// The network of a file that [`super::write()`] has written: what it computes, read from its operators and not from its
/// metadata.
///
/// # Errors
/// Bytes that are no such file, with the operator at fault.
pub fn read(bytes: &[u8]) -> Result<Trained, ReadError> {
    let model = Model::decode(bytes)?;
    let mut reader = Reader::new(&model)?;
    reader.take_all()?;
    if !reader.affines.is_empty() || !reader.grids.is_empty() {
        return Err(ReadError::new("file", "holds a network in integers, and one in floats is wanted"));
    }
    reader.finish()
}

/// The network of a file that [`super::write_int8()`] has written.
///
/// # Errors
/// As [`read`] has them.
pub fn read_int8(bytes: &[u8]) -> Result<Quantised, ReadError> {
    let model = Model::decode(bytes)?;
    let mut reader = Reader::new(&model)?;
    reader.take_all()?;
    let grids = std::mem::take(&mut reader.grids);
    let mut affines = std::mem::take(&mut reader.affines).into_iter();
    let shape = reader.finish()?;
    let refuse = |place: &str| ReadError::new(place, "is not in integers as they are written here");
    let input = *grids.first().ok_or_else(|| refuse("input"))?;
    Quantised::assemble(shape, input, |name, _| affines.next().ok_or_else(|| refuse(name)))
}

struct Reader<'a> {
    model: &'a Model,
    /// The network; one in integers has weights of 0 in it.
    assembly: Assembly,
    /// The tensor that the last operator gave.
    value: usize,
    /// Where the input of the first layer lies, if it is brought to integers.
    grids: Vec<Grid>,
    /// Each layer in integers: where its sums lie, and its results.
    affines: Vec<QuantisedAffine>,
    /// Whether values are integers now.
    is_int8: bool,
}

impl<'a> Reader<'a> {
    fn new(model: &'a Model) -> Result<Self, ReadError> {
        let input = &model.tensors[model.input];
        let &[1, window, channels] = &input.shape[..] else {
            return Err(ReadError::new(format!("input `{}`", input.name), "is not (batch, window, channels)"));
        };
        let size = |size: i32| usize::try_from(size).unwrap_or(0);
        let assembly =
            Assembly::new(size(window), size(channels)).map_err(|problem| ReadError::new("input", problem))?;
        let value = model.input;
        Ok(Self { model, assembly, value, grids: Vec::new(), affines: Vec::new(), is_int8: false })
    }

    /// Goes through all operators.
    fn take_all(&mut self) -> Result<(), ReadError> {
        let mut operators = &self.model.operators[..];
        if let Some((preparation, rest, value)) = self.preparation(operators) {
            let step = Step::Prepare(preparation);
            self.assembly.add("input", step).map_err(|problem| ReadError::new("input", problem))?;
            (operators, self.value) = (rest, value);
        }
        for (n, operator) in operators.iter().enumerate() {
            let place = format!("operator {n} (`{}`)", self.model.tensors[operator.output].name);
            for step in self.take(operator).map_err(|problem| ReadError::new(&place, problem))? {
                self.assembly.add(&place, step).map_err(|problem| ReadError::new(&place, problem))?;
            }
        }
        if self.value != self.model.output || self.is_int8 {
            return Err(ReadError::new("output", "is not what the last operator gives, in floats"));
        }
        Ok(())
    }

    fn finish(self) -> Result<Trained, ReadError> {
        let entries = self.entries();
        let texts = entries.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
        let mut imported = self.assembly.finish(About::from_entries(texts.clone()))?;
        imported.spec.dropout = dropout_in(texts).unwrap_or(imported.spec.dropout);
        imported.into_trained()
    }

    /// The entries of the metadata.
    fn entries(&self) -> serde_json::Map<String, serde_json::Value> {
        let text = self.model.metadata.iter().find(|(name, _)| name == ABOUT).map(|(_, text)| text.as_str());
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Where the integers of `tensor` lie.
    fn grid(&self, tensor: usize) -> Result<Grid, Refusal> {
        let tensor = &self.model.tensors[tensor];
        let quantisation = tensor.quantisation.as_ref().filter(|_| tensor.kind == Kind::Int8);
        let parts = quantisation.and_then(|parts| match (&parts.scales[..], &parts.zero_points[..]) {
            ([scale], [zero_point]) => Some((*scale, i32::try_from(*zero_point).ok()?)),
            _ => None,
        });
        let grid = parts.and_then(|(scale, zero_point)| Grid::new(scale, zero_point));
        grid.ok_or_else(|| "its integers have no scale and zero point".into())
    }

    /// The layer in integers whose weights are inputs 1 and 2 of `operator`. Its floats in the assembly are 0.
    fn integers(
        &mut self,
        operator: &Operator,
        shape: &[usize],
        outputs: usize,
    ) -> Result<(Vec<f32>, Vec<f32>), Refusal> {
        let kernel = self.constant(operator, 1)?;
        let n = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        let data = kernel.data.as_deref().unwrap_or_default();
        let scales = kernel.quantisation.as_ref().map(|parts| parts.scales.clone()).unwrap_or_default();
        if kernel.kind != Kind::Int8 || n != Some(data.len()) {
            return Err("its kernel holds no integers of its shape".into());
        }
        let bias = self.ints(operator, 2)?;
        if bias.len() != outputs {
            return Err("its bias does not fit its kernel".into());
        }
        let integers = Integers::new(data.iter().map(|byte| *byte as i8).collect(), scales, bias)?;
        let grid = self.grid(operator.output)?;
        self.affines.push(QuantisedAffine { integers, sums: grid, output: grid });
        Ok((vec![0.0; data.len()], vec![0.0; outputs]))
    }

    /// An activation after a layer: in integers, its results have a grid of their own.
    fn activation(&mut self, activation: Activation, operator: &Operator) -> Result<Vec<Step>, Refusal> {
        if self.is_int8 {
            let grid = self.grid(operator.output)?;
            self.affines.last_mut().ok_or("follows no layer")?.output = grid;
        }
        Ok(vec![Step::Activation(activation)])
    }

    /// The preparation that the graph begins with, if it is one of those that are written here: what it is, what follows, and
    /// the tensor that it gives. Tensors are compared by what they hold, in the order of the operators.
    fn preparation(&self, operators: &'a [Operator]) -> Option<(Preparation, &'a [Operator], usize)> {
        let (window, channels) = self.assembly.shape();
        let found = &self.model.tensors;
        let entries = self.entries();
        let texts = entries.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
        let tells = preparation_in(texts, channels);
        let known = [PerWindow::Standardise, PerWindow::AlignGravity].map(Preparation::from);
        for preparation in tells.into_iter().chain(known) {
            // A file has operators for each channel: this bounds what is built to compare.
            let is_by_channel = preparation != PerWindow::Standardise.into();
            if is_by_channel && (!channels.is_multiple_of(3) || operators.len() < channels) {
                continue;
            }
            let mut builder = Builder::new(window, channels);
            let input = builder.input();
            let last = prepare(&mut builder, &preparation, &input, (window, channels));
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
                return Some((preparation, rest, last));
            }
        }
        None
    }

    /// What an operator does, as steps.
    fn take(&mut self, operator: &Operator) -> Result<Vec<Step>, Refusal> {
        if operator.inputs.first() != Some(&self.value) {
            return Err("does not read what the operator before it gives".into());
        }
        self.value = operator.output;
        if operator.op != op::QUANTIZE && self.is_int8 != (self.model.tensors[operator.inputs[0]].kind == Kind::Int8) {
            return Err("reads values of another type than there are".into());
        }
        let (positions, channels) = self.assembly.shape();
        let byte = |n: usize| match operator.settings.slots.get(n) {
            Some(Setting::Byte(value)) => *value,
            _ => 0,
        };
        let int = |n: usize| match operator.settings.slots.get(n) {
            Some(Setting::Int(value)) => usize::try_from(*value).unwrap_or(0),
            _ => 0,
        };
        let pads = if byte(0) == 0 { Pads::Same } else { Pads::NONE };
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
                let (factor, shift) = values.iter().map(affine).unzip();
                Ok(vec![Step::Affine(Affine::new(factor, shift)?)])
            }
            op::RESHAPE => match self.ints(operator, 1)?[..] {
                [-1, 1, window, inputs] if self.assembly.is_empty() => {
                    let is_same = usize::try_from(window) == Ok(positions) && usize::try_from(inputs) == Ok(channels);
                    if is_same { Ok(Vec::new()) } else { Err("reshapes windows to another size".into()) }
                }
                [-1, features] if usize::try_from(features).ok() == positions.checked_mul(channels) => {
                    Ok(vec![Step::Flatten(Order::ChannelsLast)])
                }
                _ => Err("is neither the reshape before the first layer, nor a flatten".into()),
            },
            op::CONV_2D => {
                let kernel = self.constant(operator, 1)?;
                let [outputs, 1, length, inputs] = sizes(kernel)[..] else {
                    return Err("has a kernel that is not (outputs, 1, length, inputs)".into());
                };
                let (kernel, bias) = self.weights(operator, &[outputs, 1, length, inputs])?;
                if (int(2), int(5)) != (1, 1) {
                    return Err("moves along its height".into());
                }
                let kernel = Values { shape: vec![length, inputs, outputs], values: outputs_last(&kernel, outputs) };
                let conv = Step::Conv { kernel, bias: Some(bias), stride: int(1), dilation: int(4), pads };
                Ok(vec![conv, Step::Activation(is_relu(byte(3))?)])
            }
            op::MAX_POOL_2D | op::AVERAGE_POOL_2D => {
                let kind = if operator.op == op::MAX_POOL_2D { PoolKind::Max } else { PoolKind::Average };
                if (int(2), int(4), byte(5)) != (1, 1, 0) {
                    return Err("has a height, or an activation".into());
                }
                // Its place in the family is told by its name only: it computes the same.
                if self.model.tensors[operator.output].name == "global_pool" && int(3) == positions {
                    return Ok(vec![Step::GlobalPool(kind)]);
                }
                let (size, stride) = (int(3), int(1));
                Ok(vec![Step::Pool(Pool { kind, size, stride, pads, rounds_up: false, counts_pads: false })])
            }
            op::FULLY_CONNECTED => {
                let kernel = self.constant(operator, 1)?;
                let [outputs, inputs] = sizes(kernel)[..] else {
                    return Err("has a kernel that is not (outputs, inputs)".into());
                };
                let (kernel, bias) = self.weights(operator, &[outputs, inputs])?;
                let kernel = Values { shape: vec![inputs, outputs], values: outputs_last(&kernel, outputs) };
                let dense = Step::Dense { kernel, bias: Some(bias) };
                Ok(vec![dense, Step::Activation(is_relu(byte(0))?)])
            }
            op::ELU => self.activation(Activation::Elu, operator),
            op::TANH => self.activation(Activation::Tanh, operator),
            op::GELU if byte(0) == 0 => self.activation(Activation::Gelu, operator),
            op::LEAKY_RELU => match operator.settings.slots[..] {
                [Setting::Float(slope)] if (0.0..1.0).contains(&slope) => {
                    self.activation(Activation::LeakyRelu { slope }, operator)
                }
                _ => Err("has a slope that is not in [0, 1)".into()),
            },
            op::SOFTMAX if operator.settings.slots == [Setting::Float(1.0)] => Ok(vec![Step::Softmax]),
            op::QUANTIZE if self.grids.is_empty() && self.assembly.is_empty() => {
                self.grids.push(self.grid(operator.output)?);
                self.is_int8 = true;
                Ok(Vec::new())
            }
            op::DEQUANTIZE if self.is_int8 => {
                self.is_int8 = false;
                Ok(Vec::new())
            }
            other => Err(format!("is operator {other} of TensorFlow Lite, which networks of floats do not have here")),
        }
    }

    /// The constant that is input `at` of `operator`.
    fn constant(&self, operator: &Operator, at: usize) -> Result<&'a Tensor, Refusal> {
        let tensor = operator.inputs.get(at).map(|tensor| &self.model.tensors[*tensor]);
        tensor.filter(|tensor| tensor.data.is_some()).ok_or_else(|| format!("its input {at} is no constant"))
    }

    /// Kernel of `shape`, whose first axis is the outputs, and bias.
    fn weights(&mut self, operator: &Operator, shape: &[usize]) -> Result<(Vec<f32>, Vec<f32>), Refusal> {
        if self.is_int8 {
            return self.integers(operator, shape, shape[0]);
        }
        Ok((self.floats(operator, 1, shape)?, self.floats(operator, 2, &shape[..1])?))
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
