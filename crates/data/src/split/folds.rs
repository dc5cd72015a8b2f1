//! Folds: several splits of the same windows, each of which holds other windows out.
//!
//! Windows never cross a recording, and a recording has one subject; so windows cut once serve every fold, and a fold by
//! subject keeps all recordings of whoever validates out of its training part.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use triax_model::random::{Purpose, Stream};

use super::{SplitError, SplitPlan, check_parts, choose_subjects, is_predefined_valid, subjects_of};
use crate::{Corpus, DataError, Origin, Windows};

/// How to hold windows out, fold after fold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Folds {
    /// Each subject in turn (LOSO).
    LeaveOneSubjectOut,
    /// The subjects in so many groups of about as many windows; each group in turn.
    Groups(usize),
    /// One part of the subjects, in a single fold.
    HeldOut,
    /// Windows at random in so many parts, whoever they come from; each part in turn. Leaks wherever windows overlap, and
    /// says nothing of unseen people: for comparison only.
    Random(usize),
    /// The split that the source comes with, in a single fold.
    Predefined,
}

/// One fold: windows by their index.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// What it is called: its subject where it is one, else its number from 1.
    pub name: String,
    /// Windows to train on.
    pub train: Vec<u32>,
    /// Windows to validate on.
    pub valid: Vec<u32>,
    /// Subjects with a window in validation, sorted.
    pub valid_subjects: Vec<String>,
}

impl Folds {
    /// Makes the folds of `windows`, all that were cut from `corpus`. `held_out` says which subjects [`Folds::HeldOut`]
    /// takes: a fraction, or some by name. The choice depends on the corpus, the windows and `seed` alone.
    ///
    /// # Errors
    /// [`DataError::Split`]: subjects that nobody knows or too few of them, a class that a fold could not learn, no
    /// window to train on or to judge by.
    pub fn of(
        self,
        corpus: &Corpus,
        windows: &Windows,
        window: usize,
        held_out: &SplitPlan,
        seed: u64,
    ) -> Result<Vec<Fold>, DataError> {
        Ok(self.make(corpus, windows, window, held_out, seed)?)
    }

    fn make(
        self,
        corpus: &Corpus,
        windows: &Windows,
        window: usize,
        held_out: &SplitPlan,
        seed: u64,
    ) -> Result<Vec<Fold>, SplitError> {
        if let [class] = corpus.class_names.as_slice() {
            return Err(SplitError::OneClass { class: class.clone() });
        }
        let all = &windows.origins;
        let by_subject = |n_folds: usize, fold_of: &dyn Fn(&str) -> usize| -> Vec<Vec<bool>> {
            let of_window: Vec<usize> = all.iter().map(|&origin| fold_of(corpus.subject_of(origin))).collect();
            (0..n_folds).map(|fold| of_window.iter().map(|&of| of == fold).collect()).collect()
        };
        let numbered = |n: usize| (1..=n).map(|fold| fold.to_string()).collect::<Vec<_>>();
        let (names, parts): (Vec<String>, Vec<Vec<bool>>) = match self {
            Self::LeaveOneSubjectOut => {
                let subjects = several_subjects(corpus, all)?;
                let parts = by_subject(subjects.len(), &|subject| {
                    subjects.iter().position(|known| known == subject).unwrap_or(usize::MAX)
                });
                (subjects, parts)
            }
            Self::Groups(n_groups) => {
                let subjects = several_subjects(corpus, all)?;
                if !(2..=subjects.len()).contains(&n_groups) {
                    return Err(SplitError::Groups { n_groups, n_subjects: subjects.len() });
                }
                let groups = balanced(corpus, all, &subjects, n_groups, seed);
                (numbered(n_groups), by_subject(n_groups, &|subject| groups.get(subject).copied().unwrap_or(n_groups)))
            }
            Self::HeldOut => {
                let SplitPlan::Subject { valid_fraction, valid_subjects } = held_out else {
                    unreachable!("subjects are held out by fraction or by name")
                };
                let chosen = choose_subjects(corpus, all, *valid_fraction, valid_subjects, seed)?;
                let part = all.iter().map(|&origin| chosen.contains(corpus.subject_of(origin))).collect();
                (vec!["held-out".to_owned()], vec![part])
            }
            Self::Random(n_parts) => {
                if n_parts < 2 || n_parts > all.len() {
                    return Err(SplitError::Parts { n_parts, n_windows: all.len() });
                }
                let mut of_window: Vec<usize> = (0..all.len()).map(|i| i % n_parts).collect();
                Stream::new(seed, Purpose::Split, 0).shuffle(&mut of_window);
                let part = |part| of_window.iter().map(|&of| of == part).collect();
                (numbered(n_parts), (0..n_parts).map(part).collect())
            }
            Self::Predefined => (vec!["predefined".to_owned()], vec![is_predefined_valid(corpus, all)?]),
        };
        names.into_iter().zip(parts).map(|(name, is_valid)| self.fold(name, &is_valid, corpus, all, window)).collect()
    }

