//! Studies: a grid of settings, trained on every fold with every seed, in a folder of its own.

mod calibrations;
mod description;
mod grid;
mod labels;
mod variant;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use triax_data::{Corpus, Fold, Folds, HeldOut, Windows};
use triax_engine::device::{DeviceChoice, DeviceKind};
use triax_engine::{Engine, Member, Phase, Timings, WindowSet};
use triax_model::{Network, Preparation, Weights};
use triax_study::{
    ClassicalBeside, Device, Facts, Options, Setting, Share, Study, StudyFolder, Summary, difference, run, summarise,
    window_set,
};
use triax_trainer::Observer;

use crate::engines::{self, Candidates, OpenEngine, Shelf, Trial};
use crate::initial;
use crate::recordings::{PER_WINDOW, Recordings, data_extra, read_data, weight_file_extra};
use crate::settings::{ClassWeights, MachineSettings, Settings, SplitSettings};
use crate::text::listed;
use crate::{Error, Notice, audit};

pub use description::{Conduct, Description, StudyOptions};
pub(crate) use description::{LOCAL_SETTINGS, relocated};
pub use grid::{Point, Vary, parse_vary};
pub(crate) use grid::{check_can_vary, normalised};
pub use labels::Labels;
pub use variant::Variant;

/// Minimum number of models that a CPU trains at once. Results come every few seconds, and no thread waits long for
/// another.
const AT_ONCE_ON_CPU: usize = 16;
/// Maximum number of models that a GPU trains at once, if it holds as many. A step of twice as many takes twice as long, and
/// a study that is stopped loses more.
const AT_ONCE_ON_GPU: usize = 1024;
/// Largest number of trainings whose weights a study keeps by default.
const MOST_KEPT: usize = 100;

/// A study that is ready to run: the data is read, folds are made, devices are known, and the folder is open.
pub struct StudyRun {
    /// Description of the study.
    pub description: Description,
    /// Windows, folds, settings and seeds.
    pub study: Arc<Study>,
    /// Devices to train on.
    pub devices: Vec<Device<'static>>,
    /// The folder of the study.
    pub folder: StudyFolder,
    /// The share of the trainings to run here.
    pub share: Share,
    /// Notices that the user should read before trusting the metrics.
    pub notices: Vec<Notice>,
    /// Threads that training leaves idle: none if a CPU trains.
    idle_threads: usize,
    /// The baselines, if they are trained beside the networks.
    baselines: Mutex<Option<ClassicalBeside>>,
    /// The recorder of where the time goes.
    timings: Timings,
}

/// Whether `path` is the folder of a study.
pub fn is_study(path: &Path) -> bool {
    path.join("study.json").exists()
}

impl StudyRun {
    /// Prepares the study `description` in the folder `path`. If the folder holds the same study, it is continued.
    ///
    /// # Errors
    /// Invalid settings; recordings that cannot be read or split; a device that does not exist; a folder that holds
    /// something else.
    pub fn new(description: Description, path: &Path) -> Result<Self, Error> {
        Self::new_with(description, path, &Timings::off())
    }

    /// Like [`StudyRun::new`], and records in `timings` where the time goes, also that of the methods.
    ///
    /// # Errors
    /// As [`StudyRun::new`].
    pub fn new_with(description: Description, path: &Path, timings: &Timings) -> Result<Self, Error> {
        let _preparing = timings.phase(Phase::Preparing);
        let points = description.points()?;
        points.iter().try_for_each(|point| point.settings.check())?;
        let machine = points[0].settings.machine.clone();
        // Missing devices are rejected before a long read.
        let finding = timings.phase(Phase::Devices);
        let candidates = candidates(&machine, &description.conduct.devices)?;
        drop(finding);
        let reading = timings.phase(Phase::Reading);
        let corpus = read_data(&points[0].settings.data, points[0].settings.training.seed)?;
        drop(reading);
        let study =
            calibrations::with(build(description.folds, description.seeds, &points, corpus)?, &description.calibrate)?;
        let Devices { devices, notices: of_devices, idle_threads, kind: _ } =
            choose_devices(candidates, &study, timings)?;
        let mut notices = [study.corpus.notices.clone(), of_devices].concat();
        let files = timings.phase(Phase::Files);
        let folder = StudyFolder::open(path, &description.compared(&study), &description.here())?;
        drop(files);
        notices.extend(claims(&study));
        notices.extend(without_effect(&points));
        notices.extend(audit::notices(&study.audit(&[])));
        let share = description.conduct.shard.unwrap_or(Share::WHOLE);
        let (study, baselines, timings) = (Arc::new(study), Mutex::default(), timings.clone());
        Ok(Self { description, study, devices, folder, share, notices, idle_threads, baselines, timings })
    }

