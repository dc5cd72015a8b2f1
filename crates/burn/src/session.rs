//! The training of a model on a Burn device. Data, weights and moments stay on the device.

use std::collections::VecDeque;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use triax_engine::{
    EngineError, Evaluation, Member, Progress, Session, SessionState, StepResult, Stretch, TrainingPlan, Watch,
    WindowSet, check_weights,
};
use triax_model::{Network, Weights};

use crate::engine::{Host, read_scores};
use crate::loss::loss_rows;
use crate::masks::Masks;
use crate::optimizer::{TrainingState, clipped};
use crate::parameters;
use crate::results::{Results, StepTensors};
use crate::sensor_cnn::SensorCnn;

/// A session of [`crate::BurnEngine`]: the training of one model.
pub(crate) struct BurnSession {
    host: Host,
    network: Network,
    plan: TrainingPlan,
    windows: DeviceWindows,
    /// The indices of the validation windows.
    validation: Vec<i32>,
    /// The class of every window.
    labels: Arc<[u32]>,
    cnn: SensorCnn,
    state: TrainingState,
    /// The results of stretches that nobody has fetched yet, the oldest first; on a GPU they are still there.
    results: VecDeque<Results>,
    /// The same of validations.
    evaluations: VecDeque<Vec<Evaluation>>,
}

/// All windows on the device.
struct DeviceWindows {
    /// Standardised values: (n_windows, window · channels)
    values: Tensor<2>,
    /// (n_windows)
    labels: Tensor<1, Int>,
    /// Product of sample weight and class weight: (n_windows)
    weights: Tensor<1>,
}

impl DeviceWindows {
    fn new(set: &WindowSet, member: &Member<'_>, device: &Device) -> Self {
        let mut values = set.windows.to_vec();
        if let Some(scaler) = member.scaler {
            scaler.apply(&mut values);
        }
        let spec = member.network.spec();
        let class_weights = member.plan.class_weights.as_deref();
        let weights: Vec<f32> = (0..set.len()).map(|idx| set.weight(idx, class_weights)).collect();
        let labels: Vec<i32> = set.labels.iter().map(|&label| label as i32).collect();
        Self {
            values: Tensor::from_data(TensorData::new(values, [set.len(), spec.window * spec.channels]), device),
            labels: Tensor::from_data(labels.as_slice(), device),
            weights: Tensor::from_data(weights.as_slice(), device),
        }
    }
}

impl BurnSession {
    /// Opens a session for a checked member.
    pub fn new(host: &Host, member: &Member<'_>, windows: &WindowSet) -> Self {
        let Member { network, plan, .. } = *member;
        let parameters = parameters::upload(member.weights, &host.device);
        let moments = plan.optimizer.moment_names().iter().map(|_| parameters.zeros_like()).collect();
        Self {
            host: host.clone(),
            network: network.clone(),
            plan: plan.clone(),
            windows: DeviceWindows::new(windows, member, &host.device),
            validation: member.validation.iter().map(|&window_idx| window_idx as i32).collect(),
            labels: windows.labels.clone(),
            cnn: SensorCnn::from_parameters(network, parameters.clone()),
            state: TrainingState { parameters, moments, updates: 0 },
            results: VecDeque::new(),
            evaluations: VecDeque::new(),
        }
    }

    /// Takes one step on the windows of `batch`.
    fn step(&mut self, batch: Tensor<1, Int>, mask: Option<Tensor<2>>, learning_rate: f32) -> StepTensors {
        let (spec, [n_windows]) = (self.network.spec(), batch.dims());
        let windows = self.windows.values.clone().select(0, batch.clone());
        let windows = windows.reshape([n_windows, spec.window, spec.channels]);
        let labels = self.windows.labels.clone().select(0, batch.clone());
        let weights = self.windows.weights.clone().select(0, batch);

        let cnn = self.cnn.with_parameters(&self.state.parameters).train();
        let scores = cnn.forward(windows, mask);
        // Sums along a dimension have a fixed order. Burn's sum of all elements uses float atomics on a GPU, so that
        // two runs would differ in the last bit, with clipping in the weights too.
        let predicted = scores.clone().without_autodiff().argmax(1).flatten(0, 1);
        let correct = predicted.equal(labels.clone()).int().sum_dim(0).float();
        let loss = loss_rows(scores, labels, weights, self.plan.loss).sum_dim(0) / n_windows as f32;
        let gradient = cnn.gradient(&mut loss.backward());
        // Detaches the loss, which would keep the graph alive.
        let loss = loss.without_autodiff();
        let norm = gradient.clone().square().sum_dim(0).sqrt();
        let gradient = match self.plan.clip_norm {
            Some(bound) => clipped(gradient, norm.clone(), bound),
            None => gradient,
        };
        self.state = self.state.clone().updated(&self.plan.optimizer, gradient, learning_rate);
        [loss, correct, norm]
    }

