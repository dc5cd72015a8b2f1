//! The second pass of a step: sums the gradient of each parameter over the batch, and updates the parameter at once.
//! Parameters do not depend on each other.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::Float;
use super::affine::Affine;
use super::layers::Stage;
use super::product::{BLOCK, Terms, bias_gradients, weight_gradients};
use super::row::{Row, TILE, flat, flat_mut, vectors_mut};
use super::sample_pass::Tile;
use super::team::Team;
use super::update::{Slots, Update};

/// Panels of filters whose gradients are summed before they are applied: runs of 128 parameters, which are read and
/// written in one stream.
const PANELS_AT_ONCE: usize = 8;

/// The most shares that a pass is cut into; more threads than that are idle.
pub(super) const MOST_SHARES: usize = 64;

/// A few rows of one layer's weights, or its bias: the unit of work of the pass.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Index of the layer's stage.
    pub stage: usize,
    /// Inputs whose weights these are; empty for the bias.
    inputs: Range<usize>,
    /// Their range among all parameters. Blocks are contiguous and in order.
    pub parameters: Range<usize>,
    /// Multiply-adds for each tile.
    cost: usize,
    /// Those of all blocks before this one.
    cost_before: usize,
}

/// All blocks of a network.
pub(super) fn blocks(stages: &[Stage]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let layers = stages.iter().enumerate().filter_map(|(s, stage)| match stage {
        Stage::Affine(affine) => Some((s, affine)),
        _ => None,
    });
    for (stage, affine) in layers {
        let (n_inputs, filters) = (affine.n_inputs(), affine.output.1);
        // The rows that the inputs of a block read lie beside each other.
        let input_blocks = (0..n_inputs).step_by(affine.run()).flat_map(|start| {
            let end = start + affine.run();
            (start..end).step_by(BLOCK).map(move |first| first..end.min(first + BLOCK))
        });
        let bias = n_inputs..n_inputs;
        for inputs in input_blocks.chain([bias]) {
            let start = affine.parameters + inputs.start * filters;
            blocks.push(Block {
                stage,
                cost_before: blocks.last().map_or(0, |block| block.cost_before + block.cost),
                cost: inputs.len().max(1) * affine.n_panels() * TILE * TILE * affine.output.0,
                parameters: start..start + inputs.len().max(1) * filters,
                inputs,
            });
        }
    }
    blocks
}

/// One of the rounds that the tiles of a batch are processed in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round<F> {
    /// Whether these are the batch's first tiles. Otherwise their gradient is added to that of the rounds before.
    pub is_first: bool,
    /// Whether these are the batch's last tiles, so that the gradient is complete.
    pub is_last: bool,
    /// The update to apply to the complete gradient; none if it waits for its norm.
    pub update: Option<Update<F>>,
}

/// The output of the pass. Each block writes its own part.
#[derive(Debug)]
pub(super) struct Target<'a, F> {
    pub slots: Slots<'a, F>,
    /// The gradient of all parameters, if there are several rounds or it waits for its norm; else empty.
    pub gradient: &'a mut [F],
    /// `Σ g²` of each block.
    pub squares: &'a mut [f64],
}

impl<'a, F: Float> Target<'a, F> {
    /// The first `n_blocks` blocks with their `n` parameters, and the rest.
    pub fn split(self, n_blocks: usize, n: usize) -> (Self, Self) {
        let (slots, rest_slots) = self.slots.split(n);
        let (gradient, rest_gradient) = self.gradient.split_at_mut(n.min(self.gradient.len()));
        let (squares, rest_squares) = self.squares.split_at_mut(n_blocks);
        (Self { slots, gradient, squares }, Self { slots: rest_slots, gradient: rest_gradient, squares: rest_squares })
    }
}

/// Where share `share` of `n` ends, if `blocks` are cut into shares of about the same cost.
fn share_end(blocks: &[Block], share: usize, n: usize) -> usize {
    let before = blocks.first().map_or(0, |block| block.cost_before);
    let total = blocks.last().map_or(0, |block| block.cost_before + block.cost - before);
    blocks.partition_point(|block| (block.cost_before + block.cost - before) * n <= total * share)
}

/// Runs the pass over `blocks`, some or all of a network's, a share a thread.
pub(super) fn parameter_pass<F: Float>(
    team: &Team<'_>,
    stages: &[Stage],
    blocks: &[Block],
    tiles: &[Tile<F>],
    round: Round<F>,
    target: Target<'_, F>,
) {
    let n_shares = team.n_threads().min(MOST_SHARES);
    let mut runs = [const { None }; MOST_SHARES];
    let (mut start, mut target) = (0, target);
    for (share, run) in runs[..n_shares].iter_mut().enumerate() {
        let end = share_end(blocks, share + 1, n_shares);
        let blocks = &blocks[start..end];
        let n_parameters = blocks.iter().map(|block| block.parameters.len()).sum();
        let (here, rest) = target.split(blocks.len(), n_parameters);
        *run = Some(BlockPass { stages, blocks, tiles, round, target: here });
        (start, target) = (end, rest);
    }
    team.each(&mut runs[..n_shares], |_, run| {
        if let Some(run) = run.take() {
            pulp::Arch::new().dispatch(run);
        }
    });
}

/// The pass over some blocks.
struct BlockPass<'a, F> {
    stages: &'a [Stage],
    blocks: &'a [Block],
    tiles: &'a [Tile<F>],
    round: Round<F>,
    target: Target<'a, F>,
}

impl<F: Float> WithSimd for BlockPass<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { stages, blocks, tiles, round, mut target } = self;
        let mut scratch = Scratch::new();
        for block in blocks {
            let Stage::Affine(affine) = &stages[block.stage] else {
                unreachable!("only affine layers have parameters")
            };
            let (here, rest) = target.split(1, block.parameters.len());
            gradient(simd, affine, block, tiles, round, here, &mut scratch);
            target = rest;
        }
    }
}

