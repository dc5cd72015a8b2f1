//! Trains what a share of a study is still missing: group after group, on one device or several.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use triax_engine::{Engine, EngineError, can_share};
use triax_model::{Scaler, WeightFile, Weights};
use triax_trainer::{FitPlan, FleetJob, FleetModel, FleetObserver, FleetOutcome, FleetResult, fit_fleet};

use crate::StudyError;
use crate::folder::StudyFolder;
use crate::grid::{Setting, Share, Study, Training};
use crate::tables;
use crate::training_file::{Trained, TrainingFile};

/// A device to train on.
pub struct Device<'a> {
    /// What the tables call it.
    pub name: String,
    /// Opens its engine, on the thread that will use it.
    pub open: Box<dyn Fn() -> Result<Box<dyn Engine>, String> + Sync + 'a>,
    /// Models that it trains at once, at most.
    pub at_once: usize,
}

/// What to train, and what to keep of it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The share to train.
    pub share: Share,
    /// Whether weights are kept.
    pub keeps_weights: bool,
}

/// Watches a study, from whichever thread trains.
pub trait Watch: Send {
    /// Training begins: steps of all trainings of the share, and how many of them are done already.
    fn started(&mut self, _n_steps: u64, _done: u64, _n_trainings: usize, _n_done: usize) {}

    /// So many more steps are done.
    fn steps_done(&mut self, _steps: u64) {}

    /// So many trainings are done, of those that the share has.
    fn trainings_done(&mut self, _done: usize) {}

    /// Whether to stop. The group in progress is lost, what came before is kept.
    fn interrupted(&mut self) -> bool {
        false
    }
}

impl Watch for () {}

/// How it ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The folder holds all trainings of the share.
    Finished,
    /// The watch asked to stop.
    Interrupted {
        /// Trainings of the share that are there.
        n_done: usize,
        /// Trainings of the share.
        n_trainings: usize,
    },
}

/// Trains what `folder` does not hold yet. Which device trains what is settled beforehand, so that a study that was
/// stopped comes out as one that was not.
///
/// # Errors
/// Damaged files in the folder; a device that fails; a disk that is full. What was trained before is kept.
pub fn run(
    study: &Study,
    devices: &[Device<'_>],
    options: Options,
    folder: &StudyFolder,
    watch: &mut dyn Watch,
) -> Result<Outcome, StudyError> {
    let files = folder.trainings(study)?;
    tables::write(study, folder, &files)?;
    let done: BTreeSet<usize> = files.into_keys().collect();
    let (groups, wanted) = (groups(study, devices, options.share), wanted(study, options.share));
    let n_steps = |numbers: &mut dyn Iterator<Item = usize>| numbers.map(|n| n_steps(study, study.training(n))).sum();
    let n_done = wanted.iter().filter(|number| done.contains(number)).count();
    watch.started(
        n_steps(&mut wanted.iter().copied()),
        n_steps(&mut wanted.iter().copied().filter(|number| done.contains(number))),
        wanted.len(),
        n_done,
    );
    let shared = Mutex::new(Shared { study, folder, n_done, watch });
    let work = |device_idx: usize| -> Result<ControlFlow<()>, StudyError> {
        let device = &devices[device_idx];
        let mut engine = None;
        for group in groups.iter().filter(|group| group.device == device_idx) {
            let missing: Vec<usize> = group.trainings.iter().copied().filter(|n| !done.contains(n)).collect();
            if missing.is_empty() {
                continue;
            }
            let engine = match &engine {
                Some(engine) => engine,
                None => engine.insert((device.open)().map_err(StudyError::Device)?),
            };
            if train_group(study, device, engine.as_ref(), options, &missing, &shared)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    let ends: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..devices.len()).map(|device| scope.spawn(move || work(device))).collect();
        let own = work(0);
        let others = others.into_iter().map(|other| {
            other.join().unwrap_or_else(|_| Err(StudyError::Device("a thread of the study panicked".into())))
        });
        std::iter::once(own).chain(others.collect::<Vec<_>>()).collect()
    });
    let n_done = shared.into_inner().unwrap_or_else(PoisonError::into_inner).n_done;
    // Rows were added as they came; whatever came in between, they end in the order of the numbers.
    let sorted = folder.trainings(study).and_then(|files| tables::write(study, folder, &files));
    let mut stopped = false;
    for end in ends {
        stopped |= end?.is_break();
    }
    sorted?;
    Ok(if stopped { Outcome::Interrupted { n_done, n_trainings: wanted.len() } } else { Outcome::Finished })
}

