//! The layers of a network as the kernels take them: what a stage computes in one, and what follows it in stages of its own.

use triax_model::{Activation, Layer, Network, Padding, PoolKind};

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
/// dropout, as `kernels/part/tail.wgsl` describes it; or what the taps of a dilated convolution read, as
/// `kernels/stage/taps.wgsl` does.
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
    /// Whether it spreads out what the taps of the next layer read, so that this is a convolution whose stride is as long as
    /// its kernel. `rows` then has their number as `kernel`, and the dilation as `stride`.
    pub spreads: bool,
    /// Whether it has a pool already, so that another one is the next tail.
    pools: bool,
}

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

    pub fn winner_rows(&self) -> usize {
        match self.pool {
            1 => 0,
            2..=PACKED_POOL => self.outputs * self.quads(),
            _ => self.output_rows(),
        }
    }

    /// The index of weight (`k`, `unit`) among the values of a model; `k` = inputs for the bias.
    pub fn value(&self, k: usize, unit: usize) -> usize {
        4 * (self.weights + k * self.quads()) + unit
    }
}

/// The layers of `network`, the tails that follow them, in order, and what spreads out the windows, if the first convolution is
/// dilated. Their rows are not numbered yet.
pub(super) fn layers_of(network: &Network) -> (Vec<Affine>, Vec<Tail>, Option<Tail>) {
    let mut builder = Builder::default();
    network.layers().iter().for_each(|layer| builder.add(layer));
    let Builder { layers, mut tails, first_taps } = builder;
    // The scores are the sums of the last layer.
    tails.retain(|tail| tail.after + 1 < layers.len());
    (layers, tails, first_taps)
}

#[derive(Default)]
struct Builder {
    layers: Vec<Affine>,
    tails: Vec<Tail>,
    first_taps: Option<Tail>,
}

impl Builder {
    fn add(&mut self, layer: &Layer) {
        match layer {
            Layer::Conv { name, input, output, kernel, dilation, before, activation, .. } if *dilation > 1 => {
                let positions_in = output.0 * kernel;
                self.add_taps(Tail {
                    after: 0,
                    rows: Affine {
                        channels: input.1,
                        kernel: *kernel,
                        stride: *dilation,
                        positions_in: input.0,
                        outputs: positions_in,
                        units: input.1,
                        ..Affine::named(&format!("{name} taps"))
                    },
                    activation: ActivationForm::Linear,
                    before: *before,
                    averages: false,
                    spreads: true,
                    pools: false,
                });
                let conv = Affine {
                    channels: input.1,
                    kernel: *kernel,
                    stride: *kernel,
                    positions_in,
                    outputs: output.0,
                    units: output.1,
                    ..Affine::named(name)
                };
                self.add_affine(conv, *activation);
            }
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
                // What reaches beyond the ends reads nothing there.
                let reach = size - before;
                let read = ((output.0 - 1) * stride + reach).min(input.0);
                let (before, reach) = ((*before).min(read), reach.min(read));
                // Nothing behind the last position that is read has to be computed.
                if self.last_tail().is_none_or(|n| !self.tails[n].pools) {
                    self.own().outputs = read;
                }
                let tail = self.tail_without_pool();
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

    /// Adds what the taps of the next layer read. The gradient goes on through the ReLU of the layer before, unless a tail of
    /// that layer takes it through.
    fn add_taps(&mut self, taps: Tail) {
        let Some(after) = self.layers.len().checked_sub(1) else {
            self.first_taps = Some(taps);
            return;
        };
        let activation = if self.last_tail().is_some() { ActivationForm::Linear } else { ActivationForm::Relu };
        self.tails.push(Tail { after, activation, ..taps });
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
        self.tails.push(Tail { after, rows, activation, before: 0, averages: false, spreads: false, pools: false });
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
