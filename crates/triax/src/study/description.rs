//! What a study is: what `study.json` holds, and what must agree wherever shares of it are trained.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use clap::ArgMatches;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use triax_data::Folds;
use triax_study::{Study, StudyFolder};

use super::{GridArgs, grid};
use crate::config::{self, Entries};
use crate::failure::Usage;
use crate::settings::Settings;

/// Seeds of each setting and fold, where nobody says.
const SEEDS: usize = 5;
/// Settings that say where something is, or where it is computed, and not what.
const OF_THIS_PLACE: [&str; 4] = ["data", "format", "device", "engine"];

/// What a study is.
#[derive(Clone, Debug)]
pub struct Description {
    /// How windows are held out; the most honest way that the data allows where absent.
    pub folds: Option<Folds>,
    /// Seeds of each setting and fold.
    pub seeds: usize,
    /// Whether classical baselines are trained.
    pub baselines: bool,
    /// Settings that were given.
    given: Entries,
    /// Settings that vary, with their values.
    vary: BTreeMap<String, Vec<String>>,
}

/// A study file.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    folds: Option<String>,
    seeds: Option<usize>,
    baselines: Option<bool>,
    #[serde(default)]
    settings: Entries,
    #[serde(default)]
    vary: BTreeMap<String, Vec<Value>>,
}

impl Description {
    /// The study of a command line, and of the file that it names.
    pub fn of(
        args: &GridArgs,
        ready_made: &BTreeMap<String, Vec<String>>,
        matches: &ArgMatches,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let file = match &args.file {
            Some(path) => read(path)?,
            None => File::default(),
        };
        let refuse = |problem: String| {
            Usage(match &args.file {
                Some(path) => format!("{}: {problem}", path.display()),
                None => problem,
            })
        };
        let mut vary = ready_made.clone();
        for (name, values) in file.vary {
            let values: Vec<String> = values.iter().map(text).collect::<Result<_, _>>().map_err(refuse)?;
            vary.insert(name.replace('-', "_"), values);
        }
        for option in &args.vary {
            let (name, values) = grid::parsed(option)?;
            vary.insert(name, values);
        }
        let mut given = file.settings;
        given.extend(config::given(matches, settings));
        for name in vary.keys() {
            if let Some(value) = given.remove(name) {
                return Err(Usage(format!("`{name}` varies and is {value} at the same time: leave one out")).into());
            }
        }
        grid::check(&given, &vary)?;
        let folds = file.folds.map(|name| name.parse().map_err(|hint: String| refuse(format!("`folds`: {hint}"))));
        Ok(Self {
            folds: args.folds.or(folds.transpose()?),
            seeds: args.seeds.or(file.seeds).unwrap_or(SEEDS),
            baselines: !args.no_baselines && file.baselines.unwrap_or(true),
            given,
            vary,
        })
    }

    /// The study in the folder `path`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let found = StudyFolder::description(path)
            .with_context(|| format!("{} holds no study to go on with", path.display()))?;
        let file = path.join("study.json");
        let of_place = found["here"].as_object().cloned().unwrap_or_default();
        let study = &found["study"];
        let mut given = study["settings"].as_object().cloned().unwrap_or_default();
        given.extend(of_place);
        let broken = || format!("{} is not what a study writes there", file.display());
        Ok(Self {
            folds: study["folds"]
                .as_str()
                .map(str::parse)
                .transpose()
                .map_err(anyhow::Error::msg)
                .with_context(broken)?,
            seeds: study["seeds"].as_u64().with_context(broken)? as usize,
            baselines: study["baselines"].as_bool().with_context(broken)?,
            given,
            vary: serde_json::from_value(study["vary"].clone()).with_context(broken)?,
        })
    }

    /// The same study on the device and the engine that a command line names, where it does.
    pub fn with_machine(mut self, matches: &ArgMatches, settings: &Settings) -> Self {
        let given = config::given(matches, settings);
        self.given.extend(given.into_iter().filter(|(name, _)| OF_THIS_PLACE.contains(&name.as_str())));
        self
    }

    /// The same study with its data at `path`.
    pub fn with_data(mut self, path: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)?;
        self.given.insert("data".to_owned(), path.to_string_lossy().into());
        Ok(self)
    }

    /// Every point of the grid.
    pub fn settings(&self) -> Result<Vec<(BTreeMap<String, String>, Settings)>, Usage> {
        grid::points(&self.given, &self.vary)
    }

    /// What must agree wherever shares of it are trained, as JSON.
    pub fn compared(&self, study: &Study) -> Value {
        let settings: Entries =
            self.given.iter().filter(|(name, _)| !OF_THIS_PLACE.contains(&name.as_str())).map(own).collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "folds": study.protocol.to_string(),
            "seeds": self.seeds,
            "baselines": self.baselines,
            "settings": settings,
            "vary": self.vary,
            "data": {
                "name": study.corpus.name,
                "fingerprint": study.corpus.fingerprint,
                "window": study.window,
                "step": study.step,
                "n_windows": study.windows.len(),
                "n_trainings": study.n_trainings(),
            },
        })
    }

    /// Where its data is, and where it is computed, as JSON.
    pub fn here(&self) -> Value {
        let here: Entries =
            self.given.iter().filter(|(name, _)| OF_THIS_PLACE.contains(&name.as_str())).map(own).collect();
        Value::Object(here)
    }

    /// The settings that all trainings share, by name.
    pub fn shared(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut entries = config::entries_of(&self.settings()?[0].1);
        entries.retain(|name, _| {
            !self.vary.contains_key(name) && !["device", "engine", "split", "log_steps"].contains(&name.as_str())
        });
        let told = |value: &Value| text(value).unwrap_or_default();
        Ok(entries
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), told(value)))
            .collect())
    }

    /// The command that repeats it.
    pub fn command(&self) -> String {
        let mut command = "triax study".to_owned();
        let quoted = |word: &str| match word.chars().all(|c| c.is_alphanumeric() || "-_=.,:/+%@".contains(c)) {
            true => word.to_owned(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        };
        let mut add = |option: String| {
            command.push(' ');
            command += &option;
        };
        for (name, value) in &self.given {
            let option = format!("--{}", name.replace('_', "-"));
            match value {
                Value::Bool(true) => add(option),
                Value::Bool(false) | Value::Null => {}
                value => add(format!("{option} {}", quoted(&text(value).unwrap_or_default()))),
            }
        }
        for (name, values) in &self.vary {
            let between = if values.iter().any(|value| value.contains(',')) { "|" } else { "," };
            add(format!("--vary {}", quoted(&format!("{name}={}", values.join(between)))));
        }
        self.folds.iter().for_each(|folds| add(format!("--folds {folds}")));
        add(format!("--seeds {}", self.seeds));
        if !self.baselines {
            add("--no-baselines".to_owned());
        }
        command
    }
}

/// An entry as one's own.
fn own((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// A value as an option has it.
fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Array(items) => Ok(items.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(",")),
        other => Err(format!("{other} is no value of a setting; a number, a text or a list of them is needed")),
    }
}

fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).map_err(|error| Usage(format!("{}: {}", path.display(), error.to_string().trim_end())).into())
}
