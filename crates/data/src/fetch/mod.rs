//! Public data sets: where they are, what they may be used for, and how to download one.
//!
//! Nothing is downloaded unless [`fetch`] is called. It works in three steps, each of which can be interrupted at any moment
//! and is continued by the next call:
//!
//! 1. The archive is downloaded to `FILE.part`. A later call resumes it there.
//! 2. It is verified, its SHA-256 is written to `FILE.sha256`, and it is renamed to `FILE`.
//! 3. It is unpacked into a temporary folder, which is then renamed.
//!
//! Whatever has its final name is complete.

mod download;
mod error;
mod unpack;

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use triax_model::text::hex;
use triax_model::whole_file;

use crate::DataError;
pub use error::FetchError;
use unpack::Budget;

/// A public data set that Triax reads.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// What [`fetch`] calls it; also the name of its format and of its folder.
    pub name: &'static str,
    /// What its authors call it.
    pub title: &'static str,
    /// The page that describes it.
    pub page: &'static str,
    /// The official archive.
    pub url: &'static str,
    /// Size of the archive in bytes, where known.
    pub size: Option<u64>,
    /// SHA-256 of the archive in hexadecimal, where known.
    pub sha256: Option<&'static str>,
    /// The folder of the archive that holds the data, as its publisher describes it.
    pub inside: &'static str,
    /// What it may be used for.
    pub licence: &'static str,
    /// What to cite when using it.
    pub citation: &'static str,
}

/// Every data set that [`fetch`] knows. Sizes and checksums without a reliable source are left out; `fetch` then reports the
/// checksum of the archive and that it could not be verified.
pub const DATA_SETS: [DataSet; 4] = [
    DataSet {
        name: "wisdm1",
        title: "WISDM Activity Prediction v1.1",
        page: "https://www.cis.fordham.edu/wisdm/dataset.php",
        url: "https://www.cis.fordham.edu/wisdm/includes/datasets/latest/WISDM_ar_latest.tar.gz",
        size: None,
        sha256: None,
        inside: "WISDM_ar_v1.1",
        licence: "none stated; its authors ask to be cited, and that readme.txt goes along when it is shared",
        citation: "J. R. Kwapisz, G. M. Weiss, S. A. Moore: Activity Recognition using Cell Phone Accelerometers. \
                   SensorKDD 2010.",
    },
    DataSet {
        name: "wisdm2",
        title: "WISDM Smartphone and Smartwatch Activity and Biometrics",
        page: "https://archive.ics.uci.edu/dataset/507",
        url: "https://archive.ics.uci.edu/static/public/507/\
              wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset.zip",
        size: None,
        sha256: None,
        inside: "wisdm-dataset",
        licence: "CC BY 4.0",
        citation: "G. M. Weiss, K. Yoneda, T. Hayajneh: Smartphone and Smartwatch-Based Biometrics Using Activities of \
                   Daily Living. IEEE Access 7, 2019.",
    },
    DataSet {
        name: "uci-har",
        title: "Human Activity Recognition Using Smartphones",
        page: "https://archive.ics.uci.edu/dataset/240",
        url: "https://archive.ics.uci.edu/static/public/240/human+activity+recognition+using+smartphones.zip",
        // Not published by the repository; several projects that pin the archive independently agree on both.
        size: Some(61_005_872),
        sha256: Some("c00b803081a5c797cd5e4b83700a9810b38d53d9d84e01917e090e1fdbc81031"),
        inside: "UCI HAR Dataset",
        licence: "CC BY 4.0 by its page; the notice inside the archive forbids commercial use",
        citation: "D. Anguita, A. Ghio, L. Oneto, X. Parra, J. L. Reyes-Ortiz: A Public Domain Dataset for Human \
                   Activity Recognition Using Smartphones. ESANN 2013.",
    },
    DataSet {
        name: "motionsense",
        title: "MotionSense (device motion)",
        page: "https://github.com/mmalekzadeh/motion-sense",
        url: "https://github.com/mmalekzadeh/motion-sense/raw/261cb0d60611a049ab38127738e42cc510ed50f4/data/\
              A_DeviceMotion_data.zip",
        size: None,
        sha256: None,
        inside: "A_DeviceMotion_data",
        licence: "MIT, the licence of its repository",
        citation: "M. Malekzadeh, R. G. Clegg, A. Cavallaro, H. Haddadi: Mobile Sensor Data Anonymization. IoTDI 2019.",
    },
];

