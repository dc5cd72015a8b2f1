//! The Burn engine: the network, the losses and the training step as a Burn graph.
//!
//! [`BurnEngine`] trains on the CPU (Burn's `flex`) or on a GPU through wgpu. This crate knows neither where data
//! comes from, nor the command line.

mod engine;
pub mod loss;
mod masks;
mod optimizer;
mod parameters;
mod results;
mod sensor_cnn;
mod session;

pub use engine::BurnEngine;
pub use sensor_cnn::SensorCnn;
