//! `pretrain`: layers that are trained without labels, and trainings that start from them.

use std::fs;
use std::path::Path;

use crate::{Answer, SMALL, data, recordings, train_small, trained, triax};

/// `pretrain` of the small network on `data`, into `first.safetensors`.
fn pretrain(folder: &Path, data: &str, more: &[&str]) -> Answer {
    let fixed = ["pretrain", "--data", data];
    let out = if more.contains(&"--out") { vec![] } else { vec!["--out", "first.safetensors"] };
    // Options in `more` replace those of the small network.
    let small = SMALL.chunks(2).filter(|pair| !more.contains(&pair[0])).flatten().copied();
    triax(folder, fixed.into_iter().chain(out).chain(small).chain(more.iter().copied()))
}

#[test]
fn a_training_starts_from_layers_that_were_trained_without_labels() {
    let folder = data();
    let folder = folder.path();
    let lines = pretrain(folder, "data.csv", &["--epochs", "4", "--json"]).done().json_lines();
    let losses: Vec<f64> = lines[..4].iter().map(|line| line["loss"].as_f64().unwrap()).collect();
    assert!(losses[3] < losses[0], "{losses:?}");
    assert!(lines[0]["accuracy"].is_number());
    assert_eq!(lines[4]["layers"], serde_json::json!(["conv1"]));

    let answer = train_small(folder, "data.csv", "pretrained", &["--init-weights", "first.safetensors"]).done();
    let said = "conv1 is taken from ";
    assert!(
        answer.stderr.contains(said) && answer.stderr.contains("dense1 and dense2 are drawn from the seed"),
        "{}",
        answer.stderr
    );
    // All people of the file were there before, also those who are held out.
    assert!(answer.stderr.contains("warning: ") && answer.stderr.contains("transductive"), "{}", answer.stderr);
    train_small(folder, "data.csv", "drawn", &[]).done();
    let weights = |run: &str| fs::read(folder.join(run).join("last.safetensors")).unwrap();
    assert_ne!(weights("drawn"), weights("pretrained"));
}

#[test]
fn what_is_printed_says_what_is_learnt() {
    let folder = data();
    let answer = pretrain(folder.path(), "data.csv", &["--stretches", "7"]).done();
    for expected in ["tell 7 stretches of ", "Epoch 2/2 - ", " - accuracy: ", "written   conv1 of first.safetensors"] {
        assert!(answer.stdout.contains(expected), "`{expected}` is not in\n{}", answer.stdout);
    }
    let answer = pretrain(folder.path(), "data.csv", &["--out", "layers/"]).done();
    assert!(answer.stdout.contains("layers/pretrained.safetensors"), "{}", answer.stdout);
    assert!(folder.path().join("layers/pretrained.safetensors").is_file());
    let answer = pretrain(folder.path(), "data.csv", &["--quiet"]).done();
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", ""));
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let folder = data();
    let bytes = |seed: &str| {
        pretrain(folder.path(), "data.csv", &["--seed", seed, "--quiet"]).done();
        fs::read(folder.path().join("first.safetensors")).unwrap()
    };
    let first = bytes("0");
    assert_eq!(bytes("0"), first);
    assert_ne!(bytes("1"), first);
}

#[test]
fn recordings_without_labels_are_enough() {
    let folder = data();
    let folder = folder.path();
    // The same samples, without subject and activity.
    let csv = recordings::csv(2, 200);
    let unlabelled: String =
        csv.lines().take(401).map(|line| line.splitn(3, ',').nth(2).unwrap().to_owned() + "\n").collect();
    fs::write(folder.join("plain.csv"), unlabelled).unwrap();
    assert!(train_small(folder, "plain.csv", "no", &[]).refused(1).contains("subject"));
    pretrain(folder, "plain.csv", &["--quiet"]).done();
    let answer = train_small(folder, "data.csv", "run", &["--init-weights", "first.safetensors"]).done();
    assert!(!answer.stderr.contains("warning"), "{}", answer.stderr);
}

