//! `triax import`: a network that was trained elsewhere, as a weight file.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use triax::text::{listed, network_in_words};
use triax::{ImportOptions, Loss, import};
use triax_model::{Network, Scaler, whole_file};

use super::options::names;
use super::output::{self, Source, check_is_not_read};
use super::print_notices;
use super::terminal::{out, visible};

const EXAMPLES: &str = "\
Examples:
  triax import model.keras --out imported.safetensors --classes sitting,standing,walking --rate 20
  triax evaluate imported.safetensors --data recordings/
  triax predict imported.safetensors --data recordings.csv --out predictions.csv
  triax import model.onnx --out imported.safetensors --classes sitting,standing,walking --channels x,y,z
  triax import model.h5 --out imported.safetensors --mean 0.1,0.2,9.7 --deviation 3.1,2.8,4.0
  triax train --init-weights model.keras --data recordings/     goes on training, with the same layers

The result is a weight file, which every command takes in place of a run folder: a network that was trained elsewhere has no
recordings and no history that a run folder could hold.

Read are .keras files, and .h5 files of a whole model, sequential or functional, of the layers InputLayer, Normalization,
Conv1D, MaxPooling1D, AveragePooling1D, GlobalMaxPooling1D, GlobalAveragePooling1D, Dropout, SpatialDropout1D, Flatten, Dense,
Activation, ReLU, ELU, LeakyReLU, Softmax and BatchNormalization, which is folded into weights; and .onnx files of the same
networks, from PyTorch (torch.onnx.export of a model in eval(), with external_data=False), tf2onnx or Triax. Any other layer
is refused by its name.";

/// Make a weight file of a network that was trained in Keras or PyTorch
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file: .keras, .h5 of a whole model, or .onnx
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The weight file to write
    #[arg(long, value_name = "RUN", value_parser = output::beside())]
    out: PathBuf,
    /// Names of the classes in the order of the scores, as the recordings have them [default: those of the file, or 0, 1, …]
    #[arg(long, value_name = "NAME,…")]
    classes: Vec<String>,
    /// Names of the channels in the order of the input [default: those of the file; else channels are taken in their order]
    #[arg(long, value_name = "NAME,…")]
    channels: Vec<String>,
    /// Samples a second [default: that of the file; else recordings are not resampled]
    #[arg(long, value_name = "HZ", value_parser = rate)]
    rate: Option<f64>,
    /// Loss that it was trained with [default: that of the file; else categorical_crossentropy with a softmax, squared_hinge without]
    #[arg(long, value_name = "NAME", value_parser = loss)]
    loss: Option<Loss>,
    /// Mean of each channel, where windows were standardised before they came to the network
    #[arg(long, value_name = "M,…", value_delimiter = ',', allow_hyphen_values = true, requires = "deviation")]
    mean: Vec<f32>,
    /// Deviation of each channel, by which its difference to the mean was divided
    #[arg(long, value_name = "D,…", value_delimiter = ',', requires = "mean")]
    deviation: Vec<f32>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { file, out: to, rate, loss, mean, deviation, .. } = args;
    check_is_not_read(&to, &[Source::Path(&file)])?;
    let is_folder = to.is_dir() || to.as_os_str().as_encoded_bytes().ends_with(b"/");
    ensure!(!is_folder, "{} is a folder: name the weight file that is to be written", to.display());
    let options = ImportOptions {
        classes: names(&args.classes),
        channels: names(&args.channels),
        rate_hz: rate,
        loss,
        scaler: (!mean.is_empty()).then_some(Scaler { mean, scale: deviation }),
    };
    let (imported, notices) = import(&file, &options)?;
    print_notices(&notices);
    output::make_folder(whole_file::folder_of(&to))?;
    imported.write(&to)?;

    let mut out = out();
    writeln!(out, "network   {}", network_in_words(&Network::new(imported.spec.clone())?))?;
    writeln!(out, "classes   {}", visible(&listed(&imported.classes, 20)))?;
    writeln!(out, "imported  {}", to.display())?;
    writeln!(out, "  triax evaluate {} --data PATH", to.display())?;
    writeln!(out, "  triax predict {} --data PATH --out predictions.csv", to.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a rate.
fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok();
    rate.filter(|rate| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| "a number of samples a second is needed".to_owned())
}

/// Reads the name of a loss.
fn loss(name: &str) -> Result<Loss, String> {
    name.parse().map_err(|problem: triax_losses::UnknownLoss| problem.to_string())
}
