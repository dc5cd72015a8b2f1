//! Folders of runs and studies that the user has not named.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The folder of all runs.
const RUNS: &str = "runs";

/// A new, empty folder. It exists from the moment it has a name, so that no other process takes the same name. If nothing has
/// been written into it in the end, it is removed.
#[derive(Debug)]
pub struct NewFolder {
    path: PathBuf,
    /// Whether [`RUNS`] was not there before.
    made_runs: bool,
}

impl NewFolder {
    /// Makes `runs/DATE_TIME-WHAT`; where this is taken, `runs/DATE_TIME-WHAT-2` and so on.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn make(what: &str) -> anyhow::Result<Self> {
        Self::make_in(Path::new(RUNS), &format!("{}-{what}", jiff::Zoned::now().strftime("%Y-%m-%d_%H-%M-%S")))
    }

    fn make_in(runs: &Path, name: &str) -> anyhow::Result<Self> {
        let made_runs = !runs.exists();
        let failed = |path: &Path| format!("cannot create {}", path.display());
        fs::create_dir_all(runs).with_context(|| failed(runs))?;
        let later_ones = (2..).map(|n| format!("{name}-{n}"));
        for name in std::iter::once(name.to_owned()).chain(later_ones) {
            let path = runs.join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, made_runs }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| failed(&path)),
            }
        }
        unreachable!("there is always a next number")
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // Only what is empty can be removed in this way.
        let removed = fs::remove_dir(&self.path).is_ok();
        if let (true, true, Some(runs)) = (removed, self.made_runs, self.path.parent()) {
            let _ = fs::remove_dir(runs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once_and_what_stays_empty_goes() {
        let scratch = tempfile::tempdir().unwrap();
        let runs = scratch.path().join("runs");
        let first = NewFolder::make_in(&runs, "now-hinge").unwrap();
        let others: Vec<NewFolder> = (0..2).map(|_| NewFolder::make_in(&runs, "now-hinge").unwrap()).collect();
        let names = others.iter().map(|folder| folder.path().file_name().unwrap().to_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["now-hinge-2", "now-hinge-3"]);
        fs::write(others[1].path().join("config.json"), "{}").unwrap();
        drop(others);
        assert_eq!(fs::read_dir(&runs).unwrap().count(), 2);
        fs::remove_dir_all(runs.join("now-hinge-3")).unwrap();
        drop(first);
        assert!(!runs.exists());
    }
}
