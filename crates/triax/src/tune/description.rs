//! Descriptions of searches: the content of `tune.json`.

use std::path::Path;

use serde_json::{Value, json};
use triax_data::{Corpus, Folds};
use triax_model::whole_file;
use triax_study::{Owner, Share};

use super::budget::Budget;
use crate::Error;
use crate::settings::{Entries, Settings, text_of};
use crate::shell::quoted;
use crate::study::{LOCAL_SETTINGS, StudyOptions, Vary, check_can_vary, relocated};

/// What a search calls itself.
pub(super) const TUNE: Owner = Owner { name: "tune", begin: "begin a search in" };

/// Default number of seeds of the networks that are judged in the end.
const SEEDS: usize = 3;

/// Settings that a search rejects, with the reason.
const REFUSED: [(&str, &str); 5] = [
    ("preset", "both presets take part in the search: leave `preset` out"),
    ("split", "a search holds people out: pass --valid-subjects, --valid-fraction or --nested instead of --split"),
    ("early_stopping", "trainings that are compared have their number of epochs in advance: pass --epochs"),
    ("log_steps", "a search keeps figures of epochs, not of steps"),
    ("init_weights", "weights that a search starts from may know the people who judge: leave `init_weights` out"),
];

/// An unchecked description of a search.
#[derive(Clone, Debug, Default)]
pub struct TuneOptions {
    /// What a search may spend; ten minutes by default.
    pub budget: Option<Budget>,
    /// How the people of a search are held out in turn to judge candidates; five groups by default.
    pub folds: Option<Folds>,
    /// How people are held out in turn from whole searches; by default, some are held out once.
    pub nested: Option<Folds>,
    /// Seeds of the networks that are judged by people whom no search has seen; three by default.
    pub seeds: Option<usize>,
    /// Settings that are fixed.
    pub settings: Entries,
    /// Values of settings in place of those of the default space.
    pub vary: Vary,
}

/// Description of a search.
#[derive(Clone, Debug)]
pub struct TuneDescription {
    /// What a search may spend.
    pub budget: Budget,
    /// How the people of a search are held out in turn; the default depends on their number.
    pub folds: Option<Folds>,
    /// How people are held out in turn from whole searches.
    pub nested: Option<Folds>,
    /// Seeds of the networks that are judged in the end.
    pub seeds: usize,
    /// The share of the searches to do here.
    pub shard: Option<Share>,
    pub(super) given: Entries,
    pub(super) vary: Vary,
}

impl TuneOptions {
    /// Adds the space of the file `path`, a study file: settings below `[settings]` are fixed, and those below `[vary]` have
    /// these values. What is set already wins.
    ///
    /// # Errors
    /// A file that cannot be read, or whose content is invalid.
    pub fn with_space(mut self, path: &Path) -> Result<Self, Error> {
        let file = StudyOptions::read(path)?;
        if file.folds.is_some() || file.seeds.is_some() || file.baselines.is_some() {
            let problem = "a space has [settings] and [vary]; pass folds and seeds as options";
            return Err(Error::Usage(problem.to_owned()).in_file(path));
        }
        let mut settings = file.settings;
        let mut vary = file.vary;
        vary.retain(|name, _| !self.settings.contains_key(name));
        settings.extend(self.settings);
        vary.extend(self.vary);
        (self.settings, self.vary) = (settings, vary);
        Ok(self)
    }
}

impl TuneDescription {
    /// Checks `options` and makes a description of them.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that are invalid by themselves or in a search.
    pub fn new(options: TuneOptions) -> Result<Self, Error> {
        let TuneOptions { budget, folds, nested, seeds, settings: mut given, vary } = options;
        check(&given, &vary, (folds, nested))?;
        let seeds = seeds.unwrap_or(SEEDS);
        if seeds == 0 {
            return Err(Error::Usage("`seeds` is 0: there would be nothing to judge".to_owned()));
        }
        // Entries are stored as parsed: numbers have one notation, and paths are absolute.
        let understood = Settings::from_entries(&given)?.entries();
        given.iter_mut().for_each(|(name, value)| value.clone_from(&understood[name]));
        Ok(Self { budget: budget.unwrap_or(Budget::DEFAULT), folds, nested, seeds, shard: None, given, vary })
    }

