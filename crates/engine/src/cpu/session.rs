//! The training of a fleet on the CPU. Threads share the passes of a single model, as many as are fastest; of several
//! models, each thread takes whole ones.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::{
    EngineError, Evaluation, Member, Phase, Progress, Session, SessionState, StepResult, Stretch, Timings, Watch,
    WindowSet, check_weights,
};
use triax_model::Weights;

use super::Float;
use super::model::{Model, Shape, StepContext, Workspace};
use super::scores::scores;
use super::team::Team;
use super::thread_choice::ThreadChoice;

/// A session of [`super::CpuEngine`].
pub(super) struct CpuSession<F> {
    n_threads: usize,
    /// How many of them share the steps of a single model.
    choice: ThreadChoice,
    shape: Shape,
    windows: WindowSet,
    batch_size: usize,
    models: Vec<Model<F>>,
    /// One for a single model; one for each thread if there are several models.
    workspaces: Vec<Mutex<Workspace<F>>>,
    /// The results of stretches that nobody has fetched yet, the oldest first.
    results: VecDeque<Vec<Vec<StepResult>>>,
    /// The same of validations.
    evaluations: VecDeque<Vec<Evaluation>>,
    timings: Timings,
}

impl<F: Float> CpuSession<F> {
    /// Opens a session for a checked fleet.
    pub fn new(n_threads: usize, fleet: &[Member<'_>], windows: &WindowSet, timings: &Timings) -> Self {
        let shape = Shape::new(fleet[0].network);
        let batch_size = fleet[0].plan.batch_size;
        let clips = fleet.iter().any(|member| member.plan.clip_norm.is_some());
        let (n_workspaces, n_sharing) = match fleet {
            [_] => (1, n_threads),
            _ => (n_threads, 1),
        };
        // The batch size is not limited by the number of windows: an order may name a window more than once.
        let workspace = || Mutex::new(Workspace::new(&shape, batch_size, clips, n_sharing));
        Self {
            workspaces: (0..n_workspaces).map(|_| workspace()).collect(),
            models: fleet.iter().map(Model::new).collect(),
            windows: windows.clone(),
            batch_size,
            shape,
            n_threads,
            results: VecDeque::new(),
            evaluations: VecDeque::new(),
            timings: timings.clone(),
            choice: ThreadChoice::new(n_threads),
        }
    }

    /// Takes the steps of one member until `after_step` breaks, on as many threads of the team as `choice` says.
    fn train_member(
        &self,
        member: usize,
        model: &mut Model<F>,
        stretch: &Stretch<'_>,
        workspace: &mut Workspace<F>,
        (team, choice): (&Team<'_>, &mut ThreadChoice),
        mut after_step: impl FnMut(StepResult) -> ControlFlow<()>,
    ) -> Vec<StepResult> {
        let steps = stretch.steps_of(member, self.batch_size);
        let epoch = &stretch.members[member];
        let context = StepContext { shape: &self.shape, windows: &self.windows, team };
        let mut results = Vec::with_capacity(steps.len());
        for (step, &learning_rate) in steps.zip(epoch.learning_rates) {
            team.limit(choice.n_threads());
            let start = Instant::now();
            let result = model.step(context, epoch, step, learning_rate, workspace).into();
            if epoch.batch(step, self.batch_size).len() == self.batch_size {
                choice.took(start.elapsed().as_secs_f64());
            }
            results.push(result);
            if after_step(result).is_break() {
                break;
            }
        }
        results
    }

    fn train_all(
        &self,
        team: &Team<'_>,
        choice: &mut ThreadChoice,
        models: &mut [Model<F>],
        stretch: &Stretch<'_>,
        watch: &mut Watch<'_>,
    ) -> Vec<Vec<StepResult>> {
        let workspace = |i: usize| self.workspaces[i].lock().unwrap_or_else(PoisonError::into_inner);
        if let [model] = models {
            let mut steps = 0;
            return vec![self.train_member(0, model, stretch, &mut workspace(0), (team, choice), |result| {
                steps += 1;
                watch(Progress { steps, newest: Some(result) })
            })];
        }
        let (steps, stopped, watch) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(watch));
        let mut members: Vec<_> = models.iter_mut().map(|model| (model, Vec::new())).collect();
        team.each_as_free(&mut members, |thread, member, (model, results)| {
            let alone = (&Team::alone(), &mut ThreadChoice::new(1));
            *results = self.train_member(member, model, stretch, &mut workspace(thread), alone, |_| {
                let progress = Progress { steps: steps.fetch_add(1, Relaxed) + 1, newest: None };
                // A report is skipped while another thread reports.
                if let Ok(mut watch) = watch.try_lock()
                    && watch(progress).is_break()
                {
                    stopped.store(true, Relaxed);
                }
                if stopped.load(Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        });
        members.into_iter().map(|(_, results)| results).collect()
    }

    /// Calls `judge` on each model and the scores (n_validation, classes) of its validation windows.
    fn judge<T>(&self, judge: impl Fn(&Model<F>, Vec<f32>) -> T) -> Vec<T> {
        let of_model = |team: &Team<'_>, model: &Model<F>| {
            let window = |i: usize| self.shape.window(&self.windows, model.validation[i]);
            let (n, scaler) = (model.validation.len(), model.scaler.as_ref());
            judge(model, scores(team, &self.shape, &model.parameters, scaler, n, window))
        };
        Team::scope(self.n_threads, |team| self.models.iter().map(|model| of_model(team, model)).collect())
    }
}

impl<F: Float> Session for CpuSession<F> {
    fn start(&mut self, stretch: &Stretch<'_>, watch: &mut Watch<'_>) -> Result<(), EngineError> {
        stretch.check(self.models.len(), self.windows.len(), self.batch_size)?;
        let n_steps = (0..self.models.len()).map(|m| stretch.steps_of(m, self.batch_size).len() as u64).sum();
        let _steps = self.timings.device_phase(Phase::Steps, n_steps);
        let mut models = std::mem::take(&mut self.models);
        let mut choice = self.choice.clone();
        let results =
            Team::scope(self.n_threads, |team| self.train_all(team, &mut choice, &mut models, stretch, watch));
        (self.models, self.choice) = (models, choice);
        self.results.push_back(results);
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<Vec<StepResult>>, EngineError> {
        self.results.pop_front().ok_or_else(|| EngineError::nothing_started("steps"))
    }

    fn start_validation(&mut self) -> Result<(), EngineError> {
        let _validation = self.timings.device_phase(Phase::Validation, self.models.len() as u64);
        let classes = self.shape.network.spec().classes;
        let evaluations = self.judge(|model, scores| {
            let labels = model.validation.iter().map(|&idx| self.windows.labels[idx as usize]);
            Evaluation::from_scores(&scores, labels, classes, model.plan.loss)
        });
        self.evaluations.push_back(evaluations);
        Ok(())
    }

    fn evaluations(&mut self) -> Result<Vec<Evaluation>, EngineError> {
        self.evaluations.pop_front().ok_or_else(|| EngineError::nothing_started("evaluations"))
    }

    fn scores(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        let _scoring = self.timings.device_phase(Phase::Scoring, self.models.len() as u64);
        Ok(self.judge(|_, scores| scores))
    }

    fn weights(&mut self) -> Result<Vec<Weights>, EngineError> {
        let _reading = self.timings.phase(Phase::ReadingBack);
        Ok(self.models.iter().map(|model| model.weights(&self.shape.network)).collect())
    }

    fn set_weights(&mut self, weights: &[Weights]) -> Result<(), EngineError> {
        check_weights(weights, self.models.iter().map(|_| &self.shape.network))?;
        self.models.iter_mut().zip(weights).for_each(|(model, weights)| model.set_weights(weights));
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<SessionState>, EngineError> {
        let _reading = self.timings.phase(Phase::ReadingBack);
        let states: Vec<_> = self.models.iter().map(|model| model.state(&self.shape.network)).collect();
        self.restore(&states)?;
        Ok(states)
    }

    fn restore(&mut self, states: &[SessionState]) -> Result<(), EngineError> {
        if states.len() != self.models.len() {
            let (n_states, n_models) = (states.len(), self.models.len());
            return Err(EngineError::Input(format!("{n_states} saved states for a fleet of {n_models}")));
        }
        for (model, state) in self.models.iter().zip(states) {
            state.check(&self.shape.network, &model.plan.optimizer)?;
        }
        self.models.iter_mut().zip(states).for_each(|(model, state)| model.restore(state));
        Ok(())
    }
}
