//! What predicts: the network of a run folder or of a weight file, or networks of a study that decide together.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;
use triax_data::{Corpus, PerWindow};
use triax_engine::Engine;
use triax_losses::Loss;
use triax_model::{Network, NetworkSpec, WeightFile};
use triax_study::{Combined, Kind, Summary, kept_networks};

use crate::failure::Usage;
use crate::inputs::PER_WINDOW;
use crate::record::Run;
use crate::study::Description;

/// Which weights of a run.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those the run ended with: of the last epoch, or of the best one with --early-stopping
    Last,
    /// Those of the epoch with the lowest validation loss
    Best,
}

/// One or more networks that predict as one: they read the same windows, and know the same classes.
pub struct Predictor {
    /// Never empty.
    members: Vec<Member>,
    /// Names of the channels, where the weight files have them.
    pub channels: Option<Vec<String>>,
    /// Name to show for each class.
    pub class_names: Vec<String>,
    /// Rows from one window to the next in training, where the weight files say.
    pub step: Option<usize>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A network, and all that its scores depend on.
pub struct Member {
    /// Weights, specification, classes and scaler.
    pub file: WeightFile,
    /// The network of the specification.
    pub network: Network,
    /// What is done to each window before the scaler.
    per_window: Option<PerWindow>,
    /// Name of the fold of a study that it was trained in.
    fold: Option<String>,
}

/// Where a predictor comes from.
pub enum Origin {
    /// A run folder.
    Run(Box<Run>),
    /// A weight file alone.
    File,
    /// The folder of a study.
    Study(Box<OfStudy>),
}

/// What is known of a study.
pub struct OfStudy {
    /// Its folder.
    pub path: PathBuf,
    /// What it is.
    pub description: Description,
    /// What it found.
    pub summary: Summary,
    /// The setting whose networks predict.
    pub setting: String,
}

/// Whether `path` is the folder of a study.
pub fn is_study(path: &Path) -> bool {
    path.join("study.json").exists()
}

impl Predictor {
    /// Reads a run folder, a weight file, or the networks of a setting that a study has kept: of `setting`, or of the
    /// best one by macro-F1.
    pub fn read(path: &Path, which: Which, setting: Option<&str>) -> anyhow::Result<Self> {
        if is_study(path) {
            return Self::of_study(path, which, setting);
        }
        if setting.is_some() {
            return Err(Usage(format!("--setting belongs to a study, and {} is none", path.display())).into());
        }
        if !path.is_dir() {
            return Self::new(vec![Member::read(path, None)?], Origin::File);
        }
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
        Self::new(vec![Member::read(&file, None)?], Origin::Run(Box::new(run)))
    }

    fn of_study(path: &Path, which: Which, setting: Option<&str>) -> anyhow::Result<Self> {
        if which == Which::Best {
            let problem = "a study keeps the weights that each training has ended with: leave --weights best out";
            return Err(Usage(problem.to_owned()).into());
        }
        let summary = Summary::read(path)?;
        // The best comes first.
        let names: Vec<&str> =
            summary.competitors.iter().filter(|one| one.kind == Kind::Network).map(|one| one.name.as_str()).collect();
        let setting = match setting {
            Some(name) if names.contains(&name) => name,
            Some(name) => {
                let names = names.join("`, `");
                return Err(Usage(format!("{} has no setting `{name}`; it has `{names}`", path.display())).into());
            }
            None => names.first().with_context(|| format!("all trainings of {} broke down", path.display()))?,
        };
        let networks = kept_networks(path, &summary, setting)?;
        let members = networks.into_iter().map(|kept| Member::read(&kept.weights, Some(kept.fold)));
        let members = members.collect::<anyhow::Result<_>>()?;
        let (path, description) = (path.to_owned(), Description::read(path)?);
        let of_study = OfStudy { path, description, setting: setting.to_owned(), summary };
        Self::new(members, Origin::Study(Box::new(of_study)))
    }

