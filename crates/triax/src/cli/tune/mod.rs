//! `triax tune`: a search for the settings that suit a data set, judged by people whom it has not seen.

mod progress;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use triax::settings::to_json;
use triax::text::{grouped, listed};
use triax::{Budget, Settings, Share, TuneDescription, TuneOptions, TuneOutcome, TuneRun, TuneSummary};
use triax_data::Folds;

use super::many::{ManyArgs, MergeArgs, share_done};
use super::options::{GivenSettings, positive};
use super::progress::{Style, interruption};
use super::terminal::{log, say, tell, visible};
use super::text::SYNTHETIC;
use super::{print_notices, timings};

const EXAMPLES: &str = "\
Examples:
  triax tune --data WISDM/                              ten minutes; a fifth of the people judge what it finds
  triax tune --data WISDM/ --valid-subjects 1605,1610   these people judge
  triax tune --data WISDM/ --nested                     everybody judges, each by a search without them
  triax tune --data WISDM/ --budget 1h --epochs 40      longer, and with this number of epochs
  triax tune --data WISDM/ --space space.toml           other values than those of the default
  triax tune --data WISDM/ --nested --shard 2/4         the second of four shares, here or elsewhere
  triax tune merge part-1 part-2 --out whole            join the shares
  triax tune --resume runs/NAME                         go on where a search was stopped
  triax train --config runs/NAME/best.toml              use what was found

The search is iterated racing (López-Ibáñez et al., 2016), with people as instances: candidates are drawn at random,
judged on groups of people in turn, and dropped where they are worse than the best by a signed-rank test over people
(p < 0.05, one-sided, uncorrected); the next ones are drawn near the best. The people who judge in the end are in no
part of it. The reference network, --preset subject and the classical models always take part, and the best candidates
with windows of one length predict together as an ensemble. docs/tune.md has the whole.

A search gets best.toml, run/ (what was chosen, like any other run), candidates.csv, summary.json and report.html. A
search that is run again in the same folder does what is missing.

A setting that is given, such as --window 4s, is fixed. The others are searched, with the values that docs/tune.md lists.";

/// Search for the settings that suit your recordings, judged by people whom the search has not seen
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    search: SearchArgs,
    #[command(flatten)]
    run: ManyArgs,
    #[command(flatten)]
    settings: GivenSettings<Settings>,
}

#[derive(Subcommand)]
enum Action {
    /// Join the shares of a nested search
    Merge(MergeArgs),
}

/// What is searched, and how it is judged.
#[derive(clap::Args)]
#[command(next_help_heading = "Search")]
#[group(conflicts_with = "resume")]
struct SearchArgs {
    /// What a search may spend: a time (90s, 10m, 2h), a number of trainings (200), or work (5200GMAC: multiply-adds of
    /// forward passes) [default: 10m]
    #[arg(long, value_name = "TIME|N")]
    budget: Option<Budget>,
    /// Who judges candidates within a search: each of K groups of its people in turn (group-K), or each person (loso) [default:
    /// five groups]
    #[arg(long, value_name = "FOLDS")]
    folds: Option<Folds>,
    /// Let everybody judge what is found: hold people out in turn, one by one (loso) or in K groups, and search without them
    #[arg(long, value_name = "loso|group-K", num_args = 0..=1, require_equals = true, default_missing_value = "loso")]
    nested: Option<Folds>,
    /// Networks of the chosen settings, each with its own seed, that the people held out judge [default: 3]
    #[arg(long, value_name = "N", value_parser = positive())]
    seeds: Option<usize>,
    /// Values to search in place of the default ones: a TOML file with [vary], as of a study, and [settings] that are fixed
    #[arg(long, value_name = "FILE")]
    space: Option<PathBuf>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        None => start(args.search, args.run, args.settings),
        Some(Action::Merge(args)) => merge(&args),
    }
}

fn start(search: SearchArgs, args: ManyArgs, settings: GivenSettings<Settings>) -> anyhow::Result<ExitCode> {
    let (style, timings) = args.printing();
    let mut description = match args.resumed() {
        Some(path) => TuneDescription::read(path)?.relocated(&settings.entries)?,
        None => {
            let SearchArgs { budget, folds, nested, seeds, space } = search;
            let vary = Default::default();
            let options = TuneOptions { budget, folds, nested, seeds, settings: settings.entries, vary };
            TuneDescription::new(match &space {
                Some(file) => options.with_space(file)?,
                None => options,
            })?
        }
    };
    description.shard = args.shard.or(description.shard);
    let folder = args.folder("tune")?;
    let run = TuneRun::new(description, folder.path(), &timings)?;
    print_notices(&run.notices);
    announce(&run, style);
    let interrupted =
        interruption("stopping; trainings that have ended are kept", "the search goes on with what has not ended")?;
    let mut progress = progress::TuneProgress::new(style, interrupted);
    let outcome = run.run(&mut progress);
    drop(progress);
    let code = end(&run, outcome?, style)?;
    timings::print(&timings, run.devices.len());
    Ok(code)
}

