//! What a classical model has learnt as the tensors of its weight file.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use triax_model::WeightFileError;

use super::features::FeatureScaler;
use super::model::Linear;
use super::trees::{Forest, Node, Tree};

/// In place of the feature of a node that is a leaf.
const LEAF: u32 = u32::MAX;
/// The most trees.
const MOST_TREES: usize = 100_000;

/// A tensor to write.
pub(super) struct Bytes {
    pub name: &'static str,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Bytes {
    fn f64(name: &'static str, shape: &[usize], values: impl IntoIterator<Item = f64>) -> Self {
        let bytes = values.into_iter().flat_map(f64::to_le_bytes).collect();
        Self { name, dtype: Dtype::F64, shape: shape.to_vec(), bytes }
    }

    fn f32(name: &'static str, shape: &[usize], values: impl IntoIterator<Item = f32>) -> Self {
        let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
        Self { name, dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }

    fn u32(name: &'static str, shape: &[usize], values: impl IntoIterator<Item = u32>) -> Self {
        let bytes = values.into_iter().flat_map(u32::to_le_bytes).collect();
        Self { name, dtype: Dtype::U32, shape: shape.to_vec(), bytes }
    }
}

impl Linear {
    /// The classes that have weights.
    pub fn seen(&self) -> Vec<usize> {
        (0..self.weights.len()).filter(|&class| self.weights[class].is_some()).collect()
    }

    pub fn tensors(&self) -> Vec<Bytes> {
        let n_features = self.scaler.mean.len();
        let weights = self.weights.iter().flatten().flatten().copied();
        vec![
            Bytes::f64("mean", &[n_features], self.scaler.mean.iter().copied()),
            Bytes::f64("scale", &[n_features], self.scaler.scale.iter().copied()),
            Bytes::f64("weights", &[self.seen().len(), n_features + 1], weights),
        ]
    }
}

impl Forest {
    /// The classes that have a share.
    pub fn seen(&self) -> Vec<usize> {
        (0..self.shares.len()).filter(|&class| self.shares[class] > 0.0).collect()
    }

    pub fn tensors(&self) -> Vec<Bytes> {
        let classes = self.shares.len();
        let nodes = || self.trees.iter().flat_map(|tree| &tree.nodes);
        let leaves = || self.trees.iter().flat_map(|tree| &tree.leaves).copied();
        let (n_nodes, n_leaves) = (nodes().count(), leaves().count() / classes);
        let sizes = self.trees.iter().flat_map(|tree| [tree.nodes.len() as u32, (tree.leaves.len() / classes) as u32]);
        let parts = |node: &Node| match *node {
            Node::Split { feature, threshold, other } => (feature, threshold, other),
            Node::Leaf(leaf) => (LEAF, 0.0, leaf),
        };
        vec![
            Bytes::f32("shares", &[classes], self.shares.iter().copied()),
            // Nodes and leaves of each tree; those of all trees follow each other.
            Bytes::u32("trees", &[self.trees.len(), 2], sizes),
            Bytes::u32("features", &[n_nodes], nodes().map(|node| parts(node).0)),
            Bytes::f32("thresholds", &[n_nodes], nodes().map(|node| parts(node).1)),
            // The node where the far side of a split goes on, or the number of a leaf.
            Bytes::u32("others", &[n_nodes], nodes().map(|node| parts(node).2)),
            Bytes::f32("leaves", &[n_leaves, classes], leaves()),
        ]
    }
}

/// The tensors of the file `path`.
pub(super) struct Tensors<'a> {
    pub path: &'a Path,
    pub tensors: SafeTensors<'a>,
}

