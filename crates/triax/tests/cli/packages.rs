//! What packages of Triax are made of: completions, manual pages, and the facts of each published crate.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::triax;

#[test]
fn every_shell_gets_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = triax(folder.path(), ["completions", shell]).done().stdout;
        for expected in ["learning-rate", "inspect", "squared_hinge"] {
            assert!(script.contains(expected), "`{expected}` is not in the completions for {shell}");
        }
    }
    let message = triax(folder.path(), ["completions", "csh"]).refused(2);
    assert!(message.contains("bash"), "{message}");
}

#[test]
#[cfg(target_os = "linux")]
fn bash_completes_an_option_and_its_values() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("triax.bash"), triax(folder.path(), ["completions", "bash"]).done().stdout).unwrap();
    let completed = |words: &[&str]| {
        let (word, before) = (words[words.len() - 1], words[words.len() - 2]);
        let script = format!(
            "source ./triax.bash; COMP_WORDS=({}); COMP_CWORD={}; _triax triax '{word}' '{before}'; echo \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len() - 1,
        );
        let output = Command::new("bash").args(["--norc", "-c", &script]).current_dir(folder.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(completed(&["triax", "train", "--batch"]).trim(), "--batch-size");
    assert_eq!(completed(&["triax", "train", "--loss", "categorical_h"]).trim(), "categorical_hinge");
    assert_eq!(completed(&["triax", "data", "ins"]).trim(), "inspect");
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let answer = triax(folder.path(), ["man", "pages"]).done();
    let page = |name: &str| fs::read_to_string(folder.path().join("pages").join(name)).expect(name);
    assert!(page("triax.1").starts_with(".ie") && page("triax.1").contains("triax\\-train(1)"), "{}", page("triax.1"));
    assert!(page("triax-train.1").contains("\\-\\-learning\\-rate"), "{}", page("triax-train.1"));
    for name in ["triax-study-losses.1", "triax-data-inspect.1", "triax-model.1", "triax-completions.1"] {
        assert!(page(name).contains(".SH OPTIONS"), "{name}");
        assert!(answer.stdout.contains(name), "{}", answer.stdout);
    }
    // It is for those who make packages.
    assert!(!folder.path().join("pages/triax-man.1").exists());
    assert!(!triax(folder.path(), ["--help"]).done().stdout.contains("manual page"));
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(triax(folder.path(), ["man", "file"]).refused(1).contains("file"));
}

#[test]
fn published_crates_say_what_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let args = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(args).current_dir(&root).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let published = |package: &&Value| package["publish"].is_null();
    let packages: Vec<&Value> = metadata["packages"].as_array().unwrap().iter().filter(published).collect();
    assert!(packages.len() >= 9, "{} crates", packages.len());
    for package in packages {
        let name = &package["name"];
        for key in ["description", "documentation", "readme", "license"] {
            assert!(package[key].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {key}");
        }
        for key in ["keywords", "categories"] {
            assert!(!package[key].as_array().unwrap().is_empty(), "{name} has no {key}");
        }
        // An archive has what is in the folder of its crate.
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert_eq!(fs::read(folder.join(licence)).ok(), fs::read(root.join(licence)).ok(), "{name}: {licence}");
        }
    }
}
