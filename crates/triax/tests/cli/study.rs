//! `study`: grids, folds, seeds; studies that are killed, interrupted, cut into shares; networks of a study as one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::{Answer, SMALL, command, data, read_json, recordings, train_small, triax};

/// The files that must not depend on the order of training.
const RESULTS: [&str; 5] = ["results.csv", "subjects.csv", "history.csv", "baselines.csv", "summary.json"];
/// Two losses, four subjects, two seeds: 16 trainings of a moment.
const GRID: [&str; 4] = ["--vary", "loss=hinge,squared_hinge", "--seeds", "2"];
/// Trainings that last long enough for the study to be stopped after the first ones.
const LONG: [&str; 8] = ["--vary", "loss=hinge,squared_hinge", "--seeds", "12", "--epochs", "40", "--batch-size", "4"];

/// `study` with the small network on `data.csv`, into the folder `out`.
fn arguments<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args: Vec<&str> = if more.first() == Some(&"losses") { vec!["study", "losses"] } else { vec!["study"] };
    let more = &more[args.len() - 1..];
    args.extend(["--data", "data.csv", "--out", out]);
    // An option that is given again, or varies, replaces the small run's own.
    let is_varied =
        |option: &str| more.iter().any(|arg| arg.split_once('=').is_some_and(|(name, _)| &option[2..] == name));
    args.extend(SMALL.chunks(2).filter(|pair| !more.contains(&pair[0]) && !is_varied(pair[0])).flatten());
    args.extend(more);
    args
}

fn study(folder: &Path, out: &str, more: &[&str]) -> Answer {
    triax(folder, arguments(out, more))
}

#[track_caller]
fn assert_same(folder: &Path, one: &str, other: &str) {
    for file in RESULTS {
        let [a, b] = [one, other].map(|study| fs::read_to_string(folder.join(study).join(file)).unwrap());
        assert_eq!(a, b, "{file} differs");
    }
}

/// Fields of each line, header first.
fn table(path: &Path) -> Vec<Vec<String>> {
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_path(path).unwrap();
    rows.records().map(|row| row.unwrap().iter().map(String::from).collect()).collect()
}

/// The files of the trainings that have ended.
fn ended(folder: &Path, study: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join(study).join("trainings")).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).collect()
}

