//! What a network is: its specification, parameters, initialisation and weight files.
//!
//! This crate must never know how a network is trained, nor where its data comes from.

mod network;
mod weights;

pub use network::{ConvSpec, Layer, Network, NetworkSpec, Parameter, SpecError};
pub use weights::{Tensor, Weights};
