//! Answers over time: what a run knows about them, segments of files, streams with a lag, and their judgement.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use triax_model::WeightFile;

use crate::{SMALL, command, data, read_json, recordings, train_small, triax};

/// A folder with `data.csv` and the run `run`, which two people are held out of.
fn trained() -> TempDir {
    let folder = data();
    train_small(folder.path(), "data.csv", "run", &["--valid-subjects", "p2,p3", "--epochs", "6", "--quiet"]).done();
    folder
}

/// The fields of each line, header first.
fn table(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split(',').collect()).collect()
}

fn predicted(folder: &Path, args: &[&str]) -> String {
    triax(folder, [&["predict"], args, &["--data", "data.csv", "--device", "cpu", "--over-time"]].concat())
        .done()
        .stdout
}

fn judged(folder: &Path, args: &[&str]) -> Value {
    triax(folder, [&["evaluate", "run"], args, &["--device", "cpu", "--json"]].concat()).done().json_text()
}

#[test]
fn a_run_reports_its_calibration_and_its_file_knows_it() {
    let folder = trained();
    let calibration = &read_json(folder.path().join("run/metrics.json"))["last"]["calibration"];
    assert_eq!((calibration["judged"].as_str(), calibration["n_windows"].as_u64()), (Some("people"), Some(54)));
    for figures in [&calibration["before"], &calibration["after"]] {
        assert_eq!(figures["per_class"].as_array().map(Vec::len), Some(3));
        assert!(figures["log_loss"].as_f64().unwrap() > 0.0);
    }
    // The figures after are of temperatures that have not seen the person, and `evaluate` finds the same.
    assert_eq!(&judged(folder.path(), &[])["calibration"], calibration);
    let html = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(html.contains("Before and after calibration"));
    for name in ["last", "best"] {
        let file = WeightFile::read(folder.path().join(format!("run/{name}.safetensors"))).unwrap();
        let answers: Value = serde_json::from_str(&file.extra["answers"]).unwrap();
        let figures = &read_json(folder.path().join("run/metrics.json"))[name];
        assert_eq!(answers["temperature"], figures["calibration"]["temperature"], "{name}");
        // Each activity of the two people trained on lasts 160 rows, and the next one follows at once.
        assert_eq!(answers["dynamics"]["durations"], serde_json::json!([160.0, 160.0, 160.0]));
        assert_eq!(answers["dynamics"]["n_changes"], 4);
    }
    // Other data is judged by the temperature that the file has.
    fs::write(folder.path().join("other.csv"), recordings::csv(3, 80)).unwrap();
    let found = judged(folder.path(), &["--data", "other.csv"]);
    assert_eq!(found["calibration"]["judged"], "before");
}

#[test]
fn one_person_alone_is_not_judged_by_its_own_temperature() {
    let folder = data();
    train_small(folder.path(), "data.csv", "run", &["--valid-subjects", "p3", "--quiet"]).done();
    let calibration = &read_json(folder.path().join("run/metrics.json"))["last"]["calibration"];
    assert_eq!((calibration["judged"].as_str(), calibration.get("after")), (Some("none"), None));
    let answer = triax(folder.path(), ["evaluate", "run", "--device", "cpu"]).done();
    assert!(answer.stdout.contains("not judged: there are no other windows"), "{}", answer.stdout);
}

