//! Statistics: bootstrap intervals, paired tests over subjects, corrections for many comparisons.
//!
//! Everything is compared with SciPy (`golden/statistics/make.py`). The functions are few and short, so that they need no
//! library of statistics; only erfc, which is hard to get right, comes from `libm`.
//!
//! This module must never know what its numbers measure.

mod estimate;
mod holm;
mod quantile;
mod signed_rank;
mod words;

pub use estimate::{Estimate, Interval, RESAMPLES};
pub use holm::holm;
pub(crate) use quantile::{mean, quantile};
pub use signed_rank::{FEWEST_SHOWN, SignedRank, signed_rank};
pub use words::{Compared, LEVEL};
