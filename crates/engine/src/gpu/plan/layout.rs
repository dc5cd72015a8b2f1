//! The layout of a network on the device: the rows of a tile, and the vectors of the weights.

use crate::EngineError;
use triax_model::{Activation, Layer, Network, Padding, PoolKind, Tensor, Weights};

/// A dense layer, or a convolution with its ReLU, pool and dropout; `kernels/part/layer.wgsl` describes the fields. A padded
/// convolution reads an input with rows of zeros at its ends.
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
    /// Whether its input is the output of a tail.
    pub after_tail: bool,
    /// Rows of zeros before and behind its input, which `x`, `d_x` and `positions_in` include.
    pub padding: (usize, usize),
}

/// What a kernel depends on of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum ActivationForm {
    Relu,
    Elu,
    Gelu,
    LeakyRelu {
        /// The bits of the slope below 0.
        slope: u32,
    },
    Tanh,
    Linear,
}

impl ActivationForm {
    fn new(activation: Activation) -> Self {
        match activation {
            Activation::Relu => Self::Relu,
            Activation::Elu => Self::Elu,
            Activation::Gelu => Self::Gelu,
            Activation::LeakyRelu { slope } => Self::LeakyRelu { slope: slope.to_bits() },
            Activation::Tanh => Self::Tanh,
            Activation::Linear => Self::Linear,
        }
    }
}

/// What follows a layer in stages of its own, where it is more than what the reference network has: its activation, a pool, and
/// dropout. `kernels/part/tail.wgsl` describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Tail {
    /// The layer that it follows.
    pub after: usize,
    /// Its rows and sizes, as of a layer without weights. The name is that of the pool, or of the layer where it has none.
    pub rows: Affine,
    /// After a ReLU that the layer has itself, the same again: it changes no value, and the gradient goes through it here.
    pub activation: ActivationForm,
    /// Positions before the input that the first output would read, if they were there.
    pub before: usize,
    pub averages: bool,
    /// Whether it has a pool already, so that another one is the next tail.
    pools: bool,
}

/// Rows behind the last one of the arena that a kernel may read: it reads several at a time, and drops what does not exist.
pub(in crate::gpu) const ROWS_READ_BEYOND: usize = 32;

/// The largest pool whose winners are packed, four units a row: `PACKED_POOL` of `kernels/part/layer.wgsl`.
const PACKED_POOL: usize = 64;

