//! One measurement, in a process of its own, so that its memory and its time to the first step are its own.
//!
//! The parent sends a [`Request`] on the command line and reads the answer from standard output. A process either checks or
//! times: the f64 reference of the check would count as memory.

use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};
use triax_device::{DeviceChoice, DeviceKind};
use triax_engine::reference::ReferenceEngine;
use triax_engine::{Engine, Session, StepResult, Stretch, TrainingPlan, WindowSet};
use triax_model::Network;

use super::job::{self, LEARNING_RATE, ReferenceJob, SEED};
use crate::engines;

/// Steps compared with the reference, without and with dropout.
const STEPS_CHECKED: usize = 2;
/// Largest relative difference of a step's loss from the f64 reference.
const TOLERANCE: f64 = 1e-5;
/// Windows that a software GPU trains on for one measurement: it needs many seconds for an epoch.
const WINDOWS_OF_SOFTWARE: usize = 1280;

/// What a child process is to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Request {
    pub task: Task,
    pub device: DeviceChoice,
    pub batch_size: usize,
    /// Epochs a measurement.
    pub epochs: usize,
    /// Measurements.
    pub repeats: usize,
    /// When the parent started this process, since the Unix epoch.
    pub started: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    Check,
    Time,
}

/// How an engine's losses agree with the reference.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Checked {
    /// Loss of the first batch under the initial weights, without dropout.
    pub first_loss: f32,
    /// Largest relative difference of a step's loss.
    pub largest_difference: f64,
    pub steps: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timed {
    pub engine: String,
    /// Seconds of each measurement.
    pub seconds: Vec<f64>,
    /// Windows trained on in a measurement.
    pub windows: usize,
    /// Steps in a measurement.
    pub steps: usize,
    /// From the start of the process to the end of its first step.
    pub seconds_to_first_step: f64,
    /// The most memory that the process held, where the system tells.
    pub peak_bytes: Option<u64>,
    /// Mean loss of the last measurement's last epoch.
    pub last_loss: f64,
    /// Accuracy of the same.
    pub last_accuracy: f64,
}

/// Does what the parent asked, and prints the answer as one line of JSON.
pub fn answer(request: &str) -> anyhow::Result<()> {
    let request: Request = serde_json::from_str(request)?;
    let line = match request.task {
        Task::Check => serde_json::to_string(&check(&request)?)?,
        Task::Time => serde_json::to_string(&time(&request)?)?,
    };
    println!("{line}");
    Ok(())
}

/// Compares a few steps with the f64 reference.
fn check(request: &Request) -> anyhow::Result<Checked> {
    let job = ReferenceJob::new();
    let plan = job::plan(request.batch_size);
    let windows = job.first_windows((STEPS_CHECKED * request.batch_size).min(job::N_WINDOWS));
    let engine = engines::open_burn(request.device)?.engine;
    let losses = |engine: &dyn Engine, network: &Network| -> anyhow::Result<Vec<f32>> {
        let mut session = engine.open(network, &job.weights, &plan, &windows, &job.first_windows(1))?;
        let order: Vec<u32> = (0..windows.len() as u32).collect();
        let n_steps = windows.len().div_ceil(request.batch_size);
        let results = train(session.as_mut(), &order, n_steps, 0)?;
        Ok(results.iter().map(|result| result.loss).collect())
    };
    let plain = job.network_without_dropout();
    let mut checked = Checked { first_loss: f32::NAN, largest_difference: 0.0, steps: 0 };
    for network in [&plain, &job.network] {
        let (ours, truth) = (losses(engine.as_ref(), network)?, losses(&ReferenceEngine, network)?);
        ensure!(ours.len() == truth.len() && !truth.is_empty(), "{} of {} steps were taken", ours.len(), truth.len());
        if std::ptr::eq(network, &plain) {
            checked.first_loss = ours[0];
        }
        for (step, (&loss, &expected)) in ours.iter().zip(&truth).enumerate() {
            let difference = (f64::from(loss) - f64::from(expected)).abs() / f64::from(expected).abs();
            let dropout = network.spec().dropout;
            if difference.is_nan() || difference > TOLERANCE {
                bail!(
                    "not timed: the loss of step {step} (dropout {dropout}) is {loss}, the f64 reference has {expected}"
                );
            }
            checked.largest_difference = checked.largest_difference.max(difference);
            checked.steps += 1;
        }
    }
    Ok(checked)
}

