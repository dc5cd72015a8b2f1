//! The first convolution with its max-pool, one pooled position at a time. The output of that convolution is the largest
//! activation and the cheapest to compute, so it is not kept: the backward pass computes it again, and it stays in the
//! cache.

use pulp::Simd;

use super::Float;
use super::affine::Affine;
use super::layers::Stage;
use super::pool::Pool;
use super::row::{Row, TILE};

/// The convolution that reads the windows, and the pool that follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstBlock<'a> {
    affine: &'a Affine,
    pool: &'a Pool,
}

/// Buffers for the convolution's outputs that one pooled position reads, and for their gradients.
#[derive(Clone, Debug)]
pub(super) struct PoolWindow<F> {
    y: Vec<Row<F>>,
    d_y: Vec<Row<F>>,
}

impl<F: Float> PoolWindow<F> {
    /// Empty unless the network begins with such a convolution and pool.
    pub fn new(stages: &[Stage]) -> Self {
        let n = FirstBlock::find(stages).map_or(0, |block| block.pool.size * block.affine.output.1);
        Self { y: vec![Row::ZERO; n], d_y: vec![Row::ZERO; n] }
    }
}

impl<'a> FirstBlock<'a> {
    /// The number of stages that it replaces.
    pub const N_STAGES: usize = 2;

    /// The first two stages, if they are a convolution that keeps nothing but its output and a max-pool that reads each
    /// position once.
    pub fn find(stages: &'a [Stage]) -> Option<Self> {
        match stages {
            [Stage::Affine(affine), Stage::Pool(pool), ..] if affine.n_slopes() == 0 && pool.is_disjoint_max() => {
                Some(Self { affine, pool })
            }
            _ => None,
        }
    }

    /// The convolution and the pool of a single pooled position.
    fn one_position(&self) -> (Affine, Pool) {
        let (filters, size) = (self.affine.output.1, self.pool.size);
        (Affine { output: (size, filters), ..self.affine.clone() }, Pool::disjoint_max((1, filters), size))
    }

    /// The rows of one pooled position: output rows, and rows of its gradients as [`Affine::transpose`] leaves them.
    pub fn position_rows(&self) -> (usize, usize) {
        (self.affine.output.1, self.pool.size * self.affine.n_panels() * TILE)
    }

    /// Computes the pooled rows from pooled position `first` on, from the padded rows of the windows.
    #[inline(always)]
    pub fn forward<F: Float, S: Simd>(
        &self,
        simd: S,
        parameters: &[F],
        x: &[Row<F>],
        first: usize,
        y: &mut [Row<F>],
        pool_window: &mut PoolWindow<F>,
    ) {
        let (affine, pool) = self.one_position();
        for (t, y) in (first..).zip(y.chunks_exact_mut(affine.output.1)) {
            affine.forward(simd, parameters, &x[affine.reads(t * pool.size)..], 0, &mut pool_window.y, &mut []);
            pool.forward(simd, &pool_window.y, 0, y);
        }
    }

    /// Computes the gradient of the convolution's sums from that of the pooled rows, transposed as by
    /// [`Affine::transpose`], from pooled position `first` on.
    #[inline(always)]
    pub fn backward<F: Float, S: Simd>(
        &self,
        simd: S,
        parameters: &[F],
        [x, y, d_y]: [&[Row<F>]; 3],
        first: usize,
        transposed: &mut [Row<F>],
        pool_window: &mut PoolWindow<F>,
    ) {
        let (affine, pool) = self.one_position();
        let (filters, n_transposed) = self.position_rows();
        for (t, transposed) in (first..).zip(transposed.chunks_exact_mut(n_transposed)) {
            let [y, d_y] = [y, d_y].map(|rows| &rows[t * filters..][..filters]);
            affine.forward(simd, parameters, &x[affine.reads(t * pool.size)..], 0, &mut pool_window.y, &mut []);
            pool.backward(simd, [&pool_window.y, y, d_y], 0, &mut pool_window.d_y);
            affine.activation_backward(simd, &pool_window.y, &[], &mut pool_window.d_y);
            affine.transpose(simd, &pool_window.d_y, transposed);
        }
    }
}
