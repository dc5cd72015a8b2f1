//! `triax evaluate`: how well a trained network does on recordings.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::json;
use triax_data::{Corpus, SplitPlan, Windows};
use triax_device::DeviceChoice;
use triax_trainer::Metrics;

use crate::failure::Usage;
use crate::inputs;
use crate::report::{self, Judged, grouped, listed};
use crate::settings::{SplitKind, SplitSettings};
use crate::trained::{Trained, Which};
use crate::values::{DataSource, FormatChoice, formats, fraction, positive};
use crate::{config, engines};

const EXAMPLES: &str = "\
Examples:
  triax evaluate runs/NAME                        the run's own validation part, made again
  triax evaluate runs/NAME --data OTHER/          all of another data set, read with the run's scaler and classes
  triax evaluate runs/NAME --part train           the windows it was trained on
  triax evaluate best.safetensors --data OTHER/ --split subject --valid-subjects 7,8

What was judged is said first: a figure over windows that the network was trained on is no test of it.";

/// Measure a trained network on recordings
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A run folder, or a .safetensors file of one
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Recordings to judge it by, or `synthetic` [default: those of the run]
    #[arg(long, value_name = "PATH|synthetic")]
    data: Option<DataSource>,
    /// Format of the data [default: that of the run's data; else it is found out]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Option<FormatChoice>,
    /// Windows to judge it by [default: valid for the run's own data or with --split, else all]
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// Split the data in this way [default: as in the run, where the data is the same]
    #[arg(long, value_enum, value_name = "KIND")]
    split: Option<SplitKind>,
    /// With --split: part of the subjects or windows that is the validation part
    #[arg(long, value_name = "FRACTION", default_value_t = 0.2, value_parser = fraction, requires = "split")]
    valid_fraction: f64,
    /// With --split subject: the subjects of the validation part
    #[arg(long, value_name = "ID,…", value_delimiter = ',', requires = "split")]
    valid_subjects: Vec<String>,
    /// Samples from one window to the next [default: as in training]
    #[arg(long, value_name = "SAMPLES", value_parser = positive())]
    step: Option<usize>,
    /// Seed of the split and of the synthetic set [default: that of the run, or 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Which weights of a run folder
    #[arg(long, value_enum, default_value_t = Which::Last)]
    weights: Which,
    /// Device to compute on
    #[arg(long, value_name = "auto|cpu|gpu|gpu:N", default_value = "auto")]
    device: DeviceChoice,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// A part of the windows.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The held-out windows
    Valid,
    /// The windows trained on
    Train,
    /// Both
    All,
}

/// Windows to judge a network by, and what they are.
struct Chosen {
    corpus: Corpus,
    windows: Windows,
    what: String,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let trained = Trained::read(&args.run, args.weights)?;
    let loss = trained.loss()?;
    let Chosen { corpus, mut windows, what } = choose(&args, &trained)?;
    let on = engines::open_for_scores(args.device)?;
    let set = trained.window_set(&mut windows)?;
    let scores = on.engine.scores(&trained.network, &trained.file.weights, &set.windows)?;
    let metrics = Metrics::from_scores(&scores, &set.labels, loss, &trained.file.classes)?;

