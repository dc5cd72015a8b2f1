//! An engine to test the trainer with: as quick as can be, f32 throughout, and what it computes depends on everything a
//! trainer hands it: the order, the windows, the scaler, the counter of steps, the seed, the learning rates, moments and
//! updates.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::rc::Rc;

use triax_engine::{
    Engine, EngineError, Evaluation, Member, Progress, Scorer, Session, SessionState, StepResult, Stretch,
    TrainingPlan, Watch, WindowSet, check_fleet, check_weights,
};
use triax_model::random::{Purpose, Stream};
use triax_model::{Network, Scaler, Weights};

/// What goes wrong, and in which step of the run (from 0).
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Loss(u64),
    GradientNorm(u64),
    Weight(u64),
    Moment(u64),
    Score(u64),
}

/// What a session is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Call {
    Start,
    Results,
    StartValidation,
    Evaluations,
    Weights,
    Scores,
}

#[derive(Clone, Debug)]
pub struct Toy {
    /// Validation loss (categorical hinge) after each epoch; otherwise it follows from the weights. The first weight then
    /// counts the updates.
    pub validation_losses: Option<Vec<f32>>,
    /// Makes one value NaN.
    pub fault: Option<Fault>,
    /// The seed of the models that have the fault; all where absent.
    pub faulty_seed: Option<u64>,
    /// Holds results back until the end of a stretch, as a GPU does.
    pub like_a_gpu: bool,
    /// Says that a device takes the steps, as a GPU does.
    pub runs_ahead: bool,
    /// Models that a session can hold.
    pub capacity: usize,
    /// The windows trained on, in order, and the length of each stretch asked for.
    pub visited: Rc<RefCell<Vec<u32>>>,
    pub stretches: Rc<RefCell<Vec<usize>>>,
    /// What sessions were asked for, in order.
    pub calls: Rc<RefCell<Vec<Call>>>,
    /// The size of each fleet opened.
    pub fleets: Rc<RefCell<Vec<usize>>>,
}

impl Default for Toy {
    fn default() -> Self {
        Self {
            validation_losses: None,
            fault: None,
            faulty_seed: None,
            like_a_gpu: false,
            runs_ahead: false,
            capacity: usize::MAX,
            visited: Rc::default(),
            stretches: Rc::default(),
            calls: Rc::default(),
            fleets: Rc::default(),
        }
    }
}

impl Engine for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn capacity(&self, _: &Member<'_>, _: &WindowSet) -> usize {
        self.capacity
    }

    fn open(&self, fleet: &[Member<'_>], windows: &WindowSet) -> Result<Box<dyn Session>, EngineError> {
        check_fleet(fleet, windows)?;
        assert!(fleet.len() <= self.capacity);
        self.fleets.borrow_mut().push(fleet.len());
        let models = fleet.iter().map(|member| Model {
            toy: self.clone(),
            fault: self.fault.filter(|_| self.faulty_seed.is_none_or(|seed| seed == member.plan.seed)),
            network: member.network.clone(),
            plan: member.plan.clone(),
            scaler: member.scaler.cloned(),
            validation: member.validation.to_vec(),
            state: SessionState {
                weights: member.weights.clone(),
                moments: member.plan.optimizer.moment_names().iter().map(|_| Weights::zeros(member.network)).collect(),
                updates: 0,
            },
            steps_an_epoch: 1,
        });
        Ok(Box::new(ToySession {
            toy: self.clone(),
            windows: windows.clone(),
            models: models.collect(),
            results: VecDeque::new(),
            evaluations: VecDeque::new(),
        }))
    }

    fn scorer(&self, _: &Network, _: &Weights, _: Option<&Scaler>) -> Result<Box<dyn Scorer>, EngineError> {
        unreachable!("the trainer validates within the session")
    }
}

struct ToySession {
    toy: Toy,
    windows: WindowSet,
    models: Vec<Model>,
    results: VecDeque<Vec<Vec<StepResult>>>,
    evaluations: VecDeque<Vec<Evaluation>>,
}

struct Model {
    toy: Toy,
    fault: Option<Fault>,
    network: Network,
    plan: TrainingPlan,
    scaler: Option<Scaler>,
    validation: Vec<u32>,
    state: SessionState,
    steps_an_epoch: usize,
}

impl Model {
    /// The values of a window, standardised.
    fn window(&self, windows: &WindowSet, window: u32) -> Vec<f32> {
        let n_values = windows.windows.len() / windows.len();
        let mut values = windows.windows[window as usize * n_values..][..n_values].to_vec();
        if let Some(scaler) = &self.scaler {
            scaler.apply(&mut values);
        }
        values
    }

