//! Reads the windows of a tile into rows, and standardises them.

use triax_model::Scaler;

use super::Float;
use super::row::{Row, TILE};

/// Rows (window × channels) of up to [`TILE`] windows, each a slice (window, channels): `x = (value − mean) / scale`. Lanes
/// without a window are 0.
#[inline(always)]
pub(super) fn gather<'a, F: Float>(
    windows: impl Iterator<Item = &'a [f32]>,
    scaler: Option<&Scaler>,
    channels: usize,
    x: &mut [Row<F>],
) {
    x.fill(Row::ZERO);
    for (w, values) in windows.enumerate().take(TILE) {
        for (x, &value) in x.iter_mut().zip(values) {
            x.0[w] = F::from_f32(value);
        }
    }
    standardise(scaler, channels, x);
}

/// `x = (x − mean) / scale`; as it is without a scaler.
#[inline(always)]
pub(super) fn standardise<F: Float>(scaler: Option<&Scaler>, channels: usize, x: &mut [Row<F>]) {
    let Some(scaler) = scaler else { return };
    for x in x.chunks_exact_mut(channels) {
        for ((x, &mean), &scale) in x.iter_mut().zip(&scaler.mean).zip(&scaler.scale) {
            // In f32 at any float, so that every engine trains on the same values.
            x.0.iter_mut().for_each(|x| *x = F::from_f32((x.to_f32() - mean) / scale));
        }
    }
}
