//! Processes that are killed at any moment, and processes that begin at the same one: nothing is lost, nothing is left that
//! should not be, and the same command goes on.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::{SMALL, command, data, recordings, trained, triax, within};

/// A run of a few hundred milliseconds, into the folder `out`.
fn train(out: &str) -> Vec<&str> {
    let mut args = vec!["train", "--data", "data.csv", "--out", out, "--quiet", "--tensorboard"];
    args.extend(SMALL.chunks(2).filter(|pair| pair[0] != "--epochs").flatten());
    args.extend(["--epochs", "60", "--batch-size", "4"]);
    args
}

/// A study of a few hundred milliseconds, into the folder `out`.
fn study(out: &str) -> Vec<&str> {
    let mut args = vec!["study", "--data", "data.csv", "--out", out, "--quiet", "--folds", "group-2", "--seeds", "20"];
    args.extend(SMALL);
    args
}

/// Kills `args` after so long.
fn kill_after(folder: &Path, args: &[&str], time: Duration) {
    let mut child = command(folder, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(time);
    let _ = child.kill();
    child.wait().unwrap();
}

/// Every file and folder below `path`.
fn below(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| [vec![path.clone()], below(&path)].concat()).collect()
}

#[track_caller]
fn assert_nothing_half(path: &Path) {
    let names = below(path).into_iter().map(|path| path.display().to_string());
    let half: Vec<String> = names.filter(|name| name.ends_with(".partial")).collect();
    assert!(half.is_empty(), "{half:?}");
}

