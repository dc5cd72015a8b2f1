//! The leakage audit: what validation could know from training that it would not know of a stranger.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use triax_model::Scaler;

use crate::{Corpus, Origin, Windows, fit_scaler_to};

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// The findings, the gravest first; what was looked for and not found as well.
    pub findings: Vec<Finding>,
}

/// One thing that was looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked for, in a word or two.
    pub check: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, with counts, in a sentence.
    pub words: String,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Looked for, and not found.
    Sound,
    /// Could not be looked for, or worth knowing.
    Note,
    /// Figures are too good because of it.
    Leak,
}

/// Names that a finding lists at most.
const MOST_NAMED: usize = 6;

impl Audit {
    /// Audits folds of `windows`, all that were cut from `corpus`, of `window` rows each: of every fold the windows that it
    /// trains on and those that it validates on, by index.
    pub fn of(corpus: &Corpus, windows: &Windows, window: usize, folds: &[(&[u32], &[u32])]) -> Self {
        let mut findings = vec![
            shared_samples(corpus, windows, window, folds),
            shared_subjects(corpus, windows, folds),
            shared_recordings(corpus, windows, folds),
            duplicates(corpus, windows, window, folds),
            classes_without_training(corpus, windows, folds),
        ];
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
        Self { findings }
    }

    /// Adds whether the scaler of each fold was fitted to that fold's training windows and no others.
    pub fn with_scalers(
        mut self,
        corpus: &Corpus,
        windows: &Windows,
        window: usize,
        folds: &[(&[u32], &[u32])],
        scalers: &[&Scaler],
    ) -> Self {
        let n_channels = corpus.channels.len();
        let differ =
            |fold: &[u32], scaler: &Scaler| fit_scaler_to(&windows.values, fold, window, n_channels) != *scaler;
        let n_foreign = folds.iter().zip(scalers).filter(|((train, _), scaler)| differ(train, scaler)).count();
        let check = "scaler";
        self.findings.push(match n_foreign {
            0 => sound(check, "Each fold's scaler was fitted to its training windows alone."),
            n => leak(
                check,
                format!("The scaler of {n} of {} folds was fitted to other windows than it trains on.", folds.len()),
            ),
        });
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
        self
    }

    /// Whether figures over this split are too good.
    pub fn leaks(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Leak)
    }
}

fn finding(check: &str, verdict: Verdict, words: impl Into<String>) -> Finding {
    Finding { check: check.to_owned(), verdict, words: words.into() }
}

fn sound(check: &str, words: impl Into<String>) -> Finding {
    finding(check, Verdict::Sound, words)
}

fn note(check: &str, words: impl Into<String>) -> Finding {
    finding(check, Verdict::Note, words)
}

fn leak(check: &str, words: impl Into<String>) -> Finding {
    finding(check, Verdict::Leak, words)
}

/// Validation windows that have rows in common with a training window.
fn shared_samples(corpus: &Corpus, windows: &Windows, window: usize, folds: &[(&[u32], &[u32])]) -> Finding {
    let check = "samples";
    let (mut n_shared, mut n_valid) = (0, 0);
    for (train, valid) in folds {
        let mut starts: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for &idx in *train {
            let Origin { recording, start } = windows.origins[idx as usize];
            starts.entry(recording).or_default().insert(start);
        }
        let reach = u32::try_from(window.saturating_sub(1)).unwrap_or(u32::MAX);
        let shares = |idx: &&u32| {
            let Origin { recording, start } = windows.origins[**idx as usize];
            let near = start.saturating_sub(reach)..=start.saturating_add(reach);
            starts.get(&recording).is_some_and(|starts| starts.range(near).next().is_some())
        };
        n_shared += valid.iter().filter(shares).count();
        n_valid += valid.len();
    }
    let across = repeated_runs(corpus, windows, window, folds);
    match (n_shared, across) {
        (0, None) => sound(check, "No validation window shares samples with a training window."),
        (0, Some((0, _))) => {
            sound(check, "The source came as windows; none for validation repeats a half of one for training.")
        }
        (0, Some((n_across, n_valid))) => leak(
            check,
            format!(
                "The source came as windows, and {n_across} of {n_valid} validation windows repeat a half of a training \
                 window."
            ),
        ),
        (n_shared, _) => {
            leak(check, format!("{n_shared} of {n_valid} validation windows share samples with training windows."))
        }
    }
}

