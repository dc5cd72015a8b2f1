//! The trial of an engine: the measured time of a few steps of a job.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use triax_engine::device::DeviceKind;
use triax_engine::{Engine, EngineError, Member, MemberEpoch, Session, Stretch, TrainingPlan, WindowSet};
use triax_model::{Network, Scaler, Weights};

/// Windows that a trial repeats; more if a batch has more.
const WINDOWS: usize = 2048;
/// The least duration of a stretch that is timed. The overhead of its start and end is then small.
const LONG_ENOUGH: Duration = Duration::from_millis(60);
/// Stretches of that duration. The fastest one counts, since other work of the machine only adds time.
const REPEATS: usize = 3;

/// How long a GPU works before it is timed. At rest it runs at a fraction of its clock (an H200 at 345 of 1,980 MHz), and
/// takes about a tenth of a second to reach the whole.
const WARM_UP: Duration = Duration::from_millis(300);

/// How long a device of this kind is to work before it is timed. The CPU, and drivers that compute on it, need no time.
pub fn time_to_warm(kind: DeviceKind) -> Duration {
    if kind.is_real_gpu() { WARM_UP } else { Duration::ZERO }
}

/// Takes steps until they took `time_to_warm` in all, in stretches that grow to at most `most_steps`. `take` takes a number of
/// steps and returns their duration.
///
/// # Errors
/// Those of `take`.
pub fn warm_up<E>(
    time_to_warm: Duration,
    most_steps: usize,
    mut take: impl FnMut(usize) -> Result<Duration, E>,
) -> Result<(), E> {
    let (mut n_steps, mut total) = (1, Duration::ZERO);
    while total < time_to_warm {
        let taken = take(n_steps)?;
        total += taken;
        if taken < LONG_ENOUGH {
            n_steps = most_steps.min(n_steps.saturating_mul(2));
        }
    }
    Ok(())
}

/// The parts of a job that determine the time of a step.
pub struct Trial<'a> {
    /// The network.
    pub network: &'a Network,
    /// The settings of its steps.
    pub plan: &'a TrainingPlan,
    /// The windows of the job.
    pub windows: &'a WindowSet,
    /// Indices of the windows to train on.
    pub train: &'a [u32],
    /// The scaler of their values.
    pub scaler: Option<&'a Scaler>,
    /// Learning rate of every step.
    pub learning_rate: f32,
}

impl Trial<'_> {
    /// Seconds per step on `engine`, on a device of this kind, without the first step and warm.
    ///
    /// # Errors
    /// A job that the engine refuses; a device that fails.
    pub fn seconds_per_step(&self, engine: &dyn Engine, kind: DeviceKind) -> Result<f64, EngineError> {
        self.seconds_per_step_of(1, engine, kind)
    }

    /// Like [`Trial::seconds_per_step`], for a step of each of `n_models` models of one fleet.
    ///
    /// # Errors
    /// As [`Trial::seconds_per_step`].
    pub fn seconds_per_step_of(
        &self,
        n_models: usize,
        engine: &dyn Engine,
        kind: DeviceKind,
    ) -> Result<f64, EngineError> {
        let mut steps = self.open(n_models, engine)?;
        seconds_per_step(time_to_warm(kind), |n_steps| steps.take(n_steps))
    }

    /// Opens a session for the steps of the trial.
    fn open(&self, n_models: usize, engine: &dyn Engine) -> Result<TrialSteps, EngineError> {
        let windows = self.some_windows();
        let weights = Weights::glorot_uniform(self.network, self.plan.seed);
        let plan = TrainingPlan { batch_size: self.plan.batch_size.min(windows.len()), ..self.plan.clone() };
        let Self { network, scaler, learning_rate, .. } = *self;
        let member = Member { network, weights: &weights, plan: &plan, scaler, validation: &[] };
        let session = engine.open(&vec![member; n_models], &windows)?;
        Ok(TrialSteps { session, n_models, n_windows: windows.len(), batch_size: plan.batch_size, learning_rate })
    }

    /// The first training windows in a set of their own, so that a trial does not copy all data to the device.
    fn some_windows(&self) -> WindowSet {
        let n_values = self.network.spec().window * self.network.spec().channels;
        let n_windows = self.train.len().min(WINDOWS.max(self.plan.batch_size));
        let chosen = self.train[..n_windows].iter().map(|&idx| idx as usize);
        let values = chosen.clone().flat_map(|idx| &self.windows.windows[idx * n_values..][..n_values]).copied();
        let labels = chosen.map(|idx| self.windows.labels[idx]).collect();
        WindowSet { windows: values.collect(), labels, sample_weights: None }
    }
}

