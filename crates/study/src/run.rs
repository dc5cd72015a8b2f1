//! Runs the trainings that a share of a study is missing, in groups, on one device or several.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use triax_answers::TrainedFeatures;
use triax_engine::{Engine, Phase, StepResult, Timings, can_share};
use triax_model::WeightFile;
use triax_trainer::{FitOutcome, FitSize, Job, Model, ModelResult, Observer, TrainedModel, fit};

use crate::StudyError;
use crate::calibration::{self, CalibratedNetwork};
use crate::classical_trainings::ClassicalTrainings;
use crate::folder::StudyFolder;
use crate::grid::{Setting, Share, Study, Training};
use crate::tables;
use crate::trained_features::TrainedNetwork;
use crate::training_file::{Trained, TrainingFile};
use crate::training_inputs::TrainingInputs;
use crate::writer::{Ended, Kept, Writer};

/// A device to train on.
pub struct Device<'a> {
    /// Its name in the tables.
    pub name: String,
    /// Opens its engine. It is called on the thread that uses the engine.
    pub open: Box<dyn Fn() -> Result<Box<dyn Engine>, String> + Sync + 'a>,
    /// The most models that it trains at once.
    pub at_once: usize,
}

/// Which trainings to run, and what to keep.
#[derive(Clone, Debug)]
pub struct Options {
    /// The share to train.
    pub share: Share,
    /// Whether to write weight files.
    pub keeps_weights: bool,
    /// The recorder of where the time goes.
    pub timings: Timings,
}

/// How a run of a study ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The folder holds all trainings of the share.
    Finished,
    /// The observer asked to stop.
    Interrupted {
        /// Trainings of the share that have ended.
        n_done: usize,
        /// Trainings of the share.
        n_trainings: usize,
    },
}

/// Runs the trainings that `folder` does not hold yet. The device of each training is fixed in advance, so that a study
/// that was stopped and resumed has the same results.
///
/// `observer` receives the events of a fleet whose models are the trainings of the share, except for those of epochs. If it
/// asks to stop, the groups in progress are lost; trainings that ended before are kept.
///
/// The files of a group are written while the next one is trained.
///
/// # Errors
/// Damaged files in the folder; a device that fails; a full disk. Trainings that ended before are kept.
pub fn run(
    study: &Study,
    devices: &[Device<'_>],
    options: &Options,
    folder: &StudyFolder,
    observer: &mut dyn Observer,
) -> Result<Outcome, StudyError> {
    let catching_up = options.timings.phase(Phase::Files);
    let files = folder.trainings(study)?;
    tables::write(study, folder, &files)?;
    drop(catching_up);
    let done: BTreeSet<usize> = files.into_keys().collect();
    let (groups, numbers) = (groups(study, devices, options.share), share_numbers(study, options.share));
    let size = size(study, &numbers, &done);
    observer.fit_started(&size);
    let progress = Mutex::new(Progress { n_done: size.models_done, steps_done: size.steps_done, observer });
    let failed = AtomicBool::new(false);
    // One group waits to be written while another is.
    let (sender, ended) = sync_channel(1);
    let work = |device_idx: usize, sender: SyncSender<Vec<Ended>>| -> Result<ControlFlow<()>, StudyError> {
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
            let (engine, progress, failed) = (engine.as_ref(), &progress, &failed);
            let worker = Worker { study, options, device, engine, progress, failed };
            if worker.train(&missing, group.trainings.len(), &sender)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    let panicked = || StudyError::Device("a thread of the study panicked".into());
    let timings = options.timings.clone();
    let writer = Writer { study, folder, progress: &progress, failed: &failed, timings };
    let classical = ClassicalTrainings {
        study,
        keeps_weights: options.keeps_weights,
        is_stopped: &|| failed.load(Relaxed) || lock(&progress).observer.interrupted(),
    };
    let missing: Vec<usize> = numbers.difference(&done).copied().collect();
    let (ends, written) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| writer.write_all(ended));
        let work = &work;
        let to_writer = sender.clone();
        let classical = scope.spawn(|| {
            let to_writer = to_writer;
            classical.train(missing, &to_writer)
        });
        let others: Vec<_> = (1..devices.len())
            .map(|device| {
                let sender = sender.clone();
                scope.spawn(move || work(device, sender))
            })
            .collect();
        let own = work(0, sender);
        let others = others.into_iter().map(|other| other.join().unwrap_or_else(|_| Err(panicked())));
        let classical = Ok(classical.join().unwrap_or_else(|panic| resume_unwind(panic)));
        let ends: Vec<_> = std::iter::once(own).chain(others).chain([classical]).collect();
        // All senders are gone: the writer ends with what it has.
        let _files = options.timings.phase(Phase::Files);
        (ends, writing.join().unwrap_or_else(|_| Err(panicked())))
    });
    let n_done = progress.into_inner().unwrap_or_else(PoisonError::into_inner).n_done;
    let sorting = options.timings.phase(Phase::Files);
    // Rows were appended as trainings ended. The tables are rewritten in the order of the numbers, also after an error.
    let sorted = folder.trainings(study).and_then(|files| tables::write(study, folder, &files));
    written?;
    drop(sorting);
    let mut stopped = false;
    for end in ends {
        stopped |= end?.is_break();
    }
    sorted?;
    Ok(if stopped { Outcome::Interrupted { n_done, n_trainings: numbers.len() } } else { Outcome::Finished })
}