    /// Reads the description of the search in the folder `path`.
    ///
    /// # Errors
    /// A folder that does not hold a search; an invalid `tune.json`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = path.join(TUNE.file());
        if !file.exists() {
            return Err(Error::Input(format!(
                "{} is not the folder of a search: it has no {}",
                path.display(),
                TUNE.file()
            )));
        }
        let text =
            whole_file::read(&file, whole_file::MOST_FIGURES).map_err(|source| Error::io("read", &file, source))?;
        let json: Value = serde_json::from_slice(&text).unwrap_or_default();
        let description = Self::from_json(&json)
            .ok_or_else(|| Error::Input(format!("{} is not what a search writes there", file.display())))?;
        let Self { given, vary, folds, nested, .. } = &description;
        check(given, vary, (*folds, *nested)).map_err(|error| error.in_file(&file))?;
        Ok(description)
    }

    fn from_json(json: &Value) -> Option<Self> {
        let mut local = json["here"].as_object()?.clone();
        let shard = serde_json::from_value(local.remove("shard")?).ok()?;
        local.remove("asked");
        let tune = &json[TUNE.name];
        let mut given = tune["settings"].as_object()?.clone();
        given.extend(local);
        let folds = |name: &str| tune[name].as_str().map(str::parse).transpose().ok();
        Some(Self {
            budget: tune["budget"].as_str()?.parse().ok()?,
            folds: folds("folds")?,
            nested: folds("nested")?,
            seeds: tune["seeds"].as_u64().and_then(|seeds| usize::try_from(seeds).ok()).filter(|&seeds| seeds > 0)?,
            shard,
            given,
            vary: serde_json::from_value(tune["vary"].clone()).ok()?,
        })
    }

    /// The budget of the search in the folder `path` that was begun with the budget of this one; none if there is no such.
    pub(super) fn resolved_in(&self, path: &Path) -> Option<Budget> {
        let file = path.join(TUNE.file());
        let text = whole_file::read(&file, whole_file::MOST_FIGURES).ok()?;
        let json: Value = serde_json::from_slice(&text).ok()?;
        let asked: Budget = json["here"]["asked"].as_str()?.parse().ok()?;
        let there = json[TUNE.name]["budget"].as_str()?.parse().ok()?;
        (asked == self.budget).then_some(there)
    }

    /// The same search with the location of its data, the device and the engine in `given`.
    ///
    /// # Errors
    /// [`Error::Usage`] for any other setting that differs from the search's.
    pub fn relocated(mut self, given: &Entries) -> Result<Self, Error> {
        self.given = relocated(self.given, given, "search")?;
        Ok(self)
    }

    /// The settings that are fixed, with all others at their defaults.
    ///
    /// # Errors
    /// [`Error::Usage`] for invalid settings, as in an edited `tune.json`.
    pub fn settings(&self) -> Result<Settings, Error> {
        Settings::from_entries(&self.given)
    }

    /// The part that must agree between shares of the search, as JSON.
    pub(super) fn compared(&self, corpus: &Corpus) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "budget": self.budget,
            "folds": self.folds.map(|folds| folds.to_string()),
            "nested": self.nested.map(|folds| folds.to_string()),
            "seeds": self.seeds,
            "settings": self.settings_that_are(false),
            "vary": self.vary,
            "data": { "fingerprint": corpus.fingerprint },
        })
    }

    /// Location of the data, and how and where the search is done, as JSON. `asked` is the budget that was asked for.
    pub(super) fn here(&self, asked: Budget) -> Value {
        let mut here = self.settings_that_are(true);
        here.insert("shard".to_owned(), json!(self.shard));
        here.insert("asked".to_owned(), json!(asked));
        Value::Object(here)
    }

    /// The given settings that are local, or those that are not. Local ones say where something is.
    fn settings_that_are(&self, local: bool) -> Entries {
        let entries = self.given.iter().filter(|(name, _)| LOCAL_SETTINGS.contains(&name.as_str()) == local);
        entries.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The command that repeats the search, with its budget as work or trainings. A space of a file is not in it.
    pub(super) fn command(&self) -> String {
        let mut command = "triax tune".to_owned();
        for (name, value) in &self.given {
            let option = format!("--{}", name.replace('_', "-"));
            match value {
                Value::Bool(true) => command += &format!(" {option}"),
                Value::Bool(false) => command += &format!(" {option}=false"),
                Value::Null => {}
                Value::Array(items) if items.is_empty() && name != "hidden" => {}
                value => command += &format!(" {option} {}", quoted(&text_of(name, value).unwrap_or_default())),
            }
        }
        command += &format!(" --budget {}", self.budget);
        for (name, folds) in [("--folds ", self.folds), ("--nested=", self.nested)] {
            command += &folds.map(|folds| format!(" {name}{folds}")).unwrap_or_default();
        }
        if !self.vary.is_empty() {
            command += " --space FILE";
        }
        command + &format!(" --seeds {}", self.seeds)
    }
}

/// Rejects settings that a search does not support.
fn check(given: &Entries, vary: &Vary, (folds, nested): (Option<Folds>, Option<Folds>)) -> Result<(), Error> {
    if let Some((_, why)) = REFUSED.iter().find(|(name, _)| given.contains_key(*name) || vary.contains_key(*name)) {
        return Err(Error::Usage((*why).to_owned()));
    }
    for (option, folds) in [("--folds", folds), ("--nested", nested)] {
        if let Some(folds) = folds.filter(|folds| !matches!(folds, Folds::LeaveOneSubjectOut | Folds::Groups(_))) {
            return Err(Error::Usage(format!(
                "{option} {folds}: a search is about unseen people; write loso or group-K"
            )));
        }
    }
    if nested.is_some()
        && let Some(name) = ["valid_fraction", "valid_subjects"].iter().find(|name| given.contains_key(**name))
    {
        let option = name.replace('_', "-");
        return Err(Error::Usage(format!("--nested holds everybody out in turn: leave --{option} out")));
    }
    if let Some(name) = vary.keys().find(|name| given.contains_key(*name)) {
        return Err(Error::Usage(format!("`{name}` is given, and varies in the space: leave one out")));
    }
    vary.keys()
        .filter(|name| !["window", "step"].contains(&name.as_str()))
        .try_for_each(|name| check_can_vary(name))?;
    match vary.iter().find(|(_, values)| values.is_empty()) {
        Some((name, _)) => Err(Error::Usage(format!("`{name}` varies, and has no values"))),
        None => Ok(()),
    }
}
