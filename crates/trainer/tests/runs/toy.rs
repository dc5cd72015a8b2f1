//! An engine to test the trainer with: as quick as can be, f32 throughout, and what it computes depends on everything a
//! trainer hands it: the order, the windows, the counter of steps, the seed, the learning rates, moments and updates.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;

use triax_engine::{Engine, EngineError, Session, SessionState, StepResult, Stretch, TrainingPlan, WindowSet};
use triax_model::{Network, Weights};
use triax_random::{Purpose, Stream};

/// What goes wrong, and in which step of the run (from 0).
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Loss(u64),
    GradientNorm(u64),
    Weight(u64),
    Moment(u64),
    Score(u64),
}

#[derive(Clone, Debug, Default)]
pub struct Toy {
    /// Validation loss (categorical hinge) after each epoch; otherwise it follows from the weights. The first weight then
    /// counts the updates.
    pub validation_losses: Option<Vec<f32>>,
    /// Makes one value NaN.
    pub fault: Option<Fault>,
    /// Holds results back until the end of a stretch, as a GPU does.
    pub like_a_gpu: bool,
    /// The windows trained on, in order, and the length of each stretch asked for.
    pub visited: Rc<RefCell<Vec<u32>>>,
    pub stretches: Rc<RefCell<Vec<usize>>>,
}

impl Engine for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn open(
        &self,
        network: &Network,
        weights: &Weights,
        plan: &TrainingPlan,
        train: &WindowSet,
        valid: &WindowSet,
    ) -> Result<Box<dyn Session>, EngineError> {
        let moments = plan.optimizer.moment_names().iter().map(|_| Weights::zeros(network)).collect();
        Ok(Box::new(ToySession {
            toy: self.clone(),
            network: network.clone(),
            plan: plan.clone(),
            train: train.clone(),
            valid: valid.clone(),
            state: SessionState { weights: weights.clone(), moments, updates: 0 },
        }))
    }

    fn scores(&self, _: &Network, _: &Weights, _: &[f32]) -> Result<Vec<f32>, EngineError> {
        unreachable!("the trainer validates within the session")
    }
}

struct ToySession {
    toy: Toy,
    network: Network,
    plan: TrainingPlan,
    train: WindowSet,
    valid: WindowSet,
    state: SessionState,
}

impl ToySession {
    /// A momentum update towards the windows' values, with noise from the step's own random numbers.
    fn step(&mut self, batch: &[u32], step: u64, learning_rate: f32) -> StepResult {
        let window_len = self.train.windows.len() / self.train.len();
        let mut noise = Stream::new(self.plan.seed, Purpose::Dropout, step);
        self.state.updates += 1;
        let (mut loss, mut squares, mut element) = (0.0, 0.0, 0);
        for (idx, tensor) in self.state.weights.tensors.iter_mut().enumerate() {
            for (at, weight) in tensor.values.iter_mut().enumerate() {
                let mean = batch.iter().fold(0.0, |sum, &window| {
                    sum * 0.999 + self.train.windows[window as usize * window_len + element % window_len]
                }) / batch.len() as f32;
                let gradient = *weight - mean + 0.1 * noise.uniform();
                loss += gradient * gradient;
                squares += gradient * gradient;
                let mut direction = gradient;
                for moments in &mut self.state.moments {
                    let moment = &mut moments.tensors[idx].values[at];
                    *moment += (direction - *moment) * 0.3;
                    direction = *moment;
                }
                *weight -= learning_rate * direction * (1.0 + 1.0 / self.state.updates as f32);
                element += 1;
            }
        }
        if self.toy.validation_losses.is_some() {
            self.state.weights.tensors[0].values[0] = self.state.updates as f32;
        }
        let correct = batch.iter().filter(|&&window| self.train.labels[window as usize] == 1).count() as u32;
        let mut result = StepResult { loss, correct, gradient_norm: squares.sqrt() };
        match self.toy.fault {
            Some(Fault::Loss(at)) if at == step => result.loss = f32::NAN,
            Some(Fault::GradientNorm(at)) if at == step => result.gradient_norm = f32::INFINITY,
            Some(Fault::Weight(at)) if at == step => self.state.weights.tensors[1].values[0] = f32::NAN,
            Some(Fault::Moment(at)) if at == step => self.state.moments[0].tensors[2].values[0] = f32::INFINITY,
            _ => {}
        }
        result
    }
}

impl Session for ToySession {
    fn train(
        &mut self,
        stretch: &Stretch<'_>,
        after_step: &mut dyn FnMut(usize, Option<StepResult>) -> ControlFlow<()>,
    ) -> Result<Vec<StepResult>, EngineError> {
        stretch.check(&self.plan, self.train.len())?;
        self.toy.stretches.borrow_mut().push(stretch.steps.len());
        let mut results = Vec::new();
        for (step, &learning_rate) in stretch.steps.clone().zip(stretch.learning_rates) {
            let start = step * self.plan.batch_size;
            let batch = &stretch.order[start..stretch.order.len().min(start + self.plan.batch_size)];
            self.toy.visited.borrow_mut().extend(batch);
            let result = self.step(batch, stretch.first_step + step as u64, learning_rate);
            results.push(result);
            if after_step(step, (!self.toy.like_a_gpu).then_some(result)).is_break() {
                break;
            }
        }
        Ok(results)
    }

    fn validation_scores(&mut self) -> Result<Vec<f32>, EngineError> {
        let n_classes = self.network.spec().classes;
        let mut scores = vec![0.0; self.valid.len() * n_classes];
        let weights = &self.state.weights.tensors;
        let window_len = self.valid.windows.len() / self.valid.len();
        for (window, row) in scores.chunks_mut(n_classes).enumerate() {
            let label = self.valid.labels[window] as usize;
            match &self.toy.validation_losses {
                // max(0 − score + 1, 0)
                Some(losses) => {
                    let n_steps = self.plan.n_steps(self.train.len());
                    row[label] = 1.0 - losses[weights[0].values[0] as usize / n_steps - 1];
                }
                None => {
                    for (class, score) in row.iter_mut().enumerate() {
                        let bias = &weights[weights.len() - 1].values;
                        *score = bias[class] + weights[0].values[class] * self.valid.windows[window * window_len];
                    }
                }
            }
        }
        match self.toy.fault {
            Some(Fault::Score(at)) if at < self.state.updates => scores[n_classes] = f32::NAN,
            _ => {}
        }
        Ok(scores)
    }

    fn state(&mut self) -> Result<SessionState, EngineError> {
        Ok(self.state.clone())
    }

    fn restore(&mut self, state: &SessionState) -> Result<(), EngineError> {
        state.check(&self.network, &self.plan.optimizer)?;
        self.state = state.clone();
        Ok(())
    }
}
