//! The leakage audit: looks for what makes validation figures too good. Samples, subjects or recordings on both sides of a
//! split, duplicate windows, and preprocessing that was fitted to validation data.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use triax_model::Scaler;

use crate::scale::{fit_scaler, fit_to_recordings};
use crate::split::count_shared;
use crate::{Corpus, Origin, Recording};

/// The result of an audit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// One finding for each check, the most serious first. A check that found nothing wrong has one as well.
    pub findings: Vec<Finding>,
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the check, in a word or two.
    pub check: String,
    /// How serious it is.
    pub verdict: Verdict,
    /// The outcome with counts, in a sentence.
    pub words: String,
}

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong.
    Sound,
    /// The check could not be made, or its outcome is worth knowing but harmless.
    Note,
    /// Validation figures are too good because of it.
    Leak,
}

/// The scaler of a training, and the windows of that training.
#[derive(Clone, Copy, Debug)]
pub struct ScalerInUse<'a> {
    /// The scaler.
    pub scaler: &'a Scaler,
    /// All windows (n_windows, window, channels), before the scaler.
    pub values: &'a [f32],
    /// Indices of the training windows.
    pub train: &'a [u32],
    /// Indices of the validation windows.
    pub valid: &'a [u32],
}

/// The most names that a finding lists.
const MOST_NAMED: usize = 6;
/// How far means may be from 0, and deviations from 1, in data that counts as standardised. A library that sums a million
/// rows in f32 stays below it; one window more or less makes a far larger difference.
const ROUNDING: f32 = 1e-3;
/// The training part counts as not standardised where it is this many times as far from mean 0 and deviation 1 as all of the
/// data.
const CLEARLY: f32 = 10.0;
/// The least distance of all of the data that `CLEARLY` multiplies.
const NOTHING: f32 = 1e-6;

impl Audit {
    /// Audits `folds` of the windows that were cut from `corpus` at `origins`, of `window` rows each. A fold is its training
    /// windows and its validation windows, by index into `origins`; a split is a single fold.
    pub fn new(corpus: &Corpus, origins: &[Origin], window: usize, folds: &[(&[u32], &[u32])]) -> Self {
        let checks = Checks { corpus, origins, window, folds };
        let findings = vec![
            checks.shared_samples(),
            checks.shared_subjects(),
            checks.shared_recordings(),
            checks.duplicates(),
            checks.preprocessing(),
            checks.classes_without_training(),
        ];
        Self { findings }.sorted()
    }

    /// Adds the check whether each scaler was fitted to the training windows of its fold and no others. `window` and
    /// `channels` are those of its windows.
    pub fn with_scalers(self, window: usize, channels: usize, scalers: &[ScalerInUse<'_>]) -> Self {
        self.with(scaler(window, channels, scalers))
    }

    /// Adds a finding.
    pub fn with(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self.sorted()
    }

    /// Whether anything makes the figures too good.
    pub fn leaks(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Leak)
    }

    /// Whether a subject is in training and in validation.
    pub fn shares_subjects(&self) -> bool {
        self.findings.iter().any(|finding| finding.check == SUBJECTS && finding.verdict == Verdict::Leak)
    }

    fn sorted(mut self) -> Self {
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
        self
    }
}

/// Name of the check for shared subjects.
const SUBJECTS: &str = "subjects";

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

/// The checks of an audit, and the data that they read.
struct Checks<'a> {
    corpus: &'a Corpus,
    origins: &'a [Origin],
    window: usize,
    folds: &'a [(&'a [u32], &'a [u32])],
}

impl<'a> Checks<'a> {
    fn origin(&self, idx: u32) -> Origin {
        self.origins[idx as usize]
    }