    /// A momentum update towards the windows' values, with noise from the step's own random numbers.
    fn step(&mut self, windows: &WindowSet, batch: &[u32], step: u64, learning_rate: f32) -> StepResult {
        let values: Vec<Vec<f32>> = batch.iter().map(|&window| self.window(windows, window)).collect();
        let mut noise = Stream::new(self.plan.seed, Purpose::Dropout, step);
        self.state.updates += 1;
        let (mut loss, mut squares, mut element) = (0.0, 0.0, 0);
        for (idx, tensor) in self.state.weights.tensors.iter_mut().enumerate() {
            for (at, weight) in tensor.values.iter_mut().enumerate() {
                let mean = values.iter().fold(0.0, |sum, values| sum * 0.999 + values[element % values.len()])
                    / batch.len() as f32;
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
        let correct = batch.iter().filter(|&&window| windows.labels[window as usize] == 1).count() as u32;
        let mut result = StepResult { loss, correct, gradient_norm: squares.sqrt() };
        match self.fault {
            Some(Fault::Loss(at)) if at == step => result.loss = f32::NAN,
            Some(Fault::GradientNorm(at)) if at == step => result.gradient_norm = f32::INFINITY,
            Some(Fault::Weight(at)) if at == step => self.state.weights.tensors[1].values[0] = f32::NAN,
            Some(Fault::Moment(at)) if at == step => self.state.moments[0].tensors[2].values[0] = f32::INFINITY,
            _ => {}
        }
        result
    }

    fn evaluation(&self, windows: &WindowSet) -> Evaluation {
        let labels = self.validation.iter().map(|&window| windows.labels[window as usize]);
        Evaluation::from_scores(&self.scores(windows), labels, self.network.spec().classes, self.plan.loss)
    }

    /// The scores of the validation windows.
    fn scores(&self, windows: &WindowSet) -> Vec<f32> {
        let n_classes = self.network.spec().classes;
        let mut scores = vec![0.0; self.validation.len() * n_classes];
        let weights = &self.state.weights.tensors;
        let labels = self.validation.iter().map(|&window| windows.labels[window as usize]);
        for ((row, &window), label) in scores.chunks_mut(n_classes).zip(&self.validation).zip(labels) {
            match &self.toy.validation_losses {
                // max(0 − score + 1, 0)
                Some(losses) => {
                    row[label as usize] = 1.0 - losses[weights[0].values[0] as usize / self.steps_an_epoch - 1];
                }
                None => {
                    let value = self.window(windows, window)[0];
                    for (class, score) in row.iter_mut().enumerate() {
                        *score = weights[weights.len() - 1].values[class] + weights[0].values[class] * value;
                    }
                }
            }
        }
        match self.fault {
            Some(Fault::Score(at)) if at < self.state.updates => scores[n_classes] = f32::NAN,
            _ => {}
        }
        scores
    }
}

impl ToySession {
    fn called(&self, call: Call) {
        self.toy.calls.borrow_mut().push(call);
    }
}

impl Session for ToySession {
    fn runs_ahead(&self) -> bool {
        self.toy.runs_ahead
    }

    fn start(&mut self, stretch: &Stretch<'_>, watch: &mut Watch<'_>) -> Result<(), EngineError> {
        self.called(Call::Start);
        let batch_size = self.models[0].plan.batch_size;
        stretch.check(self.models.len(), self.windows.len(), batch_size)?;
        self.toy.stretches.borrow_mut().push(stretch.steps.len());
        let alone = self.models.len() == 1;
        let (mut steps, mut all) = (0, Vec::new());
        for (m, model) in self.models.iter_mut().enumerate() {
            let epoch = stretch.members[m];
            model.steps_an_epoch = epoch.n_steps(batch_size);
            let mut results = Vec::new();
            for (step, &learning_rate) in stretch.steps_of(m, batch_size).zip(epoch.learning_rates) {
                let batch = epoch.batch(step, batch_size);
                self.toy.visited.borrow_mut().extend(batch);
                let result = model.step(&self.windows, batch, epoch.first_step + step as u64, learning_rate);
                results.push(result);
                steps += 1;
                let newest = (alone && !self.toy.like_a_gpu).then_some(result);
                if watch(Progress { steps, newest }) == ControlFlow::Break(()) {
                    all.push(results);
                    all.resize(self.models.len(), Vec::new());
                    self.results.push_back(all);
                    return Ok(());
                }
            }
            all.push(results);
        }
        self.results.push_back(all);
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<Vec<StepResult>>, EngineError> {
        self.called(Call::Results);
        self.results.pop_front().ok_or_else(|| EngineError::nothing_started("steps"))
    }

    fn start_validation(&mut self) -> Result<(), EngineError> {
        self.called(Call::StartValidation);
        self.evaluations.push_back(self.models.iter().map(|model| model.evaluation(&self.windows)).collect());
        Ok(())
    }

    fn evaluations(&mut self) -> Result<Vec<Evaluation>, EngineError> {
        self.called(Call::Evaluations);
        self.evaluations.pop_front().ok_or_else(|| EngineError::nothing_started("evaluations"))
    }

    fn scores(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        self.called(Call::Scores);
        Ok(self.models.iter().map(|model| model.scores(&self.windows)).collect())
    }

    fn weights(&mut self) -> Result<Vec<Weights>, EngineError> {
        self.called(Call::Weights);
        Ok(self.models.iter().map(|model| model.state.weights.clone()).collect())
    }

    fn set_weights(&mut self, weights: &[Weights]) -> Result<(), EngineError> {
        check_weights(weights, self.models.iter().map(|model| &model.network))?;
        self.models.iter_mut().zip(weights).for_each(|(model, weights)| model.state.weights = weights.clone());
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<SessionState>, EngineError> {
        Ok(self.models.iter().map(|model| model.state.clone()).collect())
    }

    fn restore(&mut self, states: &[SessionState]) -> Result<(), EngineError> {
        assert_eq!(states.len(), self.models.len());
        for (model, state) in self.models.iter_mut().zip(states) {
            state.check(&model.network, &model.plan.optimizer)?;
            model.state = state.clone();
        }
        Ok(())
    }
}
