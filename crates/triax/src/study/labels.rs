//! Short names of the settings of a study, for tables and sentences.

use std::collections::BTreeSet;

use triax_study::{Competitor, Kind, Summary};

use crate::text::letter;

/// The most characters of the name of a setting. A column of the terminal takes it whole.
const MOST: usize = 32;
/// What stands between the name of a setting and the number of its seeds, in the name of an ensemble.
const TIMES: &str = " × ";

/// What the settings of a study are called in tables and sentences. Where the name of one is long, all are called by their
/// values alone, if these are words: `small, hinge` for `convs=small, loss=hinge`. Where that is long too, they are lettered in
/// the order of their macro-F1. So no table cuts off what distinguishes them; a legend has the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The name of each setting with its short name; empty if the names are short.
    short: Vec<(String, String)>,
    /// Values that the user has named: as they are called, and what they are.
    values: Vec<(String, String)>,
}

impl Labels {
    /// The labels of the settings in `summary`.
    pub fn new(summary: &Summary) -> Self {
        let networks: Vec<&Competitor> = summary.competitors.iter().filter(|one| one.kind == Kind::Network).collect();
        let names: Vec<String> = networks.iter().map(|one| one.name.clone()).collect();
        let short = match names.iter().all(|name| fits(name)) {
            true => Vec::new(),
            false => {
                let letters = || (0..names.len()).map(|n| letter(n).to_uppercase()).collect();
                let short: Vec<String> = by_values(summary, &networks).unwrap_or_else(letters);
                names.into_iter().zip(short).collect()
            }
        };
        let values = summary.value_names.iter().flat_map(|(setting, names)| {
            names.iter().map(move |(value, name)| (format!("{setting}={name}"), value.clone()))
        });
        Self { short, values: values.collect() }
    }

    /// What to call the competitor `name`: its short name if settings have them, with the number of seeds of an ensemble. A
    /// baseline has no other name.
    pub fn of(&self, name: &str) -> String {
        let (setting, seeds) = match name.rsplit_once(TIMES) {
            Some((setting, seeds)) => (setting, format!("{TIMES}{seeds}")),
            None => (name, String::new()),
        };
        self.shortened(setting).map_or_else(|| name.to_owned(), |short| format!("{short}{seeds}"))
    }

    /// What to call the setting of the competitor `name`, also where it is an ensemble.
    pub fn of_setting(&self, name: &str) -> String {
        self.of(setting_of(name))
    }

    /// As [`Labels::of`], for the beginning of a sentence that stands alone: `Setting A`.
    pub fn at_first(&self, name: &str) -> String {
        let label = self.of(name);
        if label == name { label } else { format!("Setting {label}") }
    }

    /// What the labels stand for: short names, then values that have been named.
    pub fn legend(&self) -> Vec<(String, String)> {
        self.legend_of(self.short.iter().map(|(name, _)| name.as_str()))
    }

    /// As [`Labels::legend`], with the short names of these competitors alone.
    pub fn legend_of<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<(String, String)> {
        let names: BTreeSet<&str> = names.into_iter().map(setting_of).collect();
        let short = self.short.iter().filter(|(name, _)| names.contains(name.as_str()));
        short.map(|(name, short)| (short.clone(), name.clone())).chain(self.values.iter().cloned()).collect()
    }

    /// What the label of the competitor `name` stands for, if it is not the name itself.
    pub fn meaning<'a>(&self, name: &'a str) -> Option<&'a str> {
        (self.of(name) != name).then_some(name)
    }

    /// The name of the setting that is called `label`.
    pub fn setting<'a>(&'a self, label: &'a str) -> &'a str {
        self.short.iter().find(|(_, short)| short == label).map_or(label, |(name, _)| name)
    }

    fn shortened(&self, setting: &str) -> Option<&str> {
        self.short.iter().find(|(name, _)| name == setting).map(|(_, short)| short.as_str())
    }
}

/// The name of the setting of the competitor `name`, which may be an ensemble.
fn setting_of(name: &str) -> &str {
    name.rsplit_once(TIMES).map_or(name, |(setting, _)| setting)
}

/// Whether a column of the terminal takes `name`.
fn fits(name: &str) -> bool {
    name.chars().count() <= MOST
}

/// Each of `networks` by its values alone; `None` where one of these is no word, or where that is long or ambiguous.
fn by_values(summary: &Summary, networks: &[&Competitor]) -> Option<Vec<String>> {
    let is_word = |value: &&str| value.starts_with(char::is_alphabetic) && !["true", "false", "none"].contains(value);
    let short = networks.iter().map(|one| {
        let called =
            one.settings.iter().map(|(setting, value)| Some(summary.value_name(setting, value)).filter(is_word));
        let name = called.collect::<Option<Vec<_>>>()?.join(", ");
        (!name.is_empty() && fits(&name)).then_some(name)
    });
    let short: Vec<String> = short.collect::<Option<_>>()?;
    (short.iter().collect::<BTreeSet<_>>().len() == short.len()).then_some(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn short_names_stay_and_long_ones_are_lettered() {
        let mut summary = samples::study();
        let labels = Labels::new(&summary);
        assert_eq!(labels.of("loss=categorical_crossentropy"), "loss=categorical_crossentropy");
        assert!(labels.legend().is_empty());

        summary = samples::grid();
        let labels = Labels::new(&summary);
        let names: Vec<&str> = summary.competitors.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(labels.of(names[0]), "A");
        assert_eq!(labels.at_first(names[3]), "Setting D");
        let ensemble = summary.competitors.iter().find(|one| one.kind == Kind::Ensemble).unwrap();
        assert_eq!((labels.of(&ensemble.name), labels.of_setting(&ensemble.name)), ("A × 5 seeds".into(), "A".into()));
        assert_eq!(labels.of("majority"), "majority");
        let legend = labels.legend();
        assert_eq!(legend[0], ("A".to_owned(), names[0].to_owned()));
        assert_eq!(legend[4], ("convs=narrow".to_owned(), "32:3:2:2,64:3:2".to_owned()));
        assert_eq!((labels.setting("B"), labels.setting("Z")), (names[1], "Z"));
    }

    #[test]
    fn named_values_stay_where_they_fit() {
        let mut summary = samples::grid();
        let wide = "64:5:2:2,96:5:1:2,128:3:1";
        summary.value_names.get_mut("convs").unwrap().insert(wide.to_owned(), "wide".to_owned());
        summary.competitors.iter_mut().for_each(|one| one.name = one.name.replace(wide, "wide"));
        assert!(Labels::new(&summary).legend().iter().all(|(label, _)| label.contains('=')), "names that fit stay");
        for one in &mut summary.competitors {
            if let Some(loss) = one.settings.get_mut("loss").filter(|loss| *loss == "hinge") {
                "categorical_crossentropy".clone_into(loss);
            }
            one.name = one.name.replace("loss=hinge", "loss=categorical_crossentropy");
        }
        let labels = Labels::new(&summary);
        let name = "convs=wide, loss=categorical_crossentropy";
        assert_eq!(labels.of(name), "wide, categorical_crossentropy");
        assert_eq!(labels.of(&format!("{name} × 5 seeds")), "wide, categorical_crossentropy × 5 seeds");
        assert_eq!(labels.setting("wide, categorical_crossentropy"), name);
        assert!(labels.legend().contains(&("wide, categorical_crossentropy".to_owned(), name.to_owned())));
        // A number says nothing without its setting.
        for one in &mut summary.competitors {
            one.settings.entry("loss".to_owned()).and_modify(|loss| *loss = "0.3".to_owned());
        }
        assert_eq!(Labels::new(&summary).of(name), "A");
    }
}
