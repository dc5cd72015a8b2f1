//! Predictors: the model of a run folder or of a weight file, the models of a study as one, or an ensemble of several kinds.

mod member;
mod reading;
mod scoring;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use triax_engine::Engine;
use triax_engine::device::{DeviceChoice, DeviceInfo};
use triax_losses::{Loss, predicted_class};
use triax_model::WeightFile;
use triax_study::{EnsembleScores, Kind, Summary, kept_networks};

use crate::engines::open_choice;
use crate::ensemble::Ensemble;
use crate::import::is_of_another_program;
use crate::recordings::RATE;
use crate::run::Run;
use crate::settings::{EngineName, declare::named};
use crate::study::{Description, Labels, is_study};
use crate::{Error, Notice};
use scoring::Scoring;

pub use member::{ClassicalMember, Member, Model, NetworkMember};

/// Multiply-adds for which a GPU is worth opening where the device is `auto`. A processor does this many in about a
/// second, and to open a GPU and compile for it takes about as long.
const WORTH_A_GPU: u64 = 20_000_000_000;

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
    /// Device to compute on. With `auto`, the CPU scores streams and all that takes it less than about a second; for more
    /// windows at once, it is the first hardware GPU.
    pub device: DeviceChoice,
}

impl Default for PredictorOptions {
    /// The last weights, the best setting and the CPU.
    fn default() -> Self {
        Self { weights: WhichWeights::Last, setting: None, device: DeviceChoice::Cpu }
    }
}

/// What a predictor reads and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSpec {
    /// Samples of a window.
    pub window: usize,
    /// Number of the sensors' channels.
    pub channels: usize,
    /// Number of classes.
    pub classes: usize,
}

