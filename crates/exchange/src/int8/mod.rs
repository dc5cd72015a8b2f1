//! Networks in integers of eight bits: the quantiser of all formats, and the arithmetic that they share.
//!
//! The input stays in the sensor's unit. Normalisation and scaler are computed in floating point; then each tensor lies on a
//! [`Grid`], as in TensorFlow Lite: activations with a zero point, weights without. All arithmetic between the first and the
//! last grid is in integers, and bit-identical to the reference kernels of TensorFlow Lite Micro, whose rule of rounding
//! is [`Multiplier::apply`].
//!
//! Convolutions have a grid for each filter. A dense layer has one for all its weights: runtimes from before 2024 know no other
//! for it, and take the first grid of several without a word.

mod arithmetic;
mod fixed_point;
mod lookup;
mod parts;
mod quantise;

use triax_model::{Layer, Network, Preparation, Scaler};

pub use fixed_point::Multiplier;
use lookup::Lookup;
pub(crate) use parts::{Integers, QuantisedAffine};
pub use quantise::quantise;

use crate::About;

/// A trained network in integers, as [`quantise()`] makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    /// The layers.
    pub network: Network,
    /// Normalisation of each window by itself, in floating point.
    pub preparation: Preparation,
    /// Standardisation of the channels, after that, in floating point.
    pub scaler: Option<Scaler>,
    /// Whether a softmax follows the scores, in floating point.
    pub softmax: bool,
    /// What a file says about the network.
    pub about: About,
    /// Where what the first layer reads lies.
    pub input: Grid,
    /// The layers of `network` in their order, without dropout.
    pub layers: Vec<QuantisedLayer>,
}

/// The numbers that integers of eight bits stand for: `scale · (integer − zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// From one number to the next, above 0.
    pub scale: f32,
    /// The integer that stands for 0, in [−128, 127].
    pub zero_point: i32,
}

/// A layer in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedLayer {
    /// The layer, with its name, shapes and activation.
    pub layer: Layer,
    /// What a convolution or a dense layer computes with; a pool has nothing.
    pub affine: Option<Affine>,
    /// Where its results lie. A pool keeps the grid of its input.
    pub output: Grid,
}

/// What a convolution or a dense layer computes with: `activation(multiplier · (kernel · input + bias))`.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// Weights (outputs, kernel, inputs) or (outputs, inputs), in [−127, 127]. Their zero point is 0.
    pub kernel: Vec<i8>,
    /// Scale of the weights: of a convolution one for each output, of a dense layer a single one.
    pub kernel_scales: Vec<f32>,
    /// Bias of each output, in steps of input scale · kernel scale.
    pub bias: Vec<i32>,
    /// What brings the sums to `sums`: as many as `kernel_scales`, all below 1.
    pub multipliers: Vec<Multiplier>,
    /// Where the sums lie. Without an activation of their own, or with a ReLU, this is the grid of the results.
    pub sums: Grid,
    /// The smallest integer of the sums: the zero point where a ReLU follows, else −128.
    pub least: i8,
    /// The activation, if it is neither linear nor a ReLU: the integer of the result for each integer of the sums, from −128.
    pub lookup: Option<Box<[i8; 256]>>,
}

impl Affine {
    /// The scale of the bias of each of `kernel_scales`, after a layer or an input on `input`.
    pub fn bias_scales(&self, input: Grid) -> Vec<f32> {
        self.kernel_scales.iter().map(|scale| input.scale * scale).collect()
    }
}

impl Quantised {
    /// Scores (n_windows, classes) of `windows` (n_windows, window, channels).
    ///
    /// # Panics
    /// If `windows` is no whole number of windows, or the parts do not fit each other: those of [`quantise()`] do.
    pub fn scores(&self, windows: &[f32]) -> Vec<f32> {
        arithmetic::scores(self, windows)
    }

    /// The integers (n_windows, classes) that [`Self::scores`] come from: all of the arithmetic but the last multiplication and
    /// the softmax.
    ///
    /// # Panics
    /// As [`Self::scores`] does.
    pub fn integers(&self, windows: &[f32]) -> Vec<i8> {
        arithmetic::integers(self, windows)
    }

    /// The number of channels of the windows that it reads: those of the sensors.
    ///
    /// # Panics
    /// If its parts do not fit each other.
    pub fn channels(&self) -> usize {
        self.preparation.channels_in(self.network.spec().channels).expect("the parts of the network fit each other")
    }

    /// Where the scores lie, before a softmax.
    ///
    /// # Panics
    /// If there is no layer: [`quantise()`] makes some.
    pub fn output(&self) -> Grid {
        self.layers.last().expect("a network has layers").output
    }
}

impl Grid {
    /// The grid of 256 numbers over the smallest interval that holds `low`, `high` and 0.
    fn over(low: f32, high: f32) -> Self {
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        // Products of two scales must be above 0 in f32 too.
        let scale = ((high - low) / 255.0).max(LEAST_SCALE) as f32;
        let zero_point = (-128.0 - low / f64::from(scale)).round().clamp(-128.0, 127.0) as i32;
        Self { scale, zero_point }
    }

    /// This grid with a scale of at least `scale`: it holds the same numbers and more.
    fn at_least(self, scale: f32) -> Self {
        Self { scale: self.scale.max(scale), ..self }
    }

    /// The integer next to `number`; halves are rounded away from 0.
    pub fn integer(self, number: f32) -> i8 {
        ((number / self.scale).round() as i32).saturating_add(self.zero_point).clamp(-128, 127) as i8
    }

    /// The number that `integer` stands for.
    pub fn number(self, integer: i8) -> f32 {
        self.scale * (i32::from(integer) - self.zero_point) as f32
    }
}

/// The least scale of a grid.
const LEAST_SCALE: f64 = 1e-15;
