//! `calibrate`, and studies of what it gives.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::recordings::{ACTIVITIES, sample};
use crate::{Answer, read_json, train_small, trained, triax};

/// A person whose sensor is turned around, so that the network is wrong about some activities: rows `from..to` of each.
fn person(activities: &[usize], from: usize, to: usize) -> String {
    let mut text = String::from("subject,activity,timestamp,x,y,z\n");
    for &activity in activities {
        for row in from..to {
            let [x, y, z] = sample(7, activity, row);
            let time = (activity * 10_000 + row) as f32 * 0.05;
            writeln!(text, "new,{},{time:.2},{y:.4},{:.4},{:.4}", ACTIVITIES[activity], -x, z - 3.0).unwrap();
        }
    }
    text
}

/// A folder with a run, ten seconds of each activity of a person, and what the person does later.
fn with_person() -> tempfile::TempDir {
    let folder = trained();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write("ten.csv", person(&[0, 1, 2], 0, 200));
    write("later.csv", person(&[0, 1, 2], 400, 1400));
    folder
}

fn calibrate(folder: &Path, data: &str, more: &[&str]) -> Answer {
    let fixed = ["calibrate", "run", "--data", data, "--device", "cpu", "--out", "person.safetensors"];
    triax(folder, [&fixed, more].concat())
}

fn metrics(folder: &Path, run: &str) -> Value {
    let answer = triax(folder, ["evaluate", run, "--data", "later.csv", "--device", "cpu", "--json"]).done();
    answer.json_text()["metrics"].take()
}