/// The numbers of the trainings of a share.
fn share_numbers(study: &Study, share: Share) -> BTreeSet<usize> {
    (0..study.n_trainings()).filter(|&number| share.has(number)).collect()
}

/// The size of the trainings `numbers`, of which those in `done` have ended.
fn size(study: &Study, numbers: &BTreeSet<usize>, done: &BTreeSet<usize>) -> FitSize {
    let setting = |number: usize| &study.settings[study.training(number).setting];
    let n_steps = |&number: &usize| {
        let fold = &study.folds[study.training(number).fold];
        (setting(number).epochs() * setting(number).plan.training.n_steps(fold.train.len())) as u64
    };
    FitSize {
        n_models: numbers.len(),
        models_done: numbers.intersection(done).count(),
        epochs: numbers.iter().map(|&number| setting(number).epochs()).max().unwrap_or(0),
        epochs_done: 0,
        n_steps: numbers.iter().map(n_steps).sum(),
        steps_done: numbers.intersection(done).map(n_steps).sum(),
    }
}

/// Trainings that form one fleet.
struct Group {
    device: usize,
    trainings: Vec<usize>,
}

/// Cuts the networks of a share into groups, in the order of the numbers. A group ends before the first training that cannot share a fleet
/// with it, or at the most models of its device. Groups go to the devices in turn, and none is so large that a device gets
/// no share.
fn groups(study: &Study, devices: &[Device<'_>], share: Share) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let is_network = |&number: &usize| study.settings[study.training(number).setting].classical.is_none();
    let numbers: Vec<usize> = share_numbers(study, share).into_iter().filter(is_network).collect();
    let a_device = numbers.len().div_ceil(devices.len().max(1));
    for number in numbers {
        let fits = |group: &&mut Group| {
            let first = &study.settings[study.training(group.trainings[0]).setting];
            let own = &study.settings[study.training(number).setting];
            group.trainings.len() < devices[group.device].at_once.min(a_device) && can_share_fleet(first, own)
        };
        match groups.last_mut().filter(fits) {
            Some(group) => group.trainings.push(number),
            None => groups.push(Group { device: groups.len() % devices.len(), trainings: vec![number] }),
        }
    }
    groups
}

/// Whether trainings of two settings can share a fleet.
fn can_share_fleet(first: &Setting, other: &Setting) -> bool {
    first.plan.epochs == other.plan.epochs
        && Arc::ptr_eq(&first.windows.windows, &other.windows.windows)
        && can_share((&first.network, &first.plan.training), (&other.network, &other.plan.training)).is_ok()
}

/// The progress of a share on all devices together.
pub(crate) struct Progress<'a> {
    /// Trainings that have ended.
    pub(crate) n_done: usize,
    /// Steps of these and of those in training.
    steps_done: u64,
    pub(crate) observer: &'a mut dyn Observer,
}

