//! `train`: what it prints and what it leaves behind.

use std::fs;

use serde_json::Value;

use crate::{data, read_json, recordings, train_small, trained, triax};

#[test]
fn a_run_folder_is_complete() {
    let folder = data();
    let answer = train_small(folder.path(), "data.csv", "run", &["--log-steps"]).done();
    for expected in
        ["Epoch 1/2 - ", "Epoch 2/2 - ", " - val_macro_f1: ", "after epoch 2", "macro-F1", "confusion", "evaluate run"]
    {
        assert!(answer.stdout.contains(expected), "`{expected}` is not in\n{}", answer.stdout);
    }
    assert!(answer.stdout.lines().filter(|line| !line.contains(" - ")).all(|line| line.chars().count() <= 100));

    let run = folder.path().join("run");
    let config = read_json(run.join("config.json"));
    assert_eq!((&config["seed"], &config["epochs"], &config["loss"]), (&0.into(), &2.into(), &"squared_hinge".into()));
    let recorded = &config["recorded"];
    assert_eq!(recorded["device"]["kind"], "cpu");
    assert_eq!(recorded["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(recorded["data"]["fingerprint"].as_str().unwrap().len(), 64);

    let history = fs::read_to_string(run.join("history.jsonl")).unwrap();
    let epochs: Vec<Value> = history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(epochs.len(), 2);
    let keys = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1", "learning_rate", "seconds"];
    for key in keys {
        assert!(epochs[1][key].is_number(), "{key} in {}", epochs[1]);
    }
    let steps = fs::read_to_string(run.join("steps.jsonl")).unwrap();
    // 81 training windows in batches of 32, two epochs.
    assert_eq!(steps.lines().count(), 6);
    let metrics = read_json(run.join("metrics.json"));
    assert_eq!(metrics["best"]["validation"]["confusion"].as_array().unwrap().len(), 3);
    for file in ["best.safetensors", "last.safetensors", "checkpoint.safetensors"] {
        assert!(run.join(file).is_file(), "{file}");
    }
}

#[test]
fn the_synthetic_set_is_the_default_and_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["train", "--epochs", "1", "--step", "600", "--device", "cpu"];
    let answer = triax(folder.path(), args).done();
    assert!(answer.stdout.contains("synthetic"), "{}", answer.stdout);
    let runs: Vec<_> = fs::read_dir(folder.path().join("runs")).unwrap().map(|run| run.unwrap().path()).collect();
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    assert!(run.to_str().unwrap().ends_with("-squared_hinge"), "{runs:?}");
    assert_eq!(read_json(run.join("config.json"))["recorded"]["data"]["synthetic"], true);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let folder = trained();
    let bytes = |run: &str| fs::read(folder.path().join(run).join("last.safetensors")).unwrap();
    train_small(folder.path(), "data.csv", "again", &["--quiet"]).done();
    train_small(folder.path(), "data.csv", "other", &["--quiet", "--seed", "1", "--valid-subjects", "p0"]).done();
    assert_eq!(bytes("run"), bytes("again"));
    assert_ne!(bytes("run"), bytes("other"));
}

#[test]
fn programs_get_json_and_nothing_else() {
    let folder = data();
    let answer = train_small(folder.path(), "data.csv", "run", &["--json"]).done();
    let events: Vec<_> = answer.json_lines().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["start", "epoch", "epoch", "end"]);
    assert!(answer.json_lines()[3]["metrics"]["best"]["validation"]["macro_f1"].is_number());
    assert_eq!(answer.stderr, "");
}

#[test]
fn quiet_is_quiet() {
    let folder = data();
    let answer = train_small(folder.path(), "data.csv", "run", &["--quiet"]).done();
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", ""));
}

#[test]
fn a_random_split_says_how_much_it_leaks() {
    let folder = data();
    let answer = train_small(folder.path(), "data.csv", "run", &["--split", "random"]).done();
    let shared =
        read_json(folder.path().join("run/config.json"))["recorded"]["split"]["shared_windows"].as_u64().unwrap();
    assert!(shared > 0);
    assert!(answer.stderr.contains(&format!("warning: {shared} of 22 validation windows share")), "{}", answer.stderr);
    // Windows side by side share nothing.
    let answer = train_small(folder.path(), "data.csv", "apart", &["--split", "random", "--step", "32"]).done();
    assert!(!answer.stderr.contains("share samples"), "{}", answer.stderr);
}

#[test]
fn every_optimizer_schedule_and_loss_trains() {
    let folder = recordings::csv_folder(2, 96);
    let settings: [&[&str]; 6] = [
        &["--optimizer", "adamw", "--weight-decay", "0.01", "--loss", "hinge"],
        &["--optimizer", "sgd", "--momentum", "0.9", "--loss", "categorical_hinge", "--lr-schedule", "cosine"],
        &["--optimizer", "rmsprop", "--loss", "categorical_crossentropy", "--lr-schedule", "plateau"],
        &["--class-weights", "balanced", "--clip-norm", "1", "--no-shuffle", "--dropout", "0"],
        &["--class-weights", "1,2,0.5", "--normalize", "none", "--learning-rate", "0.001"],
        &["--early-stopping", "1", "--batch-size", "1000"],
    ];
    for (number, settings) in settings.iter().enumerate() {
        let more = [settings, &["--quiet"][..]].concat();
        train_small(folder.path(), "data.csv", &format!("run{number}"), &more).done();
    }
}

#[test]
fn initial_weights_are_taken_from_a_file() {
    let folder = trained();
    let last = "run/last.safetensors";
    let answer = train_small(folder.path(), "data.csv", "on", &["--init-weights", last, "--json"]).done();
    let first_before = fs::read_to_string(folder.path().join("run/history.jsonl")).unwrap();
    let first_before: Value = serde_json::from_str(first_before.lines().next().unwrap()).unwrap();
    let first_now = &answer.json_lines()[1];
    assert!(first_now["loss"].as_f64() < first_before["loss"].as_f64(), "{first_now} {first_before}");
    // Another network refuses them, and names the tensor.
    let more = ["--init-weights", last, "--hidden", "9"];
    let message = train_small(folder.path(), "data.csv", "no", &more).refused(1);
    assert!(message.contains("last.safetensors") && message.contains("dense1.kernel"), "{message}");
    assert!(!folder.path().join("no").exists());
}
