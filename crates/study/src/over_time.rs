//! How well answers over time agree with what was done: by windows, by segments and by time, for each person.

use std::collections::BTreeMap;

use serde::Serialize;
use triax_answers::segments::{SegmentCounts, Slot, segments};

use crate::statistics::Estimate;
use crate::summarise::BOOTSTRAP_SEED;

/// The overlaps, as shares of the union, from which on a segment counts as found.
pub const OVERLAPS: [f64; 3] = [0.1, 0.25, 0.5];

/// What was done and what was answered in a sequence: an entry for each window.
#[derive(Clone, Debug)]
pub struct AnsweredSequence {
    /// Who was recorded; empty where that is unknown.
    pub subject: String,
    /// The class of each window.
    pub labels: Vec<u32>,
    /// The samples that each window answers for.
    pub samples: Vec<usize>,
    /// The answer of each window by itself: a class, and its probability.
    pub by_itself: Vec<(u32, f64)>,
    /// The answer over time: a class, or one more for `unknown`.
    pub over_time: Vec<(u32, f64)>,
}

/// The figures of answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AnswerFigures<T> {
    /// Share of the windows whose answer is right.
    pub accuracy: T,
    /// Mean F1 of the classes that there are, over windows. `unknown` is the answer of no class.
    pub macro_f1: T,
    /// F1 of the segments at each of [`OVERLAPS`].
    pub segment_f1: [T; OVERLAPS.len()],
    /// Share of the time whose answer is right.
    pub time_right: T,
    /// Share of the time whose answer is `unknown`.
    pub unknown: T,
}

/// The figures of a person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PersonOverTime {
    /// Who; empty where that is unknown.
    pub subject: String,
    /// Number of windows.
    pub n_windows: usize,
    /// Each window by itself.
    pub by_itself: AnswerFigures<f64>,
    /// Over time.
    pub over_time: AnswerFigures<f64>,
}

/// Answers over time, beside those of windows by themselves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OverTimeFigures {
    /// Number of sequences.
    pub n_sequences: usize,
    /// Number of changes of activity within them.
    pub n_changes: usize,
    /// Each window by itself; means over people.
    pub by_itself: AnswerFigures<Estimate>,
    /// Over time; means over people.
    pub over_time: AnswerFigures<Estimate>,
    /// What the one gains over the other, person by person.
    pub gain: AnswerFigures<Estimate>,
    /// Each person.
    pub people: Vec<PersonOverTime>,
}

impl OverTimeFigures {
    /// The figures of these sequences of answers in `classes` classes. People count alike; where somebody is unknown, all
    /// windows are of one.
    ///
    /// # Panics
    /// If a sequence does not have an entry of each kind for each window.
    pub fn new(all: &[AnsweredSequence], classes: usize) -> Self {
        let known = all.iter().all(|sequence| !sequence.subject.is_empty());
        let mut people: BTreeMap<&str, [Tally; 2]> = BTreeMap::new();
        let mut n_changes = 0;
        for sequence in all {
            let subject = if known { sequence.subject.as_str() } else { "" };
            let tallies = people.entry(subject).or_insert_with(|| [Tally::new(classes), Tally::new(classes)]);
            tallies[0].add(sequence, &sequence.by_itself);
            tallies[1].add(sequence, &sequence.over_time);
            n_changes += sequence.labels.windows(2).filter(|pair| pair[0] != pair[1]).count();
        }
        let person = |(subject, [by_itself, over_time]): (&str, [Tally; 2])| PersonOverTime {
            subject: subject.to_owned(),
            n_windows: by_itself.windows,
            by_itself: by_itself.figures(),
            over_time: over_time.figures(),
        };
        let people: Vec<PersonOverTime> = people.into_iter().map(person).collect();
        let over = |figures: &dyn Fn(&PersonOverTime) -> AnswerFigures<f64>| {
            AnswerFigures::over(&people.iter().map(figures).collect::<Vec<_>>())
        };
        Self {
            n_sequences: all.len(),
            n_changes,
            by_itself: over(&|person| person.by_itself),
            over_time: over(&|person| person.over_time),
            gain: over(&|person| person.over_time.minus(&person.by_itself)),
            people,
        }
    }
}

impl AnswerFigures<f64> {
    fn minus(&self, other: &Self) -> Self {
        Self {
            accuracy: self.accuracy - other.accuracy,
            macro_f1: self.macro_f1 - other.macro_f1,
            segment_f1: std::array::from_fn(|at| self.segment_f1[at] - other.segment_f1[at]),
            time_right: self.time_right - other.time_right,
            unknown: self.unknown - other.unknown,
        }
    }
}

impl AnswerFigures<Estimate> {
    /// The means of the figures of several people.
    fn over(people: &[AnswerFigures<f64>]) -> Self {
        let over = |figure: &dyn Fn(&AnswerFigures<f64>) -> f64| {
            Estimate::new(&people.iter().map(figure).collect::<Vec<_>>(), BOOTSTRAP_SEED)
        };
        Self {
            accuracy: over(&|one| one.accuracy),
            macro_f1: over(&|one| one.macro_f1),
            segment_f1: std::array::from_fn(|at| over(&|one| one.segment_f1[at])),
            time_right: over(&|one| one.time_right),
            unknown: over(&|one| one.unknown),
        }
    }
}

