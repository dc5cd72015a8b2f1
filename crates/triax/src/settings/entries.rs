//! Settings as names with values: the form of a config file, a command line and a point of a grid.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use triax_model::whole_file;

use super::aliases::meant_or_similar;
use super::text::{Text, list_text};
use super::values::HiddenLayers;
use super::{
    AugmentationSettings, DataSettings, MachineSettings, NetworkSettings, Preset, Settings, SplitSettings,
    TrainingSettings,
};
use crate::Error;
use crate::study::StudyOptions;

/// Names of settings with values: JSON of the setting's type, or the text of its option.
pub type Entries = Map<String, Value>;

/// Key of the part of `config.json` that is not settings: data, network, device, versions.
pub const RECORDED: &str = "recorded";

/// What stands for no file, so that a study can compare a training with initial weights and one without.
const NO_FILE: &str = "none";

/// The setting that changes the defaults of others.
const PRESET: &str = "preset";

/// Reads the entries of a config file: a JSON object whose keys are settings. A run's own `config.json` is such a file.
/// Its entry [`RECORDED`] holds facts of the run and is not a setting. A file that ends in `.toml` is a study file, of which
/// the settings below `[settings]` are read, such as the `best.toml` of a search.
///
/// # Errors
/// A file that cannot be read; [`Error::Usage`] for a file that is not a JSON object, or a study file whose settings vary.
pub fn read_entries(path: &Path) -> Result<Entries, Error> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        let file = StudyOptions::read(path)?;
        return match file.vary.keys().next() {
            None => Ok(file.settings),
            Some(name) => Err(Error::Usage(format!(
                "{}: `{name}` varies, and one training has one value of it; pass the file to triax study --file",
                path.display()
            ))),
        };
    }
    let text = whole_file::read(path, whole_file::MOST_SETTINGS).map_err(|source| Error::io("read", path, source))?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(entries)) => Ok(entries),
        Ok(_) => Err(Error::Usage(format!("{}: a config file is one JSON object, {{\"epochs\": 20}}", path.display()))),
        Err(error) => Err(Error::Usage(format!("{} is not JSON: {error}", path.display()))),
    }
}

impl Settings {
    /// Reads settings from `entries`. Missing and `null` entries have the defaults of the preset.
    ///
    /// ```
    /// use triax::settings::{Entries, Settings};
    ///
    /// let given: Entries = serde_json::from_str(r#"{"epochs": 3, "dropout": "0.2", "hidden": []}"#)?;
    /// let settings = Settings::from_entries(&given)?;
    /// assert_eq!((settings.training.epochs, settings.network.dropout), (3, 0.2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown name or an invalid value. [`Settings::check`] checks combinations of settings.
    pub fn from_entries(entries: &Entries) -> Result<Self, Error> {
        entries.keys().filter(|name| *name != RECORDED).try_for_each(|name| Self::check_name(name))?;
        let given = entries.iter().filter(|(name, value)| *name != RECORDED && !value.is_null());
        let mut all = preset(entries)?.entries();
        all.extend(given.map(|(name, value)| (name.clone(), value.clone())));
        let mut settings = Self {
            data: read::<DataSettings>(&all)?,
            split: read::<SplitSettings>(&all)?,
            network: read::<NetworkSettings>(&all)?,
            training: read::<TrainingSettings>(&all)?,
            augmentation: read::<AugmentationSettings>(&all)?,
            machine: read::<MachineSettings>(&all)?,
        };
        settings.training.init_weights =
            settings.training.init_weights.filter(|file| file != Path::new(NO_FILE)).map(absolute).transpose()?;
        settings.check_each()?;
        Ok(settings)
    }

    /// Reads settings from the config file `path`.
    ///
    /// # Errors
    /// As [`read_entries`] and [`Settings::from_entries`]. Messages name the file.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        Self::from_entries(&read_entries(path)?).map_err(|error| error.in_file(path))
    }

    /// Reads settings from the config file `path`; entries in `given` override it. So do the entries of a preset in
    /// `given`.
    ///
    /// # Errors
    /// As [`Settings::from_file`], for the file alone and together with `given`.
    pub fn from_file_and(path: &Path, given: &Entries) -> Result<Self, Error> {
        let mut entries = read_entries(path)?;
        // The file must be valid by itself, even where `given` overrides it.
        Self::from_entries(&entries).map_err(|error| error.in_file(path))?;
        entries.extend(preset(given)?.entries());
        entries.extend(given.clone());
        Self::from_entries(&entries)
    }

    /// All settings as entries.
    pub fn entries(&self) -> Entries {
        match to_json(self) {
            Value::Object(entries) => entries,
            other => unreachable!("settings are a JSON object, not {other}"),
        }
    }

    /// Checks that `name` is the name of a setting.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is not. The message names the setting that seems to be meant.
    pub fn check_name(name: &str) -> Result<(), Error> {
        if Self::GROUPS.iter().flat_map(|group| group.settings).any(|setting| setting.name == name) {
            return Ok(());
        }
        let advice = match meant_or_similar(name) {
            Some(setting) => format!("`{setting}` may be meant; `triax train --help` lists all"),
            None => "`triax train --help` lists them".to_owned(),
        };
        Err(Error::Usage(format!("there is no setting called `{name}`; {advice}")))
    }
}

