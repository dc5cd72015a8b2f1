//! A folder that belongs to one piece of work: described by a JSON file, and locked while a process is at work there.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use triax_model::whole_file;

use crate::StudyError;

/// The file that is locked.
pub(crate) const LOCK: &str = ".lock";

/// What folders belong to.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// Its name: `study` for a folder with `study.json`. That file has the work under this key, and under `here` how it is done
    /// on this machine.
    pub name: &'static str,
    /// What is tried with a new folder, for messages.
    pub begin: &'static str,
}

/// A folder that belongs to one piece of work, locked for this process.
#[derive(Debug)]
pub struct OwnedFolder {
    path: PathBuf,
    /// The lock lasts as long as this file is open.
    _lock: File,
}

impl Owner {
    /// The file that describes the work.
    pub fn file(&self) -> String {
        format!("{}.json", self.name)
    }
}

impl OwnedFolder {
    /// Opens the folder `path`, and creates it if needed. `work` describes the work, and must agree with what is there.
    /// `here` describes how it is done on this machine, and may differ.
    ///
    /// # Errors
    /// A folder that holds other files, or other work (with the first difference); a folder that another process uses; an
    /// error of the system.
    pub fn open(
        path: &Path,
        owner: &Owner,
        work: &serde_json::Value,
        here: &serde_json::Value,
    ) -> Result<Self, StudyError> {
        fs::create_dir_all(path).map_err(StudyError::io("make", path))?;
        let file = path.join(owner.file());
        // Nothing is put into a folder of something else, not even a lock. Where there is one, only its holder knows what else
        // is there.
        if !path.join(LOCK).exists() {
            check_is_free(path, owner)?;
        }
        let lock = lock(path)?;
        check_is_free(path, owner)?;
        if file.exists() {
            let there: serde_json::Value = read_json(&file)?;
            if let Some(difference) = difference("", &there[owner.name], work) {
                let reason = io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    format!("it holds another {}: {difference}; name another --out", owner.name),
                );
                return Err(StudyError::Io { action: "go on in", path: path.to_owned(), reason });
            }
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        if !file.exists() {
            folder.write_json(&owner.file(), &serde_json::json!({owner.name: work, "here": here}))?;
        }
        // What a process that was killed has not finished.
        whole_file::clear_partial(path);
        Ok(folder)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file `name` of the folder, as [`whole_file::write`] does.
    ///
    /// # Errors
    /// An error of the system.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StudyError> {
        let path = self.path.join(name);
        whole_file::write(&path, bytes).map_err(StudyError::io("write", &path))
    }

    /// Writes the file `name` of the folder, as [`whole_file::write_json`] does.
    ///
    /// # Errors
    /// An error of the system.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), StudyError> {
        let path = self.path.join(name);
        whole_file::write_json(&path, value).map_err(StudyError::io("write", &path))
    }
}

/// Refuses a folder that holds something other than the work of `owner`.
fn check_is_free(path: &Path, owner: &Owner) -> Result<(), StudyError> {
    let mut there = fs::read_dir(path).map_err(StudyError::io("read", path))?;
    // The lock, and partial files of a process that was killed, have names that begin with a dot.
    let is_hidden = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
    if path.join(owner.file()).exists() || !there.any(|entry| entry.is_ok_and(|entry| !is_hidden(&entry))) {
        return Ok(());
    }
    let reason = io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!(
            "it holds files, and no {}: name a folder that is new or empty, or that of this {}",
            owner.file(),
            owner.name
        ),
    );
    Err(StudyError::Io { action: owner.begin, path: path.to_owned(), reason })
}

fn lock(path: &Path) -> Result<File, StudyError> {
    let file = path.join(LOCK);
    let lock = File::create(&file).map_err(StudyError::io("write", &file))?;
    check_lock(lock.try_lock(), path)?;
    Ok(lock)
}

pub(crate) fn check_lock(locked: Result<(), fs::TryLockError>, path: &Path) -> Result<(), StudyError> {
    match locked {
        Ok(()) => Ok(()),
        Err(fs::TryLockError::WouldBlock) => {
            let reason = io::Error::new(io::ErrorKind::ResourceBusy, "another process is at work there");
            Err(StudyError::Io { action: "go on in", path: path.to_owned(), reason })
        }
        // Some network file systems have no locks. There the work is done without one.
        Err(fs::TryLockError::Error(reason)) if reason.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(fs::TryLockError::Error(reason)) => Err(StudyError::Io { action: "lock", path: path.to_owned(), reason }),
    }
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StudyError> {
    let text = whole_file::read(path, whole_file::MOST_FIGURES).map_err(StudyError::io("read", path))?;
    serde_json::from_slice(&text).map_err(|error| StudyError::damaged(path, error.to_string()))
}

/// The first entry in which two descriptions of a study differ, if any.
pub fn difference(at: &str, there: &serde_json::Value, now: &serde_json::Value) -> Option<String> {
    use serde_json::Value::Object;
    match (there, now) {
        (Object(there), Object(now)) => {
            let keys: std::collections::BTreeSet<&String> = there.keys().chain(now.keys()).collect();
            keys.into_iter().find_map(|key| {
                let null = serde_json::Value::Null;
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                difference(&at, there.get(key).unwrap_or(&null), now.get(key).unwrap_or(&null))
            })
        }
        _ if there == now => None,
        _ => Some(format!("`{at}` is {there} there, and {now} here")),
    }
}
