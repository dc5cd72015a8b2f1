//! A run that is killed or interrupted anywhere, any number of times, ends with the same bits.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use triax_engine::{CpuEngine, Engine, StepResult};
use triax_model::{DenseSpec, Weights};
use triax_trainer::{
    EpochRecord, FitError, FitSize, Metrics, Observer, RunFolder, RunOutcome, Sampling, Schedule, resume_run,
};

use crate::setup::{Setup, StopAfter, assert_same_run, copy, empty_folder, finished, windows};
use crate::toy::Toy;

/// Variants of the small job that together use every part of a checkpoint.
fn setups() -> Vec<Setup> {
    let mut plateau = Setup::new();
    plateau.plan.schedule =
        Schedule::Plateau { factor: 0.5, patience: 1, min_delta: 0.05, cooldown: 1, min_learning_rate: 0.001 };
    plateau.plan.early_stopping = Some(2);
    plateau.plan.log_steps = true;
    let mut cosine = Setup::new();
    cosine.plan.schedule = Schedule::Cosine;
    cosine.plan.shuffle = false;
    let mut unvalidated = Setup::new();
    unvalidated.validate_with(&windows(0, 2));
    unvalidated.plan.log_steps = true;
    let mut averaged = Setup::new();
    averaged.plan.sampling = Sampling::Balanced;
    averaged.plan.average_last = Some(2);
    vec![plateau, cosine, unvalidated, averaged]
}

/// Copies the run's folder at every event.
struct Snapshots {
    run: PathBuf,
    into: PathBuf,
    taken: Vec<PathBuf>,
}

impl Snapshots {
    fn new(run: &Path, into: &Path) -> Self {
        Self { run: run.to_owned(), into: into.to_owned(), taken: Vec::new() }
    }

    fn take(&mut self) {
        let snapshot = self.into.join(self.taken.len().to_string());
        copy(&self.run, &snapshot);
        self.taken.push(snapshot);
    }
}

impl Observer for Snapshots {
    fn fit_started(&mut self, _: &FitSize) {
        self.take();
    }
    fn steps_done(&mut self, _: u64, _: Option<StepResult>) {
        self.take();
    }
    fn epoch_ended(&mut self, _: usize, _: &EpochRecord, _: Option<&Metrics>) {
        self.take();
    }
}

/// Runs `setup` to its end, and again from every snapshot of its folder, with `damage` done to each.
fn resume_every_snapshot(setup: &Setup, engine: &dyn Engine, damage: impl Fn(&Path, &Path)) {
    let folder = empty_folder();
    let run = folder.path().join("run");
    let mut snapshots = Snapshots::new(&run, &folder.path().join("snapshots"));
    let summary = finished(setup.fit(engine, &run, &mut snapshots));
    let events = 1 + summary.epochs * (setup.model().steps_per_epoch() + 1);
    assert_eq!(snapshots.taken.len(), events);
    for snapshot in &snapshots.taken {
        damage(snapshot, &run);
        assert_eq!(finished(setup.resume(engine, snapshot, &mut ())), summary);
        assert_same_run(snapshot, &run);
    }
}

#[test]
fn a_run_killed_anywhere_resumes_to_the_same_bits() {
    // Saved after every epoch, or only at the start and at the end.
    for save_every in [Duration::ZERO, Duration::MAX] {
        for setup in setups() {
            resume_every_snapshot(&Setup { save_every, ..setup }, &Toy::default(), |_, _| ());
        }
    }
}

#[test]
fn the_reference_resumes_to_the_same_bits_too() {
    resume_every_snapshot(&setups()[0], &CpuEngine::<f64>::new(), |_, _| ());
}

#[test]
fn whatever_was_written_after_the_checkpoint_is_redone() {
    resume_every_snapshot(&setups()[0], &Toy::default(), |snapshot, run| {
        // Killed after it has written everything else, but not yet the checkpoint.
        for name in ["history.jsonl", "steps.jsonl", "best.safetensors"] {
            fs::copy(run.join(name), snapshot.join(name)).unwrap();
        }
    });
}

#[test]
fn torn_lines_are_cut_off() {
    resume_every_snapshot(&setups()[0], &Toy::default(), |snapshot, _| {
        for name in ["history.jsonl", "steps.jsonl"] {
            let mut file = fs::OpenOptions::new().append(true).open(snapshot.join(name)).unwrap();
            file.write_all(b"{\"epoch\": 2, \"loss\": 0.").unwrap();
        }
    });
}

#[test]
fn a_run_interrupted_after_any_step_resumes_to_the_same_bits() {
    for like_a_gpu in [false, true] {
        let engine = Toy { like_a_gpu, ..Toy::default() };
        for setup in setups() {
            let folder = empty_folder();
            let whole = folder.path().join("whole");
            let n_steps = 5 * finished(setup.fit(&engine, &whole, &mut ())).epochs;
            for stop in 1..=n_steps {
                let cut = folder.path().join(stop.to_string());
                let outcome = setup.fit(&engine, &cut, &mut StopAfter(stop)).unwrap();
                let (epoch, step) = ((stop - 1) / 5 + 1, (stop - 1) % 5 + 1);
                assert_eq!(outcome, RunOutcome::Interrupted { epoch, step });
                finished(setup.resume(&engine, &cut, &mut ()));
                assert_same_run(&cut, &whole);
            }
        }
    }
}

