//! Channels that tell the class or the subject by themselves: labels, identifiers and facts about people that slipped in
//! among the signals.
//!
//! Such a channel stays at one value in nearly every window, and comes back to the same values in other windows. These
//! *levels* are then counted against classes and subjects. A signal has no levels, and a slow one (a heart rate, a
//! temperature) has levels that classes share.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checks, Finding, Verdict, finding, listed, sound};

/// Share of rows of a window that must have its level. Windows that were cut across a border have two.
const MOST_ROWS: f64 = 0.7;
/// Share of windows that must have a level, and of those of a class that its levels must tell.
const NEARLY_ALL: f64 = 0.95;
/// Share of a channel's range by which values of one level may differ: rounding.
const ROUNDING: f32 = 1e-5;
/// Windows in which a level must come back. A value that does not is no level.
const COMES_BACK: usize = 3;
/// Levels with noise lie at least this many times as far apart as a window's values.
const FAR_APART: f32 = 20.0;
/// The middles of windows of one such level lie at most this many times as far apart as a window's values. Postures of
/// several people, or of one who has moved, differ by more.
const TIGHT: f32 = 2.0;

/// Training windows that a validation window is compared with, by the middles of their values.
const NEIGHBOURS: usize = 8;

/// The level of each window in one channel; none where it has none, or one that does not come back.
type Levels = Vec<Option<u32>>;

/// What a channel tells, the more serious first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    /// The class of validation windows, to a network that has learned the channel.
    Class,
    /// Subjects that are on both sides.
    SharedSubjects,
    /// The class, by the middle of its values in a window. A label with noise does that, and postures may.
    ClassByMiddle,
    /// The class within a part of the split, by values that the other part does not have.
    ClassWithinPart,
    /// Who was recorded, and nobody is on both sides.
    Subject,
    /// Something about each person that several have in common.
    Trait,
    /// The class, by a level with little noise. A posture may do that as well.
    ClassInNoise,
}

impl Told {
    fn verdict(self) -> Verdict {
        match self {
            Self::Class | Self::SharedSubjects => Verdict::Leak,
            Self::ClassByMiddle | Self::ClassWithinPart | Self::Subject | Self::Trait | Self::ClassInNoise => {
                Verdict::Note
            }
        }
    }

    /// What `names` do, `n` of them.
    fn in_words(self, names: &str, n: usize) -> String {
        let (tells, stays, them) = match n {
            1 => ("by itself tells", "stays", "it"),
            _ => ("by themselves tell", "stay", "them"),
        };
        match self {
            Self::Class => format!("{names} {tells} the class: leave {them} out."),
            Self::SharedSubjects => {
                format!("{names} {tells} who was recorded, and the same people are on both sides: leave {them} out.")
            }
            Self::ClassByMiddle => format!(
                "{names} {tells} the class of nearly every validation window, by the middle of a window's values: a label in \
                 disguise, or postures."
            ),
            Self::ClassWithinPart => {
                format!("{names} {tells} the class within a part of the split, by values that the other part lacks.")
            }
            Self::Subject => format!("{names} {tells} who was recorded, which is no motion: leave {them} out."),
            Self::Trait => format!("{names} {stays} the same for each person, which is no motion: leave {them} out."),
            Self::ClassInNoise => {
                format!("{names} {stays} near a level that tells the class: a posture, or a label with noise.")
            }
        }
    }
}

