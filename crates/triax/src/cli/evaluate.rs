//! `triax evaluate`: the metrics of a trained network on recordings.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use triax::settings::{DataSource, FormatChoice, Length, SplitKind, SplitSettings};
use triax::text::listed;
use triax::{EvaluateOptions, JudgedOverTime, Member, Part, Predictor, PredictorOrigin, evaluate};
use triax_study::over_subjects;

use super::options::{GivenSettings, PredictorArgs, Tables, formats, fraction, length, named, names};
use super::over_time::OverTimeArgs;
use super::print_notices;
use super::terminal::{out, visible};
use super::text::{self, Labels, SYNTHETIC};

const EXAMPLES: &str = "\
Examples:
  triax evaluate runs/NAME                        the run's own validation part, made again
  triax evaluate runs/NAME --data OTHER/          all of another data set, read with the run's scaler and classes
  triax evaluate runs/NAME --part train           the windows it was trained on
  triax evaluate best.safetensors --data OTHER/ --split subject --valid-subjects 7,8
  triax evaluate runs/STUDY                       the study's data, each window by networks that were not trained on it
  triax evaluate runs/STUDY --setting loss=hinge --data OTHER/    other data, by all networks of a setting as one
  triax evaluate runs/STUDY --over-time --joined        one answer for each sequence, beside that of each window by itself

Channels are matched by name, and other recordings are resampled to the rate that the network was trained on. What the
options of the group Data say is by default what the run said.

What was judged is said first: a figure over windows that the network was trained on is no test of it.

Calibration is judged by windows that the temperature was not fitted to, where there are such. With --over-time the recordings
of a person that follow each other without a gap are one sequence; --joined joins all that there are of a person. A segment is
found where its overlap with one of the same activity is at least the share that is named, of both together.

Networks of a study judge together, by the mean of their scores, or of their probabilities where the loss is
categorical_crossentropy: on the study's own data those of a fold's seeds, on other data those of all folds and seeds. The
setting that did best on the study's data is judged a little too well by the same data.";

/// Measure a trained network on recordings
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    predictor: PredictorArgs,
    /// Recordings to judge it by, or `synthetic` [default: those of the run or study]
    #[arg(long, value_name = "PATH|synthetic")]
    data: Option<DataSource>,
    /// Format of the data [default: that of the run's data; else it is found out]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Option<FormatChoice>,
    /// Windows to judge it by [default: valid for the run's own data or with --split, else all]
    #[arg(long, value_parser = named::<Part>(Part::choices))]
    part: Option<Part>,
    /// Split the data in this way [default: as in the run, where the data is the same]
    #[arg(long, value_parser = named::<SplitKind>(SplitKind::choices), value_name = "KIND")]
    split: Option<SplitKind>,
    /// With --split: part of the subjects or windows that is the validation part
    #[arg(long, value_name = "FRACTION", default_value_t = SplitSettings::default().valid_fraction, value_parser = fraction, requires = "split")]
    valid_fraction: f64,
    /// With --split subject: the subjects of the validation part
    #[arg(long, value_name = "ID,…", requires = "split")]
    valid_subjects: Vec<String>,
    /// From one window to the next: samples, seconds such as `3s`, or a share of the window such as `50%` [default: as in training]
    #[arg(long, value_name = "N|Ns|N%", value_parser = length)]
    step: Option<Length>,
    /// Seed of the split and of the synthetic set [default: that of the run, or 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    over_time: OverTimeArgs,
    /// With --over-time: join the recordings of each person in the order of time, so that activities change
    #[arg(long, requires = "over_time", help_heading = "Answers over time")]
    joined: bool,
    /// With --joined: cut them into pieces of this length, in an order that is drawn, so that activities change more often
    #[arg(long, value_name = "N|Ns", value_parser = length, requires = "joined", help_heading = "Answers over time")]
    pieces: Option<Length>,
    #[command(flatten)]
    tables: GivenSettings<Tables>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (valid_fraction, valid_subjects) = (args.valid_fraction, names(&args.valid_subjects));
    let options = EvaluateOptions {
        data: args.data,
        format: args.format,
        part: args.part,
        split: args.split.map(|kind| SplitSettings { split: Some(kind), valid_fraction, valid_subjects }),
        step: args.step,
        seed: args.seed,
        tables: args.tables.entries,
        over_time: args.over_time.options().map(|options| JudgedOverTime {
            options,
            joined: args.joined,
            pieces: args.pieces,
        }),
    };
    let predictor = args.predictor.open()?;
    print_notices(&predictor.notices);
    let evaluation = evaluate(&predictor, &options)?;
    print_notices(&evaluation.notices);
    let mut out = out();
    if args.json {
        let mut line = json!({
            "run": args.predictor.run, "data": evaluation.data, "synthetic": evaluation.synthetic, "fingerprint": evaluation.fingerprint,
            "judged": evaluation.judged, "n_windows": evaluation.n_windows, "metrics": evaluation.metrics,
            "calibration": evaluation.temperature_scaling, "subjects": evaluation.subjects,
        });
        if !evaluation.subjects.is_empty() {
            line["over_subjects"] = json!({
                "macro_f1": over_subjects(&evaluation.subjects, |one| one.macro_f1),
                "accuracy": over_subjects(&evaluation.subjects, |one| one.accuracy),
            });
        }
        if let Some(over_time) = &evaluation.over_time {
            line["over_time"] = json!(over_time);
        }
        if let PredictorOrigin::Study(study) = &predictor.origin {
            line["setting"] = json!(study.setting);
            line["n_networks"] = json!(predictor.members().len());
        }
        writeln!(out, "{line}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let synthetic = if evaluation.synthetic { SYNTHETIC } else { "" };
    writeln!(out, "{}", model(&predictor, &args.predictor.run)?)?;
    if let PredictorOrigin::Study(study) = &predictor.origin {
        writeln!(out, "          {} networks of {}", predictor.members().len(), study.setting)?;
    }
    writeln!(out, "data      {}{synthetic}", visible(&evaluation.data))?;
    writeln!(out, "judged    {}", evaluation.judged)?;
    if predictor.members().iter().any(|member| member.network().is_some()) {
        writeln!(out, "device    {} (engine {})", predictor.device(), predictor.engine().name())?;
    }
    text::people(&mut out, &evaluation.subjects)?;
    writeln!(out)?;
    let labels = Labels { class_names: &evaluation.class_names, synthetic: evaluation.synthetic };
    text::metrics(&mut out, &evaluation.metrics, &labels)?;
    if let Some(scaling) = &evaluation.temperature_scaling {
        writeln!(out)?;
        text::temperature_scaling(&mut out, scaling, &labels)?;
    }
    if let Some(over_time) = &evaluation.over_time {
        writeln!(out)?;
        text::over_time(&mut out, over_time)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The line that says what is judged.
fn model(predictor: &Predictor, path: &Path) -> anyhow::Result<String> {
    let path = path.display();
    let members = predictor.members();
    if predictor.is_ensemble() {
        let kinds: Vec<&str> = members.iter().map(Member::kind).collect();
        return Ok(format!(
            "ensemble  {path}, of {}",
            listed(&kinds.iter().map(ToString::to_string).collect::<Vec<_>>(), 12)
        ));
    }
    Ok(match members[0].kind() {
        "network" => format!("network   {path}, trained with {}", predictor.loss()?),
        method => format!("model     {path}, {method}"),
    })
}
