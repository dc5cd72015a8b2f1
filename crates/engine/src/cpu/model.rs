//! One model in training: its state, and the step that changes it.

use crate::{Member, MemberEpoch, SessionState, StepResult, TrainingPlan, WindowSet};
use triax_model::{Network, Scaler, Tensor, Weights};

use super::Float;
use super::augment::{Augment, Partner};
use super::dropout::Mask;
use super::gather::gather;
use super::layers::{Stage, stages};
use super::loss::{Partners, TileLoss};
use super::parameter_pass::{Block, Round, Target, blocks, parameter_pass, update_pass};
use super::row::TILE;
use super::sample_pass::{LayerPass, Phase, Tile, backward_phases, forward_phases};
use super::team::Team;
use super::update::{Slots, Update};

/// Tiles for each thread that pass through the network before their gradients are summed: few enough that their
/// activations are still in the cache. The number does not change the sums.
const TILES_A_THREAD: usize = 8;

/// The most pieces that the layers of all tiles are cut into, where threads share tiles.
const MOST_PIECES: usize = 64;

/// The pieces of each of `n_tiles` tiles, so that all of `n_threads` threads have as many.
fn pieces_of_a_tile(n_threads: usize, n_tiles: usize) -> usize {
    let fitting = MOST_PIECES / n_tiles;
    (1..=fitting).find(|n| (n * n_tiles).is_multiple_of(n_threads)).unwrap_or(fitting)
}

/// What all models of a fleet share.
#[derive(Debug)]
pub(super) struct Shape {
    pub network: Network,
    pub stages: Vec<Stage>,
    pub blocks: Vec<Block>,
}

impl Shape {
    pub fn new(network: &Network) -> Self {
        let stages = stages(network);
        Self { network: network.clone(), blocks: blocks(&stages), stages }
    }

    /// Room for a tile whose layers are cut into up to `n_pieces`.
    pub fn tile<F: Float>(&self, n_pieces: usize) -> Tile<F> {
        let spec = self.network.spec();
        Tile::new(&self.stages, spec.window * spec.channels, spec.classes, n_pieces)
    }

    /// Values of a window.
    pub fn window_len(&self) -> usize {
        self.network.spec().window * self.network.spec().channels
    }

    /// Window `idx`, (window, channels).
    pub fn window<'a>(&self, windows: &'a WindowSet, idx: u32) -> &'a [f32] {
        &windows.windows[idx as usize * self.window_len()..][..self.window_len()]
    }
}

/// What the steps of every model of a fleet read.
#[derive(Clone, Copy)]
pub(super) struct StepContext<'a> {
    pub shape: &'a Shape,
    pub windows: &'a WindowSet,
    pub team: &'a Team<'a>,
}

/// Buffers of a step. They are allocated once, and every step overwrites them.
#[derive(Debug)]
pub(super) struct Workspace<F> {
    pub tiles: Vec<Tile<F>>,
    /// The gradient, if a batch takes several rounds or the norm is clipped; else empty.
    pub gradient: Vec<F>,
    /// `Σ g²` of each block.
    pub squares: Vec<f64>,
    /// The most tiles of a round for each thread.
    tiles_a_thread: usize,
}

impl<F: Float> Workspace<F> {
    /// For batches of up to `batch_size` windows, worked on by up to `n_threads` threads.
    pub fn new(shape: &Shape, batch_size: usize, keeps_gradient: bool, n_threads: usize) -> Self {
        Self::with_rounds(shape, batch_size, keeps_gradient, n_threads, TILES_A_THREAD)
    }

    /// [`Workspace::new`] for a single round, so that all tiles of the batch and its gradient are there afterwards.
    pub fn in_one_round(shape: &Shape, batch_size: usize, n_threads: usize) -> Self {
        Self::with_rounds(shape, batch_size, true, n_threads, batch_size.div_ceil(TILE))
    }

