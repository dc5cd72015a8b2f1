//! The stages of a network on the CPU.

use triax_model::{Layer, Network, reach};

use super::affine::Affine;
use super::pool::Pool;

/// One layer. It maps rows (positions × channels, one row for each feature) to rows.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    Affine(Affine),
    Pool(Pool),
    Dropout { features: usize },
}

impl Stage {
    /// The number of output rows.
    pub fn n_outputs(&self) -> usize {
        match self {
            Self::Affine(affine) => affine.output.0 * affine.output.1,
            Self::Pool(pool) => pool.output.0 * pool.output.1,
            Self::Dropout { features } => *features,
        }
    }

    /// Where output rows may be divided among threads: at multiples of this number. Dropout draws four features at a time,
    /// and products are in blocks of rows.
    pub fn grain(&self) -> usize {
        match self {
            Self::Affine(_) | Self::Dropout { .. } => 4,
            Self::Pool(pool) => pool.output.1,
        }
    }

    /// [`Stage::grain`] of the gradients of input rows.
    pub fn input_grain(&self) -> usize {
        match self {
            Self::Affine(_) | Self::Dropout { .. } => 4,
            Self::Pool(pool) => pool.input_grain(),
        }
    }

    /// The rows of zeros before and behind its input.
    pub fn margin_rows(&self) -> [usize; 2] {
        match self {
            Self::Affine(affine) => affine.margin_rows(),
            Self::Pool(_) | Self::Dropout { .. } => [0; 2],
        }
    }

    /// The rows that its forward pass keeps for the backward pass, beside its output: the factors of dropout, or derivatives
    /// of an activation.
    pub fn n_factors(&self) -> usize {
        match self {
            Self::Affine(affine) => affine.n_slopes(),
            Self::Pool(_) => 0,
            Self::Dropout { features } => *features,
        }
    }
}

/// The stages of `network` in the order of its layers. Positions of a convolution behind the last that its pool reads are left
/// out: they affect neither a score nor a gradient.
pub(super) fn stages(network: &Network) -> Vec<Stage> {
    let mut parameters = 0;
    let layers = network.layers();
    // Positions of the last convolution that are computed.
    let mut computed = 0;
    let stage = |(l, layer): (usize, &Layer)| match *layer {
        Layer::Conv { input, output, kernel, stride, dilation, before, activation, .. } => {
            computed = match layers.get(l + 1) {
                Some(Layer::Pool { output: pooled, size, stride, before, .. }) => {
                    output.0.min(((pooled.0 - 1) * stride).saturating_add(*size) - before)
                }
                _ => output.0,
            };
            let read = (computed - 1) * stride + reach(kernel, dilation);
            let margins = [before, read.saturating_sub(before + input.0)];
            let output = (computed, output.1);
            let affine = Affine { input, margins, output, kernel, stride, dilation, activation, parameters };
            parameters += affine.n_parameters();
            Stage::Affine(affine)
        }
        Layer::Pool { kind, input, output, size, stride, before, .. } => {
            let positions = match l.checked_sub(1).map(|before| &layers[before]) {
                Some(Layer::Conv { .. }) => computed,
                _ => input.0,
            };
            Stage::Pool(Pool { kind, input: (positions, input.1), output, size, stride, before })
        }
        Layer::Dropout { units, .. } => Stage::Dropout { features: units },
        // A dense layer is a convolution of one position whose channels are its inputs.
        Layer::Dense { inputs, units, activation, .. } => {
            let (input, output, margins) = ((1, inputs), (1, units), [0; 2]);
            let affine = Affine { input, margins, output, kernel: 1, stride: 1, dilation: 1, activation, parameters };
            parameters += affine.n_parameters();
            Stage::Affine(affine)
        }
    };
    layers.iter().enumerate().map(stage).collect()
}
