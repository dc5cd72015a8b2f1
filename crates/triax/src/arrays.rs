//! Training in memory, on windows that were never a file.

use std::collections::BTreeMap;

use triax_answers::Answers;
use triax_data::{fit_scaler, gravity_of_windows};
use triax_engine::WindowSet;
use triax_engine::device::DeviceInfo;
use triax_model::{Network, WeightFile, Weights};
use triax_study::{HeldOutScores, prepare};
use triax_trainer::{
    CrossFit, EpochRecord, FitOutcome, Job, Judged, Metrics, Model, ModelResult, Observer, TemperatureScaling,
    TrainedModel, fit,
};

use crate::engines::{Candidates, Trial};
use crate::import::check_rate;
use crate::initial;
use crate::recordings::{complete, weight_file_extra, windows_extra};
use crate::run::judged_by;
use crate::settings::Settings;
use crate::{Error, Notice};

/// Labelled windows in memory, and which of them train.
#[derive(Clone, Debug)]
pub struct WindowArrays {
    /// Values (n_windows, window, channels) in the sensors' units, the class of each window, and its weight in the loss.
    pub windows: WindowSet,
    /// Samples per window.
    pub window: usize,
    /// Name of each channel.
    pub channels: Vec<String>,
    /// Name of each class.
    pub classes: Vec<String>,
    /// Samples a second, if known.
    pub rate_hz: Option<f64>,
    /// The number of the subject of each window, if they are known.
    pub subjects: Option<Vec<u32>>,
    /// Indices of the windows to train on.
    pub train: Vec<u32>,
    /// Indices of the windows to validate with; may be empty.
    pub valid: Vec<u32>,
}

/// A network that was trained in memory.
#[derive(Clone, Debug)]
pub struct FittedNetwork {
    /// Its weights, with everything needed to predict: the contents of `last.safetensors` in the folder of a run. They do not say
    /// how long activities last, which windows in no order do not know.
    pub file: WeightFile,
    /// Its complete epochs, the first one first.
    pub history: Vec<EpochRecord>,
    /// Its figures over the validation windows; absent where there are none.
    pub validation: Option<Metrics>,
    /// How well its probabilities hold over them: for each person by the temperature of the others, if subjects are known.
    pub temperature_scaling: Option<TemperatureScaling>,
    /// The device that trained it.
    pub device: DeviceInfo,
    /// Notices for the user, about the device and about the weights that it started from.
    pub notices: Vec<Notice>,
}

