//! Segments: stretches of one answer, and how well they agree with what was done.

use serde::{Deserialize, Serialize};

/// An answer that holds for some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// Number of samples.
    pub samples: usize,
    /// The state: a class, or one more for `unknown`.
    pub state: u32,
    /// Probability of the state.
    pub confidence: f64,
}

/// A stretch of one answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Index of its first slot, and of the slot after its last one.
    pub slots: (usize, usize),
    /// Its first sample, from the start of the sequence, and the sample after its last one.
    pub samples: (usize, usize),
    /// The state.
    pub state: u32,
    /// Mean probability of the state, weighted by samples.
    pub confidence: f64,
}

/// The segments of a sequence: neighbours with the same state are one.
pub fn segments(slots: &[Slot]) -> Vec<Segment> {
    let mut all: Vec<Segment> = Vec::new();
    let mut sample = 0;
    for (at, slot) in slots.iter().enumerate() {
        let end = sample + slot.samples;
        match all.last_mut() {
            Some(last) if last.state == slot.state => {
                let (before, now) = ((sample - last.samples.0) as f64, slot.samples as f64);
                last.confidence = (before * last.confidence + now * slot.confidence) / (before + now).max(1.0);
                (last.slots.1, last.samples.1) = (at + 1, end);
            }
            _ => all.push(Segment {
                slots: (at, at + 1),
                samples: (sample, end),
                state: slot.state,
                confidence: slot.confidence,
            }),
        }
        sample = end;
    }
    all
}

/// The samples that the answer of each of `n_windows` windows holds for: those whose nearest window it is, by its centre; those
/// before the first centre and after the last belong to the first and the last window. Windows have `window` samples, one every
/// `step` samples. The sum is the number of samples from the first to the last.
pub fn slot_lengths(n_windows: usize, window: usize, step: usize) -> Vec<usize> {
    let mut slots = vec![step; n_windows];
    if let Some(first) = slots.first_mut() {
        // One step of the window's samples is its own, and of the others half are on each side.
        *first = (window + step) / 2;
    }
    if let [_, .., last] = slots.as_mut_slice() {
        *last = window + step - (window + step) / 2;
    } else if let [one] = slots.as_mut_slice() {
        *one = window;
    }
    slots
}

/// Segments that were found, against those that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentCounts {
    /// Found segments that match one that there is.
    pub hits: usize,
    /// Found segments of a class.
    pub found: usize,
    /// Segments that there are.
    pub actual: usize,
}

impl SegmentCounts {
    /// Counts the hits among the segments `found` in a sequence. A segment hits if of all actual segments of its class, the one
    /// that it overlaps most in relation to their union does so by at least `least` (0 to 1), and no segment before has hit that
    /// one (Lea et al., "Temporal convolutional networks for action segmentation and detection", CVPR 2017). Segments whose state
    /// is not below `classes` say nothing, and are not counted.
    pub fn new(actual: &[Segment], found: &[Segment], classes: usize, least: f64) -> Self {
        let mut is_hit = vec![false; actual.len()];
        let mut counts = Self { hits: 0, found: 0, actual: actual.len() };
        // Both are in order: those that end before a segment starts need not be looked at again.
        let mut first = 0;
        for segment in found.iter().filter(|segment| (segment.state as usize) < classes) {
            counts.found += 1;
            while actual.get(first).is_some_and(|one| one.samples.1 <= segment.samples.0) {
                first += 1;
            }
            let near = actual[first..].iter().take_while(|one| one.samples.0 < segment.samples.1).enumerate();
            let of_class = near.filter(|(_, one)| one.state == segment.state);
            let overlaps = of_class.map(|(at, one)| (first + at, overlap(one.samples, segment.samples)));
            if let Some((at, share)) = overlaps.max_by(|a, b| a.1.total_cmp(&b.1))
                && share >= least
                && !is_hit[at]
            {
                is_hit[at] = true;
                counts.hits += 1;
            }
        }
        counts
    }