/// The numbers of a share.
fn wanted(study: &Study, share: Share) -> BTreeSet<usize> {
    (0..study.n_trainings()).filter(|&number| share.has(number)).collect()
}

/// Steps of a training.
fn n_steps(study: &Study, training: Training) -> u64 {
    let plan = &study.settings[training.setting].plan;
    (plan.epochs * plan.training.n_steps(study.folds[training.fold].train.len())) as u64
}

/// Trainings that make one fleet.
struct Group {
    device: usize,
    trainings: Vec<usize>,
}

/// Cuts a share into groups, in the order of the numbers: as long as the next one can share a fleet with those before, and
/// no larger than its device wants it. The devices take turns.
fn groups(study: &Study, devices: &[Device<'_>], share: Share) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for number in wanted(study, share) {
        let fits = |group: &&mut Group| {
            let first = &study.settings[study.training(group.trainings[0]).setting];
            let own = &study.settings[study.training(number).setting];
            group.trainings.len() < devices[group.device].at_once && fleet_of(first, own)
        };
        match groups.last_mut().filter(fits) {
            Some(group) => group.trainings.push(number),
            None => groups.push(Group { device: groups.len() % devices.len(), trainings: vec![number] }),
        }
    }
    groups
}

/// Whether trainings of two settings can share a fleet.
fn fleet_of(first: &Setting, other: &Setting) -> bool {
    first.plan.epochs == other.plan.epochs
        && std::sync::Arc::ptr_eq(&first.windows.windows, &other.windows.windows)
        && can_share((&first.network, &first.plan.training), (&other.network, &other.plan.training)).is_ok()
}

/// What the threads of several devices share.
struct Shared<'a> {
    study: &'a Study,
    folder: &'a StudyFolder,
    /// Trainings of the share that are there.
    n_done: usize,
    watch: &'a mut dyn Watch,
}

/// What a member of a fleet is made of.
pub(crate) struct Ingredients {
    pub training: Training,
    pub plan: FitPlan,
    weights: Weights,
    scaler: Option<Scaler>,
}

impl Ingredients {
    /// Those of the trainings of these numbers.
    pub fn of(study: &Study, numbers: impl Iterator<Item = usize>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for number in numbers {
            let training = study.training(number);
            let setting = &study.settings[training.setting];
            // The seeds of a setting and fold follow each other, and share their scaler.
            let shares = |of: &&Self| (of.training.setting, of.training.fold) == (training.setting, training.fold);
            let scaler = match all.last().filter(shares) {
                Some(before) => before.scaler.clone(),
                None => study.scaler(setting, &study.folds[training.fold]),
            };
            let weights = Weights::glorot_uniform(&setting.network, training.seed);
            all.push(Self { training, plan: study.plan(training), weights, scaler });
        }
        all
    }

    /// The scores of the fold's validation windows, once trained to `weights`.
    pub fn scores(&self, study: &Study, engine: &dyn Engine, weights: &Weights) -> Result<Vec<f32>, EngineError> {
        let (setting, fold) = (&study.settings[self.training.setting], &study.folds[self.training.fold]);
        let mut judged = setting.windows.values_at(&fold.valid);
        if let Some(scaler) = &self.scaler {
            scaler.apply(&mut judged);
        }
        engine.scores(&setting.network, weights, &judged)
    }

