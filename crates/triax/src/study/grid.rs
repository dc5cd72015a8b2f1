//! The points of a study's grid, from the settings that vary.

use std::collections::BTreeMap;

use serde_json::Value;
use triax_study::Study;

use super::variant::Variant;
use crate::Error;
use crate::settings::{Entries, Settings, text_of};
use crate::text::grouped;

/// The settings that vary, with their values.
pub type Vary = BTreeMap<String, Vec<Variant>>;

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
const REFUSED: [(&str, &str); 3] = [
    ("split", "a study takes --folds instead of --split"),
    ("early_stopping", "the trainings of a study all have the same number of epochs: pass --epochs"),
    ("log_steps", "a study keeps figures of epochs, not of steps"),
];

/// A point of the grid.
#[derive(Clone, Debug)]
pub struct Point {
    /// The settings that vary, with their values at this point.
    pub values: BTreeMap<String, Variant>,
    /// All settings.
    pub settings: Settings,
}

/// Parses `loss=hinge,squared_hinge` into a name and values. `|` separates values that contain commas, and ends a
/// single one. A value may have a name: `convs=small:32:3:2:2|large:64:5:2:2,96:5:1:2`.
///
/// ```
/// assert_eq!(triax::parse_vary("hidden=none|64,32")?.1, ["none", "64,32"].map(triax::Variant::from));
/// # Ok::<(), triax::Error>(())
/// ```
///
/// # Errors
/// [`Error::Usage`] for any other form, and for commas that separate values as well as layers of one network.
pub fn parse_vary(vary: &str) -> Result<(String, Vec<Variant>), Error> {
    let refuse = |problem: &str| Error::Usage(format!("--vary {vary}: {problem}"));
    let Some((name, values)) = vary.split_once('=') else {
        return Err(refuse("write a setting and its values, such as loss=hinge,squared_hinge"));
    };
    let written_name = name.trim();
    let name = written_name.replace('-', "_");
    Settings::check_name(&name).map_err(|problem| refuse(&problem.to_string()))?;
    let (values, between) = match values.contains('|') {
        true => (values.strip_suffix('|').unwrap_or(values), '|'),
        false => (values, ','),
    };
    let values: Vec<Variant> = values.split(between).map(Variant::from).collect();
    if values.iter().any(|variant| variant.value.is_empty()) {
        return Err(refuse("a value is empty"));
    }
    if between == ','
        && let Some(lists) = as_lists(&name, &values)
    {
        let several = bars(&values);
        return Err(refuse(&format!(
            "its commas may separate {n} settings, or items of one list. Write --vary '{written_name}={several}' for {n} \
             settings, or --vary '{written_name}={}' for {}",
            bars(&lists),
            if lists.len() == 1 { "one".to_owned() } else { lists.len().to_string() },
            n = values.len(),
        )));
    }
    Ok((name, values))
}

/// The values of `name` if the commas between `parts` could also be inside of values, as they are between the layers of a
/// network: each with a name takes in those without one that follow it. None where that would be no list, or no change.
fn as_lists(name: &str, parts: &[Variant]) -> Option<Vec<Variant>> {
    let mut lists: Vec<Variant> = Vec::new();
    for part in parts {
        match lists.last_mut() {
            Some(list) if part.name.is_none() => list.value = format!("{},{}", list.value, part.value),
            _ => lists.push(part.clone()),
        }
    }
    let is_value = |variant: &Variant| settings(&Entries::new(), [(name, variant)]).is_ok();
    let cannot_vary = SHARED.iter().chain(&REFUSED).any(|(other, _)| *other == name);
    (lists.len() < parts.len() && !cannot_vary && lists.iter().all(is_value)).then_some(lists)
}

/// `values` with a bar between them; one alone ends with a bar.
fn bars(values: &[Variant]) -> String {
    match values {
        [one] => format!("{one}|"),
        several => several.iter().map(Variant::to_string).collect::<Vec<_>>().join("|"),
    }
}

