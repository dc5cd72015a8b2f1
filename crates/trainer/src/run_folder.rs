//! The folder of a run: the paths of its files, and its lock.
//!
//! The lock is taken before anything is looked at or written, and lasts until the training ends. So of two processes that begin
//! in one new folder, one begins, and the other is refused.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use triax_model::{WeightFile, whole_file};

use crate::error::FolderError;
use crate::history::EpochRecord;
use crate::metrics::Metrics;
use crate::progress::EpochSums;
use crate::reliability::TemperatureScaling;

/// The longest time that a run goes unsaved. A checkpoint takes about 20 ms to write, which is much after each epoch of
/// 100 ms, and little every few seconds.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// The file that is locked.
const LOCK: &str = ".lock";

/// A run folder.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// The lock of the process that has created the folder, until its training takes it over.
    lock: Arc<Mutex<Option<File>>>,
    pub(crate) save_every: Duration,
}

/// The final figures of a run: `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Epochs trained.
    pub epochs: usize,
    /// Whether early stopping ended the run before its last epoch.
    pub stopped_early: bool,
    /// Figures of `best.safetensors`: the epoch with the lowest validation loss (training loss without validation
    /// windows), of equal ones the first. It is chosen by the validation windows, so that its figures are slightly too good.
    pub best: Figures,
    /// Figures of `last.safetensors`: the last epoch; with early stopping the best one, which it restores; with
    /// averaging the mean of the last ones, of which the training figures are the last one's.
    pub last: Figures,
}

/// The figures of an epoch's weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Training loss, as in [`EpochRecord::loss`].
    pub loss: f64,
    /// Training accuracy, as in [`EpochRecord::accuracy`].
    pub accuracy: f64,
    /// Figures over the validation windows; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Metrics>,
    /// How well its probabilities hold over the validation windows; absent where there are none.
    #[serde(default, rename = "calibration", skip_serializing_if = "Option::is_none")]
    pub temperature_scaling: Option<TemperatureScaling>,
}

impl Figures {
    pub(crate) fn new(epoch: usize, sums: EpochSums, validation: Option<Metrics>) -> Self {
        Self { epoch, loss: sums.mean_loss(), accuracy: sums.accuracy(), validation, temperature_scaling: None }
    }
}

