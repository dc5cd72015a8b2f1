//! Unpacks an archive that is not trusted. Nothing is written outside its folder, and no more than a budget allows.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use zip::ZipArchive;

use super::FetchError;
use crate::DataError;

/// How much an archive may still unpack. The largest data set, WISDM v2, has some 600 files and 2 GB.
pub(super) struct Budget {
    pub(super) bytes: u64,
    pub(super) entries: u32,
    /// Archives within archives: UCI wraps each of its zips in another.
    pub(super) depth: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: 8 << 30, entries: 100_000, depth: 1 }
    }
}

/// Unpacks a zip, tar or tar.gz, recognised by its content, into the folder `into`. Zips inside are unpacked in place. Files
/// that macOS adds to archives are left out.
pub(super) fn unpack(archive: &Path, into: &Path, budget: &mut Budget) -> Result<(), DataError> {
    Unpacking { outermost: archive, into }.open(archive, budget)
}

struct Unpacking<'a> {
    /// The archive that was downloaded, for messages.
    outermost: &'a Path,
    into: &'a Path,
}

impl Unpacking<'_> {
    fn open(&self, archive: &Path, budget: &mut Budget) -> Result<(), DataError> {
        let mut file = File::open(archive).map_err(|error| DataError::io(archive, error))?;
        let mut head = Vec::new();
        file.by_ref().take(262).read_to_end(&mut head).map_err(|error| DataError::io(archive, error))?;
        file.seek(SeekFrom::Start(0)).map_err(|error| DataError::io(archive, error))?;
        match head.as_slice() {
            [b'P', b'K', 3 | 5, ..] => self.zip(file, budget),
            [0x1f, 0x8b, ..] => self.tar(GzDecoder::new(file), budget),
            head if head.ends_with(b"ustar") => self.tar(file, budget),
            _ => Err(self.damaged("neither zip nor tar.gz; the server may have sent a web page instead").into()),
        }
    }

    fn zip(&self, file: File, budget: &mut Budget) -> Result<(), DataError> {
        let mut zip = ZipArchive::new(io::BufReader::new(file)).map_err(|error| self.damaged(error))?;
        let mut inner = Vec::new();
        for idx in 0..zip.len() {
            let mut entry = zip.by_index(idx).map_err(|error| self.damaged(error))?;
            let name = entry.name().map_err(|error| self.damaged(error))?.into_owned();
            let Some(path) = self.place(Path::new(&name), budget)? else { continue };
            if entry.is_symlink() {
                return Err(self.hostile(&name, "is a link").into());
            }
            if entry.is_dir() {
                fs::create_dir_all(&path).map_err(|error| DataError::io(&path, error))?;
                continue;
            }
            self.write(&mut entry, &path, budget)?;
            if budget.depth > 0 && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip")) {
                inner.push(path);
            }
        }
        for path in inner {
            budget.depth -= 1;
            let folder = path.parent().unwrap_or(self.into);
            Unpacking { into: folder, ..*self }.open(&path, budget)?;
            budget.depth += 1;
            fs::remove_file(&path).map_err(|error| DataError::io(&path, error))?;
        }
        Ok(())
    }

    fn tar(&self, reader: impl Read, budget: &mut Budget) -> Result<(), DataError> {
        let mut tar = tar::Archive::new(reader);
        for entry in tar.entries().map_err(|error| self.damaged(error))? {
            let mut entry = entry.map_err(|error| self.damaged(error))?;
            let name = entry.path().map_err(|error| self.damaged(error))?.into_owned();
            let kind = entry.header().entry_type();
            if kind.is_pax_global_extensions() {
                continue;
            }
            let Some(path) = self.place(&name, budget)? else { continue };
            if kind.is_dir() {
                fs::create_dir_all(&path).map_err(|error| DataError::io(&path, error))?;
            } else if kind.is_file() {
                self.write(&mut entry, &path, budget)?;
            } else {
                return Err(self.hostile(&name.display().to_string(), "is a link or a device").into());
            }
        }
        Ok(())
    }

    /// The path of the entry `name`; `None` if it is to be left out.
    fn place(&self, name: &Path, budget: &mut Budget) -> Result<Option<PathBuf>, DataError> {
        budget.entries = budget.entries.checked_sub(1).ok_or_else(|| self.damaged("too many entries"))?;
        let mut path = self.into.to_owned();
        for component in name.components() {
            match component {
                Component::Normal(part) if part == "__MACOSX" || part == ".DS_Store" => return Ok(None),
                Component::Normal(part) => path.push(part),
                Component::CurDir => {}
                _ => {
                    let name = name.display().to_string();
                    return Err(self.hostile(&name, "would be written outside its folder").into());
                }
            }
        }
        Ok(Some(path))
    }

    /// Writes an entry, and no more than the budget allows, whatever its header says about its size.
    fn write(&self, entry: &mut dyn Read, path: &Path, budget: &mut Budget) -> Result<(), DataError> {
        let at_path = |error| DataError::io(path, error);
        fs::create_dir_all(path.parent().unwrap_or(self.into)).map_err(at_path)?;
        let mut file = File::create_new(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => self.damaged(format!("two entries are named `{}`", path.display())).into(),
            _ => at_path(error),
        })?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            // Reading and writing fail differently: a damaged archive is fetched again, a full disk is not.
            let n = entry.read(&mut buffer).map_err(|error| self.damaged(error))?;
            if n == 0 {
                break;
            }
            let what = || format!("What {} unpacks to", self.outermost.display());
            let left = budget.bytes.checked_sub(n as u64);
            budget.bytes = left.ok_or_else(|| FetchError::TooLarge { what: what() })?;
            io::Write::write_all(&mut file, &buffer[..n]).map_err(at_path)?;
        }
        file.sync_all().map_err(at_path)
    }

    fn damaged(&self, problem: impl ToString) -> FetchError {
        FetchError::Archive { archive: self.outermost.to_owned(), problem: problem.to_string() }
    }

    fn hostile(&self, entry: &str, problem: &'static str) -> FetchError {
        FetchError::Hostile { archive: self.outermost.to_owned(), entry: entry.to_owned(), problem }
    }
}