    /// Joins the shares of a study in `parts` in the folder `out`. The data is read again, from `data` or, by default,
    /// from where the first share has it.
    ///
    /// # Errors
    /// Shares of different studies; shares that overlap with different results; a missing share; data that has changed.
    pub fn merge(parts: &[PathBuf], out: &Path, data: Option<&Path>) -> Result<Self, Error> {
        let Some((first, others)) = parts.split_first() else {
            return Err(Error::Usage("there is no share to join".to_owned()));
        };
        let first_json = StudyFolder::description(first)?;
        for part in others {
            let other = StudyFolder::description(part)?;
            if let Some(difference) = difference("", &first_json["study"], &other["study"]) {
                let (first, part) = (first.display(), part.display());
                return Err(Error::Usage(format!(
                    "{part} is no share of the study in {first}: {}",
                    difference.replace(" there,", &format!(" in {first},")).replace(" here", &format!(" in {part}"))
                )));
            }
        }
        let absolute = std::path::absolute(out).map_err(|source| Error::io("find", out, source))?;
        if parts.iter().any(|part| part.canonicalize().is_ok_and(|part| Some(part) == absolute.canonicalize().ok())) {
            return Err(Error::Usage(format!("{} is one of the shares: name another --out", out.display())));
        }
        let mut description = Description::read(first)?;
        description.conduct = Conduct::default();
        if let Some(data) = data {
            description = description.with_data(data)?;
        }
        let settings = description.first_settings()?;
        let corpus = read_data(&settings.data, settings.training.seed)?;
        let study = rebuild(&description, first, corpus)?;
        let folder = StudyFolder::open(out, &description.compared(&study), &description.here())?;
        for part in parts {
            folder
                .take_over(part, &study)
                .map_err(|error| Error::from(error).while_doing(format!("cannot join {}", part.display())))?;
        }
        let missing = folder.missing(&study)?;
        if !missing.is_empty() {
            return Err(Error::Input(format!(
                "{} of {} trainings are in none of the shares: {}; train the share that is missing, and join again",
                missing.len(),
                study.n_trainings(),
                listed(&missing.iter().map(ToString::to_string).collect::<Vec<_>>(), 10),
            )));
        }
        Ok(Self {
            description,
            study: Arc::new(study),
            devices: Vec::new(),
            folder,
            share: Share::WHOLE,
            notices: Vec::new(),
            idle_threads: 0,
            baselines: Mutex::default(),
            timings: Timings::off(),
        })
    }

    /// Runs the trainings of the share that are missing. If GPUs train a whole study, its baselines are trained meanwhile.
    ///
    /// # Errors
    /// A device or a disk that fails. Finished trainings are kept.
    pub fn run(&self, observer: &mut dyn Observer) -> Result<triax_study::Outcome, Error> {
        let _in_loop = self.timings.phase(Phase::Training);
        let keeps_weights = self.description.conduct.keep_weights.unwrap_or(self.study.n_trainings() <= MOST_KEPT);
        let options = Options { share: self.share, keeps_weights, timings: self.timings.clone() };
        if self.description.baselines && self.share == Share::WHOLE && self.idle_threads > 0 {
            let beside = ClassicalBeside::start(self.study.clone(), self.idle_threads, &self.timings);
            *self.baselines.lock().unwrap_or_else(PoisonError::into_inner) = Some(beside);
        }
        Ok(run(&self.study, &self.devices, &options, &self.folder, observer)?)
    }

    /// Summarises the whole study: writes the tables, `summary.json` and `report.html`.
    ///
    /// # Errors
    /// Trainings that are missing or damaged; a baseline that fails; files that cannot be written.
    pub fn summarise(&self) -> Result<Summary, Error> {
        let study = &self.study;
        let warning = |notice| if let Notice::Warning(warning) = notice { Some(warning) } else { None };
        let of_weights = notices_of_weights(&study.settings, &study.corpus, &study.folds);
        let facts = Facts {
            caveats: of_weights.into_iter().filter_map(warning).collect(),
            shared_settings: self.description.shared()?,
            value_names: self.description.value_names(),
            command: self.description.command(self.study.protocol),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            baselines: self.description.baselines,
            timings: self.timings.clone(),
        };
        let beside = self.baselines.lock().unwrap_or_else(PoisonError::into_inner).take();
        let summary = summarise(&self.study, &self.folder, facts, beside)?;
        let _report = self.timings.phase(Phase::Report);
        self.folder.write("report.html", crate::report::study_html(&summary).as_bytes())?;
        Ok(summary)
    }
}

