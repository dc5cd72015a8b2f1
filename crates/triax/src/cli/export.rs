//! `triax export`: a trained network as a file of another format.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use triax::settings::DataSource;
use triax::text::grouped;
use triax::{Check, Error, ExportFormat, ExportOptions, PredictorOrigin, export};

use super::options::{GivenSettings, PredictorArgs, Tables, named};
use super::output::{self, Source};
use super::print_notices;
use super::terminal::{say, visible};

const EXAMPLES: &str = "\
Examples:
  triax export runs/NAME --to onnx --out model.onnx                 for onnxruntime and most programs
  triax export runs/NAME --to tflite-int8 --out model.tflite        for phones and TensorFlow Lite Micro
  triax export runs/NAME --to c-int8 --prefix gait --out gait.h     for a microcontroller: one header, nothing else
  triax export runs/NAME --to html --out page.html                  try the network with a phone, or record with it
  triax export runs/NAME --to keras --out model.keras               load it with keras.models.load_model
  triax export runs/NAME --to c --out model.h --golden golden/      with windows and scores to test a program with
  triax export runs/STUDY --to onnx --out study.onnx                all networks of the study's best setting, as one
  triax export runs/STUDY --to tflite --out a.tflite --member 7:0   the network of fold 7, seed 0

The file reads windows as the sensor gave them, (batch, window, channels) in the run's order of channels: scaler, gravity
alignment or normalisation of the window are part of it. Names of classes and channels, units, rate and the fingerprint of
the recordings are in its metadata.

Before anything is written, the file is read back, and its own arithmetic runs on windows of the run's validation part. The
largest difference to Triax's scores and the share of windows with the same class are printed. Integers of eight bits are
calibrated with windows that the network was trained on; accuracy and macro-F1 are those of the validation part, before and
after.";

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
    #[arg(long, value_name = "FILE", value_parser = output::beside())]
    out: PathBuf,
    /// What the file gives for each class
    #[arg(long, value_enum, default_value_t = Scores::Network)]
    scores: Scores,
    /// With c and c-int8, and for golden windows: what the names in the header begin with [default: triax]
    #[arg(long, value_name = "NAME")]
    prefix: Option<String>,
    /// Folder for golden windows: inputs and outputs of the file as .npy, and as tables of C
    #[arg(long, value_name = "DIR", value_parser = output::beside())]
    golden: Option<PathBuf>,
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
    if let Some(golden) = args.golden.as_deref().filter(|golden| golden.exists() && !golden.is_dir()) {
        return Err(Error::Usage(format!("{} is a file: --golden names a folder", golden.display())).into());
    }
    if args.prefix.is_some() && !matches!(args.to, ExportFormat::C | ExportFormat::CInt8) && args.golden.is_none() {
        return Err(Error::Usage(format!("--prefix is for headers of C, and {} has none", args.to)).into());
    }
    let options = ExportOptions {
        format: args.to,
        softmax: args.scores == Scores::Softmax,
        prefix: args.prefix.unwrap_or_else(|| "triax".to_owned()),
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
    if let Some(cost) = exported.cost {
        say(format_args!(
            "costs     {} bytes of tables in flash, {} bytes of RAM, {} multiply-adds a window",
            grouped(cost.flash_bytes),
            grouped(cost.ram_bytes),
            grouped(cost.multiply_adds),
        ));
    }
    print_check(&exported.check, args.to);
    if let Some(folder) = &args.golden {
        output::make_folder(folder)?;
        for (name, bytes) in exported.golden.files() {
            output::write(&folder.join(name), &bytes)?;
        }
        say(format_args!("golden    windows and their scores are in {}", folder.display()));
    }
    print_notices(&exported.notices);
    Ok(ExitCode::SUCCESS)
}

fn print_check(check: &Check, format: ExportFormat) {
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
    if let (true, Some((before, after))) = (format.is_int8(), &check.metrics) {
        say(format_args!(
            "          accuracy {:.4} (before {:.4}), macro-F1 {:.4} (before {:.4})",
            after.accuracy, before.accuracy, after.macro_f1, before.macro_f1
        ));
    }
}
