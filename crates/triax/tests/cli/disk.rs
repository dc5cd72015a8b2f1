//! Disks that are full, and disks that fail: the command ends with an error that names the file, and goes on afterwards.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Answer, SMALL, command, data, recordings, trained, triax, within};

/// `triax` on a disk that takes so many kilobytes of each file, and no more.
fn on_a_full_disk(folder: &Path, kilobytes: u32, args: &[&str]) -> Answer {
    // Without the trap the system would kill the process instead of refusing the write.
    let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\"");
    let mut command = Command::new("bash");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_triax")]).args(args).current_dir(folder);
    command.env("TRIAX_CACHE_DIR", folder.join("cache")).stdin(Stdio::null());
    within(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

#[track_caller]
fn names_a_file_of(answer: Answer, folder: &str) {
    let message = answer.refused(1);
    assert!(message.contains("File too large") && message.contains(&format!("{folder}/")), "{message}");
}

fn with_small<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let fixed = SMALL.chunks(2).filter(|pair| !args.contains(&pair[0])).flatten().copied();
    args.iter().copied().chain(fixed).collect()
}

#[track_caller]
fn assert_nothing_half(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.file_name();
        assert!(!name.as_encoded_bytes().ends_with(b".partial"), "{} was left", name.display());
        assert_nothing_half(&entry.path());
    }
}

/// From a disk that takes nothing to one that takes all but the report.
const SIZES: [u32; 6] = [0, 1, 2, 4, 6, 16];

#[test]
fn a_run_on_a_full_disk_names_the_file_and_goes_on_when_there_is_room() {
    let folder = data();
    let train = |out: &'static str| with_small(&["train", "--data", "data.csv", "--quiet", "--out", out]);
    triax(folder.path(), train("whole")).done();
    let (mut n_begun, mut n_resumed) = (0, 0);
    for kilobytes in SIZES {
        let _ = fs::remove_dir_all(folder.path().join("run"));
        names_a_file_of(on_a_full_disk(folder.path(), kilobytes, &train("run")), "run");
        assert_nothing_half(&folder.path().join("run"));
        if folder.path().join("run/checkpoint.safetensors").exists() {
            n_resumed += 1;
            triax(folder.path(), ["train", "--resume", "run", "--quiet"]).done();
        } else {
            n_begun += 1;
            triax(folder.path(), train("run")).done();
        }
        for file in ["last.safetensors", "metrics.json"] {
            let [a, b] = ["whole", "run"].map(|run| fs::read(folder.path().join(run).join(file)).unwrap());
            assert!(a == b, "{file} differs after a disk of {kilobytes} KB");
        }
    }
    assert!(n_begun > 0 && n_resumed > 0, "{n_begun} runs were begun again, and {n_resumed} resumed");
}

#[test]
fn a_study_on_a_full_disk_names_the_file_and_goes_on_when_there_is_room() {
    let folder = data();
    let study = |out: &'static str| {
        let more = ["--folds", "group-2", "--seeds", "2", "--no-baselines"];
        with_small(&[&["study", "--data", "data.csv", "--quiet", "--out", out], &more[..]].concat())
    };
    triax(folder.path(), study("whole")).done();
    for kilobytes in SIZES {
        let _ = fs::remove_dir_all(folder.path().join("study"));
        names_a_file_of(on_a_full_disk(folder.path(), kilobytes, &study("study")), "study");
        assert_nothing_half(&folder.path().join("study"));
        triax(folder.path(), study("study")).done();
        for file in ["results.csv", "summary.json"] {
            let [a, b] = ["whole", "study"].map(|study| fs::read(folder.path().join(study).join(file)).unwrap());
            assert!(a == b, "{file} differs after a disk of {kilobytes} KB");
        }
    }
}

#[test]
fn a_prediction_on_a_full_disk_leaves_the_old_file() {
    let folder = trained();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("long.csv"), recordings::csv(2, 2000)).unwrap();
    fs::write(folder.path().join("out/p.csv"), "old").unwrap();
    let args = ["predict", "run", "--data", "long.csv", "--device", "cpu", "--step", "1", "--out", "out/p.csv"];
    for kilobytes in [0, 1, 16, 64] {
        let message = on_a_full_disk(folder.path(), kilobytes, &args).refused(1);
        assert!(message.contains("cannot write out/p.csv") && message.contains("File too large"), "{message}");
        assert_eq!(fs::read_to_string(folder.path().join("out/p.csv")).unwrap(), "old");
        assert_nothing_half(&folder.path().join("out"));
    }
    triax(folder.path(), args).done();
}

/// Reading a process's memory at its beginning is an input/output error, as of a disk that fails.
const FAILS: &str = "/proc/self/mem";

