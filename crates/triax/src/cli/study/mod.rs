//! `triax study`: a grid of settings, on every fold, with every seed.

mod description;
mod grid;
mod merge;
mod table;
mod watch;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgMatches, Subcommand};
use serde_json::json;
use triax_data::{Corpus, Folds, SplitPlan, Windows};
use triax_engine::device::{DeviceChoice, DeviceKind};
use triax_engine::WindowSet;
use triax_model::Network;
use triax_study::{
    Device, Facts, Options, Outcome, Setting, Share, Study, StudyFolder, Summary, difference, run, summarise,
};

use crate::engines::{self, OnDevice, Place, Trial};
use crate::plan::fit_plan;
use crate::progress::{Style, interruption};
use crate::report::{grouped, listed};
use crate::settings::{EngineChoice, MachineSettings, Normalize, Settings, SplitSettings};
use crate::values::{ClassWeights, positive};
use crate::{config, inputs};
use description::Conduct;
pub use description::Description;
use grid::Point;

/// Models that a CPU trains in one go, at least: results come every few seconds, and no thread waits long for another.
const AT_ONCE_ON_CPU: usize = 16;
/// Models that a GPU trains in one go.
const AT_ONCE_ON_GPU: usize = 256;
/// Trainings up to which a study keeps the weights of each, where nobody says.
const MOST_KEPT: usize = 100;

const EXAMPLES: &str = "\
Examples:
  triax study losses --data WISDM/                      the four losses, each subject left out in turn, five seeds
  triax study --data WISDM/ --vary loss=hinge,squared_hinge --vary dropout=0.1,0.3
  triax study --data WISDM/ --vary 'convs=32:3:2:2,64:3:2|16:5:2' --folds group-5 --seeds 3
  triax study --file study.toml                         folds, seeds, [settings] and [vary] from a file
  triax study losses --data WISDM/ --shard 2/3          the second of three shares, here or elsewhere
  triax study merge part-1 part-2 part-3 --out whole    join the shares
  triax study --resume runs/NAME                        go on where a study was stopped

A study gets results.csv (a row a training), subjects.csv, history.csv, baselines.csv, timings.csv, summary.json and
report.html. A study that is run again in the same folder trains what is missing. A study with kept weights can be
evaluated and used as one predictor: triax evaluate DIR, triax predict DIR.

A share trains every N-th training by itself, and knows nothing of the others; what it needs is the same command.

A study file:
  folds = \"loso\"
  seeds = 5
  [settings]                 # as in a run's config.json
  data = \"WISDM/\"
  epochs = 20
  [vary]
  loss = [\"hinge\", \"categorical_crossentropy\"]
  learning_rate = [0.001, 0.0003]";

/// Compare settings on people a network has never seen: a grid of trainings, with intervals
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    study: StudyArgs,
}

#[derive(Subcommand)]
enum Action {
    /// The four losses, on unseen people: which one to take, and how sure that is
    Losses(Box<StudyArgs>),
    /// Join the shares of a study
    Merge(merge::Args),
}

#[derive(clap::Args)]
struct StudyArgs {
    #[command(flatten)]
    grid: GridArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: Settings,
}

/// What is compared, and on what.
#[derive(clap::Args)]
#[command(next_help_heading = "Study")]
pub struct GridArgs {
    /// Values of a setting to compare, by its name as an option has it; `|` between values that have commas
    #[arg(long, value_name = "SETTING=V1,V2,…")]
    vary: Vec<String>,
    /// `loso` (each subject in turn), group-K (groups of subjects), held-out (as --valid-fraction or --valid-subjects
    /// say), random-K (leaks; for comparison only), predefined [default: loso where subjects are known]
    #[arg(long, value_name = "FOLDS")]
    folds: Option<Folds>,
    /// Seeds of each setting and fold: --seed, and those that follow it [default: 5]
    #[arg(long, value_name = "N", value_parser = positive())]
    seeds: Option<usize>,
    /// Read folds, seeds, settings and what varies from a TOML file; options given here win
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Leave the classical baselines out
    #[arg(long)]
    no_baselines: bool,
}

