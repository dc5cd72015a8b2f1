//! `triax calibrate`: a trained network made to know one person.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use serde_json::json;
use triax::settings::{DataSource, FormatChoice, Length};
use triax::{CalibrateOptions, Calibration, calibrate};
use triax_model::whole_file;

use super::options::{GivenSettings, PredictorArgs, Tables, formats, length};
use super::output::{self, Source, check_is_not_read};
use super::print_notices;
use super::terminal::{out, visible};

const EXAMPLES: &str = "\
Examples:
  triax calibrate runs/NAME --data person.csv --out person.safetensors      ten seconds of each activity are enough
  triax predict person.safetensors --data later.csv --out predictions.csv
  triax evaluate person.safetensors --data later.csv
  triax calibrate runs/NAME --data person.csv --unlabelled --out person.safetensors      activities unknown
  triax study --data WISDM/ --calibrate 10s             what it gives on people the network has never seen

The last layer is refitted in closed form to overlapping windows of the recordings: a ridge regression, pulled to the
network's own layer by --strength, the more so where a change would change the scores of the windows that the network was
trained on. Classes of which nothing was recorded stay as they were. Each activity takes a recording
at least as long as a window, and there must be two of them.

With --unlabelled, mean and deviation of each channel, which the network standardises its input by, go a quarter of the way to
the person's. It is meant for sensors of another scale; no gain was shown on WISDM: docs/subject.md.

The result is a weight file, which every command takes in place of a run folder.";

/// Make a trained network know one person, from a few seconds of each activity
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    predictor: PredictorArgs,
    /// Recordings of the person, or `synthetic`
    #[arg(long, value_name = "PATH|synthetic")]
    data: DataSource,
    /// The weight file to write
    #[arg(long, value_name = "FILE", value_parser = output::beside())]
    out: PathBuf,
    /// Format of the data [default: it is found out]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Option<FormatChoice>,
    /// How strongly the last layer is pulled to the network's own: more keeps more of it [default: 0.002]
    #[arg(long, value_name = "NUMBER", value_parser = strength)]
    strength: Option<f64>,
    /// From one window to the next: samples, seconds such as `3s`, or a share of the window such as `50%` [default: a twentieth of a window]
    #[arg(long, value_name = "N|Ns|N%", value_parser = length)]
    step: Option<Length>,
    /// The activities are not known: align the channels only
    #[arg(long, conflicts_with = "strength")]
    unlabelled: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tables: GivenSettings<Tables>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { predictor: given, data, out: to, format, strength, step, unlabelled, json, tables } = args;
    let is_folder = to.is_dir() || to.as_os_str().as_encoded_bytes().ends_with(b"/");
    ensure!(!is_folder, "{} is a folder: name the weight file that is to be written", to.display());
    let source = match &data {
        DataSource::Path(path) => Some(Source::Path(path)),
        DataSource::Synthetic => None,
    };
    let sources: Vec<Source<'_>> = [Source::Path(&given.run)].into_iter().chain(source).collect();
    check_is_not_read(&to, &sources)?;
    let predictor = given.open()?;
    print_notices(&predictor.notices);
    let options = CalibrateOptions { data, format, tables: tables.entries, strength, step, unlabelled };
    let calibration = calibrate(&predictor, &options)?;
    print_notices(&calibration.notices);
    output::make_folder(whole_file::folder_of(&to))?;
    calibration.file.write(&to)?;
    let mut out = out();
    if json {
        let classes = calibration.classes.iter().map(|class| {
            json!({
                "class": class.name, "recorded": class.recorded, "n_windows": class.n_windows,
                "right_before": class.right_before, "right_after": class.right_after,
            })
        });
        let line = json!({
            "run": given.run, "data": calibration.data, "out": to, "n_windows": calibration.n_windows,
            "seconds": calibration.took.as_secs_f64(), "fitting_seconds": calibration.fitting.as_secs_f64(),
            "classes": classes.collect::<Vec<_>>(),
        });
        writeln!(out, "{line}")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "network     {}", given.run.display())?;
    writeln!(out, "data        {}", visible(&calibration.data))?;
    write_table(&mut out, &calibration, predictor.rate_hz.is_some())?;
    let [all, fitting] = [calibration.took, calibration.fitting].map(|time| time.as_secs_f64() * 1e3);
    let layer = if unlabelled { String::new() } else { format!(", {fitting:.1} ms of them for the last layer") };
    writeln!(out, "calibrated  {}, in {all:.0} ms{layer}", to.display())?;
    writeln!(out, "  triax evaluate {} --data LATER", to.display())?;
    writeln!(out, "  triax predict {} --data LATER --out predictions.csv", to.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes what each class was calibrated with.
fn write_table(out: &mut dyn Write, calibration: &Calibration, in_seconds: bool) -> io::Result<()> {
    if calibration.classes.is_empty() {
        return writeln!(out, "            {} windows, whose activities are not known", calibration.n_windows);
    }
    let unit = if in_seconds { "seconds" } else { "samples" };
    writeln!(out)?;
    writeln!(out, "{:24} {unit:>8} {:>8} {:>13} {:>10}", "", "windows", "right before", "right now")?;
    for class in calibration.classes.iter().filter(|class| class.n_windows > 0) {
        let name = visible(&class.name).to_string();
        writeln!(
            out,
            "{name:24} {:8.1} {:8} {:13} {:10}",
            class.recorded, class.n_windows, class.right_before, class.right_after
        )?;
    }
    writeln!(out)?;
    writeln!(out, "What is right now is no test: it was calibrated with the same windows. Judge it with later ones.")?;
    writeln!(out)
}

/// Reads the strength of a pull.
fn strength(text: &str) -> Result<f64, String> {
    let strength: Option<f64> = text.parse().ok();
    strength
        .filter(|strength| strength.is_finite() && *strength > 0.0)
        .ok_or_else(|| "a number above 0 is needed".to_owned())
}
