//! Runs: the training of one network in a folder of its own.

mod classical;
mod contents;
mod events;
mod record;
mod report;

use std::path::{Path, PathBuf};

use triax_data::Audit;
use triax_engine::device::DeviceInfo;
use triax_engine::{Phase, Timings};
use triax_model::{Network, Weights};
use triax_study::TrainedNetwork;
use triax_trainer::{FitPlan, Job, Model, Observer, RunFolder, RunOutcome, Summary, fit_run, resume_run};

use crate::engines::{Candidates, ChosenEngine, Trial};
use crate::initial;
use crate::recordings::{Recordings, TrainingData, complete, preparation_extra};
use crate::settings::{Entries, MachineSettings, Settings};
use crate::text::{grouped, network_in_words};
use crate::{Error, Notice, audit};
use contents::RunContents;
use events::{Events, WithEvents};

pub use classical::ClassicalTraining;
pub(crate) use contents::judged_by;
pub use record::{DataRecord, Record, Run, SplitRecord, is_run};

/// A training that is ready to run: the data is read, network and device are chosen, and the folder exists.
pub struct Training {
    /// The settings, completed from the data.
    pub settings: Settings,
    /// The data that it trains on.
    pub data: TrainingData,
    /// The audit of its split and its scaler.
    pub audit: Audit,
    /// The network.
    pub network: Network,
    /// The plan of each step and each epoch.
    pub plan: FitPlan,
    /// The engine and its device.
    pub engine: ChosenEngine,
    /// The folder of the run.
    pub folder: RunFolder,
    /// Notices that the user should read before trusting the metrics.
    pub notices: Vec<Notice>,
    /// Whether to write event files for TensorBoard. A resumed run continues the files that it has.
    pub tensorboard: bool,
    /// The recorder of where the time goes.
    timings: Timings,
    /// The weights that a new run starts from. A resumed one takes those of its checkpoint.
    weights: Weights,
    resumes: bool,
}

/// How a training without errors ended.
#[derive(Debug)]
pub enum Outcome {
    /// All epochs are done.
    Finished {
        /// Final metrics of the run.
        summary: Box<Summary>,
        /// Path of the report. An error if it could not be written; the metrics are valid all the same.
        report: Result<PathBuf, Error>,
        /// Whether the event files for TensorBoard were written. `Ok` if there are none.
        events: Result<(), Error>,
    },
    /// The observer asked to stop. The state is saved, and [`Training::resume`] continues.
    Interrupted {
        /// The epoch to continue with, from 1.
        epoch: usize,
        /// Number of steps of this epoch that are done.
        step: usize,
        /// As in [`Outcome::Finished`].
        events: Result<(), Error>,
    },
}

/// A training without its folder.
struct Prepared {
    settings: Settings,
    data: TrainingData,
    network: Network,
    plan: FitPlan,
    engine: ChosenEngine,
    timings: Timings,
}

impl Prepared {
    /// Prepares a training on `recordings`, or on those that the settings name.
    fn new(mut settings: Settings, recordings: Option<Recordings>, timings: &Timings) -> Result<Self, Error> {
        let _preparing = timings.phase(Phase::Preparing);
        // Invalid settings and missing devices are rejected before a long read.
        settings.check()?;
        settings.check_is_network()?;
        let finding = timings.phase(Phase::Devices);
        let candidates = Candidates::find(&settings.machine)?;
        drop(finding);
        let recordings = match recordings {
            Some(recordings) => recordings,
            None => {
                let _reading = timings.phase(Phase::Reading);
                Recordings::read(&settings.data, settings.training.seed)?
            }
        };
        let data = recordings.split(&settings)?;
        settings.data.window.get_or_insert(data.window.into());
        let classes = &data.corpus.classes;
        let spec = settings.network.spec(data.window, data.channels.len(), classes.len());
        let network =
            Network::new(spec).map_err(|problem| Error::from(problem).while_doing("this network cannot work"))?;
        let mut plan = settings.fit_plan(&network, classes)?;
        complete(&mut plan, &settings, (&data.windows, &data.split.train), classes.len());
        let choosing = timings.phase(Phase::Devices);
        let mut engine = candidates.choose(&Trial {
            network: &network,
            plan: &plan.training,
            windows: &data.windows,
            train: &data.split.train,
            scaler: data.scaler.as_ref(),
            learning_rate: plan.learning_rate,
        })?;
        drop(choosing);
        engine.open.engine.set_timings(timings);
        Ok(Self { settings, data, network, plan, engine, timings: timings.clone() })
    }

    fn record(&self) -> Record {
        Record::new(&self.data, &self.network, &self.engine)
    }

