//! A network that was read from another program's file.

use triax_model::{NetworkSpec, PerWindow, Scaler, Weights};

use crate::About;

/// A network of the family that another program has written.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The specification of the network.
    pub spec: NetworkSpec,
    /// The weights, in the order of the network of `spec`.
    pub weights: Weights,
    /// How the file normalises each window before the scaler.
    pub per_window: Option<PerWindow>,
    /// How the file standardises the input.
    pub scaler: Option<Scaler>,
    /// Whether the file ends in a softmax, which is not part of the network.
    pub softmax: bool,
    /// Whether batch normalisation was folded into weights: the network then computes the same, and would not train the same.
    pub is_folded: bool,
    /// What the file says about the network.
    pub about: About,
    /// What the user should know although nothing failed, as sentences.
    pub notices: Vec<String>,
}

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ReadError {
    /// The place in the file: a layer, a node, a group, a byte.
    pub place: String,
    /// The problem, and a remedy.
    pub problem: String,
}

impl ReadError {
    /// The error `problem` at `place`.
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}
