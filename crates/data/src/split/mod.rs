//! Splits: which windows train the network and which validate it.
//!
//! Windows are cut once, and a split names them by index. A window never crosses a recording, and a recording has one
//! subject and one part of the source's own split. So a split by subject, or by these parts, trains on nothing of a
//! recording that is held out.
//!
//! A random split picks windows. Where they overlap, samples of the validation windows are trained on as well, and the
//! figures are too good. It is here because much of the literature uses it; [`Split::shared_windows`] says how far it leaks.

mod error;
mod folds;
mod plan;

use std::collections::{BTreeMap, BTreeSet};

use triax_model::random::{Purpose, Stream};

use crate::windows::n_short_recordings;
use crate::{Corpus, DataError, Origin, Part, Windows};

pub use error::SplitError;
pub use folds::{Fold, UntrainedClass};
pub use plan::{Folds, HeldOut, SplitPlan};

/// Two disjoint sets of windows, by their index.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Windows to train on, in the order of the recordings.
    pub train: Vec<u32>,
    /// Windows to validate on, in the order of the recordings.
    pub valid: Vec<u32>,
    /// Subjects with a window in training, sorted.
    pub train_subjects: Vec<String>,
    /// Subjects with a window in validation, sorted.
    pub valid_subjects: Vec<String>,
    /// Validation windows that share at least one raw sample with a training window.
    pub shared_windows: usize,
    /// Whether `shared_windows` counts all of them. Windows of a source that is already cut into windows may share samples,
    /// which the source does not record.
    pub overlap_known: bool,
    /// Recordings too short for a window.
    pub n_short_recordings: usize,
}

/// Splits `windows`, all that were cut from `corpus`, of `window` rows each. The choice depends on the corpus, the windows,
/// the plan and `seed` alone.
///
/// # Errors
/// [`DataError::Split`], which says what to do.
pub fn split(
    corpus: &Corpus,
    windows: &Windows,
    window: usize,
    plan: &SplitPlan,
    seed: u64,
) -> Result<Split, DataError> {
    check_classes(corpus)?;
    let (is_valid, remedy) = match plan {
        SplitPlan::Subject(held_out) => {
            let remedy = "Pass other --valid-subjects, or a smaller --window.";
            (hold_out_subjects(corpus, windows, held_out, seed)?, remedy)
        }
        SplitPlan::Random { valid_fraction } => {
            (hold_out_at_random(windows.len(), *valid_fraction, seed)?, RANDOM_REMEDY)
        }
        SplitPlan::Predefined => {
            let remedy = "Pass a smaller --window, or --split subject instead of the source's own split.";
            (follow_parts(corpus, windows)?, remedy)
        }
    };
    let [train, valid] = partition(corpus, windows, window, &is_valid, remedy)?;
    refuse_untrained(corpus, &UntrainedClass::find(corpus, windows, &train, &valid))?;
    Ok(Split {
        train_subjects: subjects_at(corpus, windows, &train),
        valid_subjects: subjects_at(corpus, windows, &valid),
        shared_windows: count_shared(&windows.origins, window, &train, &valid),
        overlap_known: corpus.window.is_none(),
        n_short_recordings: n_short_recordings(corpus, window),
        train,
        valid,
    })
}

/// What to do where a random split has too few windows.
const RANDOM_REMEDY: &str = "Pass a smaller --window or --step, or more data.";

/// There is more than one class.
fn check_classes(corpus: &Corpus) -> Result<(), SplitError> {
    match corpus.class_names.as_slice() {
        [] => Err(SplitError::NoClass),
        [class] => Err(SplitError::OneClass { class: class.clone() }),
        _ => Ok(()),
    }
}

