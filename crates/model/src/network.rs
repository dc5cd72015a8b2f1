//! The specification of a network, and the layers and parameters that follow from it.

use serde::{Deserialize, Serialize};

/// One block: Conv1D (valid padding), ReLU, and max-pooling where `pool` is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvSpec {
    /// Output channels.
    pub filters: usize,
    /// Length of the convolution's kernel, in positions.
    pub kernel: usize,
    /// Stride of the convolution, in positions.
    pub stride: usize,
    /// Length and stride of the max-pooling after the ReLU; none where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<usize>,
}

/// What a network of the `SensorCnn` family is made of: convolution blocks, dropout, flatten, hidden dense layers with
/// ReLU, and a linear dense layer with one output a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Samples in a window.
    pub window: usize,
    /// Sensor channels.
    pub channels: usize,
    /// One to four convolution blocks.
    pub convs: Vec<ConvSpec>,
    /// Probability that a feature is dropped between the convolutions and the dense layers, in [0, 1).
    pub dropout: f32,
    /// Units of each hidden dense layer.
    pub hidden: Vec<usize>,
    /// Outputs of the last layer.
    pub classes: usize,
}

impl Default for NetworkSpec {
    /// The reference network: 120×3 windows, six classes, 114,894 parameters.
    fn default() -> Self {
        Self {
            window: 120,
            channels: 3,
            convs: vec![
                ConvSpec { filters: 32, kernel: 3, stride: 2, pool: Some(2) },
                ConvSpec { filters: 64, kernel: 3, stride: 2, pool: None },
            ],
            dropout: 0.1,
            hidden: vec![120],
            classes: 6,
        }
    }
}

/// A specification that cannot work, with the layer at fault.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{layer}: {problem}")]
pub struct SpecError {
    /// The layer (`conv2`, `pool1`, `dense1`) or setting (`window`, `classes`) at fault.
    pub layer: String,
    /// What is wrong with it, and what would work.
    pub problem: String,
}

/// A layer with its shapes as (positions, channels).
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// Convolution and ReLU.
    Conv {
        /// `conv1`, `conv2`, …
        name: String,
        /// Input (positions, channels).
        input: (usize, usize),
        /// Output (positions, channels).
        output: (usize, usize),
        /// Length of the convolution's kernel.
        kernel: usize,
        /// Stride of the convolution.
        stride: usize,
    },
    /// Max-pooling over `size` positions with stride `size`; positions left over at the end are not read.
    MaxPool {
        /// `pool1`, …
        name: String,
        /// Input (positions, channels).
        input: (usize, usize),
        /// Output (positions, channels).
        output: (usize, usize),
        /// Length and stride.
        size: usize,
    },
    /// Dropout over `units` features; inactive outside training.
    Dropout {
        /// Features.
        units: usize,
        /// Probability of dropping.
        rate: f32,
    },
    /// Dense layer, with ReLU unless it is the last.
    Dense {
        /// `dense1`, `dense2`, …
        name: String,
        /// Input features: after the convolutions position-major, channel-minor, as Keras flattens.
        inputs: usize,
        /// Output features.
        units: usize,
        /// Whether a ReLU follows.
        relu: bool,
    },
}

/// A parameter tensor in Keras's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// `conv1.kernel`, `conv1.bias`, …
    pub name: String,
    /// (kernel, in, out) for a convolution, (in, out) for a dense layer, (out) for a bias.
    pub shape: Vec<usize>,
    /// Inputs that reach one output: Keras's fan-in (channels × kernel for a convolution); 0 for a bias.
    pub fan_in: usize,
    /// Outputs that one input reaches; 0 for a bias.
    pub fan_out: usize,
}

impl Parameter {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no values; never, in a valid network.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A specification known to work, with its layers and parameters in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    spec: NetworkSpec,
    layers: Vec<Layer>,
    parameters: Vec<Parameter>,
}

/// Most values that one tensor, one sample's activations or all parameters may have: 1 GiB of f32. Everything in a
/// valid network can then be counted in 32 bits, which is what a GPU indexes with.
const MOST_VALUES: usize = 1 << 28;

impl Network {
    /// Works out layers and parameters of `spec`.
    ///
    /// # Errors
    /// The first layer or setting that cannot work: a zero size, no or more than four convolution blocks, a window that
    /// is shorter than its kernels and pools need, a dropout outside [0, 1), fewer than two classes, or more than 2²⁸
    /// values in a layer or in all parameters together.
    pub fn new(spec: NetworkSpec) -> Result<Self, SpecError> {
        let refuse = |layer: &str, problem: String| Err(SpecError { layer: layer.to_owned(), problem });
        for (setting, size) in [("window", spec.window), ("channels", spec.channels)] {
            if size == 0 {
                return refuse(setting, "is 0; it must be at least 1".into());
            }
        }
        if !(1..=4).contains(&spec.convs.len()) {
            return refuse("convs", format!("{} convolution blocks; there must be one to four", spec.convs.len()));
        }
        if !(0.0..1.0).contains(&spec.dropout) {
            return refuse("dropout", format!("{} is not a probability in [0, 1)", spec.dropout));
        }
        if spec.classes < 2 {
            return refuse("classes", format!("{} given; there must be at least 2 to tell apart", spec.classes));
        }

        let mut builder = Builder::default();
        let mut shape = (spec.window, spec.channels);
        count_values("window", &[shape.0, shape.1])?;
        for (i, conv) in spec.convs.iter().enumerate() {
            shape = builder.conv(i + 1, shape, conv)?;
        }
        let mut units = shape.0 * shape.1;
        builder.layers.push(Layer::Dropout { units, rate: spec.dropout });
        for (i, &n) in spec.hidden.iter().chain([&spec.classes]).enumerate() {
            units = builder.dense(i + 1, units, n, i < spec.hidden.len())?;
        }
        Ok(Self { layers: builder.layers, parameters: builder.parameters, spec })
    }

