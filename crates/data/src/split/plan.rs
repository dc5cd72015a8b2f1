//! How windows are to be held out: once for a run, fold after fold for a study.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Corpus;

/// Which subjects validate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Share of the subjects to hold out, in (0, 1): at least one, never all. Not used where subjects are named.
    pub valid_fraction: f64,
    /// The subjects to hold out; empty for a choice by fraction.
    pub valid_subjects: Vec<String>,
}

impl Default for HeldOut {
    /// A fifth of the subjects.
    fn default() -> Self {
        Self { valid_fraction: 0.2, valid_subjects: Vec::new() }
    }
}

/// How to choose the windows that validate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SplitPlan {
    /// All recordings of some subjects. The figures say how the network performs on people it has never seen.
    Subject(HeldOut),
    /// Windows at random, whichever subject they come from. Leaks wherever windows overlap.
    Random {
        /// Share of the windows to hold out, in (0, 1): at least one, never all.
        valid_fraction: f64,
    },
    /// The split that the source comes with.
    Predefined,
}

/// How to hold windows out, fold after fold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Folds {
    /// Each subject in turn (LOSO).
    LeaveOneSubjectOut,
    /// The given number of groups of subjects, with about as many windows each; each group in turn.
    Groups(usize),
    /// Some subjects, in a single fold: the split of [`SplitPlan::Subject`].
    HeldOut,
    /// The given number of random parts of the windows, regardless of subjects; each part in turn. It leaks if windows overlap,
    /// and does not measure the accuracy on unseen people. It is for comparison only.
    Random(usize),
    /// The split that the source comes with, in a single fold: that of [`SplitPlan::Predefined`].
    Predefined,
}

/// Parts of a random protocol, and groups of one by subject, where no number is given.
const DEFAULT_FOLDS: usize = 5;

/// The ways of holding windows out that are honest and that a corpus allows.
struct HonestWays {
    /// Whole subjects: two are known.
    by_subject: bool,
    /// The split of the source: it has a part for every recording.
    predefined: bool,
}

impl HonestWays {
    fn new(corpus: &Corpus) -> Self {
        Self {
            by_subject: corpus.subjects().len() > 1,
            predefined: corpus.recordings.iter().all(|recording| recording.part.is_some()),
        }
    }
}

impl SplitPlan {
    /// The most honest split that `corpus` allows. A run takes the source's own split where there is one, so that its
    /// figures compare with published ones; else it holds subjects out, by `held_out`. Windows are held out at random only
    /// where subjects are neither known nor named.
    pub fn most_honest(corpus: &Corpus, held_out: HeldOut) -> Self {
        let ways = HonestWays::new(corpus);
        if ways.predefined {
            Self::Predefined
        } else if ways.by_subject || !held_out.valid_subjects.is_empty() {
            Self::Subject(held_out)
        } else {
            Self::Random { valid_fraction: held_out.valid_fraction }
        }
    }
}

impl Folds {
    /// The most honest folds that `corpus` allows. A study leaves out each subject in turn where it can, for its figures are
    /// over subjects; else it takes the source's own split. Windows are held out at random only where there is neither.
    pub fn most_honest(corpus: &Corpus) -> Self {
        let ways = HonestWays::new(corpus);
        if ways.by_subject {
            Self::LeaveOneSubjectOut
        } else if ways.predefined {
            Self::Predefined
        } else {
            Self::Random(DEFAULT_FOLDS)
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
            "group" => Ok(Self::Groups(DEFAULT_FOLDS)),
            "random" => Ok(Self::Random(DEFAULT_FOLDS)),
            _ => number("group-")
                .map(Self::Groups)
                .or_else(|| number("random-").map(Self::Random))
                .ok_or_else(|| "write loso, group-K, held-out, random-K or predefined, with K at least 2".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Part;
    use crate::test_corpora::corpus_of;

    fn held_out(names: &[&str]) -> HeldOut {
        HeldOut { valid_fraction: 0.25, valid_subjects: names.iter().map(|&name| name.to_owned()).collect() }
    }

    #[test]
    fn names_of_folds_are_read_and_written() {
        for name in ["loso", "group-3", "held-out", "random-10", "predefined"] {
            assert_eq!(name.parse::<Folds>().unwrap().to_string(), name);
        }
        for name in ["", "group-1", "group-", "random-x", "LOSO"] {
            assert!(name.parse::<Folds>().unwrap_err().contains("loso"), "{name}");
        }
    }

    #[test]
    fn a_plan_is_stored_as_runs_have_always_stored_it() {
        for (plan, json) in [
            (SplitPlan::Subject(held_out(&["7"])), r#"{"Subject":{"valid_fraction":0.25,"valid_subjects":["7"]}}"#),
            (SplitPlan::Random { valid_fraction: 0.2 }, r#"{"Random":{"valid_fraction":0.2}}"#),
            (SplitPlan::Predefined, r#""Predefined""#),
        ] {
            assert_eq!(serde_json::to_string(&plan).unwrap(), json);
            assert_eq!(serde_json::from_str::<SplitPlan>(json).unwrap(), plan);
        }
    }

    #[test]
    fn the_most_honest_way_is_taken_that_a_corpus_allows() {
        let (several, one, unknown) = (["ann", "bob"], ["ann", "ann"], ["", ""]);
        let random = SplitPlan::Random { valid_fraction: 0.25 };
        for (subjects, has_parts, plan, folds) in [
            (several, false, SplitPlan::Subject(held_out(&[])), Folds::LeaveOneSubjectOut),
            (several, true, SplitPlan::Predefined, Folds::LeaveOneSubjectOut),
            (one, false, random.clone(), Folds::Random(5)),
            (one, true, SplitPlan::Predefined, Folds::Predefined),
            (unknown, false, random, Folds::Random(5)),
            (unknown, true, SplitPlan::Predefined, Folds::Predefined),
        ] {
            let mut corpus = corpus_of(&[(subjects[0], 0, 9), (subjects[1], 1, 9)], 1);
            corpus.recordings.iter_mut().for_each(|recording| recording.part = has_parts.then_some(Part::Train));
            assert_eq!(SplitPlan::most_honest(&corpus, held_out(&[])), plan, "{subjects:?}, parts: {has_parts}");
            assert_eq!(Folds::most_honest(&corpus), folds, "{subjects:?}, parts: {has_parts}");
        }
    }

    #[test]
    fn a_split_in_part_of_the_source_is_none() {
        let mut corpus = corpus_of(&[("ann", 0, 9), ("ann", 1, 9)], 1);
        corpus.recordings[0].part = Some(Part::Train);
        assert_eq!(SplitPlan::most_honest(&corpus, held_out(&[])), SplitPlan::Random { valid_fraction: 0.25 });
        assert_eq!(Folds::most_honest(&corpus), Folds::Random(5));
    }

    #[test]
    fn subjects_that_are_named_are_held_out_though_there_is_no_other() {
        // The split refuses it with a remedy, instead of holding out other windows.
        let corpus = corpus_of(&[("ann", 0, 9), ("ann", 1, 9)], 1);
        assert_eq!(SplitPlan::most_honest(&corpus, held_out(&["ann"])), SplitPlan::Subject(held_out(&["ann"])));
    }
}
