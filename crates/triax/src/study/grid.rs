//! The points of a study's grid, from the settings that vary.

use std::collections::BTreeMap;

use serde_json::Value;
use triax_study::Study;

use crate::Error;
use crate::settings::{Entries, Settings, text_of};
use crate::text::grouped;

/// The settings that vary, with their values as the text of options.
pub type Vary = BTreeMap<String, Vec<String>>;

const OTHER_DATA: &str = "recordings that are read in another way are other data: make a study of each";

/// Settings that all trainings of a study share, with the reason.
const SHARED: [(&str, &str); 20] = [
    ("data", "a study is about one data set"),
    ("format", "a study is about one data set"),
    ("channels", OTHER_DATA),
    ("columns", OTHER_DATA),
    ("map", OTHER_DATA),
    ("subject_from", OTHER_DATA),
    ("fill", OTHER_DATA),
    ("gap", OTHER_DATA),
    ("rename", OTHER_DATA),
    ("merge", OTHER_DATA),
    ("rate", OTHER_DATA),
    ("activities", "networks of other classes cannot be compared"),
    ("window", "other windows are other data: make a study of each"),
    ("step", "other windows are other data: make a study of each"),
    ("seed", "pass --seeds"),
    ("split", "pass --folds"),
    ("valid_fraction", "pass --folds"),
    ("valid_subjects", "pass --folds"),
    ("device", "pass --devices"),
    ("engine", "make a study with each"),
];

/// Settings that a study rejects, with the reason.
const REFUSED: [(&str, &str); 4] = [
    ("split", "a study takes --folds instead of --split"),
    ("early_stopping", "the trainings of a study all have the same number of epochs: pass --epochs"),
    ("log_steps", "a study keeps figures of epochs, not of steps"),
    ("init_weights", "each training of a study draws its own initial weights from its seed"),
];

/// A point of the grid.
#[derive(Clone, Debug)]
pub struct Point {
    /// The settings that vary, with their values at this point.
    pub values: BTreeMap<String, String>,
    /// All settings.
    pub settings: Settings,
}

/// Parses `loss=hinge,squared_hinge` into a name and values. `|` separates values that contain commas, and ends a
/// single one.
///
/// ```
/// assert_eq!(triax::parse_vary("hidden=none|64,32")?.1, ["none", "64,32"]);
/// # Ok::<(), triax::Error>(())
/// ```
///
/// # Errors
/// [`Error::Usage`] for any other form.
pub fn parse_vary(vary: &str) -> Result<(String, Vec<String>), Error> {
    let refuse = |problem: &str| Error::Usage(format!("--vary {vary}: {problem}"));
    let Some((name, values)) = vary.split_once('=') else {
        return Err(refuse("write a setting and its values, such as loss=hinge,squared_hinge"));
    };
    let (values, between) = match values.contains('|') {
        true => (values.strip_suffix('|').unwrap_or(values), '|'),
        false => (values, ','),
    };
    let values: Vec<String> = values.split(between).map(|value| value.trim().to_owned()).collect();
    if values.iter().any(String::is_empty) {
        return Err(refuse("a value is empty"));
    }
    let name = name.trim().replace('-', "_");
    Settings::check_name(&name).map_err(|problem| refuse(&problem.to_string()))?;
    Ok((name, values))
}

/// Formats a value of a study file as the text of its option.
pub(super) fn text(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Null | Value::Object(_) => {
            Err(format!("{value} is no value of a setting; a number, a text or a list of them is needed"))
        }
        value => Ok(text_of(name, value).unwrap_or_default()),
    }
}

/// The settings that vary, with each value in its canonical text.
pub(super) fn normalised(given: &Entries, vary: &Vary) -> Result<Vary, Error> {
    let mut normalised = Vary::new();
    for (name, values) in vary {
        let normal = |value: &String| {
            let point = BTreeMap::from([(name.clone(), value.clone())]);
            let entries = settings(given, &point)?.entries();
            Ok::<_, Error>(text_of(name, &entries[name]).unwrap_or_default())
        };
        let values: Vec<String> = values.iter().map(normal).collect::<Result<_, _>>()?;
        if let Some((n, value)) = values.iter().enumerate().find(|(n, value)| values[..*n].contains(value)) {
            return Err(Error::Usage(format!("value {} of `{name}` is {value} again", n + 1)));
        }
        normalised.insert(name.clone(), values);
    }
    Ok(normalised)
}