/// A file that cannot be read is named, and when it can be, the same command goes on.
#[track_caller]
fn fails_and_goes_on(folder: &Path, file: &str, args: &[&str]) {
    let (path, aside) = (folder.join(file), folder.join("aside"));
    fs::rename(&path, &aside).unwrap();
    symlink(FAILS, &path).unwrap();
    let child = command(folder, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let message = within(child).refused(1);
    assert!(message.contains(file) && message.contains("Input/output error"), "{file}: {message}");
    fs::remove_file(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    triax(folder, args).done();
}

#[test]
fn a_disk_that_fails_ends_a_run_and_a_study_with_the_name_of_the_file() {
    let folder = trained();
    let resume = ["train", "--resume", "run", "--quiet"];
    for file in ["run/config.json", "run/checkpoint.safetensors"] {
        fails_and_goes_on(folder.path(), file, &resume);
    }
    fails_and_goes_on(folder.path(), "run/last.safetensors", &["evaluate", "run", "--device", "cpu"]);
    let study =
        with_small(&["study", "--data", "data.csv", "--quiet", "--folds", "group-2", "--seeds", "2", "--out", "study"]);
    triax(folder.path(), &study).done();
    for file in ["study/study.json", "study/trainings/00001.safetensors"] {
        fails_and_goes_on(folder.path(), file, &study);
    }
    fails_and_goes_on(
        folder.path(),
        "study/weights/00001.safetensors",
        &["predict", "study", "--data", "data.csv", "--device", "cpu"],
    );
    // The settings that a user has given.
    fs::write(folder.path().join("settings.json"), "{}").unwrap();
    fails_and_goes_on(folder.path(), "settings.json", &["model", "--config", "settings.json"]);
}

/// The log of the steps grows beyond the disk in the middle of a training, which goes on from its last checkpoint.
#[test]
fn a_disk_that_fills_up_while_a_run_goes_on_keeps_its_last_checkpoint() {
    let folder = data();
    let more = ["--log-steps", "--epochs", "100", "--batch-size", "4"];
    let train = |out: &'static str| {
        with_small(&[&["train", "--data", "data.csv", "--quiet", "--out", out], &more[..]].concat())
    };
    triax(folder.path(), train("whole")).done();
    let message = on_a_full_disk(folder.path(), 24, &train("run")).refused(1);
    assert!(message.contains("cannot write run/steps.jsonl"), "{message}");
    triax(folder.path(), ["train", "--resume", "run", "--quiet"]).done();
    for file in ["last.safetensors", "metrics.json", "steps.jsonl"] {
        let [a, b] = ["whole", "run"].map(|run| fs::read(folder.path().join(run).join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let folder = trained();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let bench =
        ["bench", "--quick", "--repeats", "1", "--device", "cpu", "--engine", "fused", "--fleets", "1", "--svg"];
    let predict = ["predict", "run", "--data", "data.csv", "--device", "cpu", "--out"];
    for args in [&bench[..], &predict] {
        for path in ["/dev/full", "none/file", "folder"] {
            let answer = triax(folder.path(), [args, &[path]].concat());
            // The measurements are not lost with the figures.
            assert_eq!(args[0] == "bench", answer.stdout.contains("roofline"));
            let message = answer.refused(1);
            assert!(message.contains(&format!("cannot write {path}")), "{message}");
            if args[0] == "bench" {
                break;
            }
        }
    }
}

/// A result over what it is made of.
#[test]
fn a_prediction_is_never_written_over_its_input() {
    let folder = trained();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("recordings")).unwrap();
    fs::copy(at("data.csv"), at("recordings/one.csv")).unwrap();
    symlink("data.csv", at("soft.csv")).unwrap();
    fs::hard_link(at("data.csv"), at("hard.csv")).unwrap();
    let before: Vec<Vec<u8>> = ["data.csv", "run/last.safetensors"].map(|name| fs::read(at(name)).unwrap()).into();
    for (data, out) in [
        ("data.csv", "data.csv"),
        ("data.csv", "./data.csv"),
        ("./data.csv", "recordings/../data.csv"),
        ("data.csv", "soft.csv"),
        ("soft.csv", "data.csv"),
        ("data.csv", "hard.csv"),
        ("recordings", "recordings/one.csv"),
        (".", "data.csv"),
        ("data.csv", "run/last.safetensors"),
        ("data.csv", "run/config.json"),
    ] {
        let args = ["predict", "run", "--data", data, "--device", "cpu", "--out", out];
        let message = triax(folder.path(), args).refused(2);
        assert!(message.contains(out) && message.contains("name another file"), "{message}");
    }
    let input = fs::File::open(at("data.csv")).unwrap();
    let mut stream = command(folder.path(), ["predict", "run", "-", "--device", "cpu", "--out", "soft.csv"]);
    let child = stream.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(within(child).refused(2).contains("standard input"));
    let output = fs::File::options().append(true).open(at("data.csv")).unwrap();
    let mut appended = command(folder.path(), ["predict", "run", "--data", "data.csv", "--device", "cpu"]);
    let child = appended.stdout(output).stderr(Stdio::piped()).spawn().unwrap();
    assert!(within(child).refused(2).contains("standard output"));
    let after: Vec<Vec<u8>> = ["data.csv", "run/last.safetensors"].map(|name| fs::read(at(name)).unwrap()).into();
    assert!(before == after, "an input was changed");
    // A link to something else stays a link.
    symlink("p.csv", at("result.csv")).unwrap();
    fs::write(at("p.csv"), "old").unwrap();
    let args = ["predict", "run", "--data", "data.csv", "--device", "cpu", "--out", "result.csv"];
    triax(folder.path(), args.map(OsStr::new)).done();
    assert!(at("result.csv").is_symlink() && fs::read_to_string(at("p.csv")).unwrap().starts_with("index,"));
}
