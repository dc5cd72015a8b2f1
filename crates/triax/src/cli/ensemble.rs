//! `triax ensemble`: several models as one predictor.

use std::path::PathBuf;
use std::process::ExitCode;

use triax::{Ensemble, Error, MemberSource};

use super::terminal::say;
use super::{output, print_notices};

const EXAMPLES: &str = "\
Examples:
  triax ensemble runs/A runs/B --out runs/both              the mean of the probabilities of two models
  triax ensemble runs/A runs/B --weights 2,1 --out runs/both    the first counts twice
  triax evaluate runs/both                                  as for a run, if the models share data and split

Models may be of different kinds, such as a network and a logistic regression. They share window, step, rate, channels
and classes. The scores of each become probabilities by a softmax, after they were divided by the temperature that its own
validation windows gave; the scores of the ensemble are logarithms of their mean.
The folder holds copies of the models.";

/// Combine trained models into one predictor
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Run folders or weight files
    #[arg(value_name = "RUN", required = true, num_args = 1..)]
    runs: Vec<PathBuf>,
    /// How much each model counts, in the order of the runs [default: all the same]
    #[arg(long, value_name = "W,…", value_delimiter = ',')]
    weights: Vec<f64>,
    /// The folder of the ensemble, new or empty
    #[arg(long, value_name = "DIR", value_parser = output::beside())]
    out: PathBuf,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { runs, mut weights, out } = args;
    if weights.is_empty() {
        weights = vec![1.0; runs.len()];
    }
    if weights.len() != runs.len() {
        let problem = format!("--weights has {} numbers for {} models", weights.len(), runs.len());
        return Err(Error::Usage(problem).into());
    }
    let part = |(path, weight)| MemberSource { path, weight, temperature: None };
    let parts: Vec<MemberSource> = runs.into_iter().zip(weights).map(part).collect();
    print_notices(&Ensemble::make(&parts, &out)?);
    let out = out.display();
    say(format_args!("ensemble of {} models: {out}", parts.len()));
    say(format_args!("  triax evaluate {out}"));
    say(format_args!("  triax predict {out} --data PATH --out predictions.csv"));
    Ok(ExitCode::SUCCESS)
}