    /// The F1 of the segments: 2 hits / (found + actual); 0 where there are none.
    pub fn f1(self) -> f64 {
        2.0 * self.hits as f64 / (self.found + self.actual).max(1) as f64
    }
}

impl std::ops::AddAssign for SegmentCounts {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.found += other.found;
        self.actual += other.actual;
    }
}

/// The overlap of two stretches, divided by their union.
fn overlap(a: (usize, usize), b: (usize, usize)) -> f64 {
    let both = a.1.min(b.1).saturating_sub(a.0.max(b.0));
    let either = (a.1 - a.0) + (b.1 - b.0) - both;
    both as f64 / either.max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use triax_testing::golden;

    use super::*;

    fn of(states: &[(u32, usize)]) -> Vec<Segment> {
        let slot = |&(state, samples): &(u32, usize)| Slot { samples, state, confidence: 1.0 };
        segments(&states.iter().map(slot).collect::<Vec<_>>())
    }

    #[test]
    fn neighbours_with_one_answer_are_a_segment() {
        let slot = |samples, state, confidence| Slot { samples, state, confidence };
        let found = segments(&[slot(30, 1, 0.9), slot(10, 1, 0.5), slot(20, 0, 0.7)]);
        let first = Segment { slots: (0, 2), samples: (0, 40), state: 1, confidence: 0.8 };
        let second = Segment { slots: (2, 3), samples: (40, 60), state: 0, confidence: 0.7 };
        assert_eq!(found.len(), 2);
        assert!((found[0].confidence - 0.8).abs() < 1e-12);
        assert_eq!((Segment { confidence: 0.8, ..found[0] }, found[1]), (first, second));
        assert_eq!(segments(&[]), []);
    }

    #[test]
    fn a_window_answers_for_what_is_nearest_to_its_centre() {
        assert_eq!(slot_lengths(3, 100, 50), [75, 50, 75]);
        assert_eq!(slot_lengths(2, 5, 2), [3, 4]);
        assert_eq!(slot_lengths(1, 100, 50), [100]);
        assert_eq!(slot_lengths(3, 10, 30), [20, 30, 20]);
        assert!(slot_lengths(0, 10, 5).is_empty());
    }

    #[derive(Deserialize)]
    struct Case {
        actual: Vec<(u32, usize)>,
        found: Vec<(u32, usize)>,
        f1: Vec<f64>,
    }

    #[derive(Deserialize)]
    struct Golden {
        overlaps: Vec<f64>,
        segments: Vec<Case>,
    }

    #[test]
    fn hits_are_counted_as_the_field_counts_them() {
        let golden: Golden = golden(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/over_time.json"));
        assert!(golden.segments.len() >= 20);
        for case in golden.segments {
            for (&least, wanted) in golden.overlaps.iter().zip(case.f1) {
                let found = SegmentCounts::new(&of(&case.actual), &of(&case.found), 3, least).f1();
                assert!((found - wanted).abs() < 1e-12, "{found} is not {wanted}");
            }
        }
    }

    #[test]
    fn what_is_unknown_is_not_counted_as_found() {
        let found = SegmentCounts::new(&of(&[(0, 50), (1, 50)]), &of(&[(0, 50), (2, 50)]), 2, 0.5);
        assert_eq!(found, SegmentCounts { hits: 1, found: 1, actual: 2 });
        assert_eq!(SegmentCounts::default().f1(), 0.0);
    }

    proptest! {
        #[test]
        fn slots_fill_the_sequence(n in 1..20_usize, window in 1..50_usize, step in 1..80_usize) {
            prop_assert_eq!(slot_lengths(n, window, step).iter().sum::<usize>(), window + (n - 1) * step);
        }

        #[test]
        fn what_is_right_has_an_f1_of_one(states in prop::collection::vec((0..3_u32, 1..40_usize), 1..20)) {
            prop_assert_eq!(SegmentCounts::new(&of(&states), &of(&states), 3, 0.99).f1(), 1.0);
        }
    }
}
