//! Rows and whole windows that are on both sides of a split.

use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

use super::runs::{Haystack, Likeness, Runs, scaled_length};
use super::{Checks, Finding, leak, not_excluded, note, sound};
use crate::split::count_shared;

/// Name of the check for windows that are alike.
const DUPLICATES: &str = "duplicates";

/// The validation windows that repeat rows of training windows.
struct Repeated {
    /// How many rows each of them repeats, in ascending order.
    rows: Vec<usize>,
    likeness: Likeness,
}

impl Repeated {
    fn n_windows(&self) -> usize {
        self.rows.len()
    }

    /// How many rows of windows of `window` rows are repeated, in half of a sentence.
    fn in_words(&self, window: usize) -> String {
        let how = match self.likeness {
            Likeness::Bits => "",
            Likeness::Scaled => ", though each channel has another scale or offset there",
        };
        let median = self.rows[self.rows.len() / 2];
        match self.rows[..] {
            [rows] => format!("{rows} of its {window} rows{how}"),
            _ if median == window => format!("all {window} rows in half of them{how}"),
            _ => format!("{median} or more of the {window} rows in half of them{how}"),
        }
    }
}

impl Checks<'_> {
    /// Validation windows that have rows in common with a training window.
    pub(super) fn samples(&self) -> Finding {
        let check = "samples";
        let n_valid = self.n_valid();
        if !self.came_as_windows() {
            let shared = |(train, valid): &(&[u32], &[u32])| count_shared(self.origins, self.window, train, valid);
            return match self.folds.iter().map(shared).sum() {
                0 => sound(check, "No validation window shares samples with a training window."),
                n_shared => leak(
                    check,
                    format!("{n_shared} of {n_valid} validation windows share samples with training windows."),
                ),
            };
        }
        let hay = self.haystack();
        // To the bit; where no row is repeated so, the windows may have been scaled.
        let found = [Likeness::Bits, Likeness::Scaled]
            .into_iter()
            .map(|likeness| self.repeated_rows(&hay, likeness, |_, _| true))
            .find(|repeated| repeated.n_windows() > 0);
        if let Some(repeated) = found {
            return leak(
                check,
                format!(
                    "The source came as windows, and {} of {n_valid} validation windows share samples with training \
                     windows: {}.",
                    repeated.n_windows(),
                    repeated.in_words(self.window)
                ),
            );
        }
        let shortest = hay.shortest();
        if self.keeps_subjects_apart() {
            let words = "No validation window repeats rows of a training window, and no subject is on both sides.";
            return sound(check, words);
        }
        not_excluded(
            check,
            match shortest <= self.window {
                true => format!(
                    "The source came as windows. No validation window repeats {shortest} rows of a training window; but \
                     windows that overlap by fewer, or were changed after they had been cut, would look the same."
                ),
                false => format!(
                    "The source came as windows, and {} rows are too few to tell whether two windows overlap.",
                    self.window
                ),
            },
        )
    }

    fn haystack(&self) -> Haystack<'_> {
        Haystack::new(self.indices().map(|idx| self.values(idx)).collect(), self.corpus.channels.len())
    }

    /// The validation windows that repeat rows of a training window, of those that `may(valid, train)` admits.
    fn repeated_rows(&self, hay: &Haystack<'_>, likeness: Likeness, may: impl Fn(u32, u32) -> bool) -> Repeated {
        let all: Vec<u32> = self.indices().collect();
        let shortest = hay.shortest();
        match likeness {
            Likeness::Bits => {
                let short = Runs::new(hay, likeness, shortest, &all);
                // Where no short run of a window says enough, a half of it may.
                let quiet = short.as_ref().map_or(&all, |short| &short.quiet);
                let halves = Runs::new(hay, likeness, self.window.div_ceil(2), quiet);
                self.repeated_in(&short.into_iter().chain(halves).collect::<Vec<_>>(), likeness, may)
            }
            Likeness::Scaled => {
                let long = Runs::new(hay, likeness, scaled_length(shortest).min(self.window), &all);
                self.repeated_in(long.as_slice(), likeness, may)
            }
        }
    }

    fn repeated_in(&self, runs: &[Runs<'_>], likeness: Likeness, may: impl Fn(u32, u32) -> bool) -> Repeated {
        let mut rows = Vec::new();
        for (train, valid) in self.folds {
            let mut is_trained = vec![false; self.origins.len()];
            train.iter().for_each(|&idx| is_trained[idx as usize] = true);
            for &idx in *valid {
                let admitted = |other: u32| is_trained[other as usize] && may(idx, other);
                rows.extend(runs.iter().map(|runs| runs.n_shared(idx, admitted)).find(|&n_rows| n_rows > 0));
            }
        }
        rows.sort_unstable();
        Repeated { rows, likeness }
    }

    /// Windows that hold the same values to the bit, though they were cut elsewhere; and recordings that hold rows of others.
    pub(super) fn duplicates(&self) -> Finding {
        let mut alike: HashMap<Bits<'_>, Vec<u32>> = HashMap::new();
        for idx in self.indices() {
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
        let n_valid = self.n_valid();
        if n_across > 0 {
            let words =
                format!("{n_across} of {n_valid} validation windows hold the same values as a training window.");
            return leak(DUPLICATES, words);
        }
        if let Some(found) = self.copied_rows() {
            return found;
        }
        match group_of.len() {
            0 => sound(DUPLICATES, "No two windows hold the same values."),
            n => note(DUPLICATES, format!("{n} windows hold the same values as another, but never across a split.")),
        }
    }

    /// Validation windows with rows of a training window of another recording: a copy that starts, or is cut, elsewhere. Of
    /// a source that came as windows, `samples` has them.
    fn copied_rows(&self) -> Option<Finding> {
        if self.came_as_windows() {
            return None;
        }
        let is_other = |a: u32, b: u32| self.origin(a).recording != self.origin(b).recording;
        let repeated = self.repeated_rows(&self.haystack(), Likeness::Bits, is_other);
        (repeated.n_windows() > 0).then(|| {
            let words = format!(
                "{} of {} validation windows repeat rows of another recording that is trained on: {}.",
                repeated.n_windows(),
                self.n_valid(),
                repeated.in_words(self.window)
            );
            leak(DUPLICATES, words)
        })
    }
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