#[test]
fn a_file_gets_a_row_a_segment() {
    let folder = trained();
    let text = predicted(folder.path(), &["run"]);
    let rows = table(&text);
    assert_eq!(rows[0], ["recording", "subject", "start", "end", "activity", "confidence"]);
    for subject in ["p0", "p1", "p2", "p3"] {
        let own: Vec<&Vec<&str>> = rows[1..].iter().filter(|row| row[1] == subject).collect();
        assert_eq!((own[0][0], own[0][2]), ("data.csv", "0.00"));
        assert_eq!(own.last().unwrap()[3], "23.95");
        for pair in own.windows(2) {
            let [end, start] = [pair[0][3], pair[1][2]].map(|time| time.parse::<f64>().unwrap());
            assert!((start - end - 0.05).abs() < 1e-6, "no gap and no overlap: {pair:?}");
            assert_ne!(pair[0][4], pair[1][4]);
        }
        assert!(own.iter().all(|row| (0.0..=1.0).contains(&row[5].parse::<f64>().unwrap())));
    }
    // The weight file alone knows as much.
    assert_eq!(predicted(folder.path(), &["run/last.safetensors"]), text);
    let lines = predicted(folder.path(), &["run", "--json"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), rows.len() - 1);
    for (line, row) in lines.iter().zip(&rows[1..]) {
        let fields = ["recording", "subject", "start", "end", "activity"].map(|name| line[name].as_str().unwrap());
        assert_eq!((fields.as_slice(), &line["is_unknown"]), (&row[..5], &Value::Bool(false)));
    }
    // Where an activity lasts for ever, there is one a sequence.
    assert_eq!(table(&predicted(folder.path(), &["run", "--mean-duration", "200000000"])).len(), 1 + 4);
    // A network that is always sure of what it knows knows nothing of this.
    let mut file = WeightFile::read(folder.path().join("run/last.safetensors")).unwrap();
    let mut answers: Value = serde_json::from_str(&file.extra["answers"]).unwrap();
    answers["confidence"] = serde_json::json!([1.0, 1.0]);
    file.extra.insert("answers".to_owned(), answers.to_string());
    file.write(folder.path().join("sure.safetensors")).unwrap();
    assert!(!predicted(folder.path(), &["sure.safetensors"]).contains("unknown"));
    let text = predicted(folder.path(), &["sure.safetensors", "--unknown", "0.05"]);
    assert!(table(&text)[1..].iter().all(|row| row[4] == "unknown"), "{text}");
}

#[test]
fn a_network_that_knows_nothing_about_its_answers_asks() {
    let folder = trained();
    let mut file = WeightFile::read(folder.path().join("run/last.safetensors")).unwrap();
    file.extra.remove("answers").expect("the entry");
    file.write(folder.path().join("old.safetensors")).unwrap();
    let args = ["predict", "old.safetensors", "--data", "data.csv", "--device", "cpu", "--over-time"];
    let message = triax(folder.path(), args).refused(2);
    assert!(message.contains("--mean-duration 30s"), "{message}");
    let given = [&args[..], &["--mean-duration", "8s"]].concat();
    let answer = triax(folder.path(), &given).done();
    assert!(answer.stderr.contains("a temperature of 1"), "{}", answer.stderr);
    assert!(answer.stdout.lines().count() > 4);
    let message = triax(folder.path(), [&given[..], &["--unknown", "0.05"]].concat()).refused(2);
    assert!(message.contains("--unknown takes a network"), "{message}");
    file.extra.insert("answers".to_owned(), "{}".to_owned());
    file.write(folder.path().join("bad.safetensors")).unwrap();
    let message = triax(folder.path(), [&["predict", "bad.safetensors"], &args[2..]].concat()).refused(1);
    assert!(message.contains("`answers`"), "{message}");
    for options in [["--unknown", "0.05"], ["--mean-duration", "8s"]] {
        triax(folder.path(), [&["predict", "run", "--data", "data.csv"], &options[..]].concat()).refused(2);
    }
}