/// The counts of a person.
struct Tally {
    windows: usize,
    right: usize,
    /// Windows of each class: answered rightly, answered, and there.
    classes: Vec<SegmentCounts>,
    segments: [SegmentCounts; OVERLAPS.len()],
    samples: usize,
    right_samples: usize,
    unknown_samples: usize,
}

impl Tally {
    fn new(classes: usize) -> Self {
        Self {
            windows: 0,
            right: 0,
            classes: vec![SegmentCounts::default(); classes],
            segments: [SegmentCounts::default(); OVERLAPS.len()],
            samples: 0,
            right_samples: 0,
            unknown_samples: 0,
        }
    }

    fn add(&mut self, sequence: &AnsweredSequence, answers: &[(u32, f64)]) {
        let AnsweredSequence { labels, samples, .. } = sequence;
        assert_eq!((labels.len(), samples.len()), (answers.len(), answers.len()), "an answer for each window");
        for ((&label, &samples), &(answer, _)) in labels.iter().zip(samples).zip(answers) {
            let is_right = usize::from(label == answer);
            self.windows += 1;
            self.right += is_right;
            self.samples += samples;
            self.right_samples += is_right * samples;
            self.classes[label as usize].actual += 1;
            self.classes[label as usize].hits += is_right;
            match self.classes.get_mut(answer as usize) {
                Some(class) => class.found += 1,
                None => self.unknown_samples += samples,
            }
        }
        let slots = |states: &mut dyn Iterator<Item = (u32, f64)>| -> Vec<Slot> {
            let slot = |((state, confidence), &samples)| Slot { samples, state, confidence };
            states.zip(samples).map(slot).collect()
        };
        let actual = segments(&slots(&mut labels.iter().map(|&label| (label, 1.0))));
        let found = segments(&slots(&mut answers.iter().copied()));
        for (counts, least) in self.segments.iter_mut().zip(OVERLAPS) {
            *counts += SegmentCounts::new(&actual, &found, self.classes.len(), least);
        }
    }

    fn figures(&self) -> AnswerFigures<f64> {
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let there = || self.classes.iter().filter(|class| class.actual > 0);
        AnswerFigures {
            accuracy: share(self.right, self.windows),
            macro_f1: there().map(|class| class.f1()).sum::<f64>() / there().count().max(1) as f64,
            segment_f1: self.segments.map(SegmentCounts::f1),
            time_right: share(self.right_samples, self.samples),
            unknown: share(self.unknown_samples, self.samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(subject: &str, labels: &[u32], by_itself: &[u32], over_time: &[u32]) -> AnsweredSequence {
        let sure = |answers: &[u32]| answers.iter().map(|&answer| (answer, 0.9)).collect();
        AnsweredSequence {
            subject: subject.to_owned(),
            labels: labels.to_vec(),
            samples: vec![10; labels.len()],
            by_itself: sure(by_itself),
            over_time: sure(over_time),
        }
    }

    #[test]
    fn people_are_judged_by_windows_segments_and_time() {
        let first = sequence("p", &[0, 0, 0, 1, 1], &[0, 1, 0, 1, 1], &[0, 0, 0, 1, 2]);
        let second = sequence("q", &[1, 1], &[1, 1], &[1, 1]);
        let found = OverTimeFigures::new(&[first.clone(), second], 2);
        assert_eq!((found.n_sequences, found.n_changes, found.people.len()), (2, 1, 2));
        let AnswerFigures { accuracy, macro_f1, segment_f1, time_right, unknown } = found.people[0].by_itself;
        // Segments 0 | 1 | 0 | 1 against 0 | 1. The first has an overlap of 1/3, the third too, and hits nothing any more.
        assert_eq!((accuracy, time_right, unknown), (0.8, 0.8, 0.0));
        assert_eq!(segment_f1, [4.0 / 6.0, 4.0 / 6.0, 2.0 / 6.0]);
        // F1 of 0: 2·2 / (2 + 3); of 1: 2·2 / (3 + 2).
        assert!((macro_f1 - 0.8).abs() < 1e-12);
        let AnswerFigures { macro_f1, segment_f1, unknown, .. } = found.people[0].over_time;
        assert_eq!((segment_f1, unknown), ([1.0; 3], 0.2));
        assert!((macro_f1 - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        // q has one class, and it is right.
        assert_eq!(found.people[1].over_time.macro_f1, 1.0);
        assert!((found.gain.unknown.mean - 0.1).abs() < 1e-12 && found.gain.accuracy.n == 2);
        // Where somebody is unknown, all are one.
        let found = OverTimeFigures::new(&[first, sequence("", &[1], &[1], &[1])], 2);
        assert_eq!((found.people.len(), found.people[0].n_windows, found.gain.accuracy.interval), (1, 6, None));
        assert_eq!(OverTimeFigures::new(&[], 2).over_time.accuracy.mean, 0.0);
    }
}
