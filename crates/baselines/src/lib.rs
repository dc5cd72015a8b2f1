//! Classical baselines that keep a network honest.
//!
//! This crate must never know a GPU or a training step.
