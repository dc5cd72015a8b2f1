//! Training without labels: the layers of a network learn from recordings that nobody has labelled, and other trainings start
//! from them.
//!
//! Each of some thousand short stretches of the recordings is a class of its own, and the network tells by cross-entropy from
//! which one a window comes, however it is varied. This is the parametric instance discrimination of Dosovitskiy et al.
//! ("Discriminative unsupervised feature learning with exemplar convolutional neural networks", 2014), which Wu et al. (2018)
//! generalised. What the variations change, the layers learn to ignore.
//!
//! The last layer tells these stretches apart and nothing else. By default only the convolutions are kept: hidden layers between
//! them and the last learn what this task needs and no other does (Chen et al., "A simple framework for contrastive learning of visual
//! representations", 2020).

use triax_data::{Corpus, Notice, Origin, ReadOptions, cut, fit_scaler};
use triax_engine::WindowSet;
use triax_losses::Loss;
use triax_model::random::{Purpose, Stream};
use triax_model::{InitialWeights, Network, Preparation, Scaler, Weights};
use triax_study::window_set;
use triax_trainer::{EpochRecord, FitOutcome, FitPlan, Job, Model, ModelResult, Observer, Sampling, fit};

use crate::Error;
use crate::engines::{Candidates, ChosenEngine, Trial};
use crate::initial::{self, PretrainRecord};
use crate::recordings::{Recordings, preparation_extra, read_corpus, windows_extra};
use crate::settings::declare::named;
use crate::settings::{ClassWeights, Entries, Settings};

/// The most stretches that are told apart. The last layer has a unit for each.
const MOST_STRETCHES: usize = 65_536;
/// Windows that follow each other in a stretch.
const VIEWS: usize = 4;

named! {
    /// Layers that are kept after a training without labels.
    pub enum KeptLayers {
        /// The convolutions; trainings draw the other layers, which may differ
        Convolutions = "convolutions",
        /// All but the last
        All = "all",
    }
}

/// What to train without labels, beside the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct PretrainOptions {
    /// The layers that are kept.
    pub keep: KeptLayers,
    /// Subjects whose recordings are left out, such as those who will be judged.
    pub without: Vec<String>,
    /// The most stretches that are told apart. They are drawn from all.
    pub stretches: usize,
}

impl Default for PretrainOptions {
    fn default() -> Self {
        Self { keep: KeptLayers::Convolutions, without: Vec::new(), stretches: 2048 }
    }
}

impl PretrainOptions {
    /// The settings of a training without labels that differ from the defaults.
    pub fn entries() -> Entries {
        let entries = serde_json::json!({
            "epochs": 20, "flip_axes": true, "rotate": 45.0, "scale_windows": 0.1, "time_warp": 0.1, "jitter": 0.1,
        });
        entries.as_object().expect("an object").clone()
    }

    fn check(&self) -> Result<(), Error> {
        let stretches = self.stretches;
        if !(2..=MOST_STRETCHES).contains(&stretches) {
            return Err(Error::Usage(format!(
                "{stretches} stretches cannot be told apart; there must be from 2 to {MOST_STRETCHES}"
            )));
        }
        Ok(())
    }
}

/// A training without labels that is ready to run.
pub struct Pretraining {
    /// The settings, completed from the data.
    pub settings: Settings,
    /// The options.
    pub options: PretrainOptions,
    /// The recordings.
    pub corpus: Corpus,
    /// The network. It has a class for each stretch.
    pub network: Network,
    /// The plan of each step and each epoch.
    pub plan: FitPlan,
    /// The engine and its device.
    pub engine: ChosenEngine,
    /// Indices of the windows that it trains on.
    pub train: Vec<u32>,
    /// Notices that the user should read.
    pub notices: Vec<Notice>,
    /// Samples from one window to the next.
    step: usize,
    preparation: Preparation,
    windows: WindowSet,
    scaler: Option<Scaler>,
    weights: Weights,
}

/// Layers that were trained without labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Pretrained {
    /// Their weights. [`InitialWeights::to_bytes`] gives the file that the setting `init_weights` takes.
    pub weights: InitialWeights,
    /// The epochs, the first one first. The accuracy is that of telling stretches apart.
    pub history: Vec<EpochRecord>,
}

/// Windows to tell apart by the stretch that they come from.
struct Asked {
    /// The classes are the stretches.
    windows: WindowSet,
    n_classes: usize,
    train: Vec<u32>,
}

