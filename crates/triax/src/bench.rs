//! `triax bench`: how fast each engine and device trains the reference job.
//!
//! Each device and batch size is first checked against the f64 reference and then timed, in processes of their own.

mod job;
mod measure;
mod sgemm;
mod table;

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::{Command, ExitCode, Stdio};
use std::time::SystemTime;

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use triax_device::{DeviceChoice, DeviceInfo, DeviceKind};

use crate::failure::Usage;
use job::ReferenceJob;
use measure::{Checked, Request, Task, Timed};

/// Time every engine and device on the reference job
#[derive(clap::Args)]
#[command(after_help = "\
The job: 7,552 windows of 120 samples in 3 channels, six classes, squared hinge, Adam, dropout 0.1, shuffled each epoch.
A software GPU trains on a part of an epoch, and its row says so. `benches/peers/run` of the source code measures Keras,
PyTorch and JAX on the same job.")]
pub struct Args {
    /// Only this device: auto, cpu, gpu or gpu:N [default: all]
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// Windows a step [default: 32,128,1024; with --quick 32]
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    batch_sizes: Vec<NonZeroUsize>,
    /// Epochs a measurement
    #[arg(long, default_value = "1", value_name = "N")]
    epochs: NonZeroUsize,
    /// Measurements of each row [default: 20; with --quick 3]
    #[arg(long, value_name = "N")]
    repeats: Option<NonZeroUsize>,
    /// A first impression: fewer measurements, the smallest batch only
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Be the process that measures
    #[arg(long, hide = true, value_name = "REQUEST", exclusive = true)]
    measure: Option<String>,
}

/// Everything that was measured.
#[derive(Serialize)]
struct Report {
    version: &'static str,
    job: job::Description,
    cpu: DeviceInfo,
    sgemm_gflops: f64,
    repeats: usize,
    rows: Vec<Row>,
    failures: Vec<Failure>,
}

/// One engine on one device at one batch size.
#[derive(Serialize)]
struct Row {
    engine: String,
    device: DeviceInfo,
    batch_size: usize,
    checked: Checked,
    seconds_per_epoch: Spread,
    /// Whether an epoch was not run to its end, and its time is that of `windows` scaled up.
    extrapolated: bool,
    /// Windows in a measurement.
    windows: usize,
    microseconds_per_step: f64,
    windows_per_second: f64,
    seconds_to_first_step: f64,
    peak_bytes: Option<u64>,
    gflops: f64,
    /// `gflops` against `sgemm_gflops`, where the CPU does the work.
    share_of_sgemm: Option<f64>,
    last_loss: f64,
    last_accuracy: f64,
}

/// A device that could not be measured.
#[derive(Serialize)]
struct Failure {
    device: DeviceInfo,
    batch_size: usize,
    reason: String,
}

/// Measurements in the order in which they were taken, and what sums them up.
#[derive(Serialize)]
struct Spread {
    median: f64,
    fastest: f64,
    slowest: f64,
    all: Vec<f64>,
}

