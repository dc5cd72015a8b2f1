//! Turns settings into windows: reads recordings, selects activities, splits, cuts windows and fits the scaler.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use triax_data::{Audit, Corpus, HeldOut, Notice, Origin, ReadOptions, ScalerInUse, Split, SplitPlan};
use triax_engine::WindowSet;
use triax_losses::{Loss, balanced_class_weights};
use triax_model::{NetworkSpec, Preparation, Scaler};
use triax_study::window_set;
use triax_trainer::FitPlan;

use crate::Error;
use crate::settings::{ClassWeights, DataSettings, DataSource, Length, Settings, SplitKind, SplitSettings};

/// Key in the metadata of a weight file: what becomes of each window by itself before the scaler. Absent if it stays as it is.
pub(crate) const PER_WINDOW: &str = "per_window";
/// Key in the metadata of a weight file: samples a second, where they are known.
pub(crate) const RATE: &str = "rate_hz";
/// Key in the metadata of a weight file: gravity in each group of three channels, as a JSON list. `null` where there is
/// none.
pub(crate) const GRAVITY: &str = "gravity";

/// Recordings and their source.
#[derive(Clone, Debug)]
pub struct Recordings {
    /// The recordings of the selected activities.
    pub corpus: Corpus,
    /// Samples per window.
    pub window: usize,
    /// Settings that read the same recordings again.
    source: DataSettings,
    /// Seed of the synthetic set.
    seed: u64,
}

impl Recordings {
    /// Reads the recordings in a folder, a file or a zip with the default settings: the format is detected, all
    /// activities are selected, and a window has 120 samples unless the data comes in windows.
    ///
    /// # Errors
    /// Data that cannot be read. The message names the file, the line and a remedy.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let path = std::path::absolute(path).map_err(|source| Error::io("find", path, source))?;
        Self::read(&DataSettings { data: DataSource::Path(path), ..DataSettings::default() }, 0)
    }

    /// Generates the built-in set. It is computed, not measured.
    pub fn synthetic(seed: u64) -> Self {
        let corpus = triax_data::synthetic(seed);
        let window = corpus.window.unwrap_or(NetworkSpec::default().window);
        Self { corpus, window, source: DataSettings::default(), seed }
    }

    /// Reads the recordings that the settings name. `seed` is the seed of the synthetic set.
    ///
    /// # Errors
    /// Data that cannot be read, with file, line and remedy; activities that do not exist.
    pub fn read(data: &DataSettings, seed: u64) -> Result<Self, Error> {
        Self::select(read_data(data, seed)?, data, seed)
    }

    /// Selects the activities that the settings name from all recordings of a source.
    ///
    /// # Errors
    /// Activities that do not exist; a window in seconds where the rate is unknown.
    pub(crate) fn select(corpus: Corpus, data: &DataSettings, seed: u64) -> Result<Self, Error> {
        let mut corpus = match data.activities.as_slice() {
            [] => corpus,
            activities => corpus.select_activities(activities)?,
        };
        let window = match data.window {
            Some(length) => {
                let (window, rounded) = length.samples("window", corpus.rate_hz, 0)?;
                corpus.notices.extend(rounded);
                window
            }
            None => corpus.window.unwrap_or(NetworkSpec::default().window),
        };
        Ok(Self { corpus, window, source: data.clone(), seed })
    }

    /// Samples from one window to the next, as the settings say it. If the source consists of windows, this is their length.
    /// A notice says if it was rounded.
    ///
    /// # Errors
    /// A step in seconds where the rate is unknown.
    pub(crate) fn step(&self, data: &DataSettings) -> Result<(usize, Option<Notice>), Error> {
        match self.corpus.window {
            Some(_) => Ok((self.window, None)),
            None => data.step.samples("step", self.corpus.rate_hz, self.window),
        }
    }

    /// Writes the source of these recordings into `settings`, so that a run can read them again.
    ///
    /// # Errors
    /// [`Error::Usage`] if the synthetic set was made with another seed than that in `settings`.
    pub(crate) fn describe_in(&self, settings: &mut Settings) -> Result<(), Error> {
        if self.source.data == DataSource::Synthetic && self.seed != settings.training.seed {
            return Err(Error::Usage(format!(
                "the synthetic set was made with the seed {}, and `seed` is {}: make it with the same",
                self.seed, settings.training.seed
            )));
        }
        let DataSettings { step, normalize, .. } = settings.data;
        let derive = std::mem::take(&mut settings.data.derive);
        settings.data =
            DataSettings { window: Some(self.window.into()), step, derive, normalize, ..self.source.clone() };
        Ok(())
    }

    /// Cuts all windows, holds some out as the settings say, and fits a scaler to the training windows.
    ///
    /// ```
    /// use triax::{Recordings, Settings};
    ///
    /// let data = Recordings::synthetic(0).split(&Settings::default())?;
    /// let held_out = &data.split.valid_subjects;
    /// assert!(!held_out.is_empty() && held_out.iter().all(|subject| !data.split.train_subjects.contains(subject)));
    /// # Ok::<(), triax::Error>(())
    /// ```
    ///
    /// # Errors
    /// A split without training or validation windows; windows that cannot be normalised; a step in seconds where the rate
    /// is unknown.
    pub fn split(self, settings: &Settings) -> Result<TrainingData, Error> {
        let (step, rounded) = self.step(&settings.data)?;
        let Self { mut corpus, window, .. } = self;
        corpus.notices.extend(rounded);
        let n_channels = corpus.channels.len();
        let preparation = settings.data.preparation(n_channels, corpus.rate_hz, || corpus.gravity(window))?;
        let plan = split_plan(&settings.split, &corpus);
        let windows = triax_data::cut(&corpus, window, step)?;
        let split = triax_data::split(&corpus, &windows, window, &plan, settings.training.seed)?;
        let origins = windows.origins.clone();
        let windows = window_set(windows, &preparation, window, n_channels)
            .map_err(|problem| Error::Input(format!("{}: {problem}", corpus.name)))?;
        let channels = preparation.names(&corpus.channels);
        let has_scaler = settings.data.normalize.has_scaler();
        let scaler = has_scaler.then(|| triax_data::fit_scaler(&windows.windows, &split.train, window, channels.len()));
        Ok(TrainingData { corpus, window, step, plan, split, preparation, channels, scaler, windows, origins })
    }
}

