//! The first convolution with its pool, a pooled position at a time. What lies between them is the largest of all
//! activations and the cheapest to compute: it is not kept, but computed again on the way back, and never leaves the cache.

use pulp::Simd;

use super::Float;
use super::affine::Affine;
use super::layers::Stage;
use super::max_pool::MaxPool;
use super::row::{Row, TILE};

/// A convolution that reads the windows, and the pool behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstBlock<'a> {
    affine: &'a Affine,
    pool: &'a MaxPool,
}

/// Room for what lies between convolution and pool of one pooled position, and for its gradient.
#[derive(Clone, Debug)]
pub(super) struct Between<F> {
    y: Vec<Row<F>>,
    d_y: Vec<Row<F>>,
}

impl<F: Float> Between<F> {
    /// None where the network does not begin with a pooled convolution.
    pub fn new(stages: &[Stage]) -> Self {
        let n = FirstBlock::of(stages).map_or(0, |block| block.pool.size * block.affine.output.1);
        Self { y: vec![Row::ZERO; n], d_y: vec![Row::ZERO; n] }
    }
}

impl<'a> FirstBlock<'a> {
    /// Stages that it takes the place of.
    pub const N_STAGES: usize = 2;

    /// The first two stages, where they are a convolution and a pool.
    pub fn of(stages: &'a [Stage]) -> Option<Self> {
        match stages {
            [Stage::Affine(affine), Stage::MaxPool(pool), ..] => Some(Self { affine, pool }),
            _ => None,
        }
    }

    /// The convolution of one pooled position, and the pool of one.
    fn one_position(&self) -> (Affine, MaxPool) {
        let (filters, size) = (self.affine.output.1, self.pool.size);
        (Affine { output: (size, filters), ..self.affine.clone() }, MaxPool { output: (1, filters), size })
    }

    /// Pooled rows of the rows of the windows.
    #[inline(always)]
    pub fn forward<F: Float, S: Simd>(
        &self,
        simd: S,
        parameters: &[F],
        x: &[Row<F>],
        y: &mut [Row<F>],
        between: &mut Between<F>,
    ) {
        let (affine, pool) = self.one_position();
        for (t, y) in y.chunks_exact_mut(affine.output.1).enumerate() {
            affine.forward(simd, parameters, &x[affine.reads(t * pool.size)..], &mut between.y);
            pool.forward(simd, &between.y, y);
        }
    }

    /// Gradient of the convolution's sums, transposed as [`Affine::transpose`] does it, from that of the pooled rows.
    #[inline(always)]
    pub fn backward<F: Float, S: Simd>(
        &self,
        simd: S,
        parameters: &[F],
        [x, y, d_y]: [&[Row<F>]; 3],
        transposed: &mut [Row<F>],
        between: &mut Between<F>,
    ) {
        let (affine, pool) = self.one_position();
        let filters = affine.output.1;
        let transposed = transposed.chunks_exact_mut(pool.size * affine.n_panels() * TILE);
        let pooled = y.chunks_exact(filters).zip(d_y.chunks_exact(filters));
        for (t, ((y, d_y), transposed)) in pooled.zip(transposed).enumerate() {
            affine.forward(simd, parameters, &x[affine.reads(t * pool.size)..], &mut between.y);
            pool.backward(simd, &between.y, y, d_y, &mut between.d_y);
            affine.relu_backward(simd, &between.y, &mut between.d_y);
            affine.transpose(simd, &between.d_y, transposed);
        }
    }
}