/// Trains groups on one device.
struct Worker<'a, 'o> {
    study: &'a Study,
    options: &'a Options,
    device: &'a Device<'a>,
    engine: &'a dyn Engine,
    progress: &'a Mutex<Progress<'o>>,
    /// Whether files cannot be written any more.
    failed: &'a AtomicBool,
}

impl Worker<'_, '_> {
    /// Runs the trainings of these numbers as one fleet, and sends them to be written. `planned` are the trainings of their
    /// group, with those that have ended before.
    fn train(
        &self,
        numbers: &[usize],
        planned: usize,
        sender: &SyncSender<Vec<Ended>>,
    ) -> Result<ControlFlow<()>, StudyError> {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let clock = Instant::now();
        let preparing = self.engine.timings().phase(Phase::Preparing);
        let inputs = TrainingInputs::prepare(self.study, numbers.iter().copied());
        drop(preparing);
        let models: Vec<Model<'_>> = inputs.iter().map(|inputs| inputs.model(self.study)).collect();
        let job = Job {
            engine: self.engine,
            windows: &self.study.settings[inputs[0].training.setting].windows,
            classes: self.study.classes(),
            models: &models,
            at_once: Some(numbers.len()),
            planned: Some(planned),
            follows_validation: true,
            wants_scores: true,
        };
        let mut observer = GroupObserver { progress: self.progress, failed: self.failed, steps_done: 0 };
        let FitOutcome::Finished(results) = fit(&job, &mut observer)? else { return Ok(ControlFlow::Break(())) };
        let seconds = clock.elapsed().as_secs_f64() / numbers.len() as f64;
        let ends =
            inputs.into_iter().zip(results).map(|(inputs, result)| self.ended(inputs, result, (started, seconds)));
        let ends = ends.collect::<Result<_, _>>()?;
        // While as many files wait as may.
        let _files = self.options.timings.phase(Phase::Files);
        // Nobody receives after an error, which is that of the study.
        Ok(match sender.send(ends) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    }

    /// The file of a training with the scores of its validation windows, and its weight file if weights are kept.
    fn ended(
        &self,
        inputs: TrainingInputs,
        result: ModelResult,
        (started, seconds): (u64, f64),
    ) -> Result<Ended, StudyError> {
        let Training { number, setting, fold, seed } = inputs.training;
        let setting = &self.study.settings[setting];
        let mut trained = Trained {
            number,
            setting: setting.name.clone(),
            fold: self.study.folds[fold].name.clone(),
            seed,
            fingerprint: self.study.corpus.fingerprint.clone(),
            device: self.device.name.clone(),
            started,
            seconds,
            history: result.history.into_iter().map(Into::into).collect(),
            broken: None,
            calibrated: Vec::new(),
        };
        let TrainedModel { weights, scores, .. } = match result.end {
            Ok(model) => model,
            Err(breakdown) => {
                trained.broken = Some(breakdown.to_string());
                return Ok(Ended { file: TrainingFile { trained, scores: Vec::new() }, weights: None });
            }
        };
        let scores = scores.unwrap_or_default();
        let scaler = inputs.scaler.as_ref();
        // Those who keep the weights can calibrate them.
        let features = if self.options.keeps_weights || !self.study.calibrations.is_empty() {
            let (network, windows, train) = (&setting.network, &setting.windows, &self.study.folds[fold].train);
            TrainedNetwork { network, windows, train, scaler }.features(self.engine, &weights)?
        } else {
            None
        };
        let network = CalibratedNetwork { weights: &weights, scaler, features: features.as_ref() };
        trained.calibrated = calibration::calibrated(self.study, inputs.training, self.engine, network, &scores)?;
        let weights = self.options.keeps_weights.then(|| {
            let mut extra = setting.extra.clone();
            let features = features.and_then(|features| features.to_json().ok());
            extra.extend(features.map(|text| (TrainedFeatures::KEY.to_owned(), text)));
            Kept::Network(WeightFile {
                weights,
                spec: setting.network.spec().clone(),
                classes: self.study.classes().to_vec(),
                scaler: inputs.scaler,
                extra,
            })
        });
        Ok(Ended { file: TrainingFile { trained, scores }, weights })
    }
}

/// Adds the progress of a group to that of the share.
struct GroupObserver<'a, 'o> {
    progress: &'a Mutex<Progress<'o>>,
    failed: &'a AtomicBool,
    /// Steps of the group.
    steps_done: u64,
}

impl Observer for GroupObserver<'_, '_> {
    fn steps_done(&mut self, steps: u64, _newest: Option<StepResult>) {
        let mut progress = lock(self.progress);
        progress.steps_done += steps - self.steps_done;
        self.steps_done = steps;
        let steps_done = progress.steps_done;
        progress.observer.steps_done(steps_done, None);
    }

