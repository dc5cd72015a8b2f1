//! A training run on a Burn device: data, weights and moments stay there from the first step to the last.

use std::ops::{ControlFlow, Range};

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use triax_engine::{EngineError, Session, SessionState, StepResult, Stretch, TrainingPlan, WindowSet};
use triax_model::{Network, Weights};

use crate::engine::{Host, read_scores};
use crate::loss::loss_rows;
use crate::masks::Masks;
use crate::optimizer::{Trained, clipped};
use crate::parameters;
use crate::results::{Results, StepTensors};
use crate::sensor_cnn::SensorCnn;

/// A session of [`crate::BurnEngine`].
pub(crate) struct BurnSession {
    host: Host,
    network: Network,
    plan: TrainingPlan,
    train: DeviceWindows,
    /// (n_valid, window · channels)
    valid: Tensor<2>,
    cnn: SensorCnn,
    trained: Trained,
}

/// The training windows on the device.
struct DeviceWindows {
    /// (n_windows, window · channels)
    windows: Tensor<2>,
    /// (n_windows)
    labels: Tensor<1, Int>,
    /// Product of sample weight and class weight: (n_windows)
    weights: Tensor<1>,
}

impl DeviceWindows {
    fn new(set: &WindowSet, plan: &TrainingPlan, network: &Network, device: &Device) -> Self {
        let class_weight = |&label: &u32| plan.class_weights.as_ref().map_or(1.0, |weights| weights[label as usize]);
        let mut weights: Vec<f32> = set.labels.iter().map(class_weight).collect();
        if let Some(of_samples) = &set.sample_weights {
            weights.iter_mut().zip(of_samples.iter()).for_each(|(weight, of_sample)| *weight *= of_sample);
        }
        let labels: Vec<i32> = set.labels.iter().map(|&label| label as i32).collect();
        Self {
            windows: rows(&set.windows, network, device),
            labels: Tensor::from_data(labels.as_slice(), device),
            weights: Tensor::from_data(weights.as_slice(), device),
        }
    }
}

/// Windows as (n_windows, window · channels).
fn rows(windows: &[f32], network: &Network, device: &Device) -> Tensor<2> {
    let n_values = network.spec().window * network.spec().channels;
    Tensor::from_data(TensorData::new(windows.to_vec(), [windows.len() / n_values, n_values]), device)
}

impl BurnSession {
    pub fn new(
        host: &Host,
        network: &Network,
        weights: &Weights,
        plan: &TrainingPlan,
        train: &WindowSet,
        valid: &WindowSet,
    ) -> Self {
        let parameters = parameters::upload(weights, &host.device);
        let moments = plan.optimizer.moment_names().iter().map(|_| parameters.zeros_like()).collect();
        Self {
            host: host.clone(),
            network: network.clone(),
            plan: plan.clone(),
            train: DeviceWindows::new(train, plan, network, &host.device),
            valid: rows(&valid.windows, network, &host.device),
            cnn: SensorCnn::of_parameters(network, parameters.clone()),
            trained: Trained { parameters, moments, updates: 0 },
        }
    }

    /// Takes one step on the windows of `batch`.
    fn step(&mut self, batch: Tensor<1, Int>, mask: Option<Tensor<2>>, learning_rate: f32) -> StepTensors {
        let (spec, [n_windows]) = (self.network.spec(), batch.dims());
        let windows = self.train.windows.clone().select(0, batch.clone());
        let windows = windows.reshape([n_windows, spec.window, spec.channels]);
        let labels = self.train.labels.clone().select(0, batch.clone());
        let weights = self.train.weights.clone().select(0, batch);

        let cnn = self.cnn.with_parameters(&self.trained.parameters).train();
        let scores = cnn.forward(windows, mask);
        // Sums along a dimension have a fixed order. Burn's sum of all elements adds with float atomics on a GPU, where
        // two runs then differ in the last bit, and with clipping the weights do too.
        let predicted = scores.clone().without_autodiff().argmax(1).flatten(0, 1);
        let correct = predicted.equal(labels.clone()).int().sum_dim(0).float();
        let loss = loss_rows(scores, labels, weights, self.plan.loss).sum_dim(0) / n_windows as f32;
        let gradient = cnn.gradient(&mut loss.backward());
        // The graph ends here: what is kept of the loss must not hold on to it.
        let loss = loss.without_autodiff();
        let norm = gradient.clone().square().sum_dim(0).sqrt();
        let gradient = match self.plan.clip_norm {
            Some(bound) => clipped(gradient, norm.clone(), bound),
            None => gradient,
        };
        self.trained = self.trained.clone().updated(&self.plan.optimizer, gradient, learning_rate);
        [loss, correct, norm]
    }

    /// Windows of the batch that step `step` of an epoch takes.
    fn batch(&self, step: usize, n_windows: usize) -> Range<usize> {
        let start = step * self.plan.batch_size;
        start..(start + self.plan.batch_size).min(n_windows)
    }
}

impl Session for BurnSession {
    fn train(
        &mut self,
        stretch: &Stretch<'_>,
        after_step: &mut dyn FnMut(usize, Option<StepResult>) -> ControlFlow<()>,
    ) -> Result<Vec<StepResult>, EngineError> {
        stretch.check(&self.plan, self.train.labels.dims()[0])?;
        let host = self.host.clone();
        let batches: Vec<Range<usize>> =
            stretch.steps.clone().map(|step| self.batch(step, stretch.order.len())).collect();
        let (Some(first), Some(last)) = (batches.first(), batches.last()) else { return Ok(Vec::new()) };
        let windows = first.start..last.end;
        let order: Vec<i32> = stretch.order[windows.clone()].iter().map(|&window_idx| window_idx as i32).collect();
        let order: Tensor<1, Int> = host.guard(|| Ok(Tensor::from_data(order.as_slice(), &host.device)))?;

        let counters = stretch.steps.clone().map(|step| stretch.first_step + step as u64);
        let rows = counters.zip(batches.iter().map(Range::len));
        let mut masks = Masks::new(self.plan.seed, self.network.spec().dropout, self.network.features(), rows);
        let mut results = Results::new(!host.is_gpu());
        for ((step, batch), &learning_rate) in stretch.steps.clone().zip(&batches).zip(stretch.learning_rates) {
            let result = host.guard(|| {
                let mask = masks.next(&host.device);
                let batch = order.clone().slice(batch.start - windows.start..batch.end - windows.start);
                results.take(self.step(batch, mask, learning_rate))
            })?;
            if after_step(step, result).is_break() {
                break;
            }
        }
        host.guard(|| results.read())
    }

    fn validation_scores(&mut self) -> Result<Vec<f32>, EngineError> {
        self.host.guard(|| {
            let cnn = self.cnn.with_parameters(&self.trained.parameters);
            read_scores(&cnn, &self.network, &self.valid)
        })
    }

    fn state(&mut self) -> Result<SessionState, EngineError> {
        self.host.guard(|| {
            let download = |vector| parameters::download(&self.network, vector);
            Ok(SessionState {
                weights: download(&self.trained.parameters)?,
                moments: self.trained.moments.iter().map(download).collect::<Result<_, _>>()?,
                updates: self.trained.updates,
            })
        })
    }

    fn restore(&mut self, state: &SessionState) -> Result<(), EngineError> {
        state.check(&self.network, &self.plan.optimizer)?;
        let device = &self.host.device;
        self.trained = self.host.guard(|| {
            Ok(Trained {
                parameters: parameters::upload(&state.weights, device),
                moments: state.moments.iter().map(|moment| parameters::upload(moment, device)).collect(),
                updates: state.updates,
            })
        })?;
        Ok(())
    }
}