#[test]
fn a_stream_answers_for_every_window() {
    let folder = trained();
    // Without activities, so that a person is one recording.
    let lines: Vec<String> = recordings::csv(2, 160)
        .lines()
        .map(|line| {
            line.split(',').enumerate().filter(|(at, _)| *at != 1).map(|(_, field)| field).collect::<Vec<_>>().join(",")
        })
        .collect();
    let piped = |more: &[&str]| {
        let args = [&["predict", "run", "-", "--device", "cpu", "--over-time"], more].concat();
        let mut child = command(folder.path(), args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(lines.join("\n").as_bytes());
        drop(stdin);
        crate::Answer::from_output(child.wait_with_output().unwrap()).done().stdout
    };
    // A person has 480 rows, and so 29 windows.
    for lag in ["0.01s", "16", "5s", "1000s"] {
        let text = piped(&["--lag", lag]);
        let rows = table(&text);
        assert_eq!(rows.len(), 1 + 2 * 29, "{lag}");
        assert_eq!((rows[1][1], rows[1][2], rows[30][1], rows[30][2]), ("p0", "0.00", "p1", "0.00"));
        assert!(rows[1..].iter().all(|row| recordings::ACTIVITIES.contains(&row[4])));
    }
    // With all that follows in view, a stream says what a file does.
    fs::write(folder.path().join("plain.csv"), lines.join("\n")).unwrap();
    let args = ["predict", "run", "--data", "plain.csv", "--device", "cpu", "--over-time"];
    let file = triax(folder.path(), args).done().stdout;
    let stream = piped(&["--lag", "1000s"]);
    let mut changes: Vec<(String, String)> = Vec::new();
    for row in &table(&stream)[1..] {
        let answer = (row[1].to_owned(), row[4].to_owned());
        if changes.last() != Some(&answer) {
            changes.push(answer);
        }
    }
    let segments: Vec<(String, String)> =
        table(&file)[1..].iter().map(|row| (row[1].to_owned(), row[4].to_owned())).collect();
    assert_eq!(changes, segments);
    let message =
        triax(folder.path(), ["predict", "run", "--data", "plain.csv", "--over-time", "--lag", "5s"]).refused(2);
    assert!(message.contains("--lag"), "{message}");
}

#[test]
fn answers_over_time_are_judged_beside_windows() {
    let folder = trained();
    let found = judged(folder.path(), &["--over-time"]);
    let over_time = &found["over_time"];
    // Two people, each of whom changes twice without a gap.
    assert_eq!((over_time["n_sequences"].as_u64(), over_time["n_changes"].as_u64()), (Some(2), Some(4)));
    assert_eq!(over_time["people"].as_array().map(Vec::len), Some(2));
    let windows = &over_time["by_itself"]["accuracy"];
    assert!((windows["mean"].as_f64().unwrap() - found["metrics"]["accuracy"].as_f64().unwrap()).abs() < 1e-9);
    assert_eq!(windows["n"], 2);
    // Nothing is remembered where activities last for a sample: windows say the same, divided by the shares of the classes.
    let forgetful = judged(folder.path(), &["--over-time", "--mean-duration", "1"]);
    let figures = &forgetful["over_time"];
    assert_eq!(figures["gain"]["accuracy"]["mean"].as_f64(), Some(0.0));
    let joined = judged(folder.path(), &["--over-time", "--joined", "--pieces", "2s"]);
    assert!(joined["over_time"]["n_changes"].as_u64().unwrap() > 4);
    let text = triax(folder.path(), ["evaluate", "run", "--over-time", "--device", "cpu"]).done().stdout;
    assert!(text.contains("segment F1 0.50") && text.lines().all(|line| line.chars().count() <= 80), "{text}");
    triax(folder.path(), ["evaluate", "run", "--joined"]).refused(2);
}

#[test]
fn sequences_of_a_single_activity_are_warned_of() {
    let folder = trained();
    // A minute passes between one activity and the next.
    let spread: Vec<String> = recordings::csv(2, 160)
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let gap = recordings::ACTIVITIES.iter().position(|name| *name == fields[1]).unwrap_or(0) as f64 * 60.0;
            let time =
                fields[2].parse::<f64>().map_or_else(|_| fields[2].to_owned(), |time| format!("{:.2}", time + gap));
            [fields[0], fields[1], &time, fields[3], fields[4], fields[5]].join(",")
        })
        .collect();
    fs::write(folder.path().join("spread.csv"), spread.join("\n")).unwrap();
    let args = ["evaluate", "run", "--data", "spread.csv", "--over-time", "--device", "cpu"];
    let answer = triax(folder.path(), args).done();
    assert!(answer.stderr.contains("a single activity") && answer.stderr.contains("--joined"), "{}", answer.stderr);
    assert!(answer.stdout.contains("6 sequences with 0 changes"), "{}", answer.stdout);
    let answer = triax(folder.path(), [&args[..], &["--joined"]].concat()).done();
    assert!(!answer.stderr.contains("a single activity"), "{}", answer.stderr);
    assert!(answer.stdout.contains("2 sequences with 4 changes"), "{}", answer.stdout);
}

#[test]
fn a_study_knows_its_answers_and_judges_each_person_without_them() {
    let folder = data();
    let fixed = ["study", "--data", "data.csv", "--out", "study", "--seeds", "1", "--no-baselines", "--quiet"];
    triax(folder.path(), [&fixed[..], &SMALL].concat()).done();
    let network = &read_json(folder.path().join("study/summary.json"))["competitors"][0];
    assert_eq!(network["calibration"]["judged"], "folds");
    assert_eq!(network["answers"]["n_windows"], 108);
    let rows = predicted(folder.path(), &["study"]);
    assert!(rows.lines().count() > 4, "{rows}");
    let args = ["evaluate", "study", "--over-time", "--device", "cpu", "--json"];
    let found = triax(folder.path(), args).done().json_text();
    assert_eq!(found["calibration"], network["calibration"]);
    assert_eq!(found["over_time"]["people"].as_array().map(Vec::len), Some(4));
    let report = fs::read_to_string(folder.path().join("study/report.html")).unwrap();
    assert!(report.contains("Before and after calibration"));
}
