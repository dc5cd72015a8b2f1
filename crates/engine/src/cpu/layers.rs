//! The stages of a network on the CPU.

use triax_model::{Activation, Layer, Network};

use super::affine::Affine;
use super::max_pool::MaxPool;

/// One layer. It maps rows (positions × channels, one row for each feature) to rows.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    Affine(Affine),
    MaxPool(MaxPool),
    Dropout { features: usize },
}

impl Stage {
    /// The number of output rows.
    pub fn n_outputs(&self) -> usize {
        match self {
            Self::Affine(affine) => affine.output.0 * affine.output.1,
            Self::MaxPool(pool) => pool.output.0 * pool.output.1,
            Self::Dropout { features } => *features,
        }
    }

    /// Where output rows may be divided among threads: at multiples of this number. Dropout draws four features at a time,
    /// and products are in blocks of rows.
    pub fn grain(&self) -> usize {
        match self {
            Self::Affine(_) | Self::Dropout { .. } => 4,
            Self::MaxPool(pool) => pool.output.1,
        }
    }

    /// [`Stage::grain`] of the gradients of input rows.
    pub fn input_grain(&self) -> usize {
        match self {
            Self::Affine(_) | Self::Dropout { .. } => 4,
            Self::MaxPool(pool) => pool.size * pool.output.1,
        }
    }
}

/// The stages of `network` in the order of its layers. Positions of a convolution that its pool does not read are left out:
/// they affect neither a score nor a gradient.
pub(super) fn stages(network: &Network) -> Vec<Stage> {
    let mut parameters = 0;
    let layers = network.layers();
    let stage = |(l, layer): (usize, &Layer)| match *layer {
        Layer::Conv { input, output, kernel, stride, .. } => {
            let positions = match layers.get(l + 1) {
                Some(Layer::Pool { output, size, .. }) => output.0 * size,
                _ => output.0,
            };
            let affine = Affine { input, output: (positions, output.1), kernel, stride, relu: true, parameters };
            parameters += affine.n_parameters();
            Stage::Affine(affine)
        }
        Layer::Pool { output, size, .. } => Stage::MaxPool(MaxPool { output, size }),
        Layer::Dropout { units, .. } => Stage::Dropout { features: units },
        // A dense layer is a convolution of one position whose channels are its inputs.
        Layer::Dense { inputs, units, activation, .. } => {
            let relu = activation == Activation::Relu;
            let affine = Affine { input: (1, inputs), output: (1, units), kernel: 1, stride: 1, relu, parameters };
            parameters += affine.n_parameters();
            Stage::Affine(affine)
        }
    };
    layers.iter().enumerate().map(stage).collect()
}
