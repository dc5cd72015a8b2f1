//! Figures with their uncertainty: bootstrap intervals, paired tests over subjects, corrections for many comparisons.
//!
//! Everything is held against SciPy (`golden/statistics/make.py`). The tests are few and short, so that a library of statistics would
//! be more to build than to write; the one function that is hard to get right, erfc, comes from `libm`.
//!
//! This module must never know what its numbers measure.

mod estimate;
mod holm;
mod signed_rank;
mod words;

pub use estimate::Estimate;
pub use holm::holm;
pub use signed_rank::{SignedRank, signed_rank};
pub use words::words;
