//! Shares of a nested search, joined.

use std::path::{Path, PathBuf};

use triax_engine::Timings;
use triax_model::whole_file;
use triax_study::OwnedFolder;

use super::TuneRun;
use super::description::{TUNE, TuneDescription};
use super::prepared::Prepared;
use crate::Error;
use crate::study::Devices;

/// The most bytes of a file that is taken over from a share.
const MOST_BYTES: u64 = 2 << 30;

impl TuneRun {
    /// Joins the shares of a search in `parts` in the folder `out`. The data is read again, from `data` or, by default, from
    /// where the first share has it.
    ///
    /// # Errors
    /// Shares of different searches; a missing share; data that has changed.
    pub fn merge(parts: &[PathBuf], out: &Path, data: Option<&Path>) -> Result<Self, Error> {
        let Some(first) = parts.first() else { return Err(Error::Usage("there is no share to join".to_owned())) };
        let mut description = TuneDescription::read(first)?;
        description.shard = None;
        if let Some(data) = data {
            let path = std::path::absolute(data).map_err(|source| Error::io("find", data, source))?;
            description.given.insert("data".to_owned(), path.to_string_lossy().into());
        }
        let asked = description.budget;
        let prepared = Prepared::new(description, &Timings::off())?;
        let compared = prepared.description.compared(&prepared.corpus);
        for part in parts {
            TuneDescription::read(part)?;
            // Refuses another search, and one that is being worked on.
            OwnedFolder::open(part, &TUNE, &compared, &serde_json::Value::Null)
                .map_err(|error| Error::from(error).while_doing(format!("cannot join {}", part.display())))?;
        }
        let devices = Devices { devices: Vec::new(), notices: Vec::new(), idle_threads: 0, kind: None };
        let run = prepared.begin(out, devices, (asked, asked, None), &Timings::off())?;
        for search in &run.searches {
            // Where shares overlap, they have come to the same.
            for from in parts.iter().map(|part| part.join(&search.name)).filter(|from| from.exists()) {
                copy_all(&from, &out.join(&search.name))?;
            }
        }
        Ok(run)
    }
}

/// Copies everything below `from` that is not below `to`.
fn copy_all(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(to).map_err(|source| Error::io("make", to, source))?;
    let entries = std::fs::read_dir(from).map_err(|source| Error::io("read", from, source))?;
    for entry in entries {
        let path = entry.map_err(|source| Error::io("read", from, source))?.path();
        let Some(name) = path.file_name() else { continue };
        // Locks and partial files.
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let target = to.join(name);
        if path.is_dir() {
            copy_all(&path, &target)?;
        } else if !target.exists() {
            let bytes = whole_file::read(&path, MOST_BYTES).map_err(|source| Error::io("read", &path, source))?;
            whole_file::write(&target, &bytes).map_err(|source| Error::io("write", &target, source))?;
        }
    }
    Ok(())
}