/// For each window, whether it is one of the subjects to hold out. Chosen by fraction, these are among the subjects that have
/// a window.
fn hold_out_subjects(
    corpus: &Corpus,
    windows: &Windows,
    held_out: &HeldOut,
    seed: u64,
) -> Result<Vec<bool>, SplitError> {
    let HeldOut { valid_fraction, valid_subjects } = held_out;
    let subjects = known_subjects(corpus, windows)?;
    let chosen: BTreeSet<String> = if valid_subjects.is_empty() {
        let mut order = several(subjects)?;
        let n_valid = share(order.len(), *valid_fraction)?;
        Stream::new(seed, Purpose::Split, 0).shuffle(&mut order);
        order.into_iter().take(n_valid).collect()
    } else {
        let known = corpus.subjects();
        let unknown: Vec<_> = valid_subjects.iter().filter(|name| !known.contains(name)).cloned().collect();
        if !unknown.is_empty() {
            return Err(SplitError::UnknownSubject { unknown, known });
        }
        valid_subjects.iter().cloned().collect()
    };
    Ok(windows.origins.iter().map(|&origin| chosen.contains(corpus.subject_of(origin))).collect())
}

/// For each of `n_windows` windows, whether it is one of those picked at random.
fn hold_out_at_random(n_windows: usize, valid_fraction: f64, seed: u64) -> Result<Vec<bool>, SplitError> {
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
fn follow_parts(corpus: &Corpus, windows: &Windows) -> Result<Vec<bool>, SplitError> {
    let n_recordings = corpus.recordings.len();
    let n_without = corpus.recordings.iter().filter(|recording| recording.part.is_none()).count();
    if n_without > 0 {
        return Err(SplitError::NotPredefined { n_without, n_recordings });
    }
    let part = |origin: &Origin| corpus.recordings[origin.recording as usize].part;
    Ok(windows.origins.iter().map(|origin| part(origin) == Some(Part::Valid)).collect())
}

/// `fraction` of `n` to the nearest whole, at least 1 and at most n − 1.
fn share(n: usize, fraction: f64) -> Result<usize, SplitError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(SplitError::Fraction(fraction));
    }
    Ok(((n as f64 * fraction).round() as usize).clamp(1, n - 1))
}

/// The indices of the windows that train and of those that validate. Neither is empty, and every class has a window;
/// `remedy` is what to do where a part has no windows.
fn partition(
    corpus: &Corpus,
    windows: &Windows,
    window: usize,
    is_valid: &[bool],
    remedy: &'static str,
) -> Result<[Vec<u32>; 2], SplitError> {
    let (valid, train): (Vec<u32>, Vec<u32>) = (0..windows.len() as u32).partition(|&idx| is_valid[idx as usize]);
    if valid.is_empty() {
        return Err(SplitError::NoValidation { remedy });
    }
    if train.is_empty() {
        return Err(SplitError::NoTraining { remedy });
    }
    let n_classes = corpus.classes.len();
    let [in_train, in_valid] = [&train, &valid].map(|indices| windows.class_counts(indices, n_classes));
    match (0..n_classes).find(|&class| in_train[class] + in_valid[class] == 0) {
        Some(class) => Err(SplitError::ClassWithoutWindows { class: corpus.class_names[class].clone(), window }),
        None => Ok([train, valid]),
    }
}

/// The first of the classes that cannot be learned as an error; a split may have none.
fn refuse_untrained(corpus: &Corpus, untrained: &[UntrainedClass]) -> Result<(), SplitError> {
    let Some(UntrainedClass { class, subjects, n_windows }) = untrained.first() else { return Ok(()) };
    let subjects = subjects.iter().filter(|subject| !subject.is_empty()).cloned().collect();
    Err(SplitError::ClassNotInTraining { class: corpus.class_names[*class].clone(), n_valid: *n_windows, subjects })
}

/// How many of the windows at `valid` share rows with one at `train`, all of `window` rows that start at `origins`.
pub(crate) fn count_shared(origins: &[Origin], window: usize, train: &[u32], valid: &[u32]) -> usize {
    let mut starts: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for &idx in train {
        let origin = origins[idx as usize];
        starts.entry(origin.recording).or_default().insert(origin.start);
    }
    let reach = u32::try_from(window.saturating_sub(1)).unwrap_or(u32::MAX);
    let is_shared = |&&idx: &&u32| {
        let Origin { recording, start } = origins[idx as usize];
        let near = start.saturating_sub(reach)..=start.saturating_add(reach);
        starts.get(&recording).is_some_and(|starts| starts.range(near).next().is_some())
    };
    valid.iter().filter(is_shared).count()
}

