//! What is made of the scores and features of a trained network: probabilities that hold, one answer for a sequence of
//! windows, and a last layer that knows one person.
//!
//! This crate must never know files, devices or how a network is trained.

pub mod hmm;
pub mod segments;
mod stored;
pub mod temperature;
pub mod unknown;

pub use stored::{Answers, KEY};
