//! How long a step of a job takes on an engine: a few of them, taken.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use triax_engine::{Engine, EngineError, Member, MemberEpoch, Session, Stretch, TrainingPlan, WindowSet};
use triax_model::{Network, Scaler, Weights};

/// Windows that a trial goes through, over and over; more only where one batch has more.
const WINDOWS: usize = 2048;
/// A stretch as long as this is long enough to be timed: what begins and ends it is then a small part.
const LONG_ENOUGH: Duration = Duration::from_millis(60);
/// Stretches of that length, of which the fastest counts: what else the machine does only ever adds.
const REPEATS: usize = 3;

/// A job as far as it decides how long a step takes.
pub struct Trial<'a> {
    /// The network.
    pub network: &'a Network,
    /// What its steps do.
    pub plan: &'a TrainingPlan,
    /// The windows of the job.
    pub windows: &'a WindowSet,
    /// Indices of the windows to train on.
    pub train: &'a [u32],
    /// How their values are standardised.
    pub scaler: Option<&'a Scaler>,
    /// Learning rate of every step.
    pub learning_rate: f32,
}

impl Trial<'_> {
    /// Seconds of a step on `engine`, once it runs: what comes before the first step does not count.
    ///
    /// # Errors
    /// A job that the engine refuses; a device that fails.
    pub fn seconds_per_step(&self, engine: &dyn Engine) -> Result<f64, EngineError> {
        let windows = self.some_windows();
        let weights = Weights::glorot_uniform(self.network, self.plan.seed);
        let plan = TrainingPlan { batch_size: self.plan.batch_size.min(windows.len()), ..self.plan.clone() };
        let Self { network, scaler, .. } = *self;
        let member = Member { network, weights: &weights, plan: &plan, scaler, validation: &[] };
        let mut session = engine.open(&[member], &windows)?;
        let mut take = |n_steps: usize| self.take(session.as_mut(), windows.len(), plan.batch_size, n_steps);

        // The first step may compile kernels and start threads.
        take(1)?;
        let mut n_steps = 1;
        let mut seconds = take(n_steps)?;
        while seconds < LONG_ENOUGH {
            n_steps *= 2;
            seconds = take(n_steps)?;
        }
        // A step that takes seconds needs no repetition to be told from another.
        let repeats = if seconds > 10 * LONG_ENOUGH { 0 } else { REPEATS - 1 };
        for _ in 0..repeats {
            seconds = seconds.min(take(n_steps)?);
        }
        Ok(seconds.as_secs_f64() / n_steps as f64)
    }

    /// The first windows to train on, in a set of their own, so that not all data travels to a device for a trial.
    fn some_windows(&self) -> WindowSet {
        let n_values = self.network.spec().window * self.network.spec().channels;
        let n_windows = self.train.len().min(WINDOWS.max(self.plan.batch_size));
        let chosen = self.train[..n_windows].iter().map(|&idx| idx as usize);
        let values = chosen.clone().flat_map(|idx| &self.windows.windows[idx * n_values..][..n_values]).copied();
        let labels = chosen.map(|idx| self.windows.labels[idx]).collect();
        WindowSet { windows: values.collect(), labels, sample_weights: None }
    }

    /// Takes steps of `batch_size` windows through `n_windows`, over and over, and says how long they took.
    fn take(
        &self,
        session: &mut dyn Session,
        n_windows: usize,
        batch_size: usize,
        n_steps: usize,
    ) -> Result<Duration, EngineError> {
        let order: Vec<u32> = (0..n_windows as u32).cycle().take(n_steps * batch_size).collect();
        let learning_rates = vec![self.learning_rate; n_steps];
        let epoch = MemberEpoch { order: &order, first_step: 0, learning_rates: &learning_rates };
        let started = Instant::now();
        session.train(&Stretch { steps: 0..n_steps, members: &[epoch] }, &mut |_| ControlFlow::Continue(()))?;
        Ok(started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use triax_engine::CpuEngine;
    use triax_engine::{Augmentation, Optimizer};
    use triax_losses::Loss;
    use triax_model::{ConvSpec, NetworkSpec};

    use super::*;

    #[test]
    fn a_step_takes_time_whatever_the_batch() {
        let convs = vec![ConvSpec { filters: 2, kernel: 3, stride: 1, pool: None }];
        let spec = NetworkSpec { window: 8, channels: 2, convs, dropout: 0.1, hidden: vec![3], classes: 2 };
        let network = Network::new(spec).unwrap();
        let n_windows = 12;
        let windows = WindowSet {
            windows: (0..n_windows * 16).map(|i| i as f32 / 16.0).collect(),
            labels: (0..n_windows as u32).map(|i| i % 2).collect(),
            sample_weights: None,
        };
        let (loss, optimizer) = (Loss::Hinge, Optimizer::adam());
        // A batch of some windows, of all, and of more than there are.
        for batch_size in [5, 12, 1000] {
            let plan = TrainingPlan {
                loss,
                optimizer,
                batch_size,
                clip_norm: None,
                class_weights: None,
                augmentation: Augmentation::default(),
                seed: 1,
            };
            let train: Vec<u32> = (0..n_windows as u32).collect();
            let (network, plan, windows) = (&network, &plan, &windows);
            let trial = Trial { network, plan, windows, train: &train, scaler: None, learning_rate: 1e-3 };
            let seconds = trial.seconds_per_step(&CpuEngine::<f32>::new()).unwrap();
            assert!(seconds > 0.0 && seconds.is_finite(), "{seconds}");
        }
    }
}
