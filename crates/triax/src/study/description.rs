//! Descriptions of studies: the content of `study.json`, and the part that must agree between shares.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use triax_data::Folds;
use triax_engine::device::DeviceChoice;
use triax_model::whole_file;
use triax_study::{Share, Study, StudyFolder};

use super::grid::{self, Point, Vary};
use super::variant::Variant;
use crate::Error;
use crate::settings::{Entries, Length, Settings, text_of};
use crate::shell::quoted;

/// Default number of seeds per setting and fold.
const SEEDS: usize = 5;
/// Key of the [`Conduct`] in `study.json`.
const CONDUCT: &str = "conduct";
/// Key of the lengths of calibrations in `study.json`.
const CALIBRATE: &str = "calibrate";
/// Settings that say where data is or where it is computed. They do not define the study.
pub(crate) const LOCAL_SETTINGS: [&str; 4] = ["data", "format", "device", "engine"];

/// Description of a study.
#[derive(Clone, Debug)]
pub struct Description {
    /// How windows are held out. By default, the most honest way that the data allows.
    pub folds: Option<Folds>,
    /// Number of seeds per setting and fold.
    pub seeds: usize,
    /// Whether to train classical baselines.
    pub baselines: bool,
    /// How much of each held-out person calibrates the networks, each by itself; mostly none.
    pub calibrate: Vec<Length>,
    /// The given settings.
    given: Entries,
    /// The settings that vary, with their values.
    vary: Vary,
    /// How to train the study in this folder.
    pub conduct: Conduct,
}

/// How to train a study, or a share of it, in one folder.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Conduct {
    /// Several devices, instead of the setting `device`.
    pub devices: Vec<DeviceChoice>,
    /// The share to train. By default, the whole study.
    pub shard: Option<Share>,
    /// Whether to keep weights. By default, only if the study has few trainings.
    pub keep_weights: Option<bool>,
}

/// An unchecked description of a study, or a part of one, from a study file or a command line.
#[derive(Clone, Debug, Default)]
pub struct StudyOptions {
    /// How windows are held out.
    pub folds: Option<Folds>,
    /// Number of seeds per setting and fold.
    pub seeds: Option<usize>,
    /// Whether to train classical baselines.
    pub baselines: Option<bool>,
    /// How much of each class of a held-out person calibrates the networks: lengths in seconds or samples, each by itself.
    pub calibrate: Option<Vec<Length>>,
    /// Settings that all trainings share.
    pub settings: Entries,
    /// The settings that vary, with their values.
    pub vary: Vary,
}

/// A study file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    folds: Option<String>,
    seeds: Option<usize>,
    baselines: Option<bool>,
    calibrate: Option<Vec<String>>,
    #[serde(default)]
    settings: Entries,
    #[serde(default)]
    vary: BTreeMap<String, Vec<Value>>,
}

impl StudyOptions {
    /// Reads a study file: TOML with `folds`, `seeds`, `baselines`, `calibrate`, `[settings]` and `[vary]`.
    ///
    /// # Errors
    /// A file that cannot be read, or whose content is invalid.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text =
            whole_file::read(path, whole_file::MOST_SETTINGS).map_err(|source| Error::io("read", path, source))?;
        let text = String::from_utf8(text).map_err(|problem| Error::Usage(format!("it is not UTF-8: {problem}")));
        text.and_then(|text| Self::from_toml(&text)).map_err(|error| error.in_file(path))
    }

    fn from_toml(text: &str) -> Result<Self, Error> {
        let file: File = toml::from_str(text).map_err(|error| Error::Usage(error.to_string().trim_end().to_owned()))?;
        let underscored = |name: &str| name.replace('-', "_");
        let folds = file.folds.map(|name| name.parse().map_err(|hint| Error::Usage(format!("`folds`: {hint}"))));
        let mut vary = Vary::new();
        for (name, values) in file.vary {
            let values = values.iter().map(|value| grid::text(&underscored(&name), value));
            let values: Vec<Variant> =
                values.map(|text| text.map(Variant::from)).collect::<Result<_, _>>().map_err(Error::Usage)?;
            vary.insert(underscored(&name), values);
        }
        let settings: Entries = file.settings.into_iter().map(|(name, value)| (underscored(&name), value)).collect();
        vary.keys().chain(settings.keys()).try_for_each(|name| Settings::check_name(name))?;
        let length = |text: String| text.parse().map_err(|hint| Error::Usage(format!("`calibrate`: {hint}")));
        let calibrate =
            file.calibrate.map(|lengths| lengths.into_iter().map(length).collect::<Result<_, _>>()).transpose()?;
        Ok(Self { folds: folds.transpose()?, seeds: file.seeds, baselines: file.baselines, calibrate, settings, vary })
    }

    /// Overrides these options by those in `over`.
    pub fn with(mut self, over: Self) -> Self {
        self.settings.extend(over.settings);
        self.vary.extend(over.vary);
        Self {
            folds: over.folds.or(self.folds),
            seeds: over.seeds.or(self.seeds),
            baselines: over.baselines.or(self.baselines),
            calibrate: over.calibrate.or(self.calibrate),
            ..self
        }
    }
}

