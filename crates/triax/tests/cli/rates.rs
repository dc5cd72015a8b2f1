//! Rates, units, lengths in seconds, and channels and names as people give them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::{data, read_json, recordings, train_small, trained, triax};

/// Seconds of each activity.
const SECONDS: f64 = 12.0;

/// CSV of four people who walk and jog: gravity of `unit`, held in each one's own way, and sines of 1.5 and 3 Hz.
fn csv(rate_hz: f64, unit: f64, columns: [usize; 3], header: &str) -> String {
    let mut text = format!("{header}\n");
    for person in 0..4 {
        for (activity, hz) in [("walk", 1.5), ("jog", 3.0)] {
            for row in 0..(SECONDS * rate_hz) as usize {
                let time = row as f64 / rate_hz;
                let swing = (std::f64::consts::TAU * hz * time + f64::from(person)).sin();
                let held = 0.4 + 0.2 * f64::from(person);
                let axes = [held.sin() + 0.5 * swing, held.cos() - 0.2 * swing, 0.3 * swing].map(|axis| unit * axis);
                let [x, y, z] = columns.map(|column| axes[column]);
                let start = if activity == "walk" { 0.0 } else { 100.0 };
                text.push_str(&format!("p{person},{activity},{:.4},{x:.6},{y:.6},{z:.6}\n", start + time));
            }
        }
    }
    text
}

const HEADER: &str = "subject,activity,timestamp,x,y,z";
const XYZ: [usize; 3] = [0, 1, 2];

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

/// A folder with `data.csv` at 20 Hz in m/s², and the run `run` on windows of 2 s.
fn at_20_hz() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "data.csv", &csv(20.0, 9.81, XYZ, HEADER));
    train_small(folder.path(), "data.csv", "run", &["--window", "2s", "--step", "50%", "--epochs", "8", "--quiet"])
        .done();
    folder
}

/// What `evaluate run --data` answers, and what it prints on standard error.
fn evaluated(folder: &Path, data: &str, more: &[&str]) -> (Value, String) {
    let answer = triax(folder, [&["evaluate", "run", "--data", data, "--json"], more].concat()).done();
    (serde_json::from_str(&answer.stdout).unwrap(), answer.stderr)
}

fn accuracy(found: &Value) -> f64 {
    found["metrics"]["accuracy"].as_f64().unwrap()
}

#[test]
fn other_rates_are_resampled_to_that_of_the_run() {
    let folder = at_20_hz();
    let (own, said) = evaluated(folder.path(), "data.csv", &["--part", "all"]);
    assert!(!said.contains("resampled"), "{said}");
    for rate in [50.0, 100.0, 15.0, 33.3] {
        write(folder.path(), "other.csv", &csv(rate, 9.81, XYZ, HEADER));
        let (found, said) = evaluated(folder.path(), "other.csv", &[]);
        assert!(
            said.contains(&format!("note: resampled 8 of 8 recordings from {rate} to 20 samples a second.")),
            "{said}"
        );
        assert_eq!(found["n_windows"], own["n_windows"], "{rate}");
        assert!((accuracy(&found) - accuracy(&own)).abs() < 0.05, "{rate}: {found} {own}");
        let folded = triax(folder.path(), ["data", "inspect", "other.csv", "--rate", "20", "--json"]).done();
        assert_eq!(folded.json_text()["rate_hz"], 20.0);
    }
    // The same windows, whichever command reads them.
    fs::create_dir(folder.path().join("other")).unwrap();
    fs::copy(folder.path().join("other.csv"), folder.path().join("other/1.csv")).unwrap();
    let answer = triax(folder.path(), ["predict", "run", "--data", "other"]).done();
    assert_eq!(answer.stdout.lines().count() - 1, own["n_windows"].as_u64().unwrap() as usize);
    assert!(answer.stderr.contains("resampled 8 of 8"), "{}", answer.stderr);
}

