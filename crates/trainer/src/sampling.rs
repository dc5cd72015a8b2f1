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
}

impl Sampling {
    /// Whether it is [`Sampling::Shuffle`].
    pub(crate) fn is_shuffle(&self) -> bool {
        *self == Self::Shuffle
    }

    /// The windows of `train` that epoch `epoch` (from 0) visits, in order. `labels` are those of all windows.
    pub(crate) fn order(self, seed: u64, epoch: usize, train: &[u32], labels: &[u32]) -> Vec<u32> {
        match self {
            Self::Shuffle => {
                epoch_order(seed, epoch, train.len()).into_iter().map(|place| train[place as usize]).collect()
            }
            Self::Balanced => evenly(seed, epoch, train, labels),
        }
    }
}

/// The windows of `train` in a new order, in which each class comes equally often.
fn evenly(seed: u64, epoch: usize, train: &[u32], labels: &[u32]) -> Vec<u32> {
    let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for &window in train {
        members.entry(labels[window as usize]).or_default().push(window);
    }
    let (n_classes, mut whole) = (members.len(), Stream::new(seed, Purpose::Shuffle, epoch as u64));
    let mut members: Vec<(u32, Vec<u32>)> = members.into_iter().collect();
    // The first classes get one window more if the epoch cannot be divided evenly.
    whole.shuffle(&mut members);
    let mut order = Vec::with_capacity(train.len());
    for (rank, (class, windows)) in members.iter_mut().enumerate() {
        let mut stream = Stream::with_layer(seed, Purpose::Shuffle, epoch as u64, 1 + *class);
        let mut left = train.len() / n_classes + usize::from(rank < train.len() % n_classes);
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

    #[test]
    fn each_class_comes_equally_often_and_a_window_twice_only_after_all_of_its_class() {
        let (train, labels) = windows();
        let mut extra_classes = std::collections::BTreeSet::new();
        for epoch in 0..20 {
            let order = Sampling::Balanced.order(7, epoch, &train, &labels);
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
            let order = |seed, epoch| sampling.order(seed, epoch, &train, &labels);
            assert_eq!(order(1, 2), order(1, 2));
            assert_ne!(order(1, 2), order(1, 3));
            assert_ne!(order(1, 2), order(2, 2));
        }
    }

    #[test]
    fn classes_are_mixed_and_not_in_blocks() {
        let (train, labels) = windows();
        let order = Sampling::Balanced.order(3, 0, &train, &labels);
        let changes = order.windows(2).filter(|pair| labels[pair[0] as usize] != labels[pair[1] as usize]).count();
        // 48 are expected of 72; in blocks there would be two.
        assert!(changes > 30, "{changes} changes of class");
    }
}
