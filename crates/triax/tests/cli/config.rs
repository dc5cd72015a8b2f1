//! Config files and wrong usage.

use std::fs;

use serde_json::json;

use crate::{read_json, recordings, train_small, trained, triax};

#[test]
fn options_win_over_the_config_file_and_the_file_over_defaults() {
    let folder = recordings::csv_folder(2, 96);
    let config = json!({
        "data": "data.csv", "window": 24, "step": 12, "convs": ["4:5:2:2"], "hidden": [8], "epochs": 5,
        "learning_rate": 0.02, "no_shuffle": true, "device": "cpu",
    });
    fs::write(folder.path().join("settings.json"), config.to_string()).unwrap();
    let args = ["train", "--config", "settings.json", "--epochs", "1", "--out", "run", "--quiet"];
    triax(folder.path(), args).done();
    let run = read_json(folder.path().join("run/config.json"));
    assert_eq!(run["epochs"], 1);
    assert_eq!((&run["window"], &run["hidden"], &run["no_shuffle"]), (&json!(24), &json!([8]), &json!(true)));
    assert_eq!(run["batch_size"], 32);
    // The number as a person writes it, not as f32 widened to f64.
    assert_eq!((&run["dropout"], &run["recorded"]["network"]["dropout"]), (&json!(0.1), &json!(0.1)));
}

#[test]
fn the_config_of_a_run_starts_the_same_run() {
    let folder = trained();
    triax(folder.path(), ["train", "--config", "run/config.json", "--out", "again", "--quiet"]).done();
    let weights = |run: &str| fs::read(folder.path().join(run).join("last.safetensors")).unwrap();
    assert_eq!(weights("run"), weights("again"));
}

#[test]
fn a_preset_stands_below_options_and_its_values_are_recorded() {
    let folder = recordings::csv_folder(2, 96);
    train_small(folder.path(), "data.csv", "run", &["--preset", "subject", "--rotate", "7", "--quiet"]).done();
    let run = read_json(folder.path().join("run/config.json"));
    assert_eq!((&run["preset"], &run["rotate"], &run["epochs"]), (&json!("subject"), &json!(7.0), &json!(2)));
    assert_eq!(run["flip_axes"], true);
    // As a config file it is the same run; under a preset given now, another.
    let again = |out: &str, more: &[&str]| {
        let args = [&["train", "--config", "run/config.json", "--out", out, "--quiet"], more].concat();
        triax(folder.path(), args).done();
        read_json(folder.path().join(out).join("config.json"))
    };
    let weights = |run: &str| fs::read(folder.path().join(run).join("last.safetensors")).unwrap();
    again("same", &[]);
    assert_eq!(weights("run"), weights("same"));
    let other = again("other", &["--preset", "subject", "--convs", "4:3:1", "--epochs", "2"]);
    assert_ne!(other["rotate"], 7.0);
    assert_eq!(other["epochs"], 2);
}

#[test]
fn a_config_file_that_makes_no_sense_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        ("{\"epoch\": 3}", "no setting called `epoch`"),
        ("{\"epochs\": \"many\"}", "`epochs`: `many` is no whole number"),
        ("[1]", "JSON object"),
        ("{\"epochs\": 3", "not JSON"),
        ("", "not JSON"),
    ] {
        fs::write(folder.path().join("settings.json"), text).unwrap();
        let message = triax(folder.path(), ["train", "--config", "settings.json"]).refused(2);
        assert!(message.contains("settings.json") && message.contains(expected), "{message}");
    }
    let message = triax(folder.path(), ["train", "--config", "none.json"]).refused(1);
    assert!(message.contains("none.json"), "{message}");
}

