//! The layout of a network on the device: the rows of a tile, and the vectors of the weights.

use triax_model::{Layer, Network, Tensor, Weights};

/// The samples of a tile: the lanes of a vector.
pub(super) const TILE: usize = 4;

/// The most invocations of a workgroup: the default limit of WebGPU.
pub(super) const WORKGROUP: usize = 256;

/// A dense layer or a convolution; `kernels/affine.wgsl` describes the fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Affine {
    pub name: String,
    pub x: usize,
    pub y: usize,
    pub d_x: usize,
    pub d_y: usize,
    pub weights: usize,
    pub channels: usize,
    pub kernel: usize,
    pub stride: usize,
    pub positions_in: usize,
    pub positions: usize,
    pub units: usize,
    pub relu: bool,
    pub dropped: bool,
}

impl Affine {
    /// The number of rows that an output position reads.
    pub fn inputs(&self) -> usize {
        self.kernel * self.channels
    }

    /// The number of vectors in a row of the weights.
    pub fn quads(&self) -> usize {
        self.units.div_ceil(4)
    }

    /// The number of invocations that share an output: as many as keep a workgroup busy, with at least four inputs for
    /// each.
    pub fn lanes(&self) -> usize {
        power_of_two(WORKGROUP / (self.positions * self.quads()).min(WORKGROUP)).min(power_of_two(self.inputs() / 4))
    }

    /// The number of tasks: each computes the gradients of four inputs by four units.
    fn gradient_tasks(&self) -> usize {
        (self.inputs() + 1).div_ceil(4) * self.quads()
    }

    /// The number of invocations that share a gradient, in batches of `tiles` tiles: one for about eight terms of the sum,
    /// and no more than a large GPU runs at the same time.
    pub fn gradient_lanes(&self, tiles: usize) -> usize {
        const AT_ONCE: usize = 1 << 14;
        let wanted = (tiles * self.positions / 8).min(AT_ONCE / self.gradient_tasks().min(AT_ONCE));
        power_of_two(wanted).min(WORKGROUP / 2)
    }

    /// The number of blocks of gradients, if a workgroup computes `slots` tasks at a time.
    pub fn gradient_blocks(&self, slots: usize) -> usize {
        self.gradient_tasks().div_ceil(slots)
    }

    /// The index of weight (`k`, `unit`) among the values of a model; `k` = inputs for the bias.
    fn value(&self, k: usize, unit: usize) -> usize {
        4 * (self.weights + k * self.quads()) + unit
    }
}

/// The largest power of two that is at most `n`; 1 for 0.
fn power_of_two(n: usize) -> usize {
    1 << n.max(1).ilog2()
}

/// A max-pooling; `kernels/max_pool.wgsl` describes the fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MaxPool {
    pub name: String,
    pub x: usize,
    pub y: usize,
    pub d_x: usize,
    pub d_y: usize,
    pub channels: usize,
    pub positions: usize,
    pub size: usize,
}

/// A layer with the rows it works on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Affine(Affine),
    MaxPool(MaxPool),
    /// In place, on a number of rows from `x` on.
    Dropout {
        x: usize,
        features: usize,
    },
}

/// The layout of a network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    /// One for each of [`Network::layers`], in order.
    pub stages: Vec<Stage>,
    /// Values of a window, of which the first `input_rows` are read.
    pub window_values: usize,
    pub input_rows: usize,
    pub channels: usize,
    pub classes: usize,
    /// Rows of a tile.
    pub rows: usize,
    /// Vectors of the weights of a model.
    pub weights: usize,
}

