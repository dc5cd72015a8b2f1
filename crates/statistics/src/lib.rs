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

impl Estimate {
    /// STAND-IN
    pub fn over(values: &[f64], _seed: u64) -> Self {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Self { mean, deviation: 0.0, low: mean, high: mean }
    }
}

/// STAND-IN
pub struct SignedRank {
    /// p
    pub p: f64,
    /// effect
    pub effect: f64,
    /// n
    pub n_nonzero: usize,
}

/// STAND-IN
pub fn signed_rank(_differences: &[f64]) -> SignedRank {
    SignedRank { p: 1.0, effect: 0.0, n_nonzero: 0 }
}

/// STAND-IN
pub fn holm(p: &[f64]) -> Vec<f64> {
    p.to_vec()
}

/// STAND-IN
pub fn words(a: &str, b: &str, figure: &str, _difference: &Estimate, _p_holm: f64, _n: usize) -> String {
    format!("{a} {b} {figure}")
}