#[test]
fn what_was_meant_is_suggested() {
    let folder = tempfile::tempdir().unwrap();
    let wrong: [(&[&str], &str); 13] = [
        (&["train", "--lr", "0.1"], "'--learning-rate'"),
        (&["train", "--bs=8"], "'--batch-size'"),
        (&["study", "--wd", "0.1"], "'--weight-decay'"),
        (&["study", "losses", "--LR", "0.1"], "'--learning-rate'"),
        (&["model", "--units", "8"], "'--hidden'"),
        (&["train", "--epoch", "3"], "'--epochs'"),
        (&["train", "walks"], "'triax train --data walks'"),
        (&["study", "walks"], "'triax study --data walks'"),
        (&["study", "losses", "walks"], "'triax study losses --data walks'"),
        (&["study", "loses"], "'losses'"),
        (&["evaluate", "run", "walks"], "'triax evaluate … --data walks'"),
        (&["predict", "run", "walks"], "'triax predict … --data walks'"),
        (&["data", "walks"], "'triax data inspect walks'"),
    ];
    for (args, meant) in wrong {
        let message = triax(folder.path(), args).refused(2);
        let tips: Vec<&str> = message.lines().filter(|line| line.contains("tip: ")).collect();
        assert!(matches!(tips[..], [tip] if tip.contains(meant)), "{args:?}: {message}");
    }
    // A command suggests none but its own options.
    let message = triax(folder.path(), ["evaluate", "run", "--lr", "1"]).refused(2);
    assert!(!message.contains("--learning-rate"), "{message}");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let wrong: [&[&str]; 23] = [
        &["train", "--no-such-option"],
        &["train", "--epochs", "0"],
        &["train", "--loss", "mse"],
        &["train", "--device", "cuda"],
        &["train", "--format", "xml"],
        &["train", "--resume", "run", "--out", "other"],
        &["train", "--weight-decay", "0.1"],
        &["train", "--momentum", "0.9"],
        &["train", "--optimizer", "sgd", "--momentum", "1", "--step", "600"],
        &["train", "--hidden", ""],
        &["train", "--no-shuffle=perhaps"],
        &["study", "--vary", "dropout=0.1", "--vary", "dropout=0.2"],
        &["train", "--class-weights", "1,2", "--step", "600"],
        &["train", "--preset", "best"],
        &["train", "--rotate", "181", "--step", "600"],
        &["train", "--mix", "0.6", "--step", "600"],
        &["train", "--label-smoothing", "0.1"],
        &["train", "--loss", "categorical_crossentropy", "--label-smoothing", "1"],
        &["train", "--average-last", "11", "--step", "600"],
        &["train", "--sampling", "balanced", "--no-shuffle", "--step", "600"],
        &["no-such-command"],
        &["predict", "run"],
        &["data", "fetch", "no-such-set"],
    ];
    for args in wrong {
        let answer = triax(folder.path(), args);
        assert!(answer.stderr.contains("--help"), "{args:?}: {}", answer.stderr);
        answer.refused(2);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "wrong usage left something behind");
}

#[test]
fn help_teaches() {
    let folder = tempfile::tempdir().unwrap();
    for subcommand in ["train", "evaluate", "predict", "model", "devices", "bench"] {
        let answer = triax(folder.path(), [subcommand, "--help"]).done();
        assert!(answer.stdout.contains("Usage: triax "), "{}", answer.stdout);
    }
    let help = triax(folder.path(), ["train", "--help"]).done().stdout;
    for expected in [
        "[default: squared_hinge]",
        "[default: 0.001]",
        "Data:",
        "Validation:",
        "Training:",
        "Augmentation:",
        "Examples:",
    ] {
        assert!(help.contains(expected), "`{expected}` is not in\n{help}");
    }
}

#[test]
fn a_run_folder_is_never_overwritten() {
    let folder = trained();
    let before = fs::read(folder.path().join("run/last.safetensors")).unwrap();
    let message = train_small(folder.path(), "data.csv", "run", &[]).refused(1);
    assert!(message.contains("run is not empty"), "{message}");
    assert_eq!(before, fs::read(folder.path().join("run/last.safetensors")).unwrap());
}