    fn fold(
        self,
        name: String,
        is_valid: &[bool],
        corpus: &Corpus,
        all: &[Origin],
        window: usize,
    ) -> Result<Fold, SplitError> {
        let indices = |wanted: bool| -> Vec<u32> {
            (0..all.len() as u32).filter(|&idx| is_valid[idx as usize] == wanted).collect()
        };
        let origins = |indices: &[u32]| -> Vec<Origin> { indices.iter().map(|&idx| all[idx as usize]).collect() };
        let (train, valid) = (indices(false), indices(true));
        let (train_origins, valid_origins) = (origins(&train), origins(&valid));
        check_parts(corpus, window, self.remedy(), &train_origins, &valid_origins)?;
        Ok(Fold { name, train, valid, valid_subjects: subjects_of(corpus, &valid_origins) })
    }

    /// What to do where a fold is left without windows.
    fn remedy(self) -> &'static str {
        match self {
            Self::Predefined => "Pass a smaller --window, or --folds loso instead of the source's own split.",
            _ => "Pass a smaller --window, other --folds, or more data.",
        }
    }

    /// What it means, for people.
    pub fn in_words(self) -> String {
        match self {
            Self::LeaveOneSubjectOut => {
                "leave one subject out: each subject is judged by networks that were trained on all others".into()
            }
            Self::Groups(n) => {
                format!("{n} groups of subjects: each group is judged by networks that were trained on the others")
            }
            Self::HeldOut => {
                "some subjects are held out, and judged by networks that were trained on the others".into()
            }
            Self::Random(n) => format!(
                "{n} random parts of the windows, whoever they come from: networks have seen the people they are \
                 judged by, so that this says nothing of strangers"
            ),
            Self::Predefined => "the split that the data comes with".into(),
        }
    }
}

/// The subjects that have windows, of which there must be two, all known.
fn several_subjects(corpus: &Corpus, all: &[Origin]) -> Result<Vec<String>, SplitError> {
    let subjects = subjects_of(corpus, all);
    if subjects.iter().any(String::is_empty) {
        return Err(SplitError::NoSubjects);
    }
    if let [subject] = subjects.as_slice() {
        return Err(SplitError::OneSubject { subject: subject.clone() });
    }
    Ok(subjects)
}

/// The group of each subject: in a random order, the one with the most windows first, each joins the group that is the
/// smallest so far.
fn balanced(
    corpus: &Corpus,
    all: &[Origin],
    subjects: &[String],
    n_groups: usize,
    seed: u64,
) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for &origin in all {
        *counts.entry(corpus.subject_of(origin)).or_default() += 1;
    }
    let mut order: Vec<&String> = subjects.iter().collect();
    Stream::new(seed, Purpose::Split, 0).shuffle(&mut order);
    order.sort_by_key(|subject| std::cmp::Reverse(counts[subject.as_str()]));
    let mut sizes = vec![(0, 0); n_groups];
    let mut groups = BTreeMap::new();
    for subject in order {
        let group = (0..n_groups).min_by_key(|&group| sizes[group]).expect("a group at least");
        sizes[group].0 += counts[subject.as_str()];
        sizes[group].1 += 1;
        groups.insert(subject.clone(), group);
    }
    groups
}

impl fmt::Display for Folds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeaveOneSubjectOut => f.pad("loso"),
            Self::Groups(n) => f.pad(&format!("group-{n}")),
            Self::HeldOut => f.pad("held-out"),
            Self::Random(n) => f.pad(&format!("random-{n}")),
            Self::Predefined => f.pad("predefined"),
        }
    }
}