impl Checks<'_> {
    /// Channels that by themselves tell the class or the subject.
    pub(super) fn channels(&self) -> Finding {
        let check = "channels";
        let classes: Vec<u32> = self.indices().map(|idx| self.recording(idx).class).collect();
        let subjects = self.subject_numbers();
        let ranges = self.ranges();
        let mut channels: BTreeMap<Told, Vec<String>> = BTreeMap::new();
        for (channel, name) in self.corpus.channels.iter().enumerate() {
            let of_channel: Vec<(f32, f32)> =
                ranges.iter().skip(channel).step_by(self.corpus.channels.len()).copied().collect();
            let told = match self.levels(channel, &of_channel) {
                Some(levels) => {
                    let subject = subjects.as_ref().and_then(|subjects| self.told_subject(&levels, subjects));
                    self.told_class(&levels, &classes).into_iter().chain(subject).min()
                }
                None => {
                    let told = self.told_class(&noisy_levels(&of_channel), &classes);
                    (told == Some(Told::Class)).then_some(Told::ClassInNoise)
                }
            };
            let by_middle = || self.middles_tell(&of_channel, &classes).then_some(Told::ClassByMiddle);
            let told = told.filter(|told| *told < Told::ClassByMiddle).or_else(by_middle).or(told);
            if let Some(told) = told {
                channels.entry(told).or_default().push(format!("`{name}`"));
            }
        }
        let Some(worst) = channels.keys().map(|told| told.verdict()).max() else {
            let who = if subjects.is_some() { "the class or the subject" } else { "the class" };
            return sound(check, format!("No channel by itself tells {who}."));
        };
        let sentences =
            channels.iter().map(|(told, names)| told.in_words(&listed(names.iter().map(String::as_str)), names.len()));
        finding(check, worst, sentences.collect::<Vec<_>>().join(" "))
    }

    /// A number for the subject of each window; `None` unless all are known and there are two.
    fn subject_numbers(&self) -> Option<Vec<u32>> {
        let subjects: BTreeSet<&str> = self.indices().map(|idx| self.recording(idx).subject.as_str()).collect();
        let numbers: BTreeMap<&str, u32> = subjects.iter().copied().zip(0..).collect();
        let known = numbers.len() > 1 && !numbers.contains_key("");
        known.then(|| self.indices().map(|idx| numbers[self.recording(idx).subject.as_str()]).collect())
    }

    /// The lowest and the highest value of each channel in each window, (n_windows, channels).
    fn ranges(&self) -> Vec<(f32, f32)> {
        let n_channels = self.corpus.channels.len();
        let mut ranges = vec![(f32::INFINITY, f32::NEG_INFINITY); self.origins.len() * n_channels];
        for (idx, of_window) in self.indices().zip(ranges.chunks_exact_mut(n_channels.max(1))) {
            for row in self.values(idx).chunks_exact(n_channels) {
                for ((low, high), &value) in of_window.iter_mut().zip(row) {
                    (*low, *high) = (low.min(value), high.max(value));
                }
            }
        }
        ranges
    }

    /// The levels of a channel, given its range in each window. `None` unless nearly all windows have one.
    fn levels(&self, channel: usize, ranges: &[(f32, f32)]) -> Option<Levels> {
        let low = ranges.iter().map(|range| range.0).fold(f32::INFINITY, f32::min);
        let high = ranges.iter().map(|range| range.1).fold(f32::NEG_INFINITY, f32::max);
        let may_differ = ROUNDING * (high - low);
        let mut n_without = 0;
        let mut held = Vec::with_capacity(ranges.len());
        for idx in self.indices() {
            let values = self.values(idx).iter().skip(channel).step_by(self.corpus.channels.len()).copied();
            let level = held_value(values, self.window, may_differ);
            n_without += usize::from(level.is_none());
            // Of a signal this is known after a few windows.
            if n_without as f64 > (1.0 - NEARLY_ALL) * ranges.len() as f64 {
                return None;
            }
            held.push(level);
        }
        Some(numbered(&held, 10.0 * may_differ))
    }

    /// How a channel of these levels tells the class, in the fold where it tells most.
    fn told_class(&self, levels: &Levels, classes: &[u32]) -> Option<Told> {
        if levels.iter().flatten().all(|&level| level == 0) {
            return None;
        }
        let of_fold = |(train, valid): &(&[u32], &[u32])| {
            let [trained, validated] = [train, valid].map(|indices| Counts::new(levels, classes, indices));
            let owners = trained.owners();
            let also = validated.told_by(&owners);
            // Each part may have been scaled by itself, so that the same level has two values.
            let (in_training, in_validation) = (trained.one_level_each(), validated.one_level_each());
            if trained.told_by(&owners).intersection(&also).next().is_some()
                || (in_training.is_some() && in_training == in_validation)
            {
                return Some(Told::Class);
            }
            (in_training.is_some() || validated.tells_all()).then_some(Told::ClassWithinPart)
        };
        self.folds.iter().filter_map(of_fold).min()
    }

    /// Whether the middle of a channel's range in a window tells the class of nearly all validation windows, to one who has
    /// seen the training windows: in every fold, of three classes or more. Two are often told apart by what is real.
    fn middles_tell(&self, ranges: &[(f32, f32)], classes: &[u32]) -> bool {
        let middle = |idx: &u32| 0.5 * (ranges[*idx as usize].0 + ranges[*idx as usize].1);
        let tells = |(train, valid): &(&[u32], &[u32])| {
            let mut known: Vec<(f32, u32)> = train.iter().map(|idx| (middle(idx), classes[*idx as usize])).collect();
            known.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let mut judged: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
            for idx in *valid {
                let same = known.partition_point(|(value, _)| *value < middle(idx));
                let after = known.partition_point(|(value, _)| *value <= middle(idx));
                let beside = NEIGHBOURS.saturating_sub(after - same).div_ceil(2);
                let around = &known[same.saturating_sub(beside)..(after + beside).min(known.len())];
                let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
                around.iter().for_each(|(_, class)| *votes.entry(*class).or_default() += 1);
                let guess = votes.into_iter().max_by_key(|(_, n)| *n).map(|(class, _)| class);
                let (n_right, n) = judged.entry(classes[*idx as usize]).or_default();
                *n_right += usize::from(guess == Some(classes[*idx as usize]));
                *n += 1;
            }
            let told = |(n_right, n): &(usize, usize)| *n_right as f64 >= NEARLY_ALL * *n as f64;
            judged.len() > 2 && judged.values().all(told)
        };
        !self.folds.is_empty() && self.folds.iter().all(tells)
    }

    /// How a channel of these levels tells the subject.
    fn told_subject(&self, levels: &Levels, subjects: &[u32]) -> Option<Told> {
        let all: Vec<u32> = self.indices().collect();
        let by_level = Counts::new(levels, subjects, &all);
        // The other way round: each subject keeps one level, which others may have as well.
        let level_of: Vec<u32> = levels.iter().map(|level| level.unwrap_or(u32::MAX)).collect();
        let of_subject: Levels = subjects.iter().copied().map(Some).collect();
        let by_subject = Counts::new(&of_subject, &level_of, &all);
        let kept: BTreeSet<u32> = by_subject.owners().into_values().collect();
        let keeps_one = by_subject.purity() >= NEARLY_ALL && kept.len() > 1;
        if by_level.tells_all() || (keeps_one && 2 * kept.len() >= by_level.of_label.len()) {
            let are_shared = !self.shared_subjects().is_empty();
            Some(if are_shared { Told::SharedSubjects } else { Told::Subject })
        } else {
            keeps_one.then_some(Told::Trait)
        }
    }
}

