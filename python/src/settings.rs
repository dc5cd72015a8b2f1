//! Settings from Python: JSON objects, with the names and the values of the command line.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use triax::Settings;
use triax::settings::Entries;

use crate::errors::to_python;

/// The entries in `json`, an object.
pub fn entries(json: &str) -> PyResult<Entries> {
    serde_json::from_str(json).map_err(|problem| PyValueError::new_err(format!("settings: {problem}")))
}

/// The settings in `json`, an object.
pub fn from_json(json: &str) -> PyResult<Settings> {
    Settings::from_entries(&entries(json)?).map_err(to_python)
}

/// Name, group, help and default (as JSON) of every setting, in the order of the command line.
#[pyfunction]
pub fn settings() -> Vec<(&'static str, &'static str, &'static str, String)> {
    let defaults = Settings::default().entries();
    let groups = Settings::GROUPS.into_iter();
    let all = groups.flat_map(|group| group.settings.iter().map(move |setting| (group.heading, setting)));
    all.map(|(heading, setting)| (setting.name, heading, setting.help, defaults[setting.name].to_string())).collect()
}
