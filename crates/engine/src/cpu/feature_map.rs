//! The rows that a stage reads.

use std::ops::Range;

use super::Float;
use super::row::Row;

/// Rows (positions × channels). Before and behind them lie rows of zeros, as many as the padding of the convolution that reads
/// them: it reads on beyond the ends, and nothing is copied.
#[derive(Clone, Debug)]
pub(super) struct FeatureMap<F> {
    padded: Vec<Row<F>>,
    own: Range<usize>,
}

impl<F: Float> FeatureMap<F> {
    /// `n` rows with `margins` rows of zeros before and behind them.
    pub fn new(n: usize, margins: [usize; 2]) -> Self {
        let [before, behind] = margins;
        Self { padded: vec![Row::ZERO; before + n + behind], own: before..before + n }
    }

    /// The rows without those of the padding.
    pub fn rows(&self) -> &[Row<F>] {
        &self.padded[self.own.clone()]
    }

    /// [`FeatureMap::rows`], mutable.
    pub fn rows_mut(&mut self) -> &mut [Row<F>] {
        &mut self.padded[self.own.clone()]
    }

    /// The rows with those of the padding, as a convolution reads them.
    pub fn padded(&self) -> &[Row<F>] {
        &self.padded
    }
}
