//! How well a network does on each subject.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One subject, judged by networks that never saw it (under an honest protocol).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubjectFigures {
    /// Name.
    pub subject: String,
    /// Windows.
    pub n_windows: u64,
    /// Mean over seeds.
    pub accuracy: f64,
    /// Mean over seeds; over the classes that the subject has.
    pub macro_f1: f64,
}

impl SubjectFigures {
    /// Each subject's figures, of one network: what it predicted for windows of these labels and subjects (one each a
    /// window). Sorted by name, as numbers where all are, so that 10 comes after 9.
    ///
    /// # Panics
    /// If there is not one of each for every window.
    pub fn of_each<S: AsRef<str>>(predictions: &[u32], labels: &[u32], subjects: &[S]) -> Vec<Self> {
        assert_eq!((predictions.len(), subjects.len()), (labels.len(), labels.len()), "one of each a window");
        let mut windows: BTreeMap<&str, Vec<(u32, u32)>> = BTreeMap::new();
        for ((&prediction, &label), subject) in predictions.iter().zip(labels).zip(subjects) {
            windows.entry(subject.as_ref()).or_default().push((label, prediction));
        }
        let mut all: Vec<Self> = windows.into_iter().map(|(subject, pairs)| Self::of(subject, &pairs)).collect();
        let numbers: Option<Vec<u64>> = all.iter().map(|one| one.subject.parse().ok()).collect();
        if numbers.is_some() {
            all.sort_by_cached_key(|one| one.subject.parse::<u64>().ok());
        }
        all
    }

    /// `pairs` are (label, prediction), at least one.
    fn of(subject: &str, pairs: &[(u32, u32)]) -> Self {
        // Class: windows that are it, windows taken for it, windows that are both.
        let mut counts: BTreeMap<u32, [u64; 3]> = BTreeMap::new();
        for &(label, prediction) in pairs {
            counts.entry(label).or_default()[0] += 1;
            counts.entry(prediction).or_default()[1] += 1;
            counts.entry(label).or_default()[2] += u64::from(label == prediction);
        }
        let hits: u64 = counts.values().map(|count| count[2]).sum();
        let had = counts.values().filter(|count| count[0] > 0);
        let (n_had, f1) = had.fold((0, 0.0), |(n_had, sum), [support, predicted, hits]| {
            (n_had + 1, sum + 2.0 * *hits as f64 / (support + predicted) as f64)
        });
        Self {
            subject: subject.to_owned(),
            n_windows: pairs.len() as u64,
            accuracy: hits as f64 / pairs.len() as f64,
            macro_f1: f1 / f64::from(n_had),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subject_is_judged_by_the_classes_it_has() {
        let labels = [0, 0, 1, 1, 2, 2];
        let predictions = [0, 2, 1, 1, 2, 0];
        let found = SubjectFigures::of_each(&predictions, &labels, &["10", "10", "10", "9", "9", "9"]);
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
        let found = SubjectFigures::of_each(&[0, 0, 0], &[0, 0, 0], &["b10", "b9", "7"]);
        assert_eq!(found.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["7", "b10", "b9"]);
    }
}
