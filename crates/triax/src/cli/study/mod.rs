//! `triax study`: a grid of settings, on every fold, with every seed; and what of it goes into a paper.

mod merge;
mod paper;
mod progress;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use triax::settings::{Length, to_json};
use triax::text::grouped;
use triax::{Conduct, Description, Error, Settings, StudyOptions, StudyRun, Vary, parse_vary};
use triax_data::Folds;
use triax_engine::device::DeviceChoice;
use triax_study::{Outcome, Share};

use super::many::{ManyArgs, share_done};
use super::options::{GivenSettings, length, positive};
use super::progress::{Style, interruption};
use super::terminal::{log, say, tell, visible};
use super::text::SYNTHETIC;
use super::{print_notices, timings};

/// The most settings that are named before a study begins.
const MOST_NAMED: usize = 8;

const EXAMPLES: &str = "\
Examples:
  triax study losses --data WISDM/                      the four losses, each subject left out in turn, five seeds
  triax study --data WISDM/ --vary loss=hinge,squared_hinge --vary dropout=0.1,0.3
  triax study --data WISDM/ --vary 'convs=32:3:2:2,64:3:2|16:5:2' --folds group-5 --seeds 3
  triax study --file study.toml                         folds, seeds, [settings] and [vary] from a file
  triax study losses --data WISDM/ --shard 2/3          the second of three shares, here or elsewhere
  triax study --data WISDM/ --vary 'convs=small:32:3:2:2|large:64:5:2:2,96:5:1:2'      values with names
  triax study merge part-1 part-2 part-3 --out whole    join the shares
  triax study --data WISDM/ --calibrate 10s,30s         what a few seconds of a person give: see triax calibrate
  triax study tables runs/NAME --to latex               tables for a paper; figures and methods likewise
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
    /// The tables of a finished study, for a paper: LaTeX, CSV or Markdown
    Tables(paper::TablesArgs),
    /// The figures of a finished study, for a paper: SVG and PDF
    Figures(paper::FiguresArgs),
    /// How a finished study was made, for a paper: a paragraph on methods, and what to cite
    Methods(paper::MethodsArgs),
}

#[derive(clap::Args)]
struct StudyArgs {
    #[command(flatten)]
    grid: GridArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    settings: GivenSettings<Settings>,
}

/// What is compared, and on what.
#[derive(clap::Args)]
#[command(next_help_heading = "Study")]
#[group(conflicts_with = "resume")]
pub struct GridArgs {
    /// Values of a setting to compare, by its name as an option has it; `|` between values that have commas. A value may have
    /// a name: NAME:VALUE
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
    /// Calibrate each network with the first seconds of each class of a held-out person, and judge it by the rest; lengths of
    /// at least a window, each by itself: `10s,30s`
    #[arg(long, value_name = "Ns,…", value_delimiter = ',', value_parser = length)]
    calibrate: Vec<Length>,
}

/// Where a study is kept, what trains it, and what it prints.
#[derive(clap::Args)]
#[command(next_help_heading = "Run")]
struct RunArgs {
    #[command(flatten)]
    many: ManyArgs,
    /// Several devices at once, instead of --device
    #[arg(long, value_name = "cpu,gpu:0,…", value_delimiter = ',', conflicts_with = "device")]
    devices: Vec<DeviceChoice>,
    /// Keep the weights of every training, or of none [default: keep them of up to 100 trainings]
    #[arg(long, value_name = "true|false")]
    keep_weights: Option<bool>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        None => start(args.study, Vary::new()),
        Some(Action::Losses(study)) => {
            let losses = triax_losses::Loss::ALL.iter().map(|loss| loss.name().into()).collect();
            start(*study, Vary::from([("loss".to_owned(), losses)]))
        }
        Some(Action::Merge(args)) => merge::run(args),
        Some(Action::Tables(args)) => paper::tables(&args),
        Some(Action::Figures(args)) => paper::figures(&args),
        Some(Action::Methods(args)) => paper::methods(&args),
    }
}

/// Runs the missing trainings of a study, and summarises it if it is complete.
fn start(args: StudyArgs, ready_made: Vary) -> anyhow::Result<ExitCode> {
    let RunArgs { many, devices, keep_weights } = args.run;
    let (style, timings) = many.printing();
    let description = match many.resumed() {
        Some(path) => Description::read(path)?.relocated(&args.settings.entries)?,
        None => description(args.grid, args.settings, ready_made)?,
    };
    let description = description.with_conduct(Conduct { devices, shard: many.shard, keep_weights });
    let folder = many.folder("study")?;
    let study = StudyRun::new_with(description, folder.path(), &timings)?;
    print_notices(&study.notices);
    announce(&study, style);
    let interrupted = interruption(
        "stopping; trainings that have ended are kept",
        "the study goes on with the trainings that have not ended",
    )?;
    let mut progress = progress::StudyProgress::new(style, interrupted);
    let outcome = study.run(&mut progress);
    drop(progress);
    let code = end(&study, outcome?, style)?;
    timings::print(&timings, study.devices.len());
    Ok(code)
}

