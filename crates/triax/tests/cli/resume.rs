//! Runs that are killed or interrupted and resumed end with the bytes of an uninterrupted run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::family::WIDE;
use crate::{SMALL, command, data, read_json, recordings, train_small, trained, triax};

/// A run that lasts long enough to be stopped after its third epoch.
const LONG: [&str; 6] = ["--epochs", "120", "--batch-size", "4", "--lr-schedule", "cosine"];

/// Lets `args` train until `n_epochs` more epochs have ended.
fn train_for(folder: &Path, args: &[&str], n_epochs: usize) -> Child {
    let mut child = command(folder, args)
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("triax starts");
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let epochs = lines.map(Result::unwrap).filter(|line| line.contains("\"event\":\"epoch\""));
    assert_eq!(epochs.take(n_epochs).count(), n_epochs, "the run ended by itself");
    child
}

/// A run of 120 epochs into the folder `stopped`, of which `n_epochs` have ended.
pub fn start_long(folder: &Path, n_epochs: usize) -> Child {
    start_long_with(folder, n_epochs, &[])
}

/// [`start_long`] with other options for the network.
fn start_long_with(folder: &Path, n_epochs: usize, network: &[&str]) -> Child {
    let mut args = vec!["train", "--data", "data.csv", "--out", "stopped"];
    args.extend(SMALL.chunks(2).filter(|pair| pair[0] != "--epochs" && !network.contains(&pair[0])).flatten());
    args.extend(LONG);
    args.extend(network);
    train_for(folder, &args, n_epochs)
}

/// Checks that everything but the seconds of each epoch is as in an uninterrupted run.
fn assert_same_as_unstopped(folder: &Path, network: &[&str]) {
    train_small(folder, "data.csv", "unstopped", &[&LONG[..], network, &["--quiet"]].concat()).done();
    for file in ["best.safetensors", "last.safetensors", "metrics.json"] {
        let [stopped, unstopped] = ["stopped", "unstopped"].map(|run| fs::read(folder.join(run).join(file)).unwrap());
        assert!(stopped == unstopped, "{file} differs");
    }
    let [stopped, unstopped] = ["stopped", "unstopped"].map(|run| {
        let text = fs::read_to_string(folder.join(run).join("history.jsonl")).unwrap();
        let records = text.lines().map(|line| {
            let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["seconds"].take();
            record
        });
        records.collect::<Vec<_>>()
    });
    assert_eq!(stopped, unstopped);
}

#[test]
fn a_killed_run_goes_on_as_if_nothing_had_happened() {
    let folder = data();
    // SIGKILL at an arbitrary moment, twice.
    let mut child = start_long(folder.path(), 3);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.path().join("stopped/metrics.json").exists(), "the run was over before it could be killed");
    let mut child = train_for(folder.path(), &["train", "--resume", "stopped"], 2);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.path().join("stopped/metrics.json").exists(), "the run was over before it could be killed");
    triax(folder.path(), ["train", "--resume", "stopped", "--quiet"]).done();
    assert_same_as_unstopped(folder.path(), &[]);
}

#[test]
#[cfg(unix)]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let folder = data();
    let child = start_long(folder.path(), 3);
    let answer = crate::interrupted(child);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert!(answer.stderr.contains("triax train --resume stopped"), "{}", answer.stderr);
    assert!(!folder.path().join("stopped/metrics.json").exists());
    triax(folder.path(), ["train", "--resume", "stopped", "--quiet"]).done();
    assert_same_as_unstopped(folder.path(), &[]);
}

#[test]
fn a_run_of_a_network_with_everything_goes_on_too() {
    let folder = data();
    let mut child = start_long_with(folder.path(), 3, &WIDE);
    child.kill().unwrap();
    child.wait().unwrap();
    triax(folder.path(), ["train", "--resume", "stopped", "--quiet"]).done();
    assert_same_as_unstopped(folder.path(), &WIDE);
}

#[test]
fn a_resumed_run_keeps_its_settings_and_its_data() {
    let folder = trained();
    let message = triax(folder.path(), ["train", "--resume", "run", "--epochs", "5"]).refused(2);
    assert!(message.contains("`epochs` is 2 in run, not 5"), "{message}");
    // An option that changes nothing is allowed. A finished run is only evaluated again.
    let before = fs::read(folder.path().join("run/last.safetensors")).unwrap();
    triax(folder.path(), ["train", "--resume", "run", "--epochs", "2", "--quiet"]).done();
    assert_eq!(before, fs::read(folder.path().join("run/last.safetensors")).unwrap());

    fs::write(folder.path().join("data.csv"), recordings::csv(4, 161)).unwrap();
    let message = triax(folder.path(), ["train", "--resume", "run"]).refused(1);
    assert!(message.contains("data has changed"), "{message}");
}

#[test]
fn what_is_no_run_cannot_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let message = triax(folder.path(), ["train", "--resume", "nowhere"]).refused(1);
    assert!(message.contains("nowhere"), "{message}");
    fs::create_dir(folder.path().join("empty")).unwrap();
    triax(folder.path(), ["train", "--resume", "empty"]).refused(1);
}

#[test]
fn a_damaged_checkpoint_is_refused_and_the_weights_stay() {
    let folder = trained();
    let checkpoint = folder.path().join("run/checkpoint.safetensors");
    let bytes = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();
    let message = triax(folder.path(), ["train", "--resume", "run"]).refused(1);
    assert!(message.contains("checkpoint.safetensors"), "{message}");
    assert!(read_json(folder.path().join("run/metrics.json"))["best"].is_object());
    triax(folder.path(), ["evaluate", "run", "--device", "cpu"]).done();
}