    pub fn model<'a>(&'a self, study: &'a Study) -> FleetModel<'a> {
        let fold = &study.folds[self.training.fold];
        FleetModel {
            network: &study.settings[self.training.setting].network,
            weights: &self.weights,
            plan: &self.plan,
            scaler: self.scaler.as_ref(),
            train: &fold.train,
            valid: &fold.valid,
        }
    }
}

fn train_group(
    study: &Study,
    device: &Device<'_>,
    engine: &dyn Engine,
    options: Options,
    numbers: &[usize],
    shared: &Mutex<Shared<'_>>,
) -> Result<ControlFlow<()>, StudyError> {
    let (begun, clock) = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(), Instant::now());
    let ingredients = Ingredients::of(study, numbers.iter().copied());
    let models: Vec<FleetModel<'_>> = ingredients.iter().map(|of| of.model(study)).collect();
    let job = FleetJob {
        engine,
        windows: &study.settings[ingredients[0].training.setting].windows,
        classes: study.classes(),
        models: &models,
        at_once: Some(numbers.len()),
        follows_validation: true,
    };
    let mut collector = Collector { shared, steps_done: 0, results: Vec::new() };
    if fit_fleet(&job, &mut collector)? != FleetOutcome::Finished {
        return Ok(ControlFlow::Break(()));
    }
    let seconds = clock.elapsed().as_secs_f64() / numbers.len() as f64;
    let mut files = Vec::with_capacity(numbers.len());
    for (of, result) in ingredients.iter().zip(collector.results) {
        let file = end(study, device, engine, of, result, options, shared, (begun, seconds))?;
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        file.write(&shared.folder.training_path(of.training.number), study.classes().len())?;
        files.push(file);
    }
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    tables::append(shared.study, shared.folder, &files)?;
    shared.n_done += files.len();
    let n_done = shared.n_done;
    shared.watch.trainings_done(n_done);
    Ok(ControlFlow::Continue(()))
}

/// Scores a trained model's validation windows, and keeps its weights where they are wanted.
#[expect(clippy::too_many_arguments, reason = "what a training ends with comes from everywhere")]
fn end(
    study: &Study,
    device: &Device<'_>,
    engine: &dyn Engine,
    of: &Ingredients,
    result: FleetResult,
    options: Options,
    shared: &Mutex<Shared<'_>>,
    (started, seconds): (u64, f64),
) -> Result<TrainingFile, StudyError> {
    let Training { number, setting, fold, seed } = of.training;
    let (setting, fold) = (&study.settings[setting], &study.folds[fold]);
    let mut trained = Trained {
        number,
        setting: setting.name.clone(),
        fold: fold.name.clone(),
        seed,
        fingerprint: study.corpus.fingerprint.clone(),
        device: device.name.clone(),
        started,
        seconds,
        history: result.history,
        broken: None,
    };
    let weights = match result.end {
        Ok(model) => model.weights,
        Err(breakdown) => {
            trained.broken = Some(breakdown.to_string());
            return Ok(TrainingFile { trained, scores: Vec::new() });
        }
    };
    let scores = of.scores(study, engine, &weights)?;
    if options.keeps_weights {
        let file = WeightFile {
            weights,
            spec: setting.network.spec().clone(),
            classes: study.classes().to_vec(),
            scaler: of.scaler.clone(),
            extra: setting.extra.clone(),
        };
        let path = shared.lock().unwrap_or_else(PoisonError::into_inner).folder.weights_path(number);
        file.write(path)?;
    }
    Ok(TrainingFile { trained, scores })
}

/// Hands the progress of a fleet on, and keeps its results.
struct Collector<'a, 'b> {
    shared: &'a Mutex<Shared<'b>>,
    steps_done: u64,
    results: Vec<FleetResult>,
}

impl FleetObserver for Collector<'_, '_> {
    fn steps_done(&mut self, steps: u64) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.watch.steps_done(steps.saturating_sub(self.steps_done));
        self.steps_done = self.steps_done.max(steps);
    }

    fn group_ended(&mut self, results: Vec<FleetResult>) {
        self.results.extend(results);
    }

    fn interrupted(&mut self) -> bool {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).watch.interrupted()
    }
}
