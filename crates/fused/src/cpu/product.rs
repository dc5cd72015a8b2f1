//! The three matrix products that a layer with weights needs: outputs, gradients of inputs, gradients of weights.
//!
//! Each is made of blocks of up to [`BLOCK`] rows by one or two vectors that stay in registers while the sum runs. The sums
//! run in one order, whatever the blocks, so that no bit depends on how work is divided.

use pulp::Simd;

use super::Float;
use super::row::{Row, TILE, vectors, vectors_mut};

/// Rows that a block keeps in registers: six rows of two vectors are twelve of the sixteen registers of AVX2, enough to
/// hide the latency of a multiply-add, with room for its operands.
pub(super) const BLOCK: usize = 6;

/// Inputs that a block sums up before the next block takes its turn: their rows, 8 KiB, stay in the first-level cache.
const INPUTS_AT_ONCE: usize = 128;

/// `0..n` cut into the fewest blocks, of nearly equal length: (start, length) of each.
pub(super) fn blocks(n: usize) -> impl Iterator<Item = (usize, usize)> {
    let n_blocks = n.div_ceil(BLOCK);
    (0..n_blocks).map(move |i| (i * n / n_blocks, (i + 1) * n / n_blocks - i * n / n_blocks))
}

/// Vectors in a row.
const fn vectors_a_row<F: Float, S: Simd>() -> usize {
    TILE * size_of::<F>() / size_of::<F::Vector<S>>()
}

/// Calls `$product::<F, S, ROWS, WIDTH>($arguments.., column)` for each run of `WIDTH` vectors of a row, where `ROWS` is
/// `$n`, which lies in `1..=BLOCK`.
macro_rules! in_blocks {
    ($n:expr, $product:ident::<$float:ident, $simd:ident>($($argument:expr),*)) => {
        match $n {
            1 => in_blocks!(@ 1, $product::<$float, $simd>($($argument),*)),
            2 => in_blocks!(@ 2, $product::<$float, $simd>($($argument),*)),
            3 => in_blocks!(@ 3, $product::<$float, $simd>($($argument),*)),
            4 => in_blocks!(@ 4, $product::<$float, $simd>($($argument),*)),
            5 => in_blocks!(@ 5, $product::<$float, $simd>($($argument),*)),
            _ => in_blocks!(@ 6, $product::<$float, $simd>($($argument),*)),
        }
    };
    (@ $rows:literal, $product:ident::<$float:ident, $simd:ident>($($argument:expr),*)) => {
        if vectors_a_row::<$float, $simd>() == 1 {
            $product::<$float, $simd, $rows, 1>($($argument,)* 0);
        } else {
            for column in (0..vectors_a_row::<$float, $simd>()).step_by(2) {
                $product::<$float, $simd, $rows, 2>($($argument,)* column);
            }
        }
    };
}

/// `y[o] = bias[o] + Σ weights[i, o] · x[i]`, with a ReLU if asked for; weights (inputs, outputs).
#[inline(always)]
pub(super) fn outputs<F: Float, S: Simd>(
    simd: S,
    weights: &[F],
    bias: &[F],
    relu: bool,
    x: &[Row<F>],
    y: &mut [Row<F>],
) {
    let n = y.len();
    for (y, &bias) in y.iter_mut().zip(bias) {
        vectors_mut::<F, S>(std::slice::from_mut(y)).fill(F::splat(simd, bias));
    }
    let n_chunks = x.len().div_ceil(INPUTS_AT_ONCE);
    let chunks = weights.chunks(INPUTS_AT_ONCE * n).zip(x.chunks(INPUTS_AT_ONCE));
    for (chunk, (weights, x)) in chunks.enumerate() {
        fetch(weights);
        let relu = relu && chunk + 1 == n_chunks;
        for (start, len) in blocks(n) {
            in_blocks!(len, add_outputs::<F, S>(simd, &weights[start..], n, relu, x, &mut y[start..]));
        }
    }
}

/// Reads `weights` once in their order. Another processor has just updated its share of them, and blocks read them in
/// short pieces far apart: one by one these would wait for that processor, in a stream they do not.
#[inline(always)]
fn fetch<F: Float>(weights: &[F]) {
    const LINE_BYTES: usize = 64;
    for line in weights.chunks(LINE_BYTES / size_of::<F>()) {
        std::hint::black_box(line[0]);
    }
}

#[inline(always)]
fn add_outputs<F: Float, S: Simd, const ROWS: usize, const WIDTH: usize>(
    simd: S,
    weights: &[F],
    n: usize,
    relu: bool,
    x: &[Row<F>],
    y: &mut [Row<F>],
    column: usize,
) {
    let mut sums = load::<F, S, ROWS, WIDTH>(simd, y, column);
    for (weights, x) in weights.chunks(n).zip(x) {
        let weights: &[F; ROWS] = weights[..ROWS].try_into().expect("a slice of that length");
        let x = vectors_at::<F, S, WIDTH>(x, column);
        for row in 0..ROWS {
            add_scaled(simd, &mut sums[row], weights[row], x);
        }
    }
    if relu {
        let zero = F::splat(simd, F::ZERO);
        for sum in sums.as_flattened_mut() {
            // NaN is not below 0: it stays, and is noticed.
            *sum = F::if_le(simd, [*sum, zero], zero, *sum);
        }
    }
    store::<F, S, ROWS, WIDTH>(&sums, y, column);
}

/// `d_x[i] += Σ weights[i, o] · d_y[o]`; weights (inputs, outputs).
#[inline(always)]
pub(super) fn add_input_gradients<F: Float, S: Simd>(simd: S, weights: &[F], d_y: &[Row<F>], d_x: &mut [Row<F>]) {
    let n = d_y.len();
    for (start, len) in blocks(d_x.len()) {
        in_blocks!(len, add_block_of_inputs::<F, S>(simd, &weights[start * n..], d_y, &mut d_x[start..]));
    }
}

