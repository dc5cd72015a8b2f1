//! One measurement in a child process, so that its memory and its time to the first step are not those of others.
//!
//! The parent passes a [`Request`] on the command line, and reads the answer from standard output. A process either checks or
//! times, since the f64 reference of the check would count as memory.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};
use triax_engine::CpuEngine;
use triax_engine::device::DeviceChoice;
use triax_engine::{Engine, MemberEpoch, Phase, Session, StepResult, Stretch, Timings, TimingsFound};
use triax_model::Network;
use triax_model::random::epoch_order;

use super::job::{self, LEARNING_RATE, Models, ReferenceJob};
use triax::Error;
use triax::engines::{self, OpenEngine};
use triax::settings::EngineName;

use crate::cli::terminal::out;
use crate::cli::timings;

/// Steps that are compared with the reference, without and with dropout.
const STEPS_CHECKED: usize = 2;
/// Models of a fleet that are compared with the reference.
const MODELS_CHECKED: usize = 4;
/// Largest relative difference of a step's loss from the f64 reference.
const TOLERANCE: f64 = 1e-5;

/// The task of a child process.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Request {
    pub task: Task,
    pub engine: EngineName,
    pub device: DeviceChoice,
    pub batch_size: usize,
    /// Models in the fleet.
    pub models: usize,
    /// Epochs per measurement, if they fit into its time.
    pub epochs: usize,
    /// Number of measurements.
    pub repeats: usize,
    /// The longest that one measurement should take. It may therefore be of a part of an epoch.
    pub longest: Duration,
    /// Whether to say where the time went.
    pub timings: bool,
    /// When the parent started this process, since the Unix epoch.
    pub started: Duration,
}

/// What a child process prints.
#[derive(Serialize, Deserialize)]
pub struct Answer<T> {
    /// The answer to the task.
    pub answer: T,
    /// Where the time went, if that was asked for.
    pub timings: Option<TimingsFound>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    Check,
    Time,
}

/// The agreement of an engine's losses with the reference.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Agreement {
    /// Loss of the first model's first batch under the initial weights, without dropout.
    pub first_loss: f32,
    /// Largest relative difference of a step's loss.
    pub largest_difference: f64,
    pub steps: usize,
}

/// The times of an engine, and its figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Seconds of each measurement.
    pub seconds: Vec<f64>,
    /// Windows per model in a measurement.
    pub windows: usize,
    /// Steps per model in a measurement.
    pub steps: usize,
    /// Models that were trained at once: the requested number, or as many as the device holds.
    pub models: usize,
    /// From the start of the process to the end of its first step.
    pub seconds_to_first_step: f64,
    /// The peak memory of the process, if the system reports it.
    pub peak_bytes: Option<u64>,
    /// Mean loss of the first model over the last measurement's last epoch.
    pub last_loss: f64,
    /// Accuracy of the same.
    pub last_accuracy: f64,
}

/// Does the task of `request`, and prints the answer as one line of JSON.
pub fn run_request(request: &str) -> anyhow::Result<()> {
    let request: Request = serde_json::from_str(request)?;
    let timings = timings::recorder(request.timings);
    let line = match request.task {
        Task::Check => line(check(&request, &timings)?, &timings)?,
        Task::Time => line(time(&request, &timings)?, &timings)?,
    };
    writeln!(out(), "{line}")?;
    Ok(())
}

fn line<T: Serialize>(answer: T, timings: &Timings) -> serde_json::Result<String> {
    serde_json::to_string(&Answer { answer, timings: timings.found() })
}

/// The engine of `request`, which records in `timings`, and its device.
fn open(request: &Request, timings: &Timings) -> Result<OpenEngine, Error> {
    let _opening = timings.phase(Phase::Devices);
    let (mut opened, _) = engines::open_choice(request.engine, request.device)?;
    opened.engine.set_timings(timings);
    Ok(opened)
}

