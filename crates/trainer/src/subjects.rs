//! The figures of each subject.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use triax_engine::Confusion;

/// The most groups of subjects that [`SubjectFigures::lacking_in_words`] lists, and the most names in each list.
const MOST_NAMED: usize = 4;

/// The figures of one subject. With folds by subject, they come from networks that were not trained on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubjectFigures {
    /// The subject's name; empty for all whose name is unknown.
    pub subject: String,
    /// The number of windows.
    pub n_windows: u64,
    /// Mean over seeds.
    pub accuracy: f64,
    /// Over the classes that the subject has ([`Confusion::macro_f1`]); mean over seeds.
    pub macro_f1: f64,
    /// Names of the classes that the subject has no window of, which `macro_f1` leaves out.
    pub lacking: Vec<String>,
}

impl SubjectFigures {
    /// The figures of each subject, as one network predicted its windows: `predictions`, `labels` and `subjects` have an
    /// entry for each window, and labels and predictions index `class_names`. Sorted by name, as numbers where all are, so
    /// that 10 comes after 9.
    ///
    /// # Panics
    /// If there is not one of each for every window, or a label or a prediction is no class.
    pub fn by_subject<S: AsRef<str>>(
        predictions: &[u32],
        labels: &[u32],
        subjects: &[S],
        class_names: &[String],
    ) -> Vec<Self> {
        assert_eq!((predictions.len(), subjects.len()), (labels.len(), labels.len()), "one of each a window");
        let mut windows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (window, subject) in subjects.iter().enumerate() {
            windows.entry(subject.as_ref()).or_default().push(window);
        }
        let figures = |(subject, windows): (&str, Vec<usize>)| {
            let mut confusion = Confusion::new(class_names.len());
            windows.iter().for_each(|&window| confusion.add(labels[window] as usize, predictions[window] as usize));
            Self {
                subject: subject.to_owned(),
                n_windows: confusion.n_windows(),
                accuracy: confusion.accuracy(),
                macro_f1: confusion.macro_f1(),
                lacking: confusion.lacking().map(|class| class_names[class].clone()).collect(),
            }
        };
        let mut all: Vec<Self> = windows.into_iter().map(figures).collect();
        let numbers: Option<Vec<u64>> = all.iter().map(|figures| figures.subject.parse().ok()).collect();
        if numbers.is_some() {
            all.sort_by_cached_key(|figures| figures.subject.parse::<u64>().ok());
        }
        all
    }

    /// Which subjects lack which classes, as a sentence; none where nobody lacks any. Those who lack the same are named
    /// together.
    pub fn lacking_in_words(all: &[Self]) -> Option<String> {
        let mut groups: Vec<(&[String], Vec<&str>)> = Vec::new();
        for one in all.iter().filter(|one| !one.lacking.is_empty()) {
            let name = if one.subject.is_empty() { "the unknown" } else { one.subject.as_str() };
            match groups.iter_mut().find(|(lacking, _)| *lacking == one.lacking) {
                Some((_, names)) => names.push(name),
                None => groups.push((&one.lacking, vec![name])),
            }
        }
        let n_more: usize = groups.iter().skip(MOST_NAMED).map(|(_, names)| names.len()).sum();
        let group = |(lacking, names): &(&[String], Vec<&str>)| {
            let lacks = if names.len() == 1 { "lacks" } else { "lack" };
            format!("{} {lacks} {}", named(names), named(lacking))
        };
        let mut words: Vec<String> = groups.iter().take(MOST_NAMED).map(group).collect();
        if n_more > 0 {
            words.push(format!("{n_more} more lack some"));
        }
        (!words.is_empty())
            .then(|| format!("Macro-F1 of a subject is over the classes of its judged windows: {}.", words.join("; ")))
    }
}

/// The first of `names` and the number of the others.
fn named(names: &[impl AsRef<str>]) -> String {
    let first: Vec<&str> = names.iter().take(MOST_NAMED).map(AsRef::as_ref).collect();
    match (first.as_slice(), names.len() - first.len()) {
        ([all @ .., last], 0) if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        (_, 0) => first.concat(),
        (_, n_more) => format!("{} and {n_more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(n: usize) -> Vec<String> {
        (0..n).map(|class| format!("class{class}")).collect()
    }

    #[test]
    fn each_subject_is_judged_by_the_classes_it_has() {
        let labels = [0, 0, 1, 1, 2, 2];
        let predictions = [0, 2, 1, 1, 2, 0];
        let subjects = ["10", "10", "10", "9", "9", "9"];
        let found = SubjectFigures::by_subject(&predictions, &labels, &subjects, &classes(4));
        assert_eq!(
            found.iter().map(|one| (one.subject.as_str(), one.n_windows)).collect::<Vec<_>>(),
            [("9", 3), ("10", 3)]
        );
        // Subject 9: class 1 with an F1 of 1, class 2 with 2·1 / (2 + 1). The 0 that it does not have counts in neither.
        assert!((found[0].macro_f1 - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        // Subject 10: class 0 with 2·1 / (2 + 1), class 1 with 1.
        assert!((found[1].macro_f1 - (2.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
        assert!((found[0].accuracy - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!([&found[0].lacking, &found[1].lacking], [&["class0", "class3"], &["class2", "class3"]]);
    }

    #[test]
    fn names_that_are_no_numbers_are_sorted_as_text() {
        let found = SubjectFigures::by_subject(&[0, 0, 0], &[0, 0, 0], &["b10", "b9", "7"], &classes(1));
        assert_eq!(found.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["7", "b10", "b9"]);
    }

    #[test]
    fn who_lacks_what_is_said_in_a_sentence_of_any_size() {
        let one = |subject: &str, lacking: &[&str]| SubjectFigures {
            subject: subject.into(),
            n_windows: 1,
            accuracy: 1.0,
            macro_f1: 1.0,
            lacking: lacking.iter().map(|&name| name.to_owned()).collect(),
        };
        let words = |all: &[SubjectFigures]| SubjectFigures::lacking_in_words(all);
        assert_eq!(words(&[]), None);
        assert_eq!(words(&[one("a", &[]), one("b", &[])]), None);
        let expected = "Macro-F1 of a subject is over the classes of its judged windows: a and b lack swim; d lacks run, sit, \
                        lie, hop and 1 more.";
        let many = one("d", &["run", "sit", "lie", "hop", "jog"]);
        assert_eq!(words(&[one("a", &["swim"]), one("b", &["swim"]), one("c", &[]), many]).unwrap(), expected);
        let different: Vec<_> = (0..300).map(|n| one(&format!("s{n}"), &[&format!("class{n}")])).collect();
        let found = words(&different).unwrap();
        assert!(found.ends_with("s3 lacks class3; 296 more lack some.") && found.len() < 200, "{found}");
    }
}
