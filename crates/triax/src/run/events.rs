//! Scalars of each epoch for TensorBoard, in `RUN/tensorboard/`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use triax_engine::StepResult;
use triax_model::whole_file;
use triax_trainer::{EpochRecord, FitSize, Metrics, Observer, RunFolder};

use crate::Error;
use crate::report::tensorboard;
use crate::settings::RECORDED;

/// The event file of a run. Its content follows from `history.jsonl` and the time when the run started. TensorBoard
/// sees each epoch as it ends. A run that was stopped and resumed ends with the same file as an uninterrupted one,
/// except for the seconds that it took.
pub struct Events {
    folder: RunFolder,
    path: PathBuf,
    /// Start of the run, in seconds since 1970.
    started: f64,
    /// End of the last epoch: the start plus the seconds of all epochs.
    now: f64,
}

impl Events {
    /// The events of the run in `folder`. `None` if they are not `asked` for and there are none from before.
    ///
    /// # Errors
    /// A run whose `config.json` does not say when it started.
    pub fn new(folder: &RunFolder, asked: bool) -> Result<Option<Self>, Error> {
        let beside = folder.path().join("tensorboard");
        if !asked && !beside.is_dir() {
            return Ok(None);
        }
        // What a process that was killed has not finished.
        whole_file::clear_partial(&beside);
        let config = folder.config()?;
        let started = config[RECORDED]["started"].as_str().and_then(|text| text.parse().ok());
        let started: jiff::Timestamp = started.ok_or_else(|| {
            Error::Input(format!("{} does not say when the run began", folder.config_path().display()))
        })?;
        let started = started.as_second() as f64;
        let path = beside.join(tensorboard::file_name(started));
        Ok(Some(Self { folder: folder.clone(), path, started, now: started }))
    }

    /// Starts the run, or continues it after `n_epochs`. Events of later epochs are dropped.
    pub fn begin(&mut self, n_epochs: usize) {
        // If this write fails, the one at the end fails too and reports it.
        let _ = self.write(n_epochs);
    }

    /// Appends an epoch that has ended.
    pub fn append(&mut self, epoch: &EpochRecord) {
        self.now += epoch.seconds;
        let record = tensorboard::epoch(epoch, self.now);
        let _ = OpenOptions::new().append(true).open(&self.path).and_then(|mut file| file.write_all(&record));
    }

    /// Ends the run: writes the whole file from the history.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(mut self) -> Result<(), Error> {
        self.write(usize::MAX)
    }

    /// Writes the first `n_epochs` of the history.
    fn write(&mut self, n_epochs: usize) -> Result<(), Error> {
        let mut bytes = tensorboard::head(self.started);
        self.now = self.started;
        for epoch in self.folder.history()?.iter().take(n_epochs) {
            self.now += epoch.seconds;
            bytes.extend(tensorboard::epoch(epoch, self.now));
        }
        fs::create_dir_all(self.path.parent().unwrap_or(&self.path))
            .and_then(|()| whole_file::write(&self.path, &bytes))
            .map_err(|source| Error::io("write", &self.path, source))
    }
}

/// An observer that also logs epochs for TensorBoard, if `events` are given.
pub struct WithEvents<'a> {
    pub observer: &'a mut dyn Observer,
    pub events: Option<Events>,
}

impl Observer for WithEvents<'_> {
    fn fit_started(&mut self, size: &FitSize) {
        if let Some(events) = &mut self.events {
            events.begin(size.epochs_done);
        }
        self.observer.fit_started(size);
    }

    fn epoch_started(&mut self, epoch: usize) {
        self.observer.epoch_started(epoch);
    }

    fn steps_done(&mut self, steps: u64, newest: Option<StepResult>) {
        self.observer.steps_done(steps, newest);
    }

    fn epoch_ended(&mut self, model_idx: usize, record: &EpochRecord, validation: Option<&Metrics>) {
        if let Some(events) = &mut self.events {
            events.append(record);
        }
        self.observer.epoch_ended(model_idx, record, validation);
    }

    fn models_ended(&mut self, models: usize) {
        self.observer.models_ended(models);
    }

    fn interrupted(&mut self) -> bool {
        self.observer.interrupted()
    }
}
