//! Short names of the settings of a study, for tables and sentences.

use triax_study::{Kind, Summary};

use crate::text::letter;

/// The most characters of the name of a setting. A column of the terminal takes it whole.
const MOST: usize = 32;
/// What stands between the name of a setting and the number of its seeds, in the name of an ensemble.
const TIMES: &str = " × ";

/// What the settings of a study are called in tables and sentences. Where the name of one is long, all are lettered in the order
/// of their macro-F1, so that no table cuts off what distinguishes them; a legend has the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Each setting with its letter; empty if the names are short.
    letters: Vec<(String, String)>,
    /// Values that the user has named: as they are called, and what they are.
    values: Vec<(String, String)>,
}

impl Labels {
    /// The labels of the settings in `summary`.
    pub fn new(summary: &Summary) -> Self {
        let names: Vec<&String> =
            summary.competitors.iter().filter(|one| one.kind == Kind::Network).map(|one| &one.name).collect();
        let is_long = names.iter().any(|name| name.chars().count() > MOST);
        let lettered = names.into_iter().enumerate().map(|(n, name)| (name.clone(), letter(n).to_uppercase()));
        let values = summary.value_names.iter().flat_map(|(setting, names)| {
            names.iter().map(move |(value, name)| (format!("{setting}={name}"), value.clone()))
        });
        Self { letters: if is_long { lettered.collect() } else { Vec::new() }, values: values.collect() }
    }

    /// What to call the competitor `name`: its letter if settings are lettered, with the number of seeds of an ensemble. A
    /// baseline has no letter.
    pub fn of(&self, name: &str) -> String {
        let (setting, seeds) = match name.rsplit_once(TIMES) {
            Some((setting, seeds)) => (setting, format!("{TIMES}{seeds}")),
            None => (name, String::new()),
        };
        self.lettered(setting).map_or_else(|| name.to_owned(), |letter| format!("{letter}{seeds}"))
    }

    /// What to call the setting of the competitor `name`, also where it is an ensemble.
    pub fn of_setting(&self, name: &str) -> String {
        self.of(name.rsplit_once(TIMES).map_or(name, |(setting, _)| setting))
    }

    /// As [`Labels::of`], for the beginning of a sentence that stands alone: `Setting A`.
    pub fn at_first(&self, name: &str) -> String {
        let label = self.of(name);
        if label == name { label } else { format!("Setting {label}") }
    }

    /// What the labels stand for: letters, then values that have been named.
    pub fn legend(&self) -> Vec<(String, String)> {
        let letters = self.letters.iter().map(|(name, letter)| (letter.clone(), name.clone()));
        letters.chain(self.values.iter().cloned()).collect()
    }

    /// The name of the setting that is called `label`.
    pub fn setting<'a>(&'a self, label: &'a str) -> &'a str {
        self.letters.iter().find(|(_, letter)| letter == label).map_or(label, |(name, _)| name)
    }

    fn lettered(&self, setting: &str) -> Option<&str> {
        self.letters.iter().find(|(name, _)| name == setting).map(|(_, letter)| letter.as_str())
    }
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
}
