//! The figures of each subject.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use triax_engine::Confusion;

/// The figures of one subject. With folds by subject, they come from networks that were not trained on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubjectFigures {
    /// The subject's name.
    pub subject: String,
    /// The number of windows.
    pub n_windows: u64,
    /// Mean over seeds.
    pub accuracy: f64,
    /// Over the classes that the subject has; mean over seeds.
    pub macro_f1: f64,
}

impl SubjectFigures {
    /// The figures of each subject, as one network predicted its windows: `predictions`, `labels` and `subjects` have an
    /// entry for each window. Sorted by name, as numbers where all are, so that 10 comes after 9.
    ///
    /// # Panics
    /// If there is not one of each for every window.
    pub fn by_subject<S: AsRef<str>>(predictions: &[u32], labels: &[u32], subjects: &[S]) -> Vec<Self> {
        assert_eq!((predictions.len(), subjects.len()), (labels.len(), labels.len()), "one of each a window");
        let n_classes = labels.iter().chain(predictions).max().map_or(0, |&class| class as usize + 1);
        let mut confusions: BTreeMap<&str, Confusion> = BTreeMap::new();
        for ((&prediction, &label), subject) in predictions.iter().zip(labels).zip(subjects) {
            let confusion = confusions.entry(subject.as_ref()).or_insert_with(|| Confusion::new(n_classes));
            confusion.add(label as usize, prediction as usize);
        }
        let figures = |(subject, confusion): (&str, Confusion)| Self {
            subject: subject.to_owned(),
            n_windows: confusion.n_windows(),
            accuracy: confusion.accuracy(),
            macro_f1: confusion.macro_f1_of_present(),
        };
        let mut all: Vec<Self> = confusions.into_iter().map(figures).collect();
        let numbers: Option<Vec<u64>> = all.iter().map(|figures| figures.subject.parse().ok()).collect();
        if numbers.is_some() {
            all.sort_by_cached_key(|figures| figures.subject.parse::<u64>().ok());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_is_judged_by_the_classes_it_has() {
        let labels = [0, 0, 1, 1, 2, 2];
        let predictions = [0, 2, 1, 1, 2, 0];
        let found = SubjectFigures::by_subject(&predictions, &labels, &["10", "10", "10", "9", "9", "9"]);
        assert_eq!(
            found.iter().map(|one| (one.subject.as_str(), one.n_windows)).collect::<Vec<_>>(),
            [("9", 3), ("10", 3)]
        );
        // Subject 9: class 1 with an F1 of 1, class 2 with 2·1 / (2 + 1). The 0 that it does not have counts in neither.
        assert!((found[0].macro_f1 - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        // Subject 10: class 0 with 2·1 / (2 + 1), class 1 with 1.
        assert!((found[1].macro_f1 - (2.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
        assert!((found[0].accuracy - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn names_that_are_no_numbers_are_sorted_as_text() {
        let found = SubjectFigures::by_subject(&[0, 0, 0], &[0, 0, 0], &["b10", "b9", "7"]);
        assert_eq!(found.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["7", "b10", "b9"]);
    }
}
