//! `triax bench`: the speed of each engine and device on the reference job, for one model and for fleets.
//!
//! Each row is first checked against the f64 reference, and then timed. Both happen in separate processes.

mod bandwidth;
mod job;
mod measure;
mod plot;
mod roofline;
mod sgemm;
mod table;

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use triax_engine::device::{DeviceChoice, DeviceInfo, DeviceKind};
use triax_engine::{Phase, Timings};

use triax::Error;
use triax::engines;
use triax::settings::EngineName;

use crate::cli::options::{MOST_MODELS, named};
use crate::cli::output;
use crate::cli::terminal::{out, tell};
use crate::cli::timings;
use job::ReferenceJob;
use measure::{Agreement, Answer, Request, Task, Timing};
use roofline::Roofline;

/// The most measurements of a row.
const MOST_REPEATS: usize = 10_000;
/// The most epochs of a measurement.
const MOST_EPOCHS: usize = 10_000;

/// Time engines and devices on the reference job, for one model and for fleets
#[derive(clap::Args)]
#[command(after_help = "\
The job: 7,552 windows of 120 samples in 3 channels, six classes, squared hinge, Adam, dropout 0.1, shuffled each epoch.
The models of a fleet differ in their seeds. Without --batch-sizes and --fleets, one model is timed at batches of 16 to
4,096, and fleets of 8, 64 and 512 at a batch of 32; with either, every combination of the two. A row whose epoch takes
too long is timed on a part of it, and says so. `benches/peers/run` of the source code measures Keras, PyTorch and JAX on
the same job.")]
pub struct Args {
    /// Only this engine [default: all that are built in]
    #[arg(long, value_parser = named::<EngineName>(EngineName::choices))]
    engine: Option<EngineName>,
    /// Only this device: auto, cpu, gpu or gpu:N [default: all but software GPUs]
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// Windows a step
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    batch_sizes: Vec<NonZeroUsize>,
    /// Models trained at once
    #[arg(long, value_delimiter = ',', value_name = "K,…")]
    fleets: Vec<NonZeroUsize>,
    /// Epochs a measurement, where they fit into its time
    #[arg(long, default_value = "1", value_name = "N")]
    epochs: NonZeroUsize,
    /// Measurements of each row [default: 20; with --quick 3]
    #[arg(long, value_name = "N")]
    repeats: Option<NonZeroUsize>,
    /// A first impression: fewer and shorter measurements, a batch of 32 and of 1,024, a fleet of 8
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print on standard error where the time went, that of the measuring processes included
    #[arg(long)]
    timings: bool,
    /// Draw cost against batch and fleet, and the roofline, into this file
    #[arg(long, value_name = "FILE", value_parser = output::beside())]
    svg: Option<PathBuf>,
    /// Be the process that measures
    #[arg(long, hide = true, value_name = "REQUEST", exclusive = true)]
    measure: Option<String>,
}

/// All measurements.
#[derive(Serialize)]
struct Report {
    version: &'static str,
    job: job::Description,
    cpu: DeviceInfo,
    sgemm_gflops: f64,
    stream_gbytes: f64,
    repeats: usize,
    rows: Vec<Row>,
    roofline: Roofline,
    failures: Vec<Failure>,
}

/// The measurements of one engine on one device with one batch size and fleet.
#[derive(Serialize)]
struct Row {
    engine: String,
    device: DeviceInfo,
    batch_size: usize,
    /// Models trained at once.
    models: usize,
    checked: Agreement,
    /// For the whole fleet.
    seconds_per_epoch: Spread,
    seconds_per_model_epoch: f64,
    /// Whether the time of an epoch is extrapolated from that of `windows`.
    extrapolated: bool,
    /// Windows per model in a measurement.
    windows: usize,
    /// For the whole fleet.
    microseconds_per_step: f64,
    /// For all models together.
    windows_per_second: f64,
    seconds_to_first_step: f64,
    peak_bytes: Option<u64>,
    gflops: f64,
    /// `gflops` relative to `sgemm_gflops`, on the CPU.
    share_of_sgemm: Option<f64>,
    last_loss: f64,
    last_accuracy: f64,
}

/// A row that failed.
#[derive(Serialize)]
struct Failure {
    engine: &'static str,
    device: DeviceInfo,
    batch_size: usize,
    models: usize,
    reason: String,
}

/// Measurements in the order in which they were taken, with their median and range.
#[derive(Serialize)]
struct Spread {
    median: f64,
    fastest: f64,
    slowest: f64,
    all: Vec<f64>,
}

impl Spread {
    /// `all` must not be empty.
    fn new(all: Vec<f64>) -> Self {
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Self { median: (low + high) / 2.0, fastest: sorted[0], slowest: sorted[sorted.len() - 1], all }
    }
}