#[test]
fn convolutions_start_a_network_with_other_hidden_layers_and_hidden_layers_the_same() {
    let folder = data();
    let other = ["--init-weights", "first.safetensors", "--hidden", "9"];
    pretrain(folder.path(), "data.csv", &["--quiet"]).done();
    let answer = train_small(folder.path(), "data.csv", "other", &other).done();
    assert!(answer.stderr.contains("dense1 and dense2 are drawn from the seed"), "{}", answer.stderr);

    pretrain(folder.path(), "data.csv", &["--keep", "all", "--quiet"]).done();
    let answer = train_small(folder.path(), "data.csv", "same", &other[..2]).done();
    let said = "conv1 and dense1 are taken from ";
    assert!(answer.stderr.contains(said) && answer.stderr.contains("dense2 is drawn"), "{}", answer.stderr);
    let message = train_small(folder.path(), "data.csv", "no", &other).refused(1);
    assert!(message.contains("first.safetensors") && message.contains("dense1.kernel"), "{message}");
}

#[test]
fn a_network_of_other_classes_gives_all_layers_but_the_last() {
    let folder = trained();
    let more = ["--init-weights", "run/last.safetensors", "--activities", "walk,sit"];
    let answer = train_small(folder.path(), "data.csv", "two", &more).done();
    assert!(answer.stderr.contains("dense2 is drawn from the seed"), "{}", answer.stderr);
}

#[test]
fn people_who_will_be_judged_are_left_out() {
    let folder = data();
    let folder = folder.path();
    pretrain(folder, "data.csv", &["--without", "p0", "--quiet"]).done();
    for (judged, seen) in [("p0", false), ("p1", true)] {
        let more = ["--init-weights", "first.safetensors", "--split", "subject", "--valid-subjects", judged];
        let answer = train_small(folder, "data.csv", judged, &more).done();
        assert_eq!(answer.stderr.contains("judged here (p1)"), seen, "{}", answer.stderr);
    }
}

#[test]
fn a_study_compares_initial_weights_with_drawn_ones() {
    let folder = data();
    let folder = folder.path();
    pretrain(folder, "data.csv", &["--quiet"]).done();
    let vary = "init-weights=scratch:none|pretrained:first.safetensors";
    let study = |more: &[&str]| {
        let fixed =
            ["study", "--data", "data.csv", "--vary", vary, "--folds", "group-2", "--seeds", "1", "--no-baselines"];
        triax(folder, fixed.iter().chain(&SMALL).chain(&["--out", "study"]).chain(more).copied())
    };
    let answer = study(&[]).done();
    assert!(answer.stdout.contains("init_weights=pretrained"), "{}", answer.stdout);
    assert!(answer.stderr.contains("judged here (p0, p1, p2, p3)"), "{}", answer.stderr);
    // The report says it too.
    let report = fs::read_to_string(folder.join("study/report.html")).unwrap();
    assert!(report.contains("transductive"));
    let results = fs::read_to_string(folder.join("study/results.csv")).unwrap();
    assert_eq!(results.lines().count(), 5, "{results}");
    // Weights of another training under the same name are another study.
    pretrain(folder, "data.csv", &["--quiet", "--seed", "1"]).done();
    let message = study(&[]).refused(1);
    assert!(message.contains("initial_weights"), "{message}");
}

#[test]
fn what_cannot_be_trained_without_labels_is_refused_before_it_begins() {
    let folder = trained();
    let folder = folder.path();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--stretches", "1"], 2, "from 2 to 65536"),
        (&["--stretches", "99999999999"], 2, "from 2 to 65536"),
        (&["--without", "p9"], 1, "There is no subject `p9`"),
        (&["--without", "p0,p1,p2,p3"], 1, "Nothing is left"),
        (&["--out", "data.csv"], 2, "data.csv"),
        (&["--loss", "hinge"], 2, "--loss"),
    ];
    assert!(pretrain(folder, "nowhere.csv", &[]).refused(1).contains("nowhere.csv"));
    for (more, code, said) in cases {
        let message = pretrain(folder, "data.csv", more).refused(code);
        assert!(message.contains(said), "{more:?}: {message}");
        assert!(!folder.join("first.safetensors").exists());
    }
}

#[test]
fn layers_without_scores_are_no_network_to_predict_with() {
    let folder = data();
    pretrain(folder.path(), "data.csv", &["--quiet"]).done();
    let message = triax(folder.path(), ["evaluate", "first.safetensors", "--data", "data.csv"]).refused(1);
    assert!(message.contains("first.safetensors") && message.contains("--init-weights"), "{message}");
}
