//! Config files: a JSON object whose keys are the options of `triax train`, spelt with `_` for `-`.
//!
//! A config file is a command line in a file: its entries become options and are read by the same parser, so each has
//! the same checks and messages there as here. Options given on the command line itself win. A run's own `config.json`
//! holds every setting and so is a config file; its entry [`RECORDED`] says what the run found, and is not a setting.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context as _;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum as _};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::failure::Usage;
use crate::preset::Preset;
use crate::settings::Settings;

/// Entries of a config file.
pub type Entries = Map<String, Value>;

/// The key under which `config.json` keeps what is not a setting: data, network, device, versions.
pub const RECORDED: &str = "recorded";

/// The setting that stands for others.
const PRESET: &str = "preset";

/// Reads the entries of a config file.
pub fn read(path: &Path) -> anyhow::Result<Entries> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(entries)) => Ok(entries),
        Ok(_) => Err(Usage(format!("{}: a config file is one JSON object, {{\"epochs\": 20}}", path.display())).into()),
        Err(error) => Err(Usage(format!("{} is not JSON: {error}", path.display())).into()),
    }
}

/// The settings that the entries of `path` give, with the defaults of their preset for the rest.
pub fn settings(path: &Path, entries: &Entries) -> Result<Settings, Usage> {
    let mut all = preset_of(entries).entries();
    all.extend(entries.clone());
    parsed(path, &all)
}

/// The preset that `entries` name; that of the reference where they name none, or none that there is.
fn preset_of(entries: &Entries) -> Preset {
    let name = entries.get(PRESET).and_then(Value::as_str);
    name.and_then(|name| Preset::from_str(name, false).ok()).unwrap_or_default()
}

fn parsed(path: &Path, entries: &Entries) -> Result<Settings, Usage> {
    let refuse = |problem: String| Usage(format!("{}: {problem}", path.display()));
    let command = Settings::augment_args(Command::new("config").no_binary_name(true));
    let mut options = Vec::new();
    for (key, value) in entries.iter().filter(|(key, _)| *key != RECORDED) {
        check_name(key).map_err(refuse)?;
        options.extend(option(key, value).map_err(refuse)?);
    }
    let matches = command.try_get_matches_from(options).map_err(|error| refuse(first_paragraph(&error)))?;
    Settings::from_arg_matches(&matches).map_err(|error| refuse(first_paragraph(&error)))
}

/// Refuses what is not the name of a setting.
pub fn check_name(key: &str) -> Result<(), String> {
    let command = Settings::augment_args(Command::new("config"));
    match command.get_arguments().any(|option| option.get_id() == key) {
        true => Ok(()),
        false => Err(format!("there is no setting called `{key}`; `triax train --help` lists them")),
    }
}

/// The settings of a command line over those of the config file `path`.
pub fn merged(path: &Path, on_command_line: &ArgMatches, settings: &Settings) -> anyhow::Result<Settings> {
    let mut entries = read(path)?;
    // The file must make sense by itself, also where an option hides what it says.
    self::settings(path, &entries)?;
    let given = given(on_command_line, settings);
    // A preset on the command line is worth what it stands for.
    entries.extend(preset_of(&given).entries());
    entries.extend(given);
    Ok(self::settings(path, &entries)?)
}

/// The settings of a command line without a config file, with what its preset stands for.
pub fn with_preset(on_command_line: &ArgMatches, settings: Settings) -> Result<Settings, Usage> {
    match settings.training.preset {
        Preset::Reference => Ok(settings),
        _ => self::settings("the command line".as_ref(), &given(on_command_line, &settings)),
    }
}

/// The settings that a command line gives itself.
pub fn given(on_command_line: &ArgMatches, settings: &Settings) -> Entries {
    let mut entries = entries_of(settings);
    entries.retain(|key, _| on_command_line.value_source(key) == Some(ValueSource::CommandLine));
    entries
}

/// All settings as entries of a config file.
pub fn entries_of(settings: &Settings) -> Entries {
    match as_written(settings) {
        Ok(Value::Object(entries)) => entries,
        other => unreachable!("settings serialise to an object, not to {other:?}"),
    }
}

/// `value` as JSON text has it. serde_json's own `to_value` widens an f32, and 0.1 becomes 0.10000000149011612.
pub fn as_written(value: &impl Serialize) -> serde_json::Result<Value> {
    serde_json::from_str(&serde_json::to_string(value)?)
}

