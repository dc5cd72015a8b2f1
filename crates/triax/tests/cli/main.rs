//! Runs the binary as a user would. Tests check what the processes print, the files that they write, and their exit codes.

mod audit;
mod bad_input;
mod bench;
mod calibrate;
mod cases;
mod claims;
mod classical;
mod config;
mod derived;
mod devices;
#[cfg(target_os = "linux")]
mod disk;
mod engines;
mod evaluate;
mod export;
mod family;
mod import;
mod killed;
mod limits;
mod over_time;
mod packages;
mod paper;
mod predict;
mod pretrain;
mod rates;
mod readers;
mod real_data;
mod recordings;
mod report;
mod resume;
mod runtimes;
mod study;
mod terminal;
mod timings;
mod train;
mod tune;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use tempfile::TempDir;

/// The longest that a process may take that must end by itself: much more than it needs on a busy machine.
const LONGEST: Duration = Duration::from_secs(120);

/// The output and the exit code of a process.
struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Answer {
    fn from_output(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Checks that the process succeeded.
    #[track_caller]
    fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks that the process failed with this exit code and without a panic, and returns its message.
    #[track_caller]
    fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(self.stderr.contains("error: "), "no error is printed: {}", self.stderr);
        for word in ["panic", "internal error", "RUST_BACKTRACE"] {
            assert!(!self.stderr.contains(word), "{}", self.stderr);
        }
        self.stderr
    }

    /// The object that `--json` prints.
    fn json_text(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }

    /// The objects that `--json` prints, one per line.
    fn json_lines(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }
}

/// `triax` with these arguments, in an empty folder of its own.
fn command<S: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_triax"));
    // The user's cache of measurements stays as it is.
    command.args(args).current_dir(folder).env("TRIAX_CACHE_DIR", folder.join("cache")).stdin(Stdio::null());
    command
}

fn triax<S: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = S>) -> Answer {
    Answer::from_output(command(folder, args).output().expect("triax starts"))
}

/// A network and a run so small that training takes a moment: windows of 32 samples, one convolution, two epochs.
const SMALL: [&str; 14] = [
    "--window",
    "32",
    "--step",
    "16",
    "--convs",
    "4:5:2:2",
    "--hidden",
    "8",
    "--epochs",
    "2",
    "--learning-rate",
    "0.01",
    "--device",
    "cpu",
];

/// `train` with the small network on `data`, into the folder `out`.
fn train_small(folder: &Path, data: &str, out: &str, more: &[&str]) -> Answer {
    let fixed = ["train", "--data", data, "--out", out];
    // Options in `more` replace those of the small run.
    let mut args: Vec<&str> = fixed.to_vec();
    for pair in SMALL.chunks(2) {
        if !more.contains(&pair[0]) {
            args.extend(pair);
        }
    }
    args.extend(more);
    triax(folder, args)
}

/// The answer of a process that must end by itself.
#[track_caller]
fn within(child: Child) -> Answer {
    let (id, (sender, ended)) = (child.id(), channel());
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match ended.recv_timeout(LONGEST) {
        Ok(output) => Answer::from_output(output.unwrap()),
        Err(_) => {
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
            panic!("triax hangs");
        }
    }
}

/// The answer of a process that Ctrl-C interrupts.
#[cfg(unix)]
fn interrupted(child: Child) -> Answer {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    Answer::from_output(child.wait_with_output().unwrap())
}

/// A folder with `data.csv`: four subjects, three activities.
fn data() -> TempDir {
    recordings::csv_folder(4, 160)
}

/// A folder with `data.csv` and the finished run `run` on it.
fn trained() -> TempDir {
    let folder = data();
    train_small(folder.path(), "data.csv", "run", &["--quiet"]).done();
    folder
}

fn read_json(path: PathBuf) -> serde_json::Value {
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