/// The batch size and the fleet of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    batch_size: usize,
    models: usize,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(request) = &args.measure {
        measure::run_request(request)?;
        return Ok(ExitCode::SUCCESS);
    }
    let timings = timings::recorder(args.timings);
    let report = measure_all(&args, &timings)?;
    let drawing = timings.phase(Phase::Report);
    let printed = match args.json {
        true => writeln!(out(), "{}", serde_json::to_string_pretty(&report)?),
        false => write!(out(), "{}", table::text(&report)),
    };
    // The measurements took minutes: where one of the two cannot be written, the other is.
    if let Some(path) = &args.svg {
        let svg = plot::svg(&report).map_err(|error| anyhow::anyhow!("cannot draw the figures: {error}"))?;
        output::write(path, svg.as_bytes())?;
    }
    printed?;
    drop(drawing);
    timings::print(&timings, 1);
    Ok(if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The rows of each engine and device.
fn points(args: &Args) -> Result<Vec<Point>, Error> {
    let given = |sizes: &[NonZeroUsize]| sizes.iter().map(|size| size.get()).collect::<Vec<_>>();
    let (batch_sizes, fleets) = (given(&args.batch_sizes), given(&args.fleets));
    if let Some(size) = batch_sizes.iter().find(|&&size| size > job::N_WINDOWS) {
        return Err(Error::Usage(format!("a batch of {size} is more than the {} windows of the job", job::N_WINDOWS)));
    }
    let (repeats, epochs) = (args.repeats.map_or(1, NonZeroUsize::get), args.epochs.get());
    let models = fleets.iter().copied().max().unwrap_or(1);
    for (option, count, most) in
        [("fleets", models, MOST_MODELS), ("repeats", repeats, MOST_REPEATS), ("epochs", epochs, MOST_EPOCHS)]
    {
        if count > most {
            return Err(Error::Usage(format!("--{option} {count} is more than the {most} that can be measured")));
        }
    }
    if batch_sizes.is_empty() && fleets.is_empty() {
        let (batch_sizes, fleets): (&[usize], &[usize]) = match args.quick {
            true => (&[32, 1024], &[8]),
            false => (&[16, 32, 64, 128, 256, 512, 1024, 2048, 4096], &[8, 64, 512]),
        };
        let single = batch_sizes.iter().map(|&batch_size| Point { batch_size, models: 1 });
        let fleets = fleets.iter().map(|&models| Point { batch_size: job::BATCH_SIZE, models });
        return Ok(single.chain(fleets).collect());
    }
    let batch_sizes = if batch_sizes.is_empty() { vec![job::BATCH_SIZE] } else { batch_sizes };
    let fleets = if fleets.is_empty() { vec![1] } else { fleets };
    let with_each_batch = |&models: &usize| batch_sizes.iter().map(move |&batch_size| Point { batch_size, models });
    Ok(fleets.iter().flat_map(with_each_batch).collect())
}

/// The devices that `choice` names.
fn devices(choice: Option<DeviceChoice>) -> anyhow::Result<Vec<DeviceInfo>> {
    Ok(match choice {
        // Listing GPUs is slow, and drivers may print.
        Some(DeviceChoice::Cpu) => vec![DeviceInfo::cpu()],
        Some(choice) => vec![triax_engine::device::choose(choice, &triax_engine::device::list())?.info],
        None => triax_engine::device::list().into_iter().filter(|device| device.kind != DeviceKind::Software).collect(),
    })
}

fn measure_all(args: &Args, timings: &Timings) -> anyhow::Result<Report> {
    let points = points(args)?;
    let engines = match args.engine {
        Some(engine) => vec![engines::check_built_in(engine).map(|()| engine)?],
        None => engines::built_in(),
    };
    let finding = timings.phase(Phase::Devices);
    let devices = devices(args.device)?;
    drop(finding);
    let (repeats, longest) = match args.quick {
        true => (3, Duration::from_millis(500)),
        false => (20, Duration::from_secs(2)),
    };
    let repeats = args.repeats.map_or(repeats, NonZeroUsize::get);

    let preparing = timings.phase(Phase::Preparing);
    let reference = ReferenceJob::new();
    let description = reference.description();
    drop(preparing);
    let measuring = timings.phase(Phase::Devices);
    let (sgemm_gflops, stream_gbytes) = (sgemm::gflops(), bandwidth::gbytes());
    let batch_size = job::BATCH_SIZE;
    let stage_times = job::stage_times(&reference, batch_size)?;
    drop(measuring);
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        job: description,
        cpu: DeviceInfo::cpu(),
        sgemm_gflops,
        stream_gbytes,
        repeats,
        rows: Vec::new(),
        roofline: Roofline::new(&reference.network, batch_size, sgemm_gflops, stream_gbytes, &stage_times),
        failures: Vec::new(),
    };
    for device in devices {
        for &engine in &engines {
            for &Point { batch_size, models } in &points {
                // Burn's engine trains one model only.
                if engine == EngineName::Burn && models > 1 {
                    continue;
                }
                let models_in_words = table::models(models);
                tell(format_args!("measuring {} on {device}, batch {batch_size}, {models_in_words}", engine.name()));
                let request = |task| Request {
                    task,
                    engine,
                    device: device.index.map_or(DeviceChoice::Cpu, |index| DeviceChoice::Gpu(Some(index))),
                    batch_size,
                    models,
                    epochs: args.epochs.get(),
                    repeats,
                    longest,
                    timings: args.timings,
                    started: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
                };
                let measured = run_child(request(Task::Check), timings)
                    .and_then(|checked| Ok((checked, run_child(request(Task::Time), timings)?)));
                match measured {
                    Ok((checked, timed)) => {
                        report.rows.push(row(&report, engine, device.clone(), batch_size, checked, timed));
                    }
                    Err(error) => report.failures.push(Failure {
                        engine: engine.name(),
                        device: device.clone(),
                        batch_size,
                        models,
                        reason: format!("{error:#}"),
                    }),
                }
            }
        }
    }
    Ok(report)
}