/// Where a study is kept, what trains it, and what it prints.
#[derive(clap::Args)]
#[command(next_help_heading = "Run")]
struct RunArgs {
    /// The study's folder: new, or that of the same study [default: runs/DATE_TIME-study]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the study in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "vary", "folds", "seeds", "file"])]
    resume: Option<PathBuf>,
    /// Train only this share, for `triax study merge` to join
    #[arg(long, value_name = "I/N")]
    shard: Option<Share>,
    /// Several devices at once, instead of --device
    #[arg(long, value_name = "cpu,gpu:0,…", value_delimiter = ',', conflicts_with = "device")]
    devices: Vec<DeviceChoice>,
    /// Keep the weights of every training, or of none [default: keep them of up to 100 trainings]
    #[arg(long, value_name = "true|false")]
    keep_weights: Option<bool>,
    /// Print JSON lines instead of text
    #[arg(long)]
    json: bool,
    /// Print nothing but warnings and errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
}

/// Runs the subcommand.
pub fn run_command(args: Args, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    match args.action {
        None => start(args.study, matches, &BTreeMap::new()),
        Some(Action::Losses(study)) => {
            let matches = matches.subcommand().expect("a subcommand was parsed").1;
            let losses = triax_losses::Loss::ALL.iter().map(|loss| loss.name().to_owned()).collect();
            start(*study, matches, &BTreeMap::from([("loss".to_owned(), losses)]))
        }
        Some(Action::Merge(args)) => merge::run(args),
    }
}

