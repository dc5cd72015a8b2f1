//! A convolution and its activation: `y[t, o] = f(b[o] + Σ x[t·stride + j·dilation − before, c] · k[j, c, o])` over taps j and
//! channels c. A dense layer is a convolution with one position.
//!
//! Beyond the ends of its input a padded convolution reads zeros, which lie there: see [`super::feature_map`]. The layout is
//! channels-last, so the rows that an output position reads are contiguous; where the convolution is dilated, those of each tap
//! are. The layer is a matrix product of overlapping runs of rows with the kernel as a (kernel × channels, filters) matrix. The
//! bias follows the kernel: it is the last row of that matrix, for an input that is always 1.

use pulp::Simd;
use triax_model::Activation;

use super::Float;
use super::activation;
use super::product::{add_input_gradients, add_outputs, begin};
use super::row::{Row, TILE};
use super::transpose::transpose;

/// The shape of a convolution, and the place of its parameters.
#[derive(Clone, Debug)]
pub(super) struct Affine {
    /// (positions, channels)
    pub input: (usize, usize),
    /// Positions of zeros before and behind the input.
    pub margins: [usize; 2],
    /// (positions, filters); there may be fewer positions than the input allows.
    pub output: (usize, usize),
    pub kernel: usize,
    pub stride: usize,
    /// Positions from one tap to the next; if it is more than 1, the stride is 1.
    pub dilation: usize,
    /// What becomes of the sums.
    pub activation: Activation,
    /// The index of the kernel's first value among all parameters.
    pub parameters: usize,
}

impl Affine {
    /// The inputs of one output position: the rows of the kernel as a matrix.
    pub fn n_inputs(&self) -> usize {
        self.kernel * self.input.1
    }

    /// The number of values of kernel and bias.
    pub fn n_parameters(&self) -> usize {
        (self.n_inputs() + 1) * self.output.1
    }

    /// Kernel and bias out of all parameters.
    pub fn split<'a, F>(&self, parameters: &'a [F]) -> (&'a [F], &'a [F]) {
        parameters[self.parameters..][..self.n_parameters()].split_at(self.n_inputs() * self.output.1)
    }

    /// The rows of [`Affine::margins`].
    pub fn margin_rows(&self) -> [usize; 2] {
        self.margins.map(|positions| positions * self.input.1)
    }

    /// The first input row that output position `t` reads, counted with those of the padding.
    pub fn reads(&self, t: usize) -> usize {
        t * self.stride * self.input.1
    }

    /// The rows from what the kernel's first tap reads to what row `input` of the kernel as a matrix is multiplied with.
    pub fn row_of(&self, input: usize) -> usize {
        let channels = self.input.1;
        input / channels * self.dilation * channels + input % channels
    }

    /// The inputs whose rows lie beside each other: all of them, or those of a tap.
    pub fn run(&self) -> usize {
        if self.dilation == 1 { self.n_inputs() } else { self.input.1 }
    }

    /// The number of panels of [`TILE`] filters. The last one may not be full.
    pub fn n_panels(&self) -> usize {
        self.output.1.div_ceil(TILE)
    }

    /// Computes output rows (positions × filters) from padded input rows (positions × channels). `y` begins with output row
    /// `first`. `slopes` takes what [`Affine::activation_backward`] needs: as many rows, or none.
    #[inline(always)]
    pub fn forward<F: Float, S: Simd>(
        &self,
        simd: S,
        parameters: &[F],
        x: &[Row<F>],
        first: usize,
        y: &mut [Row<F>],
        slopes: &mut [Row<F>],
    ) {
        let (kernel, bias) = self.split(parameters);
        let relu = self.activation == Activation::Relu;
        for (t, filter, y) in by_position(first, self.output.1, y) {
            let afresh = t == first / self.output.1;
            begin(simd, bias, filter, y);
            let runs = kernel.chunks(self.run() * bias.len()).enumerate();
            for (run, kernel) in runs {
                let relu = relu && (run + 1) * self.run() == self.n_inputs();
                let x = &x[self.reads(t) + self.row_of(run * self.run())..][..self.run()];
                add_outputs(simd, kernel, bias.len(), [relu, afresh], x, filter, y);
            }
        }
        if !relu {
            activation::forward(simd, self.activation, y, slopes);
        }
    }

    /// The rows that [`Affine::forward`] keeps for the way back, beside its output.
    pub fn n_slopes(&self) -> usize {
        if activation::keeps_slopes(self.activation) { self.output.0 * self.output.1 } else { 0 }
    }

    /// Turns the gradient of the output into that of the sums before the activation, in place.
    #[inline(always)]
    pub fn activation_backward<F: Float, S: Simd>(&self, simd: S, y: &[Row<F>], slopes: &[Row<F>], d_y: &mut [Row<F>]) {
        activation::backward(simd, self.activation, y, slopes, d_y);
    }

    /// Computes the gradient of the input, without that of the padding, from input row `first` on. Each row sums the contributions of the taps that read
    /// it.
    #[inline(always)]
    pub fn backward<F: Float, S: Simd>(
        &self,
        simd: S,
        parameters: &[F],
        d_y: &[Row<F>],
        first: usize,
        d_x: &mut [Row<F>],
    ) {
        let (kernel, _) = self.split(parameters);
        let ((_, channels), (positions, filters)) = (self.input, self.output);
        let before = self.margin_rows()[0];
        for (p, channel, d_x) in by_position(before + first, channels, d_x) {
            d_x.fill(Row::ZERO);
            // Those that a position before p, or p itself, can begin with.
            let taps = self.kernel.min(p / self.dilation + 1);
            for j in (p % self.stride..taps).step_by(self.stride) {
                let t = (p - j * self.dilation) / self.stride;
                if t < positions {
                    let weights = &kernel[(j * channels + channel) * filters..][..d_x.len() * filters];
                    add_input_gradients(simd, weights, &d_y[t * filters..][..filters], d_x);
                }
            }
        }
    }

    /// Transposes `d_y` (positions × filters) into the layout that the parameter pass reads: for each position, panel of
    /// filters and window, a row of the panel's filters. Lanes beyond the last filter are 0.
    #[inline(always)]
    pub fn transpose<F: Float, S: Simd>(&self, simd: S, d_y: &[Row<F>], transposed: &mut [Row<F>]) {
        let filters = self.output.1;
        let mut square = [Row::ZERO; TILE];
        for (d_y, transposed) in d_y.chunks_exact(filters).zip(transposed.chunks_exact_mut(self.n_panels() * TILE)) {
            for (d_y, transposed) in d_y.chunks(TILE).zip(transposed.chunks_exact_mut(TILE)) {
                let transposed = transposed.try_into().expect("a chunk of that length");
                if let Ok(whole) = d_y.try_into() {
                    transpose(simd, whole, transposed);
                } else {
                    square[..d_y.len()].copy_from_slice(d_y);
                    square[d_y.len()..].fill(Row::ZERO);
                    transpose(simd, &square, transposed);
                }
            }
        }
    }
}

/// `rows`, of which the first is row `first` of (positions × width), by position: the position, the place in it where they
/// begin, and the rows.
#[inline(always)]
fn by_position<T>(first: usize, width: usize, rows: &mut [T]) -> impl Iterator<Item = (usize, usize, &mut [T])> {
    let (mut row, mut rest) = (first, rows);
    std::iter::from_fn(move || {
        let (position, start) = (row / width, row % width);
        let n = rest.len().min(width - start);
        let (here, behind) = std::mem::take(&mut rest).split_at_mut(n);
        (row, rest) = (row + n, behind);
        (n > 0).then_some((position, start, here))
    })
}
