//! Figures with their uncertainty: bootstrap intervals, paired tests over subjects, corrections for many comparisons.
//!
//! This crate must never know what its numbers measure.

use serde::{Deserialize, Serialize};

/// A mean over subjects, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean over the subjects, each counting once.
    pub mean: f64,
    /// Standard deviation over the subjects (n − 1); 0 of one.
    pub deviation: f64,
    /// Lower end of the 95 % bootstrap interval of the mean.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}