/// All data that a run trains on.
#[derive(Clone, Debug)]
pub struct TrainingData {
    /// The recordings of the selected activities.
    pub corpus: Corpus,
    /// Samples per window.
    pub window: usize,
    /// Samples from one window to the next.
    pub step: usize,
    /// The requested split.
    pub plan: SplitPlan,
    /// Indices of the training and the validation windows.
    pub split: Split,
    /// What becomes of each window by itself.
    pub preparation: Preparation,
    /// Names of the channels that the network reads.
    pub channels: Vec<String>,
    /// Standardisation of the values. The engine applies it when it reads them.
    pub scaler: Option<Scaler>,
    /// All windows, (n_windows, window, channels). Each is already prepared by itself; the engine applies the scaler.
    pub windows: WindowSet,
    /// Origin of each window.
    pub origins: Arc<[Origin]>,
}

impl TrainingData {
    /// Audits the split, and the scaler that the windows are read with, if there is one.
    pub fn audit(&self, scaler: Option<&Scaler>) -> Audit {
        let Self { corpus, window, split, windows, origins, .. } = self;
        let (train, valid) = (split.train.as_slice(), split.valid.as_slice());
        let (values, channels) = (&windows.windows, self.channels.len());
        let used = scaler.map(|scaler| ScalerInUse { scaler, values, channels, train, valid });
        let audit = Audit::new(corpus, origins, *window, &[(train, valid)]);
        audit.with_scalers(*window, used.as_slice())
    }

    /// Samples from one window to the next; `None` if the source came as windows, which does not say.
    pub fn known_step(&self) -> Option<usize> {
        self.corpus.window.is_none().then_some(self.step)
    }

    /// Subject of each validation window.
    pub fn valid_subjects(&self) -> Vec<&str> {
        self.split.valid.iter().map(|&idx| self.corpus.subject_of(self.origins[idx as usize])).collect()
    }

    /// Label of each validation window.
    pub fn valid_labels(&self) -> Vec<u32> {
        self.split.valid.iter().map(|&idx| self.windows.labels[idx as usize]).collect()
    }

    /// The validation windows, (n_valid, window, channels), prepared by themselves and not standardised.
    pub fn valid_windows(&self) -> Vec<f32> {
        self.split.valid.iter().flat_map(|&idx| self.window_at(idx)).copied().collect()
    }

    /// The window at `origin`, (window, channels), as the sensors measured it.
    pub(crate) fn as_measured(&self, origin: Origin) -> &[f32] {
        let n_channels = self.corpus.channels.len();
        let values = &self.corpus.recordings[origin.recording as usize].values;
        &values[origin.start as usize * n_channels..][..self.window * n_channels]
    }

    /// Window `idx`, (window, channels), prepared by itself and not standardised.
    ///
    /// # Panics
    /// If there is no window `idx`.
    pub fn window_at(&self, idx: u32) -> &[f32] {
        let n_values = self.window * self.channels.len();
        &self.windows.windows[idx as usize * n_values..][..n_values]
    }
}

