//! The folder of a study.
//!
//! | file | what |
//! |---|---|
//! | `study.json` | settings, folds, seeds and data, which must agree when the study is resumed or joined; and how it is trained here |
//! | `trainings/NNNNN.safetensors` | a training, written when it ends |
//! | `weights/NNNNN.safetensors` | its weights, if they are kept, in the format of `triax train` |
//! | `results.csv`, `subjects.csv`, `history.csv`, `baselines.csv` | tables of the trainings, at the end in the order of their numbers |
//! | `calibrations.csv` | each calibration of a subject by a training, where the study calibrates |
//! | `timings.csv` | start and duration of each training; the only table that differs between two runs of the same study |
//! | `summary.json`, `report.html` | the results, once all trainings have ended |

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use triax_data::Audit;
use triax_model::{Scaler, WeightFile, whole_file};
use triax_trainer::RunFolder;

use crate::StudyError;
use crate::grid::{Study, Training};
use crate::owned_folder::{LOCK, OwnedFolder, Owner, check_lock, read_json};
use crate::training_file::TrainingFile;

/// The most bytes of a file of a training or of its weights, whose header alone can have 100 MB.
pub(crate) const MOST_BYTES: u64 = 2 << 30;

/// What a study calls itself.
const STUDY: Owner = Owner { name: "study", begin: "begin a study in" };

/// The folder of a study, locked for this process.
#[derive(Debug)]
pub struct StudyFolder(OwnedFolder);

impl StudyFolder {
    /// Opens the folder `path`, and creates it if needed. `study` describes the study, and must agree with a study that is
    /// there. `here` describes how it is trained on this machine, and may differ.
    ///
    /// # Errors
    /// A folder that holds other files, or another study (with the first difference); a folder that another process uses;
    /// an error of the system.
    pub fn open(path: &Path, study: &serde_json::Value, here: &serde_json::Value) -> Result<Self, StudyError> {
        let folder = Self(OwnedFolder::open(path, &STUDY, study, here)?);
        for name in ["trainings", "weights"] {
            fs::create_dir_all(path.join(name)).map_err(StudyError::io("make", &path.join(name)))?;
        }
        // What a process that was killed has not finished.
        [path.join("trainings"), path.join("weights")].iter().for_each(|path| whole_file::clear_partial(path));
        Ok(folder)
    }

    /// The description of the study in `path`.
    ///
    /// # Errors
    /// No study there, or one whose `study.json` cannot be read.
    pub fn description(path: &Path) -> Result<serde_json::Value, StudyError> {
        check_is_study(path)?;
        read_json(&path.join("study.json"))
    }

    /// Audits the folds of `study`, and the scalers in the weight files of the folder `path`. Without weight files, the
    /// scalers are computed again.
    ///
    /// # Errors
    /// A weight file that cannot be read.
    pub fn audit(path: &Path, study: &Study) -> Result<Audit, StudyError> {
        let kept = Self::kept_scalers(path, study)?;
        Ok(study.audit(&if kept.is_empty() { study.scalers() } else { kept }))
    }

    /// The scalers in the weight files of the folder `path`. Seeds of one setting and fold with equal scalers give one
    /// entry.
    fn kept_scalers(path: &Path, study: &Study) -> Result<Vec<(Training, Scaler)>, StudyError> {
        let mut kept: Vec<(Training, Scaler)> = Vec::new();
        for number in 0..study.n_trainings() {
            let file = weights_in(path, number);
            let training = study.training(number);
            // A classical model scales its features, and no channel.
            if !file.exists() || study.settings[training.setting].classical.is_some() {
                continue;
            }
            let scaler = WeightFile::read(file)?.scaler;
            let is_same = |(other, known): &(Training, Scaler)| {
                (other.setting, other.fold) == (training.setting, training.fold) && Some(known) == scaler.as_ref()
            };
            if !kept.iter().any(is_same) {
                kept.extend(scaler.map(|scaler| (training, scaler)));
            }
        }
        Ok(kept)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes the file `name` of the folder, as [`whole_file::write`] does.
    ///
    /// # Errors
    /// An error of the system.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StudyError> {
        self.0.write(name, bytes)
    }

