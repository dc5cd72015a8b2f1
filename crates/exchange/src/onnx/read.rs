//! Networks of the family from ONNX graphs.

use triax_model::{Activation, PoolKind, Preparation};

use super::axes::{Axes, Spread};
use super::constants::Values;
use super::model::{Dim, Model, Node, Port, data_type};
use super::walk;
use super::walk::{ends, steps};
use crate::about::{dropout_in, preparation_in};
use crate::assembly::{Affine, Assembly, FAMILY, MOST_VALUES, Refusal, Step};
use crate::{About, Imported, ReadError};

/// Whether `bytes` begin as an ONNX file does. Such files have no magic number: they are protocol buffers that begin with a
/// version, which fields follow that ONNX has. Some 64 bytes tell.
pub fn is_onnx(bytes: &[u8]) -> bool {
    Model::begins(bytes)
}

/// The network of an ONNX file: one that was written here, by PyTorch's `torch.onnx.export`, by tf2onnx, or like those.
///
/// Batch normalisation is folded into weights. Channels may come before or after the samples: the result reads (batch, window,
/// channels). Padding where there is nothing to pad is read as none: it computes the same.
///
/// # Errors
/// Bytes that are no ONNX file; what is not of the family, with its node; an ensemble of several networks.
pub fn read(bytes: &[u8]) -> Result<Imported, ReadError> {
    let mut members = read_ensemble(bytes)?;
    match (members.pop(), members.len()) {
        (Some(single), 0) => Ok(single),
        (_, others) => Err(ReadError::new(
            "file",
            format!("holds an ensemble of {} networks, and one is wanted: export a member alone", others + 1),
        )),
    }
}

/// The networks of an ONNX file, as [`super::write()`] has combined them: one, or several.
///
/// # Errors
/// As [`read`] has them, but for ensembles.
pub fn read_ensemble(bytes: &[u8]) -> Result<Vec<Imported>, ReadError> {
    networks(&Model::decode(bytes)?)
}

/// The networks of `model`.
pub fn networks(model: &Model) -> Result<Vec<Imported>, ReadError> {
    let values = Values::of(model);
    // Files from before IR 4 list their constants among the inputs.
    let is_given = |port: &&Port| !model.constants.iter().any(|(name, _)| *name == port.name);
    let inputs: Vec<&Port> = model.inputs.iter().filter(is_given).collect();
    let ([input], [output]) = (&inputs[..], &model.outputs[..]) else {
        let names: Vec<&str> = inputs.iter().map(|port| port.name.as_str()).collect();
        return Err(ReadError::new(
            "graph",
            format!(
                "has the inputs {names:?} and {} outputs; the family has one of each, the window and the scores. An exporter may \
                 have taken constants of the network for inputs",
                model.outputs.len()
            ),
        ));
    };
    let place = format!("input `{}`", input.name);
    if input.data_type != data_type::FLOAT {
        return Err(ReadError::new(place, "holds no 32-bit floats; export a float32 network"));
    }
    let Some((batch, dims)) = input.dims.split_first() else {
        return Err(ReadError::new(place, "has no shape; export it with (batch, window, channels)"));
    };
    let batch = match batch {
        Dim::Size(size) => Some(*size),
        Dim::Open(_) => None,
    };
    let fixed = |dim: &Dim| match dim {
        Dim::Size(size) => Some(*size),
        Dim::Open(_) => None,
    };
    let dims: Option<Vec<usize>> = dims.iter().map(fixed).collect();
    let Some(dims) = dims else {
        return Err(ReadError::new(
            place,
            "leaves the samples or channels of a window open; export it with fixed ones, only the batch may be open",
        ));
    };
    let refuse = |problem: String| ReadError::new(place.clone(), problem);
    let values_of_window = dims.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    if values_of_window.is_none_or(|values| values > MOST_VALUES) {
        return Err(refuse(format!("has windows of {dims:?}; the most is {MOST_VALUES} values")));
    }
    let axes = Axes::new(batch, &dims).map_err(refuse)?;
    let shape = match dims[..] {
        [window, channels] => Some((window, channels)),
        _ => None,
    };

    let entries = model.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let tells = shape.and_then(|(_, channels)| preparation_in(entries.clone(), channels));
    let (about, dropout) = (About::from_entries(entries.clone()), dropout_in(entries));
    let ends = ends(&values, &output.name)?;
    if ends.scores.len() > 1 && ends.are_logits != about.has_logits() {
        return Err(ReadError::new("graph", "combines networks in another way than is done after their loss"));
    }
    let mut members = Vec::new();
    for scores in ends.scores {
        let steps = steps(model, &values, &input.name, scores, shape, tells.as_ref())?;
        let mut reader = Reader { values: &values, axes: axes.clone(), assembly: None, early: Vec::new(), pads: None };
        for step in steps {
            reader.take(step)?;
        }
        let mut assembly = match reader.assembly {
            Some(assembly) if reader.pads.is_none() => assembly,
            _ => return Err(ReadError::new("graph", format!("has no convolution; {FAMILY}"))),
        };
        if ends.softmax {
            assembly.add("softmax", Step::Softmax).map_err(|problem| ReadError::new("softmax", problem))?;
        }
        let mut member = assembly.finish(about.clone())?;
        member.spec.dropout = dropout.unwrap_or(member.spec.dropout);
        members.push(member);
    }
    Ok(members)
}

