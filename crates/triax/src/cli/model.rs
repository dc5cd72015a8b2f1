//! `triax model`: the layers of a network and what it costs, without training it, and the kernels that train it on a GPU.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};
use triax::settings::{Entries, NetworkSettings};
use triax::{
    ChannelScale, Latency, Member, Predictor, PredictorOptions, Preprocessing, Settings, WhichWeights, is_study,
};
use triax_model::text::{binary_size, grouped};
use triax_model::{Network, NetworkSpec, Precision, whole_file};

use super::options::{GivenSettings, n_models, positive};
use super::output;
use super::terminal::{out, visible};

const EXAMPLES: &str = "\
Examples:
  triax model                                   the network that triax train trains by default
  triax model --window 200 --channels 6 --convs 16:5:2:2,32:3:1,32:3:1:2 --hidden 64
  triax model --config settings.json --classes 18
  triax model runs/NAME                         the network of a run, of a weight file, or of a study
  triax model --wgsl kernels                    what trains it on a GPU, a file for each dispatch of a step

The memory of activations is that of the layer whose input and output together are the largest: both live while it computes.
Flash is for the parameters alone. The latency is that of calls with one window each, by this processor, with preprocessing.";

/// The most parameters of a network whose weights are drawn, only to measure it: 64 MiB.
const MOST_DRAWN: usize = 1 << 24;

/// The options that describe a network.
const SHAPE: [&str; 7] = ["config", "window", "channels", "classes", "convs", "hidden", "dropout"];

