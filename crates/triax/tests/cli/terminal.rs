//! Terminals that are gone, full or deceived: every command ends by itself, what it writes to files is complete, and no
//! name in the data commands the terminal.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::{Answer, SMALL, command, data, read_json, recordings, train_small, trained, triax, within};

/// Where an output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    /// A pipe that is read to its end.
    Reader,
    /// A full disk.
    Full,
    /// A pipe whose reader never reads: `| true`.
    Nobody,
    /// A pipe whose reader leaves after a line: `| head -1`.
    Head,
}

/// Runs `command` with its standard output and its standard error going there.
fn run(mut command: Command, stdout: To, stderr: To) -> Answer {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let stdio = |to: To| if to == To::Full { full().into() } else { Stdio::piped() };
    let mut child = command.stdout(stdio(stdout)).stderr(stdio(stderr)).spawn().expect("triax starts");
    let (mut out, err) = (child.stdout.take(), child.stderr.take());
    if stdout == To::Head {
        let mut line = String::new();
        BufReader::new(out.as_mut().unwrap()).read_line(&mut line).unwrap();
    }
    // Who does not read leaves.
    child.stdout = out.filter(|_| stdout == To::Reader);
    child.stderr = err.filter(|_| stderr == To::Reader);
    within(child)
}

/// Each way in which an output may be gone.
const GONE: [(To, To); 7] = [
    (To::Full, To::Reader),
    (To::Nobody, To::Reader),
    (To::Head, To::Reader),
    (To::Reader, To::Full),
    (To::Reader, To::Nobody),
    (To::Full, To::Full),
    (To::Nobody, To::Nobody),
];

