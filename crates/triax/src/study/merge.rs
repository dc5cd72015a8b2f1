//! `triax study merge`: joins the shares of a study.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use triax_study::{StudyFolder, difference, write_tables};

use super::description::Description;
use super::{conclude, prepare};
use crate::failure::Usage;
use crate::progress::Style;

const EXAMPLES: &str = "\
Examples:
  triax study losses --data WISDM/ --shard 1/2 --out part-1     on one machine
  triax study losses --data WISDM/ --shard 2/2 --out part-2     on another
  triax study merge part-1 part-2 --out whole

The data is read again, from where the first share had it or from --data, to sum the study up.";

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
    let mut description = Description::read(first)?;
    if let Some(data) = &args.data {
        description = description.with_data(data)?;
    }
    let study = prepare(description.folds, description.seeds, description.settings()?)?;
    let compared = description.compared(&study);
    if let Some(difference) = difference("", &described["study"], &compared) {
        anyhow::bail!("this is not the data or the Triax that the shares were trained with: {difference}");
    }
    let folder = StudyFolder::open(&args.out, &compared, &description.here())?;
    for part in &args.parts {
        folder.take_over(part).with_context(|| format!("cannot join {}", part.display()))?;
    }
    let missing = folder.missing(&study)?;
    anyhow::ensure!(
        missing.is_empty(),
        "{} of {} trainings are in none of the shares: {}; train the share that is missing, and join again",
        missing.len(),
        study.n_trainings(),
        crate::report::listed(&missing.iter().map(ToString::to_string).collect::<Vec<_>>(), 10),
    );
    write_tables(&study, &folder)?;
    conclude(&study, &folder, &description, if args.json { Style::Json } else { Style::Human })?;
    Ok(ExitCode::SUCCESS)
}