impl Tensors<'_> {
    fn wrong(&self, name: &str, problem: String) -> WeightFileError {
        WeightFileError::Tensor { path: self.path.to_owned(), tensor: name.to_owned(), problem }
    }

    /// The words of a tensor, which must have this type and shape.
    fn words<const N: usize>(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&[[u8; N]], WeightFileError> {
        let view = self.tensors.tensor(name).map_err(|_| self.wrong(name, "is missing".to_owned()))?;
        if view.dtype() != dtype || view.shape() != shape {
            let (own_dtype, own_shape) = (view.dtype(), view.shape());
            return Err(
                self.wrong(name, format!("is {own_dtype} {own_shape:?}, and the model needs {dtype} {shape:?}"))
            );
        }
        Ok(view.data().as_chunks().0)
    }

    fn f64s(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>, WeightFileError> {
        let values: Vec<f64> =
            self.words(name, Dtype::F64, shape)?.iter().map(|word| f64::from_le_bytes(*word)).collect();
        match values.iter().position(|value| !value.is_finite()) {
            Some(i) => Err(self.wrong(name, format!("holds {} at element {i}; all values must be finite", values[i]))),
            None => Ok(values),
        }
    }

    fn f32s(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightFileError> {
        let values: Vec<f32> =
            self.words(name, Dtype::F32, shape)?.iter().map(|word| f32::from_le_bytes(*word)).collect();
        match values.iter().position(|value| !value.is_finite()) {
            Some(i) => Err(self.wrong(name, format!("holds {} at element {i}; all values must be finite", values[i]))),
            None => Ok(values),
        }
    }

    fn u32s(&self, name: &str, shape: &[usize]) -> Result<Vec<u32>, WeightFileError> {
        Ok(self.words(name, Dtype::U32, shape)?.iter().map(|word| u32::from_le_bytes(*word)).collect())
    }

    /// Linear functions of `n_features` features for the classes `seen` of `classes`.
    pub fn linear(&self, n_features: usize, classes: usize, seen: &[usize]) -> Result<Linear, WeightFileError> {
        let (mean, scale) = (self.f64s("mean", &[n_features])?, self.f64s("scale", &[n_features])?);
        let of_seen = self.f64s("weights", &[seen.len(), n_features + 1])?;
        let mut weights = vec![None; classes];
        seen.iter().zip(of_seen.chunks_exact(n_features + 1)).for_each(|(&class, of_class)| {
            weights[class] = Some(of_class.to_vec());
        });
        Ok(Linear { scaler: FeatureScaler { mean, scale }, weights })
    }

    /// Trees that read `n_features` features and tell `classes` apart.
    pub fn forest(&self, n_features: usize, classes: usize) -> Result<Forest, WeightFileError> {
        let shares = self.f32s("shares", &[classes])?;
        let n_trees = self.tensors.tensor("trees").map_or(0, |view| view.shape().first().copied().unwrap_or(0));
        let sizes = self.u32s("trees", &[n_trees, 2])?;
        if !(1..=MOST_TREES).contains(&n_trees) {
            return Err(self.wrong("trees", format!("has {n_trees} trees; a forest has 1 to {MOST_TREES}")));
        }
        let (sizes, _) = sizes.as_chunks::<2>();
        let sum = |n: usize| sizes.iter().map(|size| size[n] as usize).sum::<usize>();
        let (n_nodes, n_leaves) = (sum(0), sum(1));
        let (features, others) = (self.u32s("features", &[n_nodes])?, self.u32s("others", &[n_nodes])?);
        let thresholds = self.f32s("thresholds", &[n_nodes])?;
        let leaves = self.f32s("leaves", &[n_leaves, classes])?;
        let node = |at: usize| match features[at] {
            LEAF => Node::Leaf(others[at]),
            feature => Node::Split { feature, threshold: thresholds[at], other: others[at] },
        };
        let (mut trees, mut first_node, mut first_leaf) = (Vec::with_capacity(n_trees), 0, 0);
        for (n, &[nodes, own_leaves]) in sizes.iter().enumerate() {
            let (nodes, own_leaves) = (nodes as usize, own_leaves as usize * classes);
            let tree = Tree {
                nodes: (first_node..first_node + nodes).map(node).collect(),
                leaves: leaves[first_leaf..first_leaf + own_leaves].to_vec(),
            };
            tree.check(n_features, classes).map_err(|problem| self.wrong("trees", format!("tree {n}: {problem}")))?;
            trees.push(tree);
            (first_node, first_leaf) = (first_node + nodes, first_leaf + own_leaves);
        }
        Ok(Forest { shares, trees })
    }
}
