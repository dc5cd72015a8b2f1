//! The layout of a network on the device: the rows of a tile, and the vectors of the weights.

use triax_model::{Activation, Layer, Network, Tensor, Weights};

/// A dense layer, or a convolution with its ReLU, pool and dropout; `kernels/part/layer.wgsl` describes the fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Affine {
    pub name: String,
    pub x: usize,
    pub y: usize,
    pub winners: usize,
    pub d_x: usize,
    pub d_y: usize,
    pub weights: usize,
    pub channels: usize,
    pub kernel: usize,
    pub stride: usize,
    pub positions_in: usize,
    pub outputs: usize,
    pub pool: usize,
    pub units: usize,
    pub relu: bool,
    /// Whether dropout follows.
    pub drops: bool,
    /// Whether its input went through dropout.
    pub dropped: bool,
}

/// Rows behind the last one of the arena that a kernel may read: it reads several at a time, and drops what does not exist.
pub(in crate::gpu) const ROWS_READ_BEYOND: usize = 32;

/// The largest pool whose winners are packed, four units a row: `PACKED_POOL` of `kernels/part/layer.wgsl`.
const PACKED_POOL: usize = 64;

impl Affine {
    /// The number of rows that an output position reads.
    pub fn inputs(&self) -> usize {
        self.kernel * self.channels
    }

    /// The number of vectors in a row of the weights.
    pub fn quads(&self) -> usize {
        self.units.div_ceil(4)
    }

    /// Whether it has one position, and so no weight that two outputs share.
    pub fn is_dense(&self) -> bool {
        self.positions_in == 1 && self.outputs == 1 && self.pool == 1 && self.kernel == 1
    }

    /// The number of positions before the pool.
    pub fn positions(&self) -> usize {
        self.outputs * self.pool
    }

    fn output_rows(&self) -> usize {
        self.outputs * self.units
    }

    fn winner_rows(&self) -> usize {
        match self.pool {
            1 => 0,
            2..=PACKED_POOL => self.outputs * self.quads(),
            _ => self.output_rows(),
        }
    }

    /// The index of weight (`k`, `unit`) among the values of a model; `k` = inputs for the bias.
    fn value(&self, k: usize, unit: usize) -> usize {
        4 * (self.weights + k * self.quads()) + unit
    }
}

/// The layout of a network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Layout {
    /// The layers with weights, in order, each with what follows it.
    pub layers: Vec<Affine>,
    /// Values of a window, of which the first `input_rows` are read.
    pub window_values: usize,
    pub input_rows: usize,
    pub channels: usize,
    pub classes: usize,
    /// Rows of a tile that a forward pass writes: the window and every output.
    pub forward_rows: usize,
    /// Rows of a tile: these, what the pools took, and the gradients of the outputs.
    pub rows: usize,
    /// Vectors of the weights of a model.
    pub weights: usize,
}

impl Layout {
    /// The layout of `network`.
    pub fn new(network: &Network) -> Self {
        let spec = network.spec();
        let mut layers: Vec<Affine> = Vec::new();
        for layer in network.layers() {
            let dropped = layers.last().is_some_and(|before| before.drops);
            let affine = |name: &str, channels, kernel, stride, positions_in, outputs, units, relu| Affine {
                name: name.to_owned(),
                channels,
                kernel,
                stride,
                positions_in,
                outputs,
                pool: 1,
                units,
                relu,
                dropped,
                drops: false,
                x: 0,
                y: 0,
                winners: 0,
                d_x: 0,
                d_y: 0,
                weights: 0,
            };
            match (layer, layers.last_mut()) {
                (Layer::Conv { name, input, output, kernel, stride, .. }, _) => {
                    layers.push(affine(name, input.1, *kernel, *stride, input.0, output.0, output.1, true));
                }
                (Layer::Dense { name, inputs, units, activation, .. }, _) => {
                    let relu = *activation == Activation::Relu;
                    layers.push(affine(name, *inputs, 1, 1, 1, 1, *units, relu));
                }
                (Layer::Pool { output, size, .. }, Some(before)) => {
                    (before.outputs, before.pool) = (output.0, *size);
                }
                (Layer::Dropout { .. }, Some(before)) => before.drops = true,
                (Layer::Pool { .. } | Layer::Dropout { .. }, None) => {
                    unreachable!("a network begins with a convolution")
                }
            }
        }
        // Of the window, only the positions that the first layer reads.
        let first = &mut layers[0];
        first.positions_in = (first.positions() - 1) * first.stride + first.kernel;
        let input_rows = first.positions_in * spec.channels;
        let (mut next, mut weights) = (input_rows, 0);
        for n in 0..layers.len() {
            layers[n].x = if n == 0 { 0 } else { layers[n - 1].y };
            layers[n].y = next;
            next += layers[n].output_rows();
            layers[n].weights = weights;
            weights += (layers[n].inputs() + 1) * layers[n].quads();
        }
        let forward_rows = next;
        for layer in &mut layers {
            layer.winners = next;
            next += layer.winner_rows();
        }
        for n in 0..layers.len() {
            layers[n].d_x = if n == 0 { 0 } else { layers[n - 1].d_y };
            layers[n].d_y = next;
            next += layers[n].output_rows();
        }
        Self {
            layers,
            window_values: spec.window * spec.channels,
            input_rows,
            channels: spec.channels,
            classes: spec.classes,
            forward_rows,
            rows: next,
            weights,
        }
    }

    /// The last layer, whose outputs are the scores.
    pub fn last(&self) -> &Affine {
        self.layers.last().expect("a network ends in a dense layer")
    }

    /// Vectors that a kernel may read behind the last weight or row: a product reads four rows at a time.
    pub fn weights_read_beyond(&self) -> usize {
        4 * self.layers.iter().map(Affine::quads).max().unwrap_or(0)
    }

    /// The tensors of `weights` as the values of one model on the device.
    pub fn pack(&self, weights: &Weights, values: &mut [f32]) {
        for (affine, tensors) in self.layers.iter().zip(weights.tensors.chunks_exact(2)) {
            let (inputs, units) = (affine.inputs(), affine.units);
            let rows = tensors[0].values.chunks_exact(units).chain([&tensors[1].values[..]]);
            for (k, row) in rows.enumerate().take(inputs + 1) {
                values[affine.value(k, 0)..][..units].copy_from_slice(row);
            }
        }
    }

    /// The values of one model on the device as the tensors of `network`.
    pub fn unpack(&self, network: &Network, values: &[f32]) -> Weights {
        let rows = self.layers.iter().flat_map(|affine| {
            let row = move |k| values[affine.value(k, 0)..][..affine.units].iter().copied();
            let kernel: Vec<f32> = (0..affine.inputs()).flat_map(row).collect();
            [kernel, row(affine.inputs()).collect()]
        });
        let tensors = network.parameters().iter().zip(rows).map(|(parameter, values)| Tensor {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values,
        });
        Weights { tensors: tensors.collect() }
    }
}
