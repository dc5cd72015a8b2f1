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
mod pool;
mod relu;
mod row;
mod step;

pub use step::Stages;
use triax_engine::{EngineError, TrainingPlan, WindowSet};
use triax_model::{Network, Weights};

type Tensors = Vec<Vec<f64>>;

/// Forward and backward pass of the windows at `indices`, without an update. `step` picks the dropout mask.
pub fn gradients(
    network: &Network,
    weights: &Weights,
    plan: &TrainingPlan,
    set: &WindowSet,
    indices: &[u32],
    step: u64,
) -> Result<Stages, EngineError> {
    let spec = network.spec();
    let n_values = spec.window * spec.channels;
    let indices = || indices.iter().map(|&idx| idx as usize);
    let labels: Vec<u32> = indices().map(|idx| set.labels[idx]).collect();
    let n_features = labels.len() * network.features();
    let batch = step::Batch {
        windows: indices().flat_map(|idx| &set.windows[idx * n_values..][..n_values]).map(|&v| f64::from(v)).collect(),
        weights: indices().map(|idx| f64::from(set.weight(idx, plan.class_weights.as_deref()))).collect(),
        mask: (spec.dropout > 0.0)
            .then(|| dropout::mask(plan.seed, step, spec.dropout, network.features(), n_features)),
        labels,
    };
    let parameters: Tensors =
        weights.tensors.iter().map(|t| t.values.iter().map(|&v| f64::from(v)).collect()).collect();
    Ok(step::forward_backward(network, &parameters, plan.loss, &batch))
}
