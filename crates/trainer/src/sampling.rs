//! Which windows an epoch visits, and in which order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use triax_model::random::{Purpose, Stream, epoch_order};

/// How an epoch draws its windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Every window once.
    #[default]
    Shuffle,
    /// Each class equally often, in an epoch of the same length. The windows of a class are drawn without repetition until
    /// all have been drawn: an epoch contains a part of a large class, and the windows of a small class several times. If the
    /// length of the epoch is no multiple of the number of classes, some classes, drawn in each epoch, get one window more.
    Balanced,
    /// Each subject equally often, by the same rule, so that who was recorded for long does not decide what is learnt. The
    /// windows of a subject are drawn whatever their class: the classes keep the shares that they have within subjects, each
    /// subject counting once, and class weights go with it.
    Subjects,
}

/// What is known of all windows, by which they can be drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Groups<'a> {
    /// Class of each.
    pub labels: &'a [u32],
    /// Number of the subject of each, if they are known.
    pub subjects: Option<&'a [u32]>,
}

impl Sampling {
    /// Whether it is [`Sampling::Shuffle`].
    pub(crate) fn is_shuffle(&self) -> bool {
        *self == Self::Shuffle
    }

    /// The windows of `train` that epoch `epoch` (from 0) visits, in order.
    ///
    /// # Panics
    /// If subjects are to be drawn and are not known, which [`crate::Job`] refuses.
    pub(crate) fn order(self, seed: u64, epoch: usize, train: &[u32], groups: Groups<'_>) -> Vec<u32> {
        match self {
            Self::Shuffle => {
                epoch_order(seed, epoch, train.len()).into_iter().map(|place| train[place as usize]).collect()
            }
            Self::Balanced => evenly(seed, epoch, train, groups.labels),
            Self::Subjects => evenly(seed, epoch, train, groups.subjects.expect("a checked job knows the subjects")),
        }
    }
}

/// The windows of `train` in a new order, in which each group comes equally often. `groups` are those of all windows.
fn evenly(seed: u64, epoch: usize, train: &[u32], groups: &[u32]) -> Vec<u32> {
    let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for &window in train {
        members.entry(groups[window as usize]).or_default().push(window);
    }
    let (n_groups, mut whole) = (members.len(), Stream::new(seed, Purpose::Shuffle, epoch as u64));
    let mut members: Vec<(u32, Vec<u32>)> = members.into_iter().collect();
    // The first groups get one window more if the epoch cannot be divided evenly.
    whole.shuffle(&mut members);
    let mut order = Vec::with_capacity(train.len());
    for (rank, (group, windows)) in members.iter_mut().enumerate() {
        let mut stream = Stream::with_layer(seed, Purpose::Shuffle, epoch as u64, 1 + *group);
        let mut left = train.len() / n_groups + usize::from(rank < train.len() % n_groups);
        while left > 0 {
            stream.shuffle(windows);
            let taken = left.min(windows.len());
            order.extend(&windows[..taken]);
            left -= taken;
        }
    }
    whole.shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class 0 has 60 windows, class 1 has 3, class 2 has none, class 3 has 10; the windows trained on are the odd ones.
    fn windows() -> (Vec<u32>, Vec<u32>) {
        let classes = [0; 60].into_iter().chain([1; 3]).chain([3; 10]);
        let labels: Vec<u32> = classes.flat_map(|label| [2, label]).collect();
        ((0..labels.len() as u32).filter(|window| !window.is_multiple_of(2)).collect(), labels)
    }

    fn of_labels(labels: &[u32]) -> Groups<'_> {
        Groups { labels, subjects: None }
    }

    #[test]
    fn each_subject_comes_equally_often_and_classes_as_they_come_within_subjects() {
        // Subject 4 was recorded for long and mostly at rest, subject 9 briefly; the windows of subject 0 are not trained on.
        let subjects: Vec<u32> = [4; 60].into_iter().chain([9; 12]).chain([0; 20]).collect();
        let labels: Vec<u32> = (0..92_u32).map(|window| u32::from(window.is_multiple_of(6))).collect();
        let train: Vec<u32> = (0..72).collect();
        let groups = Groups { labels: &labels, subjects: Some(&subjects) };
        for epoch in 0..10 {
            let order = Sampling::Subjects.order(7, epoch, &train, groups);
            assert_eq!(order, Sampling::Subjects.order(7, epoch, &train, groups));
            let of = |subject: u32| order.iter().filter(|&&w| subjects[w as usize] == subject).count();
            assert_eq!((of(4), of(9), of(0)), (36, 36, 0));
            // Each window of the second three times, so both of its windows of class 1 too.
            let of_both = |w: &&u32| subjects[**w as usize] == 9 && labels[**w as usize] == 1;
            assert_eq!(order.iter().filter(of_both).count(), 6);
            // Of the first, no window twice.
            let long: std::collections::BTreeSet<u32> = order.iter().copied().filter(|&w| w < 60).collect();
            assert_eq!(long.len(), 36);
        }
        assert_ne!(Sampling::Subjects.order(7, 0, &train, groups), Sampling::Subjects.order(7, 1, &train, groups));
    }

    #[test]
    fn each_class_comes_equally_often_and_a_window_twice_only_after_all_of_its_class() {
        let (train, labels) = windows();
        let mut extra_classes = std::collections::BTreeSet::new();
        for epoch in 0..20 {
            let order = Sampling::Balanced.order(7, epoch, &train, of_labels(&labels));
            assert_eq!(order.len(), 73);
            for (label, n_windows) in [(0, 60), (1, 3), (3, 10)] {
                let drawn: Vec<u32> = order.iter().copied().filter(|&w| labels[w as usize] == label).collect();
                assert!([24, 25].contains(&drawn.len()), "class {label} comes {} times", drawn.len());
                if drawn.len() == 25 {
                    extra_classes.insert(label);
                }
                for window in train.iter().filter(|&&w| labels[w as usize] == label) {
                    let times = drawn.iter().filter(|&w| w == window).count();
                    let fewest = drawn.len() / n_windows;
                    assert!((fewest..=fewest + 1).contains(&times), "class {label}: window {window} {times} times");
                }
            }
        }
        assert_eq!(extra_classes.len(), 3, "the rest goes to different classes");
    }

    #[test]
    fn epochs_and_seeds_differ_and_repeat_exactly() {
        let (train, labels) = windows();
        for sampling in [Sampling::Shuffle, Sampling::Balanced] {
            let order = |seed, epoch| sampling.order(seed, epoch, &train, of_labels(&labels));
            assert_eq!(order(1, 2), order(1, 2));
            assert_ne!(order(1, 2), order(1, 3));
            assert_ne!(order(1, 2), order(2, 2));
        }
    }

    #[test]
    fn classes_are_mixed_and_not_in_blocks() {
        let (train, labels) = windows();
        let order = Sampling::Balanced.order(3, 0, &train, of_labels(&labels));
        let changes = order.windows(2).filter(|pair| labels[pair[0] as usize] != labels[pair[1] as usize]).count();
        // 48 are expected of 72; in blocks there would be two.
        assert!(changes > 30, "{changes} changes of class");
    }
}
