//! `triax data`: inspects, audits and fetches data sets.

mod audit;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use indicatif::{ProgressBar, ProgressStyle};
use triax_data::{DATA_SETS, FetchOptions, Inspection};

use triax::read_data;
use triax::settings::{DataSettings, DataSource, Settings};

use crate::cli::options::{GivenSettings, Reading};
use crate::cli::print_notices;
use crate::cli::terminal::{out, tell};

/// Look into data sets, audit splits of them, and fetch public ones
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Inspect(InspectArgs),
    Audit(audit::Args),
    Fetch(FetchArgs),
}

/// Show rows, subjects, activities, sampling rate, gaps, and what was repaired
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  triax data inspect WISDM/
  triax data inspect recordings.csv --json
  triax data inspect recordings.csv --map Proband=subject,t=timestamp_ms --rate 20

Nothing is changed on disk: repairs are made while reading, the same each time.")]
struct InspectArgs {
    /// A folder, file or zip of recordings, or `synthetic`
    #[arg(value_name = "PATH|synthetic")]
    data: DataSource,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: GivenSettings<Reading>,
}

/// Download, verify and unpack a public data set
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  triax data fetch uci-har
  triax train --data datasets/uci-har

Nothing is ever downloaded unless this is called. A download that was cut off goes on where it stopped.")]
struct FetchArgs {
    /// The data set
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(DATA_SETS.map(|set| set.name)))]
    name: String,
    /// The folder to put it in
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    to: PathBuf,
    /// Folder of a web server that holds the archives under their official names, instead of the official servers
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Inspect(args) => inspect(args),
        Command::Audit(args) => audit::run(args),
        Command::Fetch(args) => fetch(args),
    }
}

fn inspect(args: InspectArgs) -> anyhow::Result<ExitCode> {
    let settings = DataSettings { data: args.data, ..Settings::from_entries(&args.reading.entries)?.data };
    let corpus = read_data(&settings, 0)?;
    let found = Inspection::new(&corpus);
    print_notices(&found.notices);
    let mut out = out();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
    } else {
        writeln!(out, "{found}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn fetch(args: FetchArgs) -> anyhow::Result<ExitCode> {
    if let Some(set) = DATA_SETS.iter().find(|set| set.name == args.name) {
        tell(format_args!("{} ({})\nlicence: {}\ncite:    {}", set.title, set.page, set.licence, set.citation));
    }
    let bar = if io::stderr().is_terminal() { ProgressBar::no_length() } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left")?);
    let options = FetchOptions { base_url: args.base_url };
    let fetched = triax_data::fetch(&args.name, &args.to, &options, &mut |progress| {
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.received);
    });
    bar.finish_and_clear();
    let fetched = fetched?;
    let mut out = out();
    writeln!(out, "{fetched}")?;
    writeln!(out, "  triax train --data {}", fetched.path.display())?;
    Ok(ExitCode::SUCCESS)
}