    /// Writes the file `name` of the folder, as [`whole_file::write_json`] does.
    pub(crate) fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), StudyError> {
        self.0.write_json(name, value)
    }

    /// The file of a training.
    pub(crate) fn training_path(&self, number: usize) -> PathBuf {
        self.path().join("trainings").join(format!("{number:05}.safetensors"))
    }

    /// The weights of a training.
    pub(crate) fn weights_path(&self, number: usize) -> PathBuf {
        weights_in(self.path(), number)
    }

    /// The trainings of `study` that have ended, by number.
    pub(crate) fn trainings(&self, study: &Study) -> Result<BTreeMap<usize, TrainingFile>, StudyError> {
        let mut all = BTreeMap::new();
        for path in files(&self.path().join("trainings"))? {
            let file = TrainingFile::read(&path, study.classes().len())?;
            file.check(study).map_err(|problem| StudyError::damaged(&path, problem))?;
            if self.training_path(file.trained.number) != path {
                return Err(StudyError::damaged(&path, format!("it is training {}", file.trained.number)));
            }
            all.insert(file.trained.number, file);
        }
        Ok(all)
    }

    /// The numbers of the trainings of `study` that have not ended.
    ///
    /// # Errors
    /// A training that is damaged.
    pub fn missing(&self, study: &Study) -> Result<Vec<usize>, StudyError> {
        let there = self.trainings(study)?;
        Ok((0..study.n_trainings()).filter(|number| !there.contains_key(number)).collect())
    }

    /// Copies the trainings and weights of the share of `study` in the folder `part`. A training that is here already must
    /// be equal.
    ///
    /// # Errors
    /// A training that is here already and differs; a damaged training; another process that uses `part`; an error of the
    /// system.
    pub fn take_over(&self, part: &Path, study: &Study) -> Result<(), StudyError> {
        let _lock = lock_for_reading(part)?;
        for source in files(&part.join("trainings"))? {
            let file = TrainingFile::read(&source, study.classes().len())?;
            file.check(study).map_err(|problem| StudyError::damaged(&source, problem))?;
            let number = file.trained.number;
            let target = self.training_path(number);
            if target.exists() && !TrainingFile::read(&target, study.classes().len())?.agrees_with(&file) {
                let reason = io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    format!("the shares overlap, and training {number} came out otherwise in another one"),
                );
                return Err(StudyError::Io { action: "join", path: source, reason });
            }
            // Weights come first, so that a training that is there has its weights.
            for (source, target) in [(weights_in(part, number), self.weights_path(number)), (source, target)] {
                if source.exists() && !target.exists() {
                    let bytes = whole_file::read(&source, MOST_BYTES).map_err(StudyError::io("read", &source))?;
                    whole_file::write(&target, &bytes).map_err(StudyError::io("write", &target))?;
                }
            }
        }
        Ok(())
    }
}

/// The weights of a training of the study in `folder`.
pub(crate) fn weights_in(folder: &Path, number: usize) -> PathBuf {
    folder.join("weights").join(format!("{number:05}.safetensors"))
}

/// The safetensors files in `folder`. Partial files of a process that was killed have other names.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, StudyError> {
    let entries = fs::read_dir(folder).map_err(StudyError::io("read", folder))?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(StudyError::io("read", folder))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    Ok(paths)
}

/// Refuses a path that is not the folder of a study, and says what it is.
pub(crate) fn check_is_study(path: &Path) -> Result<(), StudyError> {
    if path.join("study.json").exists() {
        return Ok(());
    }
    let shown = path.display();
    let is_run = || RunFolder::open(path).is_ok_and(|run| run.history_path().exists());
    Err(StudyError::NoStudy(match fs::metadata(path) {
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => format!("there is no folder {shown}"),
        Err(reason) => return Err(StudyError::io("read", path)(reason)),
        Ok(there) if !there.is_dir() => format!("{shown} is a file: name the folder of a study"),
        Ok(_) if is_run() => format!("{shown} is the folder of a run, not of a study"),
        Ok(_) => format!("{shown} is not the folder of a study: it has no study.json"),
    }))
}

/// Locks the study in `path` against changes, as long as the returned file is open. A folder that cannot be written is not
/// locked.
fn lock_for_reading(path: &Path) -> Result<Option<File>, StudyError> {
    let Ok(lock) = File::open(path.join(LOCK)) else { return Ok(None) };
    check_lock(lock.try_lock_shared(), path)?;
    Ok(Some(lock))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_folder_belongs_to_one_study() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("study");
        let one = json!({"folds": "loso", "settings": {"epochs": 3}});
        let folder = StudyFolder::open(&path, &one, &json!({"data": "a"})).unwrap();
        let busy = StudyFolder::open(&path, &one, &json!({})).unwrap_err().to_string();
        assert!(busy.contains("another process"), "{busy}");
        drop(folder);
        drop(StudyFolder::open(&path, &one, &json!({"data": "b"})).unwrap());
        assert_eq!(StudyFolder::description(&path).unwrap(), json!({"study": one, "here": {"data": "a"}}));
        let other = json!({"folds": "loso", "settings": {"epochs": 4}});
        let refusal = StudyFolder::open(&path, &other, &json!({})).unwrap_err().to_string();
        assert!(refusal.contains("`settings.epochs` is 3 there, and 4 here"), "{refusal}");
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("thesis.txt"), "years of work").unwrap();
        let refusal = StudyFolder::open(scratch.path(), &json!({}), &json!({})).unwrap_err().to_string();
        assert!(refusal.contains("it holds files"), "{refusal}");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_whose_process_was_killed_at_once_is_a_new_one() {
        let scratch = tempfile::tempdir().unwrap();
        for name in [".lock", ".triax-x.partial"] {
            fs::write(scratch.path().join(name), "").unwrap();
        }
        StudyFolder::open(scratch.path(), &json!({}), &json!({})).unwrap();
    }
}