#[test]
fn a_run_interrupted_after_every_single_step_resumes_to_the_same_bits() {
    for setup in setups() {
        let engine = Toy::default();
        let folder = empty_folder();
        let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
        let summary = finished(setup.fit(&engine, &whole, &mut ()));
        let mut outcome = setup.fit(&engine, &cut, &mut StopAfter(1)).unwrap();
        let mut n_interrupts = 0;
        while let RunOutcome::Interrupted { .. } = outcome {
            n_interrupts += 1;
            outcome = setup.resume(&engine, &cut, &mut StopAfter(1)).unwrap();
        }
        assert_eq!(outcome, RunOutcome::Finished { summary: Box::new(summary.clone()), scores: None });
        assert_eq!(n_interrupts, 5 * summary.epochs);
        assert_same_run(&cut, &whole);
    }
}

#[test]
fn a_finished_run_is_summed_up_again() {
    let folder = empty_folder();
    let (run, before) = (folder.path().join("run"), folder.path().join("before"));
    let setup = Setup::new();
    let engine = Toy::default();
    let summary = finished(setup.fit(&engine, &run, &mut ()));
    copy(&run, &before);
    for lost in ["metrics.json", "last.safetensors", "best.safetensors"] {
        fs::remove_file(run.join(lost)).unwrap();
    }
    assert_eq!(finished(setup.resume(&engine, &run, &mut ())), summary);
    assert_same_run(&run, &before);
}

#[test]
fn an_observer_learns_where_a_run_resumes() {
    #[derive(Default)]
    struct EventLog(Vec<String>);
    impl Observer for EventLog {
        fn fit_started(&mut self, size: &FitSize) {
            assert_eq!((size.n_models, size.models_done, size.epochs, size.n_steps), (1, 0, 4, 20));
            self.0.push(format!("at {}, {}", size.epochs_done, size.steps_done));
        }
        fn epoch_started(&mut self, epoch: usize) {
            self.0.push(format!("epoch {epoch}"));
        }
        fn steps_done(&mut self, steps: u64, newest: Option<StepResult>) {
            assert!(newest.is_some());
            self.0.push(steps.to_string());
        }
        fn epoch_ended(&mut self, model_idx: usize, record: &EpochRecord, validation: Option<&Metrics>) {
            assert_eq!(model_idx, 0);
            assert_eq!(record.val_macro_f1, validation.map(|metrics| metrics.macro_f1));
            self.0.push(format!("ended {}", record.epoch));
        }
        fn models_ended(&mut self, models: usize) {
            self.0.push(format!("{models} model"));
        }
    }
    let folder = empty_folder();
    let (setup, engine) = (Setup::new(), Toy::default());
    let run = folder.path().join("run");
    setup.fit(&engine, &run, &mut StopAfter(13)).unwrap();
    let mut log = EventLog::default();
    finished(setup.resume(&engine, &run, &mut log));
    let expected = "at 2, 13, epoch 3, 14, 15, ended 3, epoch 4, 16, 17, 18, 19, 20, ended 4, 1 model";
    assert_eq!(log.0.join(", "), expected);
}

#[test]
fn another_job_is_refused_with_the_reason() {
    let folder = empty_folder();
    let run = folder.path().join("run");
    let engine = Toy::default();
    Setup::new().fit(&engine, &run, &mut StopAfter(7)).unwrap();
    let before = crate::setup::contents(&run);
    let refused = |change: &dyn Fn(&mut Setup)| {
        let mut other = Setup::new();
        change(&mut other);
        match other.resume(&engine, &run, &mut ()) {
            Err(FitError::OtherJob { difference, .. }) => difference,
            outcome => panic!("{outcome:?}"),
        }
    };
    let seed = refused(&|setup| setup.plan.training.seed = 4);
    assert_eq!(seed, "training.seed was 3, is now 4");
    let optimizer = refused(&|setup| setup.plan.training.optimizer = triax_engine::Optimizer::sgd());
    assert!(optimizer.contains("training.optimizer.name was \"adam\", is now \"sgd\""), "{optimizer}");
    let network = refused(&|setup| {
        let mut spec = setup.network.spec().clone();
        spec.hidden = DenseSpec::relu([4]);
        setup.network = triax_model::Network::new(spec).unwrap();
        setup.weights = Weights::glorot_uniform(&setup.network, 1);
    });
    assert_eq!(network, "hidden.0 was 3, is now 4");
    assert_eq!(refused(&|setup| setup.train_on(&windows(22, 9))), "the training windows are not the same");
    assert_eq!(refused(&|setup| setup.validate_with(&windows(0, 9))), "the validation windows are not the same");
    assert_eq!(refused(&|setup| setup.train.swap(0, 1)), "the training windows are not the same");
    assert_eq!(refused(&|setup| setup.valid.truncate(8)), "the validation windows are not the same");
    assert_eq!(refused(&|setup| setup.scaler.as_mut().unwrap().mean[0] = 0.25), "the scaler is not the same");
    assert_eq!(crate::setup::contents(&run), before);
}

#[test]
fn two_processes_cannot_train_in_one_folder() {
    struct Intruder<'a>(&'a Setup, PathBuf, Option<String>);
    impl Observer for Intruder<'_> {
        fn epoch_started(&mut self, _: usize) {
            let engine = Toy::default();
            let (models, folder) = ([self.0.model()], RunFolder::open(&self.1).unwrap());
            let intruding = resume_run(&self.0.job(&engine, &models), &folder, &self.0.metadata, &mut ());
            self.2 = Some(intruding.unwrap_err().to_string());
        }
    }
    let folder = empty_folder();
    let run = folder.path().join("run");
    let setup = Setup::new();
    let mut intruder = Intruder(&setup, run.clone(), None);
    finished(setup.fit(&Toy::default(), &run, &mut intruder));
    let message = intruder.2.unwrap();
    assert!(message.contains("another process is training in"), "{message}");
    finished(setup.resume(&Toy::default(), &run, &mut ()));
}
