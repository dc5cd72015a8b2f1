//! Extremely randomised trees (Geurts, Ernst, Wehenkel, "Extremely randomized trees", Machine Learning 63, 2006).
//!
//! Each tree sees all windows. A node draws some features and a threshold for each between its least and its largest value
//! there, and splits by the one that leaves the least impurity (Gini). A forest gives the mean of the shares of the classes in
//! the leaves.

use rayon::prelude::*;
use triax_model::random::{Purpose, Stream};

/// Number of trees.
const TREES: usize = 100;
/// Fewest windows of a leaf.
pub(super) const SMALLEST_LEAF: usize = 2;

/// A forest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forest {
    /// Share of each class in training; 0 of a class that was never seen.
    pub shares: Vec<f32>,
    pub trees: Vec<Tree>,
}

/// A tree. Its first node is the root.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tree {
    pub nodes: Vec<Node>,
    /// (n_leaves, classes): share of each class in a leaf.
    pub leaves: Vec<f32>,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Node {
    /// Windows whose `feature` is at most `threshold` go to the next node, all others to the node `other`.
    Split { feature: u32, threshold: f32, other: u32 },
    /// A leaf, by its number.
    Leaf(u32),
}

impl Forest {
    /// Grows trees on rows `x` (n, features) of the classes `y`, which are below `classes`.
    pub fn train(x: &[&[f64]], y: &[u32], classes: usize) -> Self {
        let n_features = x.first().map_or(0, |row| row.len());
        // (features, n): a node reads one feature of many windows.
        let columns: Vec<Vec<f32>> =
            (0..n_features).map(|feature| x.iter().map(|row| row[feature] as f32).collect()).collect();
        let data = Data { columns, y, classes };
        let trees = (0..TREES as u64).into_par_iter().map(|tree| data.grow(Stream::new(0, Purpose::Shuffle, tree)));
        let mut shares = vec![0.0; classes];
        y.iter().for_each(|&class| shares[class as usize] += 1.0 / y.len() as f32);
        Self { trees: trees.collect(), shares }
    }

    /// The logarithm of the probability of each class for a row of features. The shares of the classes in training count like
    /// one tree more, so that a class that was seen has some probability everywhere. That of another one is the smallest of
    /// an `f32`.
    pub fn scores(&self, row: &[f64]) -> Vec<f64> {
        let classes = self.shares.len();
        let mut sum = self.shares.clone();
        for tree in &self.trees {
            let leaf = tree.leaf(row);
            sum.iter_mut().zip(&tree.leaves[leaf * classes..][..classes]).for_each(|(sum, share)| *sum += share);
        }
        let n = (self.trees.len() + 1) as f32;
        sum.iter().map(|sum| f64::from((sum / n).max(f32::MIN_POSITIVE)).ln()).collect()
    }
}

impl Tree {
    /// The leaf of a row of features.
    fn leaf(&self, row: &[f64]) -> usize {
        let mut at = 0;
        loop {
            match self.nodes[at] {
                Node::Leaf(leaf) => return leaf as usize,
                Node::Split { feature, threshold, .. } if row[feature as usize] as f32 <= threshold => at += 1,
                Node::Split { other, .. } => at = other as usize,
            }
        }
    }

    /// Checks that every row of `n_features` features ends in a leaf of `classes` shares.
    pub fn check(&self, n_features: usize, classes: usize) -> Result<(), String> {
        if self.nodes.is_empty() || classes == 0 || !self.leaves.len().is_multiple_of(classes) {
            return Err("a tree has no node, or a leaf has no shares".to_owned());
        }
        let n_leaves = self.leaves.len() / classes;
        for (at, node) in self.nodes.iter().enumerate() {
            let is_sound = match *node {
                Node::Leaf(leaf) => (leaf as usize) < n_leaves,
                // Ways lead onwards only, so that each ends.
                Node::Split { feature, threshold, other } => {
                    (feature as usize) < n_features
                        && threshold.is_finite()
                        && at + 1 < other as usize
                        && (other as usize) < self.nodes.len()
                }
            };
            if !is_sound {
                return Err(format!("node {at} leads nowhere"));
            }
        }
        Ok(())
    }
}

/// What trees grow on.
struct Data<'a> {
    /// (features, n)
    columns: Vec<Vec<f32>>,
    y: &'a [u32],
    classes: usize,
}

