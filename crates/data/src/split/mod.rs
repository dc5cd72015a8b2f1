//! Splits: which windows train the network and which judge it.
//!
//! A split by subject, or the one a source comes with, is made first and windows are cut second, so that nothing of a
//! held-out recording is ever trained on. A random split picks windows: where they overlap, samples of the validation
//! windows are trained on too, and the figure it gives is too good. It is here because much of the literature uses it;
//! [`Split::shared_windows`] says how far it leaks.

mod error;
mod folds;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use triax_model::random::{Purpose, Stream};

use crate::windows::{n_short_recordings, origins};
use crate::{Corpus, DataError, Origin, Part, Windows};

pub use error::SplitError;
pub use folds::{Fold, Folds};

/// How to choose what validates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SplitPlan {
    /// All recordings of some subjects. The honest protocol: it asks how the network does on people it never saw.
    Subject {
        /// Share of the subjects to hold out, in (0, 1): at least one, never all. Not used where subjects are named.
        valid_fraction: f64,
        /// The subjects to hold out; empty for a choice by fraction.
        valid_subjects: Vec<String>,
    },
    /// Windows at random, whoever they come from. Leaks wherever windows overlap.
    Random {
        /// Share of the windows to hold out, in (0, 1): at least one, never all.
        valid_fraction: f64,
    },
    /// The split that the source comes with.
    Predefined,
}

const RANDOM_REMEDY: &str = "Pass a smaller --window or --step, or more data.";

/// Two disjoint sets of windows.
#[derive(Clone, Debug)]
pub struct Split {
    /// Windows to train on.
    pub train: Windows,
    /// Windows to validate on.
    pub valid: Windows,
    /// Subjects with a window in training, sorted.
    pub train_subjects: Vec<String>,
    /// Subjects with a window in validation, sorted.
    pub valid_subjects: Vec<String>,
    /// Validation windows that share at least one raw sample with a training window.
    pub shared_windows: usize,
    /// Whether `shared_windows` is the whole truth. A source that was cut into windows before Triax saw it may repeat
    /// samples among them, which nothing in it tells.
    pub overlap_known: bool,
    /// Recordings too short for a window.
    pub n_short_recordings: usize,
}

/// Splits `corpus` and cuts it into windows of `window` rows, a new one every `step` rows.
///
/// The choice depends on the corpus, the plan and `seed` alone. Windows keep the order of the recordings in both parts.
///
/// # Errors
/// [`DataError::Split`], which says what to do.
pub fn split(corpus: &Corpus, window: usize, step: usize, plan: &SplitPlan, seed: u64) -> Result<Split, DataError> {
    Ok(split_windows(corpus, window, step, plan, seed)?)
}

fn split_windows(
    corpus: &Corpus,
    window: usize,
    step: usize,
    plan: &SplitPlan,
    seed: u64,
) -> Result<Split, SplitError> {
    if let [class] = corpus.class_names.as_slice() {
        return Err(SplitError::OneClass { class: class.clone() });
    }
    let all = origins(corpus, window, step)?;
    let is_valid: Vec<bool> = match plan {
        SplitPlan::Subject { valid_fraction, valid_subjects } => {
            let held_out = choose_subjects(corpus, &all, *valid_fraction, valid_subjects, seed)?;
            all.iter().map(|&origin| held_out.contains(corpus.subject_of(origin))).collect()
        }
        SplitPlan::Random { valid_fraction } => choose_windows(all.len(), *valid_fraction, seed)?,
        SplitPlan::Predefined => is_predefined_valid(corpus, &all)?,
    };
    let part = |wanted: bool| {
        let chosen = all.iter().zip(&is_valid).filter(|&(_, &is_valid)| is_valid == wanted);
        chosen.map(|(&origin, _)| origin).collect::<Vec<_>>()
    };
    let (train, valid) = (part(false), part(true));
    let remedy = match plan {
        SplitPlan::Subject { .. } => "Pass other --valid-subjects, or a smaller --window.",
        SplitPlan::Random { .. } => RANDOM_REMEDY,
        SplitPlan::Predefined => "Pass a smaller --window, or --split subject instead of the source's own split.",
    };
    check_parts(corpus, window, remedy, &train, &valid)?;
    Ok(Split {
        train_subjects: subjects_of(corpus, &train),
        valid_subjects: subjects_of(corpus, &valid),
        shared_windows: count_shared(&train, &valid, window),
        overlap_known: corpus.window.is_none(),
        n_short_recordings: n_short_recordings(corpus, window),
        train: Windows::copy(corpus, window, train),
        valid: Windows::copy(corpus, window, valid),
    })
}

