//! The three matrix products of a layer with weights: outputs, gradients of inputs, gradients of weights.
//!
//! Each is computed in blocks of up to [`BLOCK`] rows by one or two vectors that stay in registers. The order of a sum does
//! not depend on the blocks, so no bit depends on how work is divided.

use std::ops::Range;

use pulp::Simd;

use super::Float;
use super::row::{Row, TILE, vectors, vectors_mut};

/// The rows of the largest block that fits the processor's registers.
pub(super) const BLOCK: usize = 12;

/// The weights that all blocks use before the next ones: 32 KiB at f32, which stay in the first-level cache.
const WEIGHTS_AT_ONCE: usize = 8192;

/// The number of vectors in a row.
const fn vectors_a_row<F: Float, S: Simd>() -> usize {
    TILE * size_of::<F>() / size_of::<F::Vector<S>>()
}

/// The rows of the next block if `left` are left. A block has enough sums to hide the latency of a multiply-add, and
/// leaves registers for the operands. Of the 32 registers of AVX-512, 12 rows take 12 with one vector each or 24 with
/// two; of the 16 of AVX2, 6 rows of two vectors take 12.
#[inline(always)]
fn next_block<S: Simd>(left: usize) -> usize {
    match left {
        BLOCK.. if S::REGISTER_COUNT >= 32 => BLOCK,
        8.. if S::REGISTER_COUNT >= 32 => 8,
        6.. if S::REGISTER_COUNT < 32 => 6,
        4.. => 4,
        2.. => 2,
        _ => 1,
    }
}

/// Calls `$product::<F, S, ROWS, WIDTH>($arguments..)` for each block of up to `$most` rows out of `$n`, and in it for each
/// run of `WIDTH` out of `$width` vectors. The arguments may name the block's first row, `$start`, and the run's first
/// vector, `$column`.
macro_rules! in_blocks {
    (
        $start:ident in $n:expr, by $most:expr, $column:ident in $width:expr,
        $product:ident::<$float:ident, $simd:ident>($($argument:expr),*)
    ) => {{
        let (n, width) = ($n, $width);
        let mut $start = 0;
        while $start < n {
            let len = next_block::<$simd>((n - $start).min($most));
            let mut $column = 0;
            while $column < width {
                if width - $column == 1 {
                    in_blocks!(@ len, 1, $product::<$float, $simd>($($argument),*));
                    $column += 1;
                } else {
                    in_blocks!(@ len, 2, $product::<$float, $simd>($($argument),*));
                    $column += 2;
                }
            }
            $start += len;
        }
    }};
    (@ $len:ident, $width:literal, $product:ident::<$float:ident, $simd:ident>($($argument:expr),*)) => {
        match $len {
            1 => $product::<$float, $simd, 1, $width>($($argument),*),
            2 => $product::<$float, $simd, 2, $width>($($argument),*),
            4 => $product::<$float, $simd, 4, $width>($($argument),*),
            6 => $product::<$float, $simd, 6, $width>($($argument),*),
            8 => $product::<$float, $simd, 8, $width>($($argument),*),
            _ => $product::<$float, $simd, BLOCK, $width>($($argument),*),
        }
    };
}

/// `y[o] = bias[o]` for the outputs o from `first` on.
#[inline(always)]
pub(super) fn begin<F: Float, S: Simd>(simd: S, bias: &[F], first: usize, y: &mut [Row<F>]) {
    let here = first..first + y.len();
    for (y, &bias) in y.iter_mut().zip(&bias[here]) {
        vectors_mut::<F, S>(std::slice::from_mut(y)).fill(F::splat(simd, bias));
    }
}

/// `y[o] += Σ weights[i, o] · x[i]` for the outputs o from `first` on, with a ReLU if `relu`; weights (inputs, `n`).
/// `afresh` says that the weights were not used just before.
#[inline(always)]
pub(super) fn add_outputs<F: Float, S: Simd>(
    simd: S,
    weights: &[F],
    n: usize,
    [relu, afresh]: [bool; 2],
    x: &[Row<F>],
    first: usize,
    y: &mut [Row<F>],
) {
    let here = first..first + y.len();
    let at_once = (WEIGHTS_AT_ONCE / y.len()).max(1);
    let n_chunks = x.len().div_ceil(at_once);
    let chunks = weights.chunks(at_once * n).zip(x.chunks(at_once));
    for (chunk, (weights, x)) in chunks.enumerate() {
        if afresh {
            fetch(weights, n, here.clone());
        }
        let relu = relu && chunk + 1 == n_chunks;
        in_blocks!(
            start in y.len(), by BLOCK, column in vectors_a_row::<F, S>(),
            add_block_of_outputs::<F, S>(simd, &weights[first + start..], n, relu, x, &mut y[start..], column)
        );
    }
}

