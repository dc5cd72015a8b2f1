//! The first pass of a step: each tile of windows goes through all layers, forward and backward. Tiles do not depend on
//! each other, and neither do the rows that one layer computes: where there are more threads than tiles, they share them.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use triax_losses::SmoothedLoss;

use super::Float;
use super::affine::Affine;
use super::dropout::{self, Mask};
use super::feature_map::FeatureMap;
use super::first_block::{FirstBlock, PoolWindow};
use super::layers::Stage;
use super::loss::TileLoss;
use super::row::{Row, TILE};

/// The buffers of a tile of windows: input, activations and gradients.
#[derive(Clone, Debug)]
pub(super) struct Tile<F> {
    /// Rows (window × channels).
    pub input: FeatureMap<F>,
    /// Rows of each stage's output, after its activation; empty for the convolution of a [`FirstBlock`].
    pub outputs: Vec<FeatureMap<F>>,
    /// What each stage keeps for the way back, beside its output: see [`Stage::n_factors`].
    factors: Vec<Vec<Row<F>>>,
    /// The gradient of each stage's output, or of the sum before its activation if it has one.
    pub d_outputs: Vec<Vec<Row<F>>>,
    /// `d_outputs` of each convolution in the layout that the parameter pass reads: see
    /// [`super::affine::Affine::transpose`].
    pub transposed: Vec<Vec<Row<F>>>,
    pub tile_loss: TileLoss<F>,
    /// One for each piece that a layer is cut into.
    pool_windows: Vec<PoolWindow<F>>,
}

impl<F: Float> Tile<F> {
    /// Allocates the buffers, for layers that are cut into up to `n_pieces`.
    pub fn new(stages: &[Stage], n_inputs: usize, classes: usize, n_pieces: usize) -> Self {
        let rows = |n: usize| vec![Row::ZERO; n];
        let n_unkept = FirstBlock::find(stages).map_or(0, |_| 1);
        let n_outputs = |s: usize| if s < n_unkept { 0 } else { stages[s].n_outputs() };
        let margins = |s: usize| stages.get(s).map_or([0; 2], Stage::margin_rows);
        let n_transposed = |stage: &Stage| match stage {
            Stage::Affine(affine) => affine.n_panels() * affine.output.0 * TILE,
            _ => 0,
        };
        Self {
            input: FeatureMap::new(n_inputs, margins(0)),
            outputs: (0..stages.len()).map(|s| FeatureMap::new(n_outputs(s), margins(s + 1))).collect(),
            factors: stages.iter().map(|stage| rows(stage.n_factors())).collect(),
            d_outputs: (0..stages.len()).map(|s| rows(n_outputs(s))).collect(),
            transposed: stages.iter().map(|stage| rows(n_transposed(stage))).collect(),
            tile_loss: TileLoss::new(classes),
            pool_windows: vec![PoolWindow::new(stages); n_pieces],
        }
    }

    /// The rows that stage `s` reads.
    pub fn input_of(&self, s: usize) -> &FeatureMap<F> {
        if s == 0 { &self.input } else { &self.outputs[s - 1] }
    }

    /// The scores, a row for each class.
    pub fn scores(&self) -> &[Row<F>] {
        self.outputs.last().expect("a network has layers").rows()
    }

    /// Runs the stages of `part` forward. All parts in turn lead from the input to the scores. `dropout` holds the mask and
    /// the index of the tile's first window in its batch; without it, nothing is dropped.
    pub fn forward(&mut self, stages: &[Stage], part: Range<usize>, parameters: &[F], dropout: Option<(Mask, usize)>) {
        let pass = LayerPass { stages, parameters, dropout };
        self.run(pass, forward_phases(stages).filter(|phase| part.contains(&phase.stage())));
    }

    /// Computes the losses of the scores and their gradients. `batch` is the number of windows in the whole batch.
    pub fn judge(&mut self, loss: SmoothedLoss, batch: usize) {
        let last = self.outputs.len() - 1;
        self.tile_loss.judge(loss, batch, self.outputs[last].rows(), &mut self.d_outputs[last]);
    }