#[test]
fn a_run_may_ask_for_a_rate_and_remembers_it() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "data.csv", &csv(50.0, 9.81, XYZ, HEADER));
    let more = ["--rate", "20", "--window", "2s", "--step", "1s", "--epochs", "4"];
    let answer = train_small(folder.path(), "data.csv", "run", &more).done();
    assert!(answer.stderr.contains("from 50 to 20 samples a second"), "{}", answer.stderr);
    assert_eq!(answer.stderr.matches("resampled").count(), 1);
    let config = read_json(folder.path().join("run/config.json"));
    assert_eq!((&config["rate"], &config["window"], &config["step"]), (&json!(20.0), &json!("2s"), &json!("1s")));
    let recorded = &config["recorded"];
    assert_eq!((&recorded["split"]["window"], &recorded["split"]["step"]), (&json!(40), &json!(20)));
    assert_eq!(recorded["data"]["rate_hz"], 20.0);
    let metrics = read_json(folder.path().join("run/metrics.json"));
    let (found, _) = evaluated(folder.path(), "data.csv", &[]);
    assert_eq!(found["metrics"], metrics["last"]["validation"], "the run's own data, read as it was");
    assert!(found["judged"].as_str().unwrap().starts_with("the run's validation part"));
    triax(folder.path(), ["train", "--config", "run/config.json", "--out", "again", "--quiet"]).done();
    triax(folder.path(), ["train", "--resume", "run", "--rate", "20", "--window", "2s", "--quiet"]).done();
    let weights = |run: &str| fs::read(folder.path().join(run).join("last.safetensors")).unwrap();
    assert_eq!(weights("run"), weights("again"));
    let audit = triax(folder.path(), ["data", "audit", "run", "--no-gap"]).done();
    assert!(audit.stderr.contains("from 50 to 20"), "{}", audit.stderr);
    let study =
        ["study", "--data", "data.csv", "--rate", "20", "--window", "2s", "--step", "50%", "--convs", "4:5:2:2"];
    let more =
        ["--hidden", "8", "--epochs", "1", "--seeds", "1", "--folds", "group-2", "--device", "cpu", "--out", "study"];
    let study = triax(folder.path(), [&study[..], &more].concat()).done();
    assert_eq!(study.stderr.matches("resampled").count(), 1, "{}", study.stderr);
    let (found, _) = evaluated_by(folder.path(), "study", "data.csv");
    assert!(found["judged"].as_str().unwrap().starts_with("the study's own data"), "{found}");
}

fn evaluated_by(folder: &Path, run: &str, data: &str) -> (Value, String) {
    let answer = triax(folder, ["evaluate", run, "--data", data, "--json"]).done();
    (answer.json_text(), answer.stderr)
}

#[test]
fn recordings_in_another_unit_are_noticed_by_their_gravity() {
    let folder = at_20_hz();
    for (unit, name, factor) in [(1.0, "g", "9.81"), (1000.0, "mg", "0.00981"), (16384.0, "another unit", "0.000599")] {
        write(folder.path(), "other.csv", &csv(20.0, unit, XYZ, HEADER));
        let (_, said) = evaluated(folder.path(), "other.csv", &[]);
        assert!(said.contains("warning: gravity in x, y, z is"), "{said}");
        assert!(said.contains(&format!("look like {name}")) && said.contains("the network wants m/s²"), "{said}");
        assert!(said.contains(&format!("Multiply them by {factor},")), "{said}");
        fs::create_dir_all(folder.path().join("other")).unwrap();
        write(&folder.path().join("other"), "1.csv", &csv(20.0, unit, XYZ, HEADER));
        let said = triax(folder.path(), ["predict", "run", "--data", "other"]).done().stderr;
        assert!(said.contains(&format!("look like {name}")), "{said}");
    }
    write(folder.path(), "other.csv", &csv(20.0, 9.5, XYZ, HEADER));
    let (_, said) = evaluated(folder.path(), "other.csv", &[]);
    assert!(!said.contains("gravity"), "{said}");
}