/// What happens to the input before it is known which of its axes has the channels.
pub enum Early<'a> {
    Prepare(Preparation, &'a Node),
    /// An affine along this data axis, or the same for all elements.
    Affine(Option<usize>, Affine, fn(Affine) -> Step, &'a Node),
}

pub struct Reader<'a, 'v> {
    pub values: &'v Values<'a>,
    pub axes: Axes,
    /// The network, from its first convolution on.
    assembly: Option<Assembly>,
    early: Vec<Early<'a>>,
    /// Zeros that a node has put before and after the positions.
    pub pads: Option<(usize, usize)>,
}

impl<'a> Reader<'a, '_> {
    fn take(&mut self, step: walk::Step<'a>) -> Result<(), ReadError> {
        let (node, taken) = match step {
            walk::Step::Prepare(preparation, node) => (node, self.prepare(preparation, node)),
            walk::Step::Gelu(node) => (node, self.activation(node, Activation::Gelu)),
            walk::Step::Node(node, at) => (node, self.node(node, at)),
        };
        taken.map_err(|problem| ReadError::new(node.title(), problem))
    }

    fn prepare(&mut self, preparation: Preparation, node: &'a Node) -> Result<(), Refusal> {
        if !self.axes.is_untouched() {
            return Err("normalises a window whose axes were moved".into());
        }
        self.axes.prepare(&preparation)?;
        self.early.push(Early::Prepare(preparation, node));
        Ok(())
    }

    /// The network, if a convolution has begun it.
    pub fn begun(&mut self) -> Result<&mut Assembly, Refusal> {
        self.assembly.as_mut().ok_or_else(|| format!("comes before the first convolution; {FAMILY}"))
    }

    /// Adds what `node` does to the network.
    pub fn add(&mut self, node: &Node, step: Step) -> Result<(), Refusal> {
        let assembly = self.begun()?;
        assembly.add(&node.title(), step)?;
        let shape = assembly.shape();
        self.axes.set_shape(shape);
        Ok(())
    }

    fn activation(&mut self, node: &Node, activation: Activation) -> Result<(), Refusal> {
        self.add(node, Step::Activation(activation))
    }

    fn node(&mut self, node: &'a Node, at: usize) -> Result<(), Refusal> {
        if !node.domain.is_empty() {
            return Err(format!("is an operator of `{}`; {FAMILY}", node.domain));
        }
        if self.pads.is_some()
            && !matches!(node.op.as_str(), "Conv" | "Transpose" | "Unsqueeze" | "Squeeze" | "Identity")
        {
            return Err(
                "follows zeros that were put around the window; in the family only a convolution reads some".into()
            );
        }
        match node.op.as_str() {
            "Identity" => Ok(()),
            "Cast" if node.int("to") == Some(data_type::FLOAT) => Ok(()),
            "Dropout" => {
                let rate = node.inputs.get(1).and_then(|rate| self.values.number(rate)).or(node.float("ratio"));
                if self.assembly.is_none() {
                    return Ok(());
                }
                self.add(node, Step::Dropout { rate: rate.unwrap_or(0.5), is_plain: true })
            }
            "Transpose" => {
                let reversed: Vec<i64> = (0..self.axes.rank() as i64).rev().collect();
                self.axes.transpose(node.ints("perm").unwrap_or(&reversed))
            }
            "Unsqueeze" => self.axes.unsqueeze(&self.integers(node, 1, "axes").ok_or("its axes are no constant")?),
            "Squeeze" => {
                let axes = self.integers(node, 1, "axes");
                if axes.is_none() && node.inputs.len() > 1 {
                    return Err("its axes are no constant".into());
                }
                self.axes.squeeze(axes.as_deref())
            }
            "Reshape" => {
                let shape = node.inputs.get(1).and_then(|shape| self.values.shape(shape));
                let order = self.axes.reshape(&shape.ok_or("its shape is no constant")?)?;
                order.map_or(Ok(()), |order| self.add(node, Step::Flatten(order)))
            }
            "Flatten" if node.int("axis").unwrap_or(1) == 1 => self.flatten(node),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(node, at),
            "BatchNormalization" => self.batch_normalisation(node),
            "Pad" => self.pad(node),
            "Conv" => self.conv(node),
            "MaxPool" => self.pool(node, PoolKind::Max),
            "AveragePool" => self.pool(node, PoolKind::Average),
            "GlobalMaxPool" => self.global_pool(node, PoolKind::Max),
            "GlobalAveragePool" => self.global_pool(node, PoolKind::Average),
            "ReduceMax" => self.reduce(node, PoolKind::Max),
            "ReduceMean" => self.reduce(node, PoolKind::Average),
            "Relu" => self.activation(node, Activation::Relu),
            "Tanh" => self.activation(node, Activation::Tanh),
            "Elu" if node.float("alpha").unwrap_or(1.0) == 1.0 => self.activation(node, Activation::Elu),
            "LeakyRelu" => self.leaky_relu(node, node.float("alpha").unwrap_or(0.01)),
            "PRelu" => {
                let slopes = self.floats(node, 1, "slope")?.1;
                match slopes.first() {
                    Some(slope) if slopes.iter().all(|other| other == slope) => self.leaky_relu(node, *slope),
                    _ => Err("has a slope for each channel; the family's leaky ReLU has one".into()),
                }
            }
            "Gelu" if node.text("approximate").unwrap_or("none") == "none" => self.activation(node, Activation::Gelu),
            "Gemm" => self.gemm(node),
            "MatMul" if at == 0 => self.matmul(node),
            "Softmax" => {
                self.check_class_axis(node)?;
                self.add(node, Step::Softmax)
            }
            "LogSoftmax" => {
                self.check_class_axis(node)?;
                self.begun()?.notice(format!("{} is left out: scores are those before it", node.title()));
                Ok(())
            }
            "QuantizeLinear" | "DequantizeLinear" | "QLinearConv" | "ConvInteger" => {
                Err("computes in integers; read the float network that it was made of".into())
            }
            _ => Err(format!("is no operator of the family; {FAMILY}")),
        }
    }

    /// Integers that are input `at` of `node`, or its attribute.
    pub fn integers(&self, node: &Node, at: usize, attribute: &str) -> Option<Vec<i64>> {
        match node.inputs.get(at) {
            Some(input) => self.values.integers(input),
            None => node.ints(attribute).map(<[i64]>::to_vec),
        }
    }

    /// The float constant that is input `at` of `node`, with its shape.
    pub fn floats(&self, node: &Node, at: usize, what: &str) -> Result<(Vec<usize>, Vec<f32>), Refusal> {
        let found = node.inputs.get(at).and_then(|input| self.values.floats(input));
        found.ok_or_else(|| format!("its {what} is no constant of 32-bit floats"))
    }

    fn leaky_relu(&mut self, node: &Node, slope: f32) -> Result<(), Refusal> {
        if !(0.0..1.0).contains(&slope) {
            return Err(format!("has a slope of {slope}; the family's leaky ReLU has one in [0, 1)"));
        }
        self.activation(node, Activation::LeakyRelu { slope })
    }

    fn check_class_axis(&self, node: &Node) -> Result<(), Refusal> {
        match node.int("axis") {
            None | Some(-1 | 1) if self.axes.is_flat() => Ok(()),
            _ => Err("does not go over the classes".into()),
        }
    }

    pub fn flatten(&mut self, node: &Node) -> Result<(), Refusal> {
        if self.axes.is_flat() {
            return Ok(());
        }
        let order = self.axes.flatten()?;
        self.add(node, Step::Flatten(order))
    }

    /// A constant is added, subtracted, multiplied or divided by.
    fn arithmetic(&mut self, node: &'a Node, at: usize) -> Result<(), Refusal> {
        let (dims, constants) = self.floats(node, 1 - at.min(1), "constant")?;
        if at > 0 && matches!(node.op.as_str(), "Sub" | "Div") {
            return Err(
                "takes the window away from a constant, or divides a constant by it; the family has no such layer"
                    .into(),
            );
        }
        let spread = self.axes.spread(&dims)?;
        let of = |constant: &f32| {
            let constant = f64::from(*constant);
            match node.op.as_str() {
                "Add" => (1.0, constant),
                "Sub" => (1.0, -constant),
                "Mul" => (constant, 0.0),
                _ => (constant.recip(), 0.0),
            }
        };
        let (factor, shift) = constants.iter().map(of).unzip();
        self.affine(node, &spread, Affine::new(factor, shift)?, Step::Affine)
    }

    /// Hands an affine on: to the network, or to what it will begin with.
    fn affine(
        &mut self,
        node: &'a Node,
        spread: &Spread,
        affine: Affine,
        step: fn(Affine) -> Step,
    ) -> Result<(), Refusal> {
        let along = match spread {
            Spread::Along(axis) => Some(*axis),
            Spread::All | Spread::Features => None,
        };
        let Some(assembly) = &self.assembly else {
            self.early.push(Early::Affine(along, affine, step, node));
            return Ok(());
        };
        if along.is_some() && along != self.axes.channel() {
            return Err("has a number for each position; the family has one for each channel".into());
        }
        let affine = if *spread == Spread::All { affine.over(assembly.shape().1)? } else { affine };
        self.add(node, step(affine))
    }

    fn batch_normalisation(&mut self, node: &'a Node) -> Result<(), Refusal> {
        if node.int("training_mode").unwrap_or(0) != 0 {
            return Err("is in training mode; export the network for inference".into());
        }
        let mut constants = Vec::new();
        for (at, what) in [(1, "scale"), (2, "bias"), (3, "mean"), (4, "variance")] {
            constants.push(self.floats(node, at, what)?.1);
        }
        let [gamma, beta, mean, variance] = [0, 1, 2, 3].map(|at| constants[at].as_slice());
        let epsilon = f64::from(node.float("epsilon").unwrap_or(1e-5));
        let affine = Affine::batch_normalisation(Some(gamma), Some(beta), mean, variance, epsilon)?;
        let mut dims = vec![affine.len()];
        dims.resize(self.axes.rank() - 1, 1);
        let spread = self.axes.spread(&dims)?;
        self.affine(node, &spread, affine, Step::BatchNormalisation)
    }

    /// Begins the network, now that it is known which axis holds the channels.
    pub fn begin(&mut self) -> Result<(), Refusal> {
        if self.assembly.is_some() {
            return Ok(());
        }
        let (window, channels, is_channels_last) = self.axes.window()?;
        let derives = self.early.iter().find_map(|early| match early {
            Early::Prepare(preparation, _) if is_channels_last => Some(preparation.channels_in(channels)),
            _ => None,
        });
        let mut assembly = Assembly::new(window, derives.transpose()?.unwrap_or(channels))?;
        if !is_channels_last {
            assembly.notice(format!(
                "the file reads windows as ({channels} channels, {window} samples); here they are ({window}, {channels})"
            ));
        }
        for early in std::mem::take(&mut self.early) {
            let (node, step) = match early {
                Early::Prepare(_, node) if !is_channels_last => {
                    (node, Err("takes the channels for samples".to_owned()))
                }
                Early::Prepare(preparation, node) => (node, Ok(Step::Prepare(preparation))),
                Early::Affine(None, affine, step, node) => (node, affine.over(assembly.shape().1).map(step)),
                Early::Affine(along, affine, step, node) if along == self.axes.channel() => (node, Ok(step(affine))),
                Early::Affine(.., node) => {
                    (node, Err("has a number for each sample of a window; the family has one for each channel".into()))
                }
            };
            let taken = step.and_then(|step| assembly.add(&node.title(), step));
            taken.map_err(|problem| format!("{problem} ({} before it)", node.title()))?;
        }
        self.assembly = Some(assembly);
        Ok(())
    }
}
