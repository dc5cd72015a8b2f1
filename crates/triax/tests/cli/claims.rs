//! What is claimed is what was measured: subjects that were judged, classes that they have, intervals that rest on enough.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::audit::{arrays, windows};
use crate::{Answer, SMALL, data, read_json, recordings, train_small, triax};

/// Six subjects who walk, sit and jog, and `p2`, who alone swims and does not sit.
fn one_swims() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let changed = |line: &str| if line.starts_with("p2,sit") { line.replace("sit", "swim") } else { line.to_owned() };
    let text: Vec<String> = recordings::csv(6, 160).lines().map(changed).collect();
    fs::write(folder.path().join("data.csv"), text.join("\n")).unwrap();
    folder
}

fn study(folder: &Path, more: &[&str]) -> Answer {
    let fixed = ["study", "--data", "data.csv", "--out", "study", "--seeds", "1"];
    triax(folder, fixed.iter().chain(&SMALL).chain(more))
}

fn summary(folder: &Path) -> Value {
    read_json(folder.join("study/summary.json"))
}

fn report(folder: &Path, out: &str) -> String {
    fs::read_to_string(folder.join(out).join("report.html")).unwrap()
}

/// Text on one line, as a wrapped line may break anywhere.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_only_one_person_does_is_named_before_training_and_wherever_it_is_not_judged() {
    let folder = one_swims();
    let answer = study(folder.path(), &["--folds", "loso"]).done();
    let words = "Nobody but p2 does swim: the networks judged on p2 have never seen it, and its 9 windows are not judged. \
                 Leave it out with --activities jog,sit,walk.";
    assert!(flat(&answer.stderr).contains(words), "{}", answer.stderr);
    assert!(flat(&answer.stdout).contains(words), "{}", answer.stdout);
    assert!(report(folder.path(), "study").contains(words));
    let summary = summary(folder.path());
    assert!(summary["caveats"].as_array().unwrap().iter().any(|one| one == words), "{}", summary["caveats"]);
    let untrained = serde_json::json!([{"fold": "p2", "class": "swim", "subjects": ["p2"], "n_windows": 9}]);
    assert_eq!(summary["untrained"], untrained);
    // The fold is judged on what it can be.
    assert_eq!((&summary["n_windows"], &summary["n_judged_windows"]), (&162.into(), &153.into()));
    let judged = &summary["competitors"][0]["subjects"][2];
    assert_eq!((&judged["subject"], &judged["n_windows"]), (&"p2".into(), &18.into()));
    assert_eq!(judged["lacking"], serde_json::json!(["sit", "swim"]));
    assert!(summary["competitors"][0]["recall"][2].is_null(), "{}", summary["competitors"][0]["recall"]);
    assert!(flat(&answer.stdout).contains("p0, p1, p3, p4 and 1 more lack swim; p2 lacks sit and swim"));
    // The networks as one, on the same data.
    let evaluated = triax(folder.path(), ["evaluate", "study"]).done();
    assert!(flat(&evaluated.stderr).contains(words), "{}", evaluated.stderr);
    assert!(
        evaluated.stdout.contains("153 windows") && flat(&evaluated.stdout).contains("no judged window is of swim")
    );
    // Groups name all who do it together; a run and a single fold name who is held out.
    fs::remove_dir_all(folder.path().join("study")).unwrap();
    let answer = study(folder.path(), &["--folds", "group-3"]).done();
    assert!(flat(&answer.stderr).contains("Nobody but p2 does swim"), "{}", answer.stderr);
    fs::remove_dir_all(folder.path().join("study")).unwrap();
    let of_study = study(folder.path(), &["--folds", "held-out", "--valid-subjects", "p2"]).refused(1);
    let of_run = train_small(folder.path(), "data.csv", "run", &["--valid-subjects", "p2"]).refused(1);
    for message in [of_study, of_run] {
        assert!(message.contains("`swim`") && message.contains("`p2`, and nobody else does it"), "{message}");
    }
}