/// Buffers for the gradients of a block. Every block overwrites them.
struct Scratch<F> {
    /// (panel, row)
    sums: [[Row<F>; BLOCK]; PANELS_AT_ONCE],
    /// As the parameters lie.
    runs: [Row<F>; BLOCK * PANELS_AT_ONCE],
}

impl<F: Float> Scratch<F> {
    fn new() -> Self {
        Self { sums: [[Row::ZERO; BLOCK]; PANELS_AT_ONCE], runs: [Row::ZERO; BLOCK * PANELS_AT_ONCE] }
    }
}

/// Sums the gradient of one block, and applies or stores it.
#[inline(always)]
fn gradient<F: Float, S: Simd>(
    simd: S,
    affine: &Affine,
    block: &Block,
    tiles: &[Tile<F>],
    round: Round<F>,
    mut target: Target<'_, F>,
    scratch: &mut Scratch<F>,
) {
    let filters = affine.output.1;
    // The bias is the weight of an input that is always 1.
    let n_rows = block.inputs.len().max(1);
    let first_row = if block.inputs.is_empty() { 0 } else { affine.row_of(block.inputs.start) };
    let mut squares = F::ZERO;
    for first_panel in (0..affine.n_panels()).step_by(PANELS_AT_ONCE) {
        let columns = first_panel * TILE..filters.min((first_panel + PANELS_AT_ONCE) * TILE);
        let sums = &mut scratch.sums[..PANELS_AT_ONCE.min(affine.n_panels() - first_panel)];
        if !round.is_first {
            for (panel, sums) in (first_panel..).zip(&mut *sums) {
                let columns = panel * TILE..filters.min((panel + 1) * TILE);
                for (sum, gradient) in sums.iter_mut().zip(target.gradient.chunks(filters)) {
                    sum.0[..columns.len()].copy_from_slice(&gradient[columns.clone()]);
                }
            }
        }
        let terms = tiles.iter().map(|tile| Terms {
            x: &tile.input_of(block.stage).padded()[first_row..],
            stride: affine.reads(1),
            d_y: &tile.transposed[block.stage][first_panel * TILE..],
            d_stride: affine.n_panels() * TILE,
        });
        match block.inputs.len() {
            0 => bias_gradients(simd, terms, !round.is_first, sums),
            n => weight_gradients(simd, terms, !round.is_first, n, sums),
        }
        // Copies the sums in the order of the parameters. All rows are one run unless they are cut into columns. A
        // panel that is not full is copied whole: the next copy overwrites the surplus, which is faster than copying a
        // part.
        let runs = flat_mut(&mut scratch.runs);
        for row in 0..n_rows {
            for (panel, sums) in sums.iter().enumerate() {
                let whole: &mut [F; TILE] =
                    runs[row * columns.len() + panel * TILE..].first_chunk_mut().expect("there is room for all panels");
                *whole = sums[row].0;
            }
        }
        let n_runs = if columns.len() == filters { 1 } else { n_rows };
        let run_len = n_rows / n_runs * columns.len();
        for (run, gradient) in runs.chunks_exact(run_len).take(n_runs).enumerate() {
            let at = run * filters + columns.start;
            if round.is_last {
                squares += sum_of_squares(simd, gradient);
            }
            match round.update {
                Some(update) if round.is_last => update.apply(simd, target.slots.reborrow().split(at).1, gradient),
                _ => target.gradient[at..][..run_len].copy_from_slice(gradient),
            }
        }
    }
    target.squares[0] = squares.to_f64();
}

#[inline(always)]
fn sum_of_squares<F: Float, S: Simd>(simd: S, values: &[F]) -> F {
    // Several independent sums, so that none waits for the result of the one before.
    const ROWS: usize = 4;
    let (whole, rest) = values.split_at(values.len() / (ROWS * TILE) * ROWS * TILE);
    let mut sums = [Row::<F>::ZERO; ROWS];
    let sums_of_lanes = vectors_mut::<F, S>(&mut sums);
    for values in F::vectors::<S>(whole).chunks_exact(sums_of_lanes.len()) {
        for (sum, &value) in sums_of_lanes.iter_mut().zip(values) {
            *sum = F::mul_add(simd, value, value, *sum);
        }
    }
    flat(&sums).iter().copied().chain(rest.iter().map(|&value| value * value)).sum()
}

/// Applies `update` to a gradient that waited for its norm, scaled by `scale`.
pub(super) fn update_pass<F: Float>(
    team: &Team<'_>,
    update: Update<F>,
    scale: F,
    slots: Slots<'_, F>,
    gradient: &mut [F],
) {
    let mut parts = [const { None }; MOST_SHARES];
    let n_parts = team.n_threads().min(MOST_SHARES);
    let part_len = gradient.len().div_ceil(n_parts).next_multiple_of(TILE);
    let mut rest = slots;
    for (part, gradient) in parts.iter_mut().zip(gradient.chunks_mut(part_len)) {
        let (slots, behind) = rest.split(gradient.len());
        *part = Some((slots, gradient));
        rest = behind;
    }
    team.each(&mut parts[..n_parts], |_, part| {
        if let Some((slots, gradient)) = part.take() {
            gradient.iter_mut().for_each(|g| *g = *g * scale);
            pulp::Arch::new().dispatch(Apply { update, slots, gradient });
        }
    });
}

/// An update on one thread.
struct Apply<'a, F> {
    update: Update<F>,
    slots: Slots<'a, F>,
    gradient: &'a [F],
}

impl<F: Float> WithSimd for Apply<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.update.apply(simd, self.slots, self.gradient);
    }
}