impl Pretraining {
    /// Prepares a training on the recordings that the settings name, with labels or without. Of `settings`, those of the data
    /// and the network, of augmentation and the machine count, and of training all that do not concern classes or
    /// validation.
    ///
    /// # Errors
    /// Invalid settings; recordings that cannot be read, or are too few; a device that does not exist.
    pub fn new(mut settings: Settings, options: PretrainOptions) -> Result<Self, Error> {
        options.check()?;
        settings.training.loss = Loss::CategoricalCrossentropy;
        settings.training.label_smoothing = 0.0;
        settings.training.class_weights = ClassWeights::None;
        settings.training.early_stopping = None;
        settings.machine.log_steps = false;
        settings.check()?;
        let candidates = Candidates::find(&settings.machine)?;
        let recordings = read(&settings, &options)?;
        let (step, rounded) = recordings.step(&settings.data)?;
        let Recordings { corpus, window, .. } = recordings;
        settings.data.window = Some(window.into());
        let measured = corpus.channels.len();
        let preparation = settings.data.preparation(measured, corpus.rate_hz, || corpus.gravity(window))?;
        let n_channels = preparation.channels_out(measured).map_err(Error::Usage)?;
        let cut_windows = cut(&corpus, window, step)?;
        let origins = cut_windows.origins.clone();
        let windows = window_set(cut_windows, &preparation, window, measured)
            .map_err(|problem| Error::Input(format!("{}: {problem}", corpus.name)))?;
        let Asked { windows, n_classes, train } =
            stretches(windows, &origins, options.stretches, settings.training.seed)
                .map_err(|problem| Error::Input(format!("{}: {problem}", corpus.name)))?;
        let spec = settings.network.spec(window, n_channels, n_classes);
        let network =
            Network::new(spec).map_err(|problem| Error::from(problem).while_doing("this network cannot work"))?;
        let mut plan = settings.fit_plan(&network, &[])?;
        plan.sampling = Sampling::Shuffle;
        let scaler =
            settings.data.normalize.has_scaler().then(|| fit_scaler(&windows.windows, &train, window, n_channels));
        let trial = Trial {
            network: &network,
            plan: &plan.training,
            windows: &windows,
            train: &train,
            scaler: scaler.as_ref(),
            learning_rate: plan.learning_rate,
        };
        let engine = candidates.choose(&trial)?;
        let (weights, of_weights) = match initial::read(&settings, &network)? {
            Some((initial, notices)) => (initial.weights(&network, settings.training.seed), notices),
            None => (Weights::glorot_uniform(&network, settings.training.seed), Vec::new()),
        };
        let mut notices = [corpus.notices.clone(), engine.notices.clone(), of_weights].concat();
        notices.extend(rounded);
        Ok(Self {
            settings,
            options,
            corpus,
            network,
            plan,
            engine,
            train,
            notices,
            step,
            preparation,
            windows,
            scaler,
            weights,
        })
    }

    /// Trains to the end. `None` if `observer` asked to stop.
    ///
    /// # Errors
    /// A training that breaks down; a device that fails.
    pub fn run(&self, observer: &mut dyn Observer) -> Result<Option<Pretrained>, Error> {
        let Self { corpus, network, plan, engine, train, windows, scaler, weights, .. } = self;
        let classes: Vec<String> = (0..network.spec().classes).map(|class| class.to_string()).collect();
        let model = Model { network, weights, plan, scaler: scaler.as_ref(), train, valid: &[] };
        let job = Job {
            engine: engine.open.engine.as_ref(),
            windows,
            classes: &classes,
            models: &[model],
            at_once: None,
            planned: None,
            follows_validation: false,
            wants_scores: false,
        };
        let FitOutcome::Finished(mut results) = fit(&job, observer)? else { return Ok(None) };
        let Some(ModelResult { history, end }) = results.pop() else { unreachable!("a fleet of one has one result") };
        let trained = end.map_err(|breakdown| Error::Input(breakdown.to_string()))?;
        let record = PretrainRecord {
            subjects: corpus.subjects(),
            fingerprint: corpus.fingerprint.clone(),
            loss: history.last().map_or(0.0, |epoch| epoch.loss),
        };
        let window = network.spec().window;
        let mut metadata = windows_extra((&corpus.channels, &[]), (window, self.step), corpus.rate_hz, &[]);
        metadata.remove("class_names");
        metadata.extend(preparation_extra(&self.preparation));
        metadata.extend(record.metadata());
        let mut weights = InitialWeights::without_scores(trained.weights, metadata);
        if self.options.keep == KeptLayers::Convolutions {
            // The convolutions come first, each with its kernel and bias.
            weights.tensors.truncate(2 * network.spec().convs.len());
        }
        Ok(Some(Pretrained { weights, history }))
    }
}

