//! The reference: a training step in f64, in plain loops, one stage a file. Every engine is held against it.
//!
//! It computes each stage as the formula at the head of its file says and keeps f64 between steps; only what goes
//! through the engine's interface is rounded to f32. It is itself held against central differences and against golden
//! values from Keras.

mod clip;
mod conv;
mod dense;
mod dropout;
mod loss;
mod optimizer;
mod pool;
mod relu;
mod row;
mod session;
mod step;

#[cfg(test)]
mod central_differences;
#[cfg(test)]
mod keras;
#[cfg(test)]
mod tests;

pub use step::Stages;
use triax_model::{Network, Weights};

use crate::{Engine, EngineError, Session, TrainingPlan, WindowSet};

/// The values of all parameters, or of their gradients or moments, in the order of [`Network::parameters`].
type Tensors = Vec<Vec<f64>>;

/// The reference as an engine: f64, one thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferenceEngine;

impl Engine for ReferenceEngine {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn open(
        &self,
        network: &Network,
        weights: &Weights,
        plan: &TrainingPlan,
        train: &WindowSet,
        valid: &WindowSet,
    ) -> Result<Box<dyn Session>, EngineError> {
        plan.check(network)?;
        check_weights(network, weights)?;
        train.check("training", network)?;
        valid.check("validation", network)?;
        Ok(Box::new(session::ReferenceSession::new(network, weights, plan, train, valid)))
    }

    fn scores(&self, network: &Network, weights: &Weights, windows: &[f32]) -> Result<Vec<f32>, EngineError> {
        check_weights(network, weights)?;
        let (window, channels) = (network.spec().window, network.spec().channels);
        if !windows.len().is_multiple_of(window * channels) {
            return Err(EngineError::Input(format!(
                "{} values are no whole number of windows of {window} samples in {channels} channels",
                windows.len()
            )));
        }
        Ok(session::scores(network, &session::widen(weights), windows))
    }
}

/// Forward and backward pass of `batch` in its order, without an update: every activation, the loss, and the gradient of
/// every parameter. `step` counts from the start of training and picks the dropout mask.
///
/// # Errors
/// As [`Engine::open`]; also an empty batch.
pub fn gradients(
    network: &Network,
    weights: &Weights,
    plan: &TrainingPlan,
    batch: &WindowSet,
    step: u64,
) -> Result<Stages, EngineError> {
    plan.check(network)?;
    check_weights(network, weights)?;
    batch.check("batch's", network)?;
    if batch.is_empty() {
        return Err(EngineError::Input("a batch needs at least one window".to_owned()));
    }
    let indices: Vec<u32> = (0..batch.len() as u32).collect();
    let batch = session::gather(network, plan, batch, &indices, step);
    Ok(step::forward_backward(network, &session::widen(weights), plan.loss, &batch))
}

fn check_weights(network: &Network, weights: &Weights) -> Result<(), EngineError> {
    weights.fits(network).map_err(|problem| EngineError::Input(format!("the weights do not fit: {problem}")))
}