/// The session of a trial.
struct TrialSteps {
    session: Box<dyn Session>,
    n_models: usize,
    n_windows: usize,
    batch_size: usize,
    learning_rate: f32,
}

impl TrialSteps {
    /// Takes `n_steps` steps, which repeat the windows, and returns their duration.
    fn take(&mut self, n_steps: usize) -> Result<Duration, EngineError> {
        let order: Vec<u32> = (0..self.n_windows as u32).cycle().take(n_steps * self.batch_size).collect();
        let learning_rates = vec![self.learning_rate; n_steps];
        let epoch = MemberEpoch { order: &order, first_step: 0, learning_rates: &learning_rates };
        let started = Instant::now();
        let members = vec![epoch; self.n_models];
        self.session.train(&Stretch { steps: 0..n_steps, members: &members }, &mut |_| ControlFlow::Continue(()))?;
        Ok(started.elapsed())
    }
}

/// Seconds per step of a device that needs `time_to_warm`, if `take` takes a number of steps and returns their duration.
///
/// # Errors
/// Those of `take`.
fn seconds_per_step<E>(time_to_warm: Duration, mut take: impl FnMut(usize) -> Result<Duration, E>) -> Result<f64, E> {
    // The first step may compile kernels and start threads.
    take(1)?;
    warm_up(time_to_warm, usize::MAX, &mut take)?;
    let mut n_steps = 1;
    let mut seconds = take(n_steps)?;
    while seconds < LONG_ENOUGH {
        n_steps *= 2;
        seconds = take(n_steps)?;
    }
    // A step that takes seconds needs no repetition.
    let repeats = if seconds > 10 * LONG_ENOUGH { 0 } else { REPEATS - 1 };
    for _ in 0..repeats {
        seconds = seconds.min(take(n_steps)?);
    }
    Ok(seconds.as_secs_f64() / n_steps as f64)
}

#[cfg(test)]
mod tests {
    use triax_engine::CpuEngine;
    use triax_engine::{Augmentation, Optimizer};
    use triax_losses::Loss;
    use triax_model::{ConvSpec, DenseSpec, NetworkSpec};

    use super::*;

    /// Windows of 8 samples in 2 channels, each with its index as its first value.
    struct Data {
        network: Network,
        plan: TrainingPlan,
        windows: WindowSet,
        train: Vec<u32>,
    }

    impl Data {
        /// A job of `n_windows` windows, all of which are trained on, the last one first.
        fn new(n_windows: usize, batch_size: usize) -> Self {
            let convs = vec![ConvSpec::plain(2, 3, 1, None)];
            let spec = NetworkSpec {
                window: 8,
                channels: 2,
                convs,
                global_pool: None,
                dropout: 0.1,
                hidden: DenseSpec::relu([3]),
                classes: 2,
            };
            let value = |i: usize| if i.is_multiple_of(16) { (i / 16) as f32 } else { 0.5 };
            Self {
                network: Network::new(spec).unwrap(),
                plan: TrainingPlan {
                    loss: Loss::Hinge,
                    optimizer: Optimizer::adam(),
                    batch_size,
                    clip_norm: None,
                    class_weights: None,
                    label_smoothing: 0.0,
                    augmentation: Augmentation::default(),
                    seed: 1,
                },
                windows: WindowSet {
                    windows: (0..n_windows * 16).map(value).collect(),
                    labels: (0..n_windows as u32).map(|i| i % 2).collect(),
                    sample_weights: None,
                },
                train: (0..n_windows as u32).rev().collect(),
            }
        }

