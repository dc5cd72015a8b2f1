//! What a study is: what `study.json` holds, and what must agree wherever shares of it are trained.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use clap::ArgMatches;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use triax_data::Folds;
use triax_engine::device::DeviceChoice;
use triax_study::{Share, Study, StudyFolder};

use super::GridArgs;
use super::grid::{self, Point};
use crate::config::{self, Entries};
use crate::failure::Usage;
use crate::settings::Settings;

/// Seeds of each setting and fold, where nobody says.
const SEEDS: usize = 5;
/// Key under which `study.json` keeps a [`Conduct`].
const CONDUCT: &str = "conduct";
/// Settings that say where something is, or where it is computed, and not what.
const OF_THIS_PLACE: [&str; 4] = ["data", "format", "device", "engine"];
/// What a study without a file is called in messages about its settings.
const NO_FILE: &str = "the study";

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
    /// How it is trained in this folder.
    pub conduct: Conduct,
}

/// How a study, or a share of it, is trained in one folder.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Conduct {
    /// Several devices instead of the setting `device`.
    pub devices: Vec<DeviceChoice>,
    /// The share that is trained.
    pub shard: Option<Share>,
    /// Whether weights are kept; as many as are not too many where absent.
    pub keep_weights: Option<bool>,
}

/// A study file.
#[derive(Default, Deserialize)]
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
        let source = args.file.as_deref().unwrap_or(NO_FILE.as_ref());
        let refuse = |problem: String| Usage(format!("{}: {problem}", source.display()));
        let underscored = |name: &str| name.replace('-', "_");
        let mut vary = ready_made.clone();
        for (name, values) in file.vary {
            let values: Vec<String> = values.iter().map(grid::text).collect::<Result<_, _>>().map_err(refuse)?;
            vary.insert(underscored(&name), values);
        }
        for option in &args.vary {
            let (name, values) = grid::parsed(option)?;
            config::check_name(&name).map_err(|problem| Usage(format!("--vary {option}: {problem}")))?;
            vary.insert(name, values);
        }
        let mut given: Entries = file.settings.into_iter().map(|(name, value)| (underscored(&name), value)).collect();
        given.extend(config::given(matches, settings));
        for name in vary.keys().chain(given.keys()) {
            config::check_name(name).map_err(refuse)?;
        }
        for name in vary.keys() {
            if let Some(value) = given.remove(name) {
                return Err(Usage(format!("`{name}` varies and is {value} at the same time: leave one out")).into());
            }
        }
        let folds = file.folds.map(|name| name.parse().map_err(|hint: String| refuse(format!("`folds`: {hint}"))));
        let folds = args.folds.or(folds.transpose()?);
        grid::check(&given, &vary)?;
        if folds != Some(Folds::HeldOut)
            && let Some(name) = ["valid_fraction", "valid_subjects"].iter().find(|name| given.contains_key(**name))
        {
            return Err(Usage(format!("`{name}` belongs to --folds held-out")).into());
        }
        let seeds = args.seeds.or(file.seeds).unwrap_or(SEEDS);
        if seeds == 0 {
            return Err(refuse("`seeds` is 0: there is nothing to train".to_owned()).into());
        }
        let vary = grid::normalised(source, &given, &vary)?;
        // As the parser has understood them: numbers are written in one way, and paths are absolute.
        let understood = config::entries_of(&config::settings(source, &given)?);
        given.iter_mut().for_each(|(name, value)| value.clone_from(&understood[name]));
        Ok(Self {
            folds,
            seeds,
            baselines: !args.no_baselines && file.baselines.unwrap_or(true),
            given,
            vary,
            conduct: Conduct::default(),
        })
    }

    /// The study in the folder `path`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let found = StudyFolder::description(path)
            .with_context(|| format!("{} holds no study to go on with", path.display()))?;
        let file = path.join("study.json");
        let broken = || format!("{} is not what a study writes there", file.display());
        let mut of_place = found["here"].as_object().cloned().with_context(broken)?;
        let conduct = of_place.remove(CONDUCT).with_context(broken)?;
        let study = &found["study"];
        let mut given = study["settings"].as_object().cloned().with_context(broken)?;
        given.extend(of_place);
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
            conduct: serde_json::from_value(conduct).with_context(broken)?,
        })
    }

    /// The same study where a command line says that its data is, and on the device and the engine that it names.
    ///
    /// # Errors
    /// A setting that is another one in the study.
    pub fn with_place(mut self, matches: &ArgMatches, settings: &Settings) -> Result<Self, Usage> {
        for (name, value) in config::given(matches, settings) {
            if OF_THIS_PLACE.contains(&name.as_str()) {
                if name == "device" {
                    self.conduct.devices.clear();
                }
                self.given.insert(name, value);
            } else if self.given.get(&name) != Some(&value) {
                return Err(Usage(format!(
                    "a study that goes on keeps its settings: leave `{name}` out, or make another study of it"
                )));
            }
        }
        Ok(self)
    }

    /// The same study, trained in the way that `conduct` says where it says something.
    pub fn conducted(mut self, conduct: Conduct) -> Self {
        if !conduct.devices.is_empty() {
            self.conduct.devices = conduct.devices;
        }
        self.conduct.shard = conduct.shard.or(self.conduct.shard);
        self.conduct.keep_weights = conduct.keep_weights.or(self.conduct.keep_weights);
        self
    }

    /// The same study with its data at `path`.
    pub fn with_data(mut self, path: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)?;
        self.given.insert("data".to_owned(), path.to_string_lossy().into());
        Ok(self)
    }

    /// Every point of the grid.
    pub fn settings(&self) -> Result<Vec<Point>, Usage> {
        grid::points(NO_FILE.as_ref(), &self.given, &self.vary)
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
                "fingerprint": study.corpus.fingerprint,
                "window": study.window,
                "step": study.step,
                "n_windows": study.windows.len(),
                "n_trainings": study.n_trainings(),
            },
        })
    }

    /// Where its data is, and how and where it is trained, as JSON.
    pub fn here(&self) -> Value {
        let mut here: Entries =
            self.given.iter().filter(|(name, _)| OF_THIS_PLACE.contains(&name.as_str())).map(own).collect();
        here.insert(CONDUCT.to_owned(), json!(self.conduct));
        Value::Object(here)
    }

    /// The settings that all trainings share, by name. A preset that varies takes others with it.
    pub fn shared(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let all = self.settings()?;
        let mut entries = config::entries_of(&all[0].settings);
        for other in &all[1..] {
            let other = config::entries_of(&other.settings);
            entries.retain(|name, value| other.get(name) == Some(value));
        }
        entries.retain(|name, _| {
            !self.vary.contains_key(name) && !["device", "engine", "split", "log_steps"].contains(&name.as_str())
        });
        let told = |value: &Value| grid::text(value).unwrap_or_default();
        Ok(entries
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), told(value)))
            .collect())
    }

    /// The command that repeats it, with the folds that it has: left open, they would be chosen again.
    pub fn command(&self, folds: Folds) -> String {
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
                value => add(format!("{option} {}", quoted(&grid::text(value).unwrap_or_default()))),
            }
        }
        for (name, values) in &self.vary {
            let between = if values.iter().any(|value| value.contains(',')) { "|" } else { "," };
            add(format!("--vary {}", quoted(&format!("{name}={}", values.join(between)))));
        }
        if !self.conduct.devices.is_empty() {
            let devices: Vec<String> = self.conduct.devices.iter().map(ToString::to_string).collect();
            add(format!("--devices {}", devices.join(",")));
        }
        add(format!("--folds {folds}"));
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

fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).map_err(|error| Usage(format!("{}: {}", path.display(), error.to_string().trim_end())).into())
}
