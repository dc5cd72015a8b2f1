//! Every format is found out by itself, trained on, and recorded with what it holds.

use std::path::Path;

use crate::{data, read_json, recordings, train_small, triax};

/// Trains on `data` and gives what the run recorded of it, after checking that `inspect` agrees.
fn recorded(folder: &Path, data: &str, more: &[&str]) -> serde_json::Value {
    train_small(folder, data, "run", &[more, &["--quiet"]].concat()).done();
    let recorded = read_json(folder.join("run/config.json"))["recorded"].take();
    let found = triax(folder, ["data", "inspect", data, "--json"]).done();
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(found["fingerprint"], recorded["data"]["fingerprint"]);
    assert_eq!(found["rate_hz"], recorded["data"]["rate_hz"]);
    recorded
}

#[test]
fn csv() {
    let folder = data();
    let run = recorded(folder.path(), "data.csv", &[]);
    assert_eq!(run["data"]["classes"], serde_json::json!(recordings::ACTIVITIES));
    assert_eq!(run["data"]["subjects"], serde_json::json!(["p0", "p1", "p2", "p3"]));
    assert_eq!(run["data"]["channels"], serde_json::json!(["x", "y", "z"]));
    // (160 − 32) / 16 + 1 windows of each recording; one subject of four is held out.
    assert_eq!((run["split"]["n_train"].clone(), run["split"]["n_valid"].clone()), (81.into(), 27.into()));
}

#[test]
fn wisdm1() {
    let folder = tempfile::tempdir().unwrap();
    recordings::wisdm1(&folder.path().join("WISDM_ar_v1.1_raw.txt"), 3, 100);
    let run = recorded(folder.path(), "WISDM_ar_v1.1_raw.txt", &[]);
    assert_eq!(run["data"]["classes"], serde_json::json!(["Jogging", "Sitting", "Walking"]));
    assert_eq!(run["data"]["subjects"].as_array().unwrap().len(), 3);
}

#[test]
fn wisdm2_with_chosen_activities_and_subjects() {
    let folder = tempfile::tempdir().unwrap();
    recordings::wisdm2(&folder.path().join("wisdm2"), 3, 100);
    let run = recorded(folder.path(), "wisdm2", &["--valid-subjects", "1601"]);
    assert_eq!(run["data"]["classes"], serde_json::json!(["A", "B", "D"]));
    assert_eq!(run["split"]["valid_subjects"], serde_json::json!(["1601"]));

    train_small(folder.path(), "wisdm2", "chosen", &["--activities", "D,A", "--quiet"]).done();
    let run = read_json(folder.path().join("chosen/config.json"));
    assert_eq!(run["recorded"]["data"]["classes"], serde_json::json!(["D", "A"]));
}

#[test]
fn uci_har_comes_with_windows_and_split() {
    let folder = tempfile::tempdir().unwrap();
    recordings::uci_har(&folder.path().join("UCI HAR Dataset"));
    // The source decides about window and split.
    let args = ["train", "--data", "UCI HAR Dataset", "--out", "run", "--epochs", "1", "--device", "cpu", "--quiet"];
    triax(folder.path(), args).done();
    let run = read_json(folder.path().join("run/config.json"));
    assert_eq!(run["window"], 128);
    assert_eq!(run["recorded"]["split"]["plan"], "Predefined");
    assert_eq!(run["recorded"]["network"]["channels"], 9);
    assert_eq!(run["recorded"]["split"]["n_train"], 12);

    let message = triax(folder.path(), [&args[..3], &["--window", "120"]].concat()).refused(1);
    assert!(message.contains("--window 128"), "{message}");
}

#[test]
fn motion_sense() {
    let folder = tempfile::tempdir().unwrap();
    recordings::motion_sense(&folder.path().join("motionsense"), 3, 100);
    let run = recorded(folder.path(), "motionsense", &[]);
    assert_eq!(run["network"]["channels"], 3);
    assert_eq!(run["data"]["rate_hz"], 50.0);
}

#[test]
fn numpy_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/tests/fixtures/integers.npz");
    let fixture = fixture.to_str().unwrap();
    let args = ["train", "--data", fixture, "--out", "run", "--convs", "2:2:1", "--epochs", "1", "--device", "cpu"];
    let answer = triax(folder.path(), args).done();
    let run = read_json(folder.path().join("run/config.json"));
    assert_eq!(run["window"], 4);
    assert_eq!(run["recorded"]["data"]["classes"], serde_json::json!(["0", "2", "10"]));
    assert!(answer.stdout.contains("as the data comes"), "{}", answer.stdout);
}

#[test]
fn the_format_can_be_named_and_must_then_be_right() {
    let folder = recordings::csv_folder(2, 100);
    train_small(folder.path(), "data.csv", "run", &["--format", "csv", "--quiet"]).done();
    let message = triax(folder.path(), ["data", "inspect", "data.csv", "--format", "npz"]).refused(1);
    assert!(message.contains("data.csv"), "{message}");
}
