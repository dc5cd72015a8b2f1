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
