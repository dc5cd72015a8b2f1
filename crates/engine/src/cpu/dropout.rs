//! Inverted dropout: `y = mask · x`, where the mask is 0 or 1 / (1 − rate), as in Keras. Masks are counter-based.

use pulp::Simd;
use triax_model::random::{dropout_address, dropout_block, philox4x32_lanes, unit_f32};

use super::Float;
use super::row::{Row, TILE, vectors, vectors_mut};

/// The mask of one training step of one model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    pub seed: u64,
    /// Steps taken since the start of training.
    pub step: u64,
    pub rate: f32,
}

impl Mask {
    /// Draws the mask of a tile whose first window is window `first` of its batch, from feature `feature` out of `features`
    /// on. The values are those of [`triax_model::random::dropout_mask`]; four features of all windows are drawn at a time,
    /// and `feature` is a multiple of four.
    #[inline(always)]
    pub fn draw<F: Float>(&self, first: usize, (feature, features): (usize, usize), mask: &mut [Row<F>]) {
        let kept = F::from_f32(1.0 / (1.0 - self.rate));
        let (key, [step_low, step_high, purpose]) = dropout_address(self.seed, self.step);
        for (quad, mask) in mask.chunks_mut(4).enumerate() {
            let mut block = [0; TILE];
            for (w, block) in block.iter_mut().enumerate() {
                *block = dropout_block(first + w, feature + 4 * quad, features);
            }
            let counter = [block, [step_low; TILE], [step_high; TILE], [purpose; TILE]];
            for (mask, words) in mask.iter_mut().zip(philox4x32_lanes(counter, key)) {
                for (mask, word) in mask.0.iter_mut().zip(words) {
                    *mask = if unit_f32(word) < self.rate { F::ZERO } else { kept };
                }
            }
        }
    }
}

/// `y = mask · x`: the forward pass, and with gradients the backward pass.
#[inline(always)]
pub(super) fn apply<F: Float, S: Simd>(simd: S, mask: &[Row<F>], x: &[Row<F>], y: &mut [Row<F>]) {
    for ((y, &x), &mask) in vectors_mut::<F, S>(y).iter_mut().zip(vectors::<F, S>(x)).zip(vectors::<F, S>(mask)) {
        *y = F::times(simd, mask, x);
    }
}