/// Rejects settings that cannot vary, and those that a study does not support.
pub(super) fn check(given: &Entries, vary: &Vary) -> Result<(), Error> {
    for (name, values) in vary {
        if let Some((_, why)) = SHARED.iter().chain(&REFUSED).find(|(shared, _)| shared == name) {
            return Err(Error::Usage(format!("the setting `{name}` cannot vary within a study: {why}")));
        }
        if values.is_empty() {
            return Err(Error::Usage(format!("`{name}` varies, and has no values")));
        }
    }
    match REFUSED.iter().find(|(name, _)| given.contains_key(*name)) {
        Some((_, why)) => Err(Error::Usage((*why).to_owned())),
        None => Ok(()),
    }
}

/// Rejects a study of more trainings than a study can have. `n_folds` are those of one setting and seed.
pub(super) fn check_size(n_settings: Option<usize>, n_folds: usize, n_seeds: usize) -> Result<(), Error> {
    let n_trainings = n_settings.and_then(|n| n.checked_mul(n_folds)).and_then(|n| n.checked_mul(n_seeds));
    if n_trainings.is_some_and(|n| n <= Study::MOST_TRAININGS) {
        return Ok(());
    }
    let in_words = |number: Option<usize>| number.map_or_else(|| "too many to count".to_owned(), grouped);
    Err(Error::Usage(format!(
        "settings × folds × seeds = {} × {n_folds} × {} is {}: a study has at most {} trainings. Vary less, or take fewer \
         seeds",
        in_words(n_settings),
        grouped(n_seeds),
        in_words(n_trainings),
        grouped(Study::MOST_TRAININGS),
    )))
}

/// The number of points of the grid; none if there are too many to count.
pub(super) fn n_points(vary: &Vary) -> Option<usize> {
    vary.values().try_fold(1_usize, |product, values| product.checked_mul(values.len()))
}

/// All points of the grid, whose size is checked. The alphabetically first setting varies slowest.
pub(super) fn points(given: &Entries, vary: &Vary) -> Result<Vec<Point>, Error> {
    let mut points = vec![BTreeMap::new()];
    for (name, values) in vary {
        let with = |point: &BTreeMap<String, String>, value: &String| {
            let mut point = point.clone();
            point.insert(name.clone(), value.clone());
            point
        };
        points = points.iter().flat_map(|point| values.iter().map(move |value| with(point, value))).collect();
    }
    points.into_iter().map(|values| settings(given, &values).map(|settings| Point { values, settings })).collect()
}

/// All settings of a point of the grid.
fn settings(given: &Entries, values: &BTreeMap<String, String>) -> Result<Settings, Error> {
    let mut entries = given.clone();
    entries.extend(values.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))));
    Settings::from_entries(&entries)
}

