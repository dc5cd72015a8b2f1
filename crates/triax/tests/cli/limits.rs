//! Sizes out of all proportion, and files with made-up values: a message with the limit, never a panic, an overflow or an
//! endless wait.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::{SMALL, command, data, trained, triax, within};

/// What `args` say when they are refused, within a time.
#[track_caller]
fn refused(folder: &Path, code: i32, args: &[&str]) -> String {
    let child = command(folder, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    within(child).refused(code)
}

#[test]
#[cfg(target_os = "linux")]
fn files_without_end_are_refused_by_a_limit() {
    let folder = data();
    for args in [
        &["train", "--config", "/dev/zero"][..],
        &["model", "--config", "/dev/zero"],
        &["study", "--file", "/dev/zero"],
    ] {
        let message = refused(folder.path(), 1, args);
        assert!(message.contains("/dev/zero: it is longer than 67108864 bytes"), "{message}");
    }
    for args in [
        &["evaluate", "/dev/zero"][..],
        &["predict", "/dev/zero", "--data", "data.csv"],
        &["model", "/dev/zero"],
        &["train", "--resume", "/dev/zero"],
        &["study", "--resume", "/dev/zero"],
        &["study", "merge", "/dev/zero", "--out", "whole"],
        &["train", "--data", "data.csv", "--window", "32", "--init-weights", "/dev/zero", "--out", "run"],
    ] {
        assert!(refused(folder.path(), 1, args).contains("/dev/zero"), "{args:?}");
    }
}

/// A file of a run or a study that is longer than anything that is written there.
#[test]
#[cfg(target_os = "linux")]
fn files_that_are_too_long_are_not_read() {
    let folder = trained();
    let study = ["study", "--data", "data.csv", "--folds", "group-2", "--seeds", "1", "--out", "study"];
    triax(folder.path(), study.into_iter().chain(SMALL)).done();
    let evaluate = |what: &'static str| ["evaluate", what, "--device", "cpu"];
    for (file, args) in [
        ("run/config.json", &evaluate("run")[..]),
        ("run/last.safetensors", &evaluate("run")),
        ("run/checkpoint.safetensors", &["train", "--resume", "run"]),
        ("study/study.json", &["study", "--resume", "study"]),
        ("study/trainings/00000.safetensors", &["study", "--resume", "study"]),
        ("study/summary.json", &evaluate("study")),
        ("study/weights/00000.safetensors", &evaluate("study")),
    ] {
        let path = folder.path().join(file);
        let aside = folder.path().join("aside");
        fs::copy(&path, &aside).unwrap();
        // It takes no room on the disk.
        fs::File::options().write(true).open(&path).unwrap().set_len(1 << 42).unwrap();
        let message = refused(folder.path(), 1, args);
        assert!(message.contains(file) && message.contains("longer than"), "{file}: {message}");
        fs::rename(&aside, &path).unwrap();
    }
}

#[test]
fn counts_out_of_all_proportion_are_refused_by_a_limit() {
    let folder = data();
    let most = u64::MAX.to_string();
    let half = (1_u64 << 63).to_string();
    let hidden = vec!["1"; 101].join(",");
    fs::write(folder.path().join("seeds.toml"), format!("seeds = {}", i64::MAX)).unwrap();
    let values: Vec<String> = (1..=400).map(|n| n.to_string()).collect();
    let values = values.join(",");
    fs::write(folder.path().join("grid.toml"), format!("[vary]\nepochs = [{values}]\nbatch_size = [{values}]"))
        .unwrap();
    let train = |option: &str, value: &str| ["train", "--data", "data.csv", option, value].map(str::to_owned).to_vec();
    let study = |option: &str, value: &str| ["study", "--data", "data.csv", option, value].map(str::to_owned).to_vec();
    for (args, code, limit) in [
        (study("--seeds", &half), 2, "at most 100,000"),
        (study("--seeds", &most), 2, "at most 100,000"),
        (study("--file", "seeds.toml"), 2, "at most 100,000"),
        (study("--file", "grid.toml"), 2, "is 800,000: a study has at most 100,000 trainings"),
        // Five seeds on three subjects; it is refused when the folds are known.
        (study("--seeds", "60000"), 2, "at most 100,000"),
        (study("--folds", &format!("group-{most}")), 1, "K from 2 to 4"),
        (study("--folds", &format!("random-{most}")), 1, "K from 2 to"),
        (train("--epochs", &most), 2, "at most 1,000,000"),
        (train("--batch-size", &half), 2, "at most 1,000,000"),
        (train("--step", &most), 2, "at most 268,435,456"),
        (train("--window", &half), 2, "at most 268,435,456"),
        (train("--early-stopping", &most), 2, "at most 1,000,000"),
        (train("--hidden", &hidden), 1, "at most 100"),
        (train("--hidden", &most), 1, "268435456"),
        (train("--shift", "4294967295"), 2, "4294967295"),
        (train("--class-weights", "0,0,0"), 2, "all 0"),
        (train("--class-weights", "0,0"), 2, "all 0"),
        (["model", "--classes", &most].map(str::to_owned).to_vec(), 1, "268435456"),
        (["model", "--wgsl", "w", "--models", &most].map(str::to_owned).to_vec(), 2, "65536"),
        (["bench", "--fleets", &most].map(str::to_owned).to_vec(), 2, "65536"),
        (["bench", "--repeats", &most].map(str::to_owned).to_vec(), 2, "10000"),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let message = refused(folder.path(), code, &args);
        assert!(message.contains(limit), "{args:?}: {message}");
    }
}

/// Numbers that files of runs and studies may claim.
const CLAIMS: [&str; 9] =
    ["0", "-1", "3", "0.5", "1e308", "18446744073709551615", "9223372036854775808", "99999999999999999999999", "null"];

/// The ranges of the numbers in `bytes`.
fn numbers(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let mut found = Vec::new();
    let mut idx = 0;
    while idx < bytes.len() {
        let n = bytes[idx..].iter().take_while(|&&byte| is_part(byte)).count();
        // A number of JSON, not one in the middle of a word.
        let is_value = idx > 0 && matches!(bytes[idx - 1], b':' | b',' | b'[' | b' ' | b'"');
        if n > 0 && is_value {
            found.push(idx..idx + n);
        }
        idx += n.max(1);
    }
    found
}

/// `bytes` with another number at `place`. The header of a safetensors file keeps its own length.
fn claimed(bytes: &[u8], place: std::ops::Range<usize>, claim: &str) -> Vec<u8> {
    let mut claimed = [&bytes[..place.start], claim.as_bytes(), &bytes[place.end..]].concat();
    if bytes[0] != b'{' {
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) + claim.len() as u64 - place.len() as u64;
        claimed[..8].copy_from_slice(&header.to_le_bytes());
    }
    claimed
}