    fn new(members: Vec<Member>, origin: Origin) -> anyhow::Result<Self> {
        let first = &members.first().context("there is no network")?.file;
        for Member { file, .. } in &members {
            // What a setting gives is the same in all of its trainings.
            anyhow::ensure!(
                file.spec == first.spec && file.classes == first.classes && file.extra == first.extra,
                "the weight files are not of one setting: remove the study's folder weights/, and make it again"
            );
        }
        let list = |key: &str, n: usize| {
            let names: Option<Vec<String>> = first.extra.get(key).and_then(|names| serde_json::from_str(names).ok());
            names.filter(|names| names.len() == n)
        };
        Ok(Self {
            channels: list("channels", first.spec.channels),
            class_names: list("class_names", first.spec.classes).unwrap_or_else(|| first.classes.clone()),
            step: first.extra.get("step").and_then(|step| step.parse().ok()).filter(|step| *step > 0),
            members,
            origin,
        })
    }

    /// The networks.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What the networks read and give.
    pub fn spec(&self) -> &NetworkSpec {
        &self.members[0].file.spec
    }

    /// Names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.members[0].file.classes
    }

    /// An entry in the metadata of the weight files.
    pub fn extra(&self, key: &str) -> Option<&str> {
        self.members[0].file.extra.get(key).map(String::as_str)
    }

    /// Scores (n_windows, classes) of windows (n_windows, window, channels) as the sensors gave them, by all networks.
    pub fn scores(&self, engine: &dyn Engine, windows: &[f32]) -> anyhow::Result<Vec<f32>> {
        match self.members.as_slice() {
            [one] => one.scores(engine, windows),
            several => self.together(several.iter(), engine, windows),
        }
    }

    /// As [`Predictor::scores`], by the networks of one fold of a study; None where all of them broke down.
    pub fn scores_of_fold(&self, fold: &str, engine: &dyn Engine, windows: &[f32]) -> anyhow::Result<Option<Vec<f32>>> {
        let mut of_fold = self.members.iter().filter(|member| member.fold.as_deref() == Some(fold)).peekable();
        match of_fold.peek() {
            Some(_) => self.together(of_fold, engine, windows).map(Some),
            None => Ok(None),
        }
    }

    fn together<'a>(
        &self,
        members: impl Iterator<Item = &'a Member>,
        engine: &dyn Engine,
        windows: &[f32],
    ) -> anyhow::Result<Vec<f32>> {
        let mut together = Combined::new(self.loss()?, self.classes().len());
        for member in members {
            together.add(&member.scores(engine, windows)?);
        }
        Ok(together.scores())
    }

    /// The loss it was trained with.
    pub fn loss(&self) -> anyhow::Result<Loss> {
        let name = self.extra("loss").context("the weight file does not say with which loss it was trained")?;
        Ok(name.parse::<Loss>()?)
    }

    /// Refuses channels that the network cannot read, and warns of names it does not know.
    pub fn check_channels(&self, name: &str, channels: &[String]) -> anyhow::Result<()> {
        let n_channels = self.spec().channels;
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
        let (name, spec) = (&corpus.name, self.spec());
        self.check_channels(name, &corpus.channels)?;
        if let Some(window) = corpus.window {
            anyhow::ensure!(
                window == spec.window,
                "{name} comes in windows of {window} samples, and the network reads windows of {}",
                spec.window
            );
        }
        let trained_at: Option<f64> = self.extra("rate_hz").and_then(|rate| rate.parse().ok());
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

impl Member {
    fn read(path: &Path, fold: Option<String>) -> anyhow::Result<Self> {
        let file = WeightFile::read(path)?;
        let network = Network::new(file.spec.clone())?;
        let per_window = file.extra.get(PER_WINDOW).map(|way| way.parse::<PerWindow>()).transpose();
        let per_window = per_window.map_err(|problem| anyhow!("{}: {PER_WINDOW}: {problem}", path.display()))?;
        Ok(Self { file, network, per_window, fold })
    }

    /// Scores of windows as the sensors gave them, which are made what the network reads first: as in training.
    fn scores(&self, engine: &dyn Engine, windows: &[f32]) -> anyhow::Result<Vec<f32>> {
        let spec = &self.file.spec;
        let mut values = windows.to_vec();
        if let Some(per_window) = self.per_window {
            per_window.apply(&mut values, spec.window, spec.channels).map_err(anyhow::Error::msg)?;
        }
        if let Some(scaler) = &self.file.scaler {
            scaler.apply(&mut values);
        }
        Ok(engine.scores(&self.network, &self.file.weights, &values)?)
    }
}