impl Point {
    /// Name of the point: the values that distinguish it from others.
    pub fn name(&self) -> String {
        match self.values.len() {
            0 => "the network".to_owned(),
            _ => self.values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entries(value: Value) -> Entries {
        value.as_object().unwrap().clone()
    }

    fn vary(pairs: &[&str]) -> Vary {
        pairs.iter().map(|pair| parse_vary(pair).unwrap()).collect()
    }

    #[test]
    fn a_grid_has_every_combination() {
        let grid = vary(&["loss=hinge,squared_hinge", "dropout=0.1, 0.5", "convs=32:3:2:2,64:3:2|16:5:2"]);
        let points = points(&entries(json!({"epochs": 3})), &grid).unwrap();
        assert_eq!(points.len(), 8);
        assert_eq!(points[0].name(), "convs=32:3:2:2,64:3:2, dropout=0.1, loss=hinge");
        assert_eq!(points[7].name(), "convs=16:5:2, dropout=0.5, loss=squared_hinge");
        assert_eq!(
            (
                points[7].settings.network.convs.len(),
                points[7].settings.network.dropout,
                points[7].settings.training.epochs
            ),
            (1, 0.5, 3)
        );
    }

    #[test]
    fn flags_vary_as_true_and_false() {
        let points = points(&Entries::new(), &vary(&["no-shuffle=true,false"])).unwrap();
        assert_eq!(points.iter().map(|point| point.settings.training.no_shuffle).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn networks_with_and_without_a_hidden_layer_vary() {
        let grid = normalised(&Entries::new(), &vary(&["hidden=none|64,32"])).unwrap();
        assert_eq!(grid["hidden"], ["none", "64,32"]);
        let points = points(&Entries::new(), &grid).unwrap();
        assert_eq!(points[0].name(), "hidden=none");
        assert_eq!([&points[0], &points[1]].map(|point| point.settings.network.hidden.0.len()), [0, 2]);
    }

    #[test]
    fn settings_that_belong_together_vary_together() {
        let grid = vary(&["optimizer=sgd,rmsprop", "momentum=0,0.90"]);
        let grid = normalised(&Entries::new(), &grid).unwrap();
        assert_eq!(grid["momentum"], ["0.0", "0.9"]);
        let points = points(&Entries::new(), &grid).unwrap();
        assert_eq!(points.len(), 4);
        points.iter().for_each(|point| point.settings.check().unwrap());
    }

    #[test]
    fn a_single_value_may_have_commas() {
        assert_eq!(parse_vary("hidden=8,4|").unwrap().1, ["8,4"]);
        assert_eq!(parse_vary("hidden=8,4").unwrap().1, ["8", "4"]);
        assert!(parse_vary("hidden=|").is_err() && parse_vary("hidden=8||4").is_err());
    }

    #[test]
    fn a_grid_has_a_largest_size() {
        let size = |n_values: &[usize]| {
            n_points(
                &n_values.iter().enumerate().map(|(n, &values)| (n.to_string(), vec![String::new(); values])).collect(),
            )
        };
        assert_eq!(size(&[3, 4]), Some(12));
        assert_eq!(size(&[1 << 16; 4]), None);
        check_size(Some(1000), 20, 5).unwrap();
        for (n_settings, n_folds, n_seeds) in
            [(Some(1000), 20, 6), (Some(1), 1, usize::MAX), (Some(2), 1 << 62, 2), (None, 1, 1)]
        {
            let refusal = check_size(n_settings, n_folds, n_seeds).unwrap_err().to_string();
            assert!(refusal.contains("at most 100,000"), "{refusal}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        assert!(parse_vary("loss").unwrap_err().to_string().contains("loss=hinge"));
        assert!(parse_vary("loss=hinge,").unwrap_err().to_string().contains("empty"));
        let refused = |given: Value, pairs: &[&str]| {
            let (given, vary) = (entries(given), vary(pairs));
            match check(&given, &vary) {
                Ok(()) => normalised(&given, &vary).unwrap_err().to_string(),
                Err(refusal) => refusal.to_string(),
            }
        };
        assert!(refused(json!({}), &["seed=1,2"]).contains("--seeds"));
        for vary in ["step=20,40", "window=2s,3s", "channels=x|y", "rate=20,50", "fill=none,previous"] {
            assert!(refused(json!({}), &[vary]).contains("a study of each"), "{vary}");
        }
        assert!(refused(json!({}), &["loss=hinge,hinge"]).contains("hinge again"));
        assert!(refused(json!({"early_stopping": 3}), &[]).contains("--epochs"));
        assert!(refused(json!({}), &["dropout=0.1,0.10"]).contains("0.1 again"));
        assert!(refused(json!({}), &["loss=hinge,mse"]).contains("mse"));
        let unknown = parse_vary("dropuot=0.1,0.2").unwrap_err().to_string();
        assert!(unknown.contains("no setting called `dropuot`"), "{unknown}");
    }
}
