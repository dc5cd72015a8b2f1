//! One model in training: its state, and the step that changes it.

use crate::{Member, MemberEpoch, SessionState, StepResult, TrainingPlan, WindowSet};
use triax_model::{Network, Scaler, Tensor, Weights};

use super::Float;
use super::augment::{Augment, Partner};
use super::dropout::Mask;
use super::gather::gather;
use super::layers::{Stage, stages};
use super::loss::{Judged, Partners};
use super::parameter_pass::{Block, Ends, MOST_SHARES, Target, blocks, parameter_pass, shares, update_pass};
use super::row::TILE;
use super::sample_pass::Tile;
use super::team::Team;
use super::update::{Slots, Update};

/// Tiles that pass through the network before their gradients are summed up, for each thread: few enough that what they leave is still in the cache. The sums are the same however many there are.
const TILES_A_THREAD: usize = 8;

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

    /// Room for a tile.
    pub fn tile<F: Float>(&self) -> Tile<F> {
        let spec = self.network.spec();
        Tile::new(&self.stages, spec.window * spec.channels, spec.classes)
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

/// Where a model takes its steps.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub shape: &'a Shape,
    pub windows: &'a WindowSet,
    pub team: &'a Team<'a>,
}

/// What a step needs beside the model: allocated once, and written anew by every step.
#[derive(Debug)]
pub(super) struct Workspace<F> {
    pub tiles: Vec<Tile<F>>,
    /// The gradient, kept where a batch takes several rounds or the norm is to be clipped; else empty.
    pub gradient: Vec<F>,
    /// `Σ g²` of each block.
    pub squares: Vec<f64>,
    /// The blocks of each thread.
    shares: Vec<usize>,
}