/// The preset that `entries` name, by default the reference.
fn preset(entries: &Entries) -> Result<Preset, Error> {
    match entries.get(PRESET) {
        None | Some(Value::Null) => Ok(Preset::Reference),
        Some(name) => Preset::deserialize(Text(name)).map_err(|problem| Error::Usage(format!("`{PRESET}`: {problem}"))),
    }
}

/// Reads the settings of one group. Ignores entries of other groups.
fn read<'de, G: Deserialize<'de>>(entries: &'de Entries) -> Result<G, Error> {
    G::deserialize(super::text::Group(entries)).map_err(|problem| Error::Usage(problem.to_string()))
}

fn absolute(path: PathBuf) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|problem| Error::Usage(format!("`init_weights`: {problem}")))
}

/// Converts `value` to JSON by its text. serde_json's own `to_value` widens an f32: 0.1 becomes 0.10000000149011612.
///
/// # Panics
/// If `value` has no JSON form. Plain data always has one.
pub fn to_json(value: &impl Serialize) -> Value {
    let text = serde_json::to_string(value).expect("plain data has a JSON form");
    serde_json::from_str(&text).expect("what was written as JSON is JSON")
}

/// Formats the value of the setting `name` as the text of its option; `None` for `null`.
pub fn text_of(name: &str, value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() && name == "hidden" => HiddenLayers::NONE.to_owned(),
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(|item| text_of(name, item)).collect();
            list_text(items.iter().map(String::as_str))
        }
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(entries: Value) -> Result<Settings, String> {
        Settings::from_entries(entries.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_setting_comes_back() {
        let defaults = Settings::default();
        assert_eq!(Settings::from_entries(&defaults.entries()).unwrap(), defaults);
        assert_eq!(Settings::from_entries(&Entries::new()).unwrap(), defaults);
        let names: Vec<&str> = Settings::GROUPS.iter().flat_map(|group| group.settings).map(|one| one.name).collect();
        let entries = defaults.entries();
        assert_eq!(names.len(), entries.len());
        assert!(names.iter().all(|name| entries.contains_key(*name)));
    }

    #[test]
    fn json_and_the_text_of_an_option_say_the_same() {
        for (json, text) in [
            (json!({"epochs": 3}), json!({"epochs": "3"})),
            (json!({"dropout": 0.1}), json!({"dropout": "0.1"})),
            (json!({"hidden": [7, 8]}), json!({"hidden": "7,8"})),
            (json!({"hidden": []}), json!({"hidden": "none"})),
            (json!({"convs": ["4:3:2", "8:3:1:2"]}), json!({"convs": "4:3:2,8:3:1:2"})),
            (json!({"flip_axes": true}), json!({"flip_axes": "true"})),
            (json!({"window": 90}), json!({"window": "90"})),
            (json!({"clip_norm": 1.5}), json!({"clip_norm": "1.5"})),
            (json!({"class_weights": [1, 2, 0.5]}), json!({"class_weights": "1,2,0.5"})),
            (json!({"valid_subjects": [7, "x"]}), json!({"valid_subjects": "7,x"})),
            (json!({"loss": "hinge"}), json!({"loss": "hinge", "window": null})),
            (json!({"step": 60}), json!({"step": "60"})),
            (json!({"activities": ["Walk, fast", "Run"]}), json!({"activities": "\"Walk, fast\",Run"})),
            (json!({"channels": ["z", "a,b"]}), json!({"channels": "z,\"a,b\""})),
            (json!({"map": ["Proband=subject", "a,b=channel"]}), json!({"map": "Proband=subject,\"a,b=channel\""})),
            (json!({"map": []}), json!({"map": ""})),
            (json!({"rename": ["Walk, fast=run", "a=b=c"]}), json!({"rename": "\"Walk, fast=run\",a=b=c"})),
            (
                json!({"fill": "previous", "merge": true, "gap": 5}),
                json!({"gap": "5", "merge": "true", "fill": "previous"}),
            ),
            (json!({"rate": 20, "window": "2s"}), json!({"rate": "20.0", "window": "2.0 s"})),
        ] {
            assert_eq!(settings(json.clone()).unwrap(), settings(text.clone()).unwrap(), "{json} {text}");
        }
        assert_eq!(settings(json!({"hidden": []})).unwrap().network.hidden.0, []);
        assert_eq!(settings(json!({"dropout": 0.1})).unwrap().network.dropout.to_bits(), 0.1_f32.to_bits());
    }

    #[test]
    fn the_text_of_a_value_is_read_as_the_value() {
        let given = json!({
            "activities": ["Walk, fast", "say \"hi\""], "valid_subjects": ["01", "Müller, A."], "channels": ["x", "a,b"],
            "map": ["Proband=subject", "a,b=channel", "t=timestamp_ms", "n=nothing", "u=timestamp"],
            "rename": ["Walk, fast=run"], "window": "2.5s", "step": "50%", "hidden": [64, 32], "subject_from": "p(\\d+)",
        });
        let settings = settings(given).unwrap();
        let texts = settings.entries().into_iter().filter_map(|(name, value)| {
            let text = text_of(&name, &value).filter(|text| !text.is_empty() || value.is_array())?;
            (!value.as_array().is_some_and(Vec::is_empty)).then_some((name, Value::String(text)))
        });
        assert_eq!(Settings::from_entries(&texts.collect()).unwrap(), settings);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (entries, said) in [
            (json!({"epoch": 3}), "no setting called `epoch`; `epochs` may be meant"),
            (json!({"lr": 0.1}), "no setting called `lr`; `learning_rate` may be meant"),
            (json!({"epochs": "many"}), "`epochs`: `many`"),
            (json!({"epochs": 0}), "`epochs` is 0"),
            (json!({"epochs": 1_000_001}), "`epochs` is 1,000,001; it must be at most 1,000,000"),
            (json!({"epochs": u64::MAX}), "`epochs` is"),
            (json!({"batch_size": u64::MAX}), "at most 1,000,000"),
            (json!({"step": 1_u64 << 63}), "`step` is"),
            (json!({"window": u64::MAX}), "`window` is"),
            (json!({"class_weights": "0,0,0"}), "`class_weights`"),
            (json!({"class_weights": [0, 1e-60]}), "all 0"),
            (json!({"epochs": -1}), "`epochs`"),
            (json!({"epochs": 1.5}), "`epochs`"),
            (json!({"epochs": [1, 2]}), "`epochs`"),
            (json!({"loss": "mse"}), "`loss`"),
            (json!({"hidden": [0]}), "`hidden`"),
            (json!({"hidden": [3, "none"]}), "`hidden`"),
            (json!({"convs": "32"}), "`convs`"),
            (json!({"learning_rate": 0}), "`learning_rate` is 0"),
            (json!({"learning_rate": "nan"}), "`learning_rate`"),
            (json!({"valid_fraction": 1}), "`valid_fraction` is 1"),
            (json!({"no_shuffle": "perhaps"}), "`no_shuffle`"),
            (json!({"preset": "best"}), "`preset`"),
            (json!({"foo": null}), "no setting called `foo`"),
            (json!({"hidden": ""}), "`hidden`"),
            (json!({"hidden": [1.5]}), "`hidden`: `1.5`"),
            (json!({"hidden": [null]}), "`hidden`: `null`"),
            (json!({"data": true}), "`data`: `true`"),
            (json!({"data": [1]}), "`data`"),
            (json!({"activities": {}}), "`activities`"),
            (json!({"valid_subjects": [[1]]}), "`valid_subjects`"),
            (json!({"loss": 1}), "`loss`: `1` is none of hinge"),
            (json!({"init_weights": ""}), "`init_weights`"),
            (json!({"seed": false}), "`seed`"),
            (json!({"device": "cuda"}), "`device`"),
            (json!({"loss": {"a": 1}}), "`loss`"),
            (json!({"window": "50%"}), "`window` is 50%"),
            (json!({"window": "six"}), "`window`: `six` is no length"),
            (json!({"step": 0}), "`step` is 0"),
            (json!({"step": "0s"}), "`step`: `0s`"),
            (json!({"step": 1.5}), "`step`: `1.5`"),
            (json!({"rate": 0}), "`rate` is 0"),
            (json!({"rate": "fast"}), "`rate`: `fast`"),
            (json!({"gap": 0.5}), "`gap` is 0.5"),
            (json!({"map": "Proband"}), "`map`: `Proband`"),
            (json!({"map": ["x=sensor"]}), "`map`: A column cannot be read as `sensor`"),
            (json!({"rename": "a=b,a=c"}), "`rename`: `a` is given twice"),
            (json!({"channels": "x,y,x"}), "`channels` names `x` twice"),
            (json!({"fill": "next"}), "`fill`"),
        ] {
            let problem = settings(entries.clone()).unwrap_err();
            assert!(problem.contains(said), "{entries}: {problem}");
        }
    }

    #[test]
    fn settings_that_do_not_go_together_are_refused_once_all_are_known() {
        let momentum = settings(json!({"momentum": 0.9})).unwrap();
        assert!(momentum.check().unwrap_err().to_string().contains("`momentum` belongs to"));
        settings(json!({"momentum": 0.9, "optimizer": "sgd"})).unwrap().check().unwrap();
    }

    #[test]
    fn a_preset_stands_below_what_is_given() {
        let given = settings(json!({"preset": "subject", "rotate": 7})).unwrap();
        assert_eq!((given.augmentation.rotate, given.augmentation.flip_axes, given.training.epochs), (7.0, true, 40));
    }
}
