//! The first convolution with its pool, a pooled position at a time. What lies between them is the largest of all
//! activations and the cheapest to compute: it is not kept, but computed again on the way back, and never leaves the cache.

use pulp::Simd;

use super::Float;
use super::conv::Conv;
use super::layers::Stage;
use super::pool::Pool;
use super::row::{Row, TILE};

/// A convolution that reads the windows, and the pool behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstBlock<'a> {
    conv: &'a Conv,
    pool: &'a Pool,
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
        let n = FirstBlock::of(stages).map_or(0, |block| block.pool.size * block.conv.output.1);
        Self { y: vec![Row::ZERO; n], d_y: vec![Row::ZERO; n] }
    }
}

impl<'a> FirstBlock<'a> {
    /// The first two stages, where they are a convolution and a pool.
    pub fn of(stages: &'a [Stage]) -> Option<Self> {
        match stages {
            [Stage::Conv(conv), Stage::Pool(pool), ..] => Some(Self { conv, pool }),
            _ => None,
        }
    }

    /// The convolution of one pooled position, and the pool of one.
    fn one_position(&self) -> (Conv, Pool) {
        let (filters, size) = (self.conv.output.1, self.pool.size);
        (Conv { output: (size, filters), ..self.conv.clone() }, Pool { output: (1, filters), size })
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
        let (conv, pool) = self.one_position();
        for (t, y) in y.chunks_exact_mut(conv.output.1).enumerate() {
            conv.forward(simd, parameters, &x[conv.reads(t * pool.size)..], &mut between.y);
            pool.forward(simd, &between.y, y);
        }
    }

    /// Gradient of the convolution's sums, transposed as [`Conv::transpose`] does it, from that of the pooled rows.
    #[inline(always)]
    pub fn backward<F: Float, S: Simd>(
        &self,
        simd: S,
        parameters: &[F],
        [x, y, d_y]: [&[Row<F>]; 3],
        transposed: &mut [Row<F>],
        between: &mut Between<F>,
    ) {
        let (conv, pool) = self.one_position();
        let filters = conv.output.1;
        let transposed = transposed.chunks_exact_mut(pool.size * conv.n_panels() * TILE);
        let pooled = y.chunks_exact(filters).zip(d_y.chunks_exact(filters));
        for (t, ((y, d_y), transposed)) in pooled.zip(transposed).enumerate() {
            conv.forward(simd, parameters, &x[conv.reads(t * pool.size)..], &mut between.y);
            pool.backward(simd, &between.y, y, d_y, &mut between.d_y);
            conv.relu_backward(simd, &between.y, &mut between.d_y);
            conv.transpose(&between.d_y, transposed);
        }
    }
}