#[inline(always)]
fn add_block_of_inputs<F: Float, S: Simd, const ROWS: usize, const WIDTH: usize>(
    simd: S,
    weights: &[F],
    d_y: &[Row<F>],
    d_x: &mut [Row<F>],
    column: usize,
) {
    let n = d_y.len();
    let mut of_rows: [&[F]; ROWS] = [&[]; ROWS];
    for (row, weights) in of_rows.iter_mut().zip(weights.chunks(n)) {
        *row = &weights[..n];
    }
    let mut sums = load::<F, S, ROWS, WIDTH>(simd, d_x, column);
    for (o, d_y) in d_y.iter().enumerate() {
        let d_y = vectors_at::<F, S, WIDTH>(d_y, column);
        for row in 0..ROWS {
            add_scaled(simd, &mut sums[row], of_rows[row][o], d_y);
        }
    }
    store::<F, S, ROWS, WIDTH>(&sums, d_x, column);
}

/// What the gradients of some weights are summed up from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a, F> {
    /// Input rows of one tile, from the first of the weights on.
    pub x: &'a [Row<F>],
    /// Rows from one output position to the next.
    pub stride: usize,
    /// For each output position and window a row of output gradients.
    pub d_y: &'a [Row<F>],
    /// Rows of `d_y` from one position to the next.
    pub d_stride: usize,
}

/// `sums[i] += Σ x[t·stride + i, w] · d_y[t, w]` over output positions t and windows w, for all rows of `sums`.
#[inline(always)]
pub(super) fn add_weight_gradients<'a, F: Float, S: Simd>(
    simd: S,
    terms: impl Iterator<Item = Terms<'a, F>> + Clone,
    sums: &mut [Row<F>],
) {
    in_blocks!(sums.len(), add_block_of_weights::<F, S>(simd, terms.clone(), sums));
}

/// `sum += Σ d_y[t, w]`: the gradient of a weight whose input is always 1.
#[inline(always)]
pub(super) fn add_bias_gradients<'a, F: Float, S: Simd>(
    simd: S,
    terms: impl Iterator<Item = Terms<'a, F>>,
    sum: &mut Row<F>,
) {
    let sum = vectors_mut::<F, S>(std::slice::from_mut(sum));
    for Terms { d_y, d_stride, .. } in terms {
        for d_y in d_y.chunks(d_stride).flat_map(|d_y| &d_y[..TILE]) {
            for (sum, &d_y) in sum.iter_mut().zip(vectors::<F, S>(std::slice::from_ref(d_y))) {
                *sum = F::plus(simd, *sum, d_y);
            }
        }
    }
}

#[inline(always)]
fn add_block_of_weights<'a, F: Float, S: Simd, const ROWS: usize, const WIDTH: usize>(
    simd: S,
    terms: impl Iterator<Item = Terms<'a, F>>,
    sums: &mut [Row<F>],
    column: usize,
) {
    let mut block = load::<F, S, ROWS, WIDTH>(simd, sums, column);
    for Terms { x, stride, d_y, d_stride } in terms {
        for (t, d_y) in d_y.chunks(d_stride).enumerate() {
            let d_y: &[Row<F>; TILE] = d_y[..TILE].try_into().expect("a slice of that length");
            let x: &[Row<F>; ROWS] = x[t * stride..][..ROWS].try_into().expect("a slice of that length");
            for (w, d_y) in d_y.iter().enumerate() {
                let d_y = vectors_at::<F, S, WIDTH>(d_y, column);
                for row in 0..ROWS {
                    add_scaled(simd, &mut block[row], x[row].0[w], d_y);
                }
            }
        }
    }
    store::<F, S, ROWS, WIDTH>(&block, sums, column);
}

/// `sum += a · x`.
#[inline(always)]
fn add_scaled<F: Float, S: Simd, const WIDTH: usize>(
    simd: S,
    sum: &mut [F::Vector<S>; WIDTH],
    a: F,
    x: [F::Vector<S>; WIDTH],
) {
    let a = F::splat(simd, a);
    for v in 0..WIDTH {
        sum[v] = F::mul_add(simd, a, x[v], sum[v]);
    }
}

/// `WIDTH` vectors of a row.
#[inline(always)]
fn vectors_at<F: Float, S: Simd, const WIDTH: usize>(row: &Row<F>, column: usize) -> [F::Vector<S>; WIDTH] {
    *vectors::<F, S>(std::slice::from_ref(row))[column..].first_chunk().expect("a row has so many")
}

#[inline(always)]
fn load<F: Float, S: Simd, const ROWS: usize, const WIDTH: usize>(
    simd: S,
    rows: &[Row<F>],
    column: usize,
) -> [[F::Vector<S>; WIDTH]; ROWS] {
    let mut block = [[F::splat(simd, F::ZERO); WIDTH]; ROWS];
    for (block, row) in block.iter_mut().zip(rows) {
        *block = vectors_at::<F, S, WIDTH>(row, column);
    }
    block
}

#[inline(always)]
fn store<F: Float, S: Simd, const ROWS: usize, const WIDTH: usize>(
    block: &[[F::Vector<S>; WIDTH]; ROWS],
    rows: &mut [Row<F>],
    column: usize,
) {
    for (block, row) in block.iter().zip(rows) {
        let row = &mut vectors_mut::<F, S>(std::slice::from_mut(row))[column..];
        *row.first_chunk_mut().expect("a row has so many") = *block;
    }
}