    fn interrupted(&mut self) -> bool {
        self.failed.load(Relaxed) || lock(self.progress).observer.interrupted()
    }
}

/// Locks `progress`, also after a panic on the thread of another device, so that the other trainings are not lost.
pub(crate) fn lock<'a, 'o>(progress: &'a Mutex<Progress<'o>>) -> MutexGuard<'a, Progress<'o>> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use triax_data::{Corpus, Folds, HeldOut, Recording, RepairLog, cut};
    use triax_engine::{Augmentation, CpuEngine, Optimizer, TrainingPlan, WindowSet};
    use triax_losses::Loss;
    use triax_model::{ConvSpec, DenseSpec, Network, NetworkSpec, Preparation};
    use triax_trainer::{FitPlan, Sampling, Schedule};

    use super::*;
    use crate::baselines::{Baseline, ClassicalFile, ClassicalPlan};
    use crate::{ClassicalBeside, Facts, summarise};

    fn plan(learning_rate: f32) -> FitPlan {
        FitPlan {
            training: TrainingPlan {
                loss: Loss::CategoricalHinge,
                optimizer: Optimizer::adam(),
                batch_size: 8,
                clip_norm: None,
                class_weights: None,
                label_smoothing: 0.0,
                augmentation: Augmentation::default(),
                seed: 0,
            },
            epochs: 3,
            shuffle: true,
            sampling: Sampling::Shuffle,
            learning_rate,
            schedule: Schedule::Constant,
            early_stopping: None,
            average_last: None,
            log_steps: false,
        }
    }

    /// Two settings, one of which breaks down at once, on two folds with two seeds: eight trainings of three epochs.
    fn study() -> Study {
        let recording = |subject: usize, class: u32| Recording {
            subject: format!("s{subject}"),
            class,
            times: Vec::new(),
            stamps: None,
            values: (0..64).map(|row| class as f32 + 0.1 * ((row * 7 + subject) % 5) as f32).collect(),
            part: None,
            source: format!("test:{subject}"),
        };
        let corpus = Corpus {
            name: "test".into(),
            synthetic: true,
            channels: vec!["x".into()],
            classes: vec!["up".into(), "down".into()],
            class_names: vec!["up".into(), "down".into()],
            rate_hz: None,
            recordings: (0..4).flat_map(|subject| [0, 1].map(|class| recording(subject, class))).collect(),
            repairs: RepairLog::default(),
            columns: Vec::new(),
            notices: Vec::new(),
            window: None,
            fingerprint: String::new(),
        };
        let windows = cut(&corpus, 8, 8).unwrap();
        let (values, labels) = (windows.values.clone(), windows.labels.clone());
        let set = WindowSet { windows: values, labels, sample_weights: None };
        let convs = vec![ConvSpec::plain(2, 3, 1, None)];
        let spec = NetworkSpec {
            window: 8,
            channels: 1,
            convs,
            global_pool: None,
            dropout: 0.0,
            hidden: DenseSpec::relu([3]),
            classes: 2,
        };
        let setting = |learning_rate: f32| Setting {
            name: format!("learning_rate={learning_rate}"),
            values: BTreeMap::new(),
            network: Network::new(spec.clone()).unwrap(),
            plan: plan(learning_rate),
            classical: None,
            balances_classes: false,
            standardises: true,
            preparation: Preparation::default(),
            windows: set.clone(),
            initial: None,
            extra: BTreeMap::new(),
        };
        Study {
            folds: Folds::Groups(2).make(&corpus, &windows, 8, &HeldOut::default(), 0).unwrap(),
            settings: vec![setting(0.01), setting(1e38)],
            windows,
            corpus: Arc::new(corpus),
            window: 8,
            step: 8,
            protocol: Folds::Groups(2),
            seeds: vec![0, 1],
            calibrations: Vec::new(),
        }
    }

