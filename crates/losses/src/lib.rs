//! The classification losses: for each one a WGSL kernel and its Rust twin.
//!
//! This crate must never know what computed the scores, nor on which device its WGSL runs.

use serde::{Deserialize, Serialize};

/// A loss over (batch, classes) scores and one class index a row, as Keras 3 defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Mean over classes of `max(1 − y·p, 0)` with y = ±1.
    Hinge,
    /// Mean over classes of `max(1 − y·p, 0)²` with y = ±1.
    SquaredHinge,
    /// `max(neg − pos + 1, 0)` with `pos = Σ y·p`, `neg = max((1 − y)·p)`, y = 0 or 1.
    CategoricalHinge,
    /// `log Σ exp(p) − p_label`, on logits.
    CategoricalCrossentropy,
}