/// Reads the columns `here` of `weights`, which have `n`, once in order. Other processors have just updated shares of them,
/// and the blocks read short pieces far apart, each of which would wait for another processor's cache; a stream of reads
/// does not.
#[inline(always)]
fn fetch<F: Float>(weights: &[F], n: usize, here: Range<usize>) {
    const LINE_BYTES: usize = 64;
    let (runs, here) = if here.len() == n { (weights.len(), 0..weights.len()) } else { (n, here) };
    for run in weights.chunks(runs) {
        for line in run[here.clone()].chunks(LINE_BYTES / size_of::<F>()) {
            std::hint::black_box(line[0]);
        }
    }
}

#[inline(always)]
fn add_block_of_outputs<F: Float, S: Simd, const ROWS: usize, const WIDTH: usize>(
    simd: S,
    weights: &[F],
    n: usize,
    relu: bool,
    x: &[Row<F>],
    y: &mut [Row<F>],
    column: usize,
) {
    const INPUTS: usize = 4;
    let mut sums = load::<F, S, ROWS, WIDTH>(simd, y, column);
    // Several inputs in each iteration, since the loop's own instructions compete with the sums.
    let (turns, rest) = x.as_chunks::<INPUTS>();
    for (weights, x) in weights.chunks(INPUTS * n).zip(turns) {
        for i in 0..INPUTS {
            let weights = &weights[i * n..][..ROWS];
            let x = vectors_at::<F, S, WIDTH>(&x[i], column);
            for row in 0..ROWS {
                add_scaled(simd, &mut sums[row], weights[row], x);
            }
        }
    }
    for (weights, x) in weights.chunks(n).skip(turns.len() * INPUTS).zip(rest) {
        let weights = &weights[..ROWS];
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
    // Each row needs a pointer into the weights, and there are not enough registers for more.
    const POINTERS: usize = 8;
    let n = d_y.len();
    in_blocks!(
        start in d_x.len(), by POINTERS, column in vectors_a_row::<F, S>(),
        add_block_of_inputs::<F, S>(simd, &weights[start * n..], d_y, &mut d_x[start..], column)
    );
}

#[inline(always)]
fn add_block_of_inputs<F: Float, S: Simd, const ROWS: usize, const WIDTH: usize>(
    simd: S,
    weights: &[F],
    d_y: &[Row<F>],
    d_x: &mut [Row<F>],
    column: usize,
) {
    // Outputs for which the weights are looked up at once.
    const OUTPUTS: usize = 8;
    let n = d_y.len();
    let mut sums = load::<F, S, ROWS, WIDTH>(simd, d_x, column);
    let (eights, rest) = d_y.as_chunks::<OUTPUTS>();
    for (start, d_y) in (0..n).step_by(OUTPUTS).zip(eights) {
        let mut row_weights: [&[F]; ROWS] = [&[]; ROWS];
        for (row, own_weights) in row_weights.iter_mut().enumerate() {
            *own_weights = &weights[row * n + start..][..OUTPUTS];
        }
        for (o, d_y) in d_y.iter().enumerate() {
            let d_y = vectors_at::<F, S, WIDTH>(d_y, column);
            for row in 0..ROWS {
                add_scaled(simd, &mut sums[row], row_weights[row][o], d_y);
            }
        }
    }
    for (o, d_y) in (eights.len() * OUTPUTS..n).zip(rest) {
        let d_y = vectors_at::<F, S, WIDTH>(d_y, column);
        for row in 0..ROWS {
            add_scaled(simd, &mut sums[row], weights[row * n + o], d_y);
        }
    }
    store::<F, S, ROWS, WIDTH>(&sums, d_x, column);
}

/// The terms of the gradients of some weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a, F> {
    /// Input rows of one tile, from the first of the weights on.
    pub x: &'a [Row<F>],
    /// Rows from one output position to the next.
    pub stride: usize,
    /// For each output position, panel and window a row of output gradients, from the first of the panels on.
    pub d_y: &'a [Row<F>],
    /// Rows of `d_y` from one position to the next.
    pub d_stride: usize,
}