    /// Runs the stages of `part` backward, after [`Tile::judge`]. All parts in turn lead from the scores to the first
    /// layer. `dropout` is that of the forward pass.
    pub fn backward(&mut self, stages: &[Stage], part: Range<usize>, parameters: &[F], dropout: Option<(Mask, usize)>) {
        let pass = LayerPass { stages, parameters, dropout };
        self.run(pass, backward_phases(stages).filter(|phase| part.contains(&phase.stage())));
    }

    /// Runs whole phases on this thread.
    fn run(&mut self, pass: LayerPass<'_, F>, phases: impl Iterator<Item = Phase>) {
        for phase in phases {
            let mut piece = [None];
            self.cut(pass, phase, &mut piece);
            if let [Some(piece)] = piece {
                pulp::Arch::new().dispatch(piece);
            }
        }
    }

    /// Cuts `phase` into as many pieces as there is room for. They write different rows.
    pub fn cut<'a>(&'a mut self, pass: LayerPass<'a, F>, phase: Phase, pieces: &mut [Option<Piece<'a, F>>]) {
        let n = pieces.len();
        assert!(n <= self.pool_windows.len(), "a tile with room for {} pieces", self.pool_windows.len());
        let (stages, s) = (pass.stages, phase.stage());
        match (phase, &stages[s]) {
            (Phase::FirstForward, _) => {
                let block = FirstBlock::find(stages).expect("a network with this phase has one");
                let rows = cuts(self.outputs[1].rows_mut(), block.position_rows().0, n);
                for ((piece, rows), pool_window) in pieces.iter_mut().zip(rows).zip(&mut self.pool_windows) {
                    *piece = Some(Piece::FirstForward { pass, block, x: self.input.padded(), rows, pool_window });
                }
            }
            (Phase::FirstBackward, _) => {
                let block = FirstBlock::find(stages).expect("a network with this phase has one");
                let rows = cuts(&mut self.transposed[0], block.position_rows().1, n);
                let read = [self.input.padded(), self.outputs[1].rows(), &self.d_outputs[1]];
                for ((piece, rows), pool_window) in pieces.iter_mut().zip(rows).zip(&mut self.pool_windows) {
                    *piece = Some(Piece::FirstBackward { pass, block, read, rows, pool_window });
                }
            }
            (Phase::Forward(_), stage) => {
                let (before, rest) = self.outputs.split_at_mut(s);
                let x = before.last().unwrap_or(&self.input).padded();
                let rows = cuts(rest[0].rows_mut(), stage.grain(), n);
                let factors = cuts(&mut self.factors[s], stage.grain(), n);
                for ((piece, rows), (_, factors)) in pieces.iter_mut().zip(rows).zip(factors) {
                    *piece = Some(Piece::Forward { pass, stage, x, rows, factors });
                }
            }
            (Phase::Sums(_), Stage::Affine(affine)) => {
                let (filters, n_transposed) = (affine.output.1, affine.n_panels() * TILE);
                let rows = cuts(&mut self.d_outputs[s], filters, n);
                let transposed = cuts(&mut self.transposed[s], n_transposed, n);
                for ((piece, rows), (_, transposed)) in pieces.iter_mut().zip(rows).zip(transposed) {
                    let (y, slopes) = (self.outputs[s].rows(), &self.factors[s][..]);
                    *piece = Some(Piece::Sums { affine, y, slopes, rows, transposed });
                }
            }
            (Phase::Sums(_), _) => unreachable!("only affine layers compute sums"),
            (Phase::Backward(_), stage) => {
                let (before, rest) = self.d_outputs.split_at_mut(s);
                let d_x = before.last_mut().expect("the first layer has no such phase");
                let read = [self.outputs[s - 1].rows(), self.outputs[s].rows(), &rest[0]];
                for (piece, rows) in pieces.iter_mut().zip(cuts(d_x, stage.input_grain(), n)) {
                    *piece = Some(Piece::Backward { pass, stage, read, factors: &self.factors[s], rows });
                }
            }
        }
    }
}