/// Starts a study into the folder `out`, and waits until another of its trainings has ended.
fn begin(folder: &Path, args: &[&str], out: &str) -> Child {
    let n_before = ended(folder, out).len();
    let mut child = command(folder, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("triax starts");
    while ended(folder, out).len() <= n_before {
        assert!(child.try_wait().unwrap().is_none(), "the study ended by itself");
        std::thread::yield_now();
    }
    child
}

fn is_over(folder: &Path, study: &str) -> bool {
    folder.join(study).join("summary.json").exists()
}

#[test]
fn the_four_losses_are_compared_on_people_left_out() {
    let folder = data();
    let answer = study(folder.path(), "study", &["losses", "--seeds", "2"]).done();
    let path = folder.path().join("study");
    let rows = table(&path.join("results.csv"));
    assert_eq!(rows.len(), 1 + 4 * 4 * 2);
    let (head, first, last) = (&rows[0], &rows[1], &rows[32]);
    let cell = |row: &Vec<String>, name: &str| row[head.iter().position(|column| column == name).unwrap()].clone();
    for column in ["accuracy", "macro_f1", "valid_loss", "recall_jog", "recall_walk", "train_loss"] {
        assert!(cell(first, column).parse::<f64>().is_ok_and(f64::is_finite), "{column}");
    }
    assert_eq!(
        ["training", "fold", "subjects", "seed", "n_valid"].map(|name| cell(first, name)),
        ["0", "p0", "p0", "0", "27"]
    );
    assert_eq!(["training", "fold", "seed", "broken"].map(|name| cell(last, name)), ["31", "p3", "1", ""]);
    assert!(cell(first, "device").ends_with("(fused)"), "{first:?}");
    assert_eq!(table(&path.join("subjects.csv")).len(), 1 + 32);
    assert_eq!(table(&path.join("history.csv")).len(), 1 + 32 * 2);
    assert_eq!(table(&path.join("timings.csv")).len(), 1 + 32);
    assert_eq!(fs::read_dir(path.join("weights")).unwrap().count(), 32);

    let summary = read_json(path.join("summary.json"));
    let competitors = summary["competitors"].as_array().unwrap();
    let kinds = |kind: &str| competitors.iter().filter(|one| one["kind"] == kind).count();
    assert_eq!((kinds("network"), kinds("ensemble")), (4, 4));
    assert!(kinds("baseline") > 0);
    for one in competitors {
        // Each seed predicts each window once; an ensemble and a baseline predict it once.
        let times = if one["kind"] == "network" { 2 } else { 1 };
        let n: u64 = one["confusion"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row.as_array().unwrap())
            .map(|n| n.as_u64().unwrap())
            .sum();
        assert_eq!((n, one["subjects"].as_array().unwrap().len()), (times * 108, 4), "{}", one["name"]);
    }
    // Six pairs of losses, and the best one with four ensembles and the baselines; by two figures.
    assert_eq!(summary["comparisons"].as_array().unwrap().len(), 2 * (6 + 4 + kinds("baseline")));

    for expected in [
        "loss=categorical_hinge",
        "macro-F1",
        "study/report.html",
        "study/results.csv",
        "4 settings × 4 folds × 2 seeds = 32",
    ] {
        assert!(answer.stdout.contains(expected), "`{expected}` is not in\n{}", answer.stdout);
    }
    assert!(!answer.stdout.contains("no test on unseen people"));
    assert!(fs::read_to_string(path.join("report.html")).unwrap().contains("loss=categorical_hinge"));
}

#[test]
fn a_grid_is_the_same_by_options_and_by_file() {
    let folder = data();
    let options = [
        "--vary",
        "loss=hinge,squared_hinge",
        "--vary",
        "learning-rate=1e-2,0.0030",
        "--folds",
        "group-2",
        "--seeds",
        "2",
        "--no-shuffle",
    ];
    study(folder.path(), "by-options", &options).done();
    let file = "folds = 'group-2'\nseeds = 2\n[settings]\ndata = 'data.csv'\nwindow = 32\nstep = 16\nconvs = '4:5:2:2'\n\
                hidden = 8\nepochs = 2\ndevice = 'cpu'\nno-shuffle = true\n[vary]\nlearning_rate = [0.01, 0.003]\n\
                loss = ['hinge', 'squared_hinge']\n";
    fs::write(folder.path().join("study.toml"), file).unwrap();
    triax(folder.path(), ["study", "--file", "study.toml", "--out", "by-file", "--quiet"]).done();
    assert_same(folder.path(), "by-options", "by-file");
    let settings: BTreeSet<String> =
        table(&folder.path().join("by-file/results.csv"))[1..].iter().map(|row| row[1].clone()).collect();
    let expected = ["0.003, loss=hinge", "0.003, loss=squared_hinge", "0.01, loss=hinge", "0.01, loss=squared_hinge"];
    assert_eq!(settings, expected.map(|setting| format!("learning_rate={setting}")).into());
    // Options win over the file.
    triax(folder.path(), ["study", "--file", "study.toml", "--seeds", "1", "--out", "fewer", "--quiet"]).done();
    assert_eq!(table(&folder.path().join("fewer/results.csv")).len(), 1 + 8);
}

#[test]
fn settings_of_a_preset_are_not_shared_with_others() {
    let folder = data();
    let varied = ["--vary", "preset=reference,subject", "--folds", "held-out", "--seeds", "1"];
    study(folder.path(), "study", &varied).done();
    let shared = &read_json(folder.path().join("study/summary.json"))["shared_settings"];
    assert_eq!(shared["normalize"], "standard");
    for differs in ["preset", "rotate", "flip_axes"] {
        assert!(shared[differs].is_null(), "{differs}: {}", shared[differs]);
    }
}

#[test]
fn a_killed_study_goes_on_and_repeats_nothing() {
    let folder = data();
    let args = arguments("stopped", &LONG);
    // SIGKILL, wherever it happens to be; twice.
    for _ in 0..2 {
        let mut child = begin(folder.path(), &args, "stopped");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_over(folder.path(), "stopped"), "the study was over before it could be killed");
    }
    // Which trainings of a fleet end first is open.
    let written = |path: PathBuf| (fs::metadata(&path).unwrap().modified().unwrap(), path);
    let before: Vec<_> = ended(folder.path(), "stopped").into_iter().map(written).collect();
    assert!(before.len() >= 2, "{before:?}");
    let answer = triax(folder.path(), &args).done();
    assert!(answer.stdout.contains("of 96 trainings are there already"), "{}", answer.stdout);
    for (time, path) in before {
        assert_eq!(written(path.clone()).0, time, "{} was repeated", path.display());
    }
    study(folder.path(), "unstopped", &LONG).done();
    assert_same(folder.path(), "stopped", "unstopped");
}

