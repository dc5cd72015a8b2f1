//! `report.html` of a run, and its event files for TensorBoard.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use triax_testing::{browser_or_skip, tensorboard_or_skip};

use crate::{data, recordings, resume, train_small, trained, triax};

/// What TensorBoard's own reader finds in a folder: steps and values by tag.
const READ_EVENTS: &str = "
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
print(json.dumps({tag: [[it.step, it.value] for it in events.Scalars(tag)] for tag in events.Tags()['scalars']}))
";

fn report(run: &Path) -> String {
    fs::read_to_string(run.join("report.html")).unwrap()
}

#[test]
fn a_run_leaves_a_report_and_names_it() {
    let folder = data();
    let answer = train_small(folder.path(), "data.csv", "run", &[]).done();
    assert!(answer.stdout.contains("run/report.html"), "{}", answer.stdout);
    assert!(answer.stdout.contains("val_accuracy  "), "no curves in\n{}", answer.stdout);
    let html = report(&folder.path().join("run"));
    let expected = [
        "on a person it never saw",
        "What the loss says",
        "Score and accuracy",
        "jog",
        "data.csv",
        "triax evaluate run",
        "squared_hinge",
    ];
    for expected in expected {
        assert!(html.contains(expected), "`{expected}` is not in the report");
    }
    assert!(!html.contains("class=\"warning\""));
    // The scores of a squared hinge are no probabilities.
    assert!(!html.contains("softmax") && !html.contains("Calibration"), "{html}");
    let args = ["--loss", "categorical_crossentropy", "--quiet"];
    train_small(folder.path(), "data.csv", "logits", &args).done();
    assert!(report(&folder.path().join("logits")).contains("Calibration"));
}

#[test]
fn the_report_of_a_run_is_fine_in_a_browser() {
    let Some(browser) = browser_or_skip("the_report_of_a_run_is_fine_in_a_browser") else { return };
    browser.check(&report(&trained().path().join("run")));
}

#[test]
fn a_leaking_split_warns_above_everything_else() {
    let folder = data();
    train_small(folder.path(), "data.csv", "run", &["--split", "random", "--quiet"]).done();
    let html = report(&folder.path().join("run"));
    let warning = html.find("class=\"warning\"").expect("a warning");
    assert!(warning < html.find("<h1").unwrap());
}

#[test]
fn names_in_the_data_stay_text() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "<script>alert(1)</script>";
    let csv = recordings::csv(4, 160).replace("walk", hostile).replace("p3", "<img src=x onerror=alert(2)>");
    fs::write(folder.path().join("data.csv"), csv.replace("p1", hostile)).unwrap();
    train_small(folder.path(), "data.csv", "run", &["--quiet"]).done();
    let html = report(&folder.path().join("run"));
    assert!(html.contains("&lt;script&gt;alert(1)"), "the name is not shown");
    assert!(!html.contains("<script") && !html.contains("<img"));
}

#[test]
fn a_run_that_is_summed_up_again_has_its_report_again_and_says_where_it_cannot() {
    let folder = trained();
    let path = folder.path().join("run/report.html");
    let before = report(&folder.path().join("run"));
    fs::write(&path, "another").unwrap();
    triax(folder.path(), ["train", "--resume", "run", "--quiet"]).done();
    assert_eq!(report(&folder.path().join("run")), before);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let answer = triax(folder.path(), ["train", "--resume", "run"]);
    assert!(answer.stdout.contains("macro-F1"), "the figures are kept back: {}", answer.stdout);
    let message = answer.refused(1);
    assert!(message.contains("report.html"), "{message}");
}

#[test]
fn tensorboard_reads_what_a_stopped_and_resumed_run_has_logged() {
    let test = "tensorboard_reads_what_a_stopped_and_resumed_run_has_logged";
    let Some(python) = tensorboard_or_skip(test) else { return };
    let folder = data();
    let mut child = resume::start_long(folder.path(), 3);
    child.kill().unwrap();
    child.wait().unwrap();
    triax(folder.path(), ["train", "--resume", "stopped", "--tensorboard", "--quiet"]).done();
    let run = folder.path().join("stopped");
    let output = Command::new(python).args(["-c", READ_EVENTS]).arg(run.join("tensorboard")).output().unwrap();
    let read: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let history = fs::read_to_string(run.join("history.jsonl")).unwrap();
    let epochs: Vec<Value> = history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(epochs.len(), 120);
    for tag in ["loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1", "learning_rate"] {
        let scalars = read[tag].as_array().unwrap_or_else(|| panic!("no {tag} in {read}"));
        assert_eq!(scalars.len(), epochs.len(), "{tag}");
        for (scalar, epoch) in scalars.iter().zip(&epochs) {
            assert_eq!(scalar[0], epoch["epoch"]);
            assert_eq!(scalar[1].as_f64().unwrap() as f32, epoch[tag].as_f64().unwrap() as f32, "{tag}");
        }
    }
}

#[test]
fn without_being_asked_nothing_is_logged() {
    assert!(!trained().path().join("run/tensorboard").exists());
}
