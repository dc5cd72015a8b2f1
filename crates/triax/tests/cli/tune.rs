//! `triax tune`: what a search finds, what it writes, who judges it, and how it goes on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::recordings::csv;
use crate::{command, triax};

/// A space of small networks and short trainings.
const SPACE: &str = r#"
[settings]
model = "network"
epochs = 2
hidden = [8]
optimizer = "adam"
learning_rate = 0.01
loss = "squared_hinge"
mix = 0
time_warp = 0
lr_schedule = "constant"
average_last = 1
[vary]
window = [32, 48]
convs = ["4:5:2:2", "8:3:2:2"]
"#;

/// A folder with recordings of `n` people, and a space for them.
fn data(n: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data.csv"), csv(n, 160)).unwrap();
    fs::write(folder.path().join("space.toml"), SPACE).unwrap();
    folder
}

/// A search of so many trainings into the folder `out`.
fn tune<'a>(out: &'a str, budget: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["tune", "--data", "data.csv", "--space", "space.toml", "--device", "cpu", "--seeds", "1"];
    args.extend(["--budget", budget, "--out", out]);
    args.extend(more);
    args
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn summary(folder: &Path, out: &str) -> Value {
    serde_json::from_str(&read(folder, &format!("{out}/summary.json"))).unwrap()
}

fn names(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// The people by whom candidates are judged in the studies below `path`, without the judgement of the chosen ones.
fn judges_below(path: &Path) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() && !entry.ends_with("judgement") {
            all.extend(judges_below(&entry));
        } else if entry.ends_with("study.json") {
            let study: Value = serde_json::from_str(&fs::read_to_string(&entry).unwrap()).unwrap();
            study["study"]["folds"].as_object().unwrap().values().for_each(|people| all.extend(names(people)));
        }
    }
    all
}

#[test]
fn a_search_ends_with_settings_a_run_and_both_figures() {
    let folder = data(7);
    let answer = triax(folder.path(), tune("found", "30", &[])).done();
    let found = summary(folder.path(), "found");
    for said in ["in the search, which is flattering", "by unseen people", "chosen settings", "best.toml"] {
        assert!(answer.stdout.contains(said), "{said}: {}", answer.stdout);
    }
    let used = found["search"]["used"].as_u64().unwrap();
    assert!((15..=30).contains(&used), "{used}");
    let rows = read(folder.path(), "found/candidates.csv");
    assert_eq!(rows.lines().count(), 1 + found["search"]["candidates"].as_array().unwrap().len());
    assert_eq!(rows.lines().filter(|row| row.contains(",chosen,")).count(), 1);
    // Those who judge in the end have no part in the search.
    let held_out = names(&found["held_out"]);
    assert_eq!(held_out.len(), 1);
    let judges = judges_below(&folder.path().join("found/search"));
    assert_eq!(judges.len(), 6);
    assert!(held_out.iter().all(|who| !judges.contains(who)), "{held_out:?} in {judges:?}");
    let judged = &found["judged"][0];
    assert_eq!(
        (judged["name"].as_str(), judged["people"][0]["subject"].as_str()),
        (Some("chosen"), Some(&*held_out[0]))
    );
    // The run holds them out too, and comes to the same figure with the first seed.
    let run: Value = serde_json::from_str(&read(folder.path(), "found/run/metrics.json")).unwrap();
    let config: Value = serde_json::from_str(&read(folder.path(), "found/run/config.json")).unwrap();
    assert_eq!(names(&config["valid_subjects"]), held_out);
    assert_eq!(run["last"]["validation"]["macro_f1"], judged["macro_f1"]["mean"]);
    assert!(read(folder.path(), "found/report.html").contains("unseen people"));
    triax(folder.path(), ["predict", "found/run", "--data", "data.csv", "--out", "predictions.csv"]).done();
}

/// Whatever those have recorded who judge in the end: the search does not know, and comes to the same.
#[test]
fn a_search_sees_nothing_of_those_who_judge() {
    let folder = data(6);
    let changed = |line: &str| match line.split(',').collect::<Vec<_>>()[..] {
        ["p5", activity, time, _, y, z] => format!("p5,{activity},{time},7.5,{z},{y}\n"),
        _ => format!("{line}\n"),
    };
    let recordings = read(folder.path(), "data.csv");
    fs::write(folder.path().join("other.csv"), recordings.lines().map(changed).collect::<String>()).unwrap();
    for (data, out) in [("data.csv", "a"), ("other.csv", "b")] {
        let args = tune(out, "20", &["--valid-subjects", "p5", "--quiet"]);
        triax(folder.path(), args.iter().map(|&arg| if arg == "data.csv" { data } else { arg })).done();
    }
    assert_eq!(read(folder.path(), "a/candidates.csv"), read(folder.path(), "b/candidates.csv"));
    let [a, b] = ["a", "b"].map(|out| summary(folder.path(), out));
    assert_eq!(names(&a["held_out"]), ["p5"]);
    assert_ne!(a["judged"], b["judged"]);
}

