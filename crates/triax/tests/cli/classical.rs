//! Classical models as runs, in studies and in ensembles with networks.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::{Answer, command, data, read_json, recordings, train_small, trained, triax};

/// A classical model on `data.csv`, in the folder `out`.
fn train(folder: &Path, model: &str, out: &str, more: &[&str]) -> Answer {
    let fixed = ["train", "--data", "data.csv", "--model", model, "--out", out, "--step", "16"];
    let window: &[&str] = if more.contains(&"--window") { &[] } else { &["--window", "32"] };
    triax(folder, fixed.iter().chain(window).chain(more))
}

#[track_caller]
fn says(message: &str, expected: &[&str]) {
    for part in expected {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

/// What `predict` gives for `data.csv`: from the file, and from the same rows on standard input.
fn predictions(folder: &Path, run: &str) -> [String; 2] {
    let from_file = triax(folder, ["predict", run, "--data", "data.csv"]).done().stdout;
    let mut child = command(folder, ["predict", run, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(recordings::csv(4, 160).as_bytes()).unwrap();
    [from_file, Answer::from_output(child.wait_with_output().unwrap()).done().stdout]
}

#[test]
fn a_classical_model_is_a_run_like_any_other() {
    let folder = data();
    for model in ["logistic_regression", "linear_svm", "extra_trees"] {
        let answer = train(folder.path(), model, model, &[]).done();
        says(&answer.stdout, &[model, "81 to train on", "trained\n", "macro-F1", &format!("triax evaluate {model}")]);
        assert!(!answer.stdout.contains("epoch") && answer.stderr.is_empty(), "{}{}", answer.stdout, answer.stderr);
        let run = folder.path().join(model);
        let (config, metrics) = (read_json(run.join("config.json")), read_json(run.join("metrics.json")));
        assert_eq!((&config["model"], &metrics["epochs"]), (&model.into(), &0.into()));
        assert!(config["recorded"]["network"].is_null() && config["recorded"]["engine"] == "classical");
        assert!(metrics["last"]["validation"]["macro_f1"].as_f64().unwrap() > 0.9, "{metrics}");
        assert_eq!(fs::read(run.join("history.jsonl")).unwrap(), b"");
        let report = fs::read_to_string(run.join("report.html")).unwrap();
        assert!(report.contains("71 features") && !report.contains("Learning curves"));

        let judged = triax(folder.path(), ["evaluate", model, "--json"]).done().json_text();
        assert_eq!(judged["metrics"], metrics["last"]["validation"]);
        let text = triax(folder.path(), ["evaluate", model]).done().stdout;
        assert!(text.contains(model) && !text.contains("network") && !text.contains("device"), "{text}");
        let [from_file, from_stream] = predictions(folder.path(), model);
        assert_eq!(from_file.lines().count(), 1 + 4 * 3 * 9);
        assert_eq!(from_file, from_stream);

        // Its own config trains it again, to the same bytes.
        let again = ["train", "--config", &format!("{model}/config.json"), "--out", "again", "--quiet"];
        triax(folder.path(), again).done();
        let bytes = |run: &str| fs::read(folder.path().join(run).join("last.safetensors")).unwrap();
        assert_eq!(bytes(model), bytes("again"));
        fs::remove_dir_all(folder.path().join("again")).unwrap();
    }
}

#[test]
fn its_settings_count_and_others_are_said_to_have_no_effect() {
    let folder = data();
    train(folder.path(), "logistic_regression", "weak", &["--regularization", "0.001", "--quiet"]).done();
    train(folder.path(), "logistic_regression", "plain", &["--quiet"]).done();
    let loss = |run: &str| {
        let metrics = read_json(folder.path().join(run).join("metrics.json"));
        metrics["last"]["loss"].as_f64().unwrap()
    };
    assert!(loss("weak") > 2.0 * loss("plain"), "{} {}", loss("weak"), loss("plain"));
    let noted = train(folder.path(), "linear_svm", "noted", &["--epochs", "3", "--rotate", "10"]).done();
    says(&noted.stderr, &["note: `epochs`, `rotate` have no effect where `model` is linear_svm"]);
    let noted = train_small(folder.path(), "data.csv", "network", &["--regularization", "2"]).done();
    says(&noted.stderr, &["`regularization` has no effect where `model` is network"]);
    let refused = train(folder.path(), "linear_svm", "none", &["--regularization", "0"]).refused(2);
    says(&refused, &["`regularization` is 0"]);
    says(&train(folder.path(), "linear_svm", "none", &["--tensorboard"]).refused(2), &["no epochs", "--tensorboard"]);
    says(&train(folder.path(), "forest", "none", &[]).refused(2), &["logistic_regression"]);
    assert!(!folder.path().join("none").exists());
}

#[test]
fn windows_are_normalised_by_themselves_before_their_features() {
    let folder = data();
    for normalize in ["window", "gravity"] {
        train(folder.path(), "logistic_regression", normalize, &["--normalize", normalize, "--quiet"]).done();
        let metrics = read_json(folder.path().join(normalize).join("metrics.json"));
        let judged = triax(folder.path(), ["evaluate", normalize, "--json"]).done().json_text();
        assert_eq!(judged["metrics"], metrics["last"]["validation"]);
        let [from_file, from_stream] = predictions(folder.path(), normalize);
        assert_eq!(from_file, from_stream);
    }
    let scores = |run: &str| fs::read(folder.path().join(run).join("last.safetensors")).unwrap();
    assert_ne!(scores("window"), scores("gravity"));
}

#[test]
fn oriented_features_hold_however_the_sensor_is_turned() {
    let folder = data();
    train(folder.path(), "extra_trees", "run", &["--features", "oriented", "--quiet"]).done();
    assert!(fs::read_to_string(folder.path().join("run/report.html")).unwrap().contains("168 features"));
    let [from_file, from_stream] = predictions(folder.path(), "run");
    assert_eq!(from_file, from_stream);
}

#[test]
fn what_is_of_networks_says_so() {
    let folder = trained();
    train(folder.path(), "logistic_regression", "classical", &["--quiet"]).done();
    let refused = |args: &[&str]| triax(folder.path(), args).refused(2);
    let export = refused(&["export", "classical", "--to", "onnx", "--out", "m.onnx"]);
    says(&export, &["an export is of networks", "logistic_regression"]);
    says(&refused(&["model", "classical"]), &["logistic_regression", "no layers"]);
    says(&refused(&["train", "--resume", "classical"]), &["nothing to go on with", "--config"]);
    let weights = "classical/last.safetensors";
    let init = ["train", "--data", "data.csv", "--window", "32", "--init-weights", weights, "--device", "cpu"];
    says(&refused(&init), &["holds a classical model", weights]);
    says(&triax(folder.path(), ["import", weights, "--out", "m.safetensors"]).refused(1), &[weights]);
    // What knows only data goes on.
    triax(folder.path(), ["data", "audit", "classical"]).done();
}

#[test]
fn studies_compare_networks_with_classical_models_and_predict_with_them() {
    let folder = data();
    let args = ["study", "--data", "data.csv", "--out", "study", "--vary", "model=network,logistic_regression"];
    let small = ["--window", "32", "--step", "16", "--convs", "4:5:2:2", "--hidden", "8", "--epochs", "2"];
    let more = ["--seeds", "2", "--device", "cpu"];
    let answer = triax(folder.path(), args.iter().chain(&small).chain(&more)).done();
    says(&answer.stdout, &["2 settings × 4 folds × 2 seeds = 16", "model=logistic_regression"]);
    assert!(!answer.stderr.contains("no effect"), "{}", answer.stderr);
    let study = folder.path().join("study");
    let summary = read_json(study.join("summary.json"));
    let figures = |name: &str, kind: &str| {
        let competitors = summary["competitors"].as_array().unwrap();
        let found = competitors.iter().find(|one| one["name"] == name && one["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind} {name} in {competitors:?}"))["macro_f1"]["mean"].as_f64().unwrap()
    };
    // It is the baseline that each study has.
    assert_eq!(figures("model=logistic_regression", "network"), figures("logistic_regression", "baseline"));
    assert_eq!(fs::read_dir(study.join("weights")).unwrap().count(), 16);
    let setting = ["--setting", "model=logistic_regression"];
    let judged = triax(folder.path(), ["evaluate", "study", "--json"].iter().chain(&setting)).done().json_text();
    let mut pooled = summary["competitors"].as_array().unwrap().iter();
    let pooled = pooled.find(|one| one["name"] == "model=logistic_regression × 2 seeds").unwrap();
    assert_eq!(judged["metrics"]["macro_f1"], pooled["pooled_macro_f1"]);
    let rows = triax(folder.path(), ["predict", "study", "--data", "data.csv"].iter().chain(&setting)).done();
    assert_eq!(rows.stdout.lines().count(), 1 + 4 * 3 * 9);
    // The same study again has nothing left to train.
    let again = triax(folder.path(), ["study", "--resume", "study", "--device", "cpu"]).done();
    assert_eq!(read_json(study.join("summary.json")), summary, "{}", again.stdout);
}

#[test]
fn an_ensemble_of_both_kinds_averages_probabilities() {
    let folder = data();
    train_small(folder.path(), "data.csv", "run", &["--loss", "categorical_crossentropy", "--quiet"]).done();
    train(folder.path(), "logistic_regression", "classical", &["--quiet"]).done();
    let args = ["ensemble", "run", "classical", "--weights", "1,3", "--out", "both"];
    says(&triax(folder.path(), args).done().stdout, &["ensemble of 2 models: both", "triax evaluate both"]);
    let scores = |run: &str| -> Vec<Vec<f64>> {
        let [from_file, from_stream] = predictions(folder.path(), run);
        assert_eq!(from_file, from_stream);
        let row = |line: &str| line.split(',').skip(5).map(|score| score.parse().unwrap()).collect();
        from_file.lines().skip(1).map(row).collect()
    };
    // Each model's scores become probabilities by its own temperature.
    let members = read_json(folder.path().join("both/ensemble.json"))["members"].clone();
    let temperatures = [0, 1].map(|n| members[n]["temperature"].as_f64().unwrap());
    assert!(temperatures.iter().all(|temperature| *temperature != 1.0), "{temperatures:?}");
    let shares = |row: &[f64], temperature: f64| -> Vec<f64> {
        let sum: f64 = row.iter().map(|score| (score / temperature).exp()).sum();
        row.iter().map(|score| (score / temperature).exp() / sum).collect()
    };
    let (network, classical, both) = (scores("run"), scores("classical"), scores("both"));
    for ((network, classical), both) in network.iter().zip(&classical).zip(&both) {
        let [one, other] = [shares(network, temperatures[0]), shares(classical, temperatures[1])];
        for ((a, b), found) in one.iter().zip(other).zip(both) {
            assert!((0.25 * a + 0.75 * b - found.exp()).abs() < 1e-5, "{a} and {b} give {}", found.exp());
        }
    }
    // Both were trained on the same data with the same split.
    let judged = triax(folder.path(), ["evaluate", "both"]).done().stdout;
    says(&judged, &["ensemble", "network, logistic_regression", "the run's validation part"]);
    let refused = triax(folder.path(), ["export", "both", "--to", "onnx", "--out", "m.onnx"]).refused(2);
    says(&refused, &["an export is of networks"]);
    let two = ["ensemble", "run", "run/best.safetensors", "--out", "two"];
    says(&triax(folder.path(), two).done().stderr, &["not all runs"]);
    let refused = triax(folder.path(), ["export", "two", "--to", "onnx", "--out", "m.onnx"]).refused(2);
    says(&refused, &["an ensemble is no single network", "members/"]);
    // It stands by itself.
    fs::remove_dir_all(folder.path().join("run")).unwrap();
    assert_eq!(scores("both"), both);
}

#[test]
fn members_that_disagree_and_damaged_ensembles_are_refused() {
    let folder = trained();
    let make = |runs: &[&str], out: &str| triax(folder.path(), ["ensemble"].iter().chain(runs).chain(&["--out", out]));
    train(folder.path(), "logistic_regression", "classical", &["--quiet"]).done();
    train(folder.path(), "logistic_regression", "long", &["--window", "48", "--quiet"]).done();
    train(folder.path(), "logistic_regression", "two", &["--activities", "sit,walk", "--quiet"]).done();
    let train_other = ["--activities", "walk,sit,jog", "--quiet"];
    train(folder.path(), "logistic_regression", "turned", &train_other).done();
    says(&make(&["run", "long"], "none").refused(1), &["run and long", "windows of 32 samples", "48 samples"]);
    says(&make(&["run", "two"], "none").refused(1), &["jog, sit, walk"]);
    says(&make(&["run", "turned"], "none").refused(1), &["walk, sit, jog"]);
    says(&make(&["run"], "none").refused(2), &["two models at least"]);
    says(&make(&["run", "classical", "--weights", "1"], "none").refused(2), &["1 numbers for 2"]);
    says(&make(&["run", "classical", "--weights=1,-1"], "none").refused(2), &["a weight is -1"]);
    says(&make(&["run", "classical", "--weights=0,0"], "none").refused(2), &["all weights are 0"]);
    says(&make(&["run", "gone"], "none").refused(1), &["gone"]);
    assert!(!folder.path().join("none").exists());
    // Other data or another split: it does not know what it was validated with.
    train(folder.path(), "logistic_regression", "seed", &["--seed", "5", "--quiet"]).done();
    says(&make(&["run", "seed"], "apart").done().stderr, &["not all runs on the same data", "--data"]);
    says(&triax(folder.path(), ["evaluate", "apart"]).refused(2), &["--data"]);
    triax(folder.path(), ["evaluate", "apart", "--data", "data.csv"]).done();
    says(&make(&["run", "seed"], "apart").refused(2), &["apart", "not empty"]);
    make(&["run", "classical"], "both").done();
    says(&make(&["both", "run"], "more").refused(2), &["both has several models"]);

    let both = folder.path().join("both");
    let description = fs::read_to_string(both.join("ensemble.json")).unwrap();
    let evaluate = || triax(folder.path(), ["evaluate", "both"]);
    for (from, to, reason) in [
        ("\"weight\": 1.0", "\"weight\": -1.0", "a weight is -1"),
        ("\"temperature\": ", "\"temperature\": -", "a temperature is -"),
        ("members/1.safetensors", "/members/1.safetensors", "no path relative"),
        ("members/1.safetensors", "members/9.safetensors", "members/9.safetensors"),
        ("\"weight\"", "\"wait\"", "wait"),
        ("{", "", "ensemble.json"),
    ] {
        let changed = description.replacen(from, to, 1);
        assert_ne!(changed, description, "{from}");
        fs::write(both.join("ensemble.json"), changed).unwrap();
        says(&evaluate().refused(1), &[reason]);
    }
    fs::write(both.join("ensemble.json"), &description).unwrap();
    evaluate().done();
    let member = both.join("members/2.safetensors");
    let bytes = fs::read(&member).unwrap();
    fs::write(&member, &bytes[..bytes.len() - 8]).unwrap();
    says(&evaluate().refused(1), &["members/2.safetensors"]);
    fs::copy(folder.path().join("long/last.safetensors"), &member).unwrap();
    says(&evaluate().refused(1), &["both", "48 samples"]);
}

#[test]
fn a_damaged_classical_model_is_refused_by_name() {
    let folder = data();
    train(folder.path(), "logistic_regression", "run", &["--quiet"]).done();
    let path = folder.path().join("run/last.safetensors");
    let bytes = fs::read(&path).unwrap();
    for length in [bytes.len() - 1, bytes.len() / 2, 100] {
        fs::write(&path, &bytes[..length]).unwrap();
        says(&triax(folder.path(), ["evaluate", "run"]).refused(1), &["last.safetensors"]);
    }
    fs::write(&path, String::from_utf8_lossy(&bytes[..300]).replace("logistic", "logistik").as_bytes()).unwrap();
    says(&triax(folder.path(), ["evaluate", "run"]).refused(1), &["last.safetensors"]);
    fs::write(&path, &bytes).unwrap();
    triax(folder.path(), ["evaluate", "run", "--weights", "best"]).done();
}
