//! `triax export`: a trained network as a file of another format.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use triax::settings::DataSource;
use triax::{Check, ExportFormat, ExportOptions, PredictorOrigin, export};

use super::options::{GivenSettings, PredictorArgs, Tables, named};
use super::output::{self, Source};
use super::print_notices;
use super::terminal::{say, visible};

const EXAMPLES: &str = "\
Examples:
  triax export runs/NAME --to html --out page.html                  try the network with a phone, or record with it
  triax export runs/NAME --to safetensors --out weights.safetensors
  triax export runs/STUDY --to html --out page.html --member 7:0    the network of fold 7, seed 0

The file reads windows as the sensor gave them, (batch, window, channels) in the run's order of channels: scaler, gravity
alignment or normalisation of the window are part of it. Names of classes and channels, units, rate and the fingerprint of
the recordings are in its metadata.

Before anything is written, the file is read back, and its own arithmetic runs on windows of the run's validation part. The
largest difference to Triax's scores and the share of windows with the same class are printed.";

/// Take a trained network to where it runs
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    predictor: PredictorArgs,
    /// Format of the file
    #[arg(long, value_name = "FORMAT", value_parser = named::<ExportFormat>(ExportFormat::choices))]
    to: ExportFormat,
    /// Where to write the file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What the file gives for each class
    #[arg(long, value_enum, default_value_t = Scores::Network)]
    scores: Scores,
    /// Which network of a study, by fold and seed [default: all of the setting together, where the format can hold that]
    #[arg(long, value_name = "FOLD:SEED")]
    member: Option<String>,
    /// Recordings to check with, or `synthetic` [default: those of the run or study]
    #[arg(long, value_name = "PATH|synthetic")]
    data: Option<DataSource>,
    #[command(flatten)]
    tables: GivenSettings<Tables>,
}

/// What a file gives for each class.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scores {
    /// The network's own outputs
    Network,
    /// Their softmax, which adds up to 1; probabilities only of a network that was trained with categorical_crossentropy
    Softmax,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let predictor = args.predictor.open()?;
    print_notices(&predictor.notices);
    let run = &args.predictor.run;
    let mut sources = vec![Source::Path(run)];
    if let Some(DataSource::Path(path)) = &args.data {
        sources.push(Source::Path(path));
    }
    output::check_is_not_read(&args.out, &sources)?;
    let options = ExportOptions {
        format: args.to,
        softmax: args.scores == Scores::Softmax,
        member: args.member,
        data: args.data,
        tables: args.tables.entries,
    };
    let exported = export(&predictor, &options)?;
    output::write(&args.out, &exported.bytes)?;
    say(format_args!("network   {}", run.display()));
    if let PredictorOrigin::Study(study) = &predictor.origin {
        let which = options.member.as_deref().unwrap_or("all of them as one");
        say(format_args!("          {}, network {}", visible(&study.setting), visible(which)));
    }
    say(format_args!("written   {} ({}, {} bytes)", args.out.display(), args.to, exported.bytes.len()));
    print_check(&exported.check);
    print_notices(&exported.notices);
    Ok(ExitCode::SUCCESS)
}

fn print_check(check: &Check) {
    say(format_args!(
        "checked   by the file's own arithmetic, on {} windows: {}",
        check.n_windows,
        visible(&check.judged)
    ));
    say(format_args!(
        "          largest difference of a score {:.1e}, of scores up to {:.3}",
        check.largest_difference, check.largest_score
    ));
    say(format_args!("          same class as Triax for {:.2} % of the windows", 100.0 * check.same_class));
}
