//! Predictors: the network of a run folder or of a weight file, or the networks of a study as an ensemble.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use triax_data::{Corpus, PerWindow};
use triax_engine::Engine;
use triax_engine::device::{DeviceChoice, DeviceInfo};
use triax_losses::{Loss, predicted_class};
use triax_model::{Network, NetworkSpec, WeightFile};
use triax_study::{EnsembleScores, Kind, Summary, kept_networks};

use crate::engines::{OpenEngine, open_choice};
use crate::recordings::PER_WINDOW;
use crate::run::Run;
use crate::settings::{EngineName, declare::named};
use crate::study::{Description, is_study};
use crate::{Error, Notice};

named! {
    /// Selects weights of a run.
    pub enum WhichWeights {
        /// Those the run ended with: of the last epoch, or of the best one with --early-stopping
        Last = "last",
        /// Those of the epoch with the lowest validation loss
        Best = "best",
    }
}

/// Options for opening a predictor.
#[derive(Clone, Debug)]
pub struct PredictorOptions {
    /// Which weights of a run folder to use.
    pub weights: WhichWeights,
    /// Name of the study's setting whose networks predict. By default, the one with the best macro-F1.
    pub setting: Option<String>,
    /// Device to compute on.
    pub device: DeviceChoice,
}

impl Default for PredictorOptions {
    /// The last weights, the best setting and the CPU.
    fn default() -> Self {
        Self { weights: WhichWeights::Last, setting: None, device: DeviceChoice::Cpu }
    }
}

/// One or more networks that predict together. They read windows of the same shape and have the same classes.
pub struct Predictor {
    /// Never empty.
    members: Vec<Member>,
    open: OpenEngine,
    /// Names of the channels, if the weight files have them.
    pub channels: Option<Vec<String>>,
    /// Display name of each class.
    pub class_names: Vec<String>,
    /// Samples from one window to the next in training, if the weight files have it.
    pub step: Option<usize>,
    /// Where the networks were read from.
    pub origin: PredictorOrigin,
    /// Notices for the user about the device.
    pub notices: Vec<Notice>,
}

/// A network with everything that its scores depend on.
pub struct Member {
    /// Weights, specification, classes and scaler.
    pub file: WeightFile,
    /// The network that the specification describes.
    pub network: Network,
    /// Normalisation of each window before the scaler.
    per_window: Option<PerWindow>,
    /// Fold of a study in which the network was trained.
    fold: Option<String>,
}

/// Source of a predictor.
pub enum PredictorOrigin {
    /// A run folder.
    Run(Box<Run>),
    /// A weight file alone.
    File,
    /// The folder of a study.
    Study(Box<StudyOrigin>),
}

/// The study that a predictor was read from.
pub struct StudyOrigin {
    /// Folder of the study.
    pub path: PathBuf,
    /// Description of the study.
    pub description: Description,
    /// Results of the study.
    pub summary: Summary,
    /// Name of the setting whose networks predict.
    pub setting: String,
}

/// Prediction for one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Index of the class with the largest score; the first of equal ones.
    pub class: usize,
    /// One score per class.
    pub scores: Vec<f32>,
}