/// The option `--vary` of these values, as [`parse_vary`] reads them: with commas where those are clear, else with bars.
pub(super) fn option(name: &str, values: &[Variant]) -> String {
    let commas = values.iter().map(Variant::to_string).collect::<Vec<_>>().join(",");
    let is_clear = parse_vary(&format!("{name}={commas}")).is_ok_and(|(_, read)| read == values);
    format!("{name}={}", if is_clear { commas } else { bars(values) })
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
pub(crate) fn normalised(given: &Entries, vary: &Vary) -> Result<Vary, Error> {
    let mut normalised = Vary::new();
    for (name, variants) in vary {
        let normal = |variant: &Variant| {
            let entries = settings(given, [(name.as_str(), variant)])?.entries();
            // A text that stands for no value, such as `none`, stays as it is.
            let value = text_of(name, &entries[name]).unwrap_or_else(|| variant.value.clone());
            Ok::<_, Error>(Variant { name: variant.name.clone(), value })
        };
        let variants: Vec<Variant> = variants.iter().map(normal).collect::<Result<_, _>>()?;
        for (n, variant) in variants.iter().enumerate() {
            let before = &variants[..n];
            if before.iter().any(|other| other.value == variant.value) {
                return Err(Error::Usage(format!("value {} of `{name}` is {} again", n + 1, variant.value)));
            }
            if before.iter().any(|other| other.called() == variant.called()) {
                let called = variant.called();
                return Err(Error::Usage(format!(
                    "two values of `{name}` are called `{called}`: give each its own name"
                )));
            }
        }
        normalised.insert(name.clone(), variants);
    }
    Ok(normalised)
}

/// The names that values have been given: by setting and value.
pub(super) fn value_names(vary: &Vary) -> BTreeMap<String, BTreeMap<String, String>> {
    let named = |variant: &Variant| Some((variant.value.clone(), variant.name.clone()?));
    let all = vary.iter().map(|(name, variants)| (name.clone(), variants.iter().filter_map(named).collect()));
    all.filter(|(_, names): &(String, BTreeMap<_, _>)| !names.is_empty()).collect()
}

/// Rejects settings that cannot vary, and those that a study does not support.
pub(super) fn check(given: &Entries, vary: &Vary) -> Result<(), Error> {
    for (name, values) in vary {
        check_can_vary(name)?;
        if values.is_empty() {
            return Err(Error::Usage(format!("`{name}` varies, and has no values")));
        }
    }
    match REFUSED.iter().find(|(name, _)| given.contains_key(*name)) {
        Some((_, why)) => Err(Error::Usage((*why).to_owned())),
        None => Ok(()),
    }
}

/// Rejects a setting that cannot vary within a study.
pub(crate) fn check_can_vary(name: &str) -> Result<(), Error> {
    match SHARED.iter().chain(&REFUSED).find(|(shared, _)| *shared == name) {
        Some((_, why)) => Err(Error::Usage(format!("the setting `{name}` cannot vary within a study: {why}"))),
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
        let with = |point: &BTreeMap<String, Variant>, value: &Variant| {
            let mut point = point.clone();
            point.insert(name.clone(), value.clone());
            point
        };
        points = points.iter().flat_map(|point| values.iter().map(move |value| with(point, value))).collect();
    }
    let point = |values: BTreeMap<String, Variant>| {
        let settings = settings(given, values.iter().map(|(name, variant)| (name.as_str(), variant)))?;
        Ok(Point { values, settings })
    };
    points.into_iter().map(point).collect()
}

/// All settings of a point of the grid with these values.
fn settings<'a>(given: &Entries, values: impl IntoIterator<Item = (&'a str, &'a Variant)>) -> Result<Settings, Error> {
    let mut entries = given.clone();
    let values = values.into_iter().map(|(name, variant)| (name.to_owned(), Value::String(variant.value.clone())));
    entries.extend(values);
    Settings::from_entries(&entries)
}

impl Point {
    /// Name of the point: the values that distinguish it from others, by their names where they have some.
    pub fn name(&self) -> String {
        let called = |(name, variant): (&String, &Variant)| format!("{name}={}", variant.called());
        match self.values.len() {
            0 => "the network".to_owned(),
            _ => self.values.iter().map(called).collect::<Vec<_>>().join(", "),
        }
    }

    /// The settings that vary, each with its value.
    pub fn texts(&self) -> BTreeMap<String, String> {
        self.values.iter().map(|(name, variant)| (name.clone(), variant.value.clone())).collect()
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
        assert_eq!(grid["hidden"], ["none", "64,32"].map(Variant::from));
        let points = points(&Entries::new(), &grid).unwrap();
        assert_eq!(points[0].name(), "hidden=none");
        assert_eq!([&points[0], &points[1]].map(|point| point.settings.network.hidden.0.len()), [0, 2]);
    }

    #[test]
    fn settings_that_belong_together_vary_together() {
        let grid = vary(&["optimizer=sgd,rmsprop", "momentum=0,0.90"]);
        let grid = normalised(&Entries::new(), &grid).unwrap();
        assert_eq!(grid["momentum"], ["0.0", "0.9"].map(Variant::from));
        let points = points(&Entries::new(), &grid).unwrap();
        assert_eq!(points.len(), 4);
        points.iter().for_each(|point| point.settings.check().unwrap());
    }