#[test]
#[cfg(unix)]
fn ctrl_c_keeps_what_has_ended_and_says_how_to_go_on() {
    let folder = data();
    let more = [&LONG[..], &["--keep-weights", "false"]].concat();
    let child = begin(folder.path(), &arguments("stopped", &more), "stopped");
    let answer = crate::interrupted(child);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert!(
        answer.stderr.contains("of 96 trainings") && answer.stderr.contains("triax study --resume stopped"),
        "{}",
        answer.stderr
    );
    assert!(!is_over(folder.path(), "stopped"));
    // The tables are complete and in order up to the interruption.
    let rows = table(&folder.path().join("stopped/results.csv"));
    assert!((2..97).contains(&rows.len()), "{} rows", rows.len());
    let numbers: Vec<usize> = rows[1..].iter().map(|row| row[0].parse().unwrap()).collect();
    assert!(numbers.is_sorted());

    // It resumes from any folder, with the same settings.
    let elsewhere = tempfile::tempdir().unwrap();
    let path = folder.path().join("stopped");
    triax(elsewhere.path(), ["study".as_ref(), "--resume".as_ref(), path.as_os_str(), "--quiet".as_ref()]).done();
    assert_eq!(fs::read_dir(path.join("weights")).unwrap().count(), 0, "weights were kept");
    study(folder.path(), "unstopped", &more).done();
    assert_same(folder.path(), "stopped", "unstopped");
}

#[test]
fn shares_that_are_joined_are_the_whole() {
    let folder = data();
    for share in ["1/3", "2/3", "3/3"] {
        let answer =
            study(folder.path(), &format!("part-{}", &share[..1]), &[&GRID[..], &["--shard", share]].concat()).done();
        assert!(answer.stdout.contains("triax study merge"), "{}", answer.stdout);
    }
    assert!(!is_over(folder.path(), "part-1"));
    let merge =
        |parts: &[&str], out: &str| triax(folder.path(), [&["study", "merge"], parts, &["--out", out]].concat());
    let answer = merge(&["part-3", "part-1", "part-2"], "joined").done();
    assert!(answer.stdout.contains("macro-F1"), "{}", answer.stdout);
    study(folder.path(), "whole", &GRID).done();
    assert_same(folder.path(), "joined", "whole");
    for number in 0..16 {
        let [a, b] = ["joined", "whole"]
            .map(|study| fs::read(folder.path().join(format!("{study}/weights/{number:05}.safetensors"))).unwrap());
        assert!(a == b, "the weights of training {number} differ");
    }

    let message = merge(&["part-1", "part-3"], "two").refused(1);
    assert!(message.contains("5 of 16 trainings") && message.contains("1, 4, 7, 10, 13"), "{message}");
    // What is missing can be added.
    merge(&["part-2"], "two").done();
    assert_same(folder.path(), "two", "whole");
    // Shares that overlap have come out the same.
    study(folder.path(), "half", &[&GRID[..], &["--shard", "2/2"]].concat()).done();
    merge(&["part-1", "part-2", "part-3", "half"], "overlapping").done();
    assert_same(folder.path(), "overlapping", "whole");
    let message = merge(&["part-1", "part-2"], "part-2").refused(2);
    assert!(message.contains("part-2 is one of the shares"), "{message}");
}