#[test]
fn files_with_made_up_numbers_are_refused_or_used_and_never_panic() {
    let folder = trained();
    let study = ["study", "--data", "data.csv", "--folds", "group-2", "--seeds", "1", "--out", "study"];
    triax(folder.path(), study.into_iter().chain(SMALL)).done();
    let mut n_tried = 0;
    for (file, args) in [
        ("run/checkpoint.safetensors", &["train", "--resume", "run", "--quiet"][..]),
        ("run/config.json", &["train", "--resume", "run", "--quiet"]),
        ("run/history.jsonl", &["train", "--resume", "run", "--quiet"]),
        ("run/last.safetensors", &["evaluate", "run", "--device", "cpu"]),
        ("study/study.json", &["study", "--resume", "study", "--quiet"]),
        ("study/summary.json", &["evaluate", "study", "--device", "cpu"]),
        ("study/trainings/00000.safetensors", &["study", "--resume", "study", "--quiet"]),
        ("study/weights/00000.safetensors", &["predict", "study", "--data", "data.csv", "--device", "cpu"]),
    ] {
        let path = folder.path().join(file);
        let sound = fs::read(&path).unwrap();
        let text = if sound[0] == b'{' { 0..sound.len() } else { 8..8 + header_length(&sound) };
        let places: Vec<_> =
            numbers(&sound[text.clone()]).into_iter().map(|at| at.start + text.start..at.end + text.start).collect();
        assert!(places.len() > 3, "{file}");
        // Some of the places, each time with the next claim; all of both over the files.
        for (n, place) in places.iter().enumerate().step_by(places.len().div_ceil(18)) {
            fs::write(&path, claimed(&sound, place.clone(), CLAIMS[n % CLAIMS.len()])).unwrap();
            let child = command(folder.path(), args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let answer = within(child);
            let is_sound = matches!(answer.code, Some(0..=2)) && !answer.stderr.contains("internal error");
            assert!(is_sound, "{file} at {place:?}: {:?} {}", answer.code, answer.stderr);
            n_tried += 1;
        }
        fs::write(&path, &sound).unwrap();
    }
    assert!(n_tried > 60, "{n_tried}");
}

fn header_length(bytes: &[u8]) -> usize {
    u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}