/// Trains the layers of a network without labels, on the recordings that `settings` name. `None` if the observer asked to
/// stop.
///
/// ```no_run
/// use triax::{PretrainOptions, Settings, pretrain};
///
/// let mut settings = Settings::from_entries(&PretrainOptions::entries())?;
/// settings.data.data = "recordings/".parse().unwrap();
/// if let Some(pretrained) = pretrain(settings, PretrainOptions::default(), &mut ())? {
///     std::fs::write("first.safetensors", pretrained.weights.to_bytes())?; // for the setting `init_weights`
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`Pretraining::new`] and [`Pretraining::run`].
pub fn pretrain(
    settings: Settings,
    options: PretrainOptions,
    observer: &mut dyn Observer,
) -> Result<Option<Pretrained>, Error> {
    Pretraining::new(settings, options)?.run(observer)
}

/// The recordings that `settings` name, with labels or without, but those of subjects who are left out.
fn read(settings: &Settings, options: &PretrainOptions) -> Result<Recordings, Error> {
    let (data, seed) = (&settings.data, settings.training.seed);
    let corpus = read_corpus(&data.data, &ReadOptions { unlabelled: true, ..data.read_options() }, seed)?;
    let corpus = corpus.without_subjects(&options.without)?;
    let corpus = match data.rate {
        Some(rate) => corpus.resampled(rate)?,
        None => corpus,
    };
    Recordings::select(corpus, data, seed)
}

/// Cuts the windows at `origins` into stretches of [`VIEWS`] that follow each other in a recording, draws up to `most` of
/// these, and makes each a class.
fn stretches(windows: WindowSet, origins: &[Origin], most: usize, seed: u64) -> Result<Asked, String> {
    let recordings = origins.chunk_by(|a, b| a.recording == b.recording);
    let lengths: Vec<usize> = recordings.flat_map(|recording| recording.chunks(VIEWS).map(<[Origin]>::len)).collect();
    let mut starts: Vec<usize> = Vec::with_capacity(lengths.len());
    let mut start = 0;
    for length in &lengths {
        starts.push(start);
        start += length;
    }
    if starts.len() < 2 {
        return Err(format!(
            "there are {} windows, which is a single stretch: there is nothing to tell apart",
            origins.len()
        ));
    }
    let mut chosen: Vec<usize> = (0..starts.len()).collect();
    Stream::new(seed, Purpose::Pretrain, u64::MAX).shuffle(&mut chosen);
    chosen.truncate(most);
    // In the order of the recordings, so that classes do not depend on the order of the draw.
    chosen.sort_unstable();
    let mut labels = vec![0; origins.len()];
    let mut train = Vec::new();
    for (class, &stretch) in chosen.iter().enumerate() {
        let windows = starts[stretch]..starts[stretch] + lengths[stretch];
        labels[windows.clone()].fill(class as u32);
        train.extend(windows.map(|window| window as u32));
    }
    Ok(Asked { windows: WindowSet { labels: labels.into(), ..windows }, n_classes: chosen.len(), train })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(windows_of_recordings: &[usize]) -> Vec<Origin> {
        let of = |(recording, &n): (usize, &usize)| {
            (0..n as u32).map(move |start| Origin { recording: recording as u32, start })
        };
        windows_of_recordings.iter().enumerate().flat_map(of).collect()
    }

    fn asked(windows_of_recordings: &[usize], most: usize, seed: u64) -> Result<Asked, String> {
        let origins = origins(windows_of_recordings);
        let windows = WindowSet {
            windows: vec![0.0; origins.len()].into(),
            labels: vec![7; origins.len()].into(),
            sample_weights: None,
        };
        stretches(windows, &origins, most, seed)
    }

    #[test]
    fn a_stretch_is_a_few_windows_of_one_recording() {
        let asked = asked(&[9, 2, 4], 100, 0).unwrap();
        assert_eq!(*asked.windows.labels, [0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 3, 4, 4, 4, 4]);
        assert_eq!((asked.n_classes, asked.train.len()), (5, 15));
    }

    #[test]
    fn so_many_stretches_as_are_wanted_are_drawn_by_the_seed() {
        let first = asked(&[400], 10, 1).unwrap();
        assert_eq!((first.n_classes, first.train.len()), (10, 40));
        let classes: Vec<u32> = first.train.iter().map(|&idx| first.windows.labels[idx as usize]).collect();
        assert_eq!(classes, (0..40).map(|n| n / 4).collect::<Vec<u32>>());
        assert!(first.train.chunks(4).all(|stretch| stretch[0] % 4 == 0 && stretch[3] == stretch[0] + 3));
        assert_eq!(asked(&[400], 10, 1).unwrap().train, first.train);
        assert_ne!(asked(&[400], 10, 2).unwrap().train, first.train);
    }

    #[test]
    fn one_stretch_alone_cannot_be_told_apart() {
        assert!(asked(&[4], 10, 0).err().unwrap().contains("single stretch"));
    }
}
