//! Rows: one feature of all windows of a tile. All arithmetic of a sample pass is on whole rows, so that the processor's
//! vectors are full whatever the shapes of layers.

use pulp::Simd;
use triax_losses::Real;

use super::Float;

/// Windows in a tile: two vectors of f32 on AVX2, one on AVX-512, four on NEON.
pub(super) const TILE: usize = 16;

/// One value of each window of a tile, or, transposed, [`TILE`] values of one window. A row fills whole cache lines.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Row<F>(pub [F; TILE]);

impl<F: Real> Row<F> {
    pub const ZERO: Self = Self([F::ZERO; TILE]);
}

/// The values of rows as one slice.
#[inline(always)]
pub(super) fn flat<F: Float>(rows: &[Row<F>]) -> &[F] {
    // SAFETY: a row is `TILE` values without padding (64 bytes divide its size at both floats), as `repr(C)` lays them out.
    unsafe { std::slice::from_raw_parts(rows.as_ptr().cast(), rows.len() * TILE) }
}

/// [`flat`], mutable.
#[inline(always)]
pub(super) fn flat_mut<F: Float>(rows: &mut [Row<F>]) -> &mut [F] {
    // SAFETY: as in `flat`; the rows stay borrowed for as long as their values are.
    unsafe { std::slice::from_raw_parts_mut(rows.as_mut_ptr().cast(), rows.len() * TILE) }
}

/// The values of rows as vectors. A row is a whole number of vectors.
#[inline(always)]
pub(super) fn vectors<F: Float, S: Simd>(rows: &[Row<F>]) -> &[F::Vector<S>] {
    F::vectors::<S>(flat(rows))
}

/// [`vectors`], mutable.
#[inline(always)]
pub(super) fn vectors_mut<F: Float, S: Simd>(rows: &mut [Row<F>]) -> &mut [F::Vector<S>] {
    F::vectors_mut::<S>(flat_mut(rows))
}
