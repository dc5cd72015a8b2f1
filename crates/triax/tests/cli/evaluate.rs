//! `evaluate`: what is judged, and that it is said.

use std::fs;

use serde_json::Value;

use crate::{read_json, recordings, trained, triax};

fn judged(folder: &std::path::Path, args: &[&str]) -> Value {
    let answer = triax(folder, [&["evaluate"], args, &["--device", "cpu", "--json"]].concat()).done();
    serde_json::from_str(&answer.stdout).unwrap()
}

#[test]
fn the_runs_own_validation_part_gives_the_runs_own_figures() {
    let folder = trained();
    let metrics = read_json(folder.path().join("run/metrics.json"));
    for (weights, part) in [("best", "best"), ("last", "last")] {
        let found = judged(folder.path(), &["run", "--weights", weights]);
        assert_eq!(found["metrics"], metrics[part]["validation"], "{weights}");
        let held_out =
            read_json(folder.path().join("run/config.json"))["recorded"]["split"]["valid_subjects"][0].take();
        let expected = format!("the run's validation part (subjects {})", held_out.as_str().unwrap());
        assert_eq!(found["judged"].as_str(), Some(expected.as_str()));
    }
    // The same data by another path is the same data.
    fs::copy(folder.path().join("data.csv"), folder.path().join("copy.csv")).unwrap();
    let found = judged(folder.path(), &["run", "--data", "copy.csv"]);
    assert_eq!(found["metrics"], metrics["last"]["validation"]);
}

#[test]
fn parts_are_what_they_are_called() {
    let folder = trained();
    assert_eq!(judged(folder.path(), &["run", "--part", "train"])["n_windows"], 81);
    assert_eq!(judged(folder.path(), &["run", "--part", "all"])["n_windows"], 108);
    // A weight file does not know its data.
    triax(folder.path(), ["evaluate", "run/best.safetensors"]).refused(2);
    let found = judged(folder.path(), &["run/best.safetensors", "--data", "data.csv"]);
    assert_eq!((found["n_windows"].as_u64(), found["judged"].as_str()), (Some(108), Some("all of the data")));
}

#[test]
fn other_data_is_judged_as_a_whole_or_split_anew() {
    let folder = trained();
    fs::write(folder.path().join("other.csv"), recordings::csv(3, 80)).unwrap();
    let found = judged(folder.path(), &["run", "--data", "other.csv"]);
    assert_eq!((found["n_windows"].as_u64(), found["judged"].as_str()), (Some(36), Some("all of the data")));
    let args = ["run", "--data", "other.csv", "--split", "subject", "--valid-subjects", "p1"];
    let found = judged(folder.path(), &args);
    assert_eq!(found["judged"].as_str(), Some("the validation part of a new split (subjects p1)"));
    assert_eq!(found["n_windows"], 12);
    let message = triax(folder.path(), ["evaluate", "run", "--data", "other.csv", "--part", "valid"]).refused(2);
    assert!(message.contains("--split"), "{message}");
}

#[test]
fn people_count_once_each_where_it_is_known_who_they_are() {
    let folder = trained();
    fs::write(folder.path().join("other.csv"), recordings::csv(3, 80)).unwrap();
    let found = judged(folder.path(), &["run", "--data", "other.csv"]);
    let people = found["subjects"].as_array().unwrap();
    let names: Vec<&str> = people.iter().map(|one| one["subject"].as_str().unwrap()).collect();
    assert_eq!(names, ["p0", "p1", "p2"]);
    for figure in ["macro_f1", "accuracy"] {
        let mean = people.iter().map(|one| one[figure].as_f64().unwrap()).sum::<f64>() / 3.0;
        let over = &found["over_subjects"][figure];
        assert!((over["mean"].as_f64().unwrap() - mean).abs() < 1e-12, "{over}");
        assert!(over["low"].as_f64().unwrap() <= mean && mean <= over["high"].as_f64().unwrap(), "{over}");
    }
    let said = |data: &str| triax(folder.path(), ["evaluate", "run", "--data", data, "--device", "cpu"]).done().stdout;
    let all = said("other.csv").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(all.contains("people macro-F1 ") && all.contains("means over 3 people, with 95 % intervals"), "{all}");
    // One person is all of the windows.
    fs::write(folder.path().join("one.csv"), recordings::csv(1, 80)).unwrap();
    assert!(!said("one.csv").contains("\npeople"));
}

#[test]
fn activities_the_network_does_not_know_are_left_out_and_named() {
    let folder = trained();
    let text = recordings::csv(2, 80).replace(",walk,", ",swim,");
    fs::write(folder.path().join("other.csv"), text).unwrap();
    let answer = triax(folder.path(), ["evaluate", "run", "--data", "other.csv", "--device", "cpu"]).done();
    assert!(
        answer.stderr.contains("left out 2 recordings of activities that the network does not know: swim."),
        "{}",
        answer.stderr
    );
    let none = recordings::csv(2, 80).replace(",jog,", ",a,").replace(",sit,", ",b,");
    fs::write(folder.path().join("none.csv"), none.replace(",walk,", ",c,")).unwrap();
    let message = triax(folder.path(), ["evaluate", "run", "--data", "none.csv"]).refused(1);
    assert!(message.contains("it has a, b, c") && message.contains("knows jog, sit, walk"), "{message}");
}

#[test]
fn data_of_other_channels_is_refused() {
    let folder = trained();
    fs::write(folder.path().join("two.csv"), "subject,activity,x,y\na,jog,1,2\na,sit,1,2\n").unwrap();
    let message = triax(folder.path(), ["evaluate", "run", "--data", "two.csv"]).refused(1);
    assert!(message.contains("lacks the channel z") && message.contains("it has x, y."), "{message}");
    fs::write(folder.path().join("two.csv"), "subject,activity,a,b\na,jog,1,2\na,sit,1,2\n").unwrap();
    let message = triax(folder.path(), ["evaluate", "run", "--data", "two.csv"]).refused(1);
    assert!(message.contains("2 channels (a, b)") && message.contains("3 (x, y, z)"), "{message}");
    fs::write(folder.path().join("renamed.csv"), recordings::csv(2, 80).replace("x,y,z", "a,b,c")).unwrap();
    let answer = triax(folder.path(), ["evaluate", "run", "--data", "renamed.csv", "--device", "cpu"]).done();
    assert!(answer.stderr.contains("are called a, b, c"), "{}", answer.stderr);
}