/// Compares a few steps of a few models with the f64 reference, which trains only these.
fn check(request: &Request, timings: &Timings) -> anyhow::Result<Agreement> {
    let _preparing = timings.phase(Phase::Preparing);
    let job = ReferenceJob::new();
    let engine = open(request, timings)?.engine;
    let all: Vec<usize> = (0..models_that_fit(engine.as_ref(), &job, request)).collect();
    let some: Vec<usize> = all.iter().copied().step_by(all.len().div_ceil(MODELS_CHECKED)).collect();
    let order: Vec<u32> = (0..(STEPS_CHECKED * request.batch_size).min(job::N_WINDOWS) as u32).collect();
    let n_steps = order.len().div_ceil(request.batch_size);
    let losses = |engine: &dyn Engine, network: &Network, numbers: &[usize]| -> anyhow::Result<Vec<Vec<f32>>> {
        let models = Models::new(network, request.batch_size, numbers);
        let mut session = engine.open(&models.fleet(network), &job.train)?;
        let results = train(session.as_mut(), &vec![order.clone(); numbers.len()], n_steps, 0)?;
        Ok(results.iter().map(|model| model.iter().map(|result| result.loss).collect()).collect())
    };
    let plain = job.network_without_dropout();
    let mut checked = Agreement { first_loss: f32::NAN, largest_difference: 0.0, steps: 0 };
    for network in [&plain, &job.network] {
        let ours = losses(engine.as_ref(), network, &all)?;
        let checking = timings.phase(Phase::Validation);
        let truth = losses(&CpuEngine::<f64>::new(), network, &some)?;
        drop(checking);
        if std::ptr::eq(network, &plain) {
            checked.first_loss = ours[0][0];
        }
        for (&model, truth) in some.iter().zip(&truth) {
            for (step, (&loss, &expected)) in ours[model].iter().zip(truth).enumerate() {
                let difference = (f64::from(loss) - f64::from(expected)).abs() / f64::from(expected).abs();
                let dropout = network.spec().dropout;
                if difference.is_nan() || difference > TOLERANCE {
                    bail!(
                        "not timed: the loss of model {model} in step {step} (dropout {dropout}) is {loss}, the f64 \
                         reference has {expected}"
                    );
                }
                checked.largest_difference = checked.largest_difference.max(difference);
                checked.steps += 1;
            }
        }
    }
    Ok(checked)
}

/// The number of the requested models that the engine trains at once.
fn models_that_fit(engine: &dyn Engine, job: &ReferenceJob, request: &Request) -> usize {
    let one = Models::new(&job.network, request.batch_size, &[0]);
    request.models.min(engine.capacity(&one.fleet(&job.network)[0], &job.train))
}

/// Times training, after a GPU has reached its clock, and one measurement as a warm-up.
fn time(request: &Request, timings: &Timings) -> anyhow::Result<Timing> {
    let _preparing = timings.phase(Phase::Preparing);
    let job = ReferenceJob::new();
    let OpenEngine { engine, device } = open(request, timings)?;
    let models = models_that_fit(engine.as_ref(), &job, request);
    let mut training = Training::new(engine.as_ref(), &job, models, request.batch_size)?;
    training.epoch(1)?;
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let to_first_step = since_epoch.saturating_sub(request.started);

    let whole_epoch = job::N_WINDOWS.div_ceil(request.batch_size);
    engines::warm_up(engines::time_to_warm(device.kind), whole_epoch, |steps| -> anyhow::Result<Duration> {
        let start = Instant::now();
        training.epoch(steps)?;
        Ok(start.elapsed())
    })?;
    let (epochs, steps) = measurement_length(&mut training, request)?;
    let mut measure = || -> anyhow::Result<(f64, Vec<StepResult>)> {
        let start = Instant::now();
        let mut results = Vec::new();
        for _ in 0..epochs {
            results = training.epoch(steps)?;
        }
        Ok((start.elapsed().as_secs_f64(), results))
    };
    measure()?;
    let mut seconds = Vec::with_capacity(request.repeats);
    let mut results = Vec::new();
    for _ in 0..request.repeats {
        let (taken, last_epoch) = measure()?;
        seconds.push(taken);
        results = last_epoch;
    }

    let windows = windows_in(steps, request.batch_size);
    let sizes = (0..steps).map(|step| (windows - step * request.batch_size).min(request.batch_size));
    let total_loss: f64 = results.iter().zip(sizes).map(|(result, size)| f64::from(result.loss) * size as f64).sum();
    let correct: u32 = results.iter().map(|result| result.correct).sum();
    let last_loss = total_loss / windows as f64;
    ensure!(last_loss.is_finite(), "the loss became {last_loss} while it was timed");
    Ok(Timing {
        seconds,
        windows: epochs * windows,
        steps: epochs * steps,
        models,
        seconds_to_first_step: to_first_step.as_secs_f64(),
        peak_bytes: peak_bytes(),
        last_loss,
        last_accuracy: f64::from(correct) / windows as f64,
    })
}

/// The epochs of a measurement, and the steps of each: whole epochs if there is time for one.
fn measurement_length(training: &mut Training<'_>, request: &Request) -> anyhow::Result<(usize, usize)> {
    let whole = job::N_WINDOWS.div_ceil(request.batch_size);
    let mut steps = 1;
    loop {
        let start = Instant::now();
        training.epoch(steps)?;
        let taken = start.elapsed();
        // A single step includes the wait for the device; many steps are queued. Only a long stretch shows the time of a step.
        if steps < whole && 20 * taken < request.longest {
            steps = whole.min(4 * steps);
            continue;
        }
        let fitting = (request.longest.as_secs_f64() / taken.as_secs_f64() * steps as f64) as usize;
        return Ok(match fitting / whole {
            0 => (1, fitting.max(1)),
            epochs => (epochs.min(request.epochs), whole),
        });
    }
}