impl Description {
    /// Checks `options` and makes a description of them.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that are invalid by themselves or in a study.
    pub fn new(options: StudyOptions) -> Result<Self, Error> {
        let StudyOptions { folds, seeds, baselines, calibrate, settings: mut given, vary } = options;
        if let Some((name, value)) = vary.keys().find_map(|name| given.get_key_value(name)) {
            return Err(Error::Usage(format!("`{name}` varies and is {value} at the same time: leave one out")));
        }
        grid::check(&given, &vary)?;
        if folds != Some(Folds::HeldOut)
            && let Some(name) = ["valid_fraction", "valid_subjects"].iter().find(|name| given.contains_key(**name))
        {
            return Err(Error::Usage(format!("`{name}` belongs to --folds held-out")));
        }
        let seeds = seeds.unwrap_or(SEEDS);
        if seeds == 0 {
            return Err(Error::Usage("`seeds` is 0: there is nothing to train".to_owned()));
        }
        grid::check_size(grid::n_points(&vary), 1, seeds)?;
        let vary = grid::normalised(&given, &vary)?;
        // Entries are stored as parsed: numbers have one notation, and paths are absolute.
        let understood = Settings::from_entries(&given)?.entries();
        given.iter_mut().for_each(|(name, value)| value.clone_from(&understood[name]));
        let (baselines, calibrate) = (baselines.unwrap_or(true), calibrate.unwrap_or_default());
        Ok(Self { folds, seeds, baselines, calibrate, given, vary, conduct: Conduct::default() })
    }