/// Completes `plan` with what depends on the windows to `train` on: balanced class weights, if the settings ask for them.
pub(crate) fn complete(
    plan: &mut FitPlan,
    settings: &Settings,
    (windows, train): (&WindowSet, &[u32]),
    n_classes: usize,
) {
    if settings.training.class_weights == ClassWeights::Balanced {
        let labels: Vec<u32> = train.iter().map(|&idx| windows.labels[idx as usize]).collect();
        plan.training.class_weights = Some(balanced_class_weights(&labels, n_classes));
    }
}

/// Metadata of weight files that follows from the recordings and their windows: what is needed to use a network on others.
/// Windows have `window` samples; `asked` is the setting of the step, and `used` the step in samples.
pub(crate) fn data_extra(corpus: &Corpus, window: usize, (asked, used): (Length, usize)) -> BTreeMap<String, String> {
    // Where the data comes in windows, the step that was asked for is still that of other recordings.
    let step = if let Length::Samples(samples) = asked { samples } else { used };
    let names = (corpus.channels.as_slice(), corpus.class_names.as_slice());
    let mut extra = windows_extra(names, (window, step), corpus.rate_hz, &corpus.gravity(window));
    if corpus.synthetic {
        extra.insert("synthetic".to_owned(), "true".to_owned());
    }
    extra
}

/// Metadata of weight files of networks for windows of `window` samples of these channels and classes, one every `step`
/// samples. `gravity` is that of each three channels.
pub(crate) fn windows_extra(
    (channels, class_names): (&[String], &[String]),
    (window, step): (usize, usize),
    rate_hz: Option<f64>,
    gravity: &[Option<f64>],
) -> BTreeMap<String, String> {
    let list = |names: &[String]| serde_json::json!(names).to_string();
    let mut extra = BTreeMap::from([
        ("channels".to_owned(), list(channels)),
        ("class_names".to_owned(), list(class_names)),
        ("step".to_owned(), step.to_string()),
    ]);
    if let Some(rate) = rate_hz {
        extra.insert(RATE.to_owned(), rate.to_string());
        extra.insert("window_s".to_owned(), (window as f64 / rate).to_string());
    }
    if gravity.iter().any(Option::is_some) {
        extra.insert(GRAVITY.to_owned(), serde_json::json!(gravity).to_string());
    }
    extra
}

/// The metadata of a weight file: that of its data, `of_data`, and that of its training.
pub(crate) fn weight_file_extra(
    of_data: &BTreeMap<String, String>,
    preparation: &Preparation,
    loss: Loss,
) -> BTreeMap<String, String> {
    let mut extra = of_data.clone();
    extra.insert("loss".to_owned(), loss.to_string());
    extra.extend(preparation_extra(preparation));
    extra
}

/// The entry of a preparation in the metadata of a weight file.
pub(crate) fn preparation_extra(preparation: &Preparation) -> Option<(String, String)> {
    (!preparation.is_none()).then(|| (PER_WINDOW.to_owned(), preparation.to_string()))
}

/// Reads all recordings that the settings name, with all activities, and resamples them where the settings ask for it.
/// `seed` is the seed of the synthetic set.
///
/// # Errors
/// Data that cannot be read or resampled. The message names the file, the line and a remedy.
pub fn read_data(data: &DataSettings, seed: u64) -> Result<Corpus, Error> {
    let corpus = read_corpus(&data.data, &data.read_options(), seed)?;
    match data.rate {
        Some(rate) => Ok(corpus.resampled(rate)?),
        None => Ok(corpus),
    }
}

/// Reads all recordings of a source as they are. `seed` is the seed of the synthetic set.
///
/// # Errors
/// Data that cannot be read. The message names the file, the line and a remedy.
pub fn read_corpus(source: &DataSource, options: &ReadOptions, seed: u64) -> Result<Corpus, Error> {
    match source {
        DataSource::Synthetic => Ok(triax_data::synthetic(seed)),
        DataSource::Path(path) => Ok(triax_data::read(path, options)?),
    }
}

/// The requested split. By default, the most honest one that the data allows.
pub(crate) fn split_plan(asked: &SplitSettings, corpus: &Corpus) -> SplitPlan {
    let SplitSettings { valid_fraction, ref valid_subjects, .. } = *asked;
    let held_out = HeldOut { valid_fraction, valid_subjects: valid_subjects.clone() };
    match asked.split {
        None => SplitPlan::most_honest(corpus, held_out),
        Some(SplitKind::Subject) => SplitPlan::Subject(held_out),
        Some(SplitKind::Random) => SplitPlan::Random { valid_fraction },
        Some(SplitKind::Predefined) => SplitPlan::Predefined,
    }
}