impl RunFolder {
    /// Creates a folder for a new run, parents included, locks it, and writes `config` to its `config.json`. A folder that a
    /// run has left before its first checkpoint holds nothing that could be lost, and is as good as an empty one.
    ///
    /// # Errors
    /// A folder that holds anything else; another process that trains there; a place that cannot be written.
    pub fn create(path: &Path, config: &Value) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Io { action: "create", path: path.to_owned(), source };
        // Nothing is put into a folder of something else, not even a lock.
        let names = || -> io::Result<Vec<OsString>> {
            fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
        };
        fs::create_dir_all(path).map_err(failed)?;
        let before = names().map_err(failed)?;
        if !before.is_empty() && !before.iter().any(|name| name == LOCK) {
            return Err(FolderError::NotEmpty { path: path.to_owned() });
        }
        let mut folder = Self { path: path.to_owned(), lock: Arc::default(), save_every: SAVE_EVERY };
        folder.lock = Arc::new(Mutex::new(Some(folder.lock()?)));
        // Only now does nobody else write there.
        if !names().map_err(failed)?.iter().all(|name| folder.is_of_a_beginning(name)) {
            return Err(FolderError::NotEmpty { path: path.to_owned() });
        }
        write_json(&folder.config_path(), config)?;
        Ok(folder)
    }

    /// Whether the file `name` may be there before a run has its first checkpoint.
    fn is_of_a_beginning(&self, name: &OsStr) -> bool {
        let path = self.path.join(name);
        let is_empty = || fs::metadata(&path).is_ok_and(|file| file.len() == 0);
        name == LOCK
            || whole_file::is_partial(name)
            || path == self.config_path()
            || ((path == self.history_path() || path == self.steps_path()) && is_empty())
    }

    /// Opens the folder of a run that was started before.
    ///
    /// # Errors
    /// A folder without `config.json`.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let folder = Self { path: path.to_owned(), lock: Arc::default(), save_every: SAVE_EVERY };
        match fs::metadata(folder.config_path()) {
            Ok(_) => Ok(folder),
            Err(source) => Err(FolderError::Io { action: "find a run at", path: folder.config_path(), source }),
        }
    }

    /// The same folder with another interval for saving weights and checkpoint; the default is 5 s. They are saved at the end
    /// of the first epoch after the interval, and always when the run ends, except by a kill or a power cut. The interval
    /// does not change the results of the run.
    pub fn saved_every(self, save_every: Duration) -> Self {
        Self { save_every, ..self }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The contents of `config.json`.
    ///
    /// # Errors
    /// A file that cannot be read or is no JSON.
    pub fn config(&self) -> Result<Value, FolderError> {
        read_json(&self.config_path())
    }

    /// The contents of `metrics.json`, which is there once the run is finished.
    ///
    /// # Errors
    /// A file that cannot be read or is no summary.
    pub fn summary(&self) -> Result<Summary, FolderError> {
        read_json(&self.metrics_path())
    }

    /// The lines of `history.jsonl`.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is no record. A last line without a newline is left out: the run is still
    /// writing it, or was killed while it did.
    pub fn history(&self) -> Result<Vec<EpochRecord>, FolderError> {
        let path = self.history_path();
        let text = read(&path)?;
        let Some(end) = text.iter().rposition(|&byte| byte == b'\n') else { return Ok(Vec::new()) };
        let parse = |(i, line): (usize, &[u8])| {
            let reason = |problem| format!("line {}: {problem}", i + 1);
            serde_json::from_slice(line)
                .map_err(|problem| FolderError::Damaged { path: path.clone(), reason: reason(problem) })
        };
        text[..end].split(|&byte| byte == b'\n').enumerate().map(parse).collect()
    }

    /// `config.json`: every setting of the run.
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// `metrics.json`: the [`Summary`].
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.json")
    }

    /// `history.jsonl`: an [`EpochRecord`] per line.
    pub fn history_path(&self) -> PathBuf {
        self.path.join("history.jsonl")
    }

    /// `steps.jsonl`: a [`crate::StepRecord`] per line, if the plan asks for it.
    pub fn steps_path(&self) -> PathBuf {
        self.path.join("steps.jsonl")
    }

    /// `best.safetensors`: the weights of the best epoch so far.
    pub fn best_path(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// `last.safetensors`: the final weights.
    pub fn last_path(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// `checkpoint.safetensors`: the state that the run is resumed from.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// Locks this folder against other processes, as long as the returned file is open, and removes what a process that was
    /// killed has not finished. A file system without locks is no error.
    pub(crate) fn lock(&self) -> Result<File, FolderError> {
        if let Some(lock) = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(lock);
        }
        let path = self.path.join(LOCK);
        let failed = |source: io::Error| FolderError::Io { action: "lock", path: path.clone(), source };
        let file = File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::InUse { path: self.path.clone() }),
            Err(TryLockError::Error(source)) if source.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        whole_file::clear_partial(&self.path);
        Ok(file)
    }

    pub(crate) fn write_best(&self, file: &WeightFile) -> Result<(), FolderError> {
        Ok(file.write(self.best_path())?)
    }

    pub(crate) fn write_last(&self, file: &WeightFile) -> Result<(), FolderError> {
        Ok(file.write(self.last_path())?)
    }

    pub(crate) fn write_summary(&self, summary: &Summary) -> Result<(), FolderError> {
        write_json(&self.metrics_path(), summary)
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FolderError> {
    whole_file::write_json(path, value).map_err(|source| FolderError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

/// Reads a file of figures or settings.
fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    let failed = |source| FolderError::Io { action: "read", path: path.to_owned(), source };
    whole_file::read(path, whole_file::MOST_FIGURES).map_err(failed)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, FolderError> {
    serde_json::from_slice(&read(path)?)
        .map_err(|problem| FolderError::Damaged { path: path.to_owned(), reason: problem.to_string() })
}
