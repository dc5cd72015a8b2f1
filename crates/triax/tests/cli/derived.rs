//! Channels that are derived from the axes of the sensors: trained on, judged, predicted by, exported, compared.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::{SMALL, command, data, read_json, recordings, train_small, triax};

/// Channels of both kinds, and an augmentation that turns one of them.
const MIXED: [&str; 5] = ["--derive", "linear,jerk,norm,vertical,horizontal", "--flip-axes", "--rotate", "45"];

fn predicted_from_a_pipe(folder: &Path, input: &str) -> String {
    let mut child = command(folder, ["predict", "run", "-", "--device", "cpu"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    crate::Answer::from_output(child.wait_with_output().unwrap()).done().stdout
}

#[test]
fn a_network_of_derived_channels_trains_is_judged_and_predicts() {
    let folder = data();
    for (derive, normalize, channels) in [
        ("linear,jerk,norm,vertical,horizontal", "standard", 9),
        ("norm,vertical,horizontal", "window", 3),
        ("raw,gravity,vertical", "gravity", 7),
    ] {
        let _ = fs::remove_dir_all(folder.path().join("run"));
        let options = ["--derive", derive, "--normalize", normalize, "--flip-axes", "--rotate", "45", "--quiet"];
        train_small(folder.path(), "data.csv", "run", &options).done();
        let config = read_json(folder.path().join("run/config.json"));
        assert_eq!(config["recorded"]["network"]["channels"], channels, "{derive}");
        assert_eq!(config["derive"], serde_json::json!(derive.split(',').collect::<Vec<_>>()));

        // The evaluation of the validation part agrees with that of training.
        let metrics = read_json(folder.path().join("run/metrics.json"));
        let found = triax(folder.path(), ["evaluate", "run", "--json", "--device", "cpu"]).done().json_text();
        assert_eq!(found["metrics"]["confusion"], metrics["last"]["validation"]["confusion"], "{derive}");

        let rows = triax(folder.path(), ["predict", "run", "--data", "data.csv", "--device", "cpu"]).done().stdout;
        assert_eq!(predicted_from_a_pipe(folder.path(), &recordings::csv(4, 160)), rows, "{derive}");
        // Channels are those of the sensors, by their name.
        let swapped: String = recordings::csv(4, 160).lines().map(swap_last_fields).collect();
        assert_eq!(predicted_from_a_pipe(folder.path(), &swapped), rows, "{derive}");
    }
    let said = triax(folder.path(), ["model", "run"]).done().stdout;
    assert!(said.contains("vertical = v·u") && said.contains("vertical x y z"), "{said}");
}

/// A line with its last two fields in the other order.
fn swap_last_fields(line: &str) -> String {
    let mut fields: Vec<&str> = line.split(',').collect();
    let n = fields.len();
    fields.swap(n - 2, n - 1);
    fields.join(",") + "\n"
}

#[test]
fn every_format_holds_derived_channels() {
    let folder = data();
    train_small(folder.path(), "data.csv", "run", &[&MIXED[..], &["--quiet"]].concat()).done();
    // The command reads each file back, and refuses one that does not answer the same.
    for format in ["safetensors", "onnx", "onnx-int8", "tflite", "tflite-int8", "c", "c-int8", "keras", "html"] {
        let said = triax(folder.path(), ["export", "run", "--to", format, "--out", "file"]).done();
        assert!(said.stdout.contains("same class as Triax for"), "{format}: {}", said.stdout);
        if matches!(format, "onnx" | "keras") {
            triax(folder.path(), ["import", "file", "--out", "imported.safetensors"]).done();
            let judged = |run: &str| {
                let args = ["evaluate", run, "--data", "data.csv", "--device", "cpu", "--json"];
                triax(folder.path(), args).done().json_text()["metrics"].take()
            };
            assert_eq!(judged("imported.safetensors"), judged("run/last.safetensors"), "{format}");
        }
    }
}

#[test]
fn a_study_compares_derivations() {
    let folder = recordings::csv_folder(3, 96);
    let options: Vec<&str> = SMALL.to_vec();
    let vary = ["--vary", "derive=raw|raw,norm|norm,vertical,horizontal", "--flip-axes", "--quiet"];
    triax(folder.path(), [&["study", "--data", "data.csv", "--out", "study"], &options[..], &vary[..]].concat()).done();
    let results = fs::read_to_string(folder.path().join("study/results.csv")).unwrap();
    assert!(results.contains("norm,vertical,horizontal"), "{results}");
    for setting in ["derive=raw", "derive=norm,vertical,horizontal"] {
        let args = ["evaluate", "study", "--setting", setting, "--device", "cpu", "--json"];
        assert_eq!(triax(folder.path(), args).done().json_lines()[0]["n_windows"], 45, "{setting}");
    }
}

#[test]
fn what_cannot_be_derived_is_refused_with_its_remedy() {
    let folder = data();
    let refused = |data: &str, more: &[&str], said: &str| {
        let message = train_small(folder.path(), data, "refused", &[more, &["--quiet"]].concat()).refused(2);
        assert!(message.contains(said), "{more:?}: {message}");
        assert!(!folder.path().join("refused").exists(), "{more:?}");
    };
    refused("data.csv", &["--derive", "norms"], "raw, gravity, linear, jerk, norm, vertical, horizontal");
    refused("data.csv", &["--derive", "norm,raw,norm"], "`derive` names `norm` twice");
    refused("data.csv", &["--derive", "norm", "--channels", "x,y"], "there are 2");
    let text = recordings::csv(3, 96);
    let without_times: String = text
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            [&fields[..2], &fields[3..]].concat().join(",") + "\n"
        })
        .collect();
    fs::write(folder.path().join("no-times.csv"), &without_times).unwrap();
    refused("no-times.csv", &["--derive", "linear"], "the rate of the data is unknown");
    train_small(folder.path(), "no-times.csv", "rateless", &["--derive", "norm,jerk", "--quiet"]).done();
    // A sensor whose values are the same but for gravity.
    let weightless: String = text
        .lines()
        .map(|line| {
            let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
            if let Ok(y) = fields[4].parse::<f32>() {
                fields[4] = (y - 9.0).to_string();
            }
            fields.join(",") + "\n"
        })
        .collect();
    fs::write(folder.path().join("weightless.csv"), weightless).unwrap();
    refused("weightless.csv", &["--derive", "norm,vertical"], "gravity is in no three channels");
}