/// Windows of the first `steps` steps of an epoch.
fn windows_in(steps: usize, batch_size: usize) -> usize {
    (steps * batch_size).min(job::N_WINDOWS)
}

/// A session and its progress.
struct Training<'a> {
    session: Box<dyn Session>,
    /// The seed of each model's order.
    seeds: Vec<u64>,
    job: &'a ReferenceJob,
    batch_size: usize,
    n_epochs: usize,
    n_steps: u64,
}

impl<'a> Training<'a> {
    fn new(engine: &dyn Engine, job: &'a ReferenceJob, models: usize, batch_size: usize) -> anyhow::Result<Self> {
        let models = Models::new(&job.network, batch_size, &(0..models).collect::<Vec<_>>());
        let session = engine.open(&models.fleet(&job.network), &job.train)?;
        let seeds = models.plans.iter().map(|plan| plan.seed).collect();
        Ok(Self { session, seeds, job, batch_size, n_epochs: 0, n_steps: 0 })
    }

    /// Takes `steps` steps of a new epoch, including the shuffle. Returns the results of the first model when the device is
    /// done.
    fn epoch(&mut self, steps: usize) -> anyhow::Result<Vec<StepResult>> {
        let windows = windows_in(steps, self.batch_size).min(self.job.train.len());
        let orders: Vec<_> = self.seeds.iter().map(|&seed| epoch_order(seed, self.n_epochs, windows)).collect();
        let mut results = train(self.session.as_mut(), &orders, steps, self.n_steps)?;
        self.n_epochs += 1;
        self.n_steps += steps as u64;
        Ok(results.swap_remove(0))
    }
}

/// Takes `steps` steps of each model, through its own order, and returns the results of each.
fn train(
    session: &mut dyn Session,
    orders: &[Vec<u32>],
    steps: usize,
    first_step: u64,
) -> anyhow::Result<Vec<Vec<StepResult>>> {
    let learning_rates = vec![LEARNING_RATE; steps];
    let epochs = orders.iter().map(|order| MemberEpoch { order, first_step, learning_rates: &learning_rates });
    let epochs: Vec<MemberEpoch<'_>> = epochs.collect();
    let stretch = Stretch { steps: 0..steps, members: &epochs };
    let results = session.train(&stretch, &mut |_| ControlFlow::Continue(()))?;
    ensure!(results.len() == orders.len(), "results of {} of {} models came back", results.len(), orders.len());
    for results in &results {
        ensure!(results.len() == steps, "{} of {steps} steps were taken", results.len());
    }
    Ok(results)
}

/// The peak memory of this process: the high-water mark of its resident set, which Linux reports.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(task: Task, engine: EngineName, batch_size: usize, models: usize) -> Request {
        Request {
            task,
            engine,
            device: DeviceChoice::Cpu,
            batch_size,
            models,
            epochs: 1,
            repeats: 2,
            longest: Duration::from_millis(5),
            timings: false,
            started: Duration::ZERO,
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_reports_the_peak_memory() {
        let before = peak_bytes().unwrap();
        let held = std::hint::black_box(vec![1_u8; 256 << 20]);
        assert!(peak_bytes().unwrap() >= before.max(held.len() as u64));
    }

    #[test]
    fn the_cpu_agrees_with_the_reference() {
        for engine in engines::built_in() {
            let checked = check(&request(Task::Check, engine, 32, 1), &Timings::off()).unwrap();
            assert_eq!(checked.steps, 2 * STEPS_CHECKED);
            assert!((checked.first_loss - 1.150_176).abs() < 1e-5, "{}", checked.first_loss);
        }
    }

    #[test]
    fn a_fleet_agrees_with_the_reference() {
        let checked = check(&request(Task::Check, EngineName::Fused, 16, 9), &Timings::off()).unwrap();
        // Of nine models every third.
        assert_eq!(checked.steps, 2 * 3 * STEPS_CHECKED);
        assert!((checked.first_loss - 1.0).abs() < 0.5, "{}", checked.first_loss);
    }

    #[test]
    fn every_measurement_is_returned() {
        let timed = time(&request(Task::Time, EngineName::Fused, 4096, 2), &Timings::off()).unwrap();
        assert_eq!((timed.seconds.len(), timed.models), (2, 2));
        assert_eq!(timed.windows, windows_in(timed.steps, 4096));
        assert!(timed.last_loss.is_finite() && (0.0..=1.0).contains(&timed.last_accuracy));
    }
}
