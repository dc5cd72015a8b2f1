//! `triax model`: the layers of a network, without training it, and the kernels that train it on a GPU.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;
use triax::settings::{Entries, NetworkSettings};
use triax::{Predictor, PredictorOptions, Settings, WhichWeights, is_study};
use triax_model::{Network, NetworkSpec, whole_file};

use super::options::{GivenSettings, n_models, positive};
use super::terminal::{out, visible};

const EXAMPLES: &str = "\
Examples:
  triax model                                   the network that triax train trains by default
  triax model --window 200 --channels 6 --convs 16:5:2:2,32:3:1,32:3:1:2 --hidden 64
  triax model --config settings.json --classes 18
  triax model runs/NAME                         the network of a run, of a weight file, or of a study
  triax model --wgsl kernels                    what trains it on a GPU, a file for each dispatch of a step";

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
    /// Write the WGSL that trains the network on a GPU to this folder: a file for each stage of a step, of an evaluation and
    /// of scoring, in the order in which they run. Loss, optimizer and augmentation are those of --config
    #[arg(long, value_name = "DIR", conflicts_with = "json")]
    wgsl: Option<PathBuf>,
    /// With --wgsl: the models that are trained together. Small fleets have other kernels than large ones
    #[arg(long, value_name = "N", default_value_t = 1, requires = "wgsl", value_parser = n_models())]
    models: usize,
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
    let mut out = out();
    if let Some(folder) = &args.wgsl {
        let sources = kernels(&network, &settings(&args)?, args.models)?;
        write_kernels(&mut out, folder, &sources)?;
        return Ok(ExitCode::SUCCESS);
    }
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
        writeln!(out, "classes   {}", visible(&predictor.class_names.join(", ")))?;
        for (channel, name) in predictor.channels.iter().flatten().enumerate() {
            let scale = match (predictor.members(), &predictor.members()[0].file.scaler) {
                (_, None) => "as it is".to_owned(),
                ([_], Some(scaler)) => {
                    format!("mean {:.4}, deviation {:.4}", scaler.mean[channel], scaler.scale[channel])
                }
                (several, Some(_)) => format!("standardised by each of the {} networks for itself", several.len()),
            };
            writeln!(out, "channel   {}: {scale}", visible(name))?;
        }
        for key in ["loss", "rate_hz", "synthetic"] {
            if let Some(value) = predictor.extra(key) {
                writeln!(out, "{key:<9} {value}")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The WGSL of every stage that trains `network` in a fleet of `models`, with the names of their files.
fn kernels(network: &Network, settings: &Settings, models: usize) -> anyhow::Result<Vec<(String, String)>> {
    let classes: Vec<String> = (0..network.spec().classes).map(|class| class.to_string()).collect();
    let plan = settings.fit_plan(network, &classes)?.training;
    let sources = triax_engine::wgsl(network, &plan, models)?.into_iter();
    Ok(sources.map(|(name, source)| (format!("{}.wgsl", name.replace(' ', "-")), source)).collect())
}

/// Writes `sources` to a folder that is new or empty, so that it holds nothing of another network.
fn write_kernels(out: &mut impl Write, folder: &Path, sources: &[(String, String)]) -> anyhow::Result<()> {
    let in_folder = || folder.display().to_string();
    fs::create_dir_all(folder).with_context(in_folder)?;
    if fs::read_dir(folder).with_context(in_folder)?.next().is_some() {
        anyhow::bail!("{} is not empty; name a new folder", folder.display());
    }
    for (name, source) in sources {
        let path = folder.join(name);
        whole_file::write(&path, source.as_bytes()).with_context(|| path.display().to_string())?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

/// The specification that options and config file describe.
fn spec(args: &Args) -> anyhow::Result<NetworkSpec> {
    let settings = settings(args)?;
    let window = settings.data.window.unwrap_or(NetworkSpec::default().window.into());
    let (window, _) = window.samples("window", settings.data.rate, 0)?;
    Ok(settings.network.spec(window, args.channels, args.classes))
}

fn settings(args: &Args) -> anyhow::Result<Settings> {
    let mut given: Entries = args.network.entries.clone();
    given.extend(args.window.map(|window| ("window".to_owned(), window.into())));
    Ok(match &args.config {
        Some(file) => Settings::from_file_and(file, &given)?,
        None => Settings::from_entries(&given)?,
    })
}