        fn trial(&self) -> Trial<'_> {
            let Self { network, plan, windows, train } = self;
            Trial { network, plan, windows, train, scaler: None, learning_rate: 1e-3 }
        }
    }

    #[test]
    fn a_trial_takes_as_many_steps_as_it_counts() {
        // A batch of some windows, of all, and of more than there are.
        for (batch_size, expected) in [(5, 5), (12, 12), (1000, 12)] {
            let data = Data::new(12, batch_size);
            let mut steps = data.trial().open(1, &CpuEngine::<f32>::new()).unwrap();
            assert_eq!(steps.batch_size, expected);
            steps.take(7).unwrap();
            steps.take(4).unwrap();
            assert_eq!(steps.session.state().unwrap()[0].updates, 11);
        }
    }

    #[test]
    fn a_trial_sees_the_first_windows_to_train_on_and_at_least_a_batch() {
        for (n_windows, batch_size, expected) in
            [(12, 5, 12), (WINDOWS + 7, 5, WINDOWS), (WINDOWS + 7, WINDOWS + 3, WINDOWS + 3)]
        {
            let data = Data::new(n_windows, batch_size);
            let some = data.trial().some_windows();
            let firsts: Vec<f32> = some.windows.iter().step_by(16).copied().collect();
            assert_eq!(firsts, data.train[..expected].iter().map(|&idx| idx as f32).collect::<Vec<_>>());
            assert_eq!(*some.labels, *data.train[..expected].iter().map(|idx| idx % 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_job_that_the_engine_refuses_is_refused() {
        let data = Data::new(12, 5);
        let scaler = Scaler { mean: vec![0.0], scale: vec![1.0] };
        let trial = Trial { scaler: Some(&scaler), ..data.trial() };
        assert!(matches!(
            trial.seconds_per_step(&CpuEngine::<f32>::new(), DeviceKind::Cpu),
            Err(EngineError::Input(_))
        ));
    }

    /// The result of [`seconds_per_step`], and the stretches that it takes, where each takes as many milliseconds as
    /// `milliseconds` says of its number and its steps.
    fn measured(warm_up: Duration, milliseconds: impl Fn(usize, usize) -> usize) -> (f64, Vec<usize>) {
        let mut stretches = Vec::new();
        let found = seconds_per_step(warm_up, |n_steps| {
            stretches.push(n_steps);
            let milliseconds = milliseconds(stretches.len(), n_steps);
            Ok::<_, EngineError>(Duration::from_millis(milliseconds as u64))
        });
        (found.unwrap(), stretches)
    }

    #[test]
    fn the_first_step_does_not_count_and_the_fastest_long_stretch_does() {
        // 4 ms a step, the first one 5 s; of the three stretches of 16 steps the second is the fastest.
        let milliseconds = |number, n_steps| match number {
            1 => 5000,
            7 => 62,
            8 => 90,
            _ => 4 * n_steps,
        };
        assert_eq!(measured(Duration::ZERO, milliseconds), (0.062 / 16.0, vec![1, 1, 2, 4, 8, 16, 16, 16]));
    }

    #[test]
    fn a_gpu_works_before_it_is_timed() {
        // At rest a step takes 20 ms; from the seventh stretch on it takes 4.
        let milliseconds = |number, n_steps| if number < 7 { 20 * n_steps } else { 4 * n_steps };
        // The first step; 20, 40, 80, 80 and 80 ms of warm-up; and what is timed of a warm device.
        let stretches = vec![1, 1, 2, 4, 4, 4, 1, 2, 4, 8, 16, 16, 16];
        assert_eq!(measured(Duration::from_millis(300), milliseconds), (0.004, stretches));
        assert!(time_to_warm(DeviceKind::Discrete) >= Duration::from_millis(200));
        assert_eq!([DeviceKind::Cpu, DeviceKind::Software].map(time_to_warm), [Duration::ZERO; 2]);
    }

    #[test]
    fn stretches_of_a_warm_up_stay_within_their_bound() {
        let mut stretches = Vec::new();
        let taken = warm_up(Duration::from_millis(30), 5, |n_steps| {
            stretches.push(n_steps);
            Ok::<_, EngineError>(Duration::from_millis(n_steps as u64))
        });
        taken.unwrap();
        assert_eq!(stretches, [1, 2, 4, 5, 5, 5, 5, 5]);
    }

    #[test]
    fn a_slow_step_is_taken_once_after_the_first() {
        assert_eq!(measured(Duration::ZERO, |_, n_steps| 2000 * n_steps), (2.0, vec![1, 1]));
    }

    #[test]
    fn a_device_that_fails_ends_the_trial() {
        let mut n_stretches = 0;
        let found = seconds_per_step(Duration::ZERO, |_| {
            n_stretches += 1;
            if n_stretches < 3 { Ok(Duration::from_millis(1)) } else { Err("lost") }
        });
        assert_eq!((found, n_stretches), (Err("lost"), 3));
    }
}
