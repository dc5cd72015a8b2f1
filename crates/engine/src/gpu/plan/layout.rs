//! The layout of a network on the device: the rows of a tile, and the vectors of the weights.

use crate::EngineError;
use triax_model::{Network, Tensor, Weights};

use super::layers::{Affine, Tail, layers_of};

/// Rows behind the last one of the arena that a kernel may read: it reads several at a time, and drops what does not exist.
pub(in crate::gpu) const ROWS_READ_BEYOND: usize = 32;

/// The layout of a network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Layout {
    /// The layers with weights, in order, each with what its stages do besides.
    pub layers: Vec<Affine>,
    /// What follows them in stages of its own, in order.
    pub tails: Vec<Tail>,
    /// What spreads out the windows, if the first convolution is dilated.
    pub first_taps: Option<Tail>,
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
        let (mut layers, mut tails, mut first_taps) = layers_of(network);
        // Of the window, only the positions that the first layer reads; all of it if they are spread out.
        let first = &mut layers[0];
        first.positions_in = (first.positions() - 1) * first.stride + first.kernel;
        let window_values = spec.window * spec.channels;
        let input_rows = if first_taps.is_some() { window_values } else { first.positions_in * spec.channels };
        let window_rows = window_values.min(input_rows - first.padding.0);
        let mut weights = 0;
        for layer in &mut layers {
            layer.weights = weights;
            weights += (layer.inputs() + 1) * layer.quads();
        }
        let mut chain: Vec<&mut Affine> = first_taps.iter_mut().map(|taps| &mut taps.rows).collect();
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
            first_taps,
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

#[cfg(test)]
mod tests {
    use triax_model::NetworkSpec;

    use super::*;

    fn network(window: usize, convs: &[&str]) -> Network {
        let convs = convs.iter().map(|conv| conv.parse().unwrap()).collect();
        Network::new(NetworkSpec { window, channels: 1, convs, ..NetworkSpec::default() }).unwrap()
    }

    /// Rows of inputs, outputs and gradients are not shared, and zeros lie at the ends of what a padded convolution reads.
    #[test]
    fn zeros_lie_around_what_a_padded_convolution_reads() {
        let layout = Layout::new(&network(10, &["3:4:1:same:elu", "2:5:1:same"]));
        let [first, second] = &layout.layers[..2] else { panic!("two convolutions") };
        assert_eq!((first.padding, layout.window_rows, layout.input_rows), ((1, 2), 10, 13));
        let tail = &layout.tails[0].rows;
        assert_eq!((first.y, tail.x), (13, 13));
        // Two positions of three rows on either side of the ten that the tail writes.
        let read = tail.x + 30;
        assert_eq!((second.x, tail.y, second.positions_in), (read, read + 6, 14));
        assert_eq!(layout.zeros, [(read, 6), (read + 36, 6)]);
        assert_eq!(second.y, read + 42);
        assert_eq!(tail.d_y, second.d_x + 6);
        assert_eq!(second.d_y, second.d_x + 42);
    }

    #[test]
    fn pools_that_read_more_positions_than_can_be_numbered_are_refused() {
        assert!(check_layout(&network(200_000, &["1:1:1:100/1"])).is_ok());
        let error = check_layout(&network(200_000, &["1:1:1:100000/1"])).unwrap_err().to_string();
        assert!(error.starts_with("pool1: 100001 times a pool over 100000 positions"), "{error}");
        assert!(check_layout(&network(200_000, &["1:1:1:avg100000/1"])).is_ok(), "means need no number");
    }
}
