//! The first pass of a step: each tile of windows goes through all layers, forward and backward. Tiles do not depend on
//! each other.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use triax_losses::Loss;

use super::Float;
use super::dropout::{self, Mask};
use super::first_block::{FirstBlock, PoolWindow};
use super::layers::Stage;
use super::loss::TileLoss;
use super::row::{Row, TILE};

/// The buffers of a tile of windows: input, activations and gradients.
#[derive(Clone, Debug)]
pub(super) struct Tile<F> {
    /// Rows (window × channels).
    pub input: Vec<Row<F>>,
    /// Rows of each stage's output, after its ReLU if it has one; empty for the convolution of a [`FirstBlock`].
    pub outputs: Vec<Vec<Row<F>>>,
    /// The factors of dropout, a row for each feature.
    mask: Vec<Row<F>>,
    /// The gradient of each stage's output, or of the sum before its ReLU if it has one.
    pub d_outputs: Vec<Vec<Row<F>>>,
    /// `d_outputs` of each convolution in the layout that the parameter pass reads: see
    /// [`super::affine::Affine::transpose`].
    pub transposed: Vec<Vec<Row<F>>>,
    pub tile_loss: TileLoss<F>,
    pool_window: PoolWindow<F>,
}

impl<F: Float> Tile<F> {
    /// Allocates the buffers.
    pub fn new(stages: &[Stage], n_inputs: usize, classes: usize) -> Self {
        let rows = |n: usize| vec![Row::ZERO; n];
        let mut outputs: Vec<_> = stages.iter().map(|stage| rows(stage.n_outputs())).collect();
        if FirstBlock::find(stages).is_some() {
            outputs[0] = Vec::new();
        }
        let features = |stage: &Stage| if let Stage::Dropout { features } = *stage { features } else { 0 };
        let n_transposed = |stage: &Stage| match stage {
            Stage::Affine(affine) => affine.n_panels() * affine.output.0 * TILE,
            _ => 0,
        };
        Self {
            input: rows(n_inputs),
            d_outputs: outputs.clone(),
            outputs,
            mask: rows(stages.iter().map(features).sum()),
            transposed: stages.iter().map(|stage| rows(n_transposed(stage))).collect(),
            tile_loss: TileLoss::new(classes),
            pool_window: PoolWindow::new(stages),
        }
    }

    /// The rows that stage `s` reads.
    pub fn input_of(&self, s: usize) -> &[Row<F>] {
        if s == 0 { &self.input } else { &self.outputs[s - 1] }
    }

    /// The scores, a row for each class.
    pub fn scores(&self) -> &[Row<F>] {
        self.outputs.last().expect("a network has layers")
    }

    /// Runs the stages of `part` forward. All parts in turn lead from the input to the scores. `dropout` holds the mask and
    /// the index of the tile's first window in its batch; without it, nothing is dropped.
    pub fn forward(&mut self, stages: &[Stage], part: Range<usize>, parameters: &[F], dropout: Option<(Mask, usize)>) {
        pulp::Arch::new().dispatch(Forward { stages, part, parameters, dropout, tile: self });
    }

    /// Computes the losses of the scores and their gradients. `batch` is the number of windows in the whole batch.
    pub fn judge(&mut self, loss: Loss, batch: usize) {
        let last = self.outputs.len() - 1;
        self.tile_loss.judge(loss, batch, &self.outputs[last], &mut self.d_outputs[last]);
    }

    /// Runs the stages of `part` backward, after [`Tile::judge`]. All parts in turn lead from the scores to the first
    /// layer. `dropped` says whether the forward pass had dropout.
    pub fn backward(&mut self, stages: &[Stage], part: Range<usize>, parameters: &[F], dropped: bool) {
        pulp::Arch::new().dispatch(Backward { stages, part, parameters, dropped, tile: self });
    }
}

/// The parts that a pass can be split into: each stage by itself, and those of a [`FirstBlock`] together.
pub(super) fn parts(stages: &[Stage]) -> impl DoubleEndedIterator<Item = Range<usize>> {
    let in_block = FirstBlock::find(stages).map_or(0, |_| FirstBlock::N_STAGES);
    let block = (in_block > 0).then_some(0..in_block);
    block.into_iter().chain((in_block..stages.len()).map(|s| s..s + 1))
}

/// [`Tile::forward`] with the vectors of the processor.
struct Forward<'a, F> {
    stages: &'a [Stage],
    part: Range<usize>,
    parameters: &'a [F],
    dropout: Option<(Mask, usize)>,
    tile: &'a mut Tile<F>,
}

impl<F: Float> WithSimd for Forward<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { stages, mut part, parameters, dropout, tile } = self;
        if let Some(block) = FirstBlock::find(stages)
            && part.start == 0
        {
            block.forward(simd, parameters, &tile.input, &mut tile.outputs[1], &mut tile.pool_window);
            part.start = FirstBlock::N_STAGES;
        }
        for s in part {
            let (before, rest) = tile.outputs.split_at_mut(s);
            let (x, y) = (before.last().unwrap_or(&tile.input), &mut rest[0]);
            match &stages[s] {
                Stage::Affine(affine) => affine.forward(simd, parameters, x, y),
                Stage::MaxPool(pool) => pool.forward(simd, x, y),
                Stage::Dropout { .. } => match dropout {
                    Some((mask, first)) => {
                        mask.draw(first, &mut tile.mask);
                        dropout::apply(simd, &tile.mask, x, y);
                    }
                    None => y.copy_from_slice(x),
                },
            }
        }
    }
}

/// [`Tile::backward`] with the vectors of the processor.
struct Backward<'a, F> {
    stages: &'a [Stage],
    part: Range<usize>,
    parameters: &'a [F],
    dropped: bool,
    tile: &'a mut Tile<F>,
}

impl<F: Float> WithSimd for Backward<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { stages, part, parameters, dropped, tile } = self;
        let first_block = FirstBlock::find(stages).filter(|_| part.start == 0);
        let left = first_block.map_or(part.start, |_| FirstBlock::N_STAGES);
        for s in (left..part.end).rev() {
            let stage = &stages[s];
            let (before, rest) = tile.d_outputs.split_at_mut(s);
            let (d_x, d_y) = (before.last_mut(), &mut rest[0]);
            if let Stage::Affine(affine) = stage {
                affine.relu_backward(simd, &tile.outputs[s], d_y);
                affine.transpose(simd, d_y, &mut tile.transposed[s]);
            }
            let Some(d_x) = d_x else { break };
            match stage {
                Stage::Affine(affine) => affine.backward(simd, parameters, d_y, d_x),
                Stage::MaxPool(pool) => pool.backward(simd, &tile.outputs[s - 1], &tile.outputs[s], d_y, d_x),
                Stage::Dropout { .. } if dropped => dropout::apply(simd, &tile.mask, d_y, d_x),
                Stage::Dropout { .. } => d_x.copy_from_slice(d_y),
            }
        }
        if let Some(block) = first_block {
            let rows = [&tile.input, &tile.outputs[1], &tile.d_outputs[1]].map(Vec::as_slice);
            block.backward(simd, parameters, rows, &mut tile.transposed[0], &mut tile.pool_window);
        }
    }
}