fn small(args: &[&str]) -> Vec<String> {
    let varied = |option: &str| args.contains(&option);
    let fixed = SMALL.chunks(2).filter(|pair| !varied(pair[0])).flatten();
    args.iter().chain(fixed).map(|&arg| arg.to_owned()).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_is_complete_although_its_terminal_is_gone() {
    let folder = data();
    train_small(folder.path(), "data.csv", "whole", &["--quiet"]).done();
    for (n, (stdout, stderr)) in GONE.into_iter().enumerate() {
        for style in ["--timings", "--json"] {
            let out = format!("run{style}{n}");
            let args = small(&["train", "--data", "data.csv", "--out", &out, style]);
            let answer = run(command(folder.path(), args), stdout, stderr);
            assert_eq!(answer.code, Some(0), "{stdout:?} {stderr:?}: {}", answer.stderr);
            for file in ["last.safetensors", "metrics.json"] {
                let [one, other] = ["whole", &out].map(|run| fs::read(folder.path().join(run).join(file)).unwrap());
                assert!(one == other, "{file} differs");
            }
            assert!(folder.path().join(&out).join("report.html").exists());
            let is_told = answer.stderr.contains("cannot write to standard output: No space left");
            assert_eq!(is_told, (stdout, stderr) == (To::Full, To::Reader), "{}", answer.stderr);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_study_keeps_its_report_although_its_terminal_is_gone() {
    let folder = data();
    let study = |out: &str, more: &[&str]| {
        small(&[&["study", "--data", "data.csv", "--folds", "group-2", "--seeds", "1", "--out", out], more].concat())
    };
    for part in ["1/2", "2/2"] {
        triax(folder.path(), study(&format!("part-{}", &part[..1]), &["--shard", part, "--quiet"])).done();
    }
    let is_whole = |out: &str| {
        let path = folder.path().join(out);
        assert!(read_json(path.join("summary.json"))["competitors"].is_array(), "{out}");
        assert!(path.join("report.html").exists(), "{out}");
    };
    for (n, (stdout, stderr)) in GONE.into_iter().enumerate() {
        let [trained, joined] = ["study", "joined"].map(|what| format!("{what}-{n}"));
        let merge = ["study", "merge", "part-1", "part-2", "--out", &joined].map(str::to_owned);
        for (out, args) in [(&trained, study(&trained, &[])), (&joined, merge.to_vec())] {
            let answer = run(command(folder.path(), args), stdout, stderr);
            assert_eq!(answer.code, Some(0), "{stdout:?} {stderr:?}: {}", answer.stderr);
            is_whole(out);
        }
    }
}

/// Commands whose result is what they print fail where that is lost, and end well where nobody wants it.
#[test]
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_printed_is_an_error_and_no_panic() {
    let folder = trained();
    let commands: [&[&str]; 9] = [
        &["devices"],
        &["devices", "--json"],
        &["model"],
        &["model", "run", "--json"],
        &["evaluate", "run", "--device", "cpu"],
        &["predict", "run", "--data", "data.csv", "--device", "cpu"],
        &["data", "inspect", "data.csv"],
        &["data", "audit", "data.csv", "--window", "32", "--no-gap"],
        &["bench", "--quick", "--repeats", "1", "--device", "cpu", "--engine", "fused", "--fleets", "1"],
    ];
    for args in commands {
        for (stdout, stderr) in GONE {
            // It measures for seconds.
            if args[0] == "bench" && stdout != To::Head {
                continue;
            }
            let answer = run(command(folder.path(), args), stdout, stderr);
            let expected = if stdout == To::Full { 1 } else { 0 };
            assert_eq!(answer.code, Some(expected), "{args:?} {stdout:?} {stderr:?}: {}", answer.stderr);
            if (stdout, stderr) == (To::Full, To::Reader) {
                let message = answer.refused(1);
                assert!(message.contains("cannot write to standard output: No space left"), "{message}");
            }
        }
    }
}

/// An error that cannot be reported ends the command all the same.
#[test]
#[cfg(target_os = "linux")]
fn an_error_that_nobody_reads_keeps_its_exit_code() {
    let folder = data();
    for stderr in [To::Full, To::Nobody] {
        for (args, code) in
            [(&["evaluate", "nowhere"][..], 1), (&["train", "--epochs", "0"], 2), (&["train", "--x"], 2)]
        {
            let answer = run(command(folder.path(), args), To::Reader, stderr);
            assert_eq!(answer.code, Some(code), "{args:?}");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_ends_a_run_whose_terminal_is_gone() {
    let folder = data();
    let args = small(&["train", "--data", "data.csv", "--out", "run", "--epochs", "100000", "--batch-size", "4"]);
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut child = command(folder.path(), args).stdout(full()).stderr(full()).spawn().unwrap();
    while !folder.path().join("run/checkpoint.safetensors").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(within(child).code, Some(1));
}

/// Text that would colour, clear, retitle and reorder what a terminal shows.
const HOSTILE: &str = "\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}2J\u{202e}";

#[track_caller]
fn assert_harmless(what: &str, text: &str) {
    let sent = text.chars().find(|&c| (c.is_control() && c != '\n') || HOSTILE.contains(c) && !c.is_ascii());
    assert_eq!(sent, None, "{what} sends a control character: {:?}", text.chars().take(500).collect::<String>());
}

#[test]
fn escape_sequences_in_names_are_shown_and_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let text = recordings::csv(4, 160);
    let text = text.replace("x,y,z", &format!("x{HOSTILE},y,z")).replace(",jog,", &format!(",jog{HOSTILE},"));
    let text = text.replace("\np0,", &format!("\n{HOSTILE}p0,"));
    let name = format!("da{}ta.csv", if cfg!(unix) { HOSTILE } else { "" });
    fs::write(folder.path().join(&name), text).unwrap();
    let run = |name: &str, args: Vec<String>| {
        let answer = triax(folder.path(), args);
        assert!(matches!(answer.code, Some(0..=2)), "{name}");
        for text in [&answer.stdout, &answer.stderr] {
            assert_harmless(name, text);
        }
        answer
    };
    let owned = |args: &[&str]| -> Vec<String> { args.iter().map(|&arg| arg.to_owned()).collect() };
    let answer = run("train", small(&["train", "--data", &name, "--out", "run"])).done();
    assert!(answer.stdout.contains(r"jog\u001b[31m\u001b]0;title\u0007\u009b2J\u202e"), "{}", answer.stdout);
    let json = run("train --json", small(&["train", "--data", &name, "--out", "run2", "--json"])).done().json_lines();
    assert_eq!(json[0]["config"]["recorded"]["data"]["class_names"][0], format!("jog{HOSTILE}"));
    let study = ["study", "--data", &name, "--folds", "group-2", "--seeds", "1", "--out", "study"];
    run("study", small(&study)).done();
    run("inspect", owned(&["data", "inspect", &name])).done();
    run("audit", owned(&["data", "audit", &name, "--window", "32", "--no-gap"])).done();
    run("evaluate", owned(&["evaluate", "run", "--device", "cpu"])).done();
    run("model", owned(&["model", "run"])).done();
    run("model --json", owned(&["model", "run", "--json"])).done();
    // Errors and notices, with names from the data and from the command line.
    let predict = ["predict", "run", "--data", "synthetic", "--device", "cpu", "--out", "p.csv"];
    let refusal = run("predict", owned(&predict)).refused(1);
    assert!(refusal.contains(r"x\u001b[31m"), "{refusal}");
    run("activities", small(&["train", "--data", &name, "--activities", "fly", "--out", "none"])).refused(1);
    run("subjects", small(&["train", "--data", &name, "--valid-subjects", HOSTILE, "--out", "none"])).refused(1);
    run("a path", owned(&["evaluate", &format!("no{HOSTILE}")])).refused(1);
    run("an argument", owned(&["train", HOSTILE])).refused(2);
    run("a value", owned(&["train", "--loss", HOSTILE])).refused(2);
    run("a setting", owned(&["study", "--vary", &format!("{HOSTILE}=1,2")])).refused(2);
}

/// A table for programs holds the names as they are in the data.
#[test]
fn a_table_that_is_piped_holds_the_names_as_they_are() {
    let folder = trained();
    let text = recordings::csv(1, 160).replace("p0,", &format!("p{HOSTILE},"));
    fs::write(folder.path().join("other.csv"), text).unwrap();
    let answer = triax(folder.path(), ["predict", "run", "--data", "other.csv", "--device", "cpu"]).done();
    assert!(answer.stdout.contains(HOSTILE));
}

#[test]
fn names_of_classes_stay_on_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let text = recordings::csv(4, 160).replace(",jog,", ",\"jog\nerror: none\",");
    fs::write(folder.path().join("data.csv"), text).unwrap();
    let answer = train_small(folder.path(), "data.csv", "run", &[]).done();
    assert!(!answer.stdout.lines().any(|line| line.starts_with("error")), "{}", answer.stdout);
}