    fn recording(&self, idx: u32) -> &'a Recording {
        &self.corpus.recordings[self.origin(idx).recording as usize]
    }

    /// The window (window, channels), as it was read.
    fn values(&self, idx: u32) -> &'a [f32] {
        self.corpus.values_at(self.origin(idx), self.window)
    }

    fn n_valid(&self) -> usize {
        self.folds.iter().map(|(_, valid)| valid.len()).sum()
    }

    /// The values of `key` that training and validation windows of a fold have in common, over all folds.
    fn on_both_sides<T: Ord>(&self, key: impl Fn(u32) -> T) -> BTreeSet<T> {
        let mut both = BTreeSet::new();
        for (train, valid) in self.folds {
            let trained: BTreeSet<T> = train.iter().map(|&idx| key(idx)).collect();
            both.extend(valid.iter().map(|&idx| key(idx)).filter(|key| trained.contains(key)));
        }
        both
    }

    /// Validation windows that have rows in common with a training window.
    fn shared_samples(&self) -> Finding {
        let check = "samples";
        let n_valid = self.n_valid();
        let shared = |(train, valid): &(&[u32], &[u32])| count_shared(self.origins, self.window, train, valid);
        let n_shared: usize = self.folds.iter().map(shared).sum();
        match (n_shared, self.repeated_halves()) {
            (0, None) => sound(check, "No validation window shares samples with a training window."),
            (0, Some(0)) => {
                sound(check, "The source came as windows; none for validation repeats a half of one for training.")
            }
            (0, Some(n_repeated)) => leak(
                check,
                format!(
                    "The source came as windows, and {n_repeated} of {n_valid} validation windows repeat a half of a \
                     training window."
                ),
            ),
            (n_shared, _) => {
                leak(check, format!("{n_shared} of {n_valid} validation windows share samples with training windows."))
            }
        }
    }

    /// The number of validation windows whose first or last half is half of a training window, which is how windows with the
    /// usual overlap look. Counted only where the source came as windows.
    fn repeated_halves(&self) -> Option<usize> {
        self.corpus.window?;
        let half = self.window / 2 * self.corpus.channels.len();
        if half == 0 {
            return Some(0);
        }
        let halves = |idx: u32| {
            let values = self.values(idx);
            [Bits(&values[..half]), Bits(&values[values.len() - half..])]
        };
        let repeated = |(train, valid): &(&[u32], &[u32])| {
            let known: HashSet<Bits<'_>> =
                train.iter().flat_map(|&idx| halves(idx)).filter(|half| half.varies()).collect();
            valid.iter().filter(|&&idx| halves(idx).iter().any(|half| known.contains(half))).count()
        };
        Some(self.folds.iter().map(repeated).sum())
    }

    fn shared_subjects(&self) -> Finding {
        if self.corpus.recordings.iter().all(|recording| recording.subject.is_empty()) {
            let words = "The data does not say who was recorded, so nobody can say whether subjects are shared.";
            return note(SUBJECTS, words);
        }
        let both = self.on_both_sides(|idx| self.recording(idx).subject.as_str());
        if both.contains("") {
            return leak(SUBJECTS, "Recordings of unknown subjects are in training and in validation.");
        }
        match both.len() {
            0 => sound(SUBJECTS, "No subject is in training and in validation."),
            1 => leak(SUBJECTS, format!("1 subject is in training and in validation: {}.", listed(&both))),
            n => leak(SUBJECTS, format!("{n} subjects are in training and in validation: {}.", listed(&both))),
        }
    }

    fn shared_recordings(&self) -> Finding {
        let check = "recordings";
        let both = self.on_both_sides(|idx| self.origin(idx).recording);
        match both.first() {
            None => sound(check, "No recording is in training and in validation."),
            Some(&first) => leak(
                check,
                format!(
                    "{} of {} recordings are in training and in validation, {} the first of them.",
                    both.len(),
                    self.corpus.recordings.len(),
                    self.corpus.recordings[first as usize].source
                ),
            ),
        }
    }

    /// Windows that hold the same values to the bit, though they were cut elsewhere.
    fn duplicates(&self) -> Finding {
        let check = "duplicates";
        let mut alike: HashMap<Bits<'_>, Vec<u32>> = HashMap::new();
        for idx in 0..self.origins.len() as u32 {
            alike.entry(Bits(self.values(idx))).or_default().push(idx);
        }
        let groups = alike.into_iter().filter(|(values, indices)| indices.len() > 1 && values.varies());
        // The group of each window that has a duplicate.
        let group_of: HashMap<u32, usize> = groups
            .enumerate()
            .flat_map(|(group, (_, indices))| indices.into_iter().map(move |idx| (idx, group)))
            .collect();
        let across = |(train, valid): &(&[u32], &[u32])| {
            let trained: BTreeSet<usize> = train.iter().filter_map(|idx| group_of.get(idx).copied()).collect();
            valid.iter().filter(|idx| group_of.get(idx).is_some_and(|group| trained.contains(group))).count()
        };
        let n_across: usize = self.folds.iter().map(across).sum();
        match (n_across, group_of.len()) {
            (0, 0) => sound(check, "No two windows hold the same values."),
            (0, n) => note(check, format!("{n} windows hold the same values as another, but never across a split.")),
            (n, _) => leak(
                check,
                format!("{n} of {} validation windows hold the same values as a training window.", self.n_valid()),
            ),
        }
    }

    /// Whether the values came standardised over training and validation together. Then means and deviations of all
    /// recordings are 0 and 1 to rounding, and those of the training part are not.
    fn preprocessing(&self) -> Finding {
        let check = "preprocessing";
        let recordings: Vec<&Recording> = self.corpus.recordings.iter().collect();
        // Each channel by itself, or all values together as `(X - X.mean()) / X.std()` does.
        for (channels, each) in [(self.corpus.channels.len(), "Each channel has"), (1, "All values together have")] {
            let off_in_all = off_standard(&fit_to_recordings(&recordings, channels));
            if off_in_all > ROUNDING {
                continue;
            }
            let off_in_training = |(train, _): &(&[u32], &[u32])| {
                let trained: BTreeSet<u32> = train.iter().map(|&idx| self.origin(idx).recording).collect();
                let trained: Vec<&Recording> = trained.into_iter().map(|idx| recordings[idx as usize]).collect();
                off_standard(&fit_to_recordings(&trained, channels))
            };
            let off_in_training = self.folds.iter().map(off_in_training).fold(0.0, f32::max);
            return match off_in_training > CLEARLY * off_in_all.max(NOTHING) {
                true => leak(
                    check,
                    format!(
                        "{each} mean 0 and deviation 1 over all of the data, and not over the training part, which is off \
                         by up to {off_in_training:.4}: whoever standardised the data used what validates."
                    ),
                ),
                false => note(
                    check,
                    "The values came standardised, over the training part or each by itself: the two look alike here.",
                ),
            };
        }
        sound(check, "The values did not come standardised over training and validation together.")
    }

    fn classes_without_training(&self) -> Finding {
        let check = "classes";
        let mut unknown = BTreeSet::new();
        for (train, valid) in self.folds {
            let classes =
                |indices: &[u32]| -> BTreeSet<u32> { indices.iter().map(|&idx| self.recording(idx).class).collect() };
            let (train, valid) = (classes(train), classes(valid));
            unknown.extend(valid.difference(&train).map(|&class| self.corpus.class_names[class as usize].as_str()));
        }
        match unknown.len() {
            0 => sound(check, "Every class that validates is trained on."),
            _ => note(check, format!("Validated without being trained on: {}.", listed(&unknown))),
        }
    }
}

