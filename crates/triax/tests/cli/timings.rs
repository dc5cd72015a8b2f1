//! `--timings`: a table on standard error that says where the time went.

use std::collections::BTreeMap;

use crate::{SMALL, data, train_small, triax};

const TITLE: &str = "where the time went";

/// The share of each row in percent, and the last line.
fn shares(stderr: &str) -> (BTreeMap<String, f64>, String) {
    let lines: Vec<&str> = stderr.lines().skip_while(|line| !line.starts_with(TITLE)).skip(1).collect();
    let (last, rows) = lines.split_last().unwrap_or_else(|| panic!("there is no table: {stderr}"));
    let share = |line: &&str| {
        let (before, _) = line.split_once(" %")?;
        let (name, share) = before.rsplit_once(' ')?;
        // Between name and share there are seconds.
        let name = name.trim_end().rsplit_once(' ')?.0.trim_end();
        Some((name.to_owned(), share.parse().unwrap_or_else(|problem| panic!("{problem}: {line}"))))
    };
    (rows.iter().filter_map(share).collect(), (*last).to_owned())
}

/// Checks that the phases account for 95 % of the time, that `expected` are among them, and that the device was busy for a
/// part of it.
#[track_caller]
fn assert_accounted(stderr: &str, expected: &[&str]) {
    let (shares, last) = shares(stderr);
    let is_phase = |name: &&String| !name.contains(':') && *name != "other";
    let sum: f64 = shares.keys().filter(is_phase).map(|name| shares[name]).sum();
    assert!((95.0..=100.5).contains(&sum), "{sum} %: {stderr}");
    assert!((sum + shares["other"] - 100.0).abs() < 1.0, "{stderr}");
    for name in expected {
        assert!(shares.contains_key(*name), "no {name}: {stderr}");
    }
    let busy: f64 = shares.iter().filter(|(name, _)| name.starts_with("device: ")).map(|(_, share)| share).sum();
    let named: f64 =
        last.strip_prefix("device busy for ").unwrap().strip_suffix(" % of the time").unwrap().parse().unwrap();
    assert!(named > 0.0 && named <= 100.0 && (named - busy).abs() < 0.5, "{stderr}");
}

#[test]
fn a_run_accounts_for_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["train", "--out", "run", "--epochs", "1", "--device", "cpu", "--quiet", "--timings"];
    let answer = triax(folder.path(), args).done();
    assert_eq!(answer.stdout, "");
    let phases = ["reading", "devices", "preparing", "uploading", "steps", "validation", "scoring", "files", "report"];
    assert_accounted(&answer.stderr, &phases);
    assert_accounted(&answer.stderr, &["device: steps", "device: validation", "device: scoring"]);
    // A run that is complete has nothing left to train, but a table all the same.
    let again = triax(folder.path(), ["train", "--resume", "run", "--quiet", "--timings"]).done();
    assert!(shares(&again.stderr).0["reading"] > 0.0, "{}", again.stderr);
}

#[test]
fn a_study_accounts_for_its_time() {
    let folder = data();
    let args = ["study", "--data", "data.csv", "--vary", "loss=hinge,squared_hinge", "--quiet", "--timings"];
    let small = SMALL.iter().map(|&arg| if arg == "2" { "20" } else { arg });
    let answer = triax(folder.path(), args.into_iter().chain(small)).done();
    let phases =
        ["reading", "preparing", "steps", "validation", "scoring", "files", "baselines", "statistics", "report"];
    assert_accounted(&answer.stderr, &phases);
    assert!(answer.stderr.contains("\nbeside: files "), "a thread of its own writes them: {}", answer.stderr);
}

#[test]
fn a_benchmark_accounts_for_the_time_of_its_processes_too() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["bench", "--quick", "--repeats", "1", "--device", "cpu", "--engine", "fused", "--fleets", "1"];
    let answer = triax(folder.path(), args.iter().chain(&["--timings"])).done();
    assert_accounted(&answer.stderr, &["devices", "preparing", "steps", "validation", "device: steps"]);
}

#[test]
fn without_the_option_nothing_is_added_and_with_it_nothing_else_changes() {
    let folder = data();
    // Seconds differ between any two runs.
    let masked = |text: &str| {
        let words = text.split_inclusive([' ', '\n']);
        words
            .map(|word| if word.trim_end().ends_with('s') && word.starts_with(char::is_numeric) { "T " } else { word })
            .collect::<String>()
    };
    let plain = train_small(folder.path(), "data.csv", "run", &[]).done();
    assert!(!plain.stderr.contains(TITLE) && !plain.stdout.contains(TITLE));
    std::fs::rename(folder.path().join("run"), folder.path().join("plain")).unwrap();
    let timed = train_small(folder.path(), "data.csv", "run", &["--timings"]).done();
    assert!(timed.stderr.contains(TITLE));
    assert_eq!(masked(&timed.stdout), masked(&plain.stdout));
    let [a, b] = ["plain", "run"].map(|run| std::fs::read(folder.path().join(run).join("last.safetensors")).unwrap());
    assert!(a == b, "the weights differ");
}
