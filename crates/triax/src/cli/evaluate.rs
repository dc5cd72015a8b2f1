//! `triax evaluate`: how well a trained network does on recordings.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::json;
use triax_data::{Corpus, Folds, SplitPlan, Windows};
use triax_engine::device::DeviceChoice;
use triax_trainer::Metrics;

use crate::failure::Usage;
use crate::inputs;
use crate::predictor::{OfStudy, Origin, Predictor, Which};
use crate::report::{self, Judged, grouped, listed};
use crate::settings::{SplitKind, SplitSettings};
use crate::values::{DataSource, FormatChoice, formats, fraction, positive};
use crate::{config, engines, study};

const EXAMPLES: &str = "\
Examples:
  triax evaluate runs/NAME                        the run's own validation part, made again
  triax evaluate runs/NAME --data OTHER/          all of another data set, read with the run's scaler and classes
  triax evaluate runs/NAME --part train           the windows it was trained on
  triax evaluate best.safetensors --data OTHER/ --split subject --valid-subjects 7,8
  triax evaluate runs/STUDY                       the study's data, each window by networks that were not trained on it
  triax evaluate runs/STUDY --setting loss=hinge --data OTHER/    other data, by all networks of a setting as one

What was judged is said first: a figure over windows that the network was trained on is no test of it.

Networks of a study judge together, by the mean of their scores, or of their probabilities where the loss is
categorical_crossentropy: on the study's own data those of a fold's seeds, on other data those of all folds and seeds. The
setting that did best on the study's data is judged a little too well by the same data.";

/// Measure a trained network on recordings
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A run folder, a .safetensors file of one, or a study's folder
    #[arg(value_name = "RUN|STUDY")]
    run: PathBuf,
    /// Recordings to judge it by, or `synthetic` [default: those of the run or study]
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
    /// Setting of a study to judge, by its name in the report [default: the best by macro-F1]
    #[arg(long, value_name = "NAME")]
    setting: Option<String>,
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

/// Windows to judge a predictor by, and what they are.
struct Chosen {
    corpus: Corpus,
    parts: Vec<Judging>,
    what: String,
}

/// Windows, and which networks judge them.
struct Judging {
    /// (n_windows, window, channels), as the sensors gave them.
    windows: Vec<f32>,
    labels: Vec<u32>,
    /// The fold of a study whose networks judge; all networks where absent.
    fold: Option<String>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let predictor = Predictor::read(&args.run, args.weights, args.setting.as_deref())?;
    let loss = predictor.loss()?;
    let Chosen { corpus, parts, what } = choose(&args, &predictor)?;
    let on = engines::open_for_scores(args.device)?;
    let (mut scores, mut labels) = (Vec::new(), Vec::new());
    for part in parts {
        let of_part = match &part.fold {
            None => Some(predictor.scores(on.engine.as_ref(), &part.windows)?),
            Some(fold) => predictor.scores_of_fold(fold, on.engine.as_ref(), &part.windows)?,
        };
        match of_part {
            Some(of_part) => {
                scores.extend(of_part);
                labels.extend(part.labels);
            }
            None => {
                let (fold, n_windows) = (part.fold.unwrap_or_default(), grouped(part.labels.len()));
                eprintln!("note: all networks of fold {fold} broke down: its {n_windows} windows are left out.");
            }
        }
    }
    let metrics = Metrics::from_scores(&scores, &labels, loss, predictor.classes())?;

    let mut out = io::stdout().lock();
    if args.json {
        let mut line = json!({
            "run": args.run, "data": corpus.name, "synthetic": corpus.synthetic, "fingerprint": corpus.fingerprint,
            "judged": what, "n_windows": labels.len(), "metrics": metrics,
        });
        if let Origin::Study(study) = &predictor.origin {
            line["setting"] = json!(study.setting);
            line["n_networks"] = json!(predictor.members().len());
        }
        writeln!(out, "{line}")?;
    } else {
        let synthetic = if corpus.synthetic { " (made by a program, not measured)" } else { "" };
        writeln!(out, "network   {}, trained with {loss}", args.run.display())?;
        if let Origin::Study(study) = &predictor.origin {
            writeln!(out, "          {} networks of {}", predictor.members().len(), study.setting)?;
        }
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
fn choose(args: &Args, predictor: &Predictor) -> anyhow::Result<Chosen> {
    let mut settings = match &predictor.origin {
        Origin::Run(run) => run.settings.clone(),
        Origin::Study(study) => study.description.settings()?.swap_remove(0).settings,
        Origin::File if args.data.is_some() => config::settings("".as_ref(), &config::Entries::new())?,
        Origin::File => {
            return Err(Usage("a weight file does not know its data: name it with --data".to_owned()).into());
        }
    };
    if let Some(data) = &args.data {
        settings.data.data = data.clone();
        settings.data.format = FormatChoice(None);
    }
    settings.data.format = args.format.unwrap_or(settings.data.format);
    settings.data.step = args.step.or(predictor.step).unwrap_or(settings.data.step);
    settings.training.seed = args.seed.unwrap_or(settings.training.seed);

    let corpus = inputs::read_corpus(&settings.data.data, settings.data.format, settings.training.seed)?;
    predictor.check(&corpus)?;
    let window = predictor.spec().window;
    let step = settings.data.step;
    let is_data_of = |fingerprint: &str| match settings.data.activities.as_slice() {
        [] => corpus.fingerprint == fingerprint,
        activities => corpus.select_activities(activities).is_ok_and(|chosen| chosen.fingerprint == fingerprint),
    };
    let own = match &predictor.origin {
        Origin::Study(study) if is_data_of(&study.summary.fingerprint) => return fold_by_fold(args, study, corpus),
        Origin::Run(run) => Some(run).filter(|run| is_data_of(&run.record.data.fingerprint)),
        Origin::Study(_) | Origin::File => None,
    };
    let fitted = inputs::fit_classes(corpus, predictor.classes())?;
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
        return Ok(Chosen { corpus, parts: vec![Judging::by_all(windows)], what: what.to_owned() });
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
    Ok(Chosen { corpus, parts: vec![Judging::by_all(windows)], what })
}

/// The data of a study, each fold's windows for the networks of that fold.
fn fold_by_fold(args: &Args, of: &OfStudy, corpus: Corpus) -> anyhow::Result<Chosen> {
    if args.part.is_some() || args.split.is_some() || args.step.is_some() {
        let problem = "a study's own data is judged fold by fold: leave --part, --split and --step out";
        return Err(Usage(problem.to_owned()).into());
    }
    let study = study::made_again(&of.path, corpus)?;
    let judging = |fold: &triax_data::Fold| Judging {
        windows: study.windows_at(&study.windows.values, &fold.valid),
        labels: study.labels(&fold.valid),
        fold: Some(fold.name.clone()),
    };
    let parts = study.folds.iter().map(judging).collect();
    let unseen = if of.summary.is_about_strangers() {
        "which have not trained on its subject"
    } else {
        "which have not trained on it"
    };
    let what = format!("the study's own data, each window by the networks of its fold as one, {unseen}");
    if let Folds::Random(_) = study.protocol {
        eprintln!("warning: these folds are no test on unseen people: {}.", study.protocol.in_words());
    }
    Ok(Chosen { parts, what, corpus: study.corpus })
}

impl Judging {
    /// Windows that all networks judge.
    fn by_all(windows: Windows) -> Self {
        Self { windows: windows.values, labels: windows.labels, fold: None }
    }
}