/// Trains the study `description` in the folder `out` and summarises it. `None` if the observer asked to stop. A study
/// that was stopped continues where it was.
///
/// # Errors
/// As [`StudyRun::new`], [`StudyRun::run`] and [`StudyRun::summarise`].
pub fn study(
    description: Description,
    out: impl AsRef<Path>,
    observer: &mut dyn Observer,
) -> Result<Option<Summary>, Error> {
    let study = StudyRun::new(description, out.as_ref())?;
    match study.run(observer)? {
        triax_study::Outcome::Finished => study.summarise().map(Some),
        triax_study::Outcome::Interrupted { .. } => Ok(None),
    }
}

/// What the folds of `study` cannot show: anything about unseen people, or about a class that only the held-out do.
pub(crate) fn claims(study: &Study) -> Vec<Notice> {
    let untrained = triax_study::cut(study.untrained_in_words());
    folds_notice(study.protocol).into_iter().chain(untrained.into_iter().map(Notice::Warning)).collect()
}

/// A note on the settings that have no effect on any model of the grid.
fn without_effect(points: &[Point]) -> Option<Notice> {
    let mut names = points[0].settings.without_effect();
    for point in &points[1..] {
        let others = point.settings.without_effect();
        names.retain(|name| others.contains(name));
    }
    points[0].settings.note_without_effect(&names)
}

/// The warning about folds that are no test on unseen people.
pub(crate) fn folds_notice(protocol: Folds) -> Option<Notice> {
    matches!(protocol, Folds::Random(_))
        .then(|| Notice::Warning(format!("these folds are no test on unseen people: {}.", protocol.in_words())))
}

/// The study in the folder `path`, with its data read again, and the settings of its first point.
///
/// # Errors
/// As [`rebuild`].
pub(crate) fn read_again(path: &Path) -> Result<(Study, Settings), Error> {
    let description = Description::read(path)?;
    let first = description.first_settings()?;
    let corpus = read_data(&first.data, first.training.seed)?;
    Ok((rebuild(&description, path, corpus)?, first))
}

/// Rebuilds the study in the folder `path` from `corpus`, which holds all its data. The data of `description` may be at
/// another path.
///
/// # Errors
/// Data that differs, or another version of Triax.
pub(crate) fn rebuild(description: &Description, path: &Path, corpus: Corpus) -> Result<Study, Error> {
    let study = build(description.folds, description.seeds, &description.points()?, corpus)?;
    let study = calibrations::with(study, &description.calibrate)?;
    match difference("", &StudyFolder::description(path)?["study"], &description.compared(&study)) {
        None => Ok(study),
        Some(difference) => Err(Error::Input(format!(
            "this is not the data or the Triax that {} was made with: {difference}",
            path.display()
        ))),
    }
}

/// A study of one setting with one seed.
pub(crate) fn with_one_setting(folds: Folds, settings: Settings) -> Result<Study, Error> {
    let corpus = read_data(&settings.data, settings.training.seed)?;
    build(Some(folds), 1, &[Point { values: BTreeMap::new(), settings }], corpus)
}

/// Builds a study from the data. By default, `folds` are the most honest ones that the data allows.
fn build(folds: Option<Folds>, n_seeds: usize, points: &[Point], corpus: Corpus) -> Result<Study, Error> {
    let first = &points[0].settings;
    let recordings = Recordings::select(corpus, &first.data, first.training.seed)?;
    let (step, rounded) = recordings.step(&first.data)?;
    let Recordings { mut corpus, window, .. } = recordings;
    corpus.notices.extend(rounded);
    let windows = triax_data::cut(&corpus, window, step)?;
    let protocol = folds.unwrap_or_else(|| Folds::most_honest(&corpus));
    let SplitSettings { valid_fraction, valid_subjects, .. } = first.split.clone();
    let held_out = HeldOut { valid_fraction, valid_subjects };
    let folds = protocol.make(&corpus, &windows, window, &held_out, first.training.seed)?;
    grid::check_size(Some(points.len()), folds.len(), n_seeds)?;
    let (settings, of_weights) = build_settings(points, &corpus, &windows, (window, step))?;
    let of_data = notices_of_weights(&settings, &corpus, &folds);
    corpus.notices.extend(once(of_weights.into_iter().chain(of_data)));
    let seeds = (0..n_seeds as u64).map(|n| first.training.seed.wrapping_add(n)).collect();
    let (corpus, calibrations) = (Arc::new(corpus), Vec::new());
    Ok(Study { corpus, windows, window, step, protocol, folds, settings, seeds, calibrations })
}