#[test]
fn a_fold_that_cannot_be_judged_is_refused_with_class_and_person() {
    let folder = tempfile::tempdir().unwrap();
    let only_swims = |line: &str| {
        let changed = if line.starts_with("p2,") { line.replace("sit", "swim") } else { line.to_owned() };
        (!line.starts_with("p2,") || line.starts_with("p2,sit")).then_some(changed)
    };
    let text: Vec<String> = recordings::csv(4, 160).lines().filter_map(only_swims).collect();
    fs::write(folder.path().join("data.csv"), text.join("\n")).unwrap();
    let message = study(folder.path(), &["--folds", "loso"]).refused(1);
    assert!(message.contains("`swim`") && message.contains("`p2`") && message.contains("--activities"), "{message}");
}

#[test]
fn a_study_counts_the_subjects_that_were_judged() {
    for (held_out, head, caveat) in [
        ("p1,p4", "mean over 2 subjects [95 % interval]", "Judged by 2 subjects: an interval over fewer than five"),
        ("p1", "one subject\n", "One subject was judged: there is no interval"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("data.csv"), recordings::csv(6, 160)).unwrap();
        let answer = study(folder.path(), &["--folds", "held-out", "--valid-subjects", held_out]).done();
        let n = held_out.split(',').count();
        assert!(answer.stdout.contains(head) && !answer.stdout.contains("over 6"), "{}", answer.stdout);
        assert!(flat(&answer.stdout).contains(caveat), "{}", answer.stdout);
        assert!(answer.stdout.contains(&format!("of {n} of 6 subjects")), "{}", answer.stdout);
        let html = report(folder.path(), "study");
        assert!(html.contains(caveat) && html.contains(&format!("{n} of 6 subjects")), "{html}");
        assert_eq!(html.contains("class=\"interval\""), n > 1);
        assert!(!html.contains("over 6 subjects"));
        let summary = summary(folder.path());
        assert_eq!((&summary["n_judged_subjects"], &summary["n_subjects"]), (&n.into(), &6.into()));
        assert!(summary["caveats"][0].as_str().unwrap().starts_with(caveat));
        for one in summary["competitors"].as_array().unwrap() {
            for figure in ["macro_f1", "accuracy"] {
                assert_eq!(one[figure]["n"], n, "{one}");
                assert_eq!(one[figure]["low"].is_number(), n > 1, "{one}");
            }
        }
        let compared = summary["comparisons"].as_array().unwrap();
        assert_eq!(compared.is_empty(), n == 1);
        let words = |one: &Value| one["words"].as_str().unwrap().to_owned();
        assert!(compared.iter().all(|one| words(one).contains("over 2 subjects")
            && words(one).contains("the test needs six")
            && one["n_subjects"] == 2));
    }
}

#[test]
fn a_study_of_unknown_people_counts_none() {
    let folder = arrays(&windows(&[0, 1], 32), &windows(&[2], 32));
    for part in ["train", "test"] {
        fs::remove_file(folder.path().join(format!("arrays/subjects_{part}.npy"))).unwrap();
    }
    let tiny = ["--convs", "4:5:2:2", "--hidden", "8", "--epochs", "2", "--device", "cpu"];
    let fixed = ["study", "--data", "arrays", "--out", "study", "--seeds", "1", "--folds", "random-3"];
    let answer = triax(folder.path(), fixed.iter().chain(&tiny)).done();
    assert!(answer.stdout.contains("subjects unknown, ") && !answer.stdout.contains("0 subjects"), "{}", answer.stdout);
    assert!(answer.stdout.contains("all windows as one") && !answer.stdout.contains("mean over"), "{}", answer.stdout);
    let summary = summary(folder.path());
    assert_eq!((&summary["n_subjects"], &summary["n_judged_subjects"]), (&0.into(), &0.into()));
    assert!(summary["competitors"][0]["macro_f1"]["low"].is_null());
    // Every window is judged once.
    assert_eq!(summary["competitors"][0]["subjects"][0]["n_windows"], summary["n_windows"]);
}