fn merge(args: &MergeArgs) -> anyhow::Result<ExitCode> {
    let run = TuneRun::merge(&args.parts, &args.out, args.data.as_deref())?;
    let outcome = run.run(&mut ())?;
    end(&run, outcome, args.style())
}

/// Prints how a search ended.
fn end(run: &TuneRun, outcome: TuneOutcome, style: Style) -> anyhow::Result<ExitCode> {
    let folder = run.folder.path();
    match outcome {
        TuneOutcome::Finished(summary) => {
            conclude(run, &summary, style)?;
            Ok(ExitCode::SUCCESS)
        }
        TuneOutcome::ShareDone => {
            share_done(style, "tune", "search", folder, run.share());
            Ok(ExitCode::SUCCESS)
        }
        TuneOutcome::Interrupted => {
            if style == Style::Json {
                say(json!({"event": "interrupted", "search": folder}));
            }
            tell("stopped; go on with:");
            let share = run.share();
            let shard = if share == Share::WHOLE { String::new() } else { format!(" --shard {share}") };
            tell(format_args!("  triax tune --resume {}{shard}", folder.display()));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn conclude(run: &TuneRun, summary: &TuneSummary, style: Style) -> anyhow::Result<()> {
    let folder = run.folder.path();
    match style {
        Style::Human => {
            table::write(&mut log(), summary)?;
            say(format_args!("\nreport    {}", folder.join("report.html").display()));
            say(format_args!("settings  {}", folder.join("best.toml").display()));
            say(format_args!("run       {}", folder.join("run").display()));
            say(format_args!("  triax train --config {}", folder.join("best.toml").display()));
            say(format_args!("  triax predict {} --data PATH --out predictions.csv", folder.join("run").display()));
        }
        Style::Json => say(json!({"event": "end", "search": folder, "summary": to_json(summary)})),
        Style::Quiet => {}
    }
    Ok(())
}

/// Prints the data, the searches and the devices.
fn announce(run: &TuneRun, style: Style) {
    let devices: Vec<String> = run.devices.iter().map(|device| device.name.clone()).collect();
    match style {
        Style::Human => header(run, &devices),
        Style::Json => say(json!({
            "event": "start", "search": run.folder.path(), "share": run.share(), "devices": devices,
            "budget": run.description.budget, "searches": run.searches.len(),
            "seconds_expected": run.expected.map(|time| time.as_secs()),
        })),
        Style::Quiet => {}
    }
}

fn header(run: &TuneRun, devices: &[String]) {
    let corpus = &run.corpus;
    let synthetic = if corpus.synthetic { SYNTHETIC } else { "" };
    say(format_args!("data      {}{synthetic}", visible(&corpus.name)));
    say(format_args!("          {} subjects, {} channels", corpus.subjects().len(), corpus.channels.len()));
    let n_values: usize = run.space.dimensions.iter().map(|one| one.values.len()).sum();
    say(format_args!("space     {} settings with {} values", run.space.dimensions.len(), grouped(n_values)));
    let n_here = run.searches_here().count();
    match run.description.nested {
        None => {
            let held_out = &run.searches[0].held_out;
            say(format_args!("held out  {}: the search does not see them", visible(&listed(held_out, 12))));
        }
        Some(folds) => {
            let n = run.searches.len() - 1;
            say(format_args!("nested    {folds}: {n} searches, each without those who judge it, and one with all"));
            if n_here < run.searches.len() {
                say(format_args!("          share {}: {n_here} of them here", run.share()));
            }
        }
    }
    say(format_args!("budget    {} a search", run.description.budget));
    if let Some(time) = run.expected {
        let here = time * n_here as u32 / run.searches.len() as u32;
        say(format_args!("          about {} in all, and the final trainings", indicatif::HumanDuration(here)));
    }
    say(format_args!("device    {}", devices.join(", ")));
    say(format_args!("search    {}", run.folder.path().display()));
    say("");
}