/// What a user should know of the weights that settings start from, for these data and folds.
fn notices_of_weights(settings: &[Setting], corpus: &Corpus, folds: &[Fold]) -> Vec<Notice> {
    let judged: BTreeSet<&String> = folds.iter().flat_map(|fold| &fold.valid_subjects).collect();
    let judged: Vec<String> = judged.into_iter().cloned().collect();
    let of_setting = |setting: &Setting| {
        let weights = setting.initial.as_ref()?;
        Some(initial::notices(weights, corpus, setting.extra.get(PER_WINDOW).map(String::as_str), &judged))
    };
    once(settings.iter().filter_map(of_setting).flatten())
}

/// Each of `notices` once: settings that start from the same file have the same.
fn once(notices: impl Iterator<Item = Notice>) -> Vec<Notice> {
    let mut once = Vec::new();
    for notice in notices {
        if !once.contains(&notice) {
            once.push(notice);
        }
    }
    once
}

/// The settings of each point, and what a user should know of the weights that they start from. Points with the same
/// preparation share their windows.
pub(crate) fn build_settings(
    points: &[Point],
    corpus: &Corpus,
    windows: &Windows,
    (window, step): (usize, usize),
) -> Result<(Vec<Setting>, Vec<Notice>), Error> {
    let of_data = data_extra(corpus, window, (points[0].settings.data.step, step));
    let n_channels = corpus.channels.len();
    let mut sets: Vec<(Preparation, WindowSet)> = Vec::new();
    let (mut settings, mut notices) = (Vec::new(), Vec::new());
    for point in points {
        let (name, point_settings) = (point.name(), &point.settings);
        let data = &point_settings.data;
        let preparation = data.preparation(n_channels, corpus.rate_hz, || corpus.gravity(window))?;
        let set = match sets.iter().find(|(known, _)| *known == preparation) {
            Some((_, set)) => set.clone(),
            None => {
                let set = window_set(windows.clone(), &preparation, window, n_channels)
                    .map_err(|problem| Error::Input(format!("{}: {problem}", corpus.name)))?;
                sets.push((preparation.clone(), set.clone()));
                set
            }
        };
        let spec = point_settings.network.spec(window, data.network_channels(n_channels)?, corpus.classes.len());
        let which = if points.len() == 1 { "this network".to_owned() } else { format!("the network of {name}") };
        let network =
            Network::new(spec).map_err(|problem| Error::from(problem).while_doing(format!("{which} cannot work")))?;
        let plan = point_settings.fit_plan(&network, &corpus.classes)?;
        let initial = initial::read(point_settings, &network)?.map(|(initial, of_file)| {
            notices.extend(of_file);
            initial
        });
        let classical = point_settings.training.classical();
        let loss = classical.map_or(plan.training.loss, |classical| classical.method.loss());
        settings.push(Setting {
            name,
            values: point.texts(),
            network,
            classical,
            balances_classes: point_settings.training.class_weights == ClassWeights::Balanced,
            // Features are standardised by the model itself.
            standardises: data.normalize.has_scaler() && classical.is_none(),
            extra: weight_file_extra(&of_data, &preparation, loss),
            preparation,
            windows: set,
            initial,
            plan,
        });
    }
    Ok((settings, notices))
}

/// The requested devices, before an `auto` is resolved.
pub(crate) fn candidates(machine: &MachineSettings, devices: &[DeviceChoice]) -> Result<Vec<Candidates>, Error> {
    let several = |&device: &DeviceChoice| Candidates::find(&MachineSettings { device, ..machine.clone() });
    match devices {
        [] => Ok(vec![Candidates::find(machine)?]),
        devices => devices.iter().map(several).collect(),
    }
}

/// The devices of a study.
pub(crate) struct Devices {
    pub devices: Vec<Device<'static>>,
    pub notices: Vec<Notice>,
    /// Threads of the CPU that they leave idle.
    pub idle_threads: usize,
    /// The kind of the first; none without devices.
    pub kind: Option<DeviceKind>,
}