impl Layout {
    /// The layout of `network`.
    pub fn new(network: &Network) -> Self {
        let spec = network.spec();
        let positions = positions(network.layers());
        let (mut stages, mut n_weights) = (Vec::new(), 0);
        // The rows of the window, then those of outputs, then those of their gradients.
        let input_rows = rows_read(&network.layers()[0], positions[0]) * spec.channels;
        let n_outputs: usize = network.layers().iter().zip(&positions).map(|(layer, &n)| output_rows(layer, n)).sum();
        let (mut x, mut next, mut positions_in) = (0, input_rows, input_rows / spec.channels);
        let gradient_of = |row: usize| if row == 0 { 0 } else { row + n_outputs };
        let mut dropped = false;
        for (layer, &positions) in network.layers().iter().zip(&positions) {
            let (y, d_x, d_y) = (next, gradient_of(x), gradient_of(next));
            let mut affine = |name: &str, channels, kernel, stride, positions_in, units, relu, dropped| {
                let (name, weights) = (name.to_owned(), n_weights);
                n_weights += (kernel * channels + 1) * usize::div_ceil(units, 4);
                Stage::Affine(Affine {
                    name,
                    x,
                    y,
                    d_x,
                    d_y,
                    weights,
                    channels,
                    kernel,
                    stride,
                    positions_in,
                    positions,
                    units,
                    relu,
                    dropped,
                })
            };
            stages.push(match *layer {
                Layer::Conv { ref name, input, output, kernel, stride } => {
                    affine(name, input.1, kernel, stride, positions_in, output.1, true, false)
                }
                Layer::Dense { ref name, inputs, units, relu, .. } => {
                    affine(name, inputs, 1, 1, 1, units, relu, dropped)
                }
                Layer::MaxPool { ref name, output, size, .. } => {
                    let (name, channels) = (name.clone(), output.1);
                    Stage::MaxPool(MaxPool { name, x, y, d_x, d_y, channels, positions, size })
                }
                Layer::Dropout { units, .. } => Stage::Dropout { x, features: units },
            });
            dropped = matches!(layer, Layer::Dropout { .. });
            if !dropped {
                x = y;
                next += output_rows(layer, positions);
                positions_in = positions;
            }
        }
        Self {
            stages,
            window_values: spec.window * spec.channels,
            input_rows,
            channels: spec.channels,
            classes: spec.classes,
            rows: input_rows + 2 * n_outputs,
            weights: n_weights,
        }
    }

    /// The layers with weights, in order.
    pub fn affine(&self) -> impl DoubleEndedIterator<Item = &Affine> {
        self.stages.iter().filter_map(|stage| match stage {
            Stage::Affine(affine) => Some(affine),
            _ => None,
        })
    }

    /// Rows of the scores, and of their gradient.
    pub fn scores(&self) -> (usize, usize) {
        let last = self.affine().last().expect("a network ends in a dense layer");
        (last.y, last.d_y)
    }

    /// The tensors of `weights` as the values of one model on the device.
    pub fn pack(&self, weights: &Weights, values: &mut [f32]) {
        for (affine, tensors) in self.affine().zip(weights.tensors.chunks_exact(2)) {
            let (inputs, units) = (affine.inputs(), affine.units);
            let rows = tensors[0].values.chunks_exact(units).chain([&tensors[1].values[..]]);
            for (k, row) in rows.enumerate().take(inputs + 1) {
                values[affine.value(k, 0)..][..units].copy_from_slice(row);
            }
        }
    }

    /// The values of one model on the device as the tensors of `network`.
    pub fn unpack(&self, network: &Network, values: &[f32]) -> Weights {
        let rows = self.affine().flat_map(|affine| {
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

/// The output positions of each layer, without those that no pool reads; 1 for a dense layer.
fn positions(layers: &[Layer]) -> Vec<usize> {
    let n_positions = |(l, layer): (usize, &Layer)| match (layer, layers.get(l + 1)) {
        (_, Some(Layer::MaxPool { output, size, .. })) => output.0 * size,
        (Layer::Conv { output, .. } | Layer::MaxPool { output, .. }, _) => output.0,
        _ => 1,
    };
    layers.iter().enumerate().map(n_positions).collect()
}

/// The input positions that the first layer reads for `positions` output positions.
fn rows_read(first: &Layer, positions: usize) -> usize {
    match *first {
        Layer::Conv { kernel, stride, .. } => (positions - 1) * stride + kernel,
        _ => unreachable!("a network begins with a convolution"),
    }
}

fn output_rows(layer: &Layer, positions: usize) -> usize {
    match layer {
        Layer::Conv { output, .. } | Layer::MaxPool { output, .. } => positions * output.1,
        Layer::Dropout { .. } => 0,
        Layer::Dense { units, .. } => *units,
    }
}
