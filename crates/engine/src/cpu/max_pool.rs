//! Max-pooling with stride = size: `y[t, c] = max x[t·size + j, c]` over j. The gradient goes to the first of equal maxima,
//! as in TensorFlow.

use pulp::Simd;

use super::Float;
use super::row::{Row, TILE, vectors, vectors_mut};

/// The shape of a pooling.
#[derive(Clone, Debug)]
pub(super) struct MaxPool {
    /// (positions, channels)
    pub output: (usize, usize),
    pub size: usize,
}

impl MaxPool {
    /// The number of vectors of a position, over all channels and windows.
    fn position<F: Float, S: Simd>(&self) -> usize {
        self.output.1 * TILE * size_of::<F>() / size_of::<F::Vector<S>>()
    }

    #[inline(always)]
    pub fn forward<F: Float, S: Simd>(&self, simd: S, x: &[Row<F>], y: &mut [Row<F>]) {
        let n = self.position::<F, S>();
        for (x, y) in vectors::<F, S>(x).chunks_exact(self.size * n).zip(vectors_mut::<F, S>(y).chunks_exact_mut(n)) {
            for (i, y) in y.iter_mut().enumerate() {
                let mut largest = x[i];
                for j in 1..self.size {
                    // A NaN compares as not below, so it is taken; it is unequal to itself, so it stays.
                    let x = x[j * n + i];
                    let larger = F::if_le(simd, [x, largest], largest, x);
                    largest = F::if_eq(simd, [largest, largest], larger, largest);
                }
                *y = largest;
            }
        }
    }

    /// Computes the gradient of the input.
    #[inline(always)]
    pub fn backward<F: Float, S: Simd>(&self, simd: S, x: &[Row<F>], y: &[Row<F>], d_y: &[Row<F>], d_x: &mut [Row<F>]) {
        let (n, zero) = (self.position::<F, S>(), F::splat(simd, F::ZERO));
        let outputs = vectors::<F, S>(y).chunks_exact(n).zip(vectors::<F, S>(d_y).chunks_exact(n));
        let inputs = vectors::<F, S>(x).chunks_exact(self.size * n);
        let d_inputs = vectors_mut::<F, S>(d_x).chunks_exact_mut(self.size * n);
        for ((x, d_x), (y, d_y)) in inputs.zip(d_inputs).zip(outputs) {
            // The first value that equals the maximum takes the gradient; the last value gets what is left.
            let (d_x, d_last) = d_x.split_at_mut((self.size - 1) * n);
            d_last.copy_from_slice(d_y);
            for (x, d_x) in x.chunks_exact(n).zip(d_x.chunks_exact_mut(n)) {
                for (((d_x, left), &x), &y) in d_x.iter_mut().zip(&mut *d_last).zip(x).zip(y) {
                    *d_x = F::if_eq(simd, [x, y], *left, zero);
                    *left = F::minus(simd, *left, *d_x);
                }
            }
        }
    }
}