fn scaler(window: usize, channels: usize, scalers: &[ScalerInUse<'_>]) -> Finding {
    let check = "scaler";
    let (mut n_with_validation, mut n_foreign) = (0, 0);
    for used in scalers {
        let is_fitted_to = |windows: &[u32]| is_same(used.scaler, &fit_scaler(used.values, windows, window, channels));
        if is_fitted_to(used.train) {
            continue;
        }
        if is_fitted_to(&[used.train, used.valid].concat()) {
            n_with_validation += 1;
        } else {
            n_foreign += 1;
        }
    }
    match (n_with_validation, n_foreign) {
        (0, 0) if scalers.is_empty() => sound(check, "No scaler is fitted."),
        (0, 0) => sound(check, "Each scaler was fitted to the training windows alone."),
        (n, 0) => {
            leak(check, format!("{} fitted to training and validation together.", scalers_were(n, scalers.len())))
        }
        (_, _) => leak(
            check,
            format!(
                "{} fitted to other windows than those trained on.",
                scalers_were(n_with_validation + n_foreign, scalers.len())
            ),
        ),
    }
}

fn scalers_were(n: usize, all: usize) -> String {
    if all == 1 { "The scaler was".to_owned() } else { format!("{n} of {all} scalers were") }
}

/// Whether two scalers are equal up to rounding. One window more or less in ten thousand makes a larger difference.
fn is_same(a: &Scaler, b: &Scaler) -> bool {
    let near = |c: usize| {
        let bound = 1e-5 * (b.scale[c] + b.mean[c].abs());
        (a.mean[c] - b.mean[c]).abs() <= bound && (a.scale[c] - b.scale[c]).abs() <= bound
    };
    a.fits(b.mean.len()).is_ok() && (0..b.mean.len()).all(near)
}

/// The largest distance of a scaler's means from 0 and of its scales from 1.
fn off_standard(scaler: &Scaler) -> f32 {
    let means = scaler.mean.iter().map(|mean| mean.abs());
    means.chain(scaler.scale.iter().map(|scale| (scale - 1.0).abs())).fold(0.0, f32::max)
}

/// Values that are compared by their bits.
struct Bits<'a>(&'a [f32]);

