//! The lines of `history.jsonl` and `steps.jsonl`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::FolderError;

/// One epoch of a model. In a run folder it is a line of `history.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Training loss as in Keras: the mean of the losses of the batches, weighted by their windows. The weights change during
    /// the epoch, and dropout is active.
    pub loss: f64,
    /// Fraction of the training windows classified correctly, counted likewise.
    pub accuracy: f64,
    /// Validation loss after the epoch. Like the other validation figures, it is absent without validation windows, or if
    /// the job does not follow them.
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
    /// Wall-clock seconds of training and validation, for all models that were trained together.
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

/// A file of JSON lines. A checkpoint records its length in bytes, so that a run that resumes can cut off the lines after
/// the checkpoint, including a partial one.
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
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).map_err(failed)?;
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
            // A length that a checkpoint has not written would tear a line.
            if bytes > 0 && !ends_a_line(&mut file, bytes).map_err(failed)? {
                return Err(FolderError::Damaged {
                    path: path.to_owned(),
                    reason: format!("no line ends at byte {bytes}, where the checkpoint says so; start a new run"),
                });
            }
            file.set_len(bytes).map_err(failed)?;
        }
        file.seek(SeekFrom::Start(bytes)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    /// Appends a line for each record. Readers see it at once, but it survives a power cut only after [`JsonLines::sync`].
    pub(crate) fn append<R: Serialize>(&mut self, records: impl IntoIterator<Item = R>) -> Result<(), FolderError> {
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, &record).expect("a record of numbers is valid JSON");
            lines.push(b'\n');
        }
        self.file.write_all(&lines).map_err(|source| self.cannot_write(source))?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Returns when every line is on the disk.
    pub(crate) fn sync(&self) -> Result<(), FolderError> {
        self.file.sync_data().map_err(|source| self.cannot_write(source))
    }

    fn cannot_write(&self, source: io::Error) -> FolderError {
        FolderError::Io { action: "write", path: self.path.clone(), source }
    }

    /// Length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Whether a line ends after the first `bytes` bytes of `file`, which are not 0.
fn ends_a_line(file: &mut File, bytes: u64) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::Start(bytes - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> StepRecord {
        StepRecord { step, loss: 0.5 }
    }

    #[test]
    fn what_was_written_after_the_checkpoint_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steps.jsonl");
        let mut lines = JsonLines::open(&path, 0).unwrap();
        lines.append([step(1), step(2)]).unwrap();
        let at_checkpoint = lines.bytes();
        lines.append([step(3)]).unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"step\": 4, \"lo").unwrap();

        let mut lines = JsonLines::open(&path, at_checkpoint).unwrap();
        lines.append([step(30)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let steps: Vec<StepRecord> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(steps, [step(1), step(2), step(30)]);
        assert_eq!(lines.bytes(), text.len() as u64);
    }

    #[test]
    fn a_length_that_would_tear_a_line_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        std::fs::write(&path, "{}\n{}\n").unwrap();
        let error = JsonLines::open(&path, 2).unwrap_err().to_string();
        assert!(error.contains("history.jsonl") && error.contains("byte 2"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n{}\n");
    }

    #[test]
    fn a_file_that_has_lost_lines_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        std::fs::write(&path, "{}\n").unwrap();
        let error = JsonLines::open(&path, 100).unwrap_err().to_string();
        assert!(error.contains("history.jsonl") && error.contains("3 bytes, and had 100"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n");
    }

    #[test]
    fn absent_validation_is_left_out() {
        let record = EpochRecord {
            epoch: 1,
            loss: 0.5,
            accuracy: 0.25,
            val_loss: None,
            val_accuracy: None,
            val_macro_f1: None,
            learning_rate: 0.001,
            seconds: 2.0,
        };
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(line, r#"{"epoch":1,"loss":0.5,"accuracy":0.25,"learning_rate":0.001,"seconds":2.0}"#);
        assert_eq!(serde_json::from_str::<EpochRecord>(&line).unwrap(), record);
        let judged = EpochRecord { val_loss: Some(1.0), val_accuracy: Some(0.5), val_macro_f1: Some(0.125), ..record };
        let line = serde_json::to_string(&judged).unwrap();
        assert!(line.contains(r#""val_loss":1.0,"val_accuracy":0.5,"val_macro_f1":0.125,"learning_rate""#), "{line}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_named() {
        let error = JsonLines::open(Path::new("/dev/full"), 0).unwrap().append([step(1)]).unwrap_err().to_string();
        assert!(error.contains("/dev/full") && error.contains("No space left"), "{error}");
    }
}
