//! Exported networks in the programs that are made to run them: onnxruntime, LiteRT and TensorFlow Lite Micro.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde::Serialize;

use crate::gate::runtimes_python_or_skip;

/// The program that runs a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// onnxruntime, after onnx's checker.
    Onnx,
    /// LiteRT, all windows as one batch.
    Litert,
    /// TensorFlow Lite Micro, window by window.
    Micro,
}

/// A network and what it shall read.
#[derive(Clone, Debug)]
pub struct Exported<'a> {
    /// The program that runs it.
    pub runtime: Runtime,
    /// The file.
    pub file: Vec<u8>,
    /// Windows (n, window, channels).
    pub windows: &'a [f32],
    /// (window, channels)
    pub shape: (usize, usize),
}

/// The programs, in a Python.
pub struct Runtimes(PathBuf);

/// The programs for `test`. Without them, prints that the test is skipped, and returns `None`.
///
/// # Panics
/// If they are missing and the environment variable `TRIAX_REQUIRE_RUNTIMES` is set.
pub fn runtimes_or_skip(test: &str) -> Option<Runtimes> {
    runtimes_python_or_skip(test).map(Runtimes)
}

#[derive(Serialize)]
struct Entry {
    runtime: Runtime,
    window: usize,
    channels: usize,
}

impl Runtimes {
    /// The outputs (n, classes) of each of `networks`. All run in one process, which takes seconds to start.
    ///
    /// # Panics
    /// If a program refuses a network: with its number in `networks`.
    pub fn run(&self, networks: &[Exported<'_>]) -> Vec<Vec<f32>> {
        let folder = tempfile::tempdir().expect("a folder for the networks");
        let path = |name: String| folder.path().join(name);
        let mut entries = Vec::new();
        for (n, network) in networks.iter().enumerate() {
            fs::write(path(format!("{n}.network")), &network.file).expect("the network is written");
            let windows: Vec<u8> = network.windows.iter().flat_map(|value| value.to_le_bytes()).collect();
            fs::write(path(format!("{n}.windows")), windows).expect("the windows are written");
            let (window, channels) = network.shape;
            entries.push(Entry { runtime: network.runtime, window, channels });
        }
        let entries = serde_json::to_string(&entries).expect("plain entries");
        fs::write(path("networks.json".into()), entries).expect("the list is written");
        let output = Command::new(&self.0)
            .args(["-c", include_str!("runtimes.py")])
            .arg(folder.path())
            .output()
            .expect("Python starts");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "a network does not run:\n{log}");
        (0..networks.len())
            .map(|n| {
                let bytes = fs::read(path(format!("{n}.scores"))).expect("the scores are there");
                let (values, []) = bytes.as_chunks::<4>() else { panic!("whole floats") };
                values.iter().map(|value| f32::from_le_bytes(*value)).collect()
            })
            .collect()
    }
}
