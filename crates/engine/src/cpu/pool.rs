//! Pools: of the positions that output `t` reads, the largest value of each channel, or the mean. Positions beyond the ends do
//! not count. The gradient of a largest value goes to the first of equal ones, as in TensorFlow.

use std::ops::Range;

use pulp::Simd;
use triax_model::PoolKind;

use super::Float;
use super::row::{Row, TILE, vectors, vectors_mut};

/// The shape of a pool.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub kind: PoolKind,
    /// (positions, channels)
    pub input: (usize, usize),
    /// (positions, channels)
    pub output: (usize, usize),
    pub size: usize,
    pub stride: usize,
    /// Positions before the input that the first output would read.
    pub before: usize,
}

impl Pool {
    /// A max-pool whose outputs read the input one after the other, to its end, and `size` positions each.
    pub fn disjoint_max((positions, channels): (usize, usize), size: usize) -> Self {
        let (input, output) = ((positions * size, channels), (positions, channels));
        Self { kind: PoolKind::Max, input, output, size, stride: size, before: 0 }
    }

    /// Whether it is one of [`Pool::disjoint_max`].
    pub fn is_disjoint_max(&self) -> bool {
        let outputs_read_all = self.output.0.checked_mul(self.size) == Some(self.input.0);
        self.kind == PoolKind::Max && self.size == self.stride && self.before == 0 && outputs_read_all
    }

    /// Where the gradients of input rows may be divided among threads: at multiples of this number.
    pub fn input_grain(&self) -> usize {
        if self.is_disjoint_max() { self.size * self.input.1 } else { self.input.1 }
    }

    /// The input positions that output `t` reads.
    fn reads(&self, t: usize) -> Range<usize> {
        let start = t * self.stride;
        start.saturating_sub(self.before)..self.input.0.min(start.saturating_add(self.size) - self.before)
    }

    /// The outputs that read some of the input positions `here`.
    fn readers(&self, here: &Range<usize>) -> Range<usize> {
        // Output t reads positions below t·stride − before + size, and from t·stride − before on.
        let first = (here.start + self.before + 1).saturating_sub(self.size).div_ceil(self.stride);
        let behind = (here.end + self.before).div_ceil(self.stride);
        first..behind.min(self.output.0)
    }

    /// The share of each position in the mean of `reads`.
    fn share<F: Float>(reads: &Range<usize>) -> F {
        F::from_f64(1.0 / reads.len() as f64)
    }

    /// The number of vectors of a position, over all channels and windows.
    fn position<F: Float, S: Simd>(&self) -> usize {
        self.output.1 * TILE * size_of::<F>() / size_of::<F::Vector<S>>()
    }

    /// Computes output rows from output position `first` on, from all input rows.
    #[inline(always)]
    pub fn forward<F: Float, S: Simd>(&self, simd: S, x: &[Row<F>], first: usize, y: &mut [Row<F>]) {
        let n = self.position::<F, S>();
        let x = vectors::<F, S>(x);
        for (t, y) in (first..).zip(vectors_mut::<F, S>(y).chunks_exact_mut(n)) {
            let reads = self.reads(t);
            let x = &x[reads.start * n..reads.end * n];
            match self.kind {
                PoolKind::Max => {
                    for (i, y) in y.iter_mut().enumerate() {
                        let mut largest = x[i];
                        for j in 1..reads.len() {
                            // A NaN compares as not below, so it is taken; it is unequal to itself, so it stays.
                            let x = x[j * n + i];
                            let larger = F::if_le(simd, [x, largest], largest, x);
                            largest = F::if_eq(simd, [largest, largest], larger, largest);
                        }
                        *y = largest;
                    }
                }
                PoolKind::Average => {
                    let share = F::splat(simd, Self::share(&reads));
                    for (i, y) in y.iter_mut().enumerate() {
                        let mut sum = x[i];
                        for j in 1..reads.len() {
                            sum = F::plus(simd, sum, x[j * n + i]);
                        }
                        *y = F::times(simd, sum, share);
                    }
                }
            }
        }
    }

    /// Computes the gradient of the input, from input position `first` on, from all rows of x, y and the gradient of y.
    #[inline(always)]
    pub fn backward<F: Float, S: Simd>(&self, simd: S, [x, y, d_y]: [&[Row<F>]; 3], first: usize, d_x: &mut [Row<F>]) {
        let channels = self.input.1;
        let here = first..first + d_x.len() / channels;
        if self.is_disjoint_max() {
            let x = &x[here.start * channels..here.end * channels];
            let outputs = here.start / self.size * channels..here.end / self.size * channels;
            return self.disjoint_max_backward(simd, [x, &y[outputs.clone()], &d_y[outputs]], d_x);
        }
        d_x.fill(Row::ZERO);
        let (n, zero) = (self.position::<F, S>(), F::splat(simd, F::ZERO));
        let [x, y, d_y] = [x, y, d_y].map(vectors::<F, S>);
        let d_x = vectors_mut::<F, S>(d_x);
        for t in self.readers(&here) {
            let reads = self.reads(t);
            let share = F::splat(simd, Self::share(&reads));
            for i in 0..n {
                let (y, mut left) = (y[t * n + i], d_y[t * n + i]);
                let own_share = F::times(simd, left, share);
                match self.kind {
                    // The positions before those here are looked at too: one of them may be the first that is equal.
                    PoolKind::Max => {
                        for p in reads.start..reads.end.min(here.end) {
                            let is_last = p + 1 == reads.end;
                            let own = if is_last { left } else { F::if_eq(simd, [x[p * n + i], y], left, zero) };
                            left = F::minus(simd, left, own);
                            if p >= here.start {
                                let d_x = &mut d_x[(p - here.start) * n + i];
                                *d_x = F::plus(simd, *d_x, own);
                            }
                        }
                    }
                    PoolKind::Average => {
                        for p in reads.start.max(here.start)..reads.end.min(here.end) {
                            let d_x = &mut d_x[(p - here.start) * n + i];
                            *d_x = F::plus(simd, *d_x, own_share);
                        }
                    }
                }
            }
        }
    }

    /// [`Pool::backward`] where each position is read once, from the rows of some whole outputs and of what they read.
    #[inline(always)]
    fn disjoint_max_backward<F: Float, S: Simd>(&self, simd: S, [x, y, d_y]: [&[Row<F>]; 3], d_x: &mut [Row<F>]) {
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