impl WindowArrays {
    /// Trains a network as a run in a folder does, to the same weights, and writes nothing. Of `settings`, those of the
    /// network, of training and augmentation, `derive`, `normalize`, `device` and `engine` count. `None` if the observer asked to stop.
    ///
    /// The windows are normalised where they lie, unless somebody else holds them.
    ///
    /// # Errors
    /// Invalid settings; windows that do not fit together or cannot be normalised; a device that does not exist or fails; a
    /// training that breaks down.
    pub fn fit(self, settings: &Settings, observer: &mut dyn Observer) -> Result<Option<FittedNetwork>, Error> {
        settings.check()?;
        settings.check_is_network()?;
        let candidates = Candidates::find(&settings.machine)?;
        let (n_channels, n_classes) = (self.channels.len(), self.classes.len());
        let network_channels = settings.data.network_channels(n_channels)?;
        let spec = settings.network.spec(self.window, network_channels, n_classes);
        let network =
            Network::new(spec).map_err(|problem| Error::from(problem).while_doing("this network cannot work"))?;
        self.check()?;
        let names = (self.channels.as_slice(), self.classes.as_slice());
        let gravity = gravity_of_windows(&self.windows.windows, self.window, n_channels);
        let preparation = settings.data.preparation(n_channels, self.rate_hz, || gravity.clone())?;
        let of_data = windows_extra(names, (self.window, self.window), self.rate_hz, &gravity);
        let Self { mut windows, window, classes, subjects, train, valid, .. } = self;
        windows.windows = prepare(windows.windows, &preparation, window, n_channels).map_err(Error::Input)?;
        windows.check(&network)?;
        let has_scaler = settings.data.normalize.has_scaler();
        let scaler = has_scaler.then(|| fit_scaler(&windows.windows, &train, window, network_channels));
        let mut plan = settings.fit_plan(&network, &classes)?;
        complete(&mut plan, settings, (&windows, &train), n_classes);
        let chosen = candidates.choose(&Trial {
            network: &network,
            plan: &plan.training,
            windows: &windows,
            train: &train,
            scaler: scaler.as_ref(),
            learning_rate: plan.learning_rate,
        })?;
        let (weights, of_weights) = match initial::read(settings, &network)? {
            Some((initial, notices)) => (initial.weights(&network, settings.training.seed), notices),
            None => (Weights::glorot_uniform(&network, settings.training.seed), Vec::new()),
        };
        let model = Model {
            network: &network,
            weights: &weights,
            plan: &plan,
            scaler: scaler.as_ref(),
            train: &train,
            valid: &valid,
        };
        let job = Job {
            engine: chosen.open.engine.as_ref(),
            windows: &windows,
            classes: &classes,
            models: &[model],
            at_once: None,
            planned: None,
            follows_validation: true,
            wants_scores: true,
        };
        let mut results = match fit(&job, observer)? {
            FitOutcome::Finished(results) => results,
            FitOutcome::Interrupted(_) => return Ok(None),
        };
        let Some(ModelResult { history, end }) = results.pop() else { unreachable!("a fleet of one has one result") };
        let TrainedModel { weights, validation, scores } =
            end.map_err(|breakdown| Error::Input(breakdown.to_string()))?;
        let weight = |idx: u32| windows.sample_weights.as_ref().map_or(1.0, |weights| weights[idx as usize]);
        let trained = Answers::of_training(
            train.iter().map(|&idx| (windows.labels[idx as usize], weight(idx))),
            n_classes,
            plan.training.class_weights.as_deref(),
        );
        let labels: Vec<u32> = valid.iter().map(|&idx| windows.labels[idx as usize]).collect();
        let (groups, judged) = people(subjects.as_deref(), &valid);
        let scores = scores.unwrap_or_default();
        let held_out = HeldOutScores { scores: &scores, labels: &labels, groups: &groups, judged };
        let Judged { metadata, temperature_scaling } = judged_by(&held_out, &trained);
        let mut extra = weight_file_extra(&of_data, &preparation, plan.training.loss);
        extra.extend(metadata);
        let file = WeightFile { weights, spec: network.spec().clone(), classes, scaler, extra };
        let notices = [chosen.notices, of_weights].concat();
        Ok(Some(FittedNetwork { file, history, validation, temperature_scaling, device: chosen.open.device, notices }))
    }

    /// Checks that the values are those of the windows, and that there are windows to train on, before anything looks at them.
    fn check(&self) -> Result<(), Error> {
        let (n, window, channels) = (self.windows.len(), self.window, self.channels.len());
        let n_values = n.checked_mul(window).and_then(|samples| samples.checked_mul(channels));
        if n_values != Some(self.windows.windows.len()) {
            return Err(Error::Input(format!(
                "{} values are not those of {n} windows of {window} samples in {channels} channels",
                self.windows.windows.len()
            )));
        }
        check_rate(self.rate_hz)?;
        let n_windows = self.windows.len();
        if self.train.is_empty() {
            return Err(Error::Input("there is no window to train on".to_owned()));
        }
        match self.train.iter().chain(&self.valid).find(|&&idx| idx as usize >= n_windows) {
            Some(idx) => Err(Error::Input(format!("there is no window {idx} (from 0) among {n_windows}"))),
            None => Ok(()),
        }
    }
}

/// The person of each of the windows `chosen`, as a group of its own, where several are known.
fn people(subjects: Option<&[u32]>, chosen: &[u32]) -> (Vec<u32>, CrossFit) {
    let mut people = BTreeMap::new();
    let mut group = |idx: u32| {
        let next = people.len() as u32;
        *people.entry(subjects.map(|subjects| subjects[idx as usize])).or_insert(next)
    };
    let groups = chosen.iter().map(|&idx| group(idx)).collect();
    (groups, if people.len() > 1 { CrossFit::People } else { CrossFit::None })
}