impl<F: Float> Workspace<F> {
    /// For batches of up to `batch_size` windows, worked on by `n_threads` threads.
    pub fn new(shape: &Shape, batch_size: usize, keeps_gradient: bool, n_threads: usize) -> Self {
        let in_batch = batch_size.div_ceil(TILE).max(1);
        let n_tiles = in_batch.min(TILES_A_THREAD * n_threads);
        let n_gradient = if keeps_gradient || in_batch > n_tiles { shape.network.n_parameters() } else { 0 };
        Self {
            tiles: vec![shape.tile(); n_tiles],
            gradient: vec![F::ZERO; n_gradient],
            squares: vec![0.0; shape.blocks.len()],
            shares: shares(&shape.blocks, n_threads.min(MOST_SHARES)),
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

/// What a step found, at the engine's own precision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub loss: f64,
    pub correct: u32,
    pub gradient_norm: f64,
}

impl From<Found> for StepResult {
    fn from(found: Found) -> Self {
        Self { loss: found.loss as f32, correct: found.correct, gradient_norm: found.gradient_norm as f32 }
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
        place: Place<'_>,
        epoch: &MemberEpoch<'_>,
        step: usize,
        learning_rate: f32,
        workspace: &mut Workspace<F>,
    ) -> Found {
        let batch = epoch.batch(step, self.plan.batch_size);
        self.updates += 1;
        let update = Update::new(self.plan.optimizer, learning_rate.into(), self.updates);
        let at_once = self.plan.clip_norm.is_none().then_some(update);
        let found = self.gradient(place, batch, epoch.first_step + step as u64, at_once, workspace);
        if let Some(bound) = self.plan.clip_norm.map(f64::from) {
            let scale = if found.gradient_norm > bound { bound / found.gradient_norm } else { 1.0 };
            let [m, v] = &mut self.moments;
            let slots = Slots { parameters: &mut self.parameters, moments: [m, v] };
            update_pass(place.team, update, F::from_f64(scale), slots, &mut workspace.gradient);
        }
        found
    }

    /// Both passes over `batch`. A gradient without `update` stays in the workspace, which must have room for it.
    pub fn gradient(
        &mut self,
        place: Place<'_>,
        batch: &[u32],
        counter: u64,
        update: Option<Update<F>>,
        workspace: &mut Workspace<F>,
    ) -> Found {
        let Place { shape, windows, team } = place;
        let Workspace { tiles, gradient, squares, shares } = workspace;
        let in_round = tiles.len() * TILE;
        let (mut loss, mut correct) = (0.0, 0);
        for (round, indices) in batch.chunks(in_round).enumerate() {
            let tiles = &mut tiles[..indices.len().div_ceil(TILE)];
            let first = round * in_round;
            let pass = SamplePass { shape, model: self, windows, counter, batch };
            team.each(tiles, |i, tile| pass.tile(first + i * TILE, tile));
            for judged in tiles.iter().map(|tile| &tile.judged) {
                loss += judged.losses[..judged.n_windows].iter().map(|loss| loss.to_f64()).sum::<f64>();
                correct += judged.correct;
            }
            let ends = Ends { is_first: round == 0, is_last: first + indices.len() == batch.len(), update };
            let [m, v] = &mut self.moments;
            let slots = Slots { parameters: &mut self.parameters, moments: [m, v] };
            let target = Target { slots, gradient, squares };
            parameter_pass(team, &shape.stages, &shape.blocks, shares, tiles, ends, target);
        }
        Found { loss: loss / batch.len() as f64, correct, gradient_norm: squares.iter().sum::<f64>().sqrt() }
    }

    /// The weights, rounded to f32.
    pub fn weights(&self, network: &Network) -> Weights {
        tensors(network, &self.parameters)
    }

    /// Takes over weights that have been checked.
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

    /// Takes over a state that has been checked.
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
    /// Takes the windows of the batch from window `first` on, as many as fit, through `tile`.
    fn tile(&self, first: usize, tile: &mut Tile<F>) {
        let (stages, parameters, dropout) = (&self.shape.stages[..], &self.model.parameters[..], self.dropout(first));
        self.fill(first, tile);
        tile.forward(stages, 0..stages.len(), parameters, dropout);
        tile.judge(self.model.plan.loss, self.batch.len());
        tile.backward(stages, 0..stages.len(), parameters, dropout.is_some());
    }

    /// The mask of a tile whose first window is window `first` of the batch.
    pub fn dropout(&self, first: usize) -> Option<(Mask, usize)> {
        let mask = Mask { seed: self.model.plan.seed, step: self.counter, rate: self.model.dropout };
        (mask.rate > 0.0).then_some((mask, first))
    }

    /// Fills `tile` with the windows of the batch from window `first` on, as many as fit.
    pub fn fill(&self, first: usize, tile: &mut Tile<F>) {
        let Self { shape, model, windows, counter, batch } = *self;
        let here = first..batch.len().min(first + TILE);
        let judged = &mut tile.judged;
        judged.n_windows = here.len();
        // A model before this one may have mixed.
        judged.partners = None;
        for (w, own) in here.clone().enumerate() {
            (judged.labels[w], judged.weights[w]) = self.label_and_weight(own);
        }
        let window = |n: usize| shape.window(windows, batch[n]);
        let (scaler, channels) = (model.scaler.as_ref(), shape.network.spec().channels);
        let Some(augment) = Augment::of(&model.plan, counter, batch.len()) else {
            return gather(here.map(window), scaler, channels, &mut tile.input);
        };
        if augment.mixes() {
            self.share_weights(&augment, first, judged);
        }
        augment.gather(window, here, scaler, channels, &mut tile.input);
    }

    /// Class of window `n` of the batch, and its weight in the loss.
    fn label_and_weight(&self, n: usize) -> (u32, F) {
        let idx = self.batch[n] as usize;
        let weight = self.windows.weight(idx, self.model.plan.class_weights.as_deref());
        (self.windows.labels[idx], F::from_f32(weight))
    }

    /// Has the windows of a tile, whose first is window `first` of the batch, judged by the labels of their partners too.
    fn share_weights(&self, augment: &Augment, first: usize, judged: &mut Judged<F>) {
        let partners = judged.partners.insert(Partners { labels: [0; TILE], weights: [F::ZERO; TILE] });
        for w in 0..judged.n_windows {
            let Partner { window, share } = augment.partner(first + w);
            let (share, (label, weight)) = (F::from_f32(share), self.label_and_weight(window));
            judged.weights[w] = (F::ONE - share) * judged.weights[w];
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