impl FromStr for Folds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |prefix: &str| text.strip_prefix(prefix).and_then(|n| n.parse().ok()).filter(|n| *n >= 2);
        match text {
            "loso" => Ok(Self::LeaveOneSubjectOut),
            "held-out" => Ok(Self::HeldOut),
            "predefined" => Ok(Self::Predefined),
            "group" => Ok(Self::Groups(5)),
            "random" => Ok(Self::Random(5)),
            _ => number("group-")
                .map(Self::Groups)
                .or_else(|| number("random-").map(Self::Random))
                .ok_or_else(|| "write loso, group-K, held-out, random-K or predefined, with K at least 2".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::cut;
    use crate::test_corpora::{corpus_of, corpus_strategy};

    fn by_fraction() -> SplitPlan {
        SplitPlan::Subject { valid_fraction: 0.2, valid_subjects: Vec::new() }
    }

    fn folds(corpus: &Corpus, folds: Folds, seed: u64) -> Result<Vec<Fold>, DataError> {
        folds.of(corpus, &cut(corpus, 4, 2)?, 4, &by_fraction(), seed)
    }

    /// Six subjects of different sizes, each with two classes.
    fn six() -> Corpus {
        let sizes = [("ann", 40), ("bob", 8), ("cem", 12), ("dot", 20), ("eve", 30), ("fay", 10)];
        let recordings: Vec<_> = sizes.iter().flat_map(|&(s, n)| [(s, 0, n), (s, 1, n)]).collect();
        corpus_of(&recordings, 3)
    }

    #[test]
    fn names_are_read_and_written() {
        for name in ["loso", "group-3", "held-out", "random-10", "predefined"] {
            assert_eq!(name.parse::<Folds>().unwrap().to_string(), name);
        }
        for name in ["", "group-1", "group-", "random-x", "LOSO"] {
            assert!(name.parse::<Folds>().unwrap_err().contains("loso"), "{name}");
        }
    }

    #[test]
    fn each_subject_is_left_out_once() {
        let folds = folds(&six(), Folds::LeaveOneSubjectOut, 0).unwrap();
        let names: Vec<_> = folds.iter().map(|fold| fold.name.as_str()).collect();
        assert_eq!(names, ["ann", "bob", "cem", "dot", "eve", "fay"]);
        assert!(folds.iter().all(|fold| fold.valid_subjects == [fold.name.clone()]));
    }

    #[test]
    fn groups_are_about_equally_large() {
        // 19, 3, 5, 9, 14 and 4 windows of each class.
        let sizes: Vec<_> = folds(&six(), Folds::Groups(3), 1).unwrap().iter().map(|fold| fold.valid.len()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 108);
        assert!(sizes.iter().all(|&n| (34..=38).contains(&n)), "{sizes:?}");
    }

    #[test]
    fn what_cannot_be_folded_is_refused() {
        let message = |corpus: &Corpus, which: Folds| folds(corpus, which, 0).unwrap_err().to_string();
        assert!(message(&six(), Folds::Groups(7)).contains("7 groups"));
        assert!(message(&six(), Folds::Random(109)).contains("109 parts"));
        assert!(message(&six(), Folds::Predefined).contains("no split"));
        let alone = corpus_of(&[("ann", 0, 9), ("ann", 1, 9)], 1);
        assert!(message(&alone, Folds::LeaveOneSubjectOut).contains("only `ann`"));
        let unknown = corpus_of(&[("", 0, 9), ("ann", 1, 9)], 1);
        assert!(message(&unknown, Folds::Groups(2)).contains("does not name the subject"));
        let apart = corpus_of(&[("ann", 0, 9), ("bob", 1, 9)], 1);
        assert!(message(&apart, Folds::LeaveOneSubjectOut).contains("has no training window"));
    }

    proptest! {
        #[test]
        fn folds_partition_the_windows(corpus in corpus_strategy(), seed in 0_u64..20, n in 2_usize..5) {
            for which in [Folds::LeaveOneSubjectOut, Folds::Groups(n), Folds::Random(n)] {
                let Ok(made) = folds(&corpus, which, seed) else { continue };
                let n_windows = cut(&corpus, 4, 2).unwrap().len() as u32;
                let mut judged: Vec<u32> = made.iter().flat_map(|fold| fold.valid.clone()).collect();
                judged.sort_unstable();
                prop_assert_eq!(judged, (0..n_windows).collect::<Vec<_>>());
                for fold in &made {
                    let both: BTreeSet<u32> = fold.train.iter().chain(&fold.valid).copied().collect();
                    prop_assert_eq!(both.len(), fold.train.len() + fold.valid.len());
                    prop_assert_eq!(both.len() as u32, n_windows);
                }
                prop_assert_eq!(&made, &folds(&corpus, which, seed).unwrap());
            }
        }

        #[test]
        fn no_subject_is_on_both_sides(corpus in corpus_strategy(), seed in 0_u64..20) {
            let windows = cut(&corpus, 4, 2);
            for which in [Folds::LeaveOneSubjectOut, Folds::Groups(2), Folds::HeldOut] {
                let Ok(made) = folds(&corpus, which, seed) else { continue };
                let origins = &windows.as_ref().unwrap().origins;
                for fold in made {
                    let subjects = |indices: &[u32]| -> BTreeSet<String> {
                        indices.iter().map(|&idx| corpus.subject_of(origins[idx as usize]).to_owned()).collect()
                    };
                    prop_assert!(subjects(&fold.train).is_disjoint(&subjects(&fold.valid)));
                }
            }
        }
    }
}