#[test]
fn macro_f1_is_over_the_classes_that_occur_the_same_in_run_evaluate_and_study() {
    let folder = one_swims();
    let trained = train_small(folder.path(), "data.csv", "run", &["--valid-subjects", "p1"]).done();
    let evaluated = triax(folder.path(), ["evaluate", "run"]).done();
    let words = "Macro-F1 is over 3 of 4 classes: no judged window is of swim.";
    for text in [&trained.stdout, &evaluated.stdout, &report(folder.path(), "run")] {
        assert!(flat(text).contains(words), "{text}");
    }
    assert!(report(folder.path(), "run").contains("mean F1 of 3 of 4 classes"));
    let by_json = triax(folder.path(), ["evaluate", "run", "--json"]).done().json_lines()[0]["metrics"].clone();
    let saved = read_json(folder.path().join("run/metrics.json"))["last"]["validation"].clone();
    for metrics in [&by_json, &saved] {
        assert_eq!(metrics["lacking"], serde_json::json!(["swim"]));
        let classes = metrics["per_class"].as_array().unwrap();
        let present = classes.iter().filter(|class| class["support"] != 0);
        let f1: Vec<f64> = present.map(|class| class["f1"].as_f64().unwrap()).collect();
        assert_eq!(f1.len(), 3);
        let mean = f1.iter().sum::<f64>() / 3.0;
        assert!((metrics["macro_f1"].as_f64().unwrap() - mean).abs() < 1e-12, "{metrics}");
    }
    // The same network on the same fold of a study.
    study(folder.path(), &["--folds", "held-out", "--valid-subjects", "p1", "--no-baselines"]).done();
    let of_study = summary(folder.path());
    assert_eq!(of_study["competitors"][0]["macro_f1"]["mean"], saved["macro_f1"]);
    let results = fs::read_to_string(folder.path().join("study/results.csv")).unwrap();
    let rows: Vec<Vec<&str>> = results.lines().map(|line| line.split(',').collect()).collect();
    let cell = |name: &str| rows[1][rows[0].iter().position(|column| *column == name).unwrap()];
    assert_eq!((cell("macro_f1").parse::<f64>().ok(), cell("recall_swim")), (saved["macro_f1"].as_f64(), ""));
    assert!(fs::read_to_string(folder.path().join("study/subjects.csv")).unwrap().contains(",swim\n"));
}

#[test]
fn reports_of_500_classes_stay_small() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("subject,activity,timestamp,x,y,z\n");
    // One name is longer than a page.
    let name = |class: usize| if class == 0 { "long ".repeat(2_000) } else { format!("activity number {class:03}") };
    for subject in 0..3 {
        for row in 0..500 * 8 {
            let (class, value) = (row / 8, (row * 7 + subject * 3) % 23);
            let time = row as f32 * 0.05;
            writeln!(text, "s{subject},{},{time:.2},{value},{},{}", name(class).trim_end(), class % 11, row % 3)
                .unwrap();
        }
    }
    fs::write(folder.path().join("data.csv"), text).unwrap();
    let tiny =
        ["--window", "8", "--step", "8", "--convs", "4:3:1:2", "--hidden", "none", "--epochs", "1", "--device", "cpu"];
    let fixed = ["--data", "data.csv", "--quiet", "--out"];
    let run = ["train"].iter().chain(&fixed).chain(&["run"]).chain(&tiny);
    triax(folder.path(), run).done();
    let grid = ["--vary", "loss=hinge,squared_hinge", "--seeds", "2", "--no-baselines"];
    triax(folder.path(), ["study"].iter().chain(&fixed).chain(&["study"]).chain(&tiny).chain(&grid)).done();
    for (out, file) in [("run", "metrics.json"), ("study", "summary.json")] {
        let html = report(folder.path(), out);
        assert!(html.len() < 500_000, "the report of a {out} has {} bytes", html.len());
        assert!(
            html.contains("the most frequent confusions of 500 classes") && html.contains(&format!("more, in {file}"))
        );
    }
}

#[test]
fn a_recording_without_a_class_does_not_lower_the_figures_of_others() {
    let folder = data();
    let sits_not: Vec<String> =
        recordings::csv(4, 160).lines().filter(|line| !line.contains(",sit,")).map(str::to_owned).collect();
    fs::write(folder.path().join("other.csv"), sits_not.join("\n")).unwrap();
    train_small(folder.path(), "data.csv", "run", &["--epochs", "30"]).done();
    let answer = triax(folder.path(), ["evaluate", "run", "--data", "other.csv", "--json"]).done();
    let metrics = &answer.json_lines()[0]["metrics"];
    assert_eq!(metrics["lacking"], serde_json::json!(["sit"]));
    assert!(metrics["macro_f1"].as_f64().unwrap() > 0.7, "a third of it is missing: {metrics}");
}
