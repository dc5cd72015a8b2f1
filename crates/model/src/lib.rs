//! Networks: specification, parameters, initialisation and weight files; and the random numbers that all engines share.
//!
//! This crate knows neither how a network is trained, nor where its data comes from.

mod cost;
mod network;
mod per_window;
pub mod random;
mod scaler;
mod spec;
mod summary;
pub mod text;
mod weight_file;
mod weights;
pub mod whole_file;

pub use cost::{Cost, LayerCost, Precision};
pub use network::{Layer, Network, Parameter, SpecError, reach, steps};
pub use per_window::PerWindow;
pub use scaler::Scaler;
pub use spec::{Activation, ConvSpec, DenseSpec, NetworkSpec, Padding, PoolKind, PoolSpec};
pub use weight_file::{WeightFile, WeightFileError, read_plain_weights};
pub use weights::{Tensor, Weights};
