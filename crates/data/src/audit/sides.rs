//! Who and what is on both sides of a split.

use std::collections::BTreeSet;

use super::{Checks, Finding, leak, listed, not_excluded, note, sound};

/// Name of the check for shared subjects.
pub(super) const SUBJECTS: &str = "subjects";

impl Checks<'_> {
    /// The subjects on both sides of a fold. A subject of no name is one that nobody knows.
    pub(super) fn shared_subjects(&self) -> BTreeSet<&str> {
        self.on_both_sides(|idx| self.recording(idx).subject.as_str())
    }

    /// Whether all windows of the folds name their subject, and none is on both sides.
    pub(super) fn keeps_subjects_apart(&self) -> bool {
        let of_folds = self.folds.iter().flat_map(|(train, valid)| train.iter().chain(*valid));
        of_folds.into_iter().all(|&idx| !self.recording(idx).subject.is_empty()) && self.shared_subjects().is_empty()
    }

    pub(super) fn subjects(&self) -> Finding {
        let both = self.shared_subjects();
        let n_unknown = self.corpus.recordings.iter().filter(|recording| recording.subject.is_empty()).count();
        let known: BTreeSet<&str> = both.iter().copied().filter(|subject| !subject.is_empty()).collect();
        match known.len() {
            1 => leak(SUBJECTS, format!("1 subject is in training and in validation: {}.", listed(known))),
            n if n > 1 => leak(SUBJECTS, format!("{n} subjects are in training and in validation: {}.", listed(known))),
            _ if n_unknown == self.corpus.recordings.len() => not_excluded(
                SUBJECTS,
                "The data does not say who was recorded: the same people may be in training and in validation.",
            ),
            _ if self.keeps_subjects_apart() => sound(SUBJECTS, "No subject is in training and in validation."),
            _ => not_excluded(
                SUBJECTS,
                "The data does not say of each recording who it is of: people may be in training and in validation.",
            ),
        }
    }

    pub(super) fn recordings(&self) -> Finding {
        let check = "recordings";
        if self.came_as_windows() {
            return match self.keeps_subjects_apart() {
                true => sound(check, "No recording is in training and in validation, for no subject is."),
                false => not_excluded(
                    check,
                    "The source came as windows and does not say which were cut from one recording: any may be in \
                     training and in validation.",
                ),
            };
        }
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

    /// Classes that validate and are not trained on.
    pub(super) fn classes(&self) -> Finding {
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
            _ => note(check, format!("Validated without being trained on: {}.", listed(unknown))),
        }
    }
}