impl Predictor {
    /// Opens a run folder, a weight file, or the networks that a study has kept of its best setting, on the CPU.
    ///
    /// # Errors
    /// Files that cannot be read; a run or a study that is not finished.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path, &PredictorOptions::default())
    }

    /// Like [`Predictor::open`], with the weights, the setting and the device in `options`.
    ///
    /// # Errors
    /// As [`Predictor::open`]; a setting that the study does not have; a device that does not exist.
    pub fn open_with(path: impl AsRef<Path>, options: &PredictorOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        if is_study(path) {
            return Self::open_study(path, options);
        }
        if options.setting.is_some() {
            return Err(Error::Usage(format!("--setting belongs to a study, and {} is none", path.display())));
        }
        if !path.is_dir() {
            return Self::new(vec![Member::read(path, None)?], PredictorOrigin::File, options);
        }
        let run = Run::open(path)?;
        let (file, remedy) = match options.weights {
            WhichWeights::Best => (run.folder.best_path(), "no epoch is complete; go on with triax train --resume"),
            WhichWeights::Last => {
                let remedy = "the run is not finished; use --weights best, or triax train --resume";
                (run.folder.last_path(), remedy)
            }
        };
        if !file.exists() {
            let name = file.file_name().unwrap_or_default().display();
            return Err(Error::Input(format!("{} has no {name} yet: {remedy}", path.display())));
        }
        Self::new(vec![Member::read(&file, None)?], PredictorOrigin::Run(Box::new(run)), options)
    }

    fn open_study(path: &Path, options: &PredictorOptions) -> Result<Self, Error> {
        if options.weights == WhichWeights::Best {
            let problem = "a study keeps the weights that each training has ended with: leave --weights best out";
            return Err(Error::Usage(problem.to_owned()));
        }
        let summary = Summary::read(path)?;
        // The best setting comes first.
        let names: Vec<&str> =
            summary.competitors.iter().filter(|one| one.kind == Kind::Network).map(|one| one.name.as_str()).collect();
        let setting = match &options.setting {
            Some(name) if names.contains(&name.as_str()) => name.clone(),
            Some(name) => {
                let names = names.join("`, `");
                return Err(Error::Usage(format!("{} has no setting `{name}`; it has `{names}`", path.display())));
            }
            None => match names.first() {
                Some(name) => (*name).to_owned(),
                None => return Err(Error::Input(format!("all trainings of {} broke down", path.display()))),
            },
        };
        let networks = kept_networks(path, &summary, &setting)?;
        let members = networks.into_iter().map(|kept| Member::read(&kept.weights, Some(kept.fold)));
        let members = members.collect::<Result<_, _>>()?;
        let (path, description) = (path.to_owned(), Description::read(path)?);
        let origin = PredictorOrigin::Study(Box::new(StudyOrigin { path, description, setting, summary }));
        Self::new(members, origin, options)
    }

    fn new(members: Vec<Member>, origin: PredictorOrigin, options: &PredictorOptions) -> Result<Self, Error> {
        let first = &members[0].file;
        // Specification, classes and metadata are the same in all trainings of a setting.
        let is_same =
            |file: &WeightFile| file.spec == first.spec && file.classes == first.classes && file.extra == first.extra;
        if !members.iter().all(|member| is_same(&member.file)) {
            let problem =
                "the weight files are not of one setting: remove the study's folder weights/, and make it again";
            return Err(Error::Input(problem.to_owned()));
        }
        let list = |key: &str, n: usize| {
            let names: Option<Vec<String>> = first.extra.get(key).and_then(|names| serde_json::from_str(names).ok());
            names.filter(|names| names.len() == n)
        };
        let (open, notices) = open_choice(EngineName::Fused, options.device)?;
        Ok(Self {
            channels: list("channels", first.spec.channels),
            class_names: list("class_names", first.spec.classes).unwrap_or_else(|| first.classes.clone()),
            step: first.extra.get("step").and_then(|step| step.parse().ok()).filter(|step| *step > 0),
            members,
            open,
            origin,
            notices,
        })
    }

    /// The networks. There is at least one.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The specification of the networks: shape of a window, layers, number of classes.
    pub fn spec(&self) -> &NetworkSpec {
        &self.members[0].file.spec
    }

    /// Names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.members[0].file.classes
    }

    /// The device that computes.
    pub fn device(&self) -> &DeviceInfo {
        &self.open.device
    }

    /// The engine that computes.
    pub fn engine(&self) -> &dyn Engine {
        self.open.engine.as_ref()
    }

    /// An entry in the metadata of the weight files.
    pub fn extra(&self, key: &str) -> Option<&str> {
        self.members[0].file.extra.get(key).map(String::as_str)
    }

    /// Predicts the class of each window. `windows` (n_windows, window, channels) are in the sensor's unit, with the
    /// channels in the order of [`Predictor::channels`].
    ///
    /// # Errors
    /// A number of values that is not a multiple of a window's; scores that are not finite.
    pub fn predict(&self, windows: &[f32]) -> Result<Vec<Prediction>, Error> {
        let scores = self.scores(windows)?;
        let rows = scores.chunks_exact(self.classes().len()).enumerate();
        rows.map(|(idx, row)| self.prediction(row, || format!("window {idx} (from 0)"))).collect()
    }

    /// Scores (n_windows, classes) of `windows` (n_windows, window, channels), which are in the sensor's unit. Several
    /// networks give their combined scores.
    ///
    /// # Errors
    /// A number of values that is not a multiple of a window's.
    pub fn scores(&self, windows: &[f32]) -> Result<Vec<f32>, Error> {
        match self.members.as_slice() {
            [one] => one.scores(self.engine(), windows),
            several => self.combined(several.iter(), windows),
        }
    }

    /// Like [`Predictor::scores`], with the networks of one fold of a study. `None` if all of them broke down.
    pub(crate) fn scores_of_fold(&self, fold: &str, windows: &[f32]) -> Result<Option<Vec<f32>>, Error> {
        let mut members = self.members.iter().filter(|member| member.fold.as_deref() == Some(fold)).peekable();
        match members.peek() {
            Some(_) => self.combined(members, windows).map(Some),
            None => Ok(None),
        }
    }

    fn combined<'a>(&self, members: impl Iterator<Item = &'a Member>, windows: &[f32]) -> Result<Vec<f32>, Error> {
        let mut combined = EnsembleScores::new(self.loss()?, self.classes().len());
        for member in members {
            combined.add(&member.scores(self.engine(), windows)?);
        }
        Ok(combined.scores())
    }

    /// Prediction for one row of scores. If they are not finite, the error names the window by `window`.
    pub(crate) fn prediction(&self, scores: &[f32], window: impl Fn() -> String) -> Result<Prediction, Error> {
        if let Some(class) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::Input(format!(
                "{} gets a score of {} for {}: its values are out of all proportion to those the network was trained on",
                window(),
                scores[class],
                self.classes()[class]
            )));
        }
        Ok(Prediction { class: predicted_class(scores), scores: scores.to_vec() })
    }

    /// The loss that the networks were trained with.
    ///
    /// # Errors
    /// A weight file without an entry for the loss.
    pub fn loss(&self) -> Result<Loss, Error> {
        let unknown = || Error::Input("the weight file does not say with which loss it was trained".to_owned());
        self.extra("loss").ok_or_else(unknown)?.parse::<Loss>().map_err(|problem| Error::Input(problem.to_string()))
    }

    /// Index in `channels` of each of the network's channels. They are matched by name if all names are there;
    /// otherwise they are taken in order, with a notice. Messages call the source of `channels` `name`.
    ///
    /// # Errors
    /// A different number of channels.
    pub(crate) fn columns(&self, name: &str, channels: &[String]) -> Result<(Vec<usize>, Option<Notice>), Error> {
        let by_name = self.channels.as_ref().and_then(|names| {
            names.iter().map(|name| channels.iter().position(|channel| channel == name)).collect::<Option<Vec<_>>>()
        });
        match by_name {
            Some(columns) => Ok((columns, None)),
            None => Ok(((0..channels.len()).collect(), self.check_channels(name, channels)?)),
        }
    }

    /// Rejects channels that the network cannot read. Returns a notice if their names differ from those in training.
    fn check_channels(&self, name: &str, channels: &[String]) -> Result<Option<Notice>, Error> {
        let n_channels = self.spec().channels;
        if channels.len() != n_channels {
            let expected = self.channels.as_ref().map_or_else(String::new, |names| format!(" ({})", names.join(", ")));
            return Err(Error::Input(format!(
                "{name} has {} channels ({}), and the network was trained on {n_channels}{expected}",
                channels.len(),
                channels.join(", "),
            )));
        }
        let names = self.channels.as_ref().filter(|names| names.as_slice() != channels);
        Ok(names.map(|names| {
            Notice::Warning(format!(
                "the channels of {name} are called {}, those the network was trained on {}; they are taken in this order.",
                channels.join(", "),
                names.join(", "),
            ))
        }))
    }

    /// Checks that the network can read the recordings. Returns notices where they differ from those it was trained on.
    ///
    /// # Errors
    /// A different number of channels; windows of another length.
    pub fn check(&self, corpus: &Corpus) -> Result<Vec<Notice>, Error> {
        let (name, spec) = (&corpus.name, self.spec());
        let mut notices: Vec<Notice> = self.check_channels(name, &corpus.channels)?.into_iter().collect();
        if let Some(window) = corpus.window.filter(|&window| window != spec.window) {
            return Err(Error::Input(format!(
                "{name} comes in windows of {window} samples, and the network reads windows of {}",
                spec.window
            )));
        }
        let trained_at: Option<f64> = self.extra("rate_hz").and_then(|rate| rate.parse().ok());
        if let (Some(rate), Some(trained_at)) = (corpus.rate_hz, trained_at)
            && (rate / trained_at - 1.0).abs() > 0.1
        {
            notices.push(Notice::Warning(format!(
                "{name} has {rate:.1} samples a second, and the network was trained on {trained_at:.1}: resample the data, \
                 or do not trust the figures."
            )));
        }
        Ok(notices)
    }
}

impl Member {
    fn read(path: &Path, fold: Option<String>) -> Result<Self, Error> {
        let file = WeightFile::read(path)?;
        let network = Network::new(file.spec.clone())?;
        let per_window = file.extra.get(PER_WINDOW).map(|step| step.parse::<PerWindow>()).transpose();
        let per_window =
            per_window.map_err(|problem| Error::Input(format!("{}: {PER_WINDOW}: {problem}", path.display())))?;
        Ok(Self { file, network, per_window, fold })
    }

    /// Scores of windows in the sensor's unit. They are normalised and standardised as in training.
    fn scores(&self, engine: &dyn Engine, windows: &[f32]) -> Result<Vec<f32>, Error> {
        let (file, spec) = (&self.file, &self.file.spec);
        let mut windows = Cow::Borrowed(windows);
        if let Some(per_window) = self.per_window {
            per_window.apply(windows.to_mut(), spec.window, spec.channels).map_err(Error::Input)?;
        }
        Ok(engine.scores(&self.network, &file.weights, file.scaler.as_ref(), &windows)?)
    }
}
