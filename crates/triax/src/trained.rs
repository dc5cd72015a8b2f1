//! A trained network on disk: a run folder, or a weight file alone.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;
use triax_data::{Corpus, PerWindow, Windows};
use triax_engine::WindowSet;
use triax_losses::Loss;
use triax_model::{Network, WeightFile};

use crate::inputs::PER_WINDOW;
use crate::record::Run;

/// Which weights of a run.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those the run ended with: of the last epoch, or of the best one with --early-stopping
    Last,
    /// Those of the epoch with the lowest validation loss
    Best,
}

/// Everything needed to use a network.
pub struct Trained {
    /// Weights, specification, classes and scaler.
    pub file: WeightFile,
    /// The network of the specification.
    pub network: Network,
    /// Names of the channels, where the file has them.
    pub channels: Option<Vec<String>>,
    /// Name to show for each class.
    pub class_names: Vec<String>,
    /// Rows from one window to the next in training, where the file says.
    pub step: Option<usize>,
    /// What is done to each window before the scaler.
    pub per_window: Option<PerWindow>,
    /// The run, where it is known.
    pub run: Option<Run>,
}

impl Trained {
    /// Reads a run folder or a weight file.
    pub fn read(path: &Path, which: Which) -> anyhow::Result<Self> {
        let (run, file) = if path.is_dir() {
            let run = Run::open(path)?;
            let file = match which {
                Which::Best => run.folder.best_path(),
                Which::Last => run.folder.last_path(),
            };
            anyhow::ensure!(
                file.exists(),
                "{} has no {} yet: {}",
                path.display(),
                file.file_name().unwrap_or_default().display(),
                match which {
                    Which::Best => "no epoch is complete; go on with triax train --resume",
                    Which::Last => "the run is not finished; use --weights best, or triax train --resume",
                }
            );
            (Some(run), WeightFile::read(file)?)
        } else {
            (None, WeightFile::read(path)?)
        };
        let network = Network::new(file.spec.clone())?;
        let list = |key: &str, n: usize| {
            let names: Option<Vec<String>> = file.extra.get(key).and_then(|names| serde_json::from_str(names).ok());
            names.filter(|names| names.len() == n)
        };
        let per_window = file.extra.get(PER_WINDOW).map(|way| way.parse::<PerWindow>()).transpose();
        let per_window = per_window.map_err(|problem| anyhow!("{}: {PER_WINDOW}: {problem}", path.display()))?;
        Ok(Self {
            per_window,
            channels: list("channels", file.spec.channels),
            class_names: list("class_names", file.spec.classes).unwrap_or_else(|| file.classes.clone()),
            step: file.extra.get("step").and_then(|step| step.parse().ok()).filter(|step| *step > 0),
            network,
            file,
            run,
        })
    }

    /// Makes raw windows (n_windows, window, channels) what the network reads: as in training.
    pub fn prepare(&self, values: &mut [f32]) -> anyhow::Result<()> {
        let spec = &self.file.spec;
        if let Some(per_window) = self.per_window {
            per_window.apply(values, spec.window, spec.channels).map_err(anyhow::Error::msg)?;
        }
        if let Some(scaler) = &self.file.scaler {
            scaler.apply(values);
        }
        Ok(())
    }

    /// Moves the values of `windows` to where engines take scores of them, prepared.
    pub fn window_set(&self, windows: &mut Windows) -> anyhow::Result<WindowSet> {
        let mut values = std::mem::take(&mut windows.values);
        self.prepare(&mut values)?;
        Ok(WindowSet { windows: values.into(), labels: windows.labels.clone().into(), sample_weights: None })
    }

    /// The loss it was trained with.
    pub fn loss(&self) -> anyhow::Result<Loss> {
        let name =
            self.file.extra.get("loss").context("the weight file does not say with which loss it was trained")?;
        Ok(name.parse::<Loss>()?)
    }

    /// Refuses channels that the network cannot read, and warns of names it does not know.
    pub fn check_channels(&self, name: &str, channels: &[String]) -> anyhow::Result<()> {
        let n_channels = self.file.spec.channels;
        let expected = self.channels.as_ref().map_or_else(String::new, |names| format!(" ({})", names.join(", ")));
        anyhow::ensure!(
            channels.len() == n_channels,
            "{name} has {} channels ({}), and the network was trained on {n_channels}{expected}",
            channels.len(),
            channels.join(", "),
        );
        if let Some(names) = &self.channels
            && names != channels
        {
            eprintln!(
                "warning: the channels of {name} are called {}, those the network was trained on {}; they are taken in \
                 this order.",
                channels.join(", "),
                names.join(", "),
            );
        }
        Ok(())
    }

    /// Refuses recordings that the network cannot read, and warns of those it was not made for.
    pub fn check(&self, corpus: &Corpus) -> anyhow::Result<()> {
        let (name, spec) = (&corpus.name, &self.file.spec);
        self.check_channels(name, &corpus.channels)?;
        if let Some(window) = corpus.window {
            anyhow::ensure!(
                window == spec.window,
                "{name} comes in windows of {window} samples, and the network reads windows of {}",
                spec.window
            );
        }
        let trained_at: Option<f64> = self.file.extra.get("rate_hz").and_then(|rate| rate.parse().ok());
        if let (Some(rate), Some(trained_at)) = (corpus.rate_hz, trained_at)
            && (rate / trained_at - 1.0).abs() > 0.1
        {
            eprintln!(
                "warning: {name} has {rate:.1} samples a second, and the network was trained on {trained_at:.1}: \
                 resample the data, or do not trust the figures."
            );
        }
        Ok(())
    }
}