/// The levels of a channel that stays near them, within a small part of the distance to the next, given its range in each
/// window. Without noise around a level, windows have none.
fn noisy_levels(ranges: &[(f32, f32)]) -> Levels {
    let none = vec![None; ranges.len()];
    let mut widths: Vec<f32> = ranges.iter().map(|(low, high)| high - low).collect();
    let Some(last) = widths.len().checked_sub(1) else { return none };
    let width = *widths.select_nth_unstable_by((NEARLY_ALL * last as f64) as usize, f32::total_cmp).1;
    let middles: Vec<Option<f32>> = ranges.iter().map(|(low, high)| Some(0.5 * (low + high))).collect();
    let levels = numbered(&middles, FAR_APART * width);
    let mut extents: BTreeMap<u32, (f32, f32)> = BTreeMap::new();
    for (level, middle) in levels.iter().zip(&middles) {
        if let (Some(level), Some(middle)) = (level, middle) {
            let (low, high) = extents.entry(*level).or_insert((*middle, *middle));
            (*low, *high) = (low.min(*middle), high.max(*middle));
        }
    }
    if extents.values().all(|(low, high)| high - low <= TIGHT * width) { levels } else { none }
}

/// The value that most of `values` have, `n` of them, by the vote of Boyer and Moore.
fn held_value(values: impl Iterator<Item = f32> + Clone, n: usize, may_differ: f32) -> Option<f32> {
    let (mut candidate, mut votes) = (0.0, 0);
    for value in values.clone() {
        if votes == 0 {
            candidate = value;
        }
        votes += if (value - candidate).abs() <= may_differ { 1 } else { -1 };
    }
    let n_alike = values.filter(|value| (value - candidate).abs() <= may_differ).count();
    (n_alike as f64 >= MOST_ROWS * n as f64).then_some(candidate)
}

