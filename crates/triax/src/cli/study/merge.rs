//! `triax study merge`: joins the shares of a study.

use std::process::ExitCode;

use triax::StudyRun;

use super::conclude;
use crate::cli::many::MergeArgs;

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
    #[command(flatten)]
    shares: MergeArgs,
}

/// Runs the subcommand.
pub fn run(Args { shares }: Args) -> anyhow::Result<ExitCode> {
    let study = StudyRun::merge(&shares.parts, &shares.out, shares.data.as_deref())?;
    conclude(&study, shares.style())?;
    Ok(ExitCode::SUCCESS)
}