#[test]
fn a_network_is_shown_as_it_would_be_trained() {
    let folder = trained();
    let answer = triax(folder.path(), ["model"]).done();
    assert!(answer.stdout.contains("114,894"), "{}", answer.stdout);
    let shown = |args: &[&str]| {
        let answer = triax(folder.path(), [&["model", "--json"], args].concat()).done();
        serde_json::from_str::<serde_json::Value>(&answer.stdout).unwrap()
    };
    let run = shown(&["run"]);
    assert_eq!(run["spec"]["window"], 32);
    // All but what is measured, or is not known without a run.
    let network = |mut shown: serde_json::Value| {
        let shown = shown.as_object_mut().unwrap();
        assert!(shown.remove("latency").unwrap()["median"].as_f64().unwrap() > 0.0);
        (shown.remove("preprocessing"), shown.clone())
    };
    let (preprocessing, run) = network(run);
    assert_eq!(network(shown(&["run/best.safetensors"])), (preprocessing, run.clone()));
    assert_eq!(network(shown(&["--config", "run/config.json", "--classes", "3"])), (None, run));
    assert_eq!(
        shown(&["--config", "run/config.json", "--hidden", "5", "--classes", "3"])["spec"]["hidden"],
        json!([5])
    );

    // conv2 needs more than the 3 positions that are left.
    let message = triax(folder.path(), ["model", "--window", "10", "--convs", "4:3:2:2,4:3:1"]).refused(1);
    assert!(message.contains("conv2"), "{message}");
}

#[test]
fn a_network_tells_its_cost_and_how_a_window_is_prepared() {
    let folder = trained();
    let text = triax(folder.path(), ["model"]).done().stdout;
    for expected in [
        "211,248 multiply-adds a window",
        "11.00 KiB of activations in f32, 2.75 KiB in int8: the input and output of pool1, 1,888 and 928 values",
        "448.80 KiB of parameters in f32, 224.40 KiB in f16, 112.85 KiB in int8",
        "a window on ",
        "the median of ",
    ] {
        assert!(text.contains(expected), "`{expected}` is not in\n{text}");
    }
    assert!(!text.contains("before"), "{text}");
    let text = triax(folder.path(), ["model", "run"]).done().stdout;
    let run = triax(folder.path(), ["model", "run", "--json"]).done().stdout;
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    let scales = run["preprocessing"][0]["channels"].as_array().unwrap();
    assert!(text.contains("x ← (x − mean) / scale") && !scales.is_empty(), "{text}");
    for scale in scales {
        let name = scale["channel"].as_str().unwrap();
        // The shortest text that reads as the same f32: whoever types it in computes the same.
        let number = |key: &str| scale[key].as_f64().unwrap() as f32;
        let line = format!("{name}: mean {}, scale {}", number("mean"), number("scale"));
        assert!(text.contains(&line), "`{line}` is not in\n{text}");
    }
    assert_eq!(run["flash"]["f32"], 4 * run["n_parameters"].as_u64().unwrap());

    for (normalize, said) in
        [("window", "by itself"), ("gravity", "turned upright"), ("none", "as the sensor gives it")]
    {
        let out = format!("by-{normalize}");
        train_small(folder.path(), "data.csv", &out, &["--normalize", normalize, "--quiet"]).done();
        let text = triax(folder.path(), ["model", &out]).done().stdout;
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn the_kernels_that_train_a_network_are_written_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let answer = triax(folder.path(), ["model", "--wgsl", "small"]).done();
    let names: Vec<&str> = answer.stdout.lines().take(8).collect();
    assert_eq!(names[0], "small/step-1-forward-conv1.wgsl");
    assert_eq!(names[6], "small/step-7-update-conv1-conv2-dense2.wgsl");
    let source = fs::read_to_string(folder.path().join(names[6])).unwrap();
    assert!(source.contains("fn main("), "{source}");
    // A large fleet has other kernels; a config file says what is trained.
    fs::write(folder.path().join("clip.json"), r#"{"clip_norm": 1.0}"#).unwrap();
    let args = ["model", "--config", "clip.json", "--wgsl", "large", "--models", "500"];
    let answer = triax(folder.path(), args).done();
    assert!(answer.stdout.contains("large/step-10-clip-and-update.wgsl"), "{}", answer.stdout);
    // Nothing is written beside what is there already.
    let message = triax(folder.path(), args).refused(1);
    assert!(message.contains("large is not empty"), "{message}");
}