/// The subjects to hold out. Chosen by fraction, they are among those that have a window at all.
fn choose_subjects(
    corpus: &Corpus,
    all: &[Origin],
    valid_fraction: f64,
    named: &[String],
    seed: u64,
) -> Result<BTreeSet<String>, SplitError> {
    let with_windows = subjects_of(corpus, all);
    // A recording of nobody could belong to a subject that is held out.
    if with_windows.iter().any(String::is_empty) {
        return Err(SplitError::NoSubjects);
    }
    if !named.is_empty() {
        let known = corpus.subjects();
        let unknown: Vec<_> = named.iter().filter(|name| !known.contains(name)).cloned().collect();
        if !unknown.is_empty() {
            return Err(SplitError::UnknownSubject { unknown, known });
        }
        return Ok(named.iter().cloned().collect());
    }
    if let [subject] = with_windows.as_slice() {
        return Err(SplitError::OneSubject { subject: subject.clone() });
    }
    let n_valid = share(with_windows.len(), valid_fraction)?;
    let mut order = with_windows;
    Stream::new(seed, Purpose::Split, 0).shuffle(&mut order);
    order.truncate(n_valid);
    Ok(order.into_iter().collect())
}

/// For each of `n_windows` windows, whether it validates.
fn choose_windows(n_windows: usize, valid_fraction: f64, seed: u64) -> Result<Vec<bool>, SplitError> {
    if n_windows < 2 {
        return Err(SplitError::NoValidation { remedy: RANDOM_REMEDY });
    }
    let n_valid = share(n_windows, valid_fraction)?;
    let mut is_valid = vec![false; n_windows];
    is_valid[..n_valid].fill(true);
    Stream::new(seed, Purpose::Split, 0).shuffle(&mut is_valid);
    Ok(is_valid)
}

/// For each window, whether the source's own split validates with it.
fn is_predefined_valid(corpus: &Corpus, all: &[Origin]) -> Result<Vec<bool>, SplitError> {
    let n_recordings = corpus.recordings.len();
    let n_without = corpus.recordings.iter().filter(|recording| recording.part.is_none()).count();
    if n_without > 0 {
        return Err(SplitError::NotPredefined { n_without, n_recordings });
    }
    let part = |origin: &Origin| corpus.recordings[origin.recording as usize].part;
    Ok(all.iter().map(|origin| part(origin) == Some(Part::Valid)).collect())
}

/// `fraction` of `n` to the nearest whole, at least 1 and at most n − 1.
fn share(n: usize, fraction: f64) -> Result<usize, SplitError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(SplitError::Fraction(fraction));
    }
    Ok(((n as f64 * fraction).round() as usize).clamp(1, n - 1))
}

/// Neither part is empty, and every class can be learned.
fn check_parts(
    corpus: &Corpus,
    window: usize,
    remedy: &'static str,
    train: &[Origin],
    valid: &[Origin],
) -> Result<(), SplitError> {
    if valid.is_empty() {
        return Err(SplitError::NoValidation { remedy });
    }
    if train.is_empty() {
        return Err(SplitError::NoTraining { remedy });
    }
    let counts = |origins: &[Origin]| {
        let mut counts = vec![0; corpus.classes.len()];
        for origin in origins {
            counts[corpus.recordings[origin.recording as usize].class as usize] += 1;
        }
        counts
    };
    for ((class, n_train), n_valid) in corpus.class_names.iter().zip(counts(train)).zip(counts(valid)) {
        let class = class.clone();
        match (n_train, n_valid) {
            (0, 0) => return Err(SplitError::ClassWithoutWindows { class, window }),
            (0, n_valid) => return Err(SplitError::ClassNotInTraining { class, n_valid }),
            _ => {}
        }
    }
    Ok(())
}

/// Validation windows that overlap a training window of the same recording.
pub(crate) fn count_shared(train: &[Origin], valid: &[Origin], window: usize) -> usize {
    let mut starts: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for origin in train {
        starts.entry(origin.recording).or_default().insert(origin.start);
    }
    let shares = |origin: &&Origin| {
        let Some(starts) = starts.get(&origin.recording) else { return false };
        let reach = u32::try_from(window.saturating_sub(1)).unwrap_or(u32::MAX);
        let first = origin.start.saturating_sub(reach);
        let last = origin.start.saturating_add(reach);
        starts.range(first..=last).next().is_some()
    };
    valid.iter().filter(shares).count()
}