    fn into_training(self, folder: RunFolder, weights: Weights, resumes: bool, more: Vec<Notice>) -> Training {
        let Self { settings, data, network, plan, engine, timings } = self;
        let preparing = timings.phase(Phase::Preparing);
        let audit = data.audit(data.scaler.as_ref());
        drop(preparing);
        let unused: Vec<Notice> = settings.note_without_effect(&settings.without_effect()).into_iter().collect();
        let notices =
            [data.corpus.notices.clone(), engine.notices.clone(), more, unused, notices(&data, &audit)].concat();
        let tensorboard = false;
        Training {
            settings,
            data,
            audit,
            network,
            plan,
            engine,
            folder,
            notices,
            tensorboard,
            timings,
            weights,
            resumes,
        }
    }
}

impl Training {
    /// Prepares a new training in the folder `out`, which is created. Reads the recordings that the settings name,
    /// splits them, and chooses a device.
    ///
    /// # Errors
    /// Invalid settings; recordings that cannot be read or split; a device that does not exist; a folder that is not
    /// empty.
    pub fn new(settings: Settings, out: &Path) -> Result<Self, Error> {
        Self::new_with(settings, out, &Timings::off())
    }

    /// Like [`Training::new`], and records in `timings` where the time goes, also that of [`Training::run`].
    ///
    /// # Errors
    /// As [`Training::new`].
    pub fn new_with(settings: Settings, out: &Path, timings: &Timings) -> Result<Self, Error> {
        Self::start(Prepared::new(settings, None, timings)?, out)
    }

    /// Like [`Training::new`], with recordings that were read before. Their source, activities and window replace those
    /// in `settings`. Step and normalisation come from `settings`.
    ///
    /// # Errors
    /// As [`Training::new`].
    pub fn with_recordings(recordings: Recordings, mut settings: Settings, out: &Path) -> Result<Self, Error> {
        recordings.describe_in(&mut settings)?;
        Self::start(Prepared::new(settings, Some(recordings), &Timings::off())?, out)
    }

    fn start(prepared: Prepared, out: &Path) -> Result<Self, Error> {
        let preparing = prepared.timings.phase(Phase::Preparing);
        let (settings, network) = (&prepared.settings, &prepared.network);
        let (weights, more) = match initial::read(settings, network)? {
            Some((initial, mut notices)) => {
                let TrainingData { corpus, preparation, split, .. } = &prepared.data;
                let prepared = preparation_extra(preparation).map(|(_, words)| words);
                notices.extend(initial::notices(&initial, corpus, prepared.as_deref(), &split.valid_subjects));
                (initial.weights(network, settings.training.seed), notices)
            }
            None => (Weights::glorot_uniform(network, settings.training.seed), Vec::new()),
        };
        drop(preparing);
        let files = prepared.timings.phase(Phase::Files);
        let folder = RunFolder::create(out, &prepared.record().with_settings(settings))?;
        drop(files);
        Ok(prepared.into_training(folder, weights, false, more))
    }

    /// Prepares the run in the folder `path` to continue where it stopped, with its own settings. Of the settings in
    /// `given`, only `device` and `engine` may differ from them.
    ///
    /// # Errors
    /// As [`Training::new`]; other settings that differ; data that has changed.
    pub fn resume(path: &Path, given: &Entries) -> Result<Self, Error> {
        Self::resume_with(path, given, &Timings::off())
    }

    /// Like [`Training::resume`], and records in `timings` where the time goes, also that of [`Training::run`].
    ///
    /// # Errors
    /// As [`Training::resume`].
    pub fn resume_with(path: &Path, given: &Entries, timings: &Timings) -> Result<Self, Error> {
        let run = Run::open(path)?;
        if run.settings.training.classical().is_some() {
            let model = run.settings.training.model;
            return Err(Error::Usage(format!(
                "{} is a run of a {model}, which is trained at once: there is nothing to go on with. Train it anew with --config {}",
                path.display(),
                run.folder.config_path().display()
            )));
        }
        let before = run.settings.entries();
        let mut entries = before.clone();
        entries.extend(given.clone());
        let given_settings = Settings::from_entries(&entries)?;
        let now = given_settings.entries();
        // The training stays the same. Only the device and the engine may change.
        for name in given.keys().filter(|name| !["device", "engine"].contains(&name.as_str())) {
            if before[name] != now[name] {
                return Err(Error::Usage(format!(
                    "a resumed run keeps its settings: `{name}` is {} in {}, not {}; for other settings start a new run \
                     with --config {}",
                    before[name],
                    path.display(),
                    now[name],
                    run.folder.config_path().display(),
                )));
            }
        }
        let machine = MachineSettings {
            engine: if given.contains_key("engine") { given_settings.machine.engine } else { run.engine()? },
            device: if given.contains_key("device") { given_settings.machine.device } else { run.device() },
            ..run.settings.machine
        };
        let prepared = Prepared::new(Settings { machine, ..run.settings.clone() }, None, timings).map_err(|error| {
            let engine = &run.record.engine;
            error.while_doing(format!("cannot go on with {}, which began with the engine {engine}", path.display()))
        })?;
        let (before, now) = (&run.record, prepared.record());
        run.check_data(&now.data.fingerprint, "resumed", "restore the data, or start a new run")?;
        let computes = |record: &Record| {
            let DeviceInfo { name, api, driver, driver_version, .. } = &record.device;
            [&record.engine, name, api, driver, driver_version].map(String::clone)
        };
        let moved = (computes(before) != computes(&now)).then(|| {
            Notice::Warning(format!(
                "this run began on {} (engine {}) and goes on on {} (engine {}): it will not end with the same bits as a \
                 run that stayed.",
                before.device, before.engine, now.device, now.engine
            ))
        });
        let weights = Weights::zeros(&prepared.network);
        Ok(prepared.into_training(run.folder, weights, true, moved.into_iter().collect()))
    }