    /// The specification this network was made from.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The parameter tensors in order: kernel, then bias, of each layer that has them.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Number of trainable values.
    pub fn n_parameters(&self) -> usize {
        self.parameters.iter().map(Parameter::len).sum()
    }

    /// Features of a flattened window after the convolutions: what the first dense layer reads.
    pub fn features(&self) -> usize {
        let units = self.layers.iter().find_map(|layer| match layer {
            Layer::Dropout { units, .. } => Some(*units),
            _ => None,
        });
        units.expect("every network has its dropout layer")
    }
}

/// The product of `sizes`, unless `layer` would have more than [`MOST_VALUES`].
fn count_values(layer: &str, sizes: &[usize]) -> Result<usize, SpecError> {
    let product = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    product.filter(|&n| n <= MOST_VALUES).ok_or_else(|| SpecError {
        layer: layer.to_owned(),
        problem: format!("{sizes:?} is more than the {MOST_VALUES} values (1 GiB) that a tensor may have"),
    })
}

/// Layers and parameters as they are added, one after the other.
#[derive(Default)]
struct Builder {
    layers: Vec<Layer>,
    parameters: Vec<Parameter>,
    n_parameters: usize,
}

impl Builder {
    /// Adds block `number` and returns its output as (positions, channels).
    fn conv(&mut self, number: usize, input: (usize, usize), conv: &ConvSpec) -> Result<(usize, usize), SpecError> {
        let ConvSpec { filters, kernel, stride, pool } = *conv;
        let name = format!("conv{number}");
        let refuse = |problem: String| Err(SpecError { layer: name.clone(), problem });
        for (what, size) in [("filters", filters), ("kernel", kernel), ("stride", stride)] {
            if size == 0 {
                return refuse(format!("{what} is 0; it must be at least 1"));
            }
        }
        if input.0 < kernel {
            return refuse(format!(
                "its kernel needs {kernel} positions and only {} of the window are left; \
                 take a longer window, a shorter kernel, or less stride and pooling before it",
                input.0
            ));
        }
        let output = ((input.0 - kernel) / stride + 1, filters);
        count_values(&name, &[output.0, output.1])?;
        self.parameters_of(&name, vec![kernel, input.1, filters], kernel)?;
        self.layers.push(Layer::Conv { name, input, output, kernel, stride });

        let Some(size) = pool else { return Ok(output) };
        let name = format!("pool{number}");
        let refuse = |problem: String| Err(SpecError { layer: name.clone(), problem });
        if size == 0 {
            return refuse("its size is 0; it must be at least 1, or absent".into());
        }
        if output.0 < size {
            return refuse(format!("pools over {size} positions and only {} are left; make it smaller", output.0));
        }
        let pooled = (output.0 / size, filters);
        self.layers.push(Layer::MaxPool { name, input: output, output: pooled, size });
        Ok(pooled)
    }

    /// Adds dense layer `number` and returns its units.
    fn dense(&mut self, number: usize, inputs: usize, units: usize, relu: bool) -> Result<usize, SpecError> {
        let name = format!("dense{number}");
        if units == 0 {
            return Err(SpecError { layer: name, problem: "has 0 units; it must have at least 1".into() });
        }
        self.parameters_of(&name, vec![inputs, units], 1)?;
        self.layers.push(Layer::Dense { name, inputs, units, relu });
        Ok(units)
    }

    /// Adds kernel and bias of `layer`. The last two axes of `shape` are (in, out); `receptive` is the length of a
    /// convolution's kernel, 1 for a dense layer.
    fn parameters_of(&mut self, layer: &str, shape: Vec<usize>, receptive: usize) -> Result<(), SpecError> {
        let n_kernel = count_values(layer, &shape)?;
        let [.., inputs, outputs] = shape[..] else { unreachable!("a kernel has at least two axes") };
        self.n_parameters += n_kernel + outputs;
        count_values(layer, &[self.n_parameters]).map_err(|_| SpecError {
            layer: layer.to_owned(),
            problem: format!(
                "brings the network to {} parameters; the most is {MOST_VALUES} (1 GiB)",
                self.n_parameters
            ),
        })?;
        self.parameters.push(Parameter {
            name: format!("{layer}.kernel"),
            shape,
            fan_in: receptive * inputs,
            fan_out: receptive * outputs,
        });
        self.parameters.push(Parameter { name: format!("{layer}.bias"), shape: vec![outputs], fan_in: 0, fan_out: 0 });
        Ok(())
    }
}
