//! Disks that are full, folders that cannot be written, and files that are not what they should be.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use triax_trainer::{EpochRecord, FolderError, Metrics, Observer, RunFolder, fit_run, resume_run};

use crate::setup::{Setup, StopAfter, assert_same_run, empty_folder, finished};
use crate::toy::Toy;

#[test]
fn a_folder_that_holds_anything_is_never_touched() {
    let folder = empty_folder();
    fs::write(folder.path().join("thesis.txt"), "do not lose").unwrap();
    let error = RunFolder::create(folder.path(), &json!({})).unwrap_err();
    assert!(matches!(error, FolderError::NotEmpty { .. }), "{error}");
    assert!(error.to_string().contains("never overwrites"), "{error}");
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["thesis.txt"]);
    assert_eq!(fs::read_to_string(folder.path().join("thesis.txt")).unwrap(), "do not lose");
}

#[test]
fn an_empty_folder_is_as_good_as_a_new_one() {
    let folder = empty_folder();
    RunFolder::create(folder.path(), &json!({ "seed": 1 })).unwrap();
    assert_eq!(RunFolder::open(folder.path()).unwrap().config().unwrap()["seed"], 1);
    let nested = folder.path().join("a/b/c");
    RunFolder::create(&nested, &json!({})).unwrap();
    assert!(nested.join("config.json").exists());
}

/// A run that is killed before its first checkpoint has left its lock, its config, an empty history, and perhaps a file that
/// it has not finished.
#[test]
fn a_folder_that_was_left_before_the_first_checkpoint_is_as_good_as_an_empty_one() {
    let folder = empty_folder();
    let (path, files) = (folder.path(), [".lock", "config.json", "history.jsonl", "steps.jsonl", ".triax-x1.partial"]);
    for n_files in 1..=files.len() {
        files[..n_files].iter().for_each(|name| fs::write(path.join(name), "").unwrap());
        let run = RunFolder::create(path, &json!({ "seed": n_files })).unwrap();
        assert_eq!(run.config().unwrap()["seed"], n_files);
        assert!(!path.join(".triax-x1.partial").exists());
    }
    for (name, text) in [("history.jsonl", "{}\n"), ("checkpoint.safetensors", ""), ("thesis.txt", "")] {
        fs::write(path.join(name), text).unwrap();
        let error = RunFolder::create(path, &json!({})).unwrap_err();
        assert!(matches!(error, FolderError::NotEmpty { .. }), "{name}: {error}");
        fs::write(path.join("history.jsonl"), "").unwrap();
        fs::remove_file(path.join(name)).unwrap();
    }
    // Without its lock, a config is one that a user has put there.
    fs::remove_file(path.join(".lock")).unwrap();
    fs::write(path.join("config.json"), "{\"epochs\": 3}").unwrap();
    assert!(matches!(RunFolder::create(path, &json!({})).unwrap_err(), FolderError::NotEmpty { .. }));
    assert!(!path.join(".lock").exists());
}

#[test]
fn of_two_that_begin_in_one_folder_one_does() {
    let folder = empty_folder();
    let first = RunFolder::create(folder.path(), &json!({ "seed": 1 })).unwrap();
    for _ in 0..2 {
        let error = RunFolder::create(folder.path(), &json!({ "seed": 2 })).unwrap_err();
        assert!(matches!(error, FolderError::InUse { .. }), "{error}");
    }
    assert_eq!(first.config().unwrap()["seed"], 1);
    let copy = first.clone();
    drop(first);
    assert!(matches!(RunFolder::create(folder.path(), &json!({})).unwrap_err(), FolderError::InUse { .. }));
    drop(copy);
    RunFolder::create(folder.path(), &json!({})).unwrap();
}

#[test]
fn a_training_that_has_ended_lets_go_of_its_folder() {
    let folder = empty_folder();
    let run = RunFolder::create(&folder.path().join("run"), &json!({})).unwrap();
    let (setup, engine) = (Setup::new(), Toy::default());
    let models = [setup.model()];
    let job = setup.job(&engine, &models);
    fit_run(&job, &run, &setup.metadata, &mut StopAfter(7)).unwrap();
    resume_run(&job, &RunFolder::open(run.path()).unwrap(), &setup.metadata, &mut ()).unwrap();
}

