//! `triax model`: the layers of a network, without training it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use triax::settings::{Entries, NetworkSettings};
use triax::{Predictor, PredictorOptions, Settings, WhichWeights, is_study};
use triax_model::{Network, NetworkSpec};

use super::options::{GivenSettings, positive};

const EXAMPLES: &str = "\
Examples:
  triax model                                   the network that triax train trains by default
  triax model --window 200 --channels 6 --convs 16:5:2:2,32:3:1,32:3:1:2 --hidden 64
  triax model --config settings.json --classes 18
  triax model runs/NAME                         the network of a run, of a weight file, or of a study";

/// The options that describe a network.
const SHAPE: [&str; 7] = ["config", "window", "channels", "classes", "convs", "hidden", "dropout"];

/// Show the layers and parameters of a network
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Show the network of this run folder, weight file or study
    #[arg(value_name = "RUN", conflicts_with_all = SHAPE)]
    trained: Option<PathBuf>,
    /// Read the network's shape from a config file of `triax train`; options given here win
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Samples in a window [default: 120]
    #[arg(long, value_name = "SAMPLES", value_parser = positive())]
    window: Option<usize>,
    /// Sensor channels
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = positive())]
    channels: usize,
    /// Classes
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = positive())]
    classes: usize,
    #[command(flatten)]
    network: GivenSettings<NetworkSettings>,
    /// Print the specification and the parameters as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let trained = args.trained.as_deref().map(|path| {
        // A run has best weights as soon as an epoch is complete; a study knows none.
        let weights = if is_study(path) { WhichWeights::Last } else { WhichWeights::Best };
        Predictor::open_with(path, &PredictorOptions { weights, ..PredictorOptions::default() })
    });
    let trained = trained.transpose()?;
    let network = match &trained {
        Some(predictor) => predictor.members()[0].network.clone(),
        None => Network::new(spec(&args)?)?,
    };
    let mut out = io::stdout().lock();
    if args.json {
        let parameters: Vec<_> =
            network.parameters().iter().map(|p| json!({"name": p.name, "shape": p.shape})).collect();
        let description = json!({
            "spec": network.spec(), "n_parameters": network.n_parameters(), "parameters": parameters,
        });
        writeln!(out, "{description:#}")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}", network.summary().trim_end())?;
    if let Some(predictor) = trained {
        writeln!(out)?;
        writeln!(out, "classes   {}", predictor.class_names.join(", "))?;
        for (channel, name) in predictor.channels.iter().flatten().enumerate() {
            let scale = match (predictor.members(), &predictor.members()[0].file.scaler) {
                (_, None) => "as it is".to_owned(),
                ([_], Some(scaler)) => {
                    format!("mean {:.4}, deviation {:.4}", scaler.mean[channel], scaler.scale[channel])
                }
                (several, Some(_)) => format!("standardised by each of the {} networks for itself", several.len()),
            };
            writeln!(out, "channel   {name}: {scale}")?;
        }
        for key in ["loss", "rate_hz", "synthetic"] {
            if let Some(value) = predictor.extra(key) {
                writeln!(out, "{key:<9} {value}")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The specification that options and config file describe.
fn spec(args: &Args) -> anyhow::Result<NetworkSpec> {
    let mut given: Entries = args.network.entries.clone();
    given.extend(args.window.map(|window| ("window".to_owned(), window.into())));
    let settings = match &args.config {
        Some(file) => Settings::from_file_and(file, &given)?,
        None => Settings::from_entries(&given)?,
    };
    let window = settings.data.window.unwrap_or(NetworkSpec::default().window);
    Ok(settings.network.spec(window, args.channels, args.classes))
}