    /// The scores (n_validation, classes) of the validation windows.
    fn validation_scores(&self) -> Result<Vec<f32>, EngineError> {
        self.host.guard(|| {
            let cnn = self.cnn.with_parameters(&self.state.parameters);
            let indices: Tensor<1, Int> = Tensor::from_data(self.validation.as_slice(), &self.host.device);
            let rows = |pass| self.windows.values.clone().select(0, indices.clone().slice(pass));
            read_scores(&cnn, &self.network, self.validation.len(), rows)
        })
    }
}

impl Session for BurnSession {
    fn start(&mut self, stretch: &Stretch<'_>, watch: &mut Watch<'_>) -> Result<(), EngineError> {
        let (host, batch_size) = (self.host.clone(), self.plan.batch_size);
        stretch.check(1, self.labels.len(), batch_size)?;
        let (epoch, steps) = (stretch.members[0], stretch.steps_of(0, batch_size));
        let mut results = Results::new(!host.is_gpu());
        if steps.is_empty() {
            self.results.push_back(results);
            return Ok(());
        }
        // One copy to the device for the windows of the whole stretch.
        let windows = steps.clone().flat_map(|step| epoch.batch(step, batch_size));
        let windows: Vec<i32> = windows.map(|&window_idx| window_idx as i32).collect();
        let windows: Tensor<1, Int> = host.guard(|| Ok(Tensor::from_data(windows.as_slice(), &host.device)))?;
        let n_windows = |step| epoch.batch(step, batch_size).len();

        let rows = steps.clone().map(|step| (epoch.first_step + step as u64, n_windows(step)));
        let mut masks = Masks::new(self.plan.seed, self.network.spec().dropout, self.network.features(), rows);
        for (taken, (step, &learning_rate)) in steps.clone().zip(epoch.learning_rates).enumerate() {
            let newest = host.guard(|| {
                let mask = masks.next(&host.device);
                let start = taken * batch_size;
                let batch = windows.clone().slice(start..start + n_windows(step));
                results.take(self.step(batch, mask, learning_rate))
            })?;
            if watch(Progress { steps: taken + 1, newest }).is_break() {
                break;
            }
        }
        self.results.push_back(results);
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<Vec<StepResult>>, EngineError> {
        let results = self.results.pop_front().ok_or_else(|| EngineError::nothing_started("steps"))?;
        Ok(vec![self.host.guard(|| results.read())?])
    }

    fn start_validation(&mut self) -> Result<(), EngineError> {
        let scores = self.validation_scores()?;
        let labels = self.validation.iter().map(|&window_idx| self.labels[window_idx as usize]);
        let classes = self.network.spec().classes;
        self.evaluations.push_back(vec![Evaluation::from_scores(&scores, labels, classes, self.plan.loss)]);
        Ok(())
    }

    fn evaluations(&mut self) -> Result<Vec<Evaluation>, EngineError> {
        self.evaluations.pop_front().ok_or_else(|| EngineError::nothing_started("evaluations"))
    }

    fn scores(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        Ok(vec![self.validation_scores()?])
    }

    fn weights(&mut self) -> Result<Vec<Weights>, EngineError> {
        self.host.guard(|| Ok(vec![parameters::download(&self.network, &self.state.parameters)?]))
    }

    fn set_weights(&mut self, weights: &[Weights]) -> Result<(), EngineError> {
        check_weights(weights, [&self.network].into_iter())?;
        let device = &self.host.device;
        self.state.parameters = self.host.guard(|| Ok(parameters::upload(&weights[0], device)))?;
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<SessionState>, EngineError> {
        self.host.guard(|| {
            let download = |vector| parameters::download(&self.network, vector);
            Ok(vec![SessionState {
                weights: download(&self.state.parameters)?,
                moments: self.state.moments.iter().map(download).collect::<Result<_, _>>()?,
                updates: self.state.updates,
            }])
        })
    }

    fn restore(&mut self, states: &[SessionState]) -> Result<(), EngineError> {
        let [state] = states else {
            return Err(EngineError::Input(format!("{} saved states for a single model", states.len())));
        };
        state.check(&self.network, &self.plan.optimizer)?;
        let device = &self.host.device;
        self.state = self.host.guard(|| {
            Ok(TrainingState {
                parameters: parameters::upload(&state.weights, device),
                moments: state.moments.iter().map(|moment| parameters::upload(moment, device)).collect(),
                updates: state.updates,
            })
        })?;
        Ok(())
    }
}