/// Numbers the levels among `values`: those between which the sorted values leave more than `gap`.
fn numbered(values: &[Option<f32>], gap: f32) -> Levels {
    let mut sorted: Vec<(f32, usize)> =
        values.iter().enumerate().filter_map(|(idx, value)| Some(((*value)?, idx))).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut levels = vec![None; values.len()];
    let near = sorted.chunk_by(|a, b| b.0 - a.0 <= gap).filter(|near| near.len() >= COMES_BACK);
    for (level, near) in (0..).zip(near) {
        near.iter().for_each(|&(_, idx)| levels[idx] = Some(level));
    }
    levels
}

/// How often each label comes with each level, in one part of a split.
struct Counts {
    /// By level, then by label.
    by_level: BTreeMap<u32, BTreeMap<u32, usize>>,
    /// Windows of each label, with or without a level.
    of_label: BTreeMap<u32, usize>,
}

impl Counts {
    fn new(levels: &Levels, labels: &[u32], indices: &[u32]) -> Self {
        let mut counts = Self { by_level: BTreeMap::new(), of_label: BTreeMap::new() };
        for &idx in indices {
            let label = labels[idx as usize];
            *counts.of_label.entry(label).or_default() += 1;
            if let Some(level) = levels[idx as usize] {
                *counts.by_level.entry(level).or_default().entry(label).or_default() += 1;
            }
        }
        counts
    }

    /// The most frequent label of each level.
    fn owners(&self) -> BTreeMap<u32, u32> {
        let owner =
            |labels: &BTreeMap<u32, usize>| labels.iter().max_by_key(|(_, n)| **n).map_or(0, |(&label, _)| label);
        self.by_level.iter().map(|(&level, labels)| (level, owner(labels))).collect()
    }

    /// The labels that come with nearly no level but those that they own, and the other way round.
    fn told_by(&self, owners: &BTreeMap<u32, u32>) -> BTreeSet<u32> {
        let is_told = |(&label, &n): (&u32, &usize)| {
            let own = self.by_level.iter().filter(|(level, _)| owners.get(level) == Some(&label));
            let (mut n_own, mut n_right) = (0, 0);
            for (_, labels) in own {
                n_own += labels.values().sum::<usize>();
                n_right += labels.get(&label).copied().unwrap_or(0);
            }
            let nearly = |share: usize, all: usize| share > 0 && share as f64 >= NEARLY_ALL * all as f64;
            (n >= COMES_BACK && nearly(n_right, n) && nearly(n_right, n_own)).then_some(label)
        };
        // Where there is one label only, nothing tells it from others.
        let labels = self.of_label.iter().filter(|_| self.of_label.len() > 1);
        labels.filter_map(is_told).collect()
    }

    /// Whether all labels are told by levels of their own.
    fn tells_all(&self) -> bool {
        self.of_label.len() > 1 && self.told_by(&self.owners()).len() == self.of_label.len()
    }

    /// The labels in the order of their levels, where all are told and each has but one level, as a column of labels has.
    fn one_level_each(&self) -> Option<Vec<u32>> {
        let owners = self.owners();
        let is_common = |level: &u32| {
            let n_owned = self.by_level[level][&owners[level]];
            n_owned as f64 > (1.0 - NEARLY_ALL) * self.of_label[&owners[level]] as f64
        };
        let labels: Vec<u32> = owners.keys().filter(|level| is_common(level)).map(|level| owners[level]).collect();
        (self.tells_all() && labels.len() == self.of_label.len()).then_some(labels)
    }

    /// The share of what has a level that the most frequent label of each level makes.
    fn purity(&self) -> f64 {
        let sum = |of_level: fn(&BTreeMap<u32, usize>) -> usize| self.by_level.values().map(of_level).sum::<usize>();
        let n_owned = sum(|labels| labels.values().max().copied().unwrap_or(0));
        n_owned as f64 / sum(|labels| labels.values().sum()).max(1) as f64
    }
}