    /// Trains to the end, or until `observer` asks to stop. Writes the report at the end.
    ///
    /// # Errors
    /// A training that breaks down; a device or a disk that fails. The folder keeps the last good state.
    pub fn run(&self, observer: &mut dyn Observer) -> Result<Outcome, Error> {
        let Self { settings, data, network, plan, engine, folder, timings, .. } = self;
        let in_loop = timings.phase(Phase::Training);
        let opened = engine.open.engine.as_ref();
        let (windows, train, scaler) = (&data.windows, &data.split.train[..], data.scaler.as_ref());
        let contents =
            RunContents::new(data, settings.data.step, plan.training.loss, plan.training.class_weights.as_deref())
                .of_network(TrainedNetwork { network, windows, train, scaler }, opened);
        let model = Model { network, weights: &self.weights, plan, scaler, train, valid: &data.split.valid };
        let job = Job {
            engine: opened,
            windows,
            classes: &data.corpus.classes,
            models: &[model],
            at_once: None,
            planned: None,
            follows_validation: true,
            wants_scores: true,
        };
        let mut observer = WithEvents { observer, events: Events::new(folder, self.tensorboard)? };
        let fit = if self.resumes { resume_run } else { fit_run };
        let outcome = fit(&job, folder, &contents, &mut observer)?;
        let events = observer.events.map_or(Ok(()), Events::finish);
        drop(in_loop);
        Ok(match outcome {
            RunOutcome::Finished { summary, scores } => {
                let _report = timings.phase(Phase::Report);
                let device = format!("{} (engine {})", engine.open.device, engine.open.engine.name());
                let of_run = report::OfRun {
                    settings,
                    data,
                    audit: &self.audit,
                    folder,
                    loss: plan.training.loss,
                    model: network_in_words(network),
                    device,
                };
                let report = report::write(&of_run, &summary, &scores.unwrap_or_default());
                Outcome::Finished { summary, report, events }
            }
            RunOutcome::Interrupted { epoch, step } => Outcome::Interrupted { epoch, step, events },
        })
    }
}

/// Trains the model that `settings` name on `recordings`, in the folder `out`, which is created.
///
/// ```no_run
/// let recordings = triax::Recordings::open("recordings/")?;
/// let outcome = triax::train(recordings, triax::Settings::default(), "runs/first", &mut ())?;
/// # Ok::<(), triax::Error>(())
/// ```
///
/// # Errors
/// As [`Training::with_recordings`] and [`Training::run`], or as [`ClassicalTraining::with_recordings`].
pub fn train(
    recordings: Recordings,
    settings: Settings,
    out: impl AsRef<Path>,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    match settings.training.classical() {
        None => Training::with_recordings(recordings, settings, out.as_ref())?.run(observer),
        Some(_) => ClassicalTraining::with_recordings(recordings, settings, out.as_ref())?.run(),
    }
}

/// Notices about the data that the user should read before trusting the metrics.
fn notices(data: &TrainingData, audit: &Audit) -> Vec<Notice> {
    let TrainingData { corpus, split, window, .. } = data;
    let mut notices = audit::notices(audit);
    if split.n_short_recordings > 0 {
        notices.push(Notice::Note(format!(
            "{} of {} recordings are shorter than a window of {window} samples and were left out.",
            grouped(split.n_short_recordings),
            grouped(corpus.recordings.len()),
        )));
    }
    notices
}
