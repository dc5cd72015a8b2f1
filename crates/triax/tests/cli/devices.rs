//! `devices`, and that devices agree.

use std::fs;
use std::io::Write;

use serde_json::Value;
use triax_testing::gpu_or_skip;

use crate::{data, recordings, train_small, triax};

fn devices() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let answer = triax(folder.path(), ["devices", "--json"]).done();
    serde_json::from_str(&answer.stdout).unwrap()
}

#[test]
fn the_cpu_is_always_there() {
    let devices = devices();
    let cpu = devices.last().unwrap();
    assert_eq!(cpu["kind"], "cpu");
    let folder = tempfile::tempdir().unwrap();
    let table = triax(folder.path(), ["devices"]).done().stdout;
    assert!(devices.iter().all(|device| table.contains(device["kind"].as_str().unwrap())), "{table}");
}

#[test]
fn a_gpu_that_is_not_there_is_refused_with_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let message = triax(folder.path(), ["train", "--step", "600", "--device", "gpu:99"]).refused(1);
    assert!(message.contains("gpu"), "{message}");
    assert!(!folder.path().join("runs").exists());
}

/// The figures of a small run on a device, epoch by epoch.
fn history(folder: &std::path::Path, device: &str) -> Vec<Value> {
    let out = format!("run-{device}");
    train_small(folder, "data.csv", &out, &["--device", device, "--epochs", "3", "--quiet"]).done();
    let text = fs::read_to_string(folder.join(out).join("history.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn cpu_and_gpu_agree() {
    let gpu = devices().into_iter().find(|device| device["index"].is_number());
    let Some(gpu) = gpu_or_skip("cpu_and_gpu_agree", gpu) else { return };
    let folder = data();
    let on_gpu = history(folder.path(), &format!("gpu:{}", gpu["index"]));
    for (cpu, gpu) in history(folder.path(), "cpu").iter().zip(&on_gpu) {
        for figure in ["loss", "val_loss"] {
            let [a, b] = [cpu, gpu].map(|record| record[figure].as_f64().unwrap());
            // Dropout masks and order are the same; what differs is rounding, which grows over nine steps of Adam.
            assert!((a - b).abs() <= 1e-4 * a, "epoch {}: {figure} {a} on the CPU, {b} on the GPU", cpu["epoch"]);
        }
    }
}

#[test]
fn a_software_gpu_says_what_it_is() {
    let software = devices().into_iter().find(|device| device["kind"] == "software");
    let Some(gpu) = software else {
        // Not `eprintln!`, which the test harness hides when a test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED a_software_gpu_says_what_it_is: this machine has no software GPU");
        return;
    };
    let folder = recordings::csv_folder(2, 64);
    let device = format!("gpu:{}", gpu["index"]);
    let answer = train_small(folder.path(), "data.csv", "run", &["--device", &device, "--epochs", "1"]).done();
    assert!(answer.stderr.contains("software GPU"), "{}", answer.stderr);
}
