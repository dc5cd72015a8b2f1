//! Real recordings, where they are at hand: both splits tell what they should, and a GPU agrees with the CPU.

use std::path::Path;

use serde_json::Value;
use triax_testing::{gpu_or_skip, wisdm2_or_skip};

use crate::{read_json, triax};

/// Trains the reference network on six activities, and returns the metrics of the run.
fn train(folder: &Path, data: &Path, out: &str, more: &[&str]) -> Value {
    let data = data.to_str().unwrap();
    let fixed = ["train", "--data", data, "--activities", "A,B,C,D,E,M", "--out", out, "--quiet"];
    triax(folder, [&fixed, more].concat()).done();
    read_json(folder.join(out).join("metrics.json"))
}

/// Windows that overlap across the split are the difference: a leaking split looks good after two epochs already, and
/// says that it leaks.
#[test]
fn a_random_split_flatters_and_a_subject_split_does_not() {
    let Some(data) = wisdm2_or_skip("a_random_split_flatters_and_a_subject_split_does_not") else { return };
    let folder = tempfile::tempdir().unwrap();
    let accuracy = |split: &str| {
        let more = ["--step", "40", "--epochs", "2", "--device", "cpu", "--split", split];
        let metrics = train(folder.path(), &data, split, &more);
        metrics["last"]["validation"]["accuracy"].as_f64().unwrap()
    };
    let (random, subject) = (accuracy("random"), accuracy("subject"));
    assert!(random > 0.8, "random split: {random}");
    assert!(subject > 0.4 && subject < random - 0.1, "subject split: {subject}, random split: {random}");
    let split = &read_json(folder.path().join("random/config.json"))["recorded"]["split"];
    assert!(split["shared_windows"].as_u64().unwrap() > 1_600, "{split}");
    let split = &read_json(folder.path().join("subject/config.json"))["recorded"]["split"];
    assert_eq!(split["shared_windows"], 0);
}

#[test]
fn cpu_and_gpu_agree_on_real_recordings() {
    let test = "cpu_and_gpu_agree_on_real_recordings";
    let Some(data) = wisdm2_or_skip(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let devices: Vec<Value> = serde_json::from_str(&triax(folder.path(), ["devices", "--json"]).done().stdout).unwrap();
    let Some(gpu) = gpu_or_skip(test, devices.iter().find(|device| device["index"].is_number())) else { return };
    let gpu = format!("gpu:{}", gpu["index"]);
    let run = |device: &str| {
        let out = device.replace(':', "");
        train(folder.path(), &data, &out, &["--step", "400", "--epochs", "1", "--device", device])
    };
    let (cpu, gpu) = (run("cpu"), run(&gpu));
    for (figures, figure) in [(&["last", "loss"][..], "loss"), (&["last", "validation", "loss"], "val_loss")] {
        let [a, b] = [&cpu, &gpu].map(|run| figures.iter().fold(run, |value, key| &value[key]).as_f64().unwrap());
        // Same weights, order and dropout masks; rounding differs, and 21 steps of Adam let it grow.
        assert!((a - b).abs() <= 1e-4 * a, "{figure}: {a} on the CPU, {b} on the GPU");
    }
}