/// `sums[p][i] = Σ x[t·stride + i, w] · d_y[t, p, w]` over output positions t and windows w, for the first `n` rows i
/// of each panel p of `sums`; added to what is there if it `continues`.
#[inline(always)]
pub(super) fn weight_gradients<'a, F: Float, S: Simd>(
    simd: S,
    terms: impl Iterator<Item = Terms<'a, F>> + Clone,
    continues: bool,
    n: usize,
    sums: &mut [[Row<F>; BLOCK]],
) {
    in_blocks!(
        start in n, by BLOCK, column in sums.len() * vectors_a_row::<F, S>(),
        block_of_weights::<F, S>(simd, terms.clone(), continues, start, sums, column)
    );
}

/// `sums[p][0] = Σ d_y[t, p, w]`: the gradient of a weight whose input is always 1; added to what is there if it
/// `continues`.
#[inline(always)]
pub(super) fn bias_gradients<'a, F: Float, S: Simd>(
    simd: S,
    terms: impl Iterator<Item = Terms<'a, F>>,
    continues: bool,
    sums: &mut [[Row<F>; BLOCK]],
) {
    if !continues {
        sums.iter_mut().for_each(|sums| sums[0] = Row::ZERO);
    }
    for Terms { d_y, d_stride, .. } in terms {
        for d_y in d_y.chunks(d_stride) {
            for (sums, d_y) in sums.iter_mut().zip(d_y.chunks_exact(TILE)) {
                let sum = vectors_mut::<F, S>(&mut sums[..1]);
                for d_y in vectors::<F, S>(d_y).chunks_exact(sum.len()) {
                    for (sum, &d_y) in sum.iter_mut().zip(d_y) {
                        *sum = F::plus(simd, *sum, d_y);
                    }
                }
            }
        }
    }
}

/// Sums the rows from `start` on; `column` counts the vectors of all panels.
#[inline(always)]
fn block_of_weights<'a, F: Float, S: Simd, const ROWS: usize, const WIDTH: usize>(
    simd: S,
    terms: impl Iterator<Item = Terms<'a, F>>,
    continues: bool,
    start: usize,
    sums: &mut [[Row<F>; BLOCK]],
    column: usize,
) {
    let mut places = [(0, 0); WIDTH];
    for (place, column) in places.iter_mut().zip(column..) {
        *place = (column / vectors_a_row::<F, S>(), column % vectors_a_row::<F, S>());
    }
    let mut block = [[F::splat(simd, F::ZERO); WIDTH]; ROWS];
    if continues {
        for (row, block) in block.iter_mut().enumerate() {
            for (vector, (panel, column)) in block.iter_mut().zip(places) {
                *vector = vector_at::<F, S>(&sums[panel][start + row], column);
            }
        }
    }
    for Terms { x, stride, d_y, d_stride } in terms {
        for (t, d_y) in d_y.chunks(d_stride).enumerate() {
            let mut panels: [&[Row<F>]; WIDTH] = [&[]; WIDTH];
            for (rows, (panel, _)) in panels.iter_mut().zip(places) {
                *rows = &d_y[panel * TILE..][..TILE];
            }
            let x: &[Row<F>; ROWS] = x[t * stride + start..].first_chunk().expect("a block has so many");
            for w in 0..TILE {
                let mut d_y = [F::splat(simd, F::ZERO); WIDTH];
                for (d_y, (panel, (_, column))) in d_y.iter_mut().zip(panels.iter().zip(places)) {
                    *d_y = vector_at::<F, S>(&panel[w], column);
                }
                for row in 0..ROWS {
                    add_scaled(simd, &mut block[row], x[row].0[w], d_y);
                }
            }
        }
    }
    for (row, block) in block.iter().enumerate() {
        for (&(panel, column), &vector) in places.iter().zip(block) {
            vectors_mut::<F, S>(std::slice::from_mut(&mut sums[panel][start + row]))[column] = vector;
        }
    }
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

/// One vector of a row.
#[inline(always)]
fn vector_at<F: Float, S: Simd>(row: &Row<F>, column: usize) -> F::Vector<S> {
    vectors::<F, S>(std::slice::from_ref(row))[column]
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