/// Times training, after a warm-up of one measurement's work.
fn time(request: &Request) -> anyhow::Result<Timed> {
    let job = ReferenceJob::new();
    let opened = engines::open_burn(request.device)?;
    let mut training = Training::new(opened.engine.as_ref(), &job, job::plan(request.batch_size))?;
    training.epoch(1)?;
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let to_first_step = since_epoch.saturating_sub(request.started);

    let whole_epoch = job.train.len().div_ceil(request.batch_size);
    let (epochs, steps) = if opened.device.kind == DeviceKind::Software {
        (1, WINDOWS_OF_SOFTWARE.div_ceil(request.batch_size).min(whole_epoch))
    } else {
        (request.epochs, whole_epoch)
    };
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
        let (taken, of_last_epoch) = measure()?;
        seconds.push(taken);
        results = of_last_epoch;
    }

    let windows = (steps * request.batch_size).min(job.train.len());
    let sizes = (0..steps).map(|step| (windows - step * request.batch_size).min(request.batch_size));
    let total_loss: f64 = results.iter().zip(sizes).map(|(result, size)| f64::from(result.loss) * size as f64).sum();
    let correct: u32 = results.iter().map(|result| result.correct).sum();
    let last_loss = total_loss / windows as f64;
    ensure!(last_loss.is_finite(), "the loss became {last_loss} while it was timed");
    Ok(Timed {
        engine: opened.engine.name().to_owned(),
        seconds,
        windows: epochs * windows,
        steps: epochs * steps,
        seconds_to_first_step: to_first_step.as_secs_f64(),
        peak_bytes: peak_bytes(),
        last_loss,
        last_accuracy: f64::from(correct) / windows as f64,
    })
}

/// A session, and how far it has come.
struct Training<'a> {
    session: Box<dyn Session>,
    train: &'a WindowSet,
    n_epochs: usize,
    n_steps: u64,
}

impl<'a> Training<'a> {
    fn new(engine: &dyn Engine, job: &'a ReferenceJob, plan: TrainingPlan) -> anyhow::Result<Self> {
        let session = engine.open(&job.network, &job.weights, &plan, &job.train, &job.first_windows(1))?;
        Ok(Self { session, train: &job.train, n_epochs: 0, n_steps: 0 })
    }

    /// The first `steps` steps of a new epoch, drawing its order included. Returns when the device is done.
    fn epoch(&mut self, steps: usize) -> anyhow::Result<Vec<StepResult>> {
        let order = triax_random::epoch_order(SEED, self.n_epochs, self.train.len());
        let results = train(self.session.as_mut(), &order, steps, self.n_steps)?;
        ensure!(results.len() == steps, "{} of {steps} steps were taken", results.len());
        self.n_epochs += 1;
        self.n_steps += steps as u64;
        Ok(results)
    }
}

fn train(session: &mut dyn Session, order: &[u32], steps: usize, first_step: u64) -> anyhow::Result<Vec<StepResult>> {
    let learning_rates = vec![LEARNING_RATE; steps];
    let stretch = Stretch { order, steps: 0..steps, first_step, learning_rates: &learning_rates };
    Ok(session.train(&stretch, &mut |_, _| ControlFlow::Continue(()))?)
}

/// The most memory that this process has held: the high-water mark of its resident set, which Linux tells.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells_the_peak_memory() {
        let before = peak_bytes().unwrap();
        let held = std::hint::black_box(vec![1_u8; 256 << 20]);
        assert!(peak_bytes().unwrap() >= before.max(held.len() as u64));
    }

    #[test]
    fn the_cpu_agrees_with_the_reference() {
        let request = Request {
            task: Task::Check,
            device: DeviceChoice::Cpu,
            batch_size: 32,
            epochs: 1,
            repeats: 1,
            started: Duration::ZERO,
        };
        let checked = check(&request).unwrap();
        assert_eq!(checked.steps, 2 * STEPS_CHECKED);
        assert!((checked.first_loss - 1.150_176).abs() < 1e-5, "{}", checked.first_loss);
    }
}
