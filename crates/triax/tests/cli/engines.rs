//! `--engine`, and `--device` where it is left open.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::{data, read_json, train_small, trained, triax};

/// Whether the program under test has Burn's engine.
const HAS_BURN: bool = cfg!(feature = "burn");

/// Changes what the run `run` says of itself.
fn rewrite(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("run/config.json");
    let mut config = read_json(path.clone());
    change(&mut config);
    fs::write(path, config.to_string()).unwrap();
}

#[test]
fn the_default_engine_is_fused() {
    let folder = trained();
    let config = read_json(folder.path().join("run/config.json"));
    assert_eq!([&config["engine"], &config["recorded"]["engine"]], [&json!("fused"), &json!("fused")]);
    let answer = triax(folder.path(), ["evaluate", "run", "--device", "cpu"]).done();
    assert!(answer.stdout.contains("(engine fused)"), "{}", answer.stdout);
}

#[test]
fn burn_trains_where_it_is_built_in_and_is_refused_where_it_is_not() {
    let folder = data();
    let answer = train_small(folder.path(), "data.csv", "burn", &["--engine", "burn"]);
    if !HAS_BURN {
        let message = answer.refused(2);
        assert!(message.contains("without the engine burn") && message.contains("cargo build --release"), "{message}");
        assert!(!folder.path().join("burn").exists());
        return;
    }
    assert!(answer.done().stdout.contains("(engine burn)"));
    train_small(folder.path(), "data.csv", "fused", &["--engine", "fused", "--quiet"]).done();
    let loss = |run: &str| {
        let metrics = read_json(folder.path().join(run).join("metrics.json"));
        metrics["last"]["validation"]["loss"].as_f64().unwrap()
    };
    let (burn, fused) = (loss("burn"), loss("fused"));
    // Dropout masks and order are the same; what differs is rounding, which grows over six steps of Adam.
    assert!((burn - fused).abs() <= 1e-4 * fused, "{burn} with Burn, {fused} with the fused engine");
}

#[test]
fn an_engine_that_nobody_knows_is_refused_with_those_there_are() {
    let folder = data();
    let message = train_small(folder.path(), "data.csv", "run", &["--engine", "jax"]).refused(2);
    assert!(message.contains("jax") && message.contains("fused") && message.contains("burn"), "{message}");
    // `auto` is understood in old files, and not offered.
    assert!(!message.contains("auto"), "{message}");
}

#[test]
fn a_run_goes_on_with_its_own_engine_or_with_another_and_a_warning() {
    let folder = trained();
    rewrite(folder.path(), |config| {
        config["engine"] = json!("burn");
        config["recorded"]["engine"] = json!("burn");
    });
    let own = triax(folder.path(), ["train", "--resume", "run", "--quiet"]);
    if HAS_BURN {
        assert_eq!(own.done().stderr, "");
    } else {
        let message = own.refused(2);
        assert!(message.contains("began with the engine burn") && message.contains("--engine fused"), "{message}");
    }
    let other = triax(folder.path(), ["train", "--resume", "run", "--engine", "fused", "--quiet"]).done();
    assert!(other.stderr.contains("(engine burn) and goes on on cpu"), "{}", other.stderr);
    assert!(other.stderr.contains("not end with the same bits"), "{}", other.stderr);
}

#[test]
fn runs_from_before_there_were_two_engines_are_understood() {
    let folder = trained();
    rewrite(folder.path(), |config| config["engine"] = json!("auto"));
    triax(folder.path(), ["train", "--resume", "run", "--quiet"]).done();
    triax(folder.path(), ["evaluate", "run", "--device", "cpu"]).done();
    let config = ["train", "--config", "run/config.json", "--out", "again", "--quiet"];
    triax(folder.path(), config).done();
    assert_eq!(read_json(folder.path().join("again/config.json"))["recorded"]["engine"], "fused");
}

#[test]
fn the_device_is_chosen_by_measuring_and_the_choice_explained() {
    let folder = data();
    let devices: Vec<Value> = serde_json::from_str(&triax(folder.path(), ["devices", "--json"]).done().stdout).unwrap();
    let is_real = |device: &Value| device["kind"] != "software" && device["kind"] != "cpu";
    let has_gpu = devices.iter().any(is_real);
    for (run, again) in [("first", false), ("second", true)] {
        let answer = train_small(folder.path(), "data.csv", run, &["--device", "auto"]).done();
        let recorded = &read_json(folder.path().join(run).join("config.json"))["recorded"];
        assert_ne!(recorded["device"]["kind"], "software");
        if has_gpu {
            assert!(answer.stdout.contains(" ms a step, gpu:"), "{}", answer.stdout);
            assert_eq!(answer.stdout.contains("(measured before)"), again, "{}", answer.stdout);
            assert_eq!(recorded["measured"][0]["device"], "cpu");
        } else {
            assert!(answer.stdout.contains("no GPU"), "{}", answer.stdout);
            assert_eq!((&recorded["device"]["kind"], &recorded["measured"]), (&json!("cpu"), &Value::Null));
        }
        assert_eq!(folder.path().join("cache").exists(), has_gpu);
    }
    // A resumed run stays where it was, without a word.
    assert_eq!(triax(folder.path(), ["train", "--resume", "first", "--quiet"]).done().stderr, "");
}