    fn with_rounds(
        shape: &Shape,
        batch_size: usize,
        keeps_gradient: bool,
        n_threads: usize,
        tiles_a_thread: usize,
    ) -> Self {
        let in_batch = batch_size.div_ceil(TILE).max(1);
        let n_gradient = if keeps_gradient || in_batch > tiles_a_thread { shape.network.n_parameters() } else { 0 };
        Self {
            tiles: vec![shape.tile(n_threads.min(MOST_PIECES)); in_batch.min(tiles_a_thread * n_threads)],
            gradient: vec![F::ZERO; n_gradient],
            squares: vec![0.0; shape.blocks.len()],
            tiles_a_thread,
        }
    }
}

/// Weights, moments and settings of one model.
#[derive(Debug)]
pub(super) struct Model<F> {
    /// All parameters, tensor after tensor.
    pub parameters: Vec<F>,
    /// In the order of [`crate::Optimizer::moment_names`]; empty where there are fewer.
    pub moments: [Vec<F>; 2],
    pub updates: u64,
    pub plan: TrainingPlan,
    pub dropout: f32,
    pub scaler: Option<Scaler>,
    pub validation: Vec<u32>,
}

/// The result of a step, at the engine's precision.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchResult {
    pub loss: f64,
    pub correct: u32,
    pub gradient_norm: f64,
}

impl From<BatchResult> for StepResult {
    fn from(result: BatchResult) -> Self {
        Self { loss: result.loss as f32, correct: result.correct, gradient_norm: result.gradient_norm as f32 }
    }
}

impl<F: Float> Model<F> {
    pub fn new(member: &Member<'_>) -> Self {
        let parameters = flat(member.weights);
        let n_moments = member.plan.optimizer.moment_names().len();
        let moment = |i| vec![F::ZERO; if i < n_moments { parameters.len() } else { 0 }];
        Self {
            moments: [moment(0), moment(1)],
            parameters,
            updates: 0,
            plan: member.plan.clone(),
            dropout: member.network.spec().dropout,
            scaler: member.scaler.cloned(),
            validation: member.validation.to_vec(),
        }
    }

    /// Takes step `step` of an epoch.
    pub fn step(
        &mut self,
        context: StepContext<'_>,
        epoch: &MemberEpoch<'_>,
        step: usize,
        learning_rate: f32,
        workspace: &mut Workspace<F>,
    ) -> BatchResult {
        let batch = epoch.batch(step, self.plan.batch_size);
        self.updates += 1;
        let update = Update::new(self.plan.optimizer, learning_rate.into(), self.updates);
        let at_once = self.plan.clip_norm.is_none().then_some(update);
        let result = self.gradient(context, batch, epoch.first_step + step as u64, at_once, workspace);
        if let Some(bound) = self.plan.clip_norm.map(f64::from) {
            let scale = if result.gradient_norm > bound { bound / result.gradient_norm } else { 1.0 };
            let [m, v] = &mut self.moments;
            let slots = Slots { parameters: &mut self.parameters, moments: [m, v] };
            update_pass(context.team, update, F::from_f64(scale), slots, &mut workspace.gradient);
        }
        result
    }

    /// Runs both passes over `batch`. Without `update` the gradient stays in the workspace, which must have room for it.
    pub fn gradient(
        &mut self,
        context: StepContext<'_>,
        batch: &[u32],
        counter: u64,
        update: Option<Update<F>>,
        workspace: &mut Workspace<F>,
    ) -> BatchResult {
        let StepContext { shape, windows, team } = context;
        let Workspace { tiles, gradient, squares, tiles_a_thread } = workspace;
        let in_round = tiles.len().min(*tiles_a_thread * team.n_threads()) * TILE;
        let (mut loss, mut correct) = (0.0, 0);
        for (round_idx, indices) in batch.chunks(in_round).enumerate() {
            let tiles = &mut tiles[..indices.len().div_ceil(TILE)];
            let first = round_idx * in_round;
            let pass = SamplePass { shape, model: self, windows, counter, batch };
            if tiles.len() < team.n_threads().min(MOST_PIECES) {
                pass.share_tiles(team, first, tiles);
            } else {
                team.each(tiles, |i, tile| pass.tile(first + i * TILE, tile));
            }
            for tile_loss in tiles.iter().map(|tile| &tile.tile_loss) {
                loss += tile_loss.losses[..tile_loss.n_windows].iter().map(|loss| loss.to_f64()).sum::<f64>();
                correct += tile_loss.correct;
            }
            let round = Round { is_first: round_idx == 0, is_last: first + indices.len() == batch.len(), update };
            let [m, v] = &mut self.moments;
            let slots = Slots { parameters: &mut self.parameters, moments: [m, v] };
            let target = Target { slots, gradient, squares };
            parameter_pass(team, &shape.stages, &shape.blocks, tiles, round, target);
        }
        BatchResult { loss: loss / batch.len() as f64, correct, gradient_norm: squares.iter().sum::<f64>().sqrt() }
    }

