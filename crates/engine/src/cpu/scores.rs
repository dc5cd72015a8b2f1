//! Scores of any number of windows, without dropout. Threads share the tiles.

use std::sync::{Mutex, PoisonError};

use triax_model::Scaler;

use super::Float;
use super::gather::gather;
use super::model::Shape;
use super::row::TILE;
use super::team::Team;

/// Scores (n, classes) of `n` windows, of which `window` gives the values (window, channels).
pub(super) fn scores<'a, F: Float>(
    team: &Team<'_>,
    shape: &Shape,
    parameters: &[F],
    scaler: Option<&Scaler>,
    n: usize,
    window: impl Fn(usize) -> &'a [f32] + Sync,
) -> Vec<f32> {
    let (channels, classes) = (shape.network.spec().channels, shape.network.spec().classes);
    let mut scores = vec![0.0; n * classes];
    let tiles: Vec<_> = (0..team.n_threads()).map(|_| Mutex::new(shape.tile::<F>(1))).collect();
    let mut parts: Vec<&mut [f32]> = scores.chunks_mut(TILE * classes).collect();
    team.each_as_free(&mut parts, |thread, part, scores| {
        let mut tile = tiles[thread].lock().unwrap_or_else(PoisonError::into_inner);
        gather((part * TILE..n.min((part + 1) * TILE)).map(&window), scaler, channels, &mut tile.input);
        tile.forward(&shape.stages, 0..shape.stages.len(), parameters, None);
        for (w, scores) in scores.chunks_exact_mut(classes).enumerate() {
            scores.iter_mut().zip(tile.scores()).for_each(|(score, row)| *score = row.0[w].to_f32());
        }
    });
    scores
}
