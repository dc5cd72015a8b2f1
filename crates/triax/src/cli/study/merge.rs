//! `triax study merge`: joins the shares of a study.

use std::path::PathBuf;
use std::process::ExitCode;

use triax::StudyRun;

use super::conclude;
use crate::cli::progress::Style;

const EXAMPLES: &str = "\
Examples:
  triax study losses --data WISDM/ --shard 1/2 --out part-1     on one machine
  triax study losses --data WISDM/ --shard 2/2 --out part-2     on another
  triax study merge part-1 part-2 --out whole

The data is read again, from where the first share had it or from --data, to sum the study up. Shares of another
study, of other data or of another version of Triax are refused, and so is a study of which a share is missing. Where
shares overlap, their trainings must have come out the same.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folders of the shares
    #[arg(value_name = "PART", required = true)]
    parts: Vec<PathBuf>,
    /// The folder of the whole study, new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where the data is, if not where the first share had it
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let study = StudyRun::merge(&args.parts, &args.out, args.data.as_deref())?;
    conclude(&study, Style::new(args.json, false))?;
    Ok(ExitCode::SUCCESS)
}