/// Of a source that came as windows: validation windows whose first or last half is half of a training window, which is
/// how windows with the usual overlap look; and all validation windows.
fn repeated_runs(
    corpus: &Corpus,
    windows: &Windows,
    window: usize,
    folds: &[(&[u32], &[u32])],
) -> Option<(usize, usize)> {
    corpus.window?;
    let (len, half) = (window * corpus.channels.len(), window / 2 * corpus.channels.len());
    if half == 0 {
        return Some((0, 0));
    }
    let halves = |idx: u32| {
        let values = &windows.values[idx as usize * len..][..len];
        [bits(&values[..half]), bits(&values[len - half..])]
    };
    let (mut n_repeated, mut n_valid) = (0, 0);
    for (train, valid) in folds {
        let known: BTreeSet<Vec<u32>> = train.iter().flat_map(|&idx| halves(idx)).filter(|run| varies(run)).collect();
        n_repeated += valid.iter().filter(|&&idx| halves(idx).iter().any(|run| known.contains(run))).count();
        n_valid += valid.len();
    }
    Some((n_repeated, n_valid))
}

/// Values by their bits, to be compared exactly.
fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Whether these are not all the same: a sensor at rest repeats itself without being copied.
fn varies(run: &[u32]) -> bool {
    run.iter().any(|value| *value != run[0])
}

fn shared_subjects(corpus: &Corpus, windows: &Windows, folds: &[(&[u32], &[u32])]) -> Finding {
    let check = "subjects";
    let subjects_of = |indices: &[u32]| -> BTreeSet<&str> {
        indices.iter().map(|&idx| corpus.subject_of(windows.origins[idx as usize])).collect()
    };
    let mut both = BTreeSet::new();
    for (train, valid) in folds {
        let (train, valid) = (subjects_of(train), subjects_of(valid));
        both.extend(train.intersection(&valid).copied());
    }
    if corpus.recordings.iter().all(|recording| recording.subject.is_empty()) {
        return note(check, "The data does not say who was recorded, so nobody can say whether subjects are shared.");
    }
    if both.remove("") {
        return leak(check, "Recordings of unknown subjects are in training and in validation.");
    }
    match both.len() {
        0 => sound(check, "No subject is in training and in validation."),
        n => leak(check, format!("{n} subjects are in training and in validation: {}.", listed(&both))),
    }
}

fn shared_recordings(corpus: &Corpus, windows: &Windows, folds: &[(&[u32], &[u32])]) -> Finding {
    let check = "recordings";
    let of = |indices: &[u32]| -> BTreeSet<u32> {
        indices.iter().map(|&idx| windows.origins[idx as usize].recording).collect()
    };
    let mut both = BTreeSet::new();
    for (train, valid) in folds {
        both.extend(of(train).intersection(&of(valid)).copied());
    }
    match both.first() {
        None => sound(check, "No recording is in training and in validation."),
        Some(&first) => leak(
            check,
            format!(
                "{} of {} recordings are in training and in validation, {} the first of them.",
                both.len(),
                corpus.recordings.len(),
                corpus.recordings[first as usize].source
            ),
        ),
    }
}

/// Windows that hold the same values to the bit, though they were cut elsewhere.
fn duplicates(corpus: &Corpus, windows: &Windows, window: usize, folds: &[(&[u32], &[u32])]) -> Finding {
    let check = "duplicates";
    let len = window * corpus.channels.len();
    let values = |idx: u32| &windows.values[idx as usize * len..][..len];
    let mut alike: HashMap<Vec<u32>, Vec<u32>> = HashMap::new();
    for idx in 0..windows.len() as u32 {
        alike.entry(bits(values(idx))).or_default().push(idx);
    }
    // The group of each window that is not the only one of its kind.
    let mut group_of: HashMap<u32, usize> = HashMap::new();
    let mut groups: Vec<&Vec<u32>> =
        alike.iter().filter(|(run, of)| of.len() > 1 && varies(run)).map(|(_, of)| of).collect();
    groups.sort();
    for (group, of) in groups.iter().enumerate() {
        group_of.extend(of.iter().map(|&idx| (idx, group)));
    }
    let (mut n_across, mut n_valid) = (0, 0);
    for (train, valid) in folds {
        let trained: BTreeSet<usize> = train.iter().filter_map(|idx| group_of.get(idx).copied()).collect();
        n_across += valid.iter().filter(|idx| group_of.get(idx).is_some_and(|group| trained.contains(group))).count();
        n_valid += valid.len();
    }
    let n_alike: usize = groups.iter().map(|of| of.len()).sum();
    match (n_across, n_alike) {
        (0, 0) => sound(check, "No two windows hold the same values."),
        (0, n) => note(check, format!("{n} windows hold the same values as another, but never across a split.")),
        (n, _) => {
            leak(check, format!("{n} of {n_valid} validation windows hold the same values as a training window."))
        }
    }
}