#[test]
fn what_does_not_belong_together_is_not_joined() {
    let folder = data();
    let share = |out: &str, more: &[&str]| study(folder.path(), out, &[&GRID[..], more, &["--quiet"]].concat()).done();
    let merge = |parts: &[&str], more: &[&str]| {
        triax(folder.path(), [&["study", "merge"], parts, more, &["--out", "joined"]].concat())
    };
    share("part-1", &["--shard", "1/2"]);
    share("other-settings", &["--shard", "2/2", "--epochs", "3"]);
    let message = merge(&["part-1", "other-settings"], &[]).refused(2);
    assert!(message.contains("`settings.epochs` is 2 in part-1, and 3 in other-settings"), "{message}");

    share("part-2", &["--shard", "2/2"]);
    // One bit of one score: the last bytes of the file.
    let file = folder.path().join("part-2/trainings/00001.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.len() - 4;
    bytes[at] ^= 1;
    fs::create_dir_all(folder.path().join("changed/trainings")).unwrap();
    fs::copy(folder.path().join("part-2/study.json"), folder.path().join("changed/study.json")).unwrap();
    fs::write(folder.path().join("changed/trainings/00001.safetensors"), bytes).unwrap();
    let message = merge(&["part-1", "part-2", "changed"], &[]).refused(1);
    assert!(message.contains("training 1 came out otherwise") && message.contains("changed/trainings"), "{message}");
    fs::remove_dir_all(folder.path().join("joined")).unwrap();

    fs::write(folder.path().join("more.csv"), recordings::csv(4, 176)).unwrap();
    let message = merge(&["part-1", "part-2"], &["--data", "more.csv"]).refused(1);
    assert!(message.contains("this is not the data") && message.contains("fingerprint"), "{message}");
    fs::rename(folder.path().join("data.csv"), folder.path().join("moved.csv")).unwrap();
    fs::rename(folder.path().join("more.csv"), folder.path().join("data.csv")).unwrap();
    share("other-data", &["--shard", "2/2"]);
    let message = merge(&["part-1", "other-data"], &[]).refused(2);
    assert!(message.contains("`data.fingerprint`"), "{message}");
    // Data that has moved is named.
    merge(&["part-1", "part-2"], &["--data", "moved.csv"]).done();
    let message = merge(&["nowhere"], &[]).refused(1);
    assert!(message.contains("nowhere"), "{message}");
}

#[test]
fn what_a_study_is_cannot_be_said_again_where_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for options in [&["--no-baselines"][..], &["--seeds", "2"], &["--vary", "dropout=0.1,0.2"], &["--out", "other"]] {
        let refused = triax(folder.path(), [&["study", "--resume", "study"], options].concat()).refused(2);
        assert!(refused.contains("--resume") && refused.contains(options[0]), "{refused}");
    }
    let refused = triax(folder.path(), ["tune", "--resume", "search", "--budget", "5m"]).refused(2);
    assert!(refused.contains("--resume") && refused.contains("--budget"), "{refused}");
}

#[test]
fn a_study_that_goes_on_keeps_its_settings() {
    let folder = data();
    study(folder.path(), "study", &GRID).done();
    let before = fs::read(folder.path().join("study/timings.csv")).unwrap();
    // A finished one is only summed up again.
    fs::remove_file(folder.path().join("study/summary.json")).unwrap();
    triax(folder.path(), ["study", "--resume", "study", "--device", "cpu", "--quiet"]).done();
    assert!(is_over(folder.path(), "study"));
    assert_eq!(before, fs::read(folder.path().join("study/timings.csv")).unwrap());
    let message = triax(folder.path(), ["study", "--resume", "study", "--epochs", "5"]).refused(2);
    assert!(message.contains("leave `epochs` out"), "{message}");
    triax(folder.path(), ["study", "--resume", "study", "--seeds", "5"]).refused(2);
    let message = study(folder.path(), "study", &[&GRID[..], &["--epochs", "5"]].concat()).refused(1);
    assert!(message.contains("`settings.epochs` is 2 there, and 5 here"), "{message}");
    let message = triax(folder.path(), ["study", "--resume", "nowhere"]).refused(1);
    assert!(message.contains("nowhere"), "{message}");

    fs::write(folder.path().join("data.csv"), recordings::csv(4, 161)).unwrap();
    let message = triax(folder.path(), ["study", "--resume", "study"]).refused(1);
    assert!(message.contains("`data.fingerprint`"), "{message}");
}