impl DataSet {
    /// Name of the archive.
    pub fn file(&self) -> &'static str {
        self.url.rsplit('/').next().unwrap_or(self.url)
    }
}

/// How to fetch.
#[derive(Clone, Debug, Default)]
pub struct FetchOptions {
    /// A folder of a web server that holds the archives under their official names, instead of the official servers.
    pub base_url: Option<String>,
}

/// Progress of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchProgress {
    /// Bytes received, including those of earlier attempts.
    pub received: u64,
    /// Bytes of the whole archive, where known.
    pub total: Option<u64>,
}

/// The result of [`fetch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The folder of the data, for [`crate::read`].
    pub path: PathBuf,
    /// The archive it came from.
    pub archive: PathBuf,
    /// Where it came from, and whether it was verified.
    pub outcome: Outcome,
}

/// Where fetched data came from, and whether it was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was fetched before; nothing was downloaded.
    AlreadyThere,
    /// The archive has the known checksum.
    Verified {
        /// SHA-256 in hexadecimal.
        sha256: String,
    },
    /// No checksum is known; that of the archive was written beside it.
    Unverified {
        /// SHA-256 in hexadecimal.
        sha256: String,
    },
}

impl fmt::Display for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::AlreadyThere => write!(f, "{} is there already", self.path.display()),
            Outcome::Verified { sha256 } => write!(f, "{}\nSHA-256 {sha256}: verified", self.path.display()),
            Outcome::Unverified { sha256 } => write!(
                f,
                "{}\nSHA-256 {sha256}: could not be verified, as no official checksum is known; noted in {}",
                self.path.display(),
                beside(&self.archive, ".sha256").display()
            ),
        }
    }
}

/// Downloads the data set `name` into the folder `dest`, verifies it and unpacks it to `dest/name`. A download that was
/// interrupted is resumed; data that is there already is not fetched again. `progress` is called as bytes arrive.
///
/// # Errors
/// An unknown name, a server that does not deliver, a checksum that does not fit, an archive that would write outside
/// its folder or without end, a full disk. Nothing incomplete is left under a final name; a call with the same `dest`
/// continues where this one ended.
pub fn fetch(
    name: &str,
    dest: &Path,
    options: &FetchOptions,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<Fetched, DataError> {
    let known = || DATA_SETS.iter().map(|set| set.name).collect::<Vec<_>>().join(", ");
    let set = DATA_SETS
        .iter()
        .find(|set| set.name == name)
        .ok_or_else(|| FetchError::UnknownSet { name: name.to_owned(), known: known() })?;
    fetch_set(set, dest, options, progress)
}

fn fetch_set(
    set: &DataSet,
    dest: &Path,
    options: &FetchOptions,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<Fetched, DataError> {
    let folder = dest.join(set.name);
    let archive = dest.join(set.file());
    let fetched = |outcome| Fetched { path: folder.clone(), archive: archive.clone(), outcome };
    if folder.exists() {
        let is_empty = fs::read_dir(&folder).map_err(|error| DataError::io(&folder, error))?.next().is_none();
        return if is_empty { Err(FetchError::InTheWay { folder }.into()) } else { Ok(fetched(Outcome::AlreadyThere)) };
    }
    fs::create_dir_all(dest).map_err(|error| DataError::io(dest, error))?;
    let lock_path = beside(&archive, ".lock");
    let lock = File::create(&lock_path).map_err(|error| DataError::io(&lock_path, error))?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { archive }.into()),
        // Some network file systems have no locks. There nothing keeps a user from fetching twice at once.
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
            return Err(DataError::io(&lock_path, error));
        }
        _ => {}
    }
    let outcome = obtain(set, &archive, options, progress).and_then(|outcome| {
        unpack_to(set, &archive, &folder)?;
        Ok(outcome)
    });
    let removed = fs::remove_file(&lock_path);
    let outcome = outcome?;
    removed.map_err(|error| DataError::io(&lock_path, error))?;
    Ok(fetched(outcome))
}