/// What all phases of a pass read.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerPass<'a, F> {
    pub stages: &'a [Stage],
    pub parameters: &'a [F],
    /// The mask of dropout, and the index of the tile's first window in its batch; without it, nothing is dropped.
    pub dropout: Option<(Mask, usize)>,
}

/// A part of the pass whose rows can be computed in any order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// Outputs of a [`FirstBlock`].
    FirstForward,
    /// Outputs of a stage.
    Forward(usize),
    /// From the gradient of an affine stage's output that of the sums before its activation, and its transposition.
    Sums(usize),
    /// The gradient of a stage's input.
    Backward(usize),
    /// The gradient of the sums of a [`FirstBlock`].
    FirstBackward,
}

impl Phase {
    /// The index of its stage.
    fn stage(self) -> usize {
        match self {
            Self::FirstForward | Self::FirstBackward => 0,
            Self::Forward(s) | Self::Sums(s) | Self::Backward(s) => s,
        }
    }
}

/// The phases from the input to the scores.
pub(super) fn forward_phases(stages: &[Stage]) -> impl Iterator<Item = Phase> {
    let n_first = FirstBlock::find(stages).map_or(0, |_| FirstBlock::N_STAGES);
    let first = (n_first > 0).then_some(Phase::FirstForward);
    first.into_iter().chain((n_first..stages.len()).map(Phase::Forward))
}

/// The phases from the gradient of the scores to the first layer.
pub(super) fn backward_phases(stages: &[Stage]) -> impl Iterator<Item = Phase> {
    let n_first = FirstBlock::find(stages).map_or(0, |_| FirstBlock::N_STAGES);
    let of_stage = |s: usize| {
        let sums = matches!(stages[s], Stage::Affine(_)).then_some(Phase::Sums(s));
        sums.into_iter().chain((s > 0).then_some(Phase::Backward(s)))
    };
    let first = (n_first > 0).then_some(Phase::FirstBackward);
    (n_first..stages.len()).rev().flat_map(of_stage).chain(first)
}

/// The parts that a pass can be timed in: each stage by itself, and those of a [`FirstBlock`] together.
pub(super) fn parts(stages: &[Stage]) -> impl DoubleEndedIterator<Item = Range<usize>> {
    let in_block = FirstBlock::find(stages).map_or(0, |_| FirstBlock::N_STAGES);
    let block = (in_block > 0).then_some(0..in_block);
    block.into_iter().chain((in_block..stages.len()).map(|s| s..s + 1))
}

/// Rows out of those of a stage, and the index of the first of them.
type Rows<'a, F> = (usize, &'a mut [Row<F>]);

/// `rows` in `n` runs of about the same length, which begin at multiples of `grain`. Some may be empty.
fn cuts<'a, F>(rows: &'a mut [Row<F>], grain: usize, n: usize) -> impl Iterator<Item = Rows<'a, F>> {
    let (len, n_grains, mut rest) = (rows.len(), rows.len().div_ceil(grain), rows);
    let start = move |piece: usize| len.min(piece * n_grains / n * grain);
    (0..n).map(move |piece| {
        let (here, behind) = std::mem::take(&mut rest).split_at_mut(start(piece + 1) - start(piece));
        rest = behind;
        (start(piece), here)
    })
}

