//! `triax model`: the layers of a network, without training it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::json;
use triax_model::{Network, NetworkSpec};

use crate::config;
use crate::predictor::{Predictor, Which, is_study};
use crate::settings::NetworkSettings;
use crate::values::positive;

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
    /// Samples in a window
    #[arg(long, value_name = "SAMPLES", default_value_t = 120, value_parser = positive())]
    window: usize,
    /// Sensor channels
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = positive())]
    channels: usize,
    /// Classes
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = positive())]
    classes: usize,
    #[command(flatten)]
    network: NetworkSettings,
    /// Print the specification and the parameters as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub fn run(args: Args, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let trained = args.trained.as_deref().map(read).transpose()?;
    let network = match &trained {
        Some(predictor) => predictor.members()[0].network.clone(),
        None => Network::new(spec(&args, matches)?)?,
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

/// What is in a run folder, in a weight file or in a study's folder.
fn read(path: &Path) -> anyhow::Result<Predictor> {
    // A run has best weights as soon as an epoch is complete; a study knows none.
    let which = if is_study(path) { Which::Last } else { Which::Best };
    Predictor::read(path, which, None)
}

/// The specification that options and config file describe.
fn spec(args: &Args, matches: &ArgMatches) -> anyhow::Result<NetworkSpec> {
    let mut window = args.window;
    let mut network = args.network.clone();
    if let Some(file) = &args.config {
        let settings = config::settings(file, &config::read(file)?)?;
        let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        if !given("window") {
            window = settings.data.window.unwrap_or(window);
        }
        network = NetworkSettings {
            convs: if given("convs") { network.convs } else { settings.network.convs },
            hidden: if given("hidden") { network.hidden } else { settings.network.hidden },
            dropout: if given("dropout") { network.dropout } else { settings.network.dropout },
        };
    }
    Ok(network.spec(window, args.channels, args.classes))
}