#[test]
fn seconds_and_percent_are_the_samples_that_they_are() {
    let folder = data();
    train_small(folder.path(), "data.csv", "samples", &["--window", "40", "--step", "20", "--quiet"]).done();
    train_small(folder.path(), "data.csv", "seconds", &["--window", "2s", "--step", "50%", "--quiet"]).done();
    let weights = |run: &str| fs::read(folder.path().join(run).join("last.safetensors")).unwrap();
    assert_eq!(weights("samples"), weights("seconds"));
    for step in ["20", "1s", "50%", "1000 ms"] {
        let answer =
            triax(folder.path(), ["evaluate", "samples", "--data", "data.csv", "--step", step, "--json"]).done();
        assert!(answer.json_text()["judged"].as_str().unwrap().starts_with("the run's validation part"), "{step}");
        assert!(!answer.stderr.contains("not the split of the run"), "{step}");
    }
    let answer = train_small(folder.path(), "data.csv", "rounded", &["--window", "1.99s", "--step", "33%"]).done();
    assert!(
        answer.stderr.contains("`window` is 1.99s, at 20 a second 39.8 samples: rounded to 40."),
        "{}",
        answer.stderr
    );
    assert!(
        answer.stderr.contains("`step` is 33%, of a window of 40 13.2 samples: rounded to 13."),
        "{}",
        answer.stderr
    );
    // Without a clock nobody knows how long a sample is.
    write(folder.path(), "no-clock.csv", &without_clock(&recordings::csv(4, 80)));
    let message = train_small(folder.path(), "no-clock.csv", "none", &["--window", "2s"]).refused(2);
    assert!(message.contains("`window` is 2s") && message.contains("--map"), "{message}");
    let message = train_small(folder.path(), "no-clock.csv", "none", &["--rate", "50"]).refused(1);
    assert!(message.contains("does not say when"), "{message}");
    for wrong in
        [["--window", "50%"], ["--window", "0"], ["--step", "0"], ["--step", "0%"], ["--step", "fast"], ["--rate", "0"]]
    {
        train_small(folder.path(), "data.csv", "none", &wrong).refused(2);
    }
    triax(folder.path(), ["evaluate", "samples", "--step", "0"]).refused(2);
}

#[test]
fn windows_of_another_rate_are_refused_and_an_unknown_rate_is_said() {
    let folder = tempfile::tempdir().unwrap();
    recordings::uci_har(&folder.path().join("har"));
    write(folder.path(), "nine.csv", &nine_channels());
    let more = ["--window", "128", "--step", "64", "--epochs", "1", "--split", "random", "--quiet"];
    train_small(folder.path(), "nine.csv", "run", &more).done();
    let message = triax(folder.path(), ["evaluate", "run", "--data", "har"]).refused(1);
    assert!(
        message.contains("trained on 20 samples a second") && message.contains("windows of 128 samples"),
        "{message}"
    );
    let folder = at_20_hz();
    let timed = csv(20.0, 9.7, XYZ, HEADER);
    write(folder.path(), "no-clock.csv", &without_clock(&timed));
    write(folder.path(), "timed.csv", &timed);
    let (found, said) = evaluated(folder.path(), "no-clock.csv", &[]);
    assert!(said.contains("nobody knows how many samples a second no-clock has; it is taken to have 20"), "{said}");
    let (same, said) = evaluated(folder.path(), "timed.csv", &[]);
    assert_eq!((&found["metrics"], said.as_str()), (&same["metrics"], ""));
}

/// `csv` without its third column.
fn without_clock(csv: &str) -> String {
    let line = |line: &str| {
        let mut fields: Vec<&str> = line.split(',').collect();
        fields.remove(2);
        fields.join(",") + "\n"
    };
    csv.lines().map(line).collect()
}

/// Nine channels with the names of UCI HAR and its activities, at 20 Hz.
fn nine_channels() -> String {
    let mut text = String::from("subject,activity,timestamp");
    for signal in ["body_acc", "body_gyro", "total_acc"] {
        text.push_str(&["x", "y", "z"].map(|axis| format!(",{signal}_{axis}")).concat());
    }
    text.push('\n');
    for (activity, first) in [("1", 0), ("2", 400)] {
        for row in first..first + 300 {
            let values: String = (0..9).map(|channel| format!(",{}", (row * (channel + 1)) as f32 % 7.0)).collect();
            text.push_str(&format!("a,{activity},{:.2}{values}\n", f64::from(row) * 0.05));
        }
    }
    text
}