/// A piece of a phase: some rows.
pub(super) enum Piece<'a, F> {
    FirstForward {
        pass: LayerPass<'a, F>,
        block: FirstBlock<'a>,
        x: &'a [Row<F>],
        rows: Rows<'a, F>,
        pool_window: &'a mut PoolWindow<F>,
    },
    Forward {
        pass: LayerPass<'a, F>,
        stage: &'a Stage,
        x: &'a [Row<F>],
        rows: Rows<'a, F>,
        /// Those of these rows, or none.
        factors: &'a mut [Row<F>],
    },
    Sums {
        affine: &'a Affine,
        y: &'a [Row<F>],
        /// Of all rows, or none.
        slopes: &'a [Row<F>],
        rows: Rows<'a, F>,
        transposed: &'a mut [Row<F>],
    },
    Backward {
        pass: LayerPass<'a, F>,
        stage: &'a Stage,
        /// x, y, and the gradient of y.
        read: [&'a [Row<F>]; 3],
        /// Those of all rows of y, or none.
        factors: &'a [Row<F>],
        rows: Rows<'a, F>,
    },
    FirstBackward {
        pass: LayerPass<'a, F>,
        block: FirstBlock<'a>,
        /// x, y, and the gradient of y.
        read: [&'a [Row<F>]; 3],
        rows: Rows<'a, F>,
        pool_window: &'a mut PoolWindow<F>,
    },
}

impl<F: Float> WithSimd for Piece<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self {
            Self::FirstForward { pass, block, x, rows: (first, y), pool_window } => {
                block.forward(simd, pass.parameters, x, first / block.position_rows().0, y, pool_window);
            }
            Self::Forward { pass, stage, x, rows: (first, y), factors } => match stage {
                Stage::Affine(affine) => affine.forward(simd, pass.parameters, x, first, y, factors),
                Stage::Pool(pool) => pool.forward(simd, x, first / pool.output.1, y),
                Stage::Dropout { features } => {
                    let x = &x[first..][..y.len()];
                    match pass.dropout {
                        Some((dropout, first_window)) => {
                            dropout.draw(first_window, (first, *features), factors);
                            dropout::apply(simd, factors, x, y);
                        }
                        None => y.copy_from_slice(x),
                    }
                }
            },
            Self::Sums { affine, y, slopes, rows: (first, d_y), transposed } => {
                let here = first..first + d_y.len();
                let slopes = if slopes.is_empty() { slopes } else { &slopes[here.clone()] };
                affine.activation_backward(simd, &y[here], slopes, d_y);
                affine.transpose(simd, d_y, transposed);
            }
            Self::Backward { pass, stage, read: [x, y, d_y], factors, rows: (first, d_x) } => match stage {
                Stage::Affine(affine) => affine.backward(simd, pass.parameters, d_y, first, d_x),
                Stage::Pool(pool) => pool.backward(simd, [x, y, d_y], first / pool.input.1, d_x),
                Stage::Dropout { .. } => {
                    let here = first..first + d_x.len();
                    match pass.dropout {
                        Some(_) => dropout::apply(simd, &factors[here.clone()], &d_y[here], d_x),
                        None => d_x.copy_from_slice(&d_y[here]),
                    }
                }
            },
            Self::FirstBackward { pass, block, read, rows: (first, transposed), pool_window } => {
                let position = first / block.position_rows().1;
                block.backward(simd, pass.parameters, read, position, transposed, pool_window);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_whole_and_even_and_begin_at_grains() {
        for (len, grain, n) in [(896, 4, 8), (120, 4, 7), (928, 32, 3), (6, 4, 5), (0, 4, 3), (64, 64, 4), (10, 3, 1)] {
            let mut rows = vec![Row::<f32>::ZERO; len];
            let cuts: Vec<(usize, usize)> =
                cuts(&mut rows, grain, n).map(|(first, rows)| (first, rows.len())).collect();
            assert_eq!(cuts.len(), n);
            let mut next = 0;
            for &(first, here) in &cuts {
                assert!(first == next && (first % grain == 0 || here == 0), "{len} rows by {grain}: {cuts:?}");
                next += here;
            }
            assert_eq!(next, len);
            let most = len.div_ceil(grain).div_ceil(n) * grain;
            assert!(cuts.iter().all(|&(_, here)| here <= most), "{len} rows by {grain}: {cuts:?}");
        }
    }
}