#[test]
fn results_come_while_a_study_goes_on() {
    let folder = data();
    let mut child = begin(folder.path(), &arguments("study", &LONG), "study");
    let n_lines = || fs::read_to_string(folder.path().join("study/results.csv")).unwrap().lines().count();
    while n_lines() == 1 {
        assert!(child.try_wait().unwrap().is_none(), "the study ended by itself");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!is_over(folder.path(), "study"), "there were no results before all of them");
}

#[test]
fn two_processes_do_not_work_in_one_folder() {
    let folder = data();
    let args = arguments("study", &LONG);
    let mut child = begin(folder.path(), &args, "study");
    let second = triax(folder.path(), &args);
    let joining = triax(folder.path(), ["study", "merge", "study", "--out", "joined"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!is_over(folder.path(), "study"), "the study was over before the others came");
    for message in [second.refused(1), joining.refused(1)] {
        assert!(message.contains("another process is at work there"), "{message}");
    }
}

#[test]
fn damaged_and_foreign_trainings_are_named() {
    let folder = data();
    study(folder.path(), "study", &GRID).done();
    let whole = fs::read(folder.path().join("study/results.csv")).unwrap();
    let file = folder.path().join("study/trainings/00003.safetensors");
    let bytes = fs::read(&file).unwrap();
    study(folder.path(), "other", &[&GRID[..], &["--activities", "jog,sit"]].concat()).done();
    let foreign = fs::read(folder.path().join("other/trainings/00003.safetensors")).unwrap();
    let neighbour = fs::read(folder.path().join("study/trainings/00004.safetensors")).unwrap();
    for bad in [&bytes[..bytes.len() / 2], b"", &foreign, &neighbour] {
        fs::write(&file, bad).unwrap();
        let message = study(folder.path(), "study", &GRID).refused(1);
        assert!(message.contains("00003.safetensors") && message.contains("remove it"), "{message}");
    }
    fs::remove_file(&file).unwrap();
    study(folder.path(), "study", &GRID).done();
    assert_eq!(whole, fs::read(folder.path().join("study/results.csv")).unwrap());
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let folder = data();
    let refused = |more: &[&str], expected: &str| {
        let message = study(folder.path(), "study", more).refused(2);
        assert!(message.contains(expected), "`{expected}` is not in: {message}");
        assert!(!folder.path().join("study").exists(), "a folder was left");
    };
    refused(&["--vary", "dropuot=0.1,0.2"], "--vary dropuot=0.1,0.2: there is no setting called `dropuot`");
    refused(&["--vary", "loss"], "loss=hinge,squared_hinge");
    refused(&["--vary", "loss=hinge,mse"], "mse");
    refused(&["--vary", "dropout=0.1,0.10"], "0.1 again");
    refused(&["--vary", "seed=1,2"], "--seeds");
    refused(&["--vary", "loss=hinge,squared_hinge", "--loss", "hinge"], "`loss` varies and is \"hinge\"");
    refused(&["--early-stopping", "3"], "--epochs");
    refused(&["--split", "random"], "--folds");
    refused(&["--valid-subjects", "p1"], "--folds held-out");
    refused(&["--folds", "halves"], "group-K");
    refused(&["--shard", "4/3"], "I/N");
    refused(&["--seeds", "0"], "0");
    for (text, expected) in [
        ("[vary]\ndropuot = [0.1]\n", "no setting called `dropuot`"),
        ("[settings]\nepoch = 3\n", "no setting called `epoch`"),
        ("[settings]\nrecorded = 3\n", "no setting called `recorded`"),
        ("[settings]\nepochs = 'many'\n", "many"),
        ("[vary]\nloss = []\n", "no values"),
        ("[vary]\nloss = 3\n", "line 2"),
        ("[vary]\nloss = [{}]\n", "no value of a setting"),
        ("seed = 3\n", "unknown field `seed`"),
        ("folds = 'halves'\n", "`folds`: write loso"),
        ("seeds = 0\n", "`seeds` is 0"),
        ("seeds = -1\n", "line 1"),
        ("seeds\n", "line 1"),
    ] {
        fs::write(folder.path().join("grid.toml"), text).unwrap();
        let message =
            triax(folder.path(), ["study", "--file", "grid.toml", "--data", "data.csv", "--out", "study"]).refused(2);
        assert!(message.contains(expected), "`{expected}` is not in: {message}");
    }
    let message = triax(folder.path(), ["study", "--file", "gone.toml"]).refused(1);
    assert!(message.contains("gone.toml"), "{message}");
    let message = study(folder.path(), "study", &["--folds", "group-9"]).refused(1);
    assert!(message.contains("9 groups"), "{message}");
    fs::create_dir(folder.path().join("full")).unwrap();
    fs::write(folder.path().join("full/thesis.txt"), "years of work").unwrap();
    let message = study(folder.path(), "full", &GRID).refused(1);
    assert!(message.contains("it holds files"), "{message}");
}

#[test]
fn random_folds_are_warned_about_first() {
    let folder = data();
    let answer = study(folder.path(), "study", &["--folds", "random-3", "--seeds", "2"]).done();
    assert!(answer.stderr.starts_with("warning: these folds are no test on unseen people"), "{}", answer.stderr);
    let at = |text: &str| answer.stdout.find(text).unwrap_or_else(|| panic!("no `{text}` in\n{}", answer.stdout));
    assert!(at("These figures are no test on unseen people:") < at("mean over 4 subjects"));
    let html = fs::read_to_string(folder.path().join("study/report.html")).unwrap();
    assert!(html.find("class=\"warning\"").expect("a warning") < html.find("<h1").unwrap());
    let answer = triax(folder.path(), ["evaluate", "study", "--device", "cpu"]).done();
    assert!(answer.stderr.contains("no test on unseen people"), "{}", answer.stderr);
}

#[test]
fn progress_is_printed_as_json() {
    let folder = data();
    let answer = study(folder.path(), "study", &[&GRID[..], &["--json"]].concat()).done();
    let lines = answer.json_lines();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["start", "progress", "end"]);
    assert_eq!((&lines[0]["n_trainings"], &lines[0]["share"]), (&16.into(), &"1/1".into()));
    assert_eq!((&lines[1]["trainings"], &lines[1]["of"]), (&16.into(), &16.into()));
    assert_eq!(lines[2]["summary"], read_json(folder.path().join("study/summary.json")));
    let answer = study(folder.path(), "part", &[&GRID[..], &["--json", "--shard", "1/2"]].concat()).done();
    assert_eq!(answer.json_lines().last().unwrap()["share"], "1/2");
    assert_eq!(study(folder.path(), "quiet", &[&GRID[..], &["--quiet"]].concat()).done().stdout, "");
}