/// What an entry is on the command line; nothing for `null`, `false` and `[]`.
fn option(key: &str, value: &Value) -> Result<Option<OsString>, String> {
    let name = key.replace('_', "-");
    let text = match value {
        Value::Null | Value::Bool(false) => return Ok(None),
        Value::Bool(true) => return Ok(Some(format!("--{name}").into())),
        Value::Array(items) if items.is_empty() => return Ok(None),
        Value::Array(items) => items.iter().map(|item| word(key, item)).collect::<Result<Vec<_>, _>>()?.join(","),
        single => word(key, single)?,
    };
    Ok(Some(format!("--{name}={text}").into()))
}

fn word(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("`{key}` is {other}; a number, a text or a list of them is needed")),
    }
}

/// The parser's message without its usage lines.
fn first_paragraph(error: &clap::Error) -> String {
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    paragraph.trim_start_matches("error: ").trim_end().replace("\n ", ";")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(entries: Value) -> Result<Settings, Usage> {
        let Value::Object(entries) = entries else { panic!("an object") };
        settings("run.json".as_ref(), &entries)
    }

    #[test]
    fn settings_survive_their_own_config_file() {
        let unusual = json!({
            "data": "/some/folder", "format": "wisdm2", "activities": ["A", "B"], "window": 64, "step": 7,
            "normalize": "none", "split": "random", "valid_fraction": 0.35, "valid_subjects": ["1600", "1601"],
            "convs": ["8:3:1:2", "16:5:2"], "hidden": [20, 10], "dropout": 0.25, "init_weights": "/w.safetensors",
            "loss": "hinge", "class_weights": "1,2.5", "optimizer": "adamw", "learning_rate": 3e-7,
            "lr_schedule": "plateau", "momentum": 0.9, "weight_decay": 0.01, "clip_norm": 1.5, "epochs": 3,
            "batch_size": 8, "early_stopping": 4, "no_shuffle": true, "seed": u64::MAX, "device": "gpu:1",
            "engine": "burn", "log_steps": true, "preset": "reference", "average_last": 2, "sampling": "balanced",
            "rotate": 20.0, "permute_channels": true, "flip_axes": true, "scale_windows": 0.2, "shift": 4, "time_warp": 0.15,
            "mix": 0.3, "jitter": 0.05,
        });
        for entries in [json!({}), unusual.clone()] {
            let once = entries_of(&parse(entries).unwrap());
            let twice = entries_of(&parse(Value::Object(once.clone())).unwrap());
            assert_eq!(once, twice);
        }
        let read = Value::Object(entries_of(&parse(unusual.clone()).unwrap()));
        for (key, value) in unusual.as_object().unwrap() {
            match (value.as_f64(), read[key].as_f64()) {
                // Single precision in, double precision in the file.
                (Some(wanted), Some(found)) => assert!((wanted - found).abs() <= 1e-7 * wanted, "{key}: {found}"),
                _ => assert_eq!(&read[key], value, "{key}"),
            }
        }
        assert_eq!(unusual.as_object().unwrap().len(), read.as_object().unwrap().len(), "a setting is not tested");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (entries, said) in [
            (json!({"epoch": 3}), "no setting called `epoch`"),
            (json!({"epochs": "many"}), "invalid value 'many' for '--epochs <N>'"),
            (json!({"epochs": 0}), "--epochs"),
            (json!({"loss": "mse"}), "squared_hinge"),
            (json!({"hidden": {"units": 3}}), "`hidden` is {\"units\":3}"),
            (json!({"epochs": true}), "--epochs"),
        ] {
            let refusal = parse(entries).expect_err(said).to_string();
            assert!(refusal.starts_with("run.json: ") && refusal.contains(said), "{refusal}");
        }
    }

    #[test]
    fn a_preset_gives_way_to_what_is_given_and_is_resolved_once() {
        let subject = Preset::Subject.entries();
        assert!(subject.keys().all(|key| entries_of(&parse(json!({})).unwrap()).contains_key(key)));
        let resolved = entries_of(&parse(json!({"preset": "subject", "epochs": 3})).unwrap());
        assert_eq!((&resolved["epochs"], &resolved["preset"]), (&json!(3), &json!("subject")));
        for (key, value) in subject.iter().filter(|(key, _)| *key != "epochs") {
            assert_eq!(resolved[key], *value);
        }
        // What a run has recorded stays, whatever its preset stands for by then.
        let recorded = json!({"preset": "subject", "epochs": 4, "rotate": 1.0, "lr_schedule": "constant"});
        let read = entries_of(&parse(recorded.clone()).unwrap());
        assert!(recorded.as_object().unwrap().iter().all(|(key, value)| read[key] == *value));
        assert!(parse(json!({"preset": "none"})).unwrap_err().to_string().contains("reference"));
    }

    #[test]
    fn the_record_of_a_run_is_no_setting() {
        assert!(parse(json!({"epochs": 2, "recorded": {"device": {"name": "x"}}})).is_ok());
    }
}