    /// The weights, rounded to f32.
    pub fn weights(&self, network: &Network) -> Weights {
        tensors(network, &self.parameters)
    }

    /// Replaces the weights by checked ones.
    pub fn set_weights(&mut self, weights: &Weights) {
        self.parameters = flat(weights);
    }

    /// Weights, moments and updates, rounded to f32.
    pub fn state(&self, network: &Network) -> SessionState {
        let n_moments = self.plan.optimizer.moment_names().len();
        SessionState {
            weights: self.weights(network),
            moments: self.moments[..n_moments].iter().map(|moment| tensors(network, moment)).collect(),
            updates: self.updates,
        }
    }

    /// Replaces the state by a checked one.
    pub fn restore(&mut self, state: &SessionState) {
        self.set_weights(&state.weights);
        for (moment, saved) in self.moments.iter_mut().zip(&state.moments) {
            *moment = flat(saved);
        }
        self.updates = state.updates;
    }
}

/// The first pass over a batch.
pub(super) struct SamplePass<'a, F> {
    pub shape: &'a Shape,
    pub model: &'a Model<F>,
    pub windows: &'a WindowSet,
    /// Steps taken since the start of training.
    pub counter: u64,
    /// Windows of the data set.
    pub batch: &'a [u32],
}

impl<F: Float> SamplePass<'_, F> {
    /// Runs the pass on the windows of the batch from window `first` on, as many as fit `tile`.
    fn tile(&self, first: usize, tile: &mut Tile<F>) {
        let (stages, parameters, dropout) = (&self.shape.stages[..], &self.model.parameters[..], self.dropout(first));
        self.fill(first, tile);
        tile.forward(stages, 0..stages.len(), parameters, dropout);
        self.judge(tile);
        tile.backward(stages, 0..stages.len(), parameters, dropout);
    }

    /// Runs the pass on the windows of the batch from window `first` on, in `tiles`. The threads share each layer.
    fn share_tiles(&self, team: &Team<'_>, first: usize, tiles: &mut [Tile<F>]) {
        let stages = &self.shape.stages[..];
        let n_pieces = pieces_of_a_tile(team.n_threads(), tiles.len());
        team.each(tiles, |i, tile| self.fill(first + i * TILE, tile));
        forward_phases(stages).for_each(|phase| self.share_phase(team, phase, first, tiles, n_pieces));
        team.each(tiles, |_, tile| self.judge(tile));
        backward_phases(stages).for_each(|phase| self.share_phase(team, phase, first, tiles, n_pieces));
    }

    /// Runs one phase, in so many pieces of each tile.
    fn share_phase(&self, team: &Team<'_>, phase: Phase, first: usize, tiles: &mut [Tile<F>], n_pieces: usize) {
        let mut pieces = [const { None }; MOST_PIECES];
        let pieces = &mut pieces[..tiles.len() * n_pieces];
        for (i, (tile, pieces)) in tiles.iter_mut().zip(pieces.chunks_exact_mut(n_pieces)).enumerate() {
            let pass = LayerPass {
                stages: &self.shape.stages,
                parameters: &self.model.parameters,
                dropout: self.dropout(first + i * TILE),
            };
            tile.cut(pass, phase, pieces);
        }
        team.each(pieces, |_, piece| {
            if let Some(piece) = piece.take() {
                pulp::Arch::new().dispatch(piece);
            }
        });
    }

    /// The mask of a tile whose first window is window `first` of the batch.
    pub fn dropout(&self, first: usize) -> Option<(Mask, usize)> {
        let mask = Mask { seed: self.model.plan.seed, step: self.counter, rate: self.model.dropout };
        (mask.rate > 0.0).then_some((mask, first))
    }

    /// Computes the losses of a tile's windows, and their gradients.
    pub fn judge(&self, tile: &mut Tile<F>) {
        tile.judge(self.model.plan.training_loss(), self.batch.len());
    }

    /// Fills `tile` with the windows of the batch from window `first` on, as many as fit.
    pub fn fill(&self, first: usize, tile: &mut Tile<F>) {
        let Self { shape, model, windows, counter, batch } = *self;
        let here = first..batch.len().min(first + TILE);
        let tile_loss = &mut tile.tile_loss;
        tile_loss.n_windows = here.len();
        // The tile may hold the partners of another model.
        tile_loss.partners = None;
        for (w, own) in here.clone().enumerate() {
            (tile_loss.labels[w], tile_loss.weights[w]) = self.label_and_weight(own);
        }
        let window = |n: usize| shape.window(windows, batch[n]);
        let (scaler, channels) = (model.scaler.as_ref(), shape.network.spec().channels);
        let x = tile.input.rows_mut();
        match Augment::for_step(&model.plan, counter, batch.len()) {
            None => gather(here.map(window), scaler, channels, x),
            Some(augment) => {
                if augment.mixes() {
                    self.share_weights(&augment, first, tile_loss);
                }
                augment.gather(window, here, scaler, channels, x);
            }
        }
    }

    /// Class of window `n` of the batch, and its weight in the loss.
    fn label_and_weight(&self, n: usize) -> (u32, F) {
        let idx = self.batch[n] as usize;
        let weight = self.windows.weight(idx, self.model.plan.class_weights.as_deref());
        (self.windows.labels[idx], F::from_f32(weight))
    }

    /// Splits the weights of a tile's windows between their own labels and those of their partners. The tile's first window
    /// is window `first` of the batch.
    fn share_weights(&self, augment: &Augment, first: usize, tile_loss: &mut TileLoss<F>) {
        let partners = tile_loss.partners.insert(Partners { labels: [0; TILE], weights: [F::ZERO; TILE] });
        for w in 0..tile_loss.n_windows {
            let Partner { window, share } = augment.partner(first + w);
            let (share, (label, weight)) = (F::from_f32(share), self.label_and_weight(window));
            tile_loss.weights[w] = (F::ONE - share) * tile_loss.weights[w];
            (partners.labels[w], partners.weights[w]) = (label, share * weight);
        }
    }
}

/// All values, tensor after tensor.
pub(super) fn flat<F: Float>(weights: &Weights) -> Vec<F> {
    weights.tensors.iter().flat_map(|tensor| &tensor.values).map(|&value| F::from_f32(value)).collect()
}

/// `values` with the names and shapes of the network's parameters, rounded to f32.
fn tensors<F: Float>(network: &Network, values: &[F]) -> Weights {
    let mut values = values.iter().map(|value| value.to_f32());
    let tensors = network.parameters().iter().map(|parameter| Tensor {
        name: parameter.name.clone(),
        shape: parameter.shape.clone(),
        values: values.by_ref().take(parameter.len()).collect(),
    });
    Weights { tensors: tensors.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_have_as_many_pieces() {
        for (n_threads, n_tiles, expected) in [(2, 1, 2), (3, 2, 3), (4, 2, 2), (6, 4, 3), (16, 2, 8), (64, 1, 64)] {
            assert_eq!(pieces_of_a_tile(n_threads, n_tiles), expected, "{n_threads} threads, {n_tiles} tiles");
        }
        // As many as there is room for.
        assert_eq!(pieces_of_a_tile(96, 1), MOST_PIECES);
        assert_eq!(pieces_of_a_tile(61, 60), 1);
    }
}
