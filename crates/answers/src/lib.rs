//! What is made of the scores and features of a trained network: probabilities that hold, one answer for a sequence of
//! windows, and a last layer that knows one person.
//!
//! This crate must never know files, devices or how a network is trained.

mod alignment;
mod features;
pub mod hmm;
mod last_layer;
pub mod segments;
mod stored;
pub mod temperature;
pub mod unknown;

pub use alignment::aligned;
pub use features::{features, n_features};
pub use last_layer::{LastLayer, RefitError, STRENGTH, TrainedFeatures, dense_step};
pub use stored::{Answers, KEY};