impl Affine {
    /// A layer of one position, without rows, inputs and outputs.
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            x: 0,
            y: 0,
            winners: 0,
            d_x: 0,
            d_y: 0,
            weights: 0,
            channels: 0,
            kernel: 1,
            stride: 1,
            positions_in: 1,
            outputs: 1,
            pool: 1,
            units: 0,
            relu: false,
            drops: false,
            dropped: false,
            after_tail: false,
            padding: (0, 0),
        }
    }

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

    pub fn output_rows(&self) -> usize {
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
    /// The layers with weights, in order, each with what its stages do besides.
    pub layers: Vec<Affine>,
    /// What follows them in stages of its own, in order.
    pub tails: Vec<Tail>,
    /// Values of a window.
    pub window_values: usize,
    /// Those that are read.
    pub window_rows: usize,
    /// Rows of the input: these, and the zeros at its ends.
    pub input_rows: usize,
    /// The rows of zeros of other inputs, as first row and number.
    pub zeros: Vec<(usize, usize)>,
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
        let mut builder = Builder::default();
        network.layers().iter().for_each(|layer| builder.add(layer));
        let Builder { mut layers, mut tails } = builder;
        // The scores are the sums of the last layer.
        tails.retain(|tail| tail.after + 1 < layers.len());
        // Of the window, only the positions that the first layer reads.
        let first = &mut layers[0];
        first.positions_in = (first.positions() - 1) * first.stride + first.kernel;
        let (input_rows, window_values) = (first.positions_in * spec.channels, spec.window * spec.channels);
        let window_rows = window_values.min(input_rows - first.padding.0);
        let mut weights = 0;
        for layer in &mut layers {
            layer.weights = weights;
            weights += (layer.inputs() + 1) * layer.quads();
        }
        let mut chain: Vec<&mut Affine> = Vec::new();
        let mut left = tails.iter_mut().peekable();
        for (n, layer) in layers.iter_mut().enumerate() {
            chain.push(layer);
            while let Some(tail) = left.next_if(|tail: &&mut Tail| tail.after == n) {
                chain.push(&mut tail.rows);
            }
        }
        let mut zeros = Vec::new();
        let (mut x, mut next) = (0, input_rows);
        for n in 0..chain.len() {
            let (before, behind) = chain.get(n + 1).map_or((0, 0), |reader| reader.padding);
            (chain[n].x, chain[n].y) = (x, next + before);
            x = next;
            next = chain[n].y + chain[n].output_rows() + behind;
            zeros.extend([(x, before), (next - behind, behind)].into_iter().filter(|(_, n)| *n > 0));
        }
        let forward_rows = next;
        for layer in &mut chain {
            layer.winners = next;
            next += layer.winner_rows();
        }
        let mut d_x = 0;
        for n in 0..chain.len() {
            let (before, behind) = chain.get(n + 1).map_or((0, 0), |reader| reader.padding);
            (chain[n].d_x, chain[n].d_y) = (d_x, next + before);
            d_x = next;
            next = chain[n].d_y + chain[n].output_rows() + behind;
        }
        Self {
            layers,
            tails,
            window_values,
            window_rows,
            input_rows,
            zeros,
            channels: spec.channels,
            classes: spec.classes,
            forward_rows,
            rows: next,
            weights,
        }
    }

    /// The tails of layer `n`, in order.
    pub fn tails_of(&self, n: usize) -> impl DoubleEndedIterator<Item = &Tail> {
        self.tails.iter().filter(move |tail| tail.after == n)
    }

    /// The tail that ends with the layer `name` of the network.
    pub fn tail(&self, name: &str) -> Option<&Tail> {
        self.tails.iter().find(|tail| tail.rows.name == name)
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

/// Checks that kernels can number all that the pools of `network` read, with 32 bits.
///
/// # Errors
/// [`EngineError::Input`] with the first pool that is too large.
pub(in crate::gpu) fn check_layout(network: &Network) -> Result<(), EngineError> {
    let layout = Layout::new(network);
    match layout.tails.iter().find(|tail| u32::try_from(tail.rows.positions()).is_err()) {
        None => Ok(()),
        Some(Tail { rows, .. }) => Err(EngineError::Input(format!(
            "{}: {} times a pool over {} positions is more than a GPU can number; make it smaller or its stride longer",
            rows.name, rows.outputs, rows.pool
        ))),
    }
}

/// The layers of a network as they come, before their rows are numbered.
#[derive(Default)]
struct Builder {
    layers: Vec<Affine>,
    tails: Vec<Tail>,
}

impl Builder {
    fn add(&mut self, layer: &Layer) {
        match layer {
            Layer::Conv { name, input, output, kernel, stride, before, activation, .. } => {
                let behind = ((output.0 - 1) * stride + kernel).saturating_sub(before + input.0);
                let positions_in = before + input.0 + behind;
                let conv = Affine {
                    channels: input.1,
                    kernel: *kernel,
                    // With one output, it is of no account.
                    stride: (*stride).min(positions_in),
                    positions_in,
                    outputs: output.0,
                    units: output.1,
                    padding: (before * input.1, behind * input.1),
                    ..Affine::named(name)
                };
                self.add_affine(conv, *activation);
            }
            Layer::Dense { name, inputs, units, activation } => {
                let dense = Affine { channels: *inputs, units: *units, ..Affine::named(name) };
                self.add_affine(dense, *activation);
            }
            Layer::Pool { name, kind, input, output, size, stride, padding, before } => {
                let is_plain = *kind == PoolKind::Max && stride == size && *padding == Padding::Valid;
                // With one output position, the stage of a layer would have little to share out.
                let is_global = name == "global_pool";
                if is_plain && !is_global && self.last_tail().is_none() {
                    let own = self.own();
                    (own.outputs, own.pool) = (output.0, *size);
                    return;
                }
                // Nothing behind the last position that is read has to be computed.
                let read = ((output.0 - 1) * stride + size - before).min(input.0);
                if self.last_tail().is_none_or(|n| !self.tails[n].pools) && self.own().pool == 1 {
                    self.own().outputs = read;
                }
                let tail = self.tail_without_pool();
                // What reaches beyond the ends reads nothing there.
                let (before, reach) = ((*before).min(read), (size - before).min(read));
                (tail.pools, tail.before, tail.averages) = (true, before, *kind == PoolKind::Average);
                let rows = &mut tail.rows;
                rows.name.clone_from(name);
                (rows.kernel, rows.stride) = (before + reach, (*stride).min(read));
                (rows.positions_in, rows.outputs) = (read, output.0);
                rows.pool = if tail.averages { 1 } else { rows.kernel };
            }
            Layer::Dropout { .. } => match self.last_tail() {
                Some(n) => self.tails[n].rows.drops = true,
                None => self.own().drops = true,
            },
        }
    }

    fn add_affine(&mut self, affine: Affine, activation: Activation) {
        let after_tail = self.last_tail().is_some();
        let dropped = !after_tail && self.layers.last().is_some_and(|before| before.drops);
        self.layers.push(Affine { relu: activation == Activation::Relu, dropped, after_tail, ..affine });
        if activation != Activation::Relu {
            self.add_tail(ActivationForm::new(activation));
        }
    }

    /// The last layer with weights.
    fn own(&mut self) -> &mut Affine {
        self.layers.last_mut().expect("a network begins with a convolution")
    }

    /// The index of the tail that the last layer ends with, if it has one.
    fn last_tail(&self) -> Option<usize> {
        self.tails.len().checked_sub(1).filter(|&n| self.tails[n].after + 1 == self.layers.len())
    }

    /// Adds a tail to the last layer.
    fn add_tail(&mut self, activation: ActivationForm) {
        let after = self.layers.len() - 1;
        let Affine { name, outputs, units, .. } = &self.layers[after];
        let rows = Affine {
            channels: *units,
            positions_in: *outputs,
            outputs: *outputs,
            units: *units,
            ..Affine::named(name)
        };
        self.tails.push(Tail { after, rows, activation, before: 0, averages: false, pools: false });
    }

    /// The last tail of the last layer, or a new one, which can take a pool.
    fn tail_without_pool(&mut self) -> &mut Tail {
        match self.last_tail() {
            Some(n) if !self.tails[n].pools => {}
            Some(_) => self.add_tail(ActivationForm::Linear),
            None => self.add_tail(ActivationForm::Relu),
        }
        self.tails.last_mut().expect("it is there now")
    }
}
