//! `triax pretrain`: layers that are trained without labels, as a file that `train --init-weights` takes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use serde_json::json;
use triax::settings::{
    AugmentationSettings, DataSettings, DataSource, Group, MachineSettings, NetworkSettings, Setting, TrainingSettings,
};
use triax::text::{grouped, joined, network_in_words};
use triax::{KeptLayers, PretrainOptions, Pretrained, Pretraining, Settings};
use triax_model::whole_file;

use super::options::{GivenSettings, Groups, named, names};
use super::output::{self, Source};
use super::print_notices;
use super::progress::{Style, StyleArgs, TrainingProgress, interruption};
use super::terminal::{log, say, tell, visible};

const EXAMPLES: &str = "\
Examples:
  triax pretrain --data unlabelled/ --out first.safetensors
  triax train --data labelled/ --init-weights first.safetensors
  triax pretrain --data WISDM/ --without 1600,1604 --out first.safetensors     nothing of people who will be judged
  triax study --data WISDM/ --vary 'init-weights=scratch:none|pretrained:first.safetensors'

The recordings may be without activities and subjects. The convolutions of the network are kept, and suit every training with
the same convolutions: for --preset subject, --convs 32:5:1:2,64:5:1:2,96:5:1:2. With --keep all its hidden layers are kept
too, and the training must have the same.

Each of many short stretches of the recordings is a class of its own. The network learns to tell them apart, however their
windows are varied (Dosovitskiy et al. 2014). The variations are those of Augmentation; by default
--flip-axes --rotate 45 --scale-windows 0.1 --time-warp 0.1 --jitter 0.1.";

/// Train the layers of a network without labels, to start other trainings from
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    settings: GivenSettings<Unlabelled>,
    #[command(flatten)]
    pretraining: PretrainArgs,
}

/// The settings that mean something without labels.
struct Unlabelled;

impl Groups for Unlabelled {
    const GROUPS: &'static [Group] = &[
        DataSettings::GROUP,
        NetworkSettings::GROUP,
        TrainingSettings::GROUP,
        AugmentationSettings::GROUP,
        MachineSettings::GROUP,
    ];

    fn offers(setting: &Setting) -> bool {
        const OF_CLASSES: [&str; 5] = ["loss", "label_smoothing", "class_weights", "sampling", "mix"];
        !OF_CLASSES.contains(&setting.name) && !["preset", "early_stopping", "log_steps"].contains(&setting.name)
    }
}

/// What is learnt and kept, and what is printed.
#[derive(clap::Args)]
#[command(next_help_heading = "Pretraining")]
struct PretrainArgs {
    /// The file to write, or a folder for pretrained.safetensors
    #[arg(long, value_name = "FILE|DIR", value_parser = output::beside())]
    out: PathBuf,
    /// The layers to keep
    #[arg(long, value_name = "LAYERS", value_parser = named::<KeptLayers>(KeptLayers::choices), default_value = "convolutions")]
    keep: KeptLayers,
    /// Subjects whose recordings are left out, such as those who will be judged
    #[arg(long, value_name = "ID,…")]
    without: Vec<String>,
    /// The most stretches to tell apart, drawn by the seed
    #[arg(long, value_name = "N", default_value_t = PretrainOptions::default().stretches)]
    stretches: usize,
    #[command(flatten)]
    style: StyleArgs,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let PretrainArgs { out, keep, without, stretches, style } = args.pretraining;
    let style = style.style();
    let options = PretrainOptions { keep, without: names(&without), stretches };
    let mut entries = PretrainOptions::entries();
    entries.extend(args.settings.entries);
    let settings = Settings::from_entries(&entries)?;
    let is_folder = out.is_dir() || out.as_os_str().as_encoded_bytes().ends_with(b"/");
    let file = if is_folder { out.join("pretrained.safetensors") } else { out };
    check_file(&file, &settings)?;

    let pretraining = Pretraining::new(settings, options)?;
    print_notices(&pretraining.notices);
    if style == Style::Human {
        header(&mut log(), &pretraining, &file)?;
    }
    let interrupted = interruption("stopping; nothing is written", "nothing is written")?;
    let mut progress = TrainingProgress::new(style, &pretraining.plan, pretraining.train.len(), interrupted);
    let trained = pretraining.run(&mut progress)?;
    drop(progress);
    let Some(pretrained) = trained else {
        tell("stopped: nothing is written");
        return Ok(ExitCode::FAILURE);
    };
    output::make_folder(whole_file::folder_of(&file))?;
    output::write(&file, &pretrained.weights.to_bytes())?;
    conclude(&pretraining, &pretrained, &file, style);
    Ok(ExitCode::SUCCESS)
}

/// Refuses a file that cannot be written, or is read, before anything is trained.
fn check_file(file: &Path, settings: &Settings) -> anyhow::Result<()> {
    let mut sources = Vec::new();
    if let DataSource::Path(path) = &settings.data.data {
        sources.push(Source::Path(path));
    }
    sources.extend(settings.training.init_weights.as_deref().map(Source::Path));
    output::check_is_not_read(file, &sources)?;
    ensure!(!file.is_dir(), "{} is a folder: name the file that is to be written", file.display());
    Ok(())
}

/// Prints the data, the network and the settings.
fn header(out: &mut dyn Write, pretraining: &Pretraining, file: &Path) -> std::io::Result<()> {
    let Pretraining { settings, corpus, network, plan, engine, train, .. } = pretraining;
    let n_subjects = corpus.subjects().len();
    let subjects = if n_subjects == 0 { "unknown".to_owned() } else { n_subjects.to_string() };
    writeln!(out, "data      {}", visible(&corpus.name))?;
    writeln!(out, "          {subjects} subjects, {} channels", corpus.channels.len())?;
    let (n_stretches, n_windows) = (grouped(network.spec().classes), grouped(train.len()));
    writeln!(out, "task      tell {n_stretches} stretches of {n_windows} windows apart")?;
    writeln!(out, "network   {}", network_in_words(network))?;
    writeln!(
        out,
        "training  {}, learning rate {}, batches of {}, {} epochs, seed {}",
        settings.training.optimizer.name(),
        plan.learning_rate,
        plan.training.batch_size,
        plan.epochs,
        settings.training.seed,
    )?;
    writeln!(out, "device    {} (engine {})", engine.open.device, engine.open.engine.name())?;
    if let Some(why) = &engine.why {
        writeln!(out, "          {why}")?;
    }
    writeln!(out, "file      {}", file.display())?;
    writeln!(out)
}

/// Prints what was written.
fn conclude(pretraining: &Pretraining, pretrained: &Pretrained, file: &Path, style: Style) {
    let (layers, _) = pretrained.weights.layers(&pretraining.network);
    let loss = pretrained.history.last().map(|epoch| epoch.loss);
    match style {
        Style::Quiet => {}
        Style::Json => say(json!({ "event": "end", "file": file, "layers": layers, "loss": loss })),
        Style::Human => {
            let layers: Vec<String> = layers.iter().map(ToString::to_string).collect();
            say(format_args!("\nwritten   {} of {}", joined(&layers), file.display()));
            say(format_args!("  triax train --data PATH --init-weights {}", file.display()));
        }
    }
}