#[test]
fn every_kind_of_folds_comes_to_an_end() {
    let folder = data();
    for (folds, more, n_folds) in [
        ("loso", &[][..], 4),
        ("group-2", &[], 2),
        ("held-out", &["--valid-subjects", "p1,p3"], 1),
        ("held-out", &["--valid-fraction", "0.3"], 1),
        ("random-3", &[], 3),
    ] {
        let _ = fs::remove_dir_all(folder.path().join("study"));
        let args = [&["--folds", folds, "--seeds", "1", "--no-baselines", "--quiet"], more].concat();
        study(folder.path(), "study", &args).done();
        let summary = read_json(folder.path().join("study/summary.json"));
        assert_eq!((&summary["n_folds"], &summary["folds"]), (&n_folds.into(), &folds.into()));
        assert_eq!(summary["competitors"].as_array().unwrap().len(), 1, "one seed is no ensemble");
    }
    recordings::uci_har(&folder.path().join("har"));
    let args = [
        "study", "--data", "har", "--convs", "4:5:2:2", "--hidden", "8", "--epochs", "2", "--device", "cpu", "--seeds",
        "2",
    ];
    let answer = triax(folder.path(), [&args[..], &["--folds", "predefined", "--out", "predefined"]].concat()).done();
    assert!(answer.stdout.contains("predefined"), "{}", answer.stdout);
}