/// Downloads and verifies the archive, renames it, and writes its checksum beside it.
fn obtain(
    set: &DataSet,
    archive: &Path,
    options: &FetchOptions,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<Outcome, DataError> {
    let is_new = !archive.exists();
    let arrived = if is_new {
        let url = match &options.base_url {
            Some(base) => format!("{}/{}", base.trim_end_matches('/'), set.file()),
            None => set.url.to_owned(),
        };
        download::download(&url, set, archive, progress)?
    } else {
        archive.to_owned()
    };
    let sha256 = sha256_of(&arrived)?;
    if let Some(expected) = set.sha256
        && expected != sha256
    {
        // Kept, it would be taken up again and found wrong again.
        discard(archive)?;
        return Err(FetchError::Checksum { archive: arrived, expected: expected.to_owned(), found: sha256 }.into());
    }
    if is_new {
        let note = beside(archive, ".sha256");
        write_whole(&note, format!("{sha256}  {}\n", set.file()).as_bytes())?;
        fs::rename(&arrived, archive).map_err(|error| DataError::io(archive, error))?;
        remove_if_there(&beside(archive, ".part.json"))?;
    }
    Ok(if set.sha256.is_some() { Outcome::Verified { sha256 } } else { Outcome::Unverified { sha256 } })
}

/// Unpacks `archive` beside `folder`, and renames the result to `folder` when it is complete.
fn unpack_to(set: &DataSet, archive: &Path, folder: &Path) -> Result<(), DataError> {
    let unfinished = folder.with_file_name(format!(".{}.unpacking", set.name));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(|error| DataError::io(&unfinished, error))?;
    }
    fs::create_dir(&unfinished).map_err(|error| DataError::io(&unfinished, error))?;
    let unpacked = unpack::unpack(archive, &unfinished, &mut Budget::default());
    if let Err(error) = unpacked {
        fs::remove_dir_all(&unfinished).map_err(|error| DataError::io(&unfinished, error))?;
        if matches!(error, DataError::Fetch(_)) {
            // The fault is the archive's, so the next call must not find it. A full disk, on the other hand, is not.
            discard(archive)?;
        }
        return Err(error);
    }
    let data = unfinished.join(set.inside);
    if !data.is_dir() {
        // Laid out otherwise than its publisher describes; the readers look for themselves.
        return fs::rename(&unfinished, folder).map_err(|error| DataError::io(folder, error));
    }
    fs::rename(data, folder).map_err(|error| DataError::io(folder, error))?;
    // Notes around the data, which the archive keeps.
    fs::remove_dir_all(&unfinished).map_err(|error| DataError::io(&unfinished, error))
}

/// Removes an archive that is good for nothing, and all that belongs to it.
fn discard(archive: &Path) -> Result<(), DataError> {
    ["", ".sha256", ".part", ".part.json"].iter().try_for_each(|suffix| remove_if_there(&beside(archive, suffix)))
}

fn remove_if_there(path: &Path) -> Result<(), DataError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DataError::io(path, error)),
        _ => Ok(()),
    }
}

/// `path` with `suffix` after its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes a small file whole or not at all.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), DataError> {
    whole_file::write(path, content).map_err(|error| DataError::io(path, error))
}

fn sha256_of(path: &Path) -> Result<String, DataError> {
    let hash = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => hasher.update(&buffer[..n]),
            }
        }
        Ok(hex(hasher.finalize()))
    };
    hash().map_err(|error| DataError::io(path, error))
}

#[cfg(test)]
mod tests;
