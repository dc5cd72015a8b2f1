//! A training run of the reference, and its batches.

use std::ops::ControlFlow;

use triax_model::{Network, Tensor, Weights};

use super::optimizer::Updater;
use super::step::{Batch, Stages, forward, forward_backward};
use super::{Tensors, clip, dropout};
use crate::{EngineError, Session, SessionState, StepResult, Stretch, TrainingPlan, WindowSet};

/// State of one run.
pub(super) struct ReferenceSession {
    network: Network,
    plan: TrainingPlan,
    train: WindowSet,
    valid: WindowSet,
    parameters: Tensors,
    updater: Updater,
}

impl ReferenceSession {
    /// Takes arguments that have been checked.
    pub fn new(
        network: &Network,
        weights: &Weights,
        plan: &TrainingPlan,
        train: &WindowSet,
        valid: &WindowSet,
    ) -> Self {
        let parameters = widen(weights);
        Self {
            network: network.clone(),
            plan: plan.clone(),
            train: train.clone(),
            valid: valid.clone(),
            updater: Updater::new(plan.optimizer, &parameters),
            parameters,
        }
    }

    /// The parameters at f64.
    #[cfg(test)]
    pub fn parameters(&self) -> &Tensors {
        &self.parameters
    }

    /// One update on the windows of `indices`. Returns what was computed before it, the gradients clipped.
    pub fn step(&mut self, indices: &[u32], step: u64, learning_rate: f32) -> Stages {
        let batch = gather(&self.network, &self.plan, &self.train, indices, step);
        let mut stages = forward_backward(&self.network, &self.parameters, self.plan.loss, &batch);
        if let Some(bound) = self.plan.clip_norm {
            clip::clip(&mut stages.gradients, stages.gradient_norm, f64::from(bound));
        }
        self.updater.update(&mut self.parameters, &stages.gradients, f64::from(learning_rate));
        stages
    }
}

impl Session for ReferenceSession {
    fn train(
        &mut self,
        stretch: &Stretch<'_>,
        after_step: &mut dyn FnMut(usize, Option<StepResult>) -> ControlFlow<()>,
    ) -> Result<Vec<StepResult>, EngineError> {
        stretch.check(&self.plan, self.train.len())?;
        let mut results = Vec::with_capacity(stretch.steps.len());
        for (step, &learning_rate) in stretch.steps.clone().zip(stretch.learning_rates) {
            let start = step * self.plan.batch_size;
            let end = stretch.order.len().min(start + self.plan.batch_size);
            let stages = self.step(&stretch.order[start..end], stretch.first_step + step as u64, learning_rate);
            let result = StepResult {
                loss: stages.loss as f32,
                correct: stages.correct,
                gradient_norm: stages.gradient_norm as f32,
            };
            results.push(result);
            if after_step(step, Some(result)).is_break() {
                break;
            }
        }
        Ok(results)
    }

    fn validation_scores(&mut self) -> Result<Vec<f32>, EngineError> {
        Ok(scores(&self.network, &self.parameters, &self.valid.windows))
    }

    fn state(&mut self) -> Result<SessionState, EngineError> {
        let state = SessionState {
            weights: narrow(&self.network, &self.parameters),
            moments: self.updater.moments.iter().map(|moment| narrow(&self.network, moment)).collect(),
            updates: self.updater.updates,
        };
        self.restore(&state)?;
        Ok(state)
    }

    fn restore(&mut self, state: &SessionState) -> Result<(), EngineError> {
        state.check(&self.network, &self.plan.optimizer)?;
        self.parameters = widen(&state.weights);
        self.updater.moments = state.moments.iter().map(widen).collect();
        self.updater.updates = state.updates;
        Ok(())
    }
}

/// The batch of the windows in `indices`, with their weights and the dropout mask of `step`.
pub(super) fn gather(network: &Network, plan: &TrainingPlan, set: &WindowSet, indices: &[u32], step: u64) -> Batch {
    let spec = network.spec();
    let n_values = spec.window * spec.channels;
    let indices = || indices.iter().map(|&idx| idx as usize);
    let labels: Vec<u32> = indices().map(|idx| set.labels[idx]).collect();
    let weight = |(idx, &label): (usize, &u32)| {
        let sample = set.sample_weights.as_ref().map_or(1.0, |weights| weights[idx]);
        let class = plan.class_weights.as_ref().map_or(1.0, |weights| weights[label as usize]);
        f64::from(sample) * f64::from(class)
    };
    let n_features = labels.len() * network.features();
    Batch {
        windows: indices().flat_map(|idx| &set.windows[idx * n_values..][..n_values]).map(|&v| f64::from(v)).collect(),
        weights: indices().zip(&labels).map(weight).collect(),
        mask: (spec.dropout > 0.0).then(|| dropout::mask(plan.seed, step, spec.dropout, n_features)),
        labels,
    }
}

/// Scores of `windows`, a few at a time, so that memory stays small.
pub(super) fn scores(network: &Network, parameters: &Tensors, windows: &[f32]) -> Vec<f32> {
    const WINDOWS_AT_ONCE: usize = 64;
    let n_values = network.spec().window * network.spec().channels;
    let mut scores = Vec::with_capacity(windows.len() / n_values * network.spec().classes);
    for windows in windows.chunks(WINDOWS_AT_ONCE * n_values) {
        let windows: Vec<f64> = windows.iter().map(|&value| f64::from(value)).collect();
        let outputs = forward(network, parameters, &windows, None);
        scores.extend(outputs.last().expect("a network has layers").iter().map(|&score| score as f32));
    }
    scores
}

/// The values of `weights` as f64.
pub(super) fn widen(weights: &Weights) -> Tensors {
    weights.tensors.iter().map(|tensor| tensor.values.iter().map(|&value| f64::from(value)).collect()).collect()
}

/// `tensors` rounded to f32, with the names and shapes of the network's parameters.
fn narrow(network: &Network, tensors: &Tensors) -> Weights {
    let tensors = network.parameters().iter().zip(tensors).map(|(parameter, values)| Tensor {
        name: parameter.name.clone(),
        shape: parameter.shape.clone(),
        values: values.iter().map(|&value| value as f32).collect(),
    });
    Weights { tensors: tensors.collect() }
}