/// The subjects of the windows at `indices`, sorted.
fn subjects_at(corpus: &Corpus, windows: &Windows, indices: &[u32]) -> Vec<String> {
    subjects(corpus, indices.iter().map(|&idx| windows.origins[idx as usize]))
}

/// The subjects that have a window, sorted. All must be known: a recording without a subject could belong to one that is
/// held out.
fn known_subjects(corpus: &Corpus, windows: &Windows) -> Result<Vec<String>, SplitError> {
    let subjects = subjects(corpus, windows.origins.iter().copied());
    if subjects.iter().any(String::is_empty) { Err(SplitError::NoSubjects) } else { Ok(subjects) }
}

/// `subjects`, of which there must be two.
fn several(subjects: Vec<String>) -> Result<Vec<String>, SplitError> {
    match subjects.as_slice() {
        [subject] => Err(SplitError::OneSubject { subject: subject.clone() }),
        _ => Ok(subjects),
    }
}

fn subjects(corpus: &Corpus, origins: impl Iterator<Item = Origin>) -> Vec<String> {
    let subjects: BTreeSet<_> = origins.map(|origin| corpus.subject_of(origin)).collect();
    subjects.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut;
    use crate::test_corpora::{corpus_of, corpus_strategy};
    use proptest::prelude::*;

    fn by_fraction(valid_fraction: f64) -> SplitPlan {
        SplitPlan::Subject(HeldOut { valid_fraction, ..HeldOut::default() })
    }

    fn by_name(names: &[&str]) -> SplitPlan {
        let valid_subjects = names.iter().map(|&name| name.to_owned()).collect();
        SplitPlan::Subject(HeldOut { valid_subjects, ..HeldOut::default() })
    }

    /// The split of the windows of 4 rows, a new one every 2.
    fn split(corpus: &Corpus, plan: &SplitPlan, seed: u64) -> Result<Split, DataError> {
        super::split(corpus, &cut(corpus, 4, 2)?, 4, plan, seed)
    }

    fn refusal(corpus: &Corpus, plan: &SplitPlan) -> SplitError {
        match split(corpus, plan, 0) {
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
    fn what_nothing_labels_is_not_split() {
        let unlabelled = Corpus { classes: Vec::new(), class_names: Vec::new(), ..five() };
        assert_eq!(refusal(&unlabelled, &by_fraction(0.2)), SplitError::NoClass);
        let windows = cut(&unlabelled, 4, 2).unwrap();
        let folds = Folds::LeaveOneSubjectOut.make(&unlabelled, &windows, 4, &HeldOut::default(), 0);
        assert!(folds.unwrap_err().to_string().contains("names no activity"));
    }

    #[test]
    fn a_fraction_holds_out_that_share_of_the_subjects() {
        for (fraction, n_valid) in [(0.01, 1), (0.2, 1), (0.4, 2), (0.6, 3), (0.99, 4)] {
            let split = split(&five(), &by_fraction(fraction), 1).unwrap();
            assert_eq!(split.valid_subjects.len(), n_valid, "{fraction}");
            assert_eq!(split.train_subjects.len(), 5 - n_valid);
            assert_eq!(split.shared_windows, 0);
        }
    }

    #[test]
    fn the_seed_decides_who_is_held_out() {
        let held_out = |seed| split(&five(), &by_fraction(0.2), seed).unwrap().valid_subjects;
        let choices: BTreeSet<_> = (0..40).map(held_out).collect();
        assert_eq!(choices.len(), 5, "every subject should be held out by one of 40 seeds: {choices:?}");
    }

    #[test]
    fn a_subject_without_a_window_is_never_the_one_held_out() {
        let corpus = corpus_of(&[("ann", 0, 9), ("ann", 1, 9), ("bob", 0, 9), ("cem", 1, 3)], 1);
        for seed in 0..20 {
            match split(&corpus, &by_fraction(0.2), seed) {
                Ok(split) => assert_eq!(split.valid_subjects, ["bob"]),
                Err(error) => assert!(error.to_string().contains("`class1` has no training window"), "{error}"),
            }
        }
    }

    #[test]
    fn named_subjects_are_held_out() {
        let (corpus, plan) = (five(), by_name(&["eve", "ann"]));
        let windows = cut(&corpus, 4, 2).unwrap();
        let split = split(&corpus, &plan, 0).unwrap();
        assert_eq!(split.valid_subjects, ["ann", "eve"]);
        assert_eq!(split.train_subjects, ["bob", "cem", "dot"]);
        assert_eq!(windows.class_counts(&split.valid, 2), [8, 6]);
        assert_eq!(windows.class_counts(&split.train, 2), [12, 9]);
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
        let split = split(&corpus, &SplitPlan::Predefined, 0).unwrap();
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
        assert!(split(&corpus, &by_fraction(0.5), 0).unwrap().overlap_known);
        corpus.window = Some(4);
        let split = split(&corpus, &by_fraction(0.5), 0).unwrap();
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
            let (windows, parts) = windows_and_split(&corpus, (window, step), &plan, seed)?;
            is_ordered_partition(&parts, windows.len())?;
            let wanted = (windows.len() as f64 * valid_fraction).round() as usize;
            prop_assert_eq!(parts.valid.len(), wanted.clamp(1, windows.len() - 1));

            let origin = |idx: &u32| &windows.origins[*idx as usize];
            let shares = |v: &&u32| parts.train.iter().any(|t| overlap(origin(t), origin(v), window));
            prop_assert_eq!(parts.shared_windows, parts.valid.iter().filter(shares).count());

            prop_assert_eq!(super::split(&corpus, &windows, window, &plan, seed).unwrap(), parts);
        }

        #[test]
        fn a_subject_split_never_shares_a_subject_and_loses_no_window(
            corpus in corpus_strategy(), window in 1usize..10, step in 1usize..8,
            valid_fraction in 0.05f64..0.95, seed: u64,
        ) {
            let plan = by_fraction(valid_fraction);
            let (windows, parts) = windows_and_split(&corpus, (window, step), &plan, seed)?;
            is_ordered_partition(&parts, windows.len())?;
            let subjects = |indices: &[u32]| -> BTreeSet<&str> {
                indices.iter().map(|&idx| corpus.subject_of(windows.origins[idx as usize])).collect()
            };
            prop_assert!(subjects(&parts.train).is_disjoint(&subjects(&parts.valid)));
            prop_assert!(windows.class_counts(&parts.train, corpus.classes.len()).iter().all(|&n| n > 0));
            prop_assert_eq!(parts.shared_windows, 0);
            prop_assert_eq!(super::split(&corpus, &windows, window, &plan, seed).unwrap(), parts);
        }
    }

    /// The windows of `corpus` and their split. A case that cannot be split is rejected; proptest fails when most are.
    fn windows_and_split(
        corpus: &Corpus,
        (window, step): (usize, usize),
        plan: &SplitPlan,
        seed: u64,
    ) -> Result<(Windows, Split), TestCaseError> {
        let reject = |error: DataError| TestCaseError::reject(error.to_string());
        let windows = cut(corpus, window, step).map_err(reject)?;
        let parts = super::split(corpus, &windows, window, plan, seed).map_err(reject)?;
        Ok((windows, parts))
    }

    /// Each of `n_windows` windows is in one part, and each part is in the order of the windows.
    fn is_ordered_partition(parts: &Split, n_windows: usize) -> Result<(), TestCaseError> {
        prop_assert!(parts.train.is_sorted() && parts.valid.is_sorted());
        let mut together = [parts.train.as_slice(), &parts.valid].concat();
        together.sort_unstable();
        prop_assert_eq!(together, (0..n_windows as u32).collect::<Vec<_>>());
        Ok(())
    }
}
