//! From what varies to the points of a grid.

use std::collections::BTreeMap;

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

/// Refuses what cannot vary, and what a study cannot do.
pub fn check(given: &Entries, vary: &BTreeMap<String, Vec<String>>) -> Result<(), Usage> {
    for (name, values) in vary {
        if let Some((_, why)) = SHARED.iter().chain(&REFUSED).find(|(shared, _)| shared == name) {
            return Err(Usage(format!("--vary {name}: the setting cannot vary within a study: {why}")));
        }
        if let Some((n, value)) = values.iter().enumerate().find(|(n, value)| values[..*n].contains(value)) {
            return Err(Usage(format!("--vary {name}: value {} is {value} again", n + 1)));
        }
    }
    match REFUSED.iter().find(|(name, _)| given.contains_key(*name)) {
        Some((_, why)) => Err(Usage((*why).to_owned())),
        None => Ok(()),
    }
}

/// Every point of the grid: what varies with its values there, and all settings. The setting that comes first in the
/// alphabet varies the slowest.
pub fn points(
    given: &Entries,
    vary: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<(BTreeMap<String, String>, Settings)>, Usage> {
    let mut points = vec![BTreeMap::new()];
    for (name, values) in vary {
        let with = |point: &BTreeMap<String, String>, value: &String| {
            let mut point = point.clone();
            point.insert(name.clone(), value.clone());
            point
        };
        points = points.iter().flat_map(|point| values.iter().map(move |value| with(point, value))).collect();
    }
    let resolved = |values: BTreeMap<String, String>| {
        let mut entries = given.clone();
        entries.extend(values.iter().map(|(name, value)| {
            // What an option without a value is on the command line, `true` and `false` are here.
            let value = value.parse().map_or_else(|_| Value::String(value.clone()), Value::Bool);
            (name.clone(), value)
        }));
        let settings = config::settings("the study".as_ref(), &entries)?;
        Ok((values, settings))
    };
    points.into_iter().map(resolved).collect()
}

/// What a point is called: what tells it from the others.
pub fn name(values: &BTreeMap<String, String>) -> String {
    match values.len() {
        0 => "the network".to_owned(),
        // One thing varies: its value says it all, unless it is a bare number or word of many meanings.
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

    fn vary(pairs: &[&str]) -> BTreeMap<String, Vec<String>> {
        pairs.iter().map(|pair| parsed(pair).unwrap()).collect()
    }

    #[test]
    fn a_grid_has_every_combination() {
        let grid = vary(&["loss=hinge,squared_hinge", "dropout=0.1, 0.5", "convs=32:3:2:2,64:3:2|16:5:2"]);
        let points = points(&entries(json!({"epochs": 3})), &grid).unwrap();
        assert_eq!(points.len(), 8);
        assert_eq!(name(&points[0].0), "convs=32:3:2:2,64:3:2, dropout=0.1, loss=hinge");
        assert_eq!(name(&points[7].0), "convs=16:5:2, dropout=0.5, loss=squared_hinge");
        assert_eq!(
            (points[7].1.network.convs.len(), points[7].1.network.dropout, points[7].1.training.epochs),
            (1, 0.5, 3)
        );
    }

    #[test]
    fn flags_vary_as_true_and_false() {
        let points = points(&Entries::new(), &vary(&["no-shuffle=true,false"])).unwrap();
        assert_eq!(points.iter().map(|point| point.1.training.no_shuffle).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        assert!(parsed("loss").unwrap_err().to_string().contains("loss=hinge"));
        assert!(parsed("loss=hinge,").unwrap_err().to_string().contains("empty"));
        let refused = |given: Value, pairs: &[&str]| {
            let (given, vary) = (entries(given), vary(pairs));
            match check(&given, &vary) {
                Ok(()) => points(&given, &vary).unwrap_err().to_string(),
                Err(refusal) => refusal.to_string(),
            }
        };
        assert!(refused(json!({}), &["seed=1,2"]).contains("--seeds"));
        assert!(refused(json!({}), &["step=20,40"]).contains("a study of each"));
        assert!(refused(json!({}), &["loss=hinge,hinge"]).contains("hinge again"));
        assert!(refused(json!({"early_stopping": 3}), &[]).contains("--epochs"));
        assert!(refused(json!({}), &["dropuot=0.1,0.2"]).contains("no setting called `dropuot`"));
        assert!(refused(json!({}), &["loss=hinge,mse"]).contains("invalid value 'mse'"));
    }
}
