//! Scalars for TensorBoard, epoch by epoch: `RUN/tensorboard/`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use triax_model::whole_file;
use triax_report::tensorboard;
use triax_trainer::{EpochRecord, RunFolder};

/// The event file of a run. What it holds follows from `history.jsonl` and the time when the run began: TensorBoard sees
/// each epoch as it ends, and a run that was stopped and resumed ends with the file of one that was not, but for the
/// seconds it took.
pub struct Events {
    folder: RunFolder,
    path: PathBuf,
    /// When the run began, in seconds since 1970.
    started: f64,
    /// When its last epoch ended, by the seconds of all.
    now: f64,
}

impl Events {
    /// Of the run in `folder`, where they were asked for or are there from before.
    ///
    /// # Errors
    /// A run that does not say when it began.
    pub fn of(folder: &RunFolder, asked: bool) -> anyhow::Result<Option<Self>> {
        let beside = folder.path().join("tensorboard");
        if !asked && !beside.is_dir() {
            return Ok(None);
        }
        let config = folder.config()?;
        let started = config[crate::config::RECORDED]["started"].as_str().and_then(|text| text.parse().ok());
        let started: jiff::Timestamp =
            started.ok_or_else(|| anyhow!("{} does not say when the run began", folder.config_path().display()))?;
        let started = started.as_second() as f64;
        let path = beside.join(tensorboard::file_name(started));
        Ok(Some(Self { folder: folder.clone(), path, started, now: started }))
    }

    /// The run begins, or goes on after `n_epochs`: what was written of later ones is no longer so.
    pub fn begin(&mut self, n_epochs: usize) {
        // What cannot be written now cannot at the end either, and is told there.
        let _ = self.write(n_epochs);
    }

    /// An epoch ended.
    pub fn append(&mut self, epoch: &EpochRecord) {
        self.now += epoch.seconds;
        let record = tensorboard::epoch(epoch, self.now);
        let _ = OpenOptions::new().append(true).open(&self.path).and_then(|mut file| file.write_all(&record));
    }

    /// The run ended: the whole file, from the history.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.write(usize::MAX)
    }

    /// Writes the first `n_epochs` of the history.
    fn write(&mut self, n_epochs: usize) -> anyhow::Result<()> {
        let mut bytes = tensorboard::head(self.started);
        self.now = self.started;
        for epoch in self.folder.history()?.iter().take(n_epochs) {
            self.now += epoch.seconds;
            bytes.extend(tensorboard::epoch(epoch, self.now));
        }
        let put = || {
            fs::create_dir_all(self.path.parent().unwrap_or(&self.path))?;
            whole_file::write(&self.path, &bytes)
        };
        put().with_context(|| format!("cannot write {}", self.path.display()))
    }
}
