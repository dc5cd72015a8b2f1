//! How runs go and end: orders, rates, figures, early stopping, and values that are not finite.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use triax_engine::{CpuEngine, Engine};
use triax_model::WeightFile;
use triax_trainer::{
    Breakdown, EpochRecord, FitError, FitOutcome, FitSize, Job, Metrics, Observer, RunFolder, RunOutcome, Schedule,
    StepRecord, Summary, fit, fit_run,
};

use crate::setup::{Setup, StopAfter, assert_same_run, contents, copy, empty_folder, finished, windows};
use crate::toy::{Fault, Toy};

fn history(run: &Path) -> Vec<EpochRecord> {
    RunFolder::open(run).unwrap().history().unwrap()
}

fn first_weight(path: &Path) -> f32 {
    WeightFile::read(path).unwrap().weights.tensors[0].values[0]
}

/// A figure in memory and the same figure read from JSON, where the last bit may be lost.
fn assert_same_figure(ours: f64, read: f64) {
    assert!((ours - read).abs() <= f64::EPSILON * ours.abs(), "{ours} is not {read}");
}

/// Runs the small job with the given validation losses; the first weight of a file then counts its updates.
fn scripted(run: &Path, losses: &[f32], early_stopping: Option<usize>) -> Summary {
    let mut setup = Setup::new();
    setup.plan.epochs = losses.len();
    setup.plan.early_stopping = early_stopping;
    finished(setup.fit(&Toy { validation_losses: Some(losses.into()), ..Toy::default() }, run, &mut ()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn every_epoch_visits_every_window_once(
        n_windows in 1..60usize, batch_size in 1..70usize, seed: u64, shuffle: bool, log_steps: bool, stop in 1..30usize
    ) {
        let folder = empty_folder();
        let run = folder.path().join("run");
        let mut setup = Setup::new();
        setup.train_on(&windows(n_windows, 1));
        setup.plan.epochs = 3;
        setup.plan.shuffle = shuffle;
        setup.plan.log_steps = log_steps;
        setup.plan.training.batch_size = batch_size;
        setup.plan.training.seed = seed;
        let engine = Toy::default();
        if let RunOutcome::Interrupted { .. } = setup.fit(&engine, &run, &mut StopAfter(stop)).unwrap() {
            finished(setup.resume(&engine, &run, &mut ()));
        }
        let visited = engine.visited.borrow();
        prop_assert_eq!(visited.len(), 3 * n_windows);
        for epoch in visited.chunks(n_windows) {
            let distinct: BTreeSet<_> = epoch.iter().collect();
            prop_assert_eq!(distinct.len(), n_windows);
            prop_assert!(epoch.iter().all(|window| setup.train.contains(window)));
            prop_assert!(shuffle || epoch.is_sorted());
        }
        // Of 59 windows, two orders are the same once in 10⁸⁰.
        prop_assert!(!shuffle || n_windows < 40 || visited[..n_windows] != visited[n_windows..2 * n_windows]);
    }
}

#[test]
fn scores_are_those_of_the_last_weight_file() {
    let cpu = CpuEngine::<f32>::new();
    // The weights after the last epoch, their average with earlier ones, and those of the best epoch.
    for (average_last, early_stopping) in [(None, None), (Some(3), None), (None, Some(1))] {
        let mut setup = Setup::new();
        (setup.plan.average_last, setup.plan.early_stopping) = (average_last, early_stopping);
        setup.plan.learning_rate = 0.3;
        let scratch = empty_folder();
        let folder = RunFolder::create(&scratch.path().join("run"), &json!({})).unwrap();
        let models = [setup.model()];
        let job = Job { wants_scores: true, ..setup.job(&cpu, &models) };
        let RunOutcome::Finished { scores, .. } = fit_run(&job, &folder, &setup.metadata, &mut ()).unwrap() else {
            panic!("nobody asked to stop")
        };
        let values = setup.windows.values_at(&setup.valid);
        let of = |path: &Path| {
            let weights = WeightFile::read(path).unwrap().weights;
            cpu.scores(&setup.network, &weights, setup.scaler.as_ref(), &values).unwrap()
        };
        let (best, last) = (of(&folder.best_path()), of(&folder.last_path()));
        assert_eq!(scores, Some(last.clone()));
        assert_eq!(last == best, early_stopping.is_some(), "weights that are the same tell nothing");
    }
}

#[test]
fn best_is_the_epoch_with_the_lowest_validation_loss() {
    let folder = empty_folder();
    let run = folder.path().join("run");
    let summary = scripted(&run, &[0.5, 0.25, 0.125, 0.375, 0.125], None);
    assert_eq!((summary.epochs, summary.stopped_early), (5, false));
    assert_eq!((summary.best.epoch, summary.last.epoch), (3, 5));
    assert_eq!(summary.best.validation.as_ref().unwrap().loss, 0.125);
    assert_eq!(first_weight(&run.join("best.safetensors")), 15.0);
    assert_eq!(first_weight(&run.join("last.safetensors")), 25.0);
    let losses: Vec<_> = history(&run).iter().map(|record| record.val_loss.unwrap()).collect();
    assert_eq!(losses, [0.5, 0.25, 0.125, 0.375, 0.125]);
    assert_same_figure(summary.best.loss, history(&run)[2].loss);
    assert_same_figure(summary.last.accuracy, history(&run)[4].accuracy);
}

#[test]
fn early_stopping_restores_the_best_weights() {
    let folder = empty_folder();
    let run = folder.path().join("run");
    let summary = scripted(&run, &[0.5, 0.25, 0.125, 0.375, 0.25, 0.0, 0.0], Some(2));
    assert_eq!((summary.epochs, summary.stopped_early), (5, true));
    assert_eq!(summary.best.epoch, 3);
    assert_eq!(summary.last, summary.best);
    assert_eq!(history(&run).len(), 5);
    assert_eq!(first_weight(&run.join("last.safetensors")), 15.0);
    assert_eq!(fs::read(run.join("last.safetensors")).unwrap(), fs::read(run.join("best.safetensors")).unwrap());
}

#[test]
fn early_stopping_in_memory_ends_with_what_a_run_ends_with() {
    let folder = empty_folder();
    let scripts = [vec![0.5, 0.25, 0.125, 0.375, 0.25, 0.0, 0.0], vec![0.5, 0.25, 0.125], vec![0.25, 0.5, 0.375]];
    for (number, losses) in scripts.into_iter().enumerate() {
        let run = folder.path().join(number.to_string());
        let summary = scripted(&run, &losses, Some(2));
        let mut setup = Setup::new();
        (setup.plan.epochs, setup.plan.early_stopping) = (losses.len(), Some(2));
        let engine = Toy { validation_losses: Some(losses), ..Toy::default() };
        let models = [setup.model()];
        let job = Job { follows_validation: true, ..setup.job(&engine, &models) };
        let FitOutcome::Finished(mut results) = fit(&job, &mut ()).unwrap() else { panic!("nobody asked to stop") };
        let result = results.remove(0);
        let trained = result.end.unwrap();
        assert_eq!(result.history.len(), summary.epochs);
        assert_eq!(trained.weights, WeightFile::read(run.join("last.safetensors")).unwrap().weights);
        assert_eq!(trained.validation.unwrap().loss, summary.last.validation.unwrap().loss);
    }
}

#[test]
fn without_validation_windows_the_training_loss_decides() {
    let folder = empty_folder();
    let run = folder.path().join("run");
    let mut setup = Setup::new();
    setup.validate_with(&windows(0, 1));
    let summary = finished(setup.fit(&Toy::default(), &run, &mut ()));
    let history = history(&run);
    let lowest = history.iter().min_by(|a, b| a.loss.total_cmp(&b.loss)).unwrap();
    assert_eq!(summary.best.epoch, lowest.epoch);
    assert_same_figure(summary.best.loss, lowest.loss);
    assert!(history.iter().all(|record| record.val_loss.is_none() && record.val_macro_f1.is_none()));
    assert!(summary.best.validation.is_none());
    let text =
        fs::read_to_string(run.join("history.jsonl")).unwrap() + &fs::read_to_string(run.join("metrics.json")).unwrap();
    assert!(!text.contains("val"), "{text}");
}

#[test]
fn weight_files_carry_what_prediction_needs() {
    let folder = empty_folder();
    let run = folder.path().join("run");
    let setup = Setup::new();
    finished(setup.fit(&Toy::default(), &run, &mut ()));
    for name in ["best.safetensors", "last.safetensors"] {
        let file = WeightFile::read(run.join(name)).unwrap();
        assert_eq!(file.spec, *setup.network.spec());
        assert_eq!(file.classes, setup.classes);
        assert_eq!(file.scaler, setup.scaler);
        assert_eq!(file.extra, setup.metadata);
    }
}

#[test]
fn the_files_say_what_the_documentation_says() {
    let folder = empty_folder();
    let run = folder.path().join("run");
    let mut setup = Setup::new();
    setup.plan.log_steps = true;
    let summary = finished(setup.fit(&Toy::default(), &run, &mut ()));

    let text = fs::read_to_string(run.join("history.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let epochs: Vec<_> = lines.iter().map(|line| line["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, [1, 2, 3, 4]);
    let keys: BTreeSet<&str> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    let named = "epoch loss accuracy val_loss val_accuracy val_macro_f1 learning_rate seconds";
    assert_eq!(keys, named.split(' ').collect());

    let text = fs::read_to_string(run.join("steps.jsonl")).unwrap();
    let steps: Vec<StepRecord> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(steps.iter().map(|record| record.step).eq(1..=20));
    // The epoch's loss is the mean of its steps', the last of which has two windows of 22.
    let weighted: f64 = steps[..5].iter().zip([5.0, 5.0, 5.0, 5.0, 2.0]).map(|(s, n)| f64::from(s.loss) * n).sum();
    assert_eq!(lines[0]["loss"].as_f64().unwrap() as f32, (weighted / 22.0) as f32);

    let folder = RunFolder::open(&run).unwrap();
    assert_eq!(folder.config().unwrap(), json!({ "made by": "a test" }));
    let read = folder.summary().unwrap();
    assert_eq!(read.last.epoch, summary.last.epoch);
    assert_eq!(read.last.validation.unwrap().confusion, summary.last.validation.unwrap().confusion);
    assert_eq!(lines[3]["learning_rate"].to_string(), "0.01");
}

#[test]
fn nothing_is_read_back_within_an_epoch_unless_steps_are_logged() {
    let folder = empty_folder();
    let mut setup = Setup::new();
    setup.plan.training.batch_size = 1;
    setup.train_on(&windows(120, 1));
    setup.plan.epochs = 2;
    let silent = Toy { like_a_gpu: true, ..Toy::default() };
    finished(setup.fit(&silent, &folder.path().join("silent"), &mut ()));
    assert_eq!(*silent.stretches.borrow(), [120, 120]);
    setup.plan.log_steps = true;
    let logging = Toy { like_a_gpu: true, ..Toy::default() };
    finished(setup.fit(&logging, &folder.path().join("logging"), &mut ()));
    assert_eq!(*logging.stretches.borrow(), [50, 50, 20, 50, 50, 20]);
    for name in ["best.safetensors", "last.safetensors"] {
        let [silent, logging] = ["silent", "logging"].map(|run| fs::read(folder.path().join(run).join(name)).unwrap());
        assert_eq!(silent, logging);
    }
}

#[test]
fn cosine_reaches_over_the_whole_run() {
    let folder = empty_folder();
    let run = folder.path().join("run");
    let mut setup = Setup::new();
    setup.plan.schedule = Schedule::Cosine;
    finished(setup.fit(&Toy::default(), &run, &mut ()));
    for (epoch, record) in history(&run).iter().enumerate() {
        let last_step = (5 * epoch + 4) as f64;
        let expected = 0.01 * 0.5 * (1.0 + (std::f64::consts::PI * last_step / 20.0).cos());
        assert!((f64::from(record.learning_rate) - expected).abs() < 1e-9, "{record:?}");
    }
}

#[test]
fn plateau_reduces_the_rate_of_the_next_epoch() {
    let folder = empty_folder();
    let run = folder.path().join("run");
    let mut setup = Setup::new();
    setup.plan.epochs = 6;
    setup.plan.schedule =
        Schedule::Plateau { factor: 0.5, patience: 2, min_delta: 0.0, cooldown: 0, min_learning_rate: 0.0 };
    let engine = Toy { validation_losses: Some(vec![0.5, 0.75, 0.75, 0.75, 0.75, 0.25]), ..Toy::default() };
    finished(setup.fit(&engine, &run, &mut ()));
    let rates: Vec<f32> = history(&run).iter().map(|record| record.learning_rate).collect();
    assert_eq!(rates, [0.01, 0.01, 0.01, 0.005, 0.005, 0.0025]);
}

#[test]
fn a_network_learns_to_tell_three_levels_apart() {
    let folder = empty_folder();
    let mut setup = Setup::new();
    setup.train_on(&windows(90, 1));
    setup.validate_with(&windows(30, 2));
    setup.plan.epochs = 30;
    let summary = finished(setup.fit(&CpuEngine::<f64>::new(), &folder.path().join("run"), &mut ()));
    assert_eq!(summary.best.validation.unwrap().accuracy, 1.0);
}

/// Keeps a copy of the folder as it was at the end of an epoch.
struct CopyAt<'a> {
    epoch: usize,
    run: &'a Path,
    copy: &'a Path,
}

impl Observer for CopyAt<'_> {
    fn epoch_ended(&mut self, _: usize, record: &EpochRecord, _: Option<&Metrics>) {
        if record.epoch == self.epoch {
            copy(self.run, self.copy);
        }
    }
}

#[test]
fn values_that_are_not_finite_end_the_run_and_spoil_nothing() {
    // Step 13 of the run, counted from 0, is the fourth of the third epoch, and 14 its last.
    for (fault, what, step) in [
        (Fault::Loss(13), "the loss", Some(4)),
        (Fault::GradientNorm(13), "the gradient's norm", Some(4)),
        (Fault::Weight(14), "the weight `conv1.bias`", None),
        (Fault::Moment(14), "the optimizer's m `dense1.kernel`", None),
        (Fault::Score(13), "the validation loss", None),
    ] {
        for like_a_gpu in [false, true] {
            let folder = empty_folder();
            let (run, good) = (folder.path().join("run"), folder.path().join("good"));
            let engine = Toy { fault: Some(fault), like_a_gpu, ..Toy::default() };
            let error = Setup::new().fit(&engine, &run, &mut CopyAt { epoch: 2, run: &run, copy: &good }).unwrap_err();
            let message = error.to_string();
            let FitError::NotFinite { breakdown: Breakdown { what: found, epoch: 3, step: at }, .. } = error else {
                panic!("{fault:?}: {message}")
            };
            assert_eq!((found.as_str(), at), (what, step), "{fault:?}");
            assert!(message.starts_with("epoch 3") && message.contains("lower the learning rate"), "{message}");
            assert!(message.contains(run.to_str().unwrap()), "{message}");
            assert_eq!(contents(&run), contents(&good), "{fault:?}");
            let checkpoint = |folder: &Path| fs::read(folder.join("checkpoint.safetensors")).unwrap();
            assert!(checkpoint(&run) == checkpoint(&good), "{fault:?}");
        }
    }
}

/// Saved seldom, a run that breaks down still leaves its last sound epoch and its best weights behind.
#[test]
fn a_run_that_breaks_down_between_two_saves_loses_no_epoch() {
    struct GoesOnAt(Option<usize>);
    impl Observer for GoesOnAt {
        fn fit_started(&mut self, size: &FitSize) {
            assert_eq!(size.steps_done, 5 * size.epochs_done as u64);
            self.0 = Some(size.epochs_done);
        }
    }
    let folder = empty_folder();
    let whole = folder.path().join("whole");
    let setup = Setup { save_every: Duration::MAX, ..Setup::new() };
    finished(setup.fit(&Toy::default(), &whole, &mut ()));
    for fault in [Fault::Loss(13), Fault::Weight(14), Fault::Score(13)] {
        let run = folder.path().join(format!("{fault:?}"));
        let good = folder.path().join(format!("{fault:?}, good"));
        let broken = Toy { fault: Some(fault), ..Toy::default() };
        setup.fit(&broken, &run, &mut CopyAt { epoch: 2, run: &run, copy: &good }).unwrap_err();
        assert!(!good.join("best.safetensors").exists(), "nothing is saved before the run has broken down");
        assert_eq!(history(&run).len(), 2);
        assert!(run.join("best.safetensors").exists());
        let mut observer = GoesOnAt(None);
        finished(setup.resume(&Toy::default(), &run, &mut observer));
        assert_eq!(observer.0, Some(2));
        assert_same_run(&run, &whole);
    }
}

#[test]
fn steps_before_the_one_that_broke_are_logged() {
    let folder = empty_folder();
    let run = folder.path().join("run");
    let mut setup = Setup::new();
    setup.plan.log_steps = true;
    setup.fit(&Toy { fault: Some(Fault::Loss(13)), ..Toy::default() }, &run, &mut ()).unwrap_err();
    assert_eq!(fs::read_to_string(run.join("steps.jsonl")).unwrap().lines().count(), 13);
}

#[test]
fn jobs_that_cannot_work_are_refused_before_anything_is_trained() {
    let refused = |change: &dyn Fn(&mut Setup)| {
        let folder = empty_folder();
        let run = folder.path().join("run");
        let mut setup = Setup::new();
        change(&mut setup);
        let message = setup.fit(&CpuEngine::<f64>::new(), &run, &mut ()).unwrap_err().to_string();
        assert!(!run.join("checkpoint.safetensors").exists());
        message
    };
    let replace = |setup: &mut Setup, window: usize, value: f32| {
        let mut values = setup.windows.windows.to_vec();
        values[window * 16 + 3] = value;
        setup.windows.windows = values.into();
    };
    for (message, part) in [
        (refused(&|setup| setup.plan.epochs = 0), "epochs must be at least 1"),
        (refused(&|setup| setup.plan.training.batch_size = 0), "batch size"),
        (refused(&|setup| setup.plan.learning_rate = 0.0), "learning rate must be positive"),
        (refused(&|setup| setup.plan.learning_rate = f32::NAN), "learning rate must be positive"),
        (refused(&|setup| setup.train.clear()), "no window to train on"),
        (refused(&|setup| setup.classes = vec!["walk".into()]), "1 class names for a network of 3 classes"),
        (refused(&|setup| setup.train[3] = 31), "window 31 (from 0) is to be one for training, and there are 31"),
        (refused(&|setup| setup.valid[3] = 40), "window 40 (from 0) is to be one for validation, and there are 31"),
        (refused(&|setup| replace(setup, 11, f32::NAN)), "window 11 (from 0) holds NaN"),
        (refused(&|setup| replace(setup, 2, f32::INFINITY)), "window 2 (from 0) holds inf"),
        (refused(&|setup| setup.scaler.as_mut().unwrap().scale[1] = 0.0), "scale of channel 1 is 0"),
        (refused(&|setup| setup.weights.tensors[0].values[0] = f32::NAN), "conv1.kernel"),
        (refused(&|setup| setup.windows.labels = vec![7; 31].into()), "7"),
    ] {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}

#[test]
fn a_folder_with_a_run_is_resumed_and_never_started_again() {
    let folder = empty_folder();
    let run = folder.path().join("run");
    let (setup, engine) = (Setup::new(), Toy::default());
    setup.fit(&engine, &run, &mut StopAfter(2)).unwrap();
    let (models, folder) = ([setup.model()], RunFolder::open(&run).unwrap());
    let again = fit_run(&setup.job(&engine, &models), &folder, &setup.metadata, &mut ());
    let message = again.unwrap_err().to_string();
    assert!(message.contains("holds a run already: resume it"), "{message}");
}

#[test]
fn a_run_folder_takes_one_model() {
    let folder = empty_folder();
    let folder = RunFolder::create(&folder.path().join("run"), &json!({})).unwrap();
    let (setup, engine) = (Setup::new(), Toy::default());
    for models in [vec![], vec![setup.model(); 2]] {
        let message = fit_run(&setup.job(&engine, &models), &folder, &setup.metadata, &mut ()).unwrap_err().to_string();
        assert!(message.contains("a run folder takes one model"), "{message}");
    }
    assert!(engine.fleets.borrow().is_empty());
}