#[test]
fn what_was_found_goes_through_train_and_study() {
    let folder = data(6);
    triax(folder.path(), tune("found", "12", &["--quiet"])).done();
    triax(folder.path(), ["train", "--config", "found/best.toml", "--device", "cpu", "--out", "again", "--quiet"])
        .done();
    let [chosen, config]: [Value; 2] = ["found/run/config.json", "again/config.json"]
        .map(|file| serde_json::from_str(&read(folder.path(), file)).unwrap());
    for setting in ["window", "step", "convs", "dropout", "epochs", "rotate", "normalize"] {
        assert_eq!(config[setting], chosen[setting], "{setting}");
    }
    let study = [
        "study",
        "--file",
        "found/best.toml",
        "--device",
        "cpu",
        "--folds",
        "group-2",
        "--seeds",
        "1",
        "--out",
        "study",
    ];
    triax(folder.path(), study).done();
    let refused = triax(folder.path(), ["train", "--config", "space.toml", "--out", "x"]).refused(2);
    assert!(refused.contains("varies") && refused.contains("study --file"), "{refused}");
}

#[test]
fn classical_models_take_part_and_one_that_wins_is_a_run_like_any_other() {
    let folder = data(6);
    let space = SPACE.replace("model = \"network\"", "");
    fs::write(folder.path().join("space.toml"), space).unwrap();
    triax(folder.path(), tune("all", "60", &["--quiet"])).done();
    let found = summary(folder.path(), "all");
    let judged: Vec<&str> =
        found["judged"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(judged[0], "chosen");
    for name in ["reference", "logistic regression", "linear SVM", "extra trees"] {
        assert!(judged.contains(&name), "{judged:?}");
    }
    fs::write(
        folder.path().join("space.toml"),
        "[vary]\nmodel = [\"logistic_regression\", \"linear_svm\"]\nwindow = [32, 48]\n",
    )
    .unwrap();
    let answer = triax(folder.path(), tune("classical", "30", &[])).done();
    assert!(answer.stdout.contains("model="), "{}", answer.stdout);
    assert!(answer.stdout.contains("A classical model"), "{}", answer.stdout);
    let best = read(folder.path(), "classical/best.toml");
    assert!(best.contains("model = \"") && !best.contains("dropout"), "{best}");
    triax(folder.path(), ["predict", "classical/run", "--data", "data.csv", "--out", "predictions.csv"]).done();
}

#[test]
fn a_search_that_is_killed_goes_on_to_the_same_bytes() {
    let folder = data(6);
    triax(folder.path(), tune("whole", "20", &["--quiet"])).done();
    for (n, milliseconds) in [30, 150, 300, 600, 1200].into_iter().enumerate() {
        let out = format!("cut-{n}");
        let args = tune(&out, "20", &["--quiet"]);
        let mut child = command(folder.path(), &args).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = child.kill();
        child.wait().unwrap();
        if n % 2 == 0 || !folder.path().join(&out).join("tune.json").exists() {
            triax(folder.path(), args).done();
        } else {
            triax(folder.path(), ["tune", "--resume", &out, "--quiet"]).done();
        }
        for file in ["candidates.csv", "summary.json", "best.toml", "report.html", "run/last.safetensors"] {
            let [a, b] = ["whole", &out].map(|out| fs::read(folder.path().join(out).join(file)).unwrap());
            assert!(a == b, "{file} differs after {milliseconds} ms");
        }
    }
    let another = triax(folder.path(), tune("whole", "21", &[])).refused(1);
    assert!(another.contains("another tune") && another.contains("budget"), "{another}");
}

#[test]
fn a_nested_search_is_judged_by_everybody_and_can_be_shared_out() {
    let folder = data(6);
    let nested = ["--nested=group-3", "--folds", "group-2", "--quiet"];
    triax(folder.path(), tune("whole", "6", &nested)).done();
    let found = summary(folder.path(), "whole");
    let judged: BTreeSet<&str> =
        found["judged"][0]["people"].as_array().unwrap().iter().map(|one| one["subject"].as_str().unwrap()).collect();
    assert_eq!(judged.len(), 6, "everybody judges once");
    assert!(names(&found["held_out"]).is_empty());
    for one in found["searches"].as_array().unwrap() {
        let (name, held_out) = (one["name"].as_str().unwrap(), names(&one["held_out"]));
        let seen = judges_below(&folder.path().join("whole").join(name));
        assert_eq!((seen.len(), held_out.len()), (4, 2));
        assert!(held_out.iter().all(|who| !seen.contains(who)), "{name}: {held_out:?} in {seen:?}");
    }
    for part in ["1", "2"] {
        let shard = format!("{part}/2");
        let out = format!("part-{part}");
        let more = [&nested[..], &["--shard", &shard]].concat();
        triax(folder.path(), tune(&out, "6", &more)).done();
    }
    let missing = triax(folder.path(), ["tune", "merge", "part-1", "--out", "half"]).refused(1);
    assert!(missing.contains("share"), "{missing}");
    triax(folder.path(), ["tune", "merge", "part-1", "part-2", "--out", "joined"]).done();
    for file in ["candidates.csv", "summary.json", "best.toml", "run/last.safetensors"] {
        let [a, b] = ["whole", "joined"].map(|out| fs::read(folder.path().join(out).join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
}

#[test]
fn a_preset_that_needs_longer_windows_does_not_take_part() {
    let folder = data(6);
    let space = SPACE.replace("[32, 48]", "[32]").replace("\"8:3:2:2\"]", "\"32:5:1:2,64:5:1:2,96:5:1:2\"]");
    fs::write(folder.path().join("space.toml"), space).unwrap();
    let said = triax(folder.path(), tune("short", "8", &[])).done().stderr;
    assert!(said.contains("preset subject does not take part: pool3: "), "{said}");
    let found = summary(folder.path(), "short");
    let judged: Vec<&str> =
        found["judged"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(judged.contains(&"reference") && !judged.contains(&"preset subject"), "{judged:?}");
}

#[test]
fn a_time_becomes_work_that_repeats_the_search() {
    let folder = data(6);
    triax(folder.path(), tune("timed", "1s", &["--quiet"])).done();
    let found = summary(folder.path(), "timed");
    let budget = found["budget"].as_str().unwrap();
    assert!(budget.ends_with("GMAC"), "{budget}");
    assert!(found["command"].as_str().unwrap().contains(&format!("--budget {budget}")));
    // The same command goes on with the work that was measured, whatever the machine does now.
    triax(folder.path(), tune("timed", "1s", &["--quiet"])).done();
    triax(folder.path(), tune("again", budget, &["--quiet"])).done();
    assert_eq!(read(folder.path(), "timed/candidates.csv"), read(folder.path(), "again/candidates.csv"));
}

#[test]
fn what_makes_no_sense_is_refused_with_a_remedy() {
    let folder = data(6);
    fs::write(folder.path().join("three.csv"), csv(3, 160)).unwrap();
    fs::write(folder.path().join("other.toml"), "folds = \"loso\"\n[vary]\ndropout = [0.1]\n").unwrap();
    let refused = |code: i32, args: &[&str]| triax(folder.path(), args).refused(code);
    let few = refused(1, &["tune", "--data", "three.csv", "--device", "cpu", "--out", "x"]);
    assert!(few.contains("3 people") && few.contains("4 at least"), "{few}");
    for (args, said) in [
        (&["tune", "--data", "data.csv", "--shard", "1/2"][..], "one of the searches of --nested"),
        (&["tune", "--data", "data.csv", "--preset", "subject"], "both presets take part"),
        (&["tune", "--data", "data.csv", "--split", "random"], "--valid-subjects"),
        (&["tune", "--data", "data.csv", "--folds", "random-3"], "loso or group-K"),
        (&["tune", "--data", "data.csv", "--nested", "--valid-fraction", "0.3"], "--valid-fraction"),
        (&["tune", "--data", "data.csv", "--budget", "soon"], "10m"),
        (&["tune", "--data", "data.csv", "--space", "other.toml"], "[vary]"),
        (&["tune", "--data", "data.csv", "--valid-fraction", "0.8", "--budget", "5"], "hold fewer out"),
        (&["tune", "--data", "data.csv", "--early-stopping", "3"], "--epochs"),
    ] {
        let message = refused(2, args);
        assert!(message.contains(said), "{args:?}: {message}");
    }
    let nothing = refused(1, &["tune", "--resume", "nowhere"]);
    assert!(nothing.contains("not the folder of a search"), "{nothing}");
    let left: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.contains(&"runs".to_owned()), "{left:?}");
}