#[track_caller]
fn assert_same(folder: &Path, one: &str, other: &str, files: &[&str]) {
    for file in files {
        let [a, b] = [one, other].map(|name| fs::read(folder.join(name).join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
}

/// From before the folder is made, to near the end.
fn moments() -> impl Iterator<Item = Duration> {
    (0..10).map(|n| Duration::from_millis(5 * n)).chain((1..8).map(|n| Duration::from_millis(40 + 30 * n)))
}

#[test]
fn a_run_that_is_killed_at_any_moment_goes_on_or_begins_again() {
    let folder = data();
    triax(folder.path(), train("whole")).done();
    let mut kinds = BTreeSet::new();
    for (n, time) in moments().enumerate() {
        let out = format!("run-{n}");
        kill_after(folder.path(), &train(&out), time);
        let is_there = |file: &str| folder.path().join(&out).join(file).exists();
        let answer = if is_there("report.html") {
            continue;
        } else if is_there("checkpoint.safetensors") {
            kinds.insert("resumed");
            triax(folder.path(), ["train", "--resume", &out, "--quiet"])
        } else {
            kinds.insert("begun again");
            triax(folder.path(), train(&out))
        };
        answer.done();
        assert_same(folder.path(), "whole", &out, &["best.safetensors", "last.safetensors", "metrics.json"]);
        assert_nothing_half(&folder.path().join(&out));
    }
    assert!(kinds.contains("begun again"), "no run was killed before its first checkpoint");
}

/// What a kill at the worst moments has left, made by hand: a run begins again with the same command, and one that is asked
/// to go on says so.
#[test]
fn a_run_without_a_checkpoint_says_how_to_begin_again() {
    let folder = data();
    triax(folder.path(), train("whole")).done();
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    for file in [".lock", "history.jsonl", ".triax-Ab1.partial"] {
        fs::write(run.join(file), "").unwrap();
    }
    fs::copy(folder.path().join("whole/config.json"), run.join("config.json")).unwrap();
    let message = triax(folder.path(), ["train", "--resume", "run"]).refused(1);
    let remedy = "triax train --config run/config.json --out run";
    assert!(message.contains("no checkpoint") && message.contains(remedy), "{message}");
    triax(folder.path(), remedy.split_whitespace().skip(1)).done();
    assert_same(folder.path(), "whole", "run", &["last.safetensors", "metrics.json"]);
    assert_nothing_half(&run);
}

#[test]
fn a_study_that_is_killed_at_any_moment_goes_on_with_the_same_command() {
    let folder = data();
    triax(folder.path(), study("whole")).done();
    for (n, time) in moments().enumerate() {
        let out = format!("study-{n}");
        kill_after(folder.path(), &study(&out), time);
        // What it had not finished when it was killed, if it was at work then.
        for place in ["", "trainings", "weights"] {
            let _ = fs::write(folder.path().join(&out).join(place).join(".triax-Ab1.partial"), "half");
        }
        triax(folder.path(), study(&out)).done();
        assert_same(folder.path(), "whole", &out, &["results.csv", "subjects.csv", "history.csv", "summary.json"]);
        assert_nothing_half(&folder.path().join(&out));
    }
}

#[test]
fn a_prediction_that_is_killed_leaves_the_old_file_and_the_next_one_clears_up() {
    let folder = trained();
    fs::write(folder.path().join("long.csv"), recordings::csv(8, 20_000)).unwrap();
    let predict = ["predict", "run", "--data", "long.csv", "--device", "cpu", "--step", "1", "--out", "out/p.csv"];
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    for n in 0..8 {
        fs::write(out.join("p.csv"), "old").unwrap();
        kill_after(folder.path(), &predict, Duration::from_millis(20 * n));
        let text = fs::read_to_string(out.join("p.csv")).unwrap();
        // A window from each row on that has one, of each of three activities of eight subjects.
        let is_whole = text.lines().count() == 1 + 24 * (20_000 - 31) && text.ends_with('\n');
        assert!(text == "old" || is_whole, "{} bytes are half a table", text.len());
    }
    fs::write(out.join(".triax-Ab1.partial"), "half").unwrap();
    triax(folder.path(), ["predict", "run", "--data", "data.csv", "--device", "cpu", "--out", "out/p.csv"]).done();
    assert_nothing_half(&out);
}

/// A stream is read as it grows, and keeps its rows when it is killed, which is how many streams end.
#[test]
fn a_stream_that_is_killed_keeps_its_rows_and_replaces_the_old_file_with_the_first() {
    let folder = trained();
    let path = folder.path().join("p.csv");
    fs::write(&path, "old").unwrap();
    let args = ["predict", "run", "-", "--device", "cpu", "--step", "32", "--out", "p.csv"];
    let mut child = command(folder.path(), args).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let window = |n: usize| -> String {
        let rows = (32 * n..32 * (n + 1)).map(|row| recordings::sample(0, 1, row));
        rows.map(|[x, y, z]| format!("{x},{y},{z}\n")).collect()
    };
    let text = || fs::read_to_string(&path).unwrap();
    stdin.write_all(b"x,y,z\n1,2,3\n").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(text(), "old", "no row of the table is there yet");
    for n_rows in 1..4 {
        stdin.write_all(window(n_rows).as_bytes()).unwrap();
        while text().lines().count() != 1 + n_rows {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::yield_now();
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(text().lines().count(), 4);
    assert_nothing_half(folder.path());
}

#[test]
fn a_stream_that_fails_leaves_the_old_file() {
    let folder = trained();
    let path = folder.path().join("p.csv");
    for input in ["", "a,b\n1,2\n", "x,y,z\n1,2,3\n", "x,y,z\n", "\u{0}\n"] {
        fs::write(&path, "old").unwrap();
        let args = ["predict", "run", "-", "--device", "cpu", "--out", "p.csv"];
        let mut command = command(folder.path(), args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        within(child).refused(1);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old", "{input:?}");
        assert_nothing_half(folder.path());
    }
}

#[test]
fn of_several_that_begin_in_one_folder_one_does() {
    let folder = data();
    for args in [train("run"), study("study")] {
        let children: Vec<_> = (0..4)
            .map(|_| command(folder.path(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
            .collect();
        let answers: Vec<_> = children.into_iter().map(within).collect();
        let (begun, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.code == Some(0));
        // A study that comes when the first one is over finds everything done.
        assert!(begun.len() == 1 || args[0] == "study" && !begun.is_empty(), "{} began", begun.len());
        for answer in refused {
            let message = answer.refused(1);
            assert!(message.contains("another process") || message.contains("is not empty"), "{message}");
        }
    }
    triax(folder.path(), ["evaluate", "run", "--device", "cpu"]).done();
}

#[test]
fn runs_and_studies_without_a_name_get_a_folder_each() {
    let folder = data();
    let unnamed = |args: Vec<&'static str>| -> Vec<&'static str> {
        let out = args.iter().position(|&arg| arg == "--out").unwrap();
        [&args[..out], &args[out + 2..]].concat()
    };
    let begin = |args: Vec<&'static str>| {
        command(folder.path(), unnamed(args)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..3).flat_map(|_| [train("-"), study("-")]).map(begin).collect();
    children.into_iter().for_each(|child| drop(within(child).done()));
    // One after the other, as in a loop over seeds.
    for seed in ["1", "2", "3"] {
        let args = [unnamed(train("-")), vec!["--seed", seed]].concat();
        triax(folder.path(), args).done();
    }
    let runs: Vec<PathBuf> =
        fs::read_dir(folder.path().join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(runs.len(), 9);
    assert!(runs.iter().all(|run| run.join("report.html").exists()));
}

#[test]
fn what_fails_without_a_name_leaves_no_folder() {
    let folder = data();
    triax(folder.path(), ["train", "--data", "nowhere"]).refused(1);
    triax(folder.path(), ["study", "--data", "nowhere"]).refused(1);
    triax(folder.path(), ["train", "--data", "data.csv", "--convs", "4:99:1", "--window", "32"]).refused(1);
    assert!(!folder.path().join("runs").exists());
}