impl<'a> Bits<'a> {
    fn bits(&self) -> impl Iterator<Item = u32> + 'a {
        self.0.iter().map(|value| value.to_bits())
    }

    /// Whether the values are not all equal. A sensor at rest repeats a value without being copied.
    fn varies(&self) -> bool {
        let mut bits = self.bits();
        bits.next().is_some_and(|first| bits.any(|value| value != first))
    }
}

impl PartialEq for Bits<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bits().eq(other.bits())
    }
}

impl Eq for Bits<'_> {}

impl Hash for Bits<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().for_each(|value| state.write_u32(value));
    }
}

/// The first names, and how many more there are.
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
    use crate::{Folds, HeldOut, Windows, cut};

    fn two() -> (Corpus, Windows) {
        let corpus = corpus_of(&[("ann", 0, 20), ("ann", 1, 20), ("bob", 0, 20), ("bob", 1, 20)], 3);
        let windows = cut(&corpus, 4, 2).unwrap();
        (corpus, windows)
    }

    fn folds(corpus: &Corpus, windows: &Windows, which: Folds) -> Vec<(Vec<u32>, Vec<u32>)> {
        let half = HeldOut { valid_fraction: 0.5, valid_subjects: Vec::new() };
        let folds = which.make(corpus, windows, 4, &half, 0).unwrap();
        folds.into_iter().map(|fold| (fold.train, fold.valid)).collect()
    }

    fn verdict(audit: &Audit, check: &str) -> Verdict {
        audit.findings.iter().find(|finding| finding.check == check).unwrap().verdict
    }

    fn audit(corpus: &Corpus, windows: &Windows, folds: &[(Vec<u32>, Vec<u32>)]) -> Audit {
        let folds: Vec<(&[u32], &[u32])> = folds.iter().map(|(train, valid)| (&train[..], &valid[..])).collect();
        Audit::new(corpus, &windows.origins, 4, &folds)
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
        let is_ann = |idx: &u32| corpus.subject_of(windows.origins[*idx as usize]) == "ann";
        let valid: Vec<u32> = (0..windows.len() as u32).filter(|idx| is_ann(idx) && class_0(idx)).collect();
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
    fn a_scaler_of_other_windows_is_found() {
        let (corpus, windows) = two();
        let apart = folds(&corpus, &windows, Folds::LeaveOneSubjectOut);
        let audited = |scalers: [&Scaler; 2]| {
            let used = apart.iter().zip(scalers).map(|((train, valid), scaler)| ScalerInUse {
                scaler,
                values: &windows.values,
                train,
                valid,
            });
            let found = Audit::default().with_scalers(4, 3, &used.collect::<Vec<_>>());
            (found.findings[0].verdict, found.findings[0].words.clone())
        };
        let own: Vec<Scaler> = apart.iter().map(|(train, _)| fit_scaler(&windows.values, train, 4, 3)).collect();
        let all: Vec<u32> = (0..windows.len() as u32).collect();
        let on_everything = fit_scaler(&windows.values, &all, 4, 3);
        assert_eq!(audited([&own[0], &own[1]]).0, Verdict::Sound);
        let (verdict, words) = audited([&own[0], &on_everything]);
        assert_eq!(verdict, Verdict::Leak);
        assert!(words.starts_with("1 of 2 scalers were fitted to training and validation together"), "{words}");
        let (verdict, words) = audited([&own[1], &own[0]]);
        assert_eq!(verdict, Verdict::Leak);
        assert!(words.contains("to other windows"), "{words}");
        // What another program computed of the same rows differs by rounding.
        let mut rounded = own[0].clone();
        rounded.mean[0] *= 1.0 + 2.0 * f32::EPSILON;
        assert_eq!(audited([&rounded, &own[1]]).0, Verdict::Sound);
        assert_eq!(audited([&Scaler { mean: vec![0.0], scale: vec![1.0] }, &own[1]]).0, Verdict::Leak);
        assert_eq!(Audit::default().with_scalers(4, 3, &[]).findings[0].verdict, Verdict::Sound);
    }

    /// `corpus`, each of `channels` columns standardised by the recordings that `is_used` keeps.
    fn standardised(corpus: &Corpus, channels: usize, is_used: impl Fn(&Recording) -> bool) -> Corpus {
        let mut corpus = corpus.clone();
        let fitted_to: Vec<&Recording> = corpus.recordings.iter().filter(|recording| is_used(recording)).collect();
        let scaler = fit_to_recordings(&fitted_to, channels);
        corpus.recordings.iter_mut().for_each(|recording| scaler.apply(&mut recording.values));
        corpus
    }

    #[test]
    fn data_that_was_standardised_with_what_validates_is_found() {
        let (raw, windows) = two();
        let apart = folds(&raw, &windows, Folds::HeldOut);
        let audited = |corpus: &Corpus| verdict(&audit(corpus, &windows, &apart), "preprocessing");
        assert_eq!(audited(&raw), Verdict::Sound);
        assert_eq!(audited(&standardised(&raw, 3, |_| true)), Verdict::Leak);
        assert_eq!(audited(&standardised(&raw, 1, |_| true)), Verdict::Leak, "one mean for all channels");
        let held_out = &raw.subject_of(windows.origins[apart[0].1[0] as usize]);
        assert_eq!(audited(&standardised(&raw, 3, |recording| recording.subject != *held_out)), Verdict::Sound);
        // Each recording by itself, so that no mean depends on another recording.
        let mut each = raw.clone();
        for recording in &mut each.recordings {
            fit_to_recordings(&[&*recording], 3).apply(&mut recording.values);
        }
        assert_eq!(audited(&each), Verdict::Note);
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
    fn unknown_subjects_are_reported_as_unknown() {
        let corpus = corpus_of(&[("", 0, 20), ("", 1, 20)], 3);
        let windows = cut(&corpus, 4, 2).unwrap();
        assert_eq!(verdict(&audit(&corpus, &windows, &[(vec![0], vec![9])]), "subjects"), Verdict::Note);
    }
}