    /// Reads the description of the study in the folder `path`.
    ///
    /// # Errors
    /// A folder that does not hold a study; an invalid `study.json`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let json = StudyFolder::description(path)?;
        let file = path.join("study.json");
        let description = Self::from_json(&json)
            .ok_or_else(|| Error::Input(format!("{} is not what a study writes there", file.display())))?;
        let sound = grid::check(&description.given, &description.vary)
            .and_then(|()| grid::check_size(grid::n_points(&description.vary), 1, description.seeds))
            .and_then(|()| description.points());
        sound.map_err(|error| error.in_file(&file))?;
        Ok(description)
    }

    fn from_json(json: &Value) -> Option<Self> {
        let mut local = json["here"].as_object()?.clone();
        let conduct = serde_json::from_value(local.remove(CONDUCT)?).ok()?;
        let study = &json["study"];
        let mut given = study["settings"].as_object()?.clone();
        given.extend(local);
        Some(Self {
            folds: study["folds"].as_str().map(str::parse).transpose().ok()?,
            seeds: study["seeds"].as_u64().and_then(|seeds| usize::try_from(seeds).ok()).filter(|&seeds| seeds > 0)?,
            baselines: study["baselines"].as_bool()?,
            calibrate: match &study[CALIBRATE] {
                Value::Null => Vec::new(),
                lengths => {
                    let lengths: Vec<String> = serde_json::from_value(lengths.clone()).ok()?;
                    lengths.iter().map(|length| length.parse()).collect::<Result<_, _>>().ok()?
                }
            },
            given,
            vary: serde_json::from_value(study["vary"].clone()).ok()?,
            conduct,
        })
    }

    /// The same study with the location of its data, the device and the engine in `given`.
    ///
    /// # Errors
    /// [`Error::Usage`] for any other setting that differs from the study's.
    pub fn relocated(mut self, given: &Entries) -> Result<Self, Error> {
        self.given = relocated(self.given, given, "study")?;
        if given.contains_key("device") {
            self.conduct.devices.clear();
        }
        Ok(self)
    }

    /// The same study, with the fields that are set in `conduct`.
    pub fn with_conduct(mut self, conduct: Conduct) -> Self {
        if !conduct.devices.is_empty() {
            self.conduct.devices = conduct.devices;
        }
        self.conduct.shard = conduct.shard.or(self.conduct.shard);
        self.conduct.keep_weights = conduct.keep_weights.or(self.conduct.keep_weights);
        self
    }

    /// The same study with its data at `path`, which is made absolute.
    ///
    /// # Errors
    /// A relative path, if the current folder no longer exists.
    pub fn with_data(mut self, path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(|source| Error::io("find", path, source))?;
        self.given.insert("data".to_owned(), path.to_string_lossy().into());
        Ok(self)
    }

    /// All points of the grid.
    ///
    /// # Errors
    /// [`Error::Usage`] for invalid settings, as in an edited `study.json`.
    pub fn points(&self) -> Result<Vec<Point>, Error> {
        grid::points(&self.given, &self.vary)
    }

    /// Settings of the first point of the grid. They include all that the trainings share.
    ///
    /// # Errors
    /// As [`Description::points`].
    pub fn first_settings(&self) -> Result<Settings, Error> {
        Ok(self.points()?.swap_remove(0).settings)
    }

    /// The part that must agree between shares of the study, as JSON.
    pub(super) fn compared(&self, study: &Study) -> Value {
        let initial = study
            .settings
            .iter()
            .filter_map(|setting| Some((setting.name.clone(), crate::initial::fingerprint(setting.initial.as_ref()?))));
        let initial: BTreeMap<String, String> = initial.collect();
        let mut compared = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "folds": study.protocol.to_string(),
            "seeds": self.seeds,
            "baselines": self.baselines,
            "settings": self.given_settings(false),
            "vary": self.vary,
            "data": {
                "fingerprint": study.corpus.fingerprint,
                "window": study.window,
                "step": study.step,
                "n_windows": study.windows.len(),
                "n_trainings": study.n_trainings(),
            },
        });
        // The settings name files, whose content may change. Where there are none, nothing is said of them.
        if !initial.is_empty() {
            compared["initial_weights"] = json!(initial);
        }
        // Nor of calibrations.
        if !self.calibrate.is_empty() {
            compared[CALIBRATE] = json!(self.calibrate.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        compared
    }

    /// Location of the data, and how and where the study is trained, as JSON.
    pub(super) fn here(&self) -> Value {
        let mut here = self.given_settings(true);
        here.insert(CONDUCT.to_owned(), json!(self.conduct));
        Value::Object(here)
    }

    /// The settings that all trainings share, by name. Settings that a varying preset changes are not among them.
    pub(super) fn shared(&self) -> Result<BTreeMap<String, String>, Error> {
        let all = self.points()?;
        let mut entries = all[0].settings.entries();
        for other in &all[1..] {
            let other = other.settings.entries();
            entries.retain(|name, value| other.get(name) == Some(value));
        }
        entries.retain(|name, _| {
            !self.vary.contains_key(name) && !["device", "engine", "split", "log_steps"].contains(&name.as_str())
        });
        Ok(entries.iter().filter_map(|(name, value)| Some((name.clone(), text_of(name, value)?))).collect())
    }

    /// The names that values of settings that vary have been given: by setting and value.
    pub(super) fn value_names(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        grid::value_names(&self.vary)
    }

    /// The command that repeats the study. It names the folds, because by default they would be chosen again.
    pub(super) fn command(&self, folds: Folds) -> String {
        let mut command = "triax study".to_owned();
        let mut add = |option: String| {
            command.push(' ');
            command += &option;
        };
        for (name, value) in &self.given {
            let option = format!("--{}", name.replace('_', "-"));
            match value {
                Value::Bool(true) => add(option),
                Value::Bool(false) => add(format!("{option}=false")),
                Value::Null => {}
                Value::Array(items) if items.is_empty() && name != "hidden" => {}
                value => add(format!("{option} {}", quoted(&text_of(name, value).unwrap_or_default()))),
            }
        }
        for (name, values) in &self.vary {
            add(format!("--vary {}", quoted(&grid::option(name, values))));
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
        if !self.calibrate.is_empty() {
            let lengths: Vec<String> = self.calibrate.iter().map(ToString::to_string).collect();
            add(format!("--calibrate {}", lengths.join(",")));
        }
        command
    }

    /// The given settings that are local, or those that are not. Local ones say where something is.
    fn given_settings(&self, local: bool) -> Entries {
        let entries = self.given.iter().filter(|(name, _)| LOCAL_SETTINGS.contains(&name.as_str()) == local);
        entries.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// The settings `known` of a piece of work, `what`, that goes on, with the location of its data, the device and the engine in
/// `given`.
///
/// # Errors
/// [`Error::Usage`] for any other setting that differs.
pub(crate) fn relocated(mut known: Entries, given: &Entries, what: &str) -> Result<Entries, Error> {
    let mut all = known.clone();
    all.extend(given.clone());
    let understood = Settings::from_entries(&all)?.entries();
    for name in given.keys() {
        let value = &understood[name];
        if LOCAL_SETTINGS.contains(&name.as_str()) {
            known.insert(name.clone(), value.clone());
        } else if known.get(name) != Some(value) {
            return Err(Error::Usage(format!(
                "a {what} that goes on keeps its settings: leave `{name}` out, or make another {what} of it"
            )));
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(toml: &str) -> Result<Description, Error> {
        Description::new(StudyOptions::from_toml(toml)?)
    }

    #[test]
    fn the_command_repeats_the_study() {
        let study = description(
            "seeds = 2\n[settings]\npreset = \"subject\"\nflip_axes = false\nno-shuffle = true\nactivities = []\n\
             [vary]\nhidden = [[8, 4]]\nconvs = [\"8:3:1\", [\"8:3:1\", \"4:3:1\"]]\nloss = [\"hinge\"]",
        );
        assert_eq!(
            study.unwrap().command(Folds::Groups(3)),
            "triax study --flip-axes=false --no-shuffle --preset subject --vary 'convs=8:3:1|8:3:1,4:3:1' \
             --vary 'hidden=8,4|' --vary loss=hinge --folds group-3 --seeds 2"
        );
        let without = description("[vary]\nhidden = [[], [8]]").unwrap();
        assert!(without.command(Folds::HeldOut).contains("--vary hidden=none,8 "));
    }

    #[test]
    fn an_optimizer_that_varies_takes_its_settings_with_it() {
        let study =
            description("settings = { momentum = 0.9 }\nvary = { optimizer = [\"sgd\", \"rmsprop\"] }").unwrap();
        let given = Entries::from_iter([("momentum".to_owned(), "0.90".into())]);
        assert!(study.clone().relocated(&given).is_ok());
        let other = Entries::from_iter([("momentum".to_owned(), "0.5".into())]);
        assert!(study.relocated(&other).unwrap_err().is_usage());
    }

    #[test]
    fn a_damaged_description_is_named_by_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = |vary: &str| {
            let study =
                format!(r#"{{"folds": null, "seeds": 1, "baselines": true, "settings": {{}}, "vary": {vary}}}"#);
            format!(r#"{{"study": {study}, "here": {{"conduct": {{}}}}}}"#)
        };
        for (vary, said) in
            [("{\"loss\": []}", "no values"), ("{\"foo\": [\"1\"]}", "`foo`"), ("[]", "what a study writes")]
        {
            std::fs::write(folder.path().join("study.json"), file(vary)).unwrap();
            let message = Description::read(folder.path()).unwrap_err().to_string();
            assert!(message.contains("study.json") && message.contains(said), "{message}");
        }
    }
}