fn classes_without_training(corpus: &Corpus, windows: &Windows, folds: &[(&[u32], &[u32])]) -> Finding {
    let check = "classes";
    let mut unknown = BTreeSet::new();
    for (train, valid) in folds {
        let of =
            |indices: &[u32]| -> BTreeSet<u32> { indices.iter().map(|&idx| windows.labels[idx as usize]).collect() };
        let (train, valid) = (of(train), of(valid));
        unknown.extend(valid.difference(&train).map(|&class| corpus.class_names[class as usize].as_str()));
    }
    match unknown.len() {
        0 => sound(check, "Every class that validates is trained on."),
        _ => note(check, format!("Validated without being trained on: {}.", listed(&unknown))),
    }
}

/// The first few names.
fn listed(names: &BTreeSet<&str>) -> String {
    let mut listed: Vec<String> = names.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    if names.len() > MOST_NAMED {
        listed.push(format!("and {} more", names.len() - MOST_NAMED));
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_corpora::corpus_of;
    use crate::{Folds, SplitPlan, cut, fit_scaler};

    fn two() -> (Corpus, Windows) {
        let corpus = corpus_of(&[("ann", 0, 20), ("ann", 1, 20), ("bob", 0, 20), ("bob", 1, 20)], 3);
        let windows = cut(&corpus, 4, 2).unwrap();
        (corpus, windows)
    }

    fn folds(corpus: &Corpus, windows: &Windows, which: Folds) -> Vec<(Vec<u32>, Vec<u32>)> {
        let plan = SplitPlan::Subject { valid_fraction: 0.5, valid_subjects: Vec::new() };
        let folds = which.of(corpus, windows, 4, &plan, 0).unwrap();
        folds.into_iter().map(|fold| (fold.train, fold.valid)).collect()
    }

    fn verdict(audit: &Audit, check: &str) -> Verdict {
        audit.findings.iter().find(|finding| finding.check == check).unwrap().verdict
    }

    fn audit(corpus: &Corpus, windows: &Windows, folds: &[(Vec<u32>, Vec<u32>)]) -> Audit {
        let folds: Vec<(&[u32], &[u32])> = folds.iter().map(|(train, valid)| (&train[..], &valid[..])).collect();
        Audit::of(corpus, windows, 4, &folds)
    }

    #[test]
    fn folds_by_subject_are_sound() {
        let (corpus, windows) = two();
        let folds = folds(&corpus, &windows, Folds::LeaveOneSubjectOut);
        let found = audit(&corpus, &windows, &folds);
        assert!(!found.leaks(), "{found:?}");
        assert!(found.findings.iter().all(|finding| finding.verdict == Verdict::Sound), "{found:?}");
    }

    #[test]
    fn overlapping_windows_across_a_split_are_found() {
        let (corpus, windows) = two();
        let found = audit(&corpus, &windows, &folds(&corpus, &windows, Folds::Random(3)));
        assert!(found.leaks());
        for check in ["samples", "subjects", "recordings"] {
            assert_eq!(verdict(&found, check), Verdict::Leak, "{check}: {found:?}");
        }
        assert_eq!(found.findings.last().unwrap().verdict, Verdict::Sound, "the gravest come first");
    }

    #[test]
    fn a_subject_on_both_sides_is_found_where_no_sample_is_shared() {
        let (corpus, windows) = two();
        let class_0 = |idx: &u32| windows.labels[*idx as usize] == 0;
        let of_ann = |idx: &u32| corpus.subject_of(windows.origins[*idx as usize]) == "ann";
        let valid: Vec<u32> = (0..windows.len() as u32).filter(|idx| of_ann(idx) && class_0(idx)).collect();
        let train: Vec<u32> = (0..windows.len() as u32).filter(|idx| !valid.contains(idx)).collect();
        let found = audit(&corpus, &windows, &[(train, valid)]);
        assert_eq!(verdict(&found, "subjects"), Verdict::Leak);
        assert_eq!(verdict(&found, "samples"), Verdict::Sound);
        assert_eq!(verdict(&found, "recordings"), Verdict::Sound);
    }

    #[test]
    fn a_recording_on_both_sides_is_found_where_no_sample_is_shared() {
        let (corpus, windows) = two();
        // Window 0 starts at row 0 and window 2 at row 4 of the same recording.
        let found = audit(&corpus, &windows, &[(vec![0], vec![2])]);
        assert_eq!(verdict(&found, "recordings"), Verdict::Leak);
        assert_eq!(verdict(&found, "samples"), Verdict::Sound);
        assert_eq!(verdict(&audit(&corpus, &windows, &[(vec![0], vec![1])]), "samples"), Verdict::Leak);
    }

    #[test]
    fn a_copied_recording_is_found() {
        let (mut corpus, _) = two();
        let copied = corpus.recordings[0].values.clone();
        corpus.recordings[2].values = copied;
        let windows = cut(&corpus, 4, 2).unwrap();
        let apart = folds(&corpus, &windows, Folds::LeaveOneSubjectOut);
        assert_eq!(verdict(&audit(&corpus, &windows, &apart), "duplicates"), Verdict::Leak);
        let together = audit(&corpus, &windows, &[((0..windows.len() as u32).collect(), Vec::new())]);
        assert_eq!(verdict(&together, "duplicates"), Verdict::Note);
    }

    #[test]
    fn a_scaler_of_all_windows_is_found() {
        let (corpus, windows) = two();
        let apart = folds(&corpus, &windows, Folds::LeaveOneSubjectOut);
        let apart: Vec<(&[u32], &[u32])> = apart.iter().map(|(train, valid)| (&train[..], &valid[..])).collect();
        let own: Vec<Scaler> = apart.iter().map(|(train, _)| fit_scaler_to(&windows.values, train, 4, 3)).collect();
        let of_all = fit_scaler(&windows, 3);
        let audited = |scalers: &[&Scaler]| {
            verdict(&Audit::default().with_scalers(&corpus, &windows, 4, &apart, scalers), "scaler")
        };
        assert_eq!(audited(&own.iter().collect::<Vec<_>>()), Verdict::Sound);
        assert_eq!(audited(&[&own[0], &of_all]), Verdict::Leak);
    }

    #[test]
    fn windows_that_came_overlapping_are_found() {
        let (corpus, windows) = two();
        // Each window becomes a recording of its own, as a source that is windowed already has it.
        let mut windowed = Corpus { window: Some(4), recordings: Vec::new(), ..corpus.clone() };
        for (idx, origin) in windows.origins.iter().enumerate() {
            let mut recording = corpus.recordings[origin.recording as usize].clone();
            recording.values = windows.values[idx * 12..][..12].to_vec();
            recording.times.clear();
            windowed.recordings.push(recording);
        }
        let windows = cut(&windowed, 4, 4).unwrap();
        assert_eq!(verdict(&audit(&windowed, &windows, &[(vec![0, 2, 4], vec![1, 3])]), "samples"), Verdict::Leak);
        assert_eq!(verdict(&audit(&windowed, &windows, &[(vec![0, 1], vec![5, 6])]), "samples"), Verdict::Sound);
    }

    #[test]
    fn unknown_subjects_are_said_to_be_unknown() {
        let corpus = corpus_of(&[("", 0, 20), ("", 1, 20)], 3);
        let windows = cut(&corpus, 4, 2).unwrap();
        assert_eq!(verdict(&audit(&corpus, &windows, &[(vec![0], vec![9])]), "subjects"), Verdict::Note);
    }
}
