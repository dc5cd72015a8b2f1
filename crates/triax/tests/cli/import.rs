//! `import`, and weights of other programs as the beginning of a training.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use triax_testing::keras_or_skip;

use crate::{train_small, trained, triax};

/// The metrics of `run` on `data`.
fn judged(folder: &Path, run: &str, data: &str) -> Value {
    let answer = triax(folder, ["evaluate", run, "--data", data, "--device", "cpu", "--json"]).done();
    answer.json_text()["metrics"].take()
}

#[test]
fn an_exported_run_is_imported_as_it_was() {
    let folder = trained();
    let folder = folder.path();
    for normalize in ["standard", "gravity", "window", "none"] {
        let run = format!("run-{normalize}");
        train_small(folder, "data.csv", &run, &["--normalize", normalize]).done();
        triax(folder, ["export", &run, "--to", "keras", "--out", "model.keras"]).done();
        // The folder is made, and an old file is replaced.
        let imported = triax(folder, ["import", "model.keras", "--out", "new/imported.safetensors"]).done();
        assert_eq!(imported.stderr.contains("--mean"), normalize == "none", "{}", imported.stderr);
        assert!(imported.stderr.is_empty() || normalize == "none", "{}", imported.stderr);
        let of_run = judged(folder, &format!("{run}/last.safetensors"), "data.csv");
        assert_eq!(judged(folder, "new/imported.safetensors", "data.csv"), of_run, "{normalize}");
    }
}

#[test]
fn what_the_file_does_not_know_is_said_and_can_be_given() {
    let folder = trained();
    let folder = folder.path();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../exchange/golden/functional.keras.gz");
    let mut archive = flate2::read::GzDecoder::new(fs::File::open(golden).unwrap());
    std::io::copy(&mut archive, &mut fs::File::create(folder.join("model.keras")).unwrap()).unwrap();
    let import =
        |more: &[&str]| triax(folder, [&["import", "model.keras", "--out", "imported.safetensors"], more].concat());
    let said = import(&[]).done();
    for part in ["they are called 0 to 2", "--channels", "--rate", "--mean"] {
        assert!(said.stderr.contains(part), "{}", said.stderr);
    }
    assert!(said.stdout.contains("0, 1, 2"), "{}", said.stdout);
    let all =
        ["--classes", "a,b,c", "--channels", "x,y,z,u,v,w", "--rate", "20", "--mean", "0,0,9.8,-1,0,0", "--deviation"];
    let said = import(&[&all[..], &["1,1,1,2,2,2", "--loss", "hinge"]].concat()).done();
    assert_eq!(said.stderr, "");
    for (more, problem) in [
        (&["--classes", "a,b"][..], "2 class names are given (a, b), and the network has 3"),
        (&["--classes", "a,b,a"], "`a` is given twice"),
        (&["--channels", "x"], "1 channel names are given (x), and the network has 6"),
        (&["--rate", "0"], "samples a second"),
        (&["--loss", "mse"], "mse"),
        (&["--mean", "0,1"], "--deviation"),
        (&["--mean", "0", "--deviation", "1"], "1 means"),
    ] {
        let message = import(more).refused(2);
        assert!(message.contains(problem), "{message}");
    }
    // Nothing is written over what is read, or over a folder.
    let message = triax(folder, ["import", "model.keras", "--out", "model.keras"]).refused(2);
    assert!(message.contains("is read"), "{message}");
    let message = triax(folder, ["import", "model.keras", "--out", "run"]).refused(1);
    assert!(message.contains("run is a folder"), "{message}");
    let message = triax(folder, ["import", "data.csv", "--out", "new.safetensors"]).refused(1);
    assert!(message.contains("data.csv: byte 0: this is none of the files that are read"), "{message}");
    assert!(!folder.join("new.safetensors").exists());
    let message = triax(folder, ["import", "missing.keras", "--out", "new.safetensors"]).refused(1);
    assert!(message.contains("missing.keras"), "{message}");
}

#[test]
fn a_training_begins_with_the_weights_of_a_keras_file() {
    let folder = trained();
    let folder = folder.path();
    triax(folder, ["export", "run", "--to", "keras", "--out", "model.keras"]).done();
    for (weights, out) in [("model.keras", "from-keras"), ("run/last.safetensors", "from-safetensors")] {
        train_small(folder, "data.csv", out, &["--init-weights", weights]).done();
    }
    let [keras, safetensors] =
        ["from-keras", "from-safetensors"].map(|run| fs::read(folder.join(run).join("last.safetensors")).unwrap());
    assert_eq!(keras, safetensors);
    let other = ["--init-weights", "model.keras", "--hidden", "9"];
    let message = train_small(folder, "data.csv", "other", &other).refused(1);
    assert!(message.contains("model.keras: the network: dense1: 8 in the file, 9 in the settings"), "{message}");
}

/// The fenced blocks of `language` in `docs/keras.md`.
fn documented(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/keras.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(&format!("{language}\n"))).map(str::to_owned).collect()
}

/// Runs a script of the documentation, and returns the number that it prints last.
fn python(python: &Path, folder: &Path, script: &str) -> f64 {
    let mut command = Command::new(python);
    command.args(["-c", script]).current_dir(folder);
    if std::env::var_os("KERAS_BACKEND").is_none() {
        command.env("KERAS_BACKEND", "jax");
    }
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    stdout.split_whitespace().last().unwrap().parse().unwrap()
}

#[test]
fn the_documentation_s_scripts_and_commands_give_the_same_accuracy() {
    let Some(keras) = keras_or_skip("the_documentation_s_scripts_and_commands_give_the_same_accuracy") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let scripts = documented("python");
    let [windows, train, load, initial] = scripts.as_slice() else { panic!("four scripts are documented") };
    python(&keras, folder, windows);
    let in_keras = python(&keras, folder, train);
    let commands = documented("sh").concat();
    let run = |command: &str| {
        let line = commands.lines().find(|line| line.starts_with(&format!("triax {command}")));
        let line = line.unwrap_or_else(|| panic!("no `triax {command}` is documented"));
        triax(folder, line.split_whitespace().skip(1)).done()
    };
    run("import model.keras");
    let imported = judged(folder, "imported.safetensors", "windows.npz");
    assert!((imported["accuracy"].as_f64().unwrap() - in_keras).abs() < 1e-6, "{in_keras} in Keras, and {imported}");
    assert!(in_keras > 0.5 && in_keras < 1.0, "an accuracy of {in_keras} tells little");

    run("train --data windows.npz");
    run("export runs/repeated");
    let of_run = judged(folder, "runs/repeated/last.safetensors", "windows.npz")["accuracy"].as_f64().unwrap();
    let loaded = python(&keras, folder, load);
    assert!((loaded - of_run).abs() < 1e-6, "{of_run} in Triax, and {loaded} in Keras");
    python(&keras, folder, initial);
    run("train --init-weights initial.weights.h5");
}
