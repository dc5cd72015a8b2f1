//! The files of trainings, written by threads of their own while the next trainings are on the device.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};

use triax_engine::{Phase, Timings};
use triax_model::{WeightFile, WeightFileError};

use crate::StudyError;
use crate::baselines::ClassicalFile;
use crate::folder::StudyFolder;
use crate::grid::Study;
use crate::run::{Progress, lock};
use crate::tables;
use crate::training_file::TrainingFile;

/// Files that are written at the same time. A thread waits for the disk most of the time, so there may be more than there
/// are processors.
const AT_ONCE: usize = 8;

/// A training that has ended.
pub(crate) struct Ended {
    pub file: TrainingFile,
    /// Its weights, if they are kept.
    pub weights: Option<Kept>,
}

/// The weights of a training.
pub(crate) enum Kept {
    Network(WeightFile),
    Classical(ClassicalFile),
}

impl Kept {
    fn write(&self, path: &Path) -> Result<(), WeightFileError> {
        match self {
            Self::Network(file) => file.write(path),
            Self::Classical(file) => file.write(path),
        }
    }
}

/// Writes the files of trainings that have ended.
pub(crate) struct Writer<'a, 'o> {
    pub study: &'a Study,
    pub folder: &'a StudyFolder,
    pub progress: &'a Mutex<Progress<'o>>,
    /// Set when a file could not be written: there is no use in further trainings.
    pub failed: &'a AtomicBool,
    pub timings: Timings,
}

impl Writer<'_, '_> {
    /// Writes each group that comes from `groups`, until nobody sends any more, or a file cannot be written.
    pub fn write_all(&self, groups: Receiver<Vec<Ended>>) -> Result<(), StudyError> {
        // A thread that panics writes nothing more either.
        let failed = SetOnDrop(self.failed);
        groups.into_iter().try_for_each(|group| self.write(group))?;
        std::mem::forget(failed);
        Ok(())
    }

    /// Writes the files of a group and their rows of the tables, and reports the group as ended. Files that can be written
    /// are, also if others cannot.
    fn write(&self, group: Vec<Ended>) -> Result<(), StudyError> {
        // Of this thread only: the others would count the same time again.
        let _files = self.timings.phase(Phase::Files);
        let (next, errors) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let write_some = || {
            while let Some(ended) = group.get(next.fetch_add(1, Relaxed)) {
                if let Err(error) = self.write_files(ended) {
                    let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
                    errors.push((ended.file.trained.number, error));
                }
            }
        };
        std::thread::scope(|scope| {
            (1..AT_ONCE.min(group.len())).for_each(|_| drop(scope.spawn(write_some)));
            write_some();
        });
        let errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, error)) = errors.into_iter().min_by_key(|(number, _)| *number) {
            return Err(error);
        }
        let files: Vec<TrainingFile> = group.into_iter().map(|ended| ended.file).collect();
        let mut progress = lock(self.progress);
        tables::append(self.study, self.folder, &files)?;
        progress.n_done += files.len();
        let n_done = progress.n_done;
        progress.observer.models_ended(n_done);
        Ok(())
    }

    /// Weights come first, so that a training that is there has its weights.
    fn write_files(&self, ended: &Ended) -> Result<(), StudyError> {
        let number = ended.file.trained.number;
        if let Some(weights) = &ended.weights {
            weights.write(&self.folder.weights_path(number))?;
        }
        ended.file.write(&self.folder.training_path(number), self.study.classes().len())
    }
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
