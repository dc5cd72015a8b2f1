//! The lines of `history.jsonl` and `steps.jsonl`.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::FolderError;

/// One epoch: a line of `history.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Training loss as Keras counts it: the mean of the batches' losses, each weighted by its windows, while the weights
    /// were changing and with dropout.
    pub loss: f64,
    /// Fraction of the training windows classified correctly, counted likewise.
    pub accuracy: f64,
    /// Validation loss after the epoch; absent without validation windows, as all that follows of validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// Fraction of the validation windows classified correctly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_accuracy: Option<f64>,
    /// Mean of the classes' F1 over the validation windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_macro_f1: Option<f64>,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f32,
    /// Wall-clock seconds of training and validation.
    pub seconds: f64,
}

/// One step: a line of `steps.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step, from 1 over the whole run.
    pub step: u64,
    /// Loss of its batch, before the update.
    pub loss: f32,
}

/// A file of JSON lines that grows. It knows its length in bytes: a checkpoint notes it, so that a run that resumes cuts
/// off whatever was written after the checkpoint, a torn line included.
#[derive(Debug)]
pub(crate) struct JsonLines {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl JsonLines {
    /// Opens or creates the file and cuts it to its first `bytes` bytes.
    pub(crate) fn open(path: &Path, bytes: u64) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Io { action: "open", path: path.to_owned(), source };
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        if found < bytes {
            return Err(FolderError::Damaged {
                path: path.to_owned(),
                reason: format!(
                    "it has {found} bytes, and had {bytes} when the checkpoint was written; restore the file, or start \
                     a new run"
                ),
            });
        }
        if found > bytes {
            file.set_len(bytes).map_err(failed)?;
        }
        file.seek(SeekFrom::Start(bytes)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    /// Appends a line for each record, and returns when they are on the disk.
    pub(crate) fn append<R: Serialize>(&mut self, records: impl IntoIterator<Item = R>) -> Result<(), FolderError> {
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, &record).expect("a record of numbers is valid JSON");
            lines.push(b'\n');
        }
        self.file.write_all(&lines).and_then(|()| self.file.sync_data()).map_err(|source| FolderError::Io {
            action: "write",
            path: self.path.clone(),
            source,
        })?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}
