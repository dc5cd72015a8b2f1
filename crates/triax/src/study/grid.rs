//! From what varies to the points of a grid.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::config::{self, Entries};
use crate::failure::Usage;
use crate::settings::Settings;

/// Settings that all trainings of a study share, and why.
const SHARED: [(&str, &str); 11] = [
    ("data", "a study is about one data set"),
    ("format", "a study is about one data set"),
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

/// Settings that make no sense in a study, and why.
const REFUSED: [(&str, &str); 4] = [
    ("split", "a study takes --folds instead of --split"),
    ("early_stopping", "the trainings of a study all have the same number of epochs: pass --epochs"),
    ("log_steps", "a study keeps figures of epochs, not of steps"),
    ("init_weights", "each training of a study draws its own initial weights from its seed"),
];

/// A point of the grid.
pub struct Point {
    /// What varies, with its values here.
    pub values: BTreeMap<String, String>,
    /// All settings.
    pub settings: Settings,
}

/// `loss=hinge,squared_hinge` as a name and values.
pub fn parsed(vary: &str) -> Result<(String, Vec<String>), Usage> {
    let refuse = |problem: &str| Usage(format!("--vary {vary}: {problem}"));
    let Some((name, values)) = vary.split_once('=') else {
        return Err(refuse("write a setting and its values, such as loss=hinge,squared_hinge"));
    };
    let between = if values.contains('|') { '|' } else { ',' };
    let values: Vec<String> = values.split(between).map(|value| value.trim().to_owned()).collect();
    if values.iter().any(String::is_empty) {
        return Err(refuse("a value is empty"));
    }
    Ok((name.trim().replace('-', "_"), values))
}

/// What varies, each value written as the parser of its option has understood it: in one way, however it came.
pub fn normalised(
    source: &Path,
    given: &Entries,
    vary: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeMap<String, Vec<String>>, Usage> {
    let mut normalised = BTreeMap::new();
    for (name, values) in vary {
        let understood = |value: &String| {
            let point = BTreeMap::from([(name.clone(), value.clone())]);
            let settings = settings(source, given, &point)?;
            text(&config::entries_of(&settings)[name]).map_err(Usage)
        };
        let values: Vec<String> = values.iter().map(understood).collect::<Result<_, _>>()?;
        if let Some((n, value)) = values.iter().enumerate().find(|(n, value)| values[..*n].contains(value)) {
            return Err(Usage(format!("{}: value {} of `{name}` is {value} again", source.display(), n + 1)));
        }
        normalised.insert(name.clone(), values);
    }
    Ok(normalised)
}

/// A value as an option has it.
pub fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Array(items) => Ok(items.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(",")),
        other => Err(format!("{other} is no value of a setting; a number, a text or a list of them is needed")),
    }
}

/// Refuses what cannot vary, and what a study cannot do.
pub fn check(given: &Entries, vary: &BTreeMap<String, Vec<String>>) -> Result<(), Usage> {
    for (name, values) in vary {
        if let Some((_, why)) = SHARED.iter().chain(&REFUSED).find(|(shared, _)| shared == name) {
            return Err(Usage(format!("the setting `{name}` cannot vary within a study: {why}")));
        }
        if values.is_empty() {
            return Err(Usage(format!("`{name}` varies, and has no values")));
        }
    }
    match REFUSED.iter().find(|(name, _)| given.contains_key(*name)) {
        Some((_, why)) => Err(Usage((*why).to_owned())),
        None => Ok(()),
    }
}

/// Every point of the grid. The setting that comes first in the alphabet varies the slowest.
pub fn points(source: &Path, given: &Entries, vary: &BTreeMap<String, Vec<String>>) -> Result<Vec<Point>, Usage> {
    let mut points = vec![BTreeMap::new()];
    for (name, values) in vary {
        let with = |point: &BTreeMap<String, String>, value: &String| {
            let mut point = point.clone();
            point.insert(name.clone(), value.clone());
            point
        };
        points = points.iter().flat_map(|point| values.iter().map(move |value| with(point, value))).collect();
    }
    points
        .into_iter()
        .map(|values| settings(source, given, &values).map(|settings| Point { values, settings }))
        .collect()
}

/// All settings of a point of the grid.
fn settings(source: &Path, given: &Entries, values: &BTreeMap<String, String>) -> Result<Settings, Usage> {
    let mut entries = given.clone();
    entries.extend(values.iter().map(|(name, value)| {
        // What an option without a value is on the command line, `true` and `false` are here.
        let value = value.parse().map_or_else(|_| Value::String(value.clone()), Value::Bool);
        (name.clone(), value)
    }));
    config::settings(source, &entries)
}

/// What a point is called: what tells it from the others.
pub fn name(values: &BTreeMap<String, String>) -> String {
    match values.len() {
        0 => "the network".to_owned(),
        _ => values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entries(value: Value) -> Entries {
        value.as_object().unwrap().clone()
    }

    fn points(given: &Entries, vary: &BTreeMap<String, Vec<String>>) -> Vec<Point> {
        super::points("study.toml".as_ref(), given, vary).unwrap()
    }

    fn vary(pairs: &[&str]) -> BTreeMap<String, Vec<String>> {
        pairs.iter().map(|pair| parsed(pair).unwrap()).collect()
    }

    #[test]
    fn a_grid_has_every_combination() {
        let grid = vary(&["loss=hinge,squared_hinge", "dropout=0.1, 0.5", "convs=32:3:2:2,64:3:2|16:5:2"]);
        let points = points(&entries(json!({"epochs": 3})), &grid);
        assert_eq!(points.len(), 8);
        assert_eq!(name(&points[0].values), "convs=32:3:2:2,64:3:2, dropout=0.1, loss=hinge");
        assert_eq!(name(&points[7].values), "convs=16:5:2, dropout=0.5, loss=squared_hinge");
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
        let points = points(&Entries::new(), &vary(&["no-shuffle=true,false"]));
        assert_eq!(points.iter().map(|point| point.settings.training.no_shuffle).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        assert!(parsed("loss").unwrap_err().to_string().contains("loss=hinge"));
        assert!(parsed("loss=hinge,").unwrap_err().to_string().contains("empty"));
        let refused = |given: Value, pairs: &[&str]| {
            let (given, vary) = (entries(given), vary(pairs));
            match check(&given, &vary) {
                Ok(()) => normalised("study.toml".as_ref(), &given, &vary).unwrap_err().to_string(),
                Err(refusal) => refusal.to_string(),
            }
        };
        assert!(refused(json!({}), &["seed=1,2"]).contains("--seeds"));
        assert!(refused(json!({}), &["step=20,40"]).contains("a study of each"));
        assert!(refused(json!({}), &["loss=hinge,hinge"]).contains("hinge again"));
        assert!(refused(json!({"early_stopping": 3}), &[]).contains("--epochs"));
        assert!(refused(json!({}), &["dropout=0.1,0.10"]).contains("0.1 again"));
        assert!(refused(json!({}), &["dropuot=0.1,0.2"]).contains("no setting called `dropuot`"));
        assert!(refused(json!({}), &["loss=hinge,mse"]).contains("invalid value 'mse'"));
    }
}