    let mut out = io::stdout().lock();
    if args.json {
        let line = json!({
            "run": args.run, "data": corpus.name, "synthetic": corpus.synthetic, "fingerprint": corpus.fingerprint,
            "judged": what, "n_windows": windows.len(), "metrics": metrics,
        });
        writeln!(out, "{line}")?;
    } else {
        let synthetic = if corpus.synthetic { " (made by a program, not measured)" } else { "" };
        writeln!(out, "network   {}, trained with {loss}", args.run.display())?;
        writeln!(out, "data      {}{synthetic}", corpus.name)?;
        writeln!(out, "judged    {what}")?;
        writeln!(out, "device    {} (engine {})", on.device, on.engine.name())?;
        writeln!(out)?;
        let judged = Judged { class_names: &corpus.class_names, synthetic: corpus.synthetic };
        report::metrics(&mut out, &metrics, &judged)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The windows that the command line asks for.
fn choose(args: &Args, trained: &Trained) -> anyhow::Result<Chosen> {
    let mut settings = match &trained.run {
        Some(run) => run.settings.clone(),
        None if args.data.is_some() => config::settings("".as_ref(), &config::Entries::new())?,
        None => return Err(Usage("a weight file does not know its data: name it with --data".to_owned()).into()),
    };
    if let Some(data) = &args.data {
        settings.data.data = data.clone();
        settings.data.format = FormatChoice(None);
    }
    settings.data.format = args.format.unwrap_or(settings.data.format);
    settings.data.step = args.step.or(trained.step).unwrap_or(settings.data.step);
    settings.training.seed = args.seed.unwrap_or(settings.training.seed);

    let corpus = inputs::read_corpus(&settings.data.data, settings.data.format, settings.training.seed)?;
    trained.check(&corpus)?;
    let window = trained.file.spec.window;
    let step = settings.data.step;
    let own = trained.run.as_ref().filter(|run| {
        let expected = &run.record.data.fingerprint;
        match run.settings.data.activities.as_slice() {
            [] => corpus.fingerprint == *expected,
            activities => corpus.select_activities(activities).is_ok_and(|chosen| chosen.fingerprint == *expected),
        }
    });
    let fitted = inputs::fit_classes(corpus, &trained.file.classes)?;
    if !fitted.left_out.is_empty() {
        let names: Vec<String> = fitted.left_out.keys().cloned().collect();
        let n_recordings: usize = fitted.left_out.values().sum();
        eprintln!(
            "note: left out {} recordings of activities that the network does not know: {}.",
            grouped(n_recordings),
            listed(&names, 8)
        );
    }
    let corpus = fitted.corpus;

    let part = args.part.unwrap_or(if own.is_some() || args.split.is_some() { Part::Valid } else { Part::All });
    if part == Part::All {
        let windows = triax_data::cut(&corpus, window, step)?;
        let what = match own {
            Some(_) => "all of the run's data, what it was trained on included",
            None => "all of the data",
        };
        return Ok(Chosen { corpus, windows, what: what.to_owned() });
    }
    let plan = match (args.split, own) {
        (Some(split), _) => {
            let (valid_fraction, valid_subjects) = (args.valid_fraction, args.valid_subjects.clone());
            inputs::split_plan(&SplitSettings { split: Some(split), valid_fraction, valid_subjects }, &corpus)
        }
        (None, Some(run)) => run.record.split.plan.clone(),
        (None, None) => {
            let problem = "this is not the data of the run, so it has no parts: add --split, or use --part all";
            return Err(Usage(problem.to_owned()).into());
        }
    };
    let split = triax_data::split(&corpus, window, step, &plan, settings.training.seed)
        .with_context(|| format!("cannot split {}", corpus.name))?;
    let (windows, subjects) = match part {
        Part::Train => (split.train, split.train_subjects),
        _ => (split.valid, split.valid_subjects),
    };
    let by = match plan {
        SplitPlan::Subject { .. } => format!("subjects {}", listed(&subjects, 6)),
        SplitPlan::Random { .. } => "picked at random".to_owned(),
        SplitPlan::Predefined => "as the data comes".to_owned(),
    };
    let is_own_split = own.is_some_and(|run| {
        run.record.split.plan == plan
            && run.settings.training.seed == settings.training.seed
            && run.settings.data.step == step
    });
    let what = match (part, is_own_split) {
        (Part::Train, true) => format!("the run's training part ({by})"),
        (Part::Train, false) => format!("the training part of a new split ({by})"),
        (_, true) => format!("the run's validation part ({by})"),
        (_, false) => format!("the validation part of a new split ({by})"),
    };
    if own.is_some() && !is_own_split {
        eprintln!("warning: this is not the split of the run: the network may have been trained on these windows.");
    }
    if part == Part::Valid && split.shared_windows > 0 {
        eprintln!(
            "warning: {} of these windows share samples with the training part: the figures are too good.",
            grouped(split.shared_windows)
        );
    }
    Ok(Chosen { corpus, windows, what })
}