/// Chooses the devices of `study`, and how many models each trains at once.
fn choose_devices(candidates: Vec<Candidates>, study: &Study, timings: &Timings) -> Result<Devices, Error> {
    let most = |engine: &dyn Engine| even_groups(study.n_trainings(), capacity(study, engine).min(AT_ONCE_ON_GPU));
    open_devices(candidates, study, most, timings)
}

/// Chooses devices by the first setting of `study`. Each GPU trains as many models at once as `most` says of its engine.
pub(crate) fn open_devices(
    candidates: Vec<Candidates>,
    study: &Study,
    most: impl Fn(&dyn Engine) -> usize,
    timings: &Timings,
) -> Result<Devices, Error> {
    let _choosing = timings.phase(Phase::Devices);
    let (mut devices, mut notices, mut uses_cpu, mut kind) = (Vec::new(), Vec::new(), false, None);
    for candidate in candidates {
        let chosen = with_trial(study, |trial| candidate.choose(trial))?;
        notices.extend(chosen.notices);
        let OpenEngine { mut engine, device } = chosen.open;
        engine.set_timings(timings);
        let name = format!("{} ({})", device.name, engine.name());
        let choice = engine.name().parse().map_err(Error::Input)?;
        // Each thread of a CPU trains whole models. A multiple of the threads leaves none idle.
        let threads = device.threads.unwrap_or(1);
        let is_cpu = is_cpu(device.kind);
        uses_cpu |= is_cpu;
        kind.get_or_insert(device.kind);
        let at_once = match is_cpu {
            true => AT_ONCE_ON_CPU.next_multiple_of(threads),
            false => most(engine.as_ref()),
        };
        let (shelf, timings) = (Shelf::with(engine), timings.clone());
        let open = move || -> Result<Box<dyn Engine>, String> {
            if let Some(engine) = shelf.take() {
                return Ok(Box::new(engine));
            }
            let _opening = timings.phase(Phase::Devices);
            let mut open = engines::open(choice, &device).map_err(|error| error.in_full())?;
            open.engine.set_timings(&timings);
            Ok(Box::new(shelf.lend(open.engine)))
        };
        devices.push(Device { name, open: Box::new(open), at_once });
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Each device has a thread that feeds it.
    let idle_threads = if uses_cpu { 0 } else { threads.saturating_sub(devices.len()) };
    Ok(Devices { devices, notices, idle_threads, kind })
}

/// Whether the CPU computes what a device of this kind does.
pub(crate) fn is_cpu(kind: DeviceKind) -> bool {
    matches!(kind, DeviceKind::Cpu | DeviceKind::Software)
}

/// Calls `with` with the trial of the first setting of `study` in its first fold.
pub(crate) fn with_trial<T>(study: &Study, with: impl FnOnce(&Trial<'_>) -> T) -> T {
    let (setting, fold) = (&study.settings[0], &study.folds[0]);
    let scaler = study.scaler(setting, fold);
    with(&Trial {
        network: &setting.network,
        plan: &setting.plan.training,
        windows: &setting.windows,
        train: &fold.train,
        scaler: scaler.as_ref(),
        learning_rate: setting.plan.learning_rate,
    })
}

/// The number of models that `engine` holds at once, whatever their setting.
fn capacity(study: &Study, engine: &dyn Engine) -> usize {
    let of_setting = |setting: &Setting| {
        let weights = Weights::zeros(&setting.network);
        let of_fold = |fold: &Fold| {
            let member = Member {
                network: &setting.network,
                weights: &weights,
                plan: &setting.plan.training,
                scaler: None,
                validation: &fold.valid,
            };
            engine.capacity(&member, &setting.windows)
        };
        study.folds.iter().map(of_fold).min().unwrap_or(1)
    };
    study.settings.iter().map(of_setting).min().unwrap_or(1)
}

/// The size of the groups of `n` trainings if at most `most` are in each, so that all groups have about the same size.
fn even_groups(n: usize, most: usize) -> usize {
    n.div_ceil(n.div_ceil(most.max(1)).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_a_gpu_have_about_the_same_size() {
        for (n, most, expected) in
            [(320, 1024, 320), (320, 300, 160), (1025, 1024, 513), (7, 3, 3), (1, 1, 1), (5, 0, 1)]
        {
            assert_eq!(even_groups(n, most), expected, "{n} trainings, at most {most} at once");
        }
    }
}