    #[test]
    fn a_single_value_may_have_commas() {
        assert_eq!(parse_vary("hidden=8,4|").unwrap().1, ["8,4".into()]);
        assert_eq!(parse_vary("hidden=8|4").unwrap().1, ["8", "4"].map(Variant::from));
        assert!(parse_vary("hidden=|").is_err() && parse_vary("hidden=8||4").is_err());
    }

    #[test]
    fn commas_that_may_be_of_one_network_are_asked_about() {
        for (vary, several, one) in [
            ("convs=32:3:2:2,64:3:2", "'convs=32:3:2:2|64:3:2' for 2 settings", "'convs=32:3:2:2,64:3:2|' for one"),
            ("hidden=8,4", "'hidden=8|4' for 2", "'hidden=8,4|' for one"),
            ("class-weights=1,2,3", "'class-weights=1|2|3' for 3", "'class-weights=1,2,3|' for one"),
            ("convs=a:8:3:1,4:3:1", "'convs=a:8:3:1|4:3:1' for 2", "'convs=a:8:3:1,4:3:1|' for one"),
            (
                "convs=a:8:3:1,4:3:1,b:9:3:1",
                "'convs=a:8:3:1|4:3:1|b:9:3:1' for 3",
                "'convs=a:8:3:1,4:3:1|b:9:3:1' for 2",
            ),
        ] {
            let question = parse_vary(vary).unwrap_err().to_string();
            assert!(question.contains(several) && question.contains(one), "{question}");
        }
        // These have one reading.
        for (vary, values) in [
            ("hidden=none,8", ["none", "8"]),
            ("convs=a:8:3:1,b:4:3:1", ["a:8:3:1", "b:4:3:1"]),
            ("class_weights=none,balanced", ["none", "balanced"]),
            ("dropout=low:0.1,0.5", ["low:0.1", "0.5"]),
        ] {
            assert_eq!(parse_vary(vary).unwrap().1, values.map(Variant::from), "{vary}");
        }
    }

    #[test]
    fn values_have_names_if_they_are_given_some() {
        let grid = vary(&["convs=small:32:3:2:2|large:64:5:2:2,96:5:1:2", "dropout=0.10,0.5"]);
        let grid = normalised(&Entries::new(), &grid).unwrap();
        let points = points(&Entries::new(), &grid).unwrap();
        let names: Vec<String> = points.iter().map(Point::name).collect();
        assert_eq!(names[0], "convs=small, dropout=0.1");
        assert_eq!(names[3], "convs=large, dropout=0.5");
        assert_eq!(points[3].texts()["convs"], "64:5:2:2,96:5:1:2");
        assert_eq!(points[3].settings.network.convs.len(), 2);
        assert_eq!(
            value_names(&grid),
            BTreeMap::from([(
                "convs".to_owned(),
                BTreeMap::from([
                    ("32:3:2:2".to_owned(), "small".to_owned()),
                    ("64:5:2:2,96:5:1:2".to_owned(), "large".to_owned()),
                ])
            )])
        );
        for (twice, said) in [("dropout=a:0.1,a:0.2", "called `a`"), ("dropout=a:0.1,b:0.10", "0.1 again")] {
            let refusal = normalised(&Entries::new(), &vary(&[twice])).unwrap_err().to_string();
            assert!(refusal.contains(said), "{refusal}");
        }
    }

    #[test]
    fn an_option_is_read_as_it_was_written() {
        for text in [
            "hidden=none,8",
            "hidden=8|4",
            "hidden=8,4|",
            "convs=a:8:3:1,b:4:3:1",
            "convs=a:8:3:1,4:3:1|b:9:3:1",
            "loss=hinge,squared_hinge",
            "dropout=low:0.1,0.5",
        ] {
            let (name, values) = parse_vary(text).unwrap();
            assert_eq!(option(&name, &values), text);
        }
    }

    #[test]
    fn a_grid_has_a_largest_size() {
        let size = |n_values: &[usize]| {
            n_points(
                &n_values
                    .iter()
                    .enumerate()
                    .map(|(n, &values)| (n.to_string(), vec![Variant::from(""); values]))
                    .collect(),
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
        for (vary, setting) in [
            ("lr=0.1,0.2", "learning_rate"),
            ("bs=8,16", "batch_size"),
            ("wd=0,1", "weight_decay"),
            ("filters=8|16", "convs"),
        ] {
            let unknown = parse_vary(vary).unwrap_err().to_string();
            assert!(unknown.contains(&format!("`{setting}` may be meant")), "{unknown}");
        }
    }
}