/// Runs a child process for `request`, and returns its answer. Adds where its time went to `timings`.
fn run_child<T: DeserializeOwned>(request: Request, timings: &Timings) -> anyhow::Result<T> {
    let program = std::env::current_exe().context("cannot find this program to run it again")?;
    let arguments = ["bench".to_owned(), "--measure".to_owned(), serde_json::to_string(&request)?];
    let done =
        Command::new(program).args(arguments).stdin(Stdio::null()).output().context("cannot run this program again")?;
    let stderr = String::from_utf8_lossy(&done.stderr);
    anyhow::ensure!(
        done.status.success(),
        "{}",
        stderr
            .lines()
            .skip_while(|line| !line.starts_with("error: "))
            .collect::<Vec<_>>()
            .join("; ")
            .replacen("error: ", "", 1)
    );
    let printed = String::from_utf8(done.stdout)?;
    let line = printed.lines().last().context("the measuring process said nothing")?;
    let Answer { answer, timings: found } = serde_json::from_str(line)?;
    found.iter().for_each(|found| timings.add_found(found));
    Ok(answer)
}

fn row(
    report: &Report,
    engine: EngineName,
    device: DeviceInfo,
    batch_size: usize,
    checked: Agreement,
    timed: Timing,
) -> Row {
    let Timing { seconds, windows, steps, models, seconds_to_first_step, peak_bytes, last_loss, last_accuracy } = timed;
    let epochs = windows as f64 / job::N_WINDOWS as f64;
    let seconds_per_epoch = Spread::new(seconds.iter().map(|seconds| seconds / epochs).collect());
    let windows_per_second = (models * job::N_WINDOWS) as f64 / seconds_per_epoch.median;
    let gflops = windows_per_second * report.job.flop_a_window as f64 / 1e9;
    let on_cpu = matches!(device.kind, DeviceKind::Cpu | DeviceKind::Software);
    Row {
        engine: engine.name().to_owned(),
        batch_size,
        models,
        checked,
        seconds_per_model_epoch: seconds_per_epoch.median / models as f64,
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
        let spread = Spread::new(vec![4.0, 1.0, 2.0, 10.0]);
        assert_eq!((spread.median, spread.fastest, spread.slowest), (3.0, 1.0, 10.0));
        assert_eq!(spread.all, [4.0, 1.0, 2.0, 10.0]);
        assert_eq!(Spread::new(vec![5.0]).median, 5.0);
    }

    fn parsed_points(args: &[&str]) -> Result<Vec<(usize, usize)>, Error> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let line = <Line as clap::Parser>::try_parse_from([&["bench"], args].concat()).unwrap();
        Ok(points(&line.args)?.iter().map(|point| (point.batch_size, point.models)).collect())
    }

    #[test]
    fn what_is_given_is_combined_and_without_it_two_series_are_measured() {
        let all = parsed_points(&[]).unwrap();
        assert_eq!(all[..3], [(16, 1), (32, 1), (64, 1)]);
        assert_eq!(all[8..], [(4096, 1), (32, 8), (32, 64), (32, 512)]);
        assert_eq!(parsed_points(&["--quick"]).unwrap(), [(32, 1), (1024, 1), (32, 8)]);
        assert_eq!(parsed_points(&["--batch-sizes", "32"]).unwrap(), [(32, 1)]);
        assert_eq!(parsed_points(&["--fleets", "1,8", "--quick"]).unwrap(), [(32, 1), (32, 8)]);
        let both = parsed_points(&["--fleets", "2,3", "--batch-sizes", "16,64"]).unwrap();
        assert_eq!(both, [(16, 2), (64, 2), (16, 3), (64, 3)]);
        assert!(parsed_points(&["--batch-sizes", "8000"]).unwrap_err().to_string().contains("7552"));
        for option in ["--fleets", "--repeats", "--epochs"] {
            let refusal = parsed_points(&[option, "18446744073709551615"]).unwrap_err().to_string();
            assert!(refusal.contains(option) && refusal.contains("more than"), "{refusal}");
        }
    }
}
