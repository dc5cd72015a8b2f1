//! Networks: specification, parameters, initialisation and weight files; and the random numbers that all engines share.
//!
//! This crate knows neither how a network is trained, nor where its data comes from.

mod cost;
mod derivation;
mod initial_weights;
mod network;
mod per_window;
mod preparation;
pub mod random;
mod scaler;
mod spec;
mod summary;
pub mod text;
mod weight_file;
mod weights;
pub mod whole_file;

pub use cost::{Cost, LayerCost, Precision};
pub use derivation::{Derivation, Derived, LOW_PASS_S};
pub use initial_weights::InitialWeights;
pub use network::{Layer, Network, Parameter, SpecError, reach, steps};
pub use per_window::PerWindow;
pub use preparation::Preparation;
pub use scaler::Scaler;
pub use spec::{Activation, ConvSpec, DenseSpec, NetworkSpec, Padding, PoolKind, PoolSpec};
pub use weight_file::{WeightFile, WeightFileError};
pub use weights::{Tensor, Weights};
