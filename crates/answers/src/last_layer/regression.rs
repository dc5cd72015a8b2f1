//! The regression that changes a layer.

use super::positive_definite;
use super::trained_features::{Metric, TrainedFeatures};

/// The inputs of a regression: features, and one more that is always as large as they are together.
pub struct Inputs {
    /// (n_windows, n_features + 1). The features are `M^-½·x`, so that the pull is the same for each.
    rows: Vec<f64>,
    n_inputs: usize,
    /// The additional feature: the root of the mean over windows of ‖x‖².
    size: f64,
    metric: Metric,
}

impl Inputs {
    /// Those of `features` (n_windows, n_features), of windows with these weights. `trained` says what the network was trained on.
    pub fn new(features: &[f32], n_features: usize, weights: &[f64], trained: Option<&TrainedFeatures>) -> Self {
        let windows = || features.chunks_exact(n_features).map(|x| x.iter().map(|&x| f64::from(x)));
        let mean_square = trained.map_or_else(
            || {
                let squares = windows().zip(weights).map(|(x, weight)| weight * x.map(|x| x * x).sum::<f64>());
                squares.sum::<f64>() / weights.iter().sum::<f64>()
            },
            TrainedFeatures::mean_square,
        );
        // Of features that are all 0, only the bias can learn.
        let size = if mean_square > 0.0 { mean_square.sqrt() } else { 1.0 };
        let metric = trained.map_or_else(Metric::identity, |trained| trained.metric(n_features));
        let mut rows = Vec::with_capacity(weights.len() * (n_features + 1));
        for window in windows() {
            let start = rows.len();
            rows.extend(window);
            metric.apply_inverse_root(&mut rows[start..]);
            rows.push(size);
        }
        Self { rows, n_inputs: n_features + 1, size, metric }
    }

    /// The change of kernel (n_features, classes) and bias (classes) with which scores change as `wanted` (n_windows, classes);
    /// none if there is none that is finite.
    ///
    /// Of the two forms of the solution, `(XᵀX + λI)⁻¹Xᵀ` and `Xᵀ(XXᵀ + λI)⁻¹`, the one with the smaller matrix is taken.
    pub fn change(&self, wanted: &[f64], weights: &[f64], strength: f64) -> Option<(Vec<f64>, Vec<f64>)> {
        let (n, n_inputs, classes) = (weights.len(), self.n_inputs, wanted.len() / weights.len());
        let weighted = |values: &[f64], width: usize| -> Vec<f64> {
            let rows = values.chunks_exact(width).zip(weights);
            rows.flat_map(|(row, weight)| row.iter().map(move |value| value * weight.sqrt())).collect()
        };
        let (x, wanted) = (weighted(&self.rows, n_inputs), weighted(wanted, classes));
        let pull = strength * 2.0 * self.size * self.size;
        let change = if n <= n_inputs {
            let mut matrix = vec![0.0; n * n];
            for row in 0..n {
                for column in 0..=row {
                    matrix[row * n + column] =
                        dot(&x[row * n_inputs..][..n_inputs], &x[column * n_inputs..][..n_inputs]);
                }
                matrix[row * n + row] += pull;
            }
            let mut duals = wanted;
            let is_solved = positive_definite::solve(matrix, &mut duals, classes);
            is_solved.then(|| transposed_product(&x, n_inputs, &duals, classes))
        } else {
            let mut matrix = transposed_product(&x, n_inputs, &x, n_inputs);
            (0..n_inputs).for_each(|at| matrix[at * n_inputs + at] += pull);
            let mut change = transposed_product(&x, n_inputs, &wanted, classes);
            positive_definite::solve(matrix, &mut change, classes).then_some(change)
        };
        change.map(|change| self.of_layer(change, classes))
    }

    /// A change (n_features + 1, classes) of the weights of these inputs as that of a layer.
    fn of_layer(&self, mut change: Vec<f64>, classes: usize) -> (Vec<f64>, Vec<f64>) {
        let bias = change.split_off((self.n_inputs - 1) * classes);
        for class in 0..classes {
            let mut column: Vec<f64> = change.iter().skip(class).step_by(classes).copied().collect();
            self.metric.apply_inverse_root(&mut column);
            change.iter_mut().skip(class).step_by(classes).zip(column).for_each(|(change, value)| *change = value);
        }
        (change, bias.into_iter().map(|change| change * self.size).collect())
    }
}

/// `a·b`
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Makes unit vectors of `vectors` that are orthogonal to each other, by Gram and Schmidt's way, done twice for its rounding. Those
/// that say nothing new are taken out.
pub fn orthonormalise(vectors: &mut Vec<Vec<f64>>) {
    let mut units: Vec<Vec<f64>> = Vec::with_capacity(vectors.len());
    for mut vector in vectors.drain(..) {
        let before = dot(&vector, &vector);
        for u in units.iter().chain(&units) {
            let length = dot(u, &vector);
            vector.iter_mut().zip(u).for_each(|(value, u)| *value -= length * u);
        }
        let square = dot(&vector, &vector);
        if square.is_finite() && square > 1e-20 * before {
            vector.iter_mut().for_each(|value| *value /= square.sqrt());
            units.push(vector);
        }
    }
    *vectors = units;
}

/// `aᵀ·b` (width_a, width_b) of `a` (n, width_a) and `b` (n, width_b).
fn transposed_product(a: &[f64], width_a: usize, b: &[f64], width_b: usize) -> Vec<f64> {
    let mut product = vec![0.0; width_a * width_b];
    for (a, b) in a.chunks_exact(width_a).zip(b.chunks_exact(width_b)) {
        for (a, row) in a.iter().zip(product.chunks_exact_mut(width_b)) {
            row.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
        }
    }
    product
}
