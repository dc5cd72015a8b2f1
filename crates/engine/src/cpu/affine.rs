//! A convolution with valid padding, and its ReLU: `y[t, o] = max(b[o] + Σ x[t·stride + j, c] · k[j, c, o], 0)` over taps j
//! and channels c. A dense layer is a convolution with one position.
//!
//! The layout is channels-last, so the rows that an output position reads are contiguous. The layer is a matrix product
//! of overlapping runs of rows with the kernel as a (kernel × channels, filters) matrix. The bias follows the kernel:
//! it is the last row of that matrix, for an input that is always 1.

use pulp::Simd;

use super::Float;
use super::product::{add_input_gradients, outputs};
use super::row::{Row, TILE, vectors, vectors_mut};
use super::transpose::transpose;

/// The shape of a convolution, and the place of its parameters.
#[derive(Clone, Debug)]
pub(super) struct Affine {
    /// (positions, channels)
    pub input: (usize, usize),
    /// (positions, filters); there may be fewer positions than the input allows.
    pub output: (usize, usize),
    pub kernel: usize,
    pub stride: usize,
    /// Whether a ReLU follows.
    pub relu: bool,
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

    /// The first input row that output position `t` reads.
    pub fn reads(&self, t: usize) -> usize {
        t * self.stride * self.input.1
    }

    /// The number of panels of [`TILE`] filters. The last one may not be full.
    pub fn n_panels(&self) -> usize {
        self.output.1.div_ceil(TILE)
    }

    /// Computes output rows (positions × filters) from input rows (positions × channels). `y` begins with output row
    /// `first`.
    #[inline(always)]
    pub fn forward<F: Float, S: Simd>(&self, simd: S, parameters: &[F], x: &[Row<F>], first: usize, y: &mut [Row<F>]) {
        let (kernel, bias) = self.split(parameters);
        for (t, filter, y) in by_position(first, self.output.1, y) {
            let afresh = t == first / self.output.1;
            outputs(simd, kernel, bias, [self.relu, afresh], &x[self.reads(t)..][..self.n_inputs()], filter, y);
        }
    }

    /// Turns the gradient of the output into that of the sums before the ReLU, in place.
    #[inline(always)]
    pub fn relu_backward<F: Float, S: Simd>(&self, simd: S, y: &[Row<F>], d_y: &mut [Row<F>]) {
        if self.relu {
            let (zero, one) = (F::splat(simd, F::ZERO), F::splat(simd, F::ONE));
            for (d_y, &y) in vectors_mut::<F, S>(d_y).iter_mut().zip(vectors::<F, S>(y)) {
                // A product, since the compiler turns a selection between 0 and the value into a masked store, which takes
                // some processors fifteen times as long.
                *d_y = F::times(simd, *d_y, F::if_le(simd, [y, zero], zero, one));
            }
        }
    }

    /// Computes the gradient of the input, from input row `first` on. Each row sums the contributions of the taps that read
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
        for (p, channel, d_x) in by_position(first, channels, d_x) {
            d_x.fill(Row::ZERO);
            for j in (p % self.stride..self.kernel.min(p + 1)).step_by(self.stride) {
                let t = (p - j) / self.stride;
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