/// The subjects that have a window among `origins`, sorted.
fn subjects_of(corpus: &Corpus, origins: &[Origin]) -> Vec<String> {
    let subjects: BTreeSet<_> = origins.iter().map(|&origin| corpus.subject_of(origin)).collect();
    subjects.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_corpora::{corpus_of, corpus_strategy};
    use proptest::prelude::*;

    fn by_fraction(valid_fraction: f64) -> SplitPlan {
        SplitPlan::Subject { valid_fraction, valid_subjects: Vec::new() }
    }

    fn by_name(names: &[&str]) -> SplitPlan {
        SplitPlan::Subject { valid_fraction: 0.2, valid_subjects: names.iter().map(|&n| n.to_owned()).collect() }
    }

    fn refusal(corpus: &Corpus, plan: &SplitPlan) -> SplitError {
        match split(corpus, 4, 2, plan, 0) {
            Err(DataError::Split(error)) => error,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    /// Five subjects, each with two classes.
    fn five() -> Corpus {
        let recordings: Vec<_> =
            ["ann", "bob", "cem", "dot", "eve"].iter().flat_map(|&s| [(s, 0, 10), (s, 1, 8)]).collect();
        corpus_of(&recordings, 3)
    }

    #[test]
    fn a_fraction_holds_out_that_share_of_the_subjects() {
        for (fraction, n_valid) in [(0.01, 1), (0.2, 1), (0.4, 2), (0.6, 3), (0.99, 4)] {
            let split = split(&five(), 4, 2, &by_fraction(fraction), 1).unwrap();
            assert_eq!(split.valid_subjects.len(), n_valid, "{fraction}");
            assert_eq!(split.train_subjects.len(), 5 - n_valid);
            assert_eq!(split.shared_windows, 0);
        }
    }

    #[test]
    fn the_seed_decides_who_is_held_out() {
        let held_out = |seed| split(&five(), 4, 2, &by_fraction(0.2), seed).unwrap().valid_subjects;
        let choices: BTreeSet<_> = (0..40).map(held_out).collect();
        assert_eq!(choices.len(), 5, "every subject should be held out by one of 40 seeds: {choices:?}");
    }

    #[test]
    fn a_subject_without_a_window_is_never_the_one_held_out() {
        let corpus = corpus_of(&[("ann", 0, 9), ("ann", 1, 9), ("bob", 0, 9), ("cem", 1, 3)], 1);
        for seed in 0..20 {
            match split(&corpus, 4, 2, &by_fraction(0.2), seed) {
                Ok(split) => assert_eq!(split.valid_subjects, ["bob"]),
                Err(error) => assert!(error.to_string().contains("`class1` has no training window"), "{error}"),
            }
        }
    }

    #[test]
    fn named_subjects_are_held_out() {
        let split = split(&five(), 4, 2, &by_name(&["eve", "ann"]), 0).unwrap();
        assert_eq!(split.valid_subjects, ["ann", "eve"]);
        assert_eq!(split.train_subjects, ["bob", "cem", "dot"]);
        assert_eq!(split.valid.class_counts(2), [8, 6]);
        assert_eq!(split.train.class_counts(2), [12, 9]);
    }

    #[test]
    fn a_predefined_split_is_followed() {
        let mut corpus = five();
        assert_eq!(
            refusal(&corpus, &SplitPlan::Predefined),
            SplitError::NotPredefined { n_without: 10, n_recordings: 10 }
        );
        for (idx, recording) in corpus.recordings.iter_mut().enumerate() {
            recording.part = Some(if idx < 8 { Part::Train } else { Part::Valid });
        }
        let split = split(&corpus, 4, 2, &SplitPlan::Predefined, 0).unwrap();
        assert_eq!(split.valid_subjects, ["eve"]);
        corpus.recordings.iter_mut().for_each(|r| r.part = Some(Part::Train));
        assert!(matches!(refusal(&corpus, &SplitPlan::Predefined), SplitError::NoValidation { .. }));
        corpus.recordings.iter_mut().for_each(|r| r.part = Some(Part::Valid));
        assert!(matches!(refusal(&corpus, &SplitPlan::Predefined), SplitError::NoTraining { .. }));
    }

    #[test]
    fn what_cannot_be_split_is_refused_with_a_remedy() {
        let refused = |recordings: &[(&str, u32, usize)], plan: &SplitPlan, words: &str| {
            let message = refusal(&corpus_of(recordings, 1), plan).to_string();
            assert!(message.contains(words), "{message:?} lacks {words:?}");
        };
        let half = by_fraction(0.5);
        refused(&[("ann", 0, 9), ("bob", 0, 9)], &half, "one class only");
        refused(&[("ann", 0, 3), ("bob", 1, 2)], &half, "Too few rows for a window of 4");
        refused(&[("ann", 0, 9), ("ann", 1, 9)], &half, "only `ann`");
        refused(&[("ann", 0, 9), ("", 1, 9)], &half, "does not name the subject");
        refused(&[("ann", 0, 9), ("bob", 1, 3), ("cem", 0, 9)], &half, "`class1` has no recording of 4 rows");
        refused(&[("ann", 0, 9), ("ann", 1, 9), ("bob", 2, 4)], &by_name(&["bob"]), "all 1 are held out");
        refused(
            &[("ann", 0, 9), ("bob", 1, 9)],
            &by_name(&["zoe", "ann"]),
            "no subject `zoe` in the data. It has: `ann`, `bob`",
        );
        refused(&[("ann", 0, 9), ("ann", 1, 9), ("bob", 1, 2)], &by_name(&["bob"]), "no window for validation");
        refused(&[("ann", 0, 9), ("bob", 1, 9)], &by_name(&["bob", "ann"]), "no window for training");
        refused(
            &[("ann", 0, 4), ("bob", 1, 2)],
            &SplitPlan::Random { valid_fraction: 0.5 },
            "no window for validation",
        );
        for fraction in [0.0, 1.0, -0.5, f64::NAN, f64::INFINITY] {
            refused(&[("ann", 0, 9), ("bob", 1, 9)], &by_fraction(fraction), "--valid-fraction 0.2");
            refused(
                &[("ann", 0, 9), ("bob", 1, 9)],
                &SplitPlan::Random { valid_fraction: fraction },
                "--valid-fraction",
            );
        }
    }

    #[test]
    fn overlap_inside_an_already_windowed_source_is_not_claimed_to_be_known() {
        let mut corpus = corpus_of(&[("ann", 0, 4), ("ann", 1, 4), ("bob", 0, 4), ("bob", 1, 4)], 1);
        assert!(split(&corpus, 4, 2, &by_fraction(0.5), 0).unwrap().overlap_known);
        corpus.window = Some(4);
        let split = split(&corpus, 4, 2, &by_fraction(0.5), 0).unwrap();
        assert!(!split.overlap_known);
        assert_eq!(split.shared_windows, 0);
    }

    /// Whether two windows hold a row in common.
    fn overlap(a: &Origin, b: &Origin, window: usize) -> bool {
        let rows = |o: &Origin| o.start as usize..o.start as usize + window;
        a.recording == b.recording && rows(a).any(|row| rows(b).contains(&row))
    }

    proptest! {
        #[test]
        fn a_random_split_is_a_partition_and_counts_what_it_leaks(
            corpus in corpus_strategy(), window in 1usize..10, step in 1usize..8,
            valid_fraction in 0.05f64..0.95, seed: u64,
        ) {
            let plan = SplitPlan::Random { valid_fraction };
            let Ok(parts) = split(&corpus, window, step, &plan, seed) else { return Ok(()) };
            let mut together: Vec<_> = parts.train.origins.iter().chain(&parts.valid.origins).copied().collect();
            together.sort();
            prop_assert_eq!(&together, &crate::cut(&corpus, window, step).unwrap().origins);
            let wanted = (together.len() as f64 * valid_fraction).round() as usize;
            prop_assert_eq!(parts.valid.len(), wanted.clamp(1, together.len() - 1));

            let shares = |v: &&Origin| parts.train.origins.iter().any(|t| overlap(t, v, window));
            prop_assert_eq!(parts.shared_windows, parts.valid.origins.iter().filter(shares).count());

            let again = split(&corpus, window, step, &plan, seed).unwrap();
            prop_assert_eq!((again.train, again.valid), (parts.train, parts.valid));
        }

        #[test]
        fn a_subject_split_never_shares_a_subject_and_loses_no_window(
            corpus in corpus_strategy(), window in 1usize..10, step in 1usize..8,
            valid_fraction in 0.05f64..0.95, seed: u64,
        ) {
            let plan = by_fraction(valid_fraction);
            let Ok(parts) = split(&corpus, window, step, &plan, seed) else { return Ok(()) };
            let subjects = |w: &Windows| -> BTreeSet<String> {
                w.origins.iter().map(|o| corpus.recordings[o.recording as usize].subject.clone()).collect()
            };
            prop_assert!(subjects(&parts.train).is_disjoint(&subjects(&parts.valid)));
            prop_assert!(parts.train.class_counts(corpus.classes.len()).iter().all(|&n| n > 0));
            prop_assert_eq!(parts.shared_windows, 0);
            let n_windows = crate::cut(&corpus, window, step).unwrap().len();
            prop_assert_eq!(parts.train.len() + parts.valid.len(), n_windows);
            let again = split(&corpus, window, step, &plan, seed).unwrap();
            prop_assert_eq!((again.train, again.valid), (parts.train, parts.valid));
        }
    }
}
