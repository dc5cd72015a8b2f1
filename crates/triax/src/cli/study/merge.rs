//! `triax study merge`: joins the shares of a study.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use triax_study::{StudyFolder, difference};

use super::description::{Conduct, Description};
use super::{again, conclude, read_corpus};
use crate::failure::Usage;
use crate::progress::Style;

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
    let (first, others) = args.parts.split_first().expect("clap requires a part");
    let described = StudyFolder::description(first)?;
    for part in others {
        let other = StudyFolder::description(part)?;
        if let Some(difference) = difference("", &described["study"], &other["study"]) {
            let (first, part) = (first.display(), part.display());
            return Err(Usage(format!(
                "{part} is no share of the study in {first}: {}",
                difference.replace(" there,", &format!(" in {first},")).replace(" here", &format!(" in {part}"))
            ))
            .into());
        }
    }
    let out = std::path::absolute(&args.out)?;
    if args.parts.iter().any(|part| part.canonicalize().is_ok_and(|part| Some(part) == out.canonicalize().ok())) {
        return Err(Usage(format!("{} is one of the shares: name another --out", args.out.display())).into());
    }
    let mut description = Description::read(first)?;
    description.conduct = Conduct::default();
    if let Some(data) = &args.data {
        description = description.with_data(data)?;
    }
    let corpus = read_corpus(&description.settings()?[0].settings)?;
    let study = again(&description, first, corpus)?;
    let folder = StudyFolder::open(&args.out, &description.compared(&study), &description.here())?;
    for part in &args.parts {
        folder.take_over(part, &study).with_context(|| format!("cannot join {}", part.display()))?;
    }
    let missing = folder.missing(&study)?;
    anyhow::ensure!(
        missing.is_empty(),
        "{} of {} trainings are in none of the shares: {}; train the share that is missing, and join again",
        missing.len(),
        study.n_trainings(),
        crate::report::listed(&missing.iter().map(ToString::to_string).collect::<Vec<_>>(), 10),
    );
    conclude(&study, &folder, &description, if args.json { Style::Json } else { Style::Human })?;
    Ok(ExitCode::SUCCESS)
}
