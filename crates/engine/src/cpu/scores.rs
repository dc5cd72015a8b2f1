//! Scores of any number of windows, without dropout. Threads share the tiles.

use std::sync::{Mutex, PoisonError};

use crate::{EngineError, Phase, Scorer, Timings, check_scorer, count_windows};
use triax_model::{Network, Scaler, Weights};

use super::Float;
use super::gather::gather;
use super::model::{Shape, flat};
use super::row::TILE;
use super::sample_pass::Tile;
use super::team::Team;

/// A network that scores windows, with the memory that it takes.
pub(super) struct CpuScorer<F> {
    shape: Shape,
    parameters: Vec<F>,
    scaler: Option<Scaler>,
    n_threads: usize,
    /// The memory of the first thread, from call to call. That of others is given back, since a predictor may have hundreds
    /// of networks.
    tiles: Vec<Mutex<Tile<F>>>,
    timings: Timings,
}

impl<F: Float> CpuScorer<F> {
    /// A scorer on up to `n_threads` threads.
    pub fn new(
        n_threads: usize,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
        timings: &Timings,
    ) -> Result<Self, EngineError> {
        check_scorer(network, weights, scaler)?;
        let (shape, parameters) = (Shape::new(network), flat(weights));
        let (scaler, timings) = (scaler.cloned(), timings.clone());
        Ok(Self { shape, parameters, scaler, n_threads, tiles: Vec::new(), timings })
    }
}

impl<F: Float> Scorer for CpuScorer<F> {
    fn scores(&mut self, windows: &[f32]) -> Result<Vec<f32>, EngineError> {
        let n = count_windows(&self.shape.network, windows)?;
        let _scoring = self.timings.device_phase(Phase::Scoring, 1);
        // No thread is started for a single tile.
        let n_threads = self.n_threads.min(n.div_ceil(TILE)).max(1);
        self.tiles.resize_with(n_threads, || Mutex::new(self.shape.tile(1)));
        let Self { shape, parameters, scaler, tiles, .. } = self;
        let window = |i: usize| &windows[i * shape.window_len()..][..shape.window_len()];
        let scores =
            Team::scope(n_threads, |team| scores_in(tiles, team, shape, parameters, scaler.as_ref(), n, window));
        tiles.truncate(1);
        Ok(scores)
    }
}

/// Scores (n, classes) of `n` windows, of which `window` gives the values (window, channels).
pub(super) fn scores<'a, F: Float>(
    team: &Team<'_>,
    shape: &Shape,
    parameters: &[F],
    scaler: Option<&Scaler>,
    n: usize,
    window: impl Fn(usize) -> &'a [f32] + Sync,
) -> Vec<f32> {
    let tiles: Vec<_> = (0..team.n_threads()).map(|_| Mutex::new(shape.tile::<F>(1))).collect();
    scores_in(&tiles, team, shape, parameters, scaler, n, window)
}

/// Like [`scores`], in `tiles`, of which each thread of the team takes one.
fn scores_in<'a, F: Float>(
    tiles: &[Mutex<Tile<F>>],
    team: &Team<'_>,
    shape: &Shape,
    parameters: &[F],
    scaler: Option<&Scaler>,
    n: usize,
    window: impl Fn(usize) -> &'a [f32] + Sync,
) -> Vec<f32> {
    let (channels, classes) = (shape.network.spec().channels, shape.network.spec().classes);
    let mut scores = vec![0.0; n * classes];
    let mut parts: Vec<&mut [f32]> = scores.chunks_mut(TILE * classes).collect();
    team.each_as_free(&mut parts, |thread, part, scores| {
        let mut tile = tiles[thread].lock().unwrap_or_else(PoisonError::into_inner);
        gather((part * TILE..n.min((part + 1) * TILE)).map(&window), scaler, channels, tile.input.rows_mut());
        tile.forward(&shape.stages, 0..shape.stages.len(), parameters, None);
        for (w, scores) in scores.chunks_exact_mut(classes).enumerate() {
            scores.iter_mut().zip(tile.scores()).for_each(|(score, row)| *score = row.0[w].to_f32());
        }
    });
    scores
}