/// A way to split a node.
struct Split {
    feature: u32,
    threshold: f32,
    /// Sum over both sides of Σ n_class² / n: the larger, the purer.
    purity: f64,
}

impl Data<'_> {
    /// Grows one tree.
    fn grow(&self, mut draws: Stream) -> Tree {
        let mut windows: Vec<u32> = (0..self.y.len() as u32).collect();
        let mut features: Vec<u32> = (0..self.columns.len() as u32).collect();
        let mut tree = Tree::default();
        // Parts of `windows` that become nodes, each with the node whose `other` it is. A node's near side is pushed last, so
        // that it follows the node.
        let mut parts: Vec<(usize, usize, Option<usize>)> = vec![(0, windows.len(), None)];
        while let Some((start, end, parent)) = parts.pop() {
            let at = tree.nodes.len();
            if let Some(Node::Split { other, .. }) = parent.and_then(|parent| tree.nodes.get_mut(parent)) {
                *other = at as u32;
            }
            let part = &mut windows[start..end];
            match self.split(part, &mut features, &mut draws) {
                Some(Split { feature, threshold, .. }) => {
                    let middle = start + self.partition(part, feature, threshold);
                    tree.nodes.push(Node::Split { feature, threshold, other: 0 });
                    parts.push((middle, end, Some(at)));
                    parts.push((start, middle, None));
                }
                None => {
                    tree.nodes.push(Node::Leaf((tree.leaves.len() / self.classes) as u32));
                    let counts = self.counts(part);
                    tree.leaves.extend(counts.iter().map(|&count| count as f32 / part.len() as f32));
                }
            }
        }
        tree
    }

    fn counts(&self, part: &[u32]) -> Vec<u32> {
        let mut counts = vec![0; self.classes];
        part.iter().for_each(|&window| counts[self.y[window as usize] as usize] += 1);
        counts
    }

    /// The best of the splits that are drawn for the windows of a node; none if it is a leaf. As many features are drawn as
    /// the square root of their number, without those that are constant here.
    fn split(&self, part: &[u32], features: &mut [u32], draws: &mut Stream) -> Option<Split> {
        let counts = self.counts(part);
        let is_pure = counts.iter().filter(|&&count| count > 0).count() < 2;
        if is_pure || part.len() < 2 * SMALLEST_LEAF {
            return None;
        }
        let n_wanted = (features.len() as f64).sqrt().round().max(1.0) as usize;
        let (mut best, mut n_drawn): (Option<Split>, usize) = (None, 0);
        for first in 0..features.len() {
            let drawn = first + draws.below((features.len() - first) as u32) as usize;
            features.swap(first, drawn);
            let column = &self.columns[features[first] as usize];
            let ends = |(low, high): (f32, f32), &window: &u32| {
                let value = column[window as usize];
                (low.min(value), high.max(value))
            };
            let (low, high) = part.iter().fold((f32::INFINITY, f32::NEG_INFINITY), ends);
            // So that the largest value is always on the far side.
            if low >= high {
                continue;
            }
            let threshold = (low + draws.uniform() * (high - low)).clamp(low, high.next_down());
            let mut near = vec![0_u32; self.classes];
            for &window in part {
                near[self.y[window as usize] as usize] += u32::from(column[window as usize] <= threshold);
            }
            n_drawn += 1;
            let n_near: u32 = near.iter().sum();
            let n_far = part.len() as u32 - n_near;
            if n_near.min(n_far) as usize >= SMALLEST_LEAF {
                let square = |count: u32| f64::from(count) * f64::from(count);
                let near_purity = near.iter().map(|&count| square(count)).sum::<f64>() / f64::from(n_near);
                let far = near.iter().zip(&counts).map(|(near, all)| square(all - near)).sum::<f64>();
                let purity = near_purity + far / f64::from(n_far);
                if best.as_ref().is_none_or(|best| purity > best.purity) {
                    best = Some(Split { feature: features[first], threshold, purity });
                }
            }
            if n_drawn == n_wanted {
                break;
            }
        }
        best
    }

    /// Puts the windows whose `feature` is at most `threshold` before the others, and returns their number.
    fn partition(&self, part: &mut [u32], feature: u32, threshold: f32) -> usize {
        let column = &self.columns[feature as usize];
        let mut n_near = 0;
        for at in 0..part.len() {
            if column[part[at] as usize] <= threshold {
                part.swap(at, n_near);
                n_near += 1;
            }
        }
        n_near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(x: &[Vec<f64>], y: &[u32], classes: usize) -> Forest {
        Forest::train(&x.iter().map(Vec::as_slice).collect::<Vec<_>>(), y, classes)
    }

    /// Rows of two features in four quarters of a square, of which opposite ones are of one class: no line tells them apart.
    fn quarters(n: usize, seed: u64) -> (Vec<Vec<f64>>, Vec<u32>) {
        let mut draws = Stream::new(seed, Purpose::Initialise, 0);
        let x: Vec<Vec<f64>> = (0..n).map(|_| (0..2).map(|_| f64::from(draws.uniform()) - 0.5).collect()).collect();
        let y = x.iter().map(|row| u32::from((row[0] > 0.0) == (row[1] > 0.0))).collect();
        (x, y)
    }

    #[test]
    fn what_no_line_tells_apart_is_learnt() {
        let ((x, y), (other_x, other_y)) = (quarters(400, 1), quarters(200, 2));
        let forest = grown(&x, &y, 2);
        assert_eq!(forest, grown(&x, &y, 2), "not the same twice");
        let hits = other_x.iter().zip(&other_y).filter(|(row, class)| {
            let scores = forest.scores(row);
            u32::from(scores[1] > scores[0]) == **class
        });
        assert!(hits.count() > 185);
    }

    #[test]
    fn scores_are_logarithms_of_probabilities_of_the_classes_that_were_seen() {
        let (x, y) = quarters(100, 1);
        let y: Vec<u32> = y.iter().map(|class| 2 * class).collect();
        let forest = grown(&x, &y, 3);
        for row in &x {
            let scores = forest.scores(row);
            let sum: f64 = scores.iter().map(|score| score.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-4, "{sum}");
            assert!(scores[1] < -80.0 && scores[0] > -10.0 && scores[2] > -10.0, "{scores:?}");
        }
    }

    #[test]
    fn trees_are_sound_and_leaves_are_large_enough() {
        let (x, y) = quarters(60, 4);
        // A feature that is constant, and rows that are all the same, cannot be split.
        let x: Vec<Vec<f64>> = x.iter().map(|row| vec![7.0, row[0], row[1]]).collect();
        let forest = grown(&x, &y, 2);
        assert_eq!(forest.trees.len(), TREES);
        for tree in &forest.trees {
            tree.check(3, 2).unwrap();
            let mut n_in = vec![0; tree.leaves.len() / 2];
            x.iter().for_each(|row| n_in[tree.leaf(row)] += 1);
            assert!(n_in.iter().all(|&n| n >= SMALLEST_LEAF), "{n_in:?}");
        }
        let same = grown(&vec![vec![1.0]; 8], &[0, 1, 0, 1, 0, 1, 0, 1], 2);
        assert!((same.scores(&[1.0])[0].exp() - 0.5).abs() < 1e-6);
        assert_ne!(forest.trees[0], forest.trees[1]);
    }

    #[test]
    fn trees_that_lead_nowhere_are_refused() {
        let split = |other| Node::Split { feature: 0, threshold: 0.0, other };
        let tree = |nodes: &[Node]| Tree { nodes: nodes.to_vec(), leaves: vec![0.5; 4] };
        tree(&[split(2), Node::Leaf(0), Node::Leaf(1)]).check(1, 2).unwrap();
        for nodes in [
            &[][..],
            &[split(0), Node::Leaf(0), Node::Leaf(1)],
            &[split(1), Node::Leaf(0), Node::Leaf(1)],
            &[split(3), Node::Leaf(0), Node::Leaf(1)],
            &[split(2), Node::Leaf(0), Node::Leaf(2)],
            &[Node::Split { feature: 1, threshold: 0.0, other: 2 }, Node::Leaf(0), Node::Leaf(1)],
            &[Node::Split { feature: 0, threshold: f32::NAN, other: 2 }, Node::Leaf(0), Node::Leaf(1)],
        ] {
            assert!(tree(nodes).check(1, 2).is_err(), "{nodes:?}");
        }
    }
}