#[test]
fn channels_are_matched_by_name_whatever_their_order_and_case() {
    let folder = at_20_hz();
    let (own, _) = evaluated(folder.path(), "data.csv", &["--part", "all"]);
    for (file, header) in
        [("zyx.csv", "subject,activity,timestamp,z,y,x"), ("ZYX.csv", "Subject,activity,timestamp,Z,Y,X")]
    {
        write(folder.path(), file, &csv(20.0, 9.81, [2, 1, 0], header));
        let (found, said) = evaluated(folder.path(), file, &["--part", "all"]);
        assert_eq!((&found["metrics"], &found["fingerprint"]), (&own["metrics"], &own["fingerprint"]), "{file}");
        assert!(!said.contains("channels"), "{said}");
    }
    let three = csv(20.0, 9.81, XYZ, HEADER);
    let wider = three.lines().enumerate().map(|(n, line)| match n {
        0 => format!("{line},heart\n"),
        n => format!("{line},{}\n", 60 + n % 7),
    });
    write(folder.path(), "wider.csv", &wider.collect::<String>());
    let (found, _) = evaluated(folder.path(), "wider.csv", &["--part", "all"]);
    assert_eq!(found["metrics"], own["metrics"]);
    write(folder.path(), "lacks.csv", &csv(20.0, 9.81, XYZ, "subject,activity,timestamp,x,y,w"));
    for command in ["evaluate", "predict"] {
        let message = triax(folder.path(), [command, "run", "--data", "lacks.csv"]).refused(1);
        assert!(message.contains('z') && message.contains("x, y, w"), "{message}");
    }
    write(folder.path(), "others.csv", &csv(20.0, 9.81, XYZ, "subject,activity,timestamp,a,b,c"));
    let (found, said) = evaluated(folder.path(), "others.csv", &["--part", "all"]);
    assert!(said.contains("warning: the channels of others are called a, b, c"), "{said}");
    assert_eq!(accuracy(&found), accuracy(&own));
}

#[test]
fn names_with_commas_are_given_in_quotes() {
    let folder = tempfile::tempdir().unwrap();
    let text = recordings::csv(4, 96).replace(",walk,", ",\"Walk, fast\",").replace("p1,", "\"Müller, A.\",");
    write(folder.path(), "data.csv", &text);
    let names =
        ["--activities", "\"Walk, fast\",jog", "--valid-subjects", "\"Müller, A.\"", "--split", "subject", "--quiet"];
    train_small(folder.path(), "data.csv", "run", &names).done();
    let config = read_json(folder.path().join("run/config.json"));
    assert_eq!(
        (&config["activities"], &config["valid_subjects"]),
        (&json!(["Walk, fast", "jog"]), &json!(["Müller, A."]))
    );
    assert_eq!(config["recorded"]["split"]["valid_subjects"], json!(["Müller, A."]));
    triax(folder.path(), ["train", "--config", "run/config.json", "--out", "again", "--quiet"]).done();
    let args = ["evaluate", "run", "--split", "subject", "--valid-subjects", "\"Müller, A.\",p2", "--json"];
    let found = triax(folder.path(), args).done().json_text();
    assert!(found["judged"].as_str().unwrap().contains("Müller, A., p2"), "{found}");
    // A study's command quotes them, too.
    let study =
        ["study", "--data", "data.csv", "--activities", "\"Walk, fast\",jog", "--window", "32", "--convs", "4:5:2:2"];
    let more =
        ["--hidden", "8", "--epochs", "1", "--seeds", "1", "--folds", "group-2", "--device", "cpu", "--out", "study"];
    triax(folder.path(), [&study[..], &more].concat()).done();
    let summary = fs::read_to_string(folder.path().join("study/summary.json")).unwrap();
    assert!(summary.contains(r#"--activities '\"Walk, fast\",jog'"#), "{summary}");
}

#[test]
fn a_config_of_an_early_version_is_read_as_before() {
    let folder = trained();
    let path = folder.path().join("run/config.json");
    let mut config = read_json(path.clone());
    let entries = config.as_object_mut().unwrap();
    for name in ["channels", "map", "subject_from", "fill", "gap", "rename", "merge", "rate"] {
        assert!(entries.remove(name).is_some(), "{name}");
    }
    entries["recorded"]["split"].as_object_mut().unwrap().remove("step").unwrap();
    assert_eq!((&entries["window"], &entries["step"]), (&json!(32), &json!(16)));
    fs::write(&path, config.to_string()).unwrap();
    triax(folder.path(), ["train", "--config", "run/config.json", "--out", "again", "--quiet"]).done();
    let weights = |run: &str| fs::read(folder.path().join(run).join("last.safetensors")).unwrap();
    assert_eq!(weights("run"), weights("again"));
    let found = triax(folder.path(), ["evaluate", "run", "--json"]).done().json_text();
    assert!(found["judged"].as_str().unwrap().starts_with("the run's validation part"), "{found}");
}
