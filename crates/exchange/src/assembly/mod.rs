//! From the layers of another program to a network of the family.
//!
//! Other programs put activations, batch normalisation and dropout into layers of their own, in an order of their own. The
//! family has blocks: convolution, activation, pool; then a global pool, dropout, dense layers. Here steps become blocks as far
//! as the answers stay the same. Factors and shifts of channels, such as those of batch normalisation, are folded into the
//! layer before them, or the one after; before the first layer they become the scaler.

mod affine;
mod dropout;
mod layers;

#[cfg(test)]
mod tests;

use triax_model::{
    Activation, ConvSpec, DenseSpec, Network, NetworkSpec, Padding, PoolKind, PoolSpec, Preparation, Scaler, Tensor,
    Weights,
};

pub(crate) use affine::Affine;
use dropout::Dropouts;

use crate::{About, Imported, ReadError};

/// What the family holds, for refusals.
pub(crate) const FAMILY: &str = "the family holds one to four one-dimensional convolutions, each with an activation (relu, elu, \
    gelu, leaky_relu, tanh, linear) and a pool, then a flatten or a global pool, dropout, and dense layers";

/// The most values of an input or a layer: that of a network.
pub(crate) const MOST_VALUES: usize = 1 << 28;

/// The most channels or features that are multiplied or shifted, which a file need not name one by one.
const MOST_FACTORS: usize = 1 << 22;

/// What a layer of another program does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Prepares each window by itself.
    Prepare(Preparation),
    /// Multiplies and shifts each channel, or each feature where they are flat.
    Affine(Affine),
    /// The same, learnt as batch normalisation.
    BatchNormalisation(Affine),
    /// A convolution over positions with weights (kernel, in, out) and one bias for each output.
    Conv { kernel: Values, bias: Option<Vec<f32>>, stride: usize, dilation: usize, pads: Pads },
    /// A pool.
    Pool(Pool),
    /// A pool over all positions, which leaves one feature for each channel.
    GlobalPool(PoolKind),
    /// Positions and channels become features.
    Flatten(Order),
    /// Drops features with this probability in training. Some programs drop otherwise than single features.
    Dropout { rate: f32, is_plain: bool },
    /// A dense layer with weights (in, out) and one bias for each output.
    Dense { kernel: Values, bias: Option<Vec<f32>> },
    /// What becomes of the sums of a layer.
    Activation(Activation),
    /// Turns scores into probabilities.
    Softmax,
}

/// An array of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Values {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Positions beyond the ends that a convolution or a pool reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pads {
    /// As many before and after.
    Explicit(usize, usize),
    /// As TensorFlow's `SAME`.
    Same,
}

impl Pads {
    pub const NONE: Self = Self::Explicit(0, 0);
}

impl From<Padding> for Pads {
    fn from(padding: Padding) -> Self {
        match padding {
            Padding::Same => Self::Same,
            Padding::Valid => Self::NONE,
        }
    }
}

/// How features are numbered that were positions and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Position-major, as in Keras.
    ChannelsLast,
    /// Channel-major, as in PyTorch.
    ChannelsFirst,
}

/// A pool of another program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    pub kind: PoolKind,
    pub size: usize,
    pub stride: usize,
    pub pads: Pads,
    /// Whether a last pool may reach beyond the end.
    pub rounds_up: bool,
    /// Whether a mean counts what is beyond the ends as zeros.
    pub counts_pads: bool,
}

/// Why a step has no place in the family. The caller says which layer of the file it is.
pub(crate) type Refusal = String;

/// A network of the family that grows step by step, in the order of the data.
#[derive(Debug)]
pub(crate) struct Assembly {
    window: usize,
    channels: usize,
    preparation: Preparation,
    scaler: Option<Scaler>,
    layers: Vec<Weighted>,
    global_pool: Option<PoolKind>,
    /// What the last step gives: (positions, channels), or (1, features).
    shape: (usize, usize),
    /// How features are numbered, once there are no positions any more.
    features: Option<Order>,
    last: Last,
    /// Factors and shifts that wait for the next layer with weights, with their place.
    pending: Option<(String, Affine)>,
    dropouts: Dropouts,
    softmax: bool,
    is_folded: bool,
    notices: Vec<String>,
}

/// A layer with weights.
#[derive(Debug)]
struct Weighted {
    place: String,
    kernel: Values,
    bias: Vec<f32>,
    activation: Activation,
    /// What a convolution has besides; `None` for a dense layer.
    conv: Option<ConvParts>,
}

#[derive(Clone, Copy, Debug)]
struct ConvParts {
    stride: usize,
    dilation: usize,
    padding: Padding,
    pool: Option<PoolSpec>,
}

/// What the last step gave.
#[derive(Debug)]
enum Last {
    /// The input.
    Start,
    /// The sums of the last layer with weights, after these pools.
    Sums(Vec<PoolKind>),
    /// What an activation has been applied to.
    Activated,
}

