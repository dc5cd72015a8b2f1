//! A small job, and ways to look at what its runs leave behind.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use triax_engine::{Augmentation, Engine, Optimizer, TrainingPlan, WindowSet};
use triax_losses::Loss;
use triax_model::random::{Purpose, Stream};
use triax_model::{ConvSpec, DenseSpec, Network, NetworkSpec, Scaler, Weights};
use triax_trainer::{
    FitError, FitPlan, Job, Model, Observer, RunFolder, RunOutcome, Sampling, Schedule, Summary, fit_run, resume_run,
};

/// Everything that a [`Job`] of one model borrows.
pub struct Setup {
    pub network: Network,
    pub weights: Weights,
    /// Those of validation come first, so that a place in an order cannot pass for the index of a window.
    pub windows: WindowSet,
    pub train: Vec<u32>,
    pub valid: Vec<u32>,
    pub plan: FitPlan,
    pub classes: Vec<String>,
    pub scaler: Option<Scaler>,
    pub metadata: BTreeMap<String, String>,
    /// Zero: after every epoch.
    pub save_every: Duration,
}

impl Setup {
    /// Four epochs of five steps, the last of which has two windows.
    pub fn new() -> Self {
        let convs = vec![ConvSpec::plain(2, 3, 1, None)];
        let spec = NetworkSpec {
            window: 8,
            channels: 2,
            convs,
            global_pool: None,
            dropout: 0.25,
            hidden: DenseSpec::relu([3]),
            classes: 3,
        };
        let network = Network::new(spec).unwrap();
        Self {
            weights: Weights::glorot_uniform(&network, 1),
            network,
            windows: joined(&windows(9, 2), &windows(22, 1)),
            train: (9..31).collect(),
            valid: (0..9).collect(),
            plan: FitPlan {
                training: TrainingPlan {
                    loss: Loss::CategoricalHinge,
                    optimizer: Optimizer::adam(),
                    batch_size: 5,
                    clip_norm: None,
                    class_weights: None,
                    label_smoothing: 0.0,
                    augmentation: Augmentation::default(),
                    seed: 3,
                },
                epochs: 4,
                shuffle: true,
                sampling: Sampling::Shuffle,
                learning_rate: 0.01,
                schedule: Schedule::Constant,
                early_stopping: None,
                average_last: None,
                log_steps: false,
            },
            classes: ["still", "walk", "jog"].map(String::from).into(),
            scaler: Some(Scaler { mean: vec![0.5, 0.25], scale: vec![1.0, 2.0] }),
            metadata: BTreeMap::from([("step".into(), "60".into())]),
            save_every: Duration::ZERO,
        }
    }

    /// Replaces the windows to train on.
    pub fn train_on(&mut self, train: &WindowSet) {
        let n_valid = self.valid.len();
        self.windows = joined(&cut(&self.windows, 0..n_valid), train);
        self.train = (n_valid as u32..self.windows.len() as u32).collect();
    }

    /// Replaces the windows to validate with.
    pub fn validate_with(&mut self, valid: &WindowSet) {
        let train = cut(&self.windows, self.valid.len()..self.windows.len());
        self.windows = joined(valid, &train);
        self.valid = (0..valid.len() as u32).collect();
        self.train = (valid.len() as u32..self.windows.len() as u32).collect();
    }

    pub fn model(&self) -> Model<'_> {
        let Self { network, weights, plan, train, valid, .. } = self;
        Model { network, weights, plan, scaler: self.scaler.as_ref(), train, valid }
    }

    /// A job that trains `models` on these windows.
    pub fn job<'a>(&'a self, engine: &'a dyn Engine, models: &'a [Model<'a>]) -> Job<'a> {
        let Self { windows, classes, .. } = self;
        Job {
            engine,
            windows,
            classes,
            models,
            at_once: None,
            planned: None,
            follows_validation: false,
            wants_scores: false,
        }
    }

    pub fn fit(&self, engine: &dyn Engine, path: &Path, observer: &mut dyn Observer) -> Result<RunOutcome, FitError> {
        let folder = RunFolder::create(path, &json!({ "made by": "a test" })).unwrap().saved_every(self.save_every);
        fit_run(&self.job(engine, &[self.model()]), &folder, &self.metadata, observer)
    }

    pub fn resume(
        &self,
        engine: &dyn Engine,
        path: &Path,
        observer: &mut dyn Observer,
    ) -> Result<RunOutcome, FitError> {
        let folder = RunFolder::open(path).unwrap().saved_every(self.save_every);
        resume_run(&self.job(engine, &[self.model()]), &folder, &self.metadata, observer)
    }
}

/// Windows whose values hint at their label.
pub fn windows(n_windows: usize, seed: u64) -> WindowSet {
    let mut stream = Stream::new(seed, Purpose::Synthesise, 0);
    let labels: Vec<u32> = (0..n_windows).map(|window| window as u32 % 3).collect();
    let values = labels.iter().flat_map(|&label| [label as f32; 16]).map(|hint| hint - 1.0 + 0.2 * stream.uniform());
    WindowSet { windows: values.collect(), labels: labels.into(), sample_weights: None }
}

/// The windows of both.
fn joined(first: &WindowSet, second: &WindowSet) -> WindowSet {
    let windows = first.windows.iter().chain(second.windows.iter()).copied().collect();
    let labels = first.labels.iter().chain(second.labels.iter()).copied().collect();
    WindowSet { windows, labels, sample_weights: None }
}

fn cut(set: &WindowSet, part: Range<usize>) -> WindowSet {
    let windows = set.windows[16 * part.start..16 * part.end].into();
    WindowSet { windows, labels: set.labels[part].into(), sample_weights: None }
}

/// A folder that goes away by itself. These tests sync thousands of files: where there is a disk in memory, they need not
/// wait for a real one.
pub fn empty_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub fn finished(outcome: Result<RunOutcome, FitError>) -> Summary {
    match outcome.unwrap() {
        RunOutcome::Finished { summary, .. } => *summary,
        interrupted => panic!("{interrupted:?}"),
    }
}

/// Stops a run after so many steps.
pub struct StopAfter(pub usize);

impl Observer for StopAfter {
    fn interrupted(&mut self) -> bool {
        self.0 -= 1;
        self.0 == 0
    }
}

/// A folder's files with their contents, `seconds` left out of the history, and the checkpoint, which also counts seconds,
/// by name only.
pub fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    files
        .map(|name| {
            let bytes = match name.as_str() {
                "history.jsonl" => without_seconds(&String::from_utf8(read(&name)).unwrap()).into_bytes(),
                "checkpoint.safetensors" => Vec::new(),
                _ => read(&name),
            };
            (name, bytes)
        })
        .collect()
}

fn without_seconds(history: &str) -> String {
    let strip = |line: &str| {
        assert!(serde_json::from_str::<Value>(line).unwrap()["seconds"].as_f64().unwrap() >= 0.0);
        let (figures, _seconds) = line.split_once(",\"seconds\":").unwrap();
        figures.to_owned() + "\n"
    };
    history.lines().map(strip).collect()
}

/// Copies a folder as it is now: what a process killed now would leave behind.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Asserts that two runs have left the same files behind.
pub fn assert_same_run(actual: &Path, expected: &Path) {
    let (actual, expected) = (contents(actual), contents(expected));
    assert_eq!(actual.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        assert!(actual[name] == *bytes, "{name} differs:\n{}", String::from_utf8_lossy(&actual[name]));
    }
}
