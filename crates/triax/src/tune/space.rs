//! The settings that a search varies by default, with their values.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use triax_data::Corpus;
use triax_model::NetworkSpec;
use triax_study::search::{Condition, Dimension, Space, Values};

use crate::Error;
use crate::settings::{Entries, Length, ModelName, Preset, Settings, text_of};
use crate::study::{Variant, Vary, normalised};

/// A setting that is searched by default.
struct Row {
    setting: &'static str,
    values: &'static [&'static str],
    /// How often each value is drawn at random, in proportion; all equally often if it is empty.
    weights: &'static [usize],
    /// The other setting with which alone it has a meaning, and the values of that.
    only: Option<(&'static str, &'static [&'static str])>,
}

const fn row(setting: &'static str, values: &'static [&'static str]) -> Row {
    Row { setting, values, weights: &[], only: None }
}

/// A setting of networks.
const fn of_networks(setting: &'static str, values: &'static [&'static str]) -> Row {
    Row { only: Some(("model", &["network"])), ..row(setting, values) }
}

/// A setting of networks with how often each value is drawn: what helps seldom is drawn seldom.
const fn weighed(setting: &'static str, values: &'static [&'static str], weights: &'static [usize]) -> Row {
    Row { weights, ..of_networks(setting, values) }
}

/// The default space. A line more is a setting more. A setting with a condition stands below the one that it depends on.
const TABLE: &[Row] = &[
    Row { weights: &[6, 1, 1, 2], ..row("model", &["network", "logistic_regression", "linear_svm", "extra_trees"]) },
    Row {
        only: Some(("model", &["logistic_regression", "linear_svm"])),
        ..row("regularization", &["0.01", "0.1", "1", "10"])
    },
    Row {
        only: Some(("model", &["logistic_regression", "linear_svm", "extra_trees"])),
        ..row("features", &["basic", "oriented"])
    },
    row("window", &["2s", "3s", "4s", "6s", "8s", "10s"]),
    Row { weights: &[3, 1], ..row("step", &["50%", "25%"]) },
    weighed("derive", &["raw", "raw,norm", "raw,jerk", "linear,gravity", "raw,vertical,horizontal"], &[4, 1, 1, 1, 1]),
    weighed("normalize", &["standard", "window", "gravity"], &[4, 1, 1]),
    of_networks(
        "convs",
        &[
            "32:3:2:2,64:3:2",
            "32:5:1:2,64:5:1:2",
            "64:5:2:2,96:5:1:2",
            "32:5:1:2,64:5:1:2,96:5:1:2",
            "32:5:1:2,64:5:1:2,96:3:1:2,96:3:1",
            "32:9:1:2,64:9:1:2,96:9:1:2",
        ],
    ),
    weighed("global_pool", &["none", "max", "average"], &[2, 1, 1]),
    weighed("hidden", &["none", "64", "120"], &[1, 1, 2]),
    of_networks("dropout", &["0.1", "0.3", "0.5"]),
    weighed("rotate", &["0", "15", "45", "180"], &[1, 2, 2, 1]),
    of_networks("flip_axes", &["false", "true"]),
    weighed("scale_windows", &["0", "0.1"], &[2, 1]),
    weighed("time_warp", &["0", "0.15"], &[2, 1]),
    weighed("jitter", &["0", "0.1"], &[2, 1]),
    weighed("mix", &["0", "0.3"], &[2, 1]),
    weighed("optimizer", &["adam", "adamw"], &[2, 1]),
    Row { only: Some(("optimizer", &["adamw"])), ..row("weight_decay", &["0.004", "0.02", "0.1"]) },
    weighed("learning_rate", &["0.0003", "0.001", "0.003"], &[1, 3, 1]),
    of_networks("lr_schedule", &["constant", "cosine"]),
    weighed("epochs", &["10", "20", "40", "60"], &[1, 2, 2, 1]),
    weighed("average_last", &["1", "5"], &[2, 1]),
    of_networks("loss", &["squared_hinge", "categorical_hinge", "categorical_crossentropy"]),
    Row { only: Some(("loss", &["categorical_crossentropy"])), ..row("label_smoothing", &["0", "0.1"]) },
    weighed("class_weights", &["none", "balanced"], &[2, 1]),
    weighed("sampling", &["shuffle", "balanced"], &[3, 1]),
];

/// Settings that were good on some data set, with names: a search starts from them, so that it need not find by chance what is
/// known (a portfolio, as in Feurer et al., "Auto-sklearn 2.0", Journal of Machine Learning Research 23, 2022).
/// `docs/subject.md` has the studies that they come from.
const PORTFOLIO: &[(&str, &[(&str, &str)])] = &[
    (
        "three convolutions, worn one way",
        &[
            ("convs", "32:5:1:2,64:5:1:2,96:5:1:2"),
            ("window", "4s"),
            ("rotate", "15"),
            ("dropout", "0.5"),
            ("epochs", "40"),
        ],
    ),
    (
        "three convolutions, worn anyhow",
        &[
            ("convs", "32:5:1:2,64:5:1:2,96:5:1:2"),
            ("window", "6s"),
            ("rotate", "45"),
            ("flip_axes", "true"),
            ("dropout", "0.1"),
            ("epochs", "40"),
        ],
    ),
    (
        "two wide convolutions",
        &[
            ("convs", "64:5:2:2,96:5:1:2"),
            ("window", "10s"),
            ("rotate", "45"),
            ("flip_axes", "true"),
            ("dropout", "0.3"),
            ("epochs", "40"),
        ],
    ),
    (
        "three convolutions, gravity apart",
        &[
            ("convs", "32:5:1:2,64:5:1:2,96:5:1:2"),
            ("window", "6s"),
            ("derive", "linear,gravity"),
            ("rotate", "45"),
            ("flip_axes", "true"),
            ("dropout", "0.3"),
            ("epochs", "40"),
        ],
    ),
    ("extra trees, oriented", &[("model", "extra_trees"), ("features", "oriented"), ("window", "6s")]),
    ("extra trees, oriented, long", &[("model", "extra_trees"), ("features", "oriented"), ("window", "10s")]),
    ("extra trees, oriented, short", &[("model", "extra_trees"), ("features", "oriented"), ("window", "4s")]),
    (
        "logistic regression, oriented",
        &[("model", "logistic_regression"), ("features", "oriented"), ("regularization", "0.1"), ("window", "6s")],
    ),
];

/// Settings in which the members of a fleet are equal.
const SHAPES: [&str; 10] =
    ["model", "window", "step", "derive", "normalize", "convs", "global_pool", "hidden", "optimizer", "epochs"];

/// The windows and channels that recordings allow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Samples a second, if they are known.
    pub rate_hz: Option<f64>,
    /// The most samples of a window with which everybody keeps a window of each activity.
    pub longest: usize,
    /// Whether the data comes in windows, which have one length.
    pub is_windowed: bool,
    /// Whether its channels are the axes of sensors, of which others can be derived.
    pub has_axes: bool,
}

impl Shape {
    /// Those of `corpus`.
    pub fn of(corpus: &Corpus) -> Self {
        let mut longest: BTreeMap<(&str, u32), usize> = BTreeMap::new();
        for recording in &corpus.recordings {
            let of_activity = longest.entry((recording.subject.as_str(), recording.class)).or_default();
            *of_activity = (*of_activity).max(corpus.n_rows(recording));
        }
        let longest = longest.into_values().min().unwrap_or(0);
        let has_axes = corpus.channels.len().is_multiple_of(3);
        Self { rate_hz: corpus.rate_hz, longest, is_windowed: corpus.window.is_some(), has_axes }
    }

    /// Whether windows of this length can be cut, and everybody keeps all activities.
    pub fn allow(&self, window: &str) -> bool {
        let samples = window.parse::<Length>().ok().and_then(|length| length.samples("window", self.rate_hz, 0).ok());
        samples.is_some_and(|(samples, _)| samples <= self.longest)
    }
}

/// The space of a search: the default table without settings that are `given`, with the values of `vary` in place of its own,
/// and with windows that `shape` allow.
///
/// # Errors
/// Values in `vary` that their setting cannot have, or of which data allows none.
pub fn space(given: &Entries, vary: &Vary, shape: &Shape) -> Result<Space, Error> {
    let variants = |values: &[&str]| values.iter().map(|&value| Variant::from(value)).collect::<Vec<_>>();
    let mut all = Vary::new();
    for row in TABLE.iter().filter(|row| !given.contains_key(row.setting)) {
        all.insert(row.setting.to_owned(), variants(row.values));
    }
    all.extend(vary.clone());
    if shape.is_windowed || (shape.rate_hz.is_none() && !vary.contains_key("window")) {
        all.remove("window");
    }
    if shape.is_windowed {
        all.remove("step");
    }
    if !shape.has_axes && !vary.contains_key("derive") {
        all.remove("derive");
    }
    let all = normalised(given, &all)?;
    let dimension = |setting: &str, weights: &[usize], only: Option<Condition>| {
        // Other values than those of the table have no weights.
        let weights = if vary.contains_key(setting) { Vec::new() } else { weights.to_vec() };
        let values: Vec<String> = all.get(setting)?.iter().map(|variant| variant.value.clone()).collect();
        let values = match setting {
            "window" => values.into_iter().filter(|window| shape.allow(window)).collect(),
            _ => values,
        };
        let shapes = SHAPES.contains(&setting);
        Some(Dimension { setting: setting.to_owned(), values, weights, shapes, only })
    };
    let of_table = TABLE.iter().filter_map(|row| {
        let only = row.only.map(|(setting, values)| Condition {
            setting: setting.to_owned(),
            values: values.iter().map(|&value| value.to_owned()).collect(),
        });
        dimension(row.setting, row.weights, only)
    });
    let is_more = |name: &&String| TABLE.iter().all(|row| row.setting != name.as_str());
    let more = all.keys().filter(is_more).filter_map(|name| dimension(name, &[], None));
    let dimensions: Vec<Dimension> = of_table.chain(more).collect();
    if let Some(one) = dimensions.iter().find(|one| one.values.is_empty()) {
        return Err(Error::Input(format!(
            "no value of `{}` suits the data: somebody has no recording of an activity that is longer than {} samples; \
             pass --window N with a smaller number",
            one.setting, shape.longest
        )));
    }
    let understood = Settings::from_entries(given)?.entries();
    let fixed = understood.iter().filter(|(name, _)| !all.contains_key(*name));
    let fixed = fixed.filter_map(|(name, value)| Some((name.clone(), text_of(name, value)?))).collect();
    Ok(Space { dimensions, fixed })
}

/// The model of a candidate.
pub fn model(space: &Space, values: &Values) -> ModelName {
    let name = space.value(values, "model").expect("a model is drawn or fixed");
    name.parse().expect("values of a space are names")
}

/// A candidate that a search starts with.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// Its settings.
    pub values: Values,
    /// Whether what was chosen is compared with it by people whom the search has not seen.
    pub is_compared: bool,
}

/// The candidates that a search starts with: those that what is chosen is compared with, and [`PORTFOLIO`]. What is fixed or
/// ruled out is not among them; the reference network, or what stands for it, is always the first.
///
/// # Errors
/// [`Error::Usage`] for settings that cannot be combined with one of them.
pub fn starts(space: &Space, given: &Entries, vary: &Vary) -> Result<Vec<Start>, Error> {
    let classical = |model: &str| {
        let entries = json!({"model": model, "regularization": 1});
        entries.as_object().expect("an object").clone()
    };
    let compared = [
        ("reference", Preset::Reference.entries()),
        ("preset subject", Preset::Subject.entries()),
        ("logistic regression", classical("logistic_regression")),
        ("linear SVM", classical("linear_svm")),
        ("extra trees", classical("extra_trees")),
    ];
    let of_portfolio = PORTFOLIO.iter().map(|(name, settings)| {
        let entries = settings.iter().map(|(setting, value)| ((*setting).to_owned(), (*value).into())).collect();
        (*name, entries, false)
    });
    let all = compared.into_iter().map(|(name, entries)| (name, entries, true)).chain(of_portfolio);
    let models = space.dimensions.iter().find(|one| one.setting == "model").map(|one| &one.values);
    let takes_part = |entries: &Entries| {
        let model = entries.get("model").and_then(Value::as_str);
        model.is_none_or(|model| models.is_some_and(|models| models.iter().any(|one| one == model)))
    };
    let mut found: Vec<Start> = Vec::new();
    for (name, mut entries, is_compared) in all.filter(|(_, entries, _)| takes_part(entries)) {
        entries.extend(given.clone());
        let entries = Settings::from_entries(&entries)?.entries();
        let value_of = |dimension: &Dimension| {
            let is_window = dimension.setting == "window";
            let value = match (dimension.setting.as_str(), &entries[&dimension.setting]) {
                // The default in samples, where the data does not come in windows.
                ("window", Value::Null) => Some(NetworkSpec::default().window.to_string()),
                (name, value) => text_of(name, value),
            };
            // What the data or the user has ruled out is not tried. A default window in samples is none of the table's.
            let is_default_window = is_window && is_compared && !vary.contains_key("window");
            let is_allowed = |value: &String| is_default_window || dimension.values.contains(value);
            // In place of a window that is too long, the longest.
            let other = if is_window && !is_compared { dimension.values.last() } else { dimension.values.first() };
            value.filter(is_allowed).unwrap_or_else(|| other.expect("a setting has a value").clone())
        };
        let values = space.completed(Values::new(), value_of);
        if found.iter().all(|other| other.values != values) {
            found.push(Start { name: name.to_owned(), values, is_compared });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_vary;

    const LONG: Shape = Shape { rate_hz: Some(20.0), longest: 3600, is_windowed: false, has_axes: true };

    const NAMES: [&str; 5] = ["reference", "preset subject", "logistic regression", "linear SVM", "extra trees"];

    fn entries(value: Value) -> Entries {
        value.as_object().unwrap().clone()
    }

    fn values(space: &Space, setting: &str) -> Option<Vec<String>> {
        space.dimensions.iter().find(|one| one.setting == setting).map(|one| one.values.clone())
    }

    fn compared(all: &[Start]) -> Vec<&str> {
        all.iter().filter(|one| one.is_compared).map(|one| one.name.as_str()).collect()
    }

    #[test]
    fn the_portfolio_lies_in_the_space() {
        let space = space(&Entries::new(), &Vary::new(), &LONG).unwrap();
        let all = starts(&space, &Entries::new(), &Vary::new()).unwrap();
        assert_eq!(all.len(), NAMES.len() + PORTFOLIO.len(), "no two are the same");
        for (name, settings) in PORTFOLIO {
            let values = &all.iter().find(|one| one.name == *name).unwrap().values;
            for (setting, value) in *settings {
                let found = Settings::from_entries(&[(setting.to_string(), (*value).into())].into_iter().collect());
                let wanted = text_of(setting, &found.unwrap().entries()[*setting]).unwrap();
                assert_eq!(values[*setting], wanted, "{name}: {setting}");
            }
        }
    }

    #[test]
    fn every_line_of_the_table_is_a_setting_and_its_values() {
        let space = space(&Entries::new(), &Vary::new(), &LONG).unwrap();
        assert_eq!(space.dimensions.len(), TABLE.len());
        let reference = &starts(&space, &Entries::new(), &Vary::new()).unwrap()[0].values;
        for dimension in &space.dimensions {
            for value in &dimension.values {
                let mut one = reference.clone();
                one.insert(dimension.setting.clone(), value.clone());
                if let Some(only) = &dimension.only {
                    one.insert(only.setting.clone(), only.values[0].clone());
                }
                let entries = one.into_iter().map(|(name, value)| (name, value.into())).collect();
                Settings::from_entries(&entries).unwrap().check().unwrap();
            }
        }
    }

    #[test]
    fn what_is_given_is_not_searched_and_what_varies_replaces_the_table() {
        let given = entries(json!({"epochs": 7, "optimizer": "adamw"}));
        let vary = Vary::from([parse_vary("dropout=0.2,0.4").unwrap(), parse_vary("batch_size=16,32").unwrap()]);
        let space = space(&given, &vary, &LONG).unwrap();
        assert_eq!(values(&space, "epochs"), None);
        assert_eq!(values(&space, "dropout").unwrap(), ["0.2", "0.4"]);
        assert_eq!(values(&space, "batch_size").unwrap(), ["16", "32"]);
        let all = starts(&space, &given, &vary).unwrap();
        assert_eq!(compared(&all), NAMES);
        let values = |at: usize| &all[at].values;
        assert!(values(0).contains_key("weight_decay"), "the optimizer that is given has one");
        assert_eq!((values(0)["dropout"].as_str(), values(0)["batch_size"].as_str()), ("0.2", "32"));
        assert_eq!((values(2)["regularization"].as_str(), values(2).get("dropout")), ("1.0", None));
        assert_eq!((values(0)["flip_axes"].as_str(), values(1)["flip_axes"].as_str()), ("false", "true"));
        // What is fixed holds for the portfolio too.
        let is_network = |one: &&Start| one.values["model"] == "network";
        assert!(all.len() > NAMES.len() && all.iter().filter(is_network).all(|one| one.values["dropout"] != "0.5"));
    }

    #[test]
    fn a_model_that_is_given_rules_the_others_out() {
        for (model, names, searched, not) in [
            ("network", &NAMES[..2], "dropout", "features"),
            ("logistic_regression", &NAMES[..1], "features", "dropout"),
        ] {
            let given = entries(json!({"model": model}));
            let space = space(&given, &Vary::new(), &LONG).unwrap();
            let all = starts(&space, &given, &Vary::new()).unwrap();
            assert_eq!(compared(&all), names, "{model}");
            let first = &all[0].values;
            assert!(first.contains_key(searched) && !first.contains_key(not), "{model}: {first:?}");
        }
    }

    #[test]
    fn windows_are_those_that_the_recordings_allow() {
        let windows = |shape: Shape| values(&space(&Entries::new(), &Vary::new(), &shape).unwrap(), "window");
        assert_eq!(windows(LONG).unwrap().len(), 6);
        assert_eq!(windows(Shape { longest: 80, ..LONG }).unwrap(), ["2s", "3s", "4s"]);
        assert_eq!(windows(Shape { rate_hz: None, ..LONG }), None);
        assert_eq!(windows(Shape { is_windowed: true, ..LONG }), None);
        let four = space(&Entries::new(), &Vary::new(), &Shape { has_axes: false, ..LONG }).unwrap();
        assert_eq!(values(&four, "derive"), None);
        let refusal = space(&Entries::new(), &Vary::new(), &Shape { longest: 30, ..LONG }).unwrap_err().to_string();
        assert!(refusal.contains("--window N") && refusal.contains("30 samples"), "{refusal}");
    }
}