    /// Keeps the events, and stops the study after so many steps.
    #[derive(Default)]
    struct EventLog {
        size: Option<FitSize>,
        steps: Vec<u64>,
        models_ended: Vec<usize>,
        stop_at: Option<u64>,
    }

    impl Observer for EventLog {
        fn fit_started(&mut self, size: &FitSize) {
            self.size = Some(*size);
        }
        fn steps_done(&mut self, steps: u64, _: Option<StepResult>) {
            self.steps.push(steps);
        }
        fn models_ended(&mut self, models: usize) {
            self.models_ended.push(models);
        }
        fn interrupted(&mut self) -> bool {
            self.stop_at.is_some_and(|stop| self.steps.last().is_some_and(|&steps| steps >= stop))
        }
    }

    fn devices(n_devices: usize, at_once: usize) -> Vec<Device<'static>> {
        let device = |n| Device {
            name: format!("cpu {n}"),
            open: Box::new(|| Ok(Box::new(CpuEngine::<f32>::new()) as Box<dyn Engine>)),
            at_once,
        };
        (0..n_devices).map(device).collect()
    }

    /// Trains the study in `folder` on so many devices, three trainings at once.
    fn train(study: &Study, n_devices: usize, folder: &StudyFolder, log: &mut dyn Observer) -> Outcome {
        try_to_train(study, n_devices, folder, log).unwrap()
    }

    fn try_to_train(
        study: &Study,
        n_devices: usize,
        folder: &StudyFolder,
        log: &mut dyn Observer,
    ) -> Result<Outcome, StudyError> {
        let options = Options { share: Share::WHOLE, keeps_weights: true, timings: Timings::off() };
        run(study, &devices(n_devices, 3), &options, folder, log)
    }

    #[test]
    fn no_device_is_left_without_a_group() {
        let study = study();
        // The two learning rates can share a fleet.
        let sizes = |n_devices, at_once| -> Vec<(usize, usize)> {
            let groups = groups(&study, &devices(n_devices, at_once), Share::WHOLE);
            groups.into_iter().map(|group| (group.device, group.trainings.len())).collect()
        };
        assert_eq!(sizes(1, 100), [(0, 8)]);
        assert_eq!(sizes(3, 100), [(0, 3), (1, 3), (2, 2)]);
        assert_eq!(sizes(2, 3), [(0, 3), (1, 3), (0, 2)]);
    }

    #[test]
    fn the_file_of_a_training_has_the_scores_of_its_weights() {
        let study = study();
        let scratch = tempfile::tempdir().unwrap();
        let folder = StudyFolder::open(&scratch.path().join("study"), &json!({}), &json!({})).unwrap();
        train(&study, 1, &folder, &mut ());
        let mut n_checked = 0;
        for (number, file) in folder.trainings(&study).unwrap() {
            let path = folder.weights_path(number);
            assert_eq!(path.exists(), file.trained.broken.is_none());
            if file.trained.broken.is_none() {
                let training = study.training(number);
                let (setting, kept) = (&study.settings[training.setting], WeightFile::read(path).unwrap());
                let values = setting.windows.values_at(&study.folds[training.fold].valid);
                let engine = CpuEngine::<f32>::new();
                let truth = engine.scores(&setting.network, &kept.weights, kept.scaler.as_ref(), &values);
                assert_eq!(file.scores, truth.unwrap());
                n_checked += 1;
            }
        }
        assert_eq!(n_checked, 4);
    }

    /// The study with a logistic regression as its third setting.
    fn study_with_classical() -> Study {
        let mut study = study();
        let classical = Some(ClassicalPlan { regularization: 0.1, ..ClassicalPlan::new(Baseline::LogisticRegression) });
        let name = "model=logistic_regression".to_owned();
        study.settings.push(Setting { name, classical, ..study.settings[0].clone() });
        study
    }

    #[test]
    fn classical_settings_are_trained_beside_networks() {
        let study = study_with_classical();
        let scratch = tempfile::tempdir().unwrap();
        for n_devices in [1, 2] {
            let folder = scratch.path().join(n_devices.to_string());
            let folder = StudyFolder::open(&folder, &json!({}), &json!({})).unwrap();
            let mut log = EventLog::default();
            assert_eq!(train(&study, n_devices, &folder, &mut log), Outcome::Finished);
            assert_eq!(log.size.unwrap().n_steps, 8 * 12, "a classical model has no steps");
            assert_eq!(log.models_ended.last(), Some(&12));
            let files = folder.trainings(&study).unwrap();
            for number in 8..12 {
                let (file, valid) = (&files[&number], &study.folds[study.training(number).fold].valid);
                assert_eq!(file.trained.history, []);
                let kept = ClassicalFile::read(folder.weights_path(number)).unwrap();
                assert_eq!(kept.classes, study.classes());
                assert_eq!(file.scores, kept.scores(&study.settings[2].windows.values_at(valid)).unwrap());
            }
            // Seeds draw nothing.
            assert_eq!(files[&8].scores, files[&9].scores);
            assert_ne!(files[&8].scores, files[&10].scores);
            // Those that are missing are trained again.
            std::fs::remove_file(folder.training_path(9)).unwrap();
            assert_eq!(train(&study, n_devices, &folder, &mut ()), Outcome::Finished);
            assert_eq!(folder.trainings(&study).unwrap()[&9].scores, files[&9].scores);
        }
    }

    #[test]
    fn a_study_of_classical_settings_alone_opens_no_device() {
        let mut study = study_with_classical();
        study.settings.drain(..2);
        let scratch = tempfile::tempdir().unwrap();
        let folder = StudyFolder::open(&scratch.path().join("study"), &json!({}), &json!({})).unwrap();
        let open = Box::new(|| Err("there is no device".to_owned()));
        let device = Device { name: "none".to_owned(), open, at_once: 1 };
        let options = Options { share: Share::WHOLE, keeps_weights: false, timings: Timings::off() };
        assert_eq!(run(&study, &[device], &options, &folder, &mut ()).unwrap(), Outcome::Finished);
        assert!(!folder.weights_path(0).exists());
        let mut stopped = EventLog { stop_at: Some(0), steps: vec![0], ..EventLog::default() };
        let other = StudyFolder::open(&scratch.path().join("other"), &json!({}), &json!({})).unwrap();
        assert_eq!(train(&study, 1, &other, &mut stopped), Outcome::Interrupted { n_done: 0, n_trainings: 4 });
    }

    #[test]
    fn a_file_that_cannot_be_written_ends_the_study_with_its_error() {
        /// Puts a folder where the file of a training belongs, as soon as there are steps.
        struct Obstacle(std::path::PathBuf);
        impl Observer for Obstacle {
            fn steps_done(&mut self, _: u64, _: Option<StepResult>) {
                std::fs::create_dir_all(&self.0).unwrap();
            }
        }
        let study = study();
        for n_devices in [1, 2] {
            let scratch = tempfile::tempdir().unwrap();
            let folder = StudyFolder::open(&scratch.path().join("study"), &json!({}), &json!({})).unwrap();
            let obstacle = folder.training_path(1);
            let error = try_to_train(&study, n_devices, &folder, &mut Obstacle(obstacle.clone())).unwrap_err();
            let StudyError::Io { action: "write", path, .. } = error else { panic!("{error}") };
            assert_eq!(path, obstacle);
            std::fs::remove_dir(&obstacle).unwrap();
            let kept: Vec<usize> = folder.trainings(&study).unwrap().into_keys().collect();
            // Those of the same group. On two devices, the other group may have been written before.
            assert!(kept.starts_with(&[0, 2]) && (kept.len() == 2 || n_devices == 2), "{kept:?}");
            assert_eq!(train(&study, n_devices, &folder, &mut ()), Outcome::Finished);
            assert_eq!(folder.trainings(&study).unwrap().len(), 8);
        }
    }

    #[test]
    fn baselines_trained_beside_a_study_give_the_same_summary() {
        let mut study = study();
        study.settings.truncate(1);
        let study = Arc::new(study);
        let scratch = tempfile::tempdir().unwrap();
        let folder = StudyFolder::open(&scratch.path().join("study"), &json!({}), &json!({})).unwrap();
        let timings = Timings::on();
        let beside = ClassicalBeside::start(study.clone(), 2, &timings);
        let options = Options { share: Share::WHOLE, keeps_weights: true, timings: timings.clone() };
        assert_eq!(run(&study, &devices(1, 3), &options, &folder, &mut ()).unwrap(), Outcome::Finished);
        let facts = || Facts {
            shared_settings: BTreeMap::new(),
            value_names: BTreeMap::new(),
            caveats: Vec::new(),
            command: String::new(),
            version: String::new(),
            baselines: true,
            timings: Timings::off(),
        };
        let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        summarise(&study, &folder, facts(), Some(beside)).unwrap();
        let beside: Vec<Phase> = timings.found().unwrap().beside.iter().map(|row| row.phase).collect();
        assert_eq!(beside, [Phase::Files, Phase::Baselines]);
        let (found, table) = (read("summary.json"), read("baselines.csv"));
        summarise(&study, &folder, facts(), None).unwrap();
        assert_eq!(read("summary.json"), found);
        assert_eq!(read("baselines.csv"), table);
        // Three baselines on two folds of two subjects each.
        assert_eq!(table.iter().filter(|&&byte| byte == b'\n').count(), 1 + 3 * 4);
    }

    #[test]
    fn an_observer_receives_the_steps_of_all_devices() {
        let study = study();
        for n_devices in [1, 2] {
            let scratch = tempfile::tempdir().unwrap();
            let folder = StudyFolder::open(&scratch.path().join("study"), &json!({}), &json!({})).unwrap();
            let mut log = EventLog::default();
            assert_eq!(train(&study, n_devices, &folder, &mut log), Outcome::Finished);
            // 32 windows to train on in each fold.
            let size =
                FitSize { n_models: 8, models_done: 0, epochs: 3, epochs_done: 0, n_steps: 8 * 12, steps_done: 0 };
            assert_eq!(log.size, Some(size));
            assert!(log.steps.is_sorted());
            assert_eq!(log.steps.last(), Some(&size.n_steps), "steps that a breakdown spares count");
            assert_eq!(log.models_ended.last(), Some(&8));
            assert_eq!(folder.trainings(&study).unwrap().values().filter(|it| it.trained.broken.is_some()).count(), 4);
        }
    }

    #[test]
    fn a_study_that_was_stopped_goes_on_to_the_same_end() {
        let study = study();
        let scratch = tempfile::tempdir().unwrap();
        let open = |name: &str| StudyFolder::open(&scratch.path().join(name), &json!({}), &json!({})).unwrap();
        let (whole, cut) = (open("whole"), open("cut"));
        train(&study, 1, &whole, &mut EventLog::default());
        let mut log = EventLog { stop_at: Some(3 * 12 + 1), ..EventLog::default() };
        assert_eq!(train(&study, 1, &cut, &mut log), Outcome::Interrupted { n_done: 3, n_trainings: 8 });
        let mut log = EventLog::default();
        assert_eq!(train(&study, 1, &cut, &mut log), Outcome::Finished);
        let size = log.size.unwrap();
        assert_eq!((size.models_done, size.steps_done), (3, 3 * 12));
        assert_eq!((log.models_ended, log.steps.last()), (vec![6, 8], Some(&size.n_steps)));
        let (whole, cut) = (whole.trainings(&study).unwrap(), cut.trainings(&study).unwrap());
        assert_eq!(whole.len(), 8);
        assert!(whole.iter().all(|(number, file)| file.agrees_with(&cut[number])));
    }
}