/// One or more models that predict together: networks, classical models, or both. They read windows of the same shape and
/// have the same classes. A predictor may move from thread to thread, and serves one at a time.
pub struct Predictor {
    /// Never empty.
    members: Vec<Member>,
    /// Whether the members may be of different kinds: their probabilities are combined then.
    is_ensemble: bool,
    /// On the device that was named, or on the CPU with `auto`.
    scoring: Scoring,
    /// On the device for many windows; none with a device that was named. It is opened when it is needed.
    for_many: Option<OnceCell<Scoring>>,
    /// Names of the sensors' channels, if the weight files have them.
    pub channels: Option<Vec<String>>,
    /// Display name of each class.
    pub class_names: Vec<String>,
    /// Samples from one window to the next in training, if the weight files have it.
    pub step: Option<usize>,
    /// Samples a second in training, if the weight files have it.
    pub rate_hz: Option<f64>,
    /// Where the models were read from.
    pub origin: PredictorOrigin,
    /// Notices for the user about the device.
    pub notices: Vec<Notice>,
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
    /// Opens a run folder, a weight file, an ensemble, or the models that a study has kept of its best setting, on the CPU.
    ///
    /// # Errors
    /// Files that cannot be read; a run or a study that is not finished; members of an ensemble that do not suit each other.
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
            if is_of_another_program(path) {
                return Err(Error::Input(format!(
                    "{0} is of another program: make a weight file of it with triax import {0} --out imported.safetensors",
                    path.display()
                )));
            }
            return Self::new(vec![Member::read(path, None)?], PredictorOrigin::File, options);
        }
        if Ensemble::is_in(path) {
            let members = Ensemble::read(path)?.members;
            let sum: f64 = members.iter().map(|member| member.weight).sum();
            let members = members.into_iter().map(|member| {
                let mut opened = Member::read(&path.join(&member.weights), None)?;
                (opened.weight, opened.temperature) = ((member.weight / sum) as f32, member.temperature as f32);
                Ok(opened)
            });
            let members = members.collect::<Result<_, Error>>()?;
            let origin = match path.join("config.json").exists() {
                true => PredictorOrigin::Run(Box::new(Run::open(path)?)),
                false => PredictorOrigin::File,
            };
            return Self::new(members, origin, options)
                .map_err(|error| error.while_doing(format!("cannot use the ensemble in {}", path.display())));
        }
        if !path.join("config.json").exists() {
            let problem = "it has no config.json of a run, no study.json of a study and no ensemble.json";
            return Err(Error::Input(format!("there is no model in {}: {problem}", path.display())));
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

    /// A predictor of a network in memory. Of `options`, the device counts.
    ///
    /// # Errors
    /// A network that cannot work; a device that does not exist.
    pub fn from_weights(file: WeightFile, options: &PredictorOptions) -> Result<Self, Error> {
        let model = Model::Network(Box::new(NetworkMember::of_file(file, Path::new("the weights"))?));
        Self::new(vec![Member::alone(model, None)], PredictorOrigin::File, options)
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
        // A short name of the report's legend names a setting too.
        let labels = Labels::new(&summary);
        let setting = match options.setting.as_deref().map(|name| labels.setting(name)) {
            Some(name) if names.contains(&name) => name.to_owned(),
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
        let members = networks.into_iter().map(|kept| Member::read(&kept.weights, Some((kept.fold, kept.seed))));
        let members = members.collect::<Result<_, _>>()?;
        let (path, description) = (path.to_owned(), Description::read(path)?);
        let origin = PredictorOrigin::Study(Box::new(StudyOrigin { path, description, setting, summary }));
        Self::new(members, origin, options)
    }

    fn new(members: Vec<Member>, origin: PredictorOrigin, options: &PredictorOptions) -> Result<Self, Error> {
        let is_study = matches!(origin, PredictorOrigin::Study(_));
        for other in &members[1..] {
            if let Some(difference) = members[0].difference(other, is_study) {
                let remedy = match is_study {
                    true => {
                        "the weight files are not of one setting: remove the study's folder weights/, and make it again"
                    }
                    false => "models can predict together only if they share window, step, rate, channels and classes",
                };
                return Err(Error::Input(format!("{difference}; {remedy}")));
            }
        }
        let first = &members[0];
        let spec = first.spec();
        let list = |key: &str, n: usize| {
            let names: Option<Vec<String>> = first.extra(key).and_then(|names| serde_json::from_str(names).ok());
            names.filter(|names| names.len() == n)
        };
        // A classical model computes on the processor alone.
        let has_network = members.iter().any(|member| member.network().is_some());
        let asked = if has_network { options.device } else { DeviceChoice::Cpu };
        let for_many = (asked == DeviceChoice::Auto).then(OnceCell::new);
        let device = if for_many.is_some() { DeviceChoice::Cpu } else { asked };
        let (open, notices) = open_choice(EngineName::Fused, device)?;
        Ok(Self {
            channels: list("channels", spec.channels),
            class_names: list("class_names", spec.classes).unwrap_or_else(|| first.classes().to_vec()),
            step: first.extra("step").and_then(|step| step.parse().ok()).filter(|step| *step > 0),
            rate_hz: first.extra(RATE).and_then(|rate| rate.parse().ok()).filter(|rate| *rate > 0.0),
            is_ensemble: !is_study && members.len() > 1,
            scoring: Scoring::new(open, members.len()),
            for_many,
            members,
            origin,
            notices,
        })
    }

    /// The models. There is at least one.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether these are models of an ensemble, whose probabilities are averaged.
    pub fn is_ensemble(&self) -> bool {
        self.is_ensemble
    }

    /// The networks, where all models are networks.
    ///
    /// # Errors
    /// A model that is none; `what` it is not made for, such as `an export`.
    pub fn networks(&self, what: &str) -> Result<Vec<&NetworkMember>, Error> {
        let mut networks = Vec::with_capacity(self.members.len());
        for member in &self.members {
            match &member.model {
                Model::Network(network) => networks.push(&**network),
                Model::Classical(classical) => {
                    return Err(Error::Usage(format!(
                        "{what} is of networks, and there is a {}, which has no layers: train one with --model network",
                        classical.file.model.method().name()
                    )));
                }
            }
        }
        Ok(networks)
    }

    /// The number of channels of the windows that it reads: those of the sensors. A model may read others, which are derived.
    pub fn n_channels(&self) -> usize {
        self.spec().channels
    }

    /// Samples and sensors' channels of a window, and the number of classes.
    pub fn spec(&self) -> WindowSpec {
        self.members[0].spec()
    }

    /// Names of the classes.
    pub fn classes(&self) -> &[String] {
        self.members[0].classes()
    }

    /// The device that computes. With `auto`, this is the CPU until there are windows enough for another device.
    pub fn device(&self) -> &DeviceInfo {
        &self.most_capable().open.device
    }

    /// The engine that computes on [`Predictor::device`].
    pub fn engine(&self) -> &dyn Engine {
        self.most_capable().open.engine.as_ref()
    }

    fn most_capable(&self) -> &Scoring {
        self.for_many.as_ref().and_then(OnceCell::get).unwrap_or(&self.scoring)
    }

    /// What scores `n_windows` windows at once by `n_networks` networks.
    fn scoring_of(&self, n_windows: usize, n_networks: usize) -> Result<&Scoring, Error> {
        let a_window = self.members.iter().map(Member::multiply_adds).max().unwrap_or_default();
        let multiply_adds = a_window.saturating_mul(n_windows as u64).saturating_mul(n_networks as u64);
        match &self.for_many {
            Some(for_many) if multiply_adds >= WORTH_A_GPU => {
                if let Some(known) = for_many.get() {
                    return Ok(known);
                }
                let (open, _) = open_choice(EngineName::Fused, DeviceChoice::Auto)?;
                Ok(for_many.get_or_init(|| Scoring::new(open, self.members.len())))
            }
            _ => Ok(&self.scoring),
        }
    }

    /// An entry in the metadata of the weight files.
    pub fn extra(&self, key: &str) -> Option<&str> {
        self.members[0].extra(key)
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
        self.scores_by(self.scoring_of(self.n_windows(windows), self.members.len())?, windows)
    }

    /// Like [`Predictor::scores`], for a window at a time. With `auto`, no GPU is opened.
    pub(crate) fn scores_of_one(&self, window: &[f32]) -> Result<Vec<f32>, Error> {
        self.scores_by(&self.scoring, window)
    }

    fn scores_by(&self, scoring: &Scoring, windows: &[f32]) -> Result<Vec<f32>, Error> {
        match self.members.as_slice() {
            [one] => scoring.scores(0, one, windows),
            several => self.combined(scoring, several.iter().enumerate(), windows),
        }
    }

    /// The number of windows, rounded down.
    fn n_windows(&self, windows: &[f32]) -> usize {
        windows.len() / (self.spec().window * self.n_channels())
    }

    /// Like [`Predictor::scores`], with the networks of one fold of a study. `None` if all of them broke down.
    pub(crate) fn scores_of_fold(&self, fold: &str, windows: &[f32]) -> Result<Option<Vec<f32>>, Error> {
        let members = self.members.iter().enumerate().filter(|(_, member)| member.fold() == Some(fold));
        match members.clone().count() {
            0 => Ok(None),
            n_networks => {
                let scoring = self.scoring_of(self.n_windows(windows), n_networks)?;
                self.combined(scoring, members, windows).map(Some)
            }
        }
    }

    /// Scores by the networks at `indices`, several of them combined.
    pub(crate) fn scores_of(&self, indices: &[usize], windows: &[f32]) -> Result<Vec<f32>, Error> {
        match indices {
            [one] => self.scoring.scores(*one, &self.members[*one], windows),
            several => self.combined(&self.scoring, several.iter().map(|&idx| (idx, &self.members[idx])), windows),
        }
    }

    fn combined<'a>(
        &self,
        scoring: &Scoring,
        members: impl Iterator<Item = (usize, &'a Member)>,
        windows: &[f32],
    ) -> Result<Vec<f32>, Error> {
        let mut combined = EnsembleScores::new(self.loss()?, self.classes().len());
        for (idx, member) in members {
            combined.add_weighted(&scoring.scores(idx, member, windows)?, member.weight, member.temperature);
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

    /// What the scores are: those of the loss that the models were trained with. Those of an ensemble are logarithms of
    /// probabilities.
    ///
    /// # Errors
    /// A weight file without an entry for the loss.
    pub fn loss(&self) -> Result<Loss, Error> {
        if self.is_ensemble {
            return Ok(Loss::CategoricalCrossentropy);
        }
        let unknown = || Error::Input("the weight file does not say with which loss it was trained".to_owned());
        self.extra("loss").ok_or_else(unknown)?.parse::<Loss>().map_err(|problem| Error::Input(problem.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use triax_engine::{CpuEngine, EngineError, Scorer, Session, WindowSet};
    use triax_model::{Network, NetworkSpec, Scaler, Weights};

    use super::*;
    use crate::engines::OpenEngine;
    use crate::{Sample, StreamPredictor};

    fn predictor(device: DeviceChoice) -> Predictor {
        predictor_with(device, BTreeMap::new())
    }

    /// A predictor of a network of two channels with this metadata.
    pub(super) fn predictor_with(device: DeviceChoice, extra: BTreeMap<String, String>) -> Predictor {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.safetensors");
        let spec = NetworkSpec { window: 16, channels: 2, classes: 2, ..NetworkSpec::default() };
        let spec = NetworkSpec { convs: spec.convs[..1].to_vec(), ..spec };
        let weights = Weights::glorot_uniform(&Network::new(spec.clone()).unwrap(), 0);
        let classes = ["a", "b"].map(str::to_owned).to_vec();
        WeightFile { weights, spec, classes, scaler: None, extra }.write(&path).unwrap();
        Predictor::open_with(&path, &PredictorOptions { device, ..PredictorOptions::default() }).unwrap()
    }

    /// Whether another device than the first was looked for.
    fn has_looked(predictor: &Predictor) -> bool {
        predictor.for_many.as_ref().is_some_and(|for_many| for_many.get().is_some())
    }

    #[test]
    fn streams_and_few_windows_stay_on_the_cpu_and_many_may_leave_it() {
        let predictor = predictor(DeviceChoice::Auto);
        let mut stream = StreamPredictor::new(&predictor, 16);
        let rows = (0..32).filter(|&row| {
            let values = [row as f32 / 32.0, 0.5];
            !stream.push(&Sample { values: &values, ..Sample::default() }).unwrap().is_empty()
        });
        assert_eq!(rows.count(), 2);
        assert_eq!(predictor.scores(&[0.25; 3 * 32]).unwrap().len(), 3 * 2);
        assert!(!has_looked(&predictor));
        assert_eq!(predictor.device(), &DeviceInfo::cpu());

        let a_window = predictor.members[0].multiply_adds();
        let n_windows = WORTH_A_GPU.div_ceil(a_window) as usize;
        predictor.scoring_of(n_windows - 1, 1).unwrap();
        assert!(!has_looked(&predictor));
        let for_many = predictor.scoring_of(n_windows, 1).unwrap();
        assert!(has_looked(&predictor));
        assert!(std::ptr::eq(for_many, predictor.scoring_of(n_windows, 1).unwrap()), "it is opened once");
        assert_eq!(predictor.device(), &for_many.open.device);
        // Several networks count like as many windows.
        assert!(std::ptr::eq(for_many, predictor.scoring_of(n_windows.div_ceil(2), 2).unwrap()));
    }

    #[test]
    fn a_device_that_was_named_scores_everything() {
        let predictor = predictor(DeviceChoice::Cpu);
        assert!(std::ptr::eq(predictor.scoring_of(usize::MAX, 1).unwrap(), &predictor.scoring));
        assert!(!has_looked(&predictor));
    }

    /// Counts the scorers that it opens.
    struct Counting(Arc<AtomicUsize>);

    impl Engine for Counting {
        fn name(&self) -> &'static str {
            "counting"
        }

        fn capacity(&self, _: &triax_engine::Member<'_>, _: &WindowSet) -> usize {
            unreachable!("a predictor does not train")
        }

        fn open(&self, _: &[triax_engine::Member<'_>], _: &WindowSet) -> Result<Box<dyn Session>, EngineError> {
            unreachable!("a predictor does not train")
        }

        fn scorer(
            &self,
            network: &Network,
            weights: &Weights,
            scaler: Option<&Scaler>,
        ) -> Result<Box<dyn Scorer>, EngineError> {
            self.0.fetch_add(1, Relaxed);
            CpuEngine::<f32>::new().scorer(network, weights, scaler)
        }
    }

    #[test]
    fn a_network_is_opened_once() {
        let mut predictor = predictor(DeviceChoice::Cpu);
        let n_opened = Arc::new(AtomicUsize::new(0));
        let open = OpenEngine { engine: Box::new(Counting(n_opened.clone())), device: DeviceInfo::cpu() };
        predictor.scoring = Scoring::new(open, 1);
        let scores = predictor.scores(&[0.25; 32]).unwrap();
        assert_eq!(predictor.scores(&[0.25; 64]).unwrap(), [scores.clone(), scores].concat());
        assert_eq!(n_opened.load(Relaxed), 1);
    }
}
