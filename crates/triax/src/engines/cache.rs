//! The cache of measurements on this machine: a JSON file in the user's cache folder.
//!
//! A file that is missing or damaged counts as empty, and one that cannot be written is no error.

use std::env;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use triax_engine::device::DeviceInfo;
use triax_model::{NetworkSpec, whole_file};

/// The most measurements that are kept.
const KEPT: usize = 64;

/// The key of a measurement: everything that it depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Version of Triax.
    pub version: String,
    /// Name of the engine.
    pub engine: String,
    /// The devices measured, with their drivers.
    pub devices: Vec<DeviceInfo>,
    /// The network.
    pub network: NetworkSpec,
    /// Windows per step.
    pub batch_size: usize,
}

/// A measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    key: Key,
    /// Seconds per step on each device.
    seconds_a_step: Vec<f64>,
}

/// The file.
#[derive(Clone, Debug)]
pub struct Cache {
    path: Option<PathBuf>,
}

impl Cache {
    /// The cache of this user: in the folder that `TRIAX_CACHE_DIR` names, else in the system's folder for caches.
    pub fn for_user() -> Self {
        Self { path: folder(|variable| env::var_os(variable).map(PathBuf::from)).map(|at| at.join("devices.json")) }
    }

    /// The cache in `path`.
    #[cfg(test)]
    pub fn in_file(path: &Path) -> Self {
        Self { path: Some(path.to_owned()) }
    }

    /// Seconds per step on each device of `key`.
    pub fn get(&self, key: &Key) -> Option<Vec<f64>> {
        let entry = self.entries().into_iter().find(|entry| entry.key == *key)?;
        let sound = |seconds: &f64| seconds.is_finite() && *seconds > 0.0;
        let fits = entry.seconds_a_step.len() == key.devices.len() && entry.seconds_a_step.iter().all(sound);
        fits.then_some(entry.seconds_a_step)
    }

    /// Adds a measurement, and drops the oldest ones.
    pub fn insert(&self, key: Key, seconds_a_step: Vec<f64>) {
        let Some(path) = &self.path else { return };
        let mut entries = self.entries();
        entries.retain(|entry| entry.key != key);
        entries.push(Entry { key, seconds_a_step });
        entries.drain(..entries.len().saturating_sub(KEPT));
        // If this fails, the next run measures again.
        let _ = write(path, &entries);
    }

    fn entries(&self) -> Vec<Entry> {
        let text = self
            .path
            .as_ref()
            .and_then(|path| whole_file::read(path, whole_file::MOST_SETTINGS).ok())
            .unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
}

fn write(path: &Path, entries: &[Entry]) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    whole_file::write_json(path, &entries)
}

/// Triax's cache folder according to the environment; none without a home folder.
fn folder(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // An empty value is how a variable is unset for one command.
    let variable = |name: &str| variable(name).filter(|path| !path.as_os_str().is_empty());
    let system = || {
        if cfg!(windows) {
            variable("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            variable("HOME").map(|home| home.join("Library/Caches"))
        } else {
            // A relative path is to be ignored: XDG Base Directory Specification.
            let given = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
            given.or_else(|| variable("HOME").map(|home| home.join(".cache")))
        }
    };
    variable("TRIAX_CACHE_DIR").or_else(|| system().map(|caches| caches.join("triax")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(batch_size: usize) -> Key {
        let gpu = DeviceInfo { index: Some(0), driver_version: "1.2".to_owned(), ..DeviceInfo::cpu() };
        Key {
            version: "0.0.1".to_owned(),
            engine: "fused".to_owned(),
            devices: vec![DeviceInfo::cpu(), gpu],
            network: NetworkSpec { dropout: 0.1, ..NetworkSpec::default() },
            batch_size,
        }
    }

    #[test]
    fn what_is_kept_is_found_by_all_it_depends_on() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::in_file(&folder.path().join("new/devices.json"));
        assert_eq!(cache.get(&key(32)), None);
        cache.insert(key(32), vec![0.1, 1.0 / 3.0]);
        cache.insert(key(64), vec![0.5, 0.25]);
        assert_eq!(cache.get(&key(32)), Some(vec![0.1, 1.0 / 3.0]));
        assert_eq!(cache.get(&key(64)), Some(vec![0.5, 0.25]));
        cache.insert(key(32), vec![0.2, 0.3]);
        assert_eq!(cache.get(&key(32)), Some(vec![0.2, 0.3]));

        let mut other_driver = key(32);
        other_driver.devices[1].driver_version = "1.3".to_owned();
        let other_version = Key { version: "0.0.2".to_owned(), ..key(32) };
        let other_network = Key {
            network: NetworkSpec { hidden: triax_model::DenseSpec::relu([7]), ..NetworkSpec::default() },
            ..key(32)
        };
        let other_engine = Key { engine: "burn".to_owned(), ..key(32) };
        for other in [other_driver, other_version, other_network, other_engine, key(33)] {
            assert_eq!(cache.get(&other), None);
        }
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none_and_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("devices.json");
        let cache = Cache::in_file(&path);
        cache.insert(key(32), vec![0.1, 0.2]);
        let whole = std::fs::read_to_string(&path).unwrap();
        let other_schema = whole.replace("batch_size", "batch");
        let too_few = whole.replace("0.1,", "");
        let not_above_zero = whole.replace("0.1", "-0.1");
        for damaged in [&whole[..whole.len() / 2], "", "{}", "\0\u{1}", &other_schema, &too_few, &not_above_zero] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(cache.get(&key(32)), None, "{damaged}");
            cache.insert(key(32), vec![0.1, 0.2]);
            assert!(cache.get(&key(32)).is_some());
        }
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::in_file(&folder.path().join("devices.json"));
        for batch_size in 1..=KEPT + 2 {
            cache.insert(key(batch_size), vec![0.1, 0.2]);
        }
        let found = |batch_size| cache.get(&key(batch_size)).is_some();
        assert_eq!([1, 2, 3, KEPT + 2].map(found), [false, false, true, true]);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for cache in [Cache::in_file(&file.join("devices.json")), Cache { path: None }] {
            cache.insert(key(1), vec![0.1, 0.2]);
            assert_eq!(cache.get(&key(1)), None);
        }
    }

    #[test]
    fn the_folder_is_the_one_named_or_the_systems() {
        let named = |name: &str| match name {
            "TRIAX_CACHE_DIR" => Some(PathBuf::from("/named")),
            _ => Some(PathBuf::from("/other")),
        };
        assert_eq!(folder(named), Some(PathBuf::from("/named")));
        assert_eq!(folder(|_| None), None);
        assert_eq!(folder(|_| Some(PathBuf::new())), None);
        let home = |name: &str| (name == "HOME" || name == "LOCALAPPDATA").then(|| PathBuf::from("/home/me"));
        let found = folder(home).unwrap();
        assert!(found.starts_with("/home/me") && found.ends_with("triax"), "{}", found.display());
    }
}