/// Prints how the trainings of a share ended, and summarises a study that is complete.
fn end(study: &StudyRun, outcome: Outcome, style: Style) -> anyhow::Result<ExitCode> {
    match outcome {
        Outcome::Interrupted { n_done, n_trainings } => {
            let folder = study.folder.path();
            if style == Style::Json {
                say(json!({"event": "interrupted", "study": folder, "trainings": n_done, "of": n_trainings}));
            }
            tell(format_args!("stopped after {n_done} of {n_trainings} trainings; go on with:"));
            let shard = study.description.conduct.shard.map(|shard| format!(" --shard {shard}")).unwrap_or_default();
            tell(format_args!("  triax study --resume {}{shard}", folder.display()));
            Ok(ExitCode::FAILURE)
        }
        Outcome::Finished if study.share == Share::WHOLE => {
            conclude(study, style)?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Finished => {
            share_done(style, "study", "study", study.folder.path(), study.share);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The study that a command line and its file describe.
fn description(grid: GridArgs, settings: GivenSettings<Settings>, ready_made: Vary) -> Result<Description, Error> {
    let file = grid.file.as_deref().map(StudyOptions::read).transpose()?.unwrap_or_default();
    let mut vary = Vary::new();
    for option in &grid.vary {
        let (name, values) = parse_vary(option)?;
        if vary.contains_key(&name) {
            return Err(Error::Usage(format!(
                "--vary {option}: `{name}` varies already; give all of its values at once"
            )));
        }
        vary.insert(name, values);
    }
    let options = StudyOptions {
        folds: grid.folds,
        seeds: grid.seeds,
        baselines: grid.no_baselines.then_some(false),
        calibrate: (!grid.calibrate.is_empty()).then_some(grid.calibrate),
        settings: settings.entries,
        vary,
    };
    let ready_made = StudyOptions { vary: ready_made, ..StudyOptions::default() };
    let description = Description::new(ready_made.with(file).with(options));
    description.map_err(|error| match &grid.file {
        Some(path) => error.in_file(path),
        None => error,
    })
}

/// Summarises a complete study, and prints the result.
fn conclude(study: &StudyRun, style: Style) -> anyhow::Result<()> {
    if style == Style::Human && study.description.baselines {
        say("summing up, with classical baselines on the same folds …");
    }
    let (summary, folder) = (study.summarise()?, study.folder.path());
    match style {
        Style::Human => {
            table::write(&mut log(), &summary)?;
            say(format_args!("\nreport    {}", folder.join("report.html").display()));
            say(format_args!("results   {}", folder.join("results.csv").display()));
        }
        Style::Json => say(json!({"event": "end", "study": folder, "summary": to_json(&summary)})),
        Style::Quiet => {}
    }
    Ok(())
}

/// Prints the data, the settings and the devices.
fn announce(run: &StudyRun, style: Style) {
    let names: Vec<String> = run.devices.iter().map(|device| device.name.clone()).collect();
    let n_trainings = run.study.n_trainings();
    match style {
        Style::Human => header(run, &names),
        Style::Json => say(json!({
            "event": "start", "study": run.folder.path(), "share": run.share, "devices": names,
            "n_trainings": n_trainings,
        })),
        Style::Quiet => {}
    }
}

fn header(run: &StudyRun, devices: &[String]) {
    let StudyRun { study, share, folder, .. } = run;
    let corpus = &study.corpus;
    let synthetic = if corpus.synthetic { SYNTHETIC } else { "" };
    say(format_args!("data      {}{synthetic}", visible(&corpus.name)));
    let subjects = match corpus.subjects().len() {
        0 => "subjects unknown".to_owned(),
        1 => "1 subject".to_owned(),
        n => format!("{n} subjects"),
    };
    say(format_args!("          {subjects}, {} windows", grouped(study.windows.len())));
    // Names have commas of their own.
    let named = study.settings.iter().take(MOST_NAMED).map(|setting| setting.name.as_str());
    let more = match study.settings.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        n => format!("; and {n} more"),
    };
    say(format_args!("settings  {}{more}", visible(&named.collect::<Vec<_>>().join("; "))));
    say(format_args!("folds     {}: {}", study.protocol, study.protocol.in_words()));
    let here = if *share == Share::WHOLE { String::new() } else { format!(", share {share} here") };
    say(format_args!(
        "trainings {} settings × {} folds × {} seeds = {}{here}",
        study.settings.len(),
        study.folds.len(),
        study.seeds.len(),
        grouped(study.n_trainings()),
    ));
    say(format_args!("device    {}", devices.join(", ")));
    say(format_args!("study     {}", folder.path().display()));
    say("");
}