#[test]
fn a_calibrated_network_does_better_on_what_the_person_does_later() {
    let folder = with_person();
    let folder = folder.path();
    let said = calibrate(folder, "ten.csv", &[]).done();
    for part in ["right before", "no test", " ms", "triax evaluate person.safetensors"] {
        assert!(said.stdout.contains(part), "{}", said.stdout);
    }
    let [before, after] = ["run", "person.safetensors"].map(|run| metrics(folder, run)["macro_f1"].as_f64().unwrap());
    assert!(after > before + 0.1, "{before} and {after}");
    // How long activities last is still known, and the temperature no longer.
    let entry = |file: &str| -> Value {
        let file = triax_model::WeightFile::read(folder.join(file)).unwrap();
        serde_json::from_str(&file.extra["answers"]).unwrap()
    };
    let [own, refitted] = ["run/last.safetensors", "person.safetensors"].map(entry);
    assert!(own["n_windows"].as_u64() > Some(0) && refitted["n_windows"].as_u64() == Some(0), "{own}, {refitted}");
    assert_eq!((&refitted["dynamics"], &refitted["temperature"]), (&own["dynamics"], &serde_json::json!(1.0)));
    // The same command writes the same bytes, and a stronger pull stays nearer.
    let bytes = || fs::read(folder.join("person.safetensors")).unwrap();
    let first = bytes();
    let found = calibrate(folder, "ten.csv", &["--json"]).done().json_text();
    assert_eq!(bytes(), first);
    let classes = found["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 3);
    for class in classes {
        // Windows of 32 rows, one every row.
        assert_eq!(class["n_windows"], 169, "{class}");
        assert!((class["recorded"].as_f64().unwrap() - 10.0).abs() < 1e-6, "{class}");
    }
    calibrate(folder, "ten.csv", &["--strength", "1e9"]).done();
    assert_eq!(metrics(folder, "person.safetensors")["macro_f1"].as_f64(), Some(before));
    // A weight file is calibrated as its run is, and what it says of its training goes on into exports.
    let from_file =
        ["calibrate", "run/last.safetensors", "--data", "ten.csv", "--device", "cpu", "--out", "again.safetensors"];
    triax(folder, from_file).done();
    calibrate(folder, "ten.csv", &[]).done();
    assert_eq!(metrics(folder, "again.safetensors"), metrics(folder, "person.safetensors"));
    triax(folder, ["export", "person.safetensors", "--to", "onnx", "--out", "person.onnx"]).done();
    let config = read_json(folder.join("run/config.json"));
    let fingerprint = config["recorded"]["data"]["fingerprint"].as_str().unwrap();
    let exported = fs::read(folder.join("person.onnx")).unwrap();
    assert!(exported.windows(fingerprint.len()).any(|text| text == fingerprint.as_bytes()));
}

#[test]
fn a_weight_file_says_what_its_features_were_trained_on_and_the_calibration_follows_it() {
    let folder = with_person();
    let folder = folder.path();
    let path = folder.join("run/last.safetensors");
    let whole = triax_model::WeightFile::read(&path).unwrap();
    let entry: Value = serde_json::from_str(&whole.extra["features"]).unwrap();
    assert!(
        entry["mean_square"].as_f64() > Some(0.0) && !entry["directions"].as_array().unwrap().is_empty(),
        "{entry}"
    );
    let layer = |text: Option<&str>| {
        let mut file = whole.clone();
        file.extra.remove("features");
        file.extra.extend(text.map(|text| ("features".to_owned(), text.to_owned())));
        file.write(folder.join("given.safetensors")).unwrap();
        triax(
            folder,
            ["calibrate", "given.safetensors", "--data", "ten.csv", "--device", "cpu", "--out", "new.safetensors"],
        )
    };
    let calibrated = || triax_model::WeightFile::read(folder.join("new.safetensors")).unwrap();
    let said = layer(Some(&whole.extra["features"])).done();
    assert!(said.stdout.contains("for the last layer"), "{}", said.stdout);
    let known = calibrated();
    // It is kept for the next calibration.
    assert_eq!(known.extra["features"], whole.extra["features"]);
    layer(None).done();
    assert_ne!(calibrated().weights, known.weights);
    let message = layer(Some("{}")).refused(1);
    assert!(message.contains("`features`") && message.contains("train it anew"), "{message}");
}

#[test]
fn activities_that_were_not_recorded_keep_their_scores() {
    let folder = with_person();
    let folder = folder.path();
    fs::write(folder.join("two.csv"), person(&[0, 2], 0, 200)).unwrap();
    let said = calibrate(folder, "two.csv", &[]).done();
    assert!(said.stderr.contains("nothing was recorded of sit: the network stays as it was"), "{}", said.stderr);
    let scores = |run: &str| -> Vec<(String, String)> {
        let answer = triax(folder, ["predict", run, "--data", "later.csv", "--device", "cpu"]).done();
        let mut table = csv::Reader::from_reader(answer.stdout.as_bytes());
        let header = table.headers().unwrap().clone();
        let at =
            |name: &str| header.iter().position(|column| column.contains(name)).unwrap_or_else(|| panic!("{header:?}"));
        let (sit, jog) = (at("sit"), at("jog"));
        table.records().map(|row| row.unwrap()).map(|row| (row[sit].to_owned(), row[jog].to_owned())).collect()
    };
    let (before, after) = (scores("run"), scores("person.safetensors"));
    assert!(before.iter().zip(&after).all(|(before, after)| before.0 == after.0));
    assert!(before.iter().zip(&after).any(|(before, after)| before.1 != after.1));
}

#[test]
fn recordings_that_say_too_little_are_refused_with_the_remedy() {
    let folder = with_person();
    let folder = folder.path();
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    write("short.csv", person(&[0, 1, 2], 0, 20));
    write("one.csv", person(&[1], 0, 200));
    write("mixed.csv", person(&[0, 1], 0, 200) + person(&[2], 0, 20).split_once('\n').unwrap().1);
    let message = calibrate(folder, "short.csv", &[]).refused(1);
    assert!(message.contains("has 1.0 s") && message.contains("windows of 1.6 s: record each activity"), "{message}");
    let message = calibrate(folder, "one.csv", &[]).refused(1);
    assert!(message.contains("windows of sit only") && message.contains("record another"), "{message}");
    let said = calibrate(folder, "mixed.csv", &[]).done();
    assert!(said.stderr.contains("no recording of walk is as long as a window of 1.6 s"), "{}", said.stderr);
    for strength in ["0", "-1", "nan", "x"] {
        let message = calibrate(folder, "ten.csv", &[&format!("--strength={strength}")]).refused(2);
        assert!(message.contains("a number above 0"), "{message}");
    }
    let message = calibrate(folder, "data.csv", &[]).done().stderr;
    assert!(message.contains("people: the network is calibrated to all of them as one"), "{message}");
    // Nothing is written over what is read, or over a folder.
    for (out, code) in [("ten.csv", 2), ("run/last.safetensors", 2), ("run", 1)] {
        triax(folder, ["calibrate", "run", "--data", "ten.csv", "--out", out]).refused(code);
    }
}

#[test]
fn without_labels_the_scaler_goes_towards_the_person() {
    let folder = with_person();
    let folder = folder.path();
    // The same recordings without their activities.
    let column = |line: &str| {
        line.split(',').enumerate().filter(|(n, _)| *n != 1).map(|(_, it)| it).collect::<Vec<_>>().join(",")
    };
    let unlabelled =
        fs::read_to_string(folder.join("ten.csv")).unwrap().lines().map(column).collect::<Vec<_>>().join("\n");
    fs::write(folder.join("unlabelled.csv"), unlabelled).unwrap();
    let said = calibrate(folder, "unlabelled.csv", &["--unlabelled"]).done();
    assert!(said.stdout.contains("whose activities are not known"), "{}", said.stdout);
    assert_ne!(metrics(folder, "person.safetensors"), metrics(folder, "run"));
    let message = calibrate(folder, "ten.csv", &["--unlabelled", "--strength", "1"]).refused(2);
    assert!(message.contains("--strength"), "{message}");
    train_small(folder, "data.csv", "raw", &["--normalize", "none", "--quiet"]).done();
    let raw = ["calibrate", "raw", "--data", "ten.csv", "--unlabelled", "--out", "person.safetensors"];
    let message = triax(folder, raw).refused(2);
    assert!(message.contains("standardises no channels"), "{message}");
}

/// A study of the small network with calibrations, into the folder `out`.
fn study(folder: &Path, out: &str, more: &[&str]) -> Answer {
    let fixed = ["study", "--data", "data.csv", "--no-baselines", "--seeds", "2", "--window", "32", "--step", "16"];
    let network = ["--convs", "4:5:2:2", "--hidden", "8", "--epochs", "2", "--device", "cpu", "--out", out];
    triax(folder, [&fixed[..], &network, more].concat())
}

#[test]
fn a_study_judges_what_a_calibration_gives() {
    let folder = trained();
    let folder = folder.path();
    let lengths = ["--calibrate", "2s,4s"];
    let said = study(folder, "whole", &lengths).done();
    assert!(said.stdout.contains("calibrated with the first seconds"), "{}", said.stdout);
    let kept = triax_model::WeightFile::read(folder.join("whole/weights/00000.safetensors")).unwrap();
    assert!(kept.extra.contains_key("features"));
    let summary = read_json(folder.join("whole/summary.json"));
    let gains = summary["calibrations"].as_array().unwrap();
    assert_eq!(gains.iter().map(|gain| gain["length"].as_str().unwrap()).collect::<Vec<_>>(), ["2s", "4s"]);
    assert!(summary["command"].as_str().unwrap().ends_with(" --calibrate 2s,4s"));
    for gain in gains {
        let subjects = gain["subjects"].as_array().unwrap();
        assert_eq!(gain["before_macro_f1"]["n"].as_u64(), Some(subjects.len() as u64));
        assert!(subjects.iter().all(|it| it["before"]["n_windows"] == it["after"]["n_windows"]));
        assert_eq!(gain["comparisons"].as_array().unwrap().len(), 2);
    }
    // More calibration leaves fewer windows to judge by.
    let judged = |gain: &Value| gain["subjects"][0]["before"]["n_windows"].as_u64().unwrap();
    assert!(judged(&gains[0]) > judged(&gains[1]));
    let report = fs::read_to_string(folder.join("whole/report.html")).unwrap();
    assert!(report.contains("Calibrated with a few seconds"));
    let rows = fs::read_to_string(folder.join("whole/calibrations.csv")).unwrap();
    let n_rows: usize = gains.iter().map(|gain| 2 * gain["subjects"].as_array().unwrap().len()).sum();
    assert_eq!(rows.lines().count(), 1 + n_rows);

    // Trained in shares it comes to the same, and a training without its calibration is noticed.
    for share in ["1/2", "2/2"] {
        study(folder, &format!("part-{}", &share[..1]), &[&lengths[..], &["--shard", share]].concat()).done();
    }
    triax(folder, ["study", "merge", "part-1", "part-2", "--out", "joined"]).done();
    for file in ["summary.json", "calibrations.csv", "results.csv"] {
        let [one, other] = ["whole", "joined"].map(|it| fs::read_to_string(folder.join(it).join(file)).unwrap());
        assert_eq!(one, other, "{file}");
    }
    study(folder, "plain", &[]).done();
    assert!(!folder.join("plain/calibrations.csv").exists());
    assert!(read_json(folder.join("plain/summary.json")).get("calibrations").is_none());
    let message = study(folder, "plain", &lengths).refused(1);
    assert!(message.contains("another study"), "{message}");
    let file = "trainings/00000.safetensors";
    fs::copy(folder.join("plain").join(file), folder.join("whole").join(file)).unwrap();
    let message = study(folder, "whole", &lengths).refused(1);
    assert!(message.contains("calibrated otherwise"), "{message}");
}

#[test]
fn calibrations_that_cannot_be_are_refused() {
    let folder = trained();
    let folder = folder.path();
    for (more, code, problem) in [
        (&["--calibrate", "1s"][..], 2, "shorter than a window of 1.6 s"),
        (&["--calibrate", "2s,40"], 2, "given twice"),
        (&["--calibrate", "2s", "--folds", "random-2"], 2, "hold out no people"),
        (&["--calibrate", "x"], 2, "x"),
    ] {
        let message = study(folder, "new", more).refused(code);
        assert!(message.contains(problem), "{message}");
    }
    // Nobody has as much: there are no figures, and it is said.
    let said = study(folder, "long", &["--calibrate", "1000s"]).done();
    assert!(said.stdout.contains("Nobody has 1000s of each class"), "{}", said.stdout);
    assert!(read_json(folder.join("long/summary.json")).get("calibrations").is_none());
}