#[test]
fn one_subject_has_random_folds_only() {
    let folder = recordings::csv_folder(1, 160);
    let answer = study(folder.path(), "study", &GRID).done();
    assert!(answer.stderr.contains("no test on unseen people"), "{}", answer.stderr);
    assert!(answer.stdout.contains("one subject\n") && !answer.stdout.contains("1 subjects"), "{}", answer.stdout);
    let message = study(folder.path(), "loso", &["--folds", "loso"]).refused(1);
    assert!(message.contains("only `p0`"), "{message}");
}

#[test]
fn trainings_that_break_down_are_counted_and_leave_the_others_alone() {
    let folder = data();
    let more = ["--vary", "learning-rate=0.01,1e30", "--seeds", "2", "--optimizer", "sgd"];
    let answer = study(folder.path(), "study", &more).done();
    assert!(answer.stdout.contains("8 of 16 trainings broke down"), "{}", answer.stdout);
    let rows = table(&folder.path().join("study/results.csv"));
    let broken = rows[1..].iter().filter(|row| !row.last().unwrap().is_empty());
    assert!(broken.clone().all(|row| row[1].starts_with("learning_rate=1")) && broken.count() == 8);
    let summary = read_json(folder.path().join("study/summary.json"));
    let names = summary["competitors"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
    assert!(
        names.clone().any(|name| name == "learning_rate=0.01") && !names.clone().any(|name| name.contains("=1000"))
    );
    let all = ["--learning-rate", "1e30", "--seeds", "1", "--optimizer", "sgd", "--no-baselines"];
    study(folder.path(), "all", &all).done();
    let message = triax(folder.path(), ["evaluate", "all"]).refused(1);
    assert!(message.contains("all trainings of all broke down"), "{message}");
}

#[test]
fn two_devices_share_a_study() {
    let folder = data();
    let more = ["--vary", "dropout=0.1,0.3", "--vary", "loss=hinge,squared_hinge", "--seeds", "3"];
    study(folder.path(), "one", &more).done();
    let args: Vec<&str> =
        arguments("two", &more).into_iter().filter(|arg| !["--device", "cpu"].contains(arg)).collect();
    triax(folder.path(), [&args[..], &["--devices", "cpu,cpu"]].concat()).done();
    for file in &RESULTS[..4] {
        let [a, b] = ["one", "two"].map(|study| fs::read_to_string(folder.path().join(study).join(file)).unwrap());
        assert_eq!(a, b, "{file}");
    }
}

/// What `evaluate --json` says.
fn judged(folder: &Path, args: &[&str]) -> Value {
    triax(folder, [&["evaluate"], args, &["--device", "cpu", "--json"]].concat()).done().json_lines().remove(0)
}

#[test]
fn a_study_judges_its_own_data_by_networks_that_have_not_seen_it() {
    let folder = data();
    let more = [
        "--vary",
        "loss=squared_hinge,categorical_crossentropy",
        "--vary",
        "normalize=gravity,standard",
        "--seeds",
        "2",
    ];
    study(folder.path(), "study", &more).done();
    let summary = read_json(folder.path().join("study/summary.json"));
    let competitors = |kind: &str| {
        summary["competitors"].as_array().unwrap().iter().filter(|one| one["kind"] == kind).collect::<Vec<_>>()
    };
    for ensemble in competitors("ensemble") {
        let setting = ensemble["name"].as_str().unwrap().trim_end_matches(" × 2 seeds");
        let found = judged(folder.path(), &["study", "--setting", setting]);
        assert_eq!(found["metrics"]["confusion"], ensemble["confusion"], "{setting}");
        assert_eq!((&found["n_windows"], &found["n_networks"]), (&108.into(), &8.into()));
        let judged = found["judged"].as_str().unwrap();
        assert!(judged.contains("networks of its fold as one, which have not trained on its subject"), "{judged}");
    }
    // Without a setting it is the best one; the same data by another path is the same data.
    let found = judged(folder.path(), &["study"]);
    assert_eq!(found["setting"], competitors("network")[0]["name"]);
    fs::copy(folder.path().join("data.csv"), folder.path().join("copy.csv")).unwrap();
    assert_eq!(judged(folder.path(), &["study", "--data", "copy.csv"])["metrics"], found["metrics"]);
    let text = triax(folder.path(), ["evaluate", "study", "--device", "cpu"]).done().stdout;
    assert!(text.contains("8 networks of ") && text.contains("confusion"), "{text}");

    let trained_on = judged(folder.path(), &["study", "--part", "train"]);
    assert!(trained_on["judged"].as_str().unwrap().contains("were trained on"), "{trained_on}");

    // Other data is for all networks.
    fs::write(folder.path().join("other.csv"), recordings::csv(3, 80)).unwrap();
    let other = judged(folder.path(), &["study", "--data", "other.csv"]);
    assert_eq!((&other["n_windows"], &other["judged"]), (&36.into(), &"all of the data".into()));
    for (args, expected) in [
        (&["--part", "all"][..], "fold by fold"),
        (&["--step", "8"], "fold by fold"),
        (&["--weights", "best"], "--weights best"),
        (&["--setting", "loss=mse"], "has no setting `loss=mse`"),
    ] {
        let message = triax(folder.path(), [&["evaluate", "study"], args].concat()).refused(2);
        assert!(message.contains(expected), "{message}");
    }
    let answer = triax(folder.path(), ["model", "study"]).done();
    assert!(
        answer.stdout.contains("by each of the 8 networks") && answer.stdout.contains("jog, sit, walk"),
        "{}",
        answer.stdout
    );
}

#[test]
fn the_networks_of_a_study_predict_as_one() {
    let folder = data();
    study(folder.path(), "study", &GRID).done();
    fs::write(folder.path().join("other.csv"), recordings::csv(2, 80)).unwrap();
    let predict = |what: &str, more: &[&str]| {
        let args = [&["predict", what, "--data", "other.csv", "--device", "cpu", "--step", "16"], more].concat();
        triax(folder.path(), args).done()
    };
    let together = predict("study", &["--setting", "loss=hinge"]).stdout;
    let scores = |text: &str| -> Vec<Vec<f64>> {
        text.lines().skip(1).map(|line| line.split(',').skip(5).map(|score| score.parse().unwrap()).collect()).collect()
    };
    // loss=hinge comes first: trainings 0 to 7. Margins are averaged.
    let alone: Vec<_> =
        (0..8).map(|n| scores(&predict(&format!("study/weights/{n:05}.safetensors"), &[]).stdout)).collect();
    let found = scores(&together);
    assert_eq!(found.len(), 2 * 3 * 4);
    for (row, scores) in found.iter().enumerate() {
        for (class, score) in scores.iter().enumerate() {
            let mean = alone.iter().map(|scores| scores[row][class]).sum::<f64>() / 8.0;
            assert!((score - mean).abs() < 1e-5 * mean.abs().max(1.0), "{score}, mean {mean}");
        }
    }
    let best =
        read_json(folder.path().join("study/summary.json"))["competitors"][0]["name"].as_str().unwrap().to_owned();
    let answer = predict("study", &[]);
    assert!(answer.stderr.contains(&format!("the 8 networks of `{best}`")), "{}", answer.stderr);
    assert_eq!(answer.stdout, predict("study", &["--setting", &best]).stdout);
    // Rows as they come give what the file gives.
    let child = command(folder.path(), ["predict", "study", "-", "--device", "cpu", "--step", "16"])
        .stdin(fs::File::open(folder.path().join("other.csv")).unwrap())
        .output()
        .unwrap();
    assert_eq!(Answer::from_output(child).done().stdout, answer.stdout);
}

#[test]
fn a_study_that_cannot_predict_says_why() {
    let folder = data();
    study(folder.path(), "bare", &[&GRID[..], &["--keep-weights", "false"]].concat()).done();
    for command in [&["evaluate", "bare"][..], &["predict", "bare", "--data", "data.csv"]] {
        let message = triax(folder.path(), command).refused(1);
        assert!(message.contains("0 of 8 networks") && message.contains("--keep-weights true"), "{message}");
    }
    study(folder.path(), "part", &[&GRID[..], &["--shard", "1/2"]].concat()).done();
    let message = triax(folder.path(), ["evaluate", "part"]).refused(1);
    assert!(message.contains("not finished"), "{message}");
    train_small(folder.path(), "data.csv", "run", &["--quiet"]).done();
    let message = triax(folder.path(), ["evaluate", "run", "--setting", "loss=hinge"]).refused(2);
    assert!(message.contains("--setting belongs to a study"), "{message}");
}