/// Show the layers of a network, what it costs, and what happens to a window before it
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
    /// Print specification, parameters, cost and preprocessing as JSON
    #[arg(long)]
    json: bool,
    /// Write the WGSL that trains the network on a GPU to this folder: a file for each stage of a step, of an evaluation and
    /// of scoring, in the order in which they run. Loss, optimizer and augmentation are those of --config
    #[arg(long, value_name = "DIR", value_parser = output::beside(), conflicts_with = "json")]
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
        Some(predictor) => predictor.networks("this description")?[0].network.clone(),
        None => Network::new(spec(&args)?)?,
    };
    let mut out = out();
    if let Some(folder) = &args.wgsl {
        let sources = kernels(&network, &settings(&args)?, args.models)?;
        write_kernels(&mut out, folder, &sources)?;
        return Ok(ExitCode::SUCCESS);
    }
    let latency = match &trained {
        Some(predictor) => Some(Latency::of_predictor(predictor)?),
        None if network.n_parameters() <= MOST_DRAWN => Some(Latency::of_network(&network)?),
        None => None,
    };
    if args.json {
        writeln!(out, "{:#}", description(&network, trained.as_ref(), latency.as_ref()))?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}", network.summary().trim_end())?;
    writeln!(out)?;
    let n_networks = trained.as_ref().map_or(1, |predictor| predictor.members().len());
    cost(&mut out, &network, n_networks, latency.as_ref())?;
    if let Some(predictor) = &trained {
        writeln!(out)?;
        facts(&mut out, predictor)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All about a network, as JSON. Sizes are in bytes, times in seconds.
fn description(network: &Network, trained: Option<&Predictor>, latency: Option<&Latency>) -> Value {
    let cost = network.cost();
    let parameters: Vec<_> = network.parameters().iter().map(|p| json!({"name": p.name, "shape": p.shape})).collect();
    let bytes = |of: &dyn Fn(Precision) -> usize| json!({"f32": of(Precision::F32), "f16": of(Precision::F16), "int8": of(Precision::Int8)});
    let mut description = json!({
        "spec": network.spec(), "n_parameters": network.n_parameters(), "parameters": parameters,
        "layers": cost.layers, "multiply_adds": cost.multiply_adds(), "latency": latency,
        "activations": bytes(&|precision| cost.peak_bytes(precision)), "activations_at": cost.peak().name,
        "flash": bytes(&|precision| cost.parameter_bytes(precision)),
    });
    if let Some(predictor) = trained {
        description["preprocessing"] = json!(preprocessing(predictor));
    }
    description
}

/// What a network costs. `latency` is that of `n_networks` together.
fn cost(out: &mut impl Write, network: &Network, n_networks: usize, latency: Option<&Latency>) -> io::Result<()> {
    let cost = network.cost();
    let peak = cost.peak();
    if n_networks > 1 {
        writeln!(out, "cost      of one of the {n_networks} networks")?;
    }
    writeln!(out, "work      {} multiply-adds a window", grouped(cost.multiply_adds()))?;
    writeln!(
        out,
        "memory    {} of activations in f32, {} in int8: the input and output of {}, {} and {} values",
        binary_size(cost.peak_bytes(Precision::F32)),
        binary_size(cost.peak_bytes(Precision::Int8)),
        peak.name,
        grouped(peak.n_inputs as u64),
        grouped(peak.n_outputs as u64),
    )?;
    let [f32, f16, int8] =
        [Precision::F32, Precision::F16, Precision::Int8].map(|precision| binary_size(cost.parameter_bytes(precision)));
    writeln!(out, "flash     {f32} of parameters in f32, {f16} in f16, {int8} in int8, with 32-bit biases;")?;
    writeln!(out, "          on top come code, the frame of a format, and in int8 a scale for each output channel")?;
    match latency {
        Some(Latency { n_calls, median, lower, upper, processor }) => {
            let (median, lower, upper) = (duration(*median), duration(*lower), duration(*upper));
            let together = if n_networks > 1 { ", all networks" } else { "" };
            let n_calls = grouped(*n_calls as u64);
            writeln!(
                out,
                "latency   {median} a window{together} on {processor}: the median of {n_calls}; half take {lower} to {upper}"
            )
        }
        None => writeln!(out, "latency   not measured: the weights of so large a network are not drawn for that"),
    }
}

/// What a trained network was trained for, and what happens to a window before it.
fn facts(out: &mut impl Write, predictor: &Predictor) -> io::Result<()> {
    writeln!(out, "classes   {}", visible(&predictor.class_names.join(", ")))?;
    if let Some(channels) = &predictor.channels {
        writeln!(out, "channels  {}", visible(&channels.join(", ")))?;
    }
    for key in ["loss", "rate_hz", "synthetic"] {
        if let Some(value) = predictor.extra(key) {
            writeln!(out, "{key:<9} {value}")?;
        }
    }
    let all = preprocessing(predictor);
    let Preprocessing { steps, channels } = &all[0];
    if steps.is_empty() {
        writeln!(out, "before    the window is read as the sensor gives it")?;
    }
    for (n, step) in steps.iter().enumerate() {
        writeln!(out, "before {}. {step}", n + 1)?;
    }
    if all.len() > 1 && !channels.is_empty() {
        return writeln!(
            out,
            "          with numbers of its own by each of the {} networks; --json has them",
            all.len()
        );
    }
    for ChannelScale { channel, mean, scale } in channels {
        writeln!(out, "          {}: mean {mean}, scale {scale}", visible(channel))?;
    }
    Ok(())
}

/// What happens to a window before each network.
fn preprocessing(predictor: &Predictor) -> Vec<Preprocessing> {
    let names = predictor.channels.as_deref();
    let networks = predictor.members().iter().filter_map(Member::network);
    networks.map(|network| Preprocessing::of(network, names)).collect()
}

/// Seconds in the unit that suits them.
fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1e-3 => format!("{:.1} µs", 1e6 * seconds),
        seconds if seconds < 1.0 => format!("{:.2} ms", 1e3 * seconds),
        seconds => format!("{seconds:.2} s"),
    }
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
    output::make_folder(folder)?;
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
    Ok(settings.network.spec(window, settings.data.network_channels(args.channels)?, args.classes))
}

fn settings(args: &Args) -> anyhow::Result<Settings> {
    let mut given: Entries = args.network.entries.clone();
    given.extend(args.window.map(|window| ("window".to_owned(), window.into())));
    Ok(match &args.config {
        Some(file) => Settings::from_file_and(file, &given)?,
        None => Settings::from_entries(&given)?,
    })
}