impl Assembly {
    /// A network for windows of (window, channels).
    ///
    /// # Errors
    /// A window without values, or with more than a network can have.
    pub fn new(window: usize, channels: usize) -> Result<Self, Refusal> {
        if !matches!(window.checked_mul(channels), Some(1..=MOST_VALUES)) {
            return Err(format!(
                "windows of {window} samples in {channels} channels; they have from 1 to {MOST_VALUES} values"
            ));
        }
        Ok(Self {
            window,
            channels,
            preparation: Preparation::default(),
            scaler: None,
            layers: Vec::new(),
            global_pool: None,
            shape: (window, channels),
            features: None,
            last: Last::Start,
            pending: None,
            dropouts: Dropouts::default(),
            softmax: false,
            is_folded: false,
            notices: Vec::new(),
        })
    }

    /// (positions, channels) of what the last step gives, or (1, features).
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Whether features have taken the place of positions and channels.
    pub fn is_flat(&self) -> bool {
        self.features.is_some()
    }

    /// Whether there is a layer with weights yet.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Lets the user know.
    pub fn notice(&mut self, notice: String) {
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// Adds a step, which messages about later ones call `place`.
    ///
    /// # Errors
    /// Why the step has no place in the family, with a remedy or with what the family holds.
    pub fn add(&mut self, place: &str, step: Step) -> Result<(), Refusal> {
        if self.softmax && !matches!(step, Step::Dropout { .. }) {
            return Err(format!("it follows a softmax, which can only be last; {FAMILY}"));
        }
        match step {
            Step::Prepare(preparation) => self.prepare(preparation),
            Step::Affine(affine) => self.affine(place, affine),
            Step::BatchNormalisation(affine) => {
                self.is_folded = true;
                self.affine(place, affine)
            }
            Step::Conv { kernel, bias, stride, dilation, pads } => {
                self.conv(place, kernel, bias, (stride, dilation), pads)
            }
            Step::Pool(pool) => self.pool(pool),
            Step::GlobalPool(kind) => self.global_pool(kind),
            Step::Flatten(order) => self.flatten(order),
            Step::Dropout { rate, is_plain } => {
                self.dropouts.add(place, rate, is_plain, self.layers.len());
                Ok(())
            }
            Step::Dense { kernel, bias } => self.dense(place, kernel, bias),
            Step::Activation(activation) => self.activation(activation),
            Step::Softmax => self.softmax(),
        }
    }

    /// The network.
    ///
    /// # Errors
    /// What is missing, or what the family does not have, with its place.
    pub fn finish(mut self, about: About) -> Result<Imported, ReadError> {
        let Some(scores) = self.layers.pop_if(|layer| layer.conv.is_none()) else {
            return Err(ReadError::new("the last layer", format!("it is not dense, with a score a class; {FAMILY}")));
        };
        if let Some((place, _)) = self.pending {
            return Err(ReadError::new(place, "no layer follows into whose weights it could be folded"));
        }
        if scores.activation != Activation::Linear {
            let problem = format!(
                "its scores go through `{}`, so it is no classifier of the family: its last layer is linear, or has a softmax",
                scores.activation
            );
            return Err(ReadError::new(scores.place, problem));
        }
        let n_convs = self.layers.iter().filter(|layer| layer.conv.is_some()).count();
        let (dropout, notice) = self.dropouts.place(n_convs);
        self.notices.extend(notice);
        let conv_spec = |layer: &Weighted| {
            let ConvParts { stride, dilation, padding, pool } = layer.conv?;
            let (kernel, filters, activation) = (layer.kernel.shape[0], layer.bias.len(), layer.activation);
            Some(ConvSpec { filters, kernel, stride, dilation, padding, activation, pool })
        };
        let spec = NetworkSpec {
            window: self.window,
            channels: self.channels,
            convs: self.layers.iter().filter_map(conv_spec).collect(),
            global_pool: self.global_pool,
            dropout,
            hidden: self.layers[n_convs..]
                .iter()
                .map(|layer| DenseSpec { units: layer.bias.len(), activation: layer.activation })
                .collect(),
            classes: scores.bias.len(),
        };
        let network =
            Network::new(spec.clone()).map_err(|error| ReadError::new("the network", format!("{error}; {FAMILY}")))?;
        self.layers.push(scores);
        let weights = weights(&network, self.layers)?;
        let Self { preparation, scaler, softmax, is_folded, notices, .. } = self;
        Ok(Imported { spec, weights, preparation, scaler, softmax, is_folded, about, notices })
    }
}

/// The weights of `layers`, which are those of `network`.
fn weights(network: &Network, layers: Vec<Weighted>) -> Result<Weights, ReadError> {
    let arrays =
        layers.into_iter().flat_map(|layer| [(layer.place.clone(), layer.kernel.values), (layer.place, layer.bias)]);
    let mut tensors = Vec::new();
    for (parameter, (place, values)) in network.parameters().iter().zip(arrays) {
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(ReadError::new(place, format!("its weights hold {value}; all must be finite")));
        }
        tensors.push(Tensor { name: parameter.name.clone(), shape: parameter.shape.clone(), values });
    }
    let weights = Weights { tensors };
    weights.fits(network).map_err(|problem| ReadError::new("the weights", problem))?;
    Ok(weights)
}