#[test]
fn of_many_that_begin_in_one_new_folder_one_does() {
    let folder = empty_folder();
    for round in 0..20 {
        let path = folder.path().join(format!("run {round}"));
        let start = std::sync::Barrier::new(4);
        let begin = |seed: usize| {
            start.wait();
            let begun = RunFolder::create(&path, &json!({ "seed": seed }));
            // Nobody lets go before all have tried.
            start.wait();
            begun.map(|_| seed).map_err(|error| assert!(matches!(error, FolderError::InUse { .. }), "{error}")).ok()
        };
        let begun: Vec<usize> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4)
                .map(|seed| {
                    let begin = &begin;
                    scope.spawn(move || begin(seed))
                })
                .collect();
            all.into_iter().filter_map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(begun.len(), 1, "{begun:?}");
        assert_eq!(RunFolder::open(&path).unwrap().config().unwrap()["seed"], begun[0]);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn files_without_end_are_refused_by_a_limit() {
    let folder = empty_folder();
    let run = RunFolder::create(folder.path(), &json!({})).unwrap();
    for path in [run.metrics_path(), run.history_path()] {
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    }
    for error in [run.summary().unwrap_err().to_string(), run.history().unwrap_err().to_string()] {
        assert!(error.contains("longer than 1073741824 bytes"), "{error}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = empty_folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = RunFolder::create(&file.join("run"), &json!({})).unwrap_err().to_string();
    assert!(error.contains("cannot create") && error.contains("file/run"), "{error}");
}

#[test]
fn a_folder_without_a_run_cannot_be_opened_or_resumed() {
    let folder = empty_folder();
    let error = RunFolder::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("cannot find a run") && error.contains("config.json"), "{error}");
    RunFolder::create(folder.path(), &json!({})).unwrap();
    let error = Setup::new().resume(&Toy::default(), folder.path(), &mut ()).unwrap_err().to_string();
    assert!(error.contains("has no checkpoint"), "{error}");
}

#[test]
fn a_torn_last_line_of_the_history_is_left_out_and_a_broken_one_named() {
    let folder = empty_folder();
    let run = RunFolder::create(folder.path(), &json!({})).unwrap();
    let line = r#"{"epoch":1,"loss":0.5,"accuracy":0.25,"learning_rate":0.001,"seconds":2.0}"#;
    fs::write(run.history_path(), format!("{line}\n{}", &line[..20])).unwrap();
    assert_eq!(run.history().unwrap().len(), 1);
    fs::write(run.history_path(), format!("{line}\n{}\n{line}\n", &line[..20])).unwrap();
    let error = run.history().unwrap_err().to_string();
    assert!(error.contains("history.jsonl: line 2"), "{error}");
}

/// Breaks a file of the run at the end of an epoch.
struct BreakAt<'a> {
    epoch: usize,
    path: PathBuf,
    damage: &'a (dyn Fn(&Path) + Sync),
}

impl Observer for BreakAt<'_> {
    fn epoch_ended(&mut self, _: usize, record: &EpochRecord, _: Option<&Metrics>) {
        if record.epoch == self.epoch {
            (self.damage)(&self.path);
        }
    }
}

/// A checkpoint that cannot be replaced ends the run; the old one is still there, and the run goes on from it.
#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_last_one() {
    let folder = empty_folder();
    let (run, whole) = (folder.path().join("run"), folder.path().join("whole"));
    let (setup, engine) = (Setup::new(), Toy::default());
    finished(setup.fit(&engine, &whole, &mut ()));
    let (checkpoint, aside) = (run.join("checkpoint.safetensors"), folder.path().join("aside"));
    let damage = |path: &Path| {
        fs::rename(path, &aside).unwrap();
        fs::create_dir(path).unwrap();
    };
    let mut observer = BreakAt { epoch: 2, path: checkpoint.clone(), damage: &damage };
    let error = setup.fit(&engine, &run, &mut observer).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("checkpoint.safetensors"), "{error}");
    let names: Vec<_> = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("partial")), "{names:?}");
    fs::remove_dir(&checkpoint).unwrap();
    fs::rename(&aside, &checkpoint).unwrap();
    finished(setup.resume(&engine, &run, &mut ()));
    assert_same_run(&run, &whole);
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_fills_up_ends_the_run_and_loses_nothing() {
    let folder = empty_folder();
    let whole = folder.path().join("whole");
    let mut setup = Setup::new();
    setup.plan.log_steps = true;
    let engine = Toy::default();
    finished(setup.fit(&engine, &whole, &mut ()));
    for name in ["history.jsonl", "steps.jsonl"] {
        let run = folder.path().join(format!("full at {name}"));
        setup.fit(&engine, &run, &mut StopAfter(7)).unwrap();
        let (path, aside) = (run.join(name), folder.path().join("aside"));
        let kept = fs::metadata(&path).unwrap().len();
        fs::rename(&path, &aside).unwrap();
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let error = setup.resume(&engine, &run, &mut ()).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), kept);
        finished(setup.resume(&engine, &run, &mut ()));
        assert_same_run(&run, &whole);
    }
}

/// A folder made read-only; or, since that does not bind the superuser, one that is taken away.
#[test]
#[cfg(unix)]
fn a_folder_that_can_no_longer_be_written_ends_the_run_and_loses_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let folder = empty_folder();
    let (run, whole, aside) = (folder.path().join("run"), folder.path().join("whole"), folder.path().join("aside"));
    let (setup, engine) = (Setup::new(), Toy::default());
    finished(setup.fit(&engine, &whole, &mut ()));
    let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    allow(&whole, 0o555);
    let permissions_bind = fs::write(whole.join("probe"), "").is_err();
    allow(&whole, 0o755);
    let damage = |path: &Path| if permissions_bind { allow(path, 0o555) } else { fs::rename(path, &aside).unwrap() };
    let mut observer = BreakAt { epoch: 2, path: run.clone(), damage: &damage };
    let error = setup.fit(&engine, &run, &mut observer).unwrap_err().to_string();
    if permissions_bind {
        allow(&run, 0o755)
    } else {
        fs::rename(&aside, &run).unwrap()
    }
    assert!(error.contains("cannot write"), "{error}");
    finished(setup.resume(&engine, &run, &mut ()));
    let _ = fs::remove_file(whole.join("probe"));
    assert_same_run(&run, &whole);
}