impl Spread {
    /// `all` must not be empty.
    fn of(all: Vec<f64>) -> Self {
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Self { median: (low + high) / 2.0, fastest: sorted[0], slowest: sorted[sorted.len() - 1], all }
    }
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(request) = &args.measure {
        measure::answer(request)?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = measure_all(&args)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        write!(out, "{}", table::of(&report))?;
    }
    Ok(if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure_all(args: &Args) -> anyhow::Result<Report> {
    let batch_sizes: Vec<usize> = match &args.batch_sizes[..] {
        [] if args.quick => vec![32],
        [] => vec![32, 128, 1024],
        given => given.iter().map(|size| size.get()).collect(),
    };
    if let Some(size) = batch_sizes.iter().find(|&&size| size > job::N_WINDOWS) {
        let problem = format!("a batch of {size} is more than the {} windows of the job", job::N_WINDOWS);
        return Err(Usage(problem).into());
    }
    let repeats = args.repeats.map_or(if args.quick { 3 } else { 20 }, NonZeroUsize::get);
    let devices = match args.device {
        // Looking for GPUs takes a while, and drivers may print.
        Some(DeviceChoice::Cpu) => vec![DeviceInfo::cpu()],
        Some(choice) => vec![triax_device::choose(choice, &triax_device::list())?.info],
        None => triax_device::list(),
    };

    let reference = ReferenceJob::new();
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        job: reference.description(),
        cpu: DeviceInfo::cpu(),
        sgemm_gflops: sgemm::gflops(),
        repeats,
        rows: Vec::new(),
        failures: Vec::new(),
    };
    for device in devices {
        for &batch_size in &batch_sizes {
            eprintln!("measuring {device}, batch {batch_size}");
            let choice = device.index.map_or(DeviceChoice::Cpu, |index| DeviceChoice::Gpu(Some(index)));
            let request = |task| Request {
                task,
                device: choice,
                batch_size,
                epochs: args.epochs.get(),
                repeats,
                started: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            };
            let measured = ask(request(Task::Check)).and_then(|checked| Ok((checked, ask(request(Task::Time))?)));
            match measured {
                Ok((checked, timed)) => report.rows.push(row(&report, device.clone(), batch_size, checked, timed)),
                Err(error) => {
                    let reason = format!("{error:#}");
                    report.failures.push(Failure { device: device.clone(), batch_size, reason });
                }
            }
        }
    }
    Ok(report)
}

/// Sends a request to a process of its own and reads its answer.
fn ask<T: DeserializeOwned>(request: Request) -> anyhow::Result<T> {
    let program = std::env::current_exe().context("cannot find this program to run it again")?;
    let arguments = ["bench".to_owned(), "--measure".to_owned(), serde_json::to_string(&request)?];
    let done =
        Command::new(program).args(arguments).stdin(Stdio::null()).output().context("cannot run this program again")?;
    let said = String::from_utf8_lossy(&done.stderr);
    anyhow::ensure!(
        done.status.success(),
        "{}",
        said.lines()
            .skip_while(|line| !line.starts_with("error: "))
            .collect::<Vec<_>>()
            .join("; ")
            .replacen("error: ", "", 1)
    );
    let printed = String::from_utf8(done.stdout)?;
    let answer = printed.lines().last().context("the measuring process said nothing")?;
    Ok(serde_json::from_str(answer)?)
}

fn row(report: &Report, device: DeviceInfo, batch_size: usize, checked: Checked, timed: Timed) -> Row {
    let Timed { engine, seconds, windows, steps, seconds_to_first_step, peak_bytes, last_loss, last_accuracy } = timed;
    let epochs = windows as f64 / job::N_WINDOWS as f64;
    let seconds_per_epoch = Spread::of(seconds.iter().map(|seconds| seconds / epochs).collect());
    let windows_per_second = job::N_WINDOWS as f64 / seconds_per_epoch.median;
    let gflops = windows_per_second * report.job.flop_a_window as f64 / 1e9;
    let on_cpu = matches!(device.kind, DeviceKind::Cpu | DeviceKind::Software);
    Row {
        engine,
        batch_size,
        checked,
        extrapolated: windows < job::N_WINDOWS,
        windows,
        microseconds_per_step: seconds_per_epoch.median * epochs / steps as f64 * 1e6,
        windows_per_second,
        seconds_to_first_step,
        peak_bytes,
        gflops,
        share_of_sgemm: on_cpu.then(|| gflops / report.sgemm_gflops),
        last_loss,
        last_accuracy,
        seconds_per_epoch,
        device,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        let spread = Spread::of(vec![4.0, 1.0, 2.0, 10.0]);
        assert_eq!((spread.median, spread.fastest, spread.slowest), (3.0, 1.0, 10.0));
        assert_eq!(spread.all, [4.0, 1.0, 2.0, 10.0]);
        assert_eq!(Spread::of(vec![5.0]).median, 5.0);
    }
}