/// Trains what is missing of a study, and sums it up where it is whole.
fn start(
    args: StudyArgs,
    matches: &ArgMatches,
    ready_made: &BTreeMap<String, Vec<String>>,
) -> anyhow::Result<ExitCode> {
    let RunArgs { out, resume, shard, devices, keep_weights, json, quiet } = args.run;
    let conduct = Conduct { devices, shard, keep_weights };
    let style = match (json, quiet) {
        (true, _) => Style::Json,
        (_, true) => Style::Quiet,
        _ => Style::Human,
    };
    let (description, path) = match resume {
        Some(path) => (Description::read(&path)?.with_place(matches, &args.settings)?, path),
        None => {
            let description = Description::of(&args.grid, ready_made, matches, &args.settings)?;
            let path = out.unwrap_or_else(|| {
                let now = jiff::Zoned::now().strftime("%Y-%m-%d_%H-%M-%S");
                Path::new("runs").join(format!("{now}-study"))
            });
            (description, path)
        }
    };
    let description = description.conducted(conduct);
    let points = description.settings()?;
    let machine = points[0].settings.machine.clone();
    // Devices that are not there are refused before a long read.
    let places = places(&machine, &description.conduct.devices)?;
    let corpus = read_corpus(&points[0].settings)?;
    let study = prepare(description.folds, description.seeds, points, corpus)?;
    let devices = settle(places, &study)?;
    let folder = StudyFolder::open(&path, &description.compared(&study), &description.here())?;
    let Conduct { shard, keep_weights, .. } = description.conduct;
    let share = shard.unwrap_or(Share::WHOLE);
    let keeps_weights = keep_weights.unwrap_or(study.n_trainings() <= MOST_KEPT);
    if let Folds::Random(_) = study.protocol {
        eprintln!("warning: these folds are no test on unseen people: {}.", study.protocol.in_words());
    }
    match style {
        Style::Human => header(&mut io::stdout().lock(), &study, &devices, share, folder.path())?,
        Style::Json => {
            let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
            let line = json!({
                "event": "start", "study": folder.path(), "share": share, "devices": names,
                "n_trainings": study.n_trainings(),
            });
            writeln!(io::stdout(), "{line}")?;
        }
        Style::Quiet => {}
    }
    let interrupted = interruption(
        "stopping; trainings that have ended are kept",
        "the study goes on with the trainings that have not ended",
    )?;
    let mut watch = watch::Bar::new(style, interrupted);
    let outcome = run(&study, &devices, Options { share, keeps_weights }, &folder, &mut watch);
    drop(watch);
    match outcome? {
        Outcome::Interrupted { n_done, n_trainings } => {
            if style == Style::Json {
                let line = json!({
                    "event": "interrupted", "study": folder.path(), "trainings": n_done, "of": n_trainings,
                });
                writeln!(io::stdout(), "{line}")?;
            }
            eprintln!("stopped after {n_done} of {n_trainings} trainings; go on with:");
            let shard = shard.map(|shard| format!(" --shard {shard}")).unwrap_or_default();
            eprintln!("  triax study --resume {}{shard}", folder.path().display());
            Ok(ExitCode::FAILURE)
        }
        Outcome::Finished if share == Share::WHOLE => {
            conclude(&study, &folder, &description, style)?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Finished => {
            let mut out = io::stdout().lock();
            match style {
                Style::Human => {
                    writeln!(out, "share {share} is done; when all are, join them:")?;
                    writeln!(out, "  triax study merge PART… --out WHOLE")?;
                }
                Style::Json => {
                    writeln!(out, "{}", json!({"event": "end", "study": folder.path(), "share": share}))?;
                }
                Style::Quiet => {}
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Sums a whole study up, and reports.
fn conclude(study: &Study, folder: &StudyFolder, description: &Description, style: Style) -> anyhow::Result<Summary> {
    let facts = Facts {
        shared_settings: description.shared()?,
        command: description.command(study.protocol),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        baselines: description.baselines,
    };
    if style == Style::Human && facts.baselines {
        println!("summing up, with classical baselines on the same folds …");
    }
    let summary = summarise(study, folder, facts)?;
    folder.write("report.html", triax_report::study_html(&summary).as_bytes())?;
    let mut out = io::stdout().lock();
    match style {
        Style::Human => {
            table::write(&mut out, &summary)?;
            writeln!(out)?;
            writeln!(out, "report    {}", folder.path().join("report.html").display())?;
            writeln!(out, "results   {}", folder.path().join("results.csv").display())?;
        }
        Style::Json => {
            let summary = config::as_written(&summary)?;
            writeln!(out, "{}", json!({"event": "end", "study": folder.path(), "summary": summary}))?;
        }
        Style::Quiet => {}
    }
    Ok(summary)
}

/// Reads the data that all settings share.
fn read_corpus(settings: &Settings) -> anyhow::Result<Corpus> {
    inputs::read_corpus(&settings.data.data, settings.data.format, settings.training.seed)
}

/// The study in the folder `path` as it was made of `corpus`, all that was read of its data.
///
/// # Errors
/// Other data, or another version of Triax.
pub fn made_again(path: &Path, corpus: Corpus) -> anyhow::Result<Study> {
    again(&Description::read(path)?, path, corpus)
}

/// The study in the folder `path`, with its data read again; and the settings of its first point.
///
/// # Errors
/// As [`made_again`].
pub fn read_again(path: &Path) -> anyhow::Result<(Study, Settings)> {
    let description = Description::read(path)?;
    let first = description.settings()?.swap_remove(0).settings;
    Ok((again(&description, path, read_corpus(&first)?)?, first))
}

/// As [`made_again`], by a description of it that may have its data elsewhere.
fn again(description: &Description, path: &Path, corpus: Corpus) -> anyhow::Result<Study> {
    let study = prepare(description.folds, description.seeds, description.settings()?, corpus)?;
    match difference("", &StudyFolder::description(path)?["study"], &description.compared(&study)) {
        None => Ok(study),
        Some(difference) => {
            anyhow::bail!("this is not the data or the Triax that {} was made with: {difference}", path.display())
        }
    }
}

/// A study of these settings alone, with one seed.
pub fn of_one_setting(folds: Folds, settings: Settings) -> anyhow::Result<Study> {
    let corpus = read_corpus(&settings)?;
    prepare(Some(folds), 1, vec![Point { values: BTreeMap::new(), settings }], corpus)
}

/// Makes windows, `folds` (where absent, the most honest ones that it allows) and settings of the data.
fn prepare(folds: Option<Folds>, n_seeds: usize, points: Vec<Point>, corpus: Corpus) -> anyhow::Result<Study> {
    let first = &points[0].settings;
    let (corpus, window) = inputs::selected(corpus, &first.data)?;
    let windows = triax_data::cut(&corpus, window, first.data.step)?;
    let protocol = folds.unwrap_or(if corpus.subjects().len() > 1 {
        Folds::LeaveOneSubjectOut
    } else if corpus.recordings.iter().all(|recording| recording.part.is_some()) {
        Folds::Predefined
    } else {
        Folds::Random(5)
    });
    let SplitSettings { valid_fraction, valid_subjects, .. } = first.split.clone();
    let held_out = SplitPlan::Subject { valid_fraction, valid_subjects };
    let folds = protocol.of(&corpus, &windows, window, &held_out, first.training.seed)?;
    let n_channels = corpus.channels.len();
    let mut sets: Vec<(Normalize, WindowSet)> = Vec::new();
    let mut settings = Vec::new();
    for Point { values, settings: point } in &points {
        let normalize = point.data.normalize;
        let set = match sets.iter().find(|(known, _)| *known == normalize) {
            Some((_, set)) => set.clone(),
            None => {
                let set = window_set(&windows, normalize, window, n_channels)
                    .map_err(|problem| anyhow::anyhow!("{}: {problem}", corpus.name))?;
                sets.push((normalize, set.clone()));
                set
            }
        };
        let spec = point.network.spec(window, n_channels, corpus.classes.len());
        let network =
            Network::new(spec).with_context(|| format!("the network of {} cannot work", grid::name(values)))?;
        let plan = fit_plan(point, &network, &corpus.classes)?;
        settings.push(Setting {
            name: grid::name(values),
            values: values.clone(),
            network,
            balances_classes: point.training.class_weights == ClassWeights::Balanced,
            standardises: normalize.has_scaler(),
            windows: set,
            extra: inputs::weight_file_extra(&corpus, normalize, plan.training.loss, first.data.step),
            plan,
        });
    }
    let seeds = (0..n_seeds as u64).map(|n| first.training.seed.wrapping_add(n)).collect();
    let step = if corpus.window.is_some() { window } else { first.data.step };
    Ok(Study { corpus, windows, window, step, protocol, folds, settings, seeds })
}

/// The windows as a setting wants them.
fn window_set(windows: &Windows, normalize: Normalize, window: usize, channels: usize) -> Result<WindowSet, String> {
    let mut values = windows.values.clone();
    if let Some(per_window) = normalize.per_window() {
        per_window.apply(&mut values, window, channels)?;
    }
    Ok(WindowSet { windows: values.into(), labels: windows.labels.clone().into(), sample_weights: None })
}

/// The devices that were asked for, before it is known which one an open choice falls on.
fn places(machine: &MachineSettings, devices: &[DeviceChoice]) -> anyhow::Result<Vec<Place>> {
    let several = |&device: &DeviceChoice| Place::find(&MachineSettings { device, ..machine.clone() });
    match devices {
        [] => Ok(vec![Place::find(machine)?]),
        devices => devices.iter().map(several).collect(),
    }
}

/// Decides where to train, and how much at once.
fn settle(places: Vec<Place>, study: &Study) -> anyhow::Result<Vec<Device<'static>>> {
    let (setting, fold) = (&study.settings[0], &study.folds[0]);
    let scaler = study.scaler(setting, fold);
    let mut devices = Vec::new();
    for place in places {
        let at = place.settle(&Trial {
            network: &setting.network,
            plan: &setting.plan.training,
            windows: &setting.windows,
            train: &fold.train,
            scaler: scaler.as_ref(),
            learning_rate: setting.plan.learning_rate,
        })?;
        let OnDevice { engine, device } = at.on;
        let name = format!("{} ({})", device.name, engine.name());
        let is_gpu = device.kind != DeviceKind::Cpu && device.kind != DeviceKind::Software;
        let choice = if engine.name() == EngineChoice::Burn.name() { EngineChoice::Burn } else { EngineChoice::Fused };
        // Each thread of a CPU takes whole models: none shall be left without one.
        let threads = device.threads.unwrap_or(1);
        let open = move || engines::open(choice, &device).map(|on| on.engine).map_err(|error| format!("{error:#}"));
        let at_once = if is_gpu { AT_ONCE_ON_GPU } else { AT_ONCE_ON_CPU.next_multiple_of(threads) };
        devices.push(Device { name, open: Box::new(open), at_once });
    }
    Ok(devices)
}

/// What will be trained on what.
fn header(out: &mut dyn Write, study: &Study, devices: &[Device<'_>], share: Share, folder: &Path) -> io::Result<()> {
    let corpus = &study.corpus;
    let synthetic = if corpus.synthetic { " (made by a program, not measured)" } else { "" };
    writeln!(out, "data      {}{synthetic}", corpus.name)?;
    writeln!(out, "          {} subjects, {} windows", corpus.subjects().len(), grouped(study.windows.len()))?;
    let names: Vec<String> = study.settings.iter().map(|setting| setting.name.clone()).collect();
    writeln!(out, "settings  {}", listed(&names, 8))?;
    writeln!(out, "folds     {}: {}", study.protocol, study.protocol.in_words())?;
    let (n, share_of) =
        (study.n_trainings(), if share == Share::WHOLE { String::new() } else { format!(", share {share} here") });
    writeln!(
        out,
        "trainings {} settings × {} folds × {} seeds = {}{share_of}",
        study.settings.len(),
        study.folds.len(),
        study.seeds.len(),
        grouped(n),
    )?;
    let names: Vec<String> = devices.iter().map(|device| device.name.clone()).collect();
    writeln!(out, "device    {}", names.join(", "))?;
    writeln!(out, "study     {}", folder.display())?;
    writeln!(out)
}
