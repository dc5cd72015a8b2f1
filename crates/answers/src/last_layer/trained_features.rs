//! What is kept of the features of the windows that a network was trained on.

use serde::{Deserialize, Serialize};
use triax_model::random::{Purpose, Stream};

use super::regression::{dot, orthonormalise};

/// The most directions that are kept. On WISDM v2, eight of 120 hold 93 % of the mean square, and twice as many gained nothing.
const MOST_DIRECTIONS: usize = 8;
/// Rounds of the iteration for the directions. They need not be exact.
const ROUNDS: usize = 12;
/// The most features of a network whose directions are kept.
const MOST_FEATURES: usize = 4096;
/// The most training windows that are looked at.
const MOST_WINDOWS: usize = 1024;
/// The part of the metric that knows nothing: an even share of the mean square for each feature.
const EVEN_PART: f64 = 0.1;

/// The second moments of the features of the windows that a network was trained on, by their strongest directions.
///
/// They are an entry in the metadata of a weight file, and say which changes of a last layer change the scores of these windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedFeatures {
    /// The mean of ‖x‖² over the windows.
    mean_square: f32,
    /// Orthogonal directions (n_features), each as long as the root of the mean of (x·u)², where u is its unit vector.
    directions: Vec<Vec<f32>>,
}

impl TrainedFeatures {
    /// The key of the entry.
    pub const KEY: &str = "features";

    /// The windows that [`TrainedFeatures::of`] should see of those with the indices `train`: evenly many from everywhere, and
    /// none where there are more features than are kept.
    pub fn chosen(train: &[u32], n_features: usize) -> Vec<u32> {
        if n_features > MOST_FEATURES {
            return Vec::new();
        }
        let n = train.len().min(MOST_WINDOWS);
        (0..n).map(|at| train[at * train.len() / n]).collect()
    }

    /// The moments of `features` (n_windows, n_features), by orthogonal iteration (Golub and Van Loan, "Matrix Computations",
    /// 2013, 7.3.2). None of no windows, of features that are all 0, or are not finite.
    pub fn of(features: &[f32], n_features: usize) -> Option<Self> {
        let n_windows = features.len() / n_features;
        let rows = || features.chunks_exact(n_features);
        let mean_square = features.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n_windows as f64;
        if !(mean_square > 0.0 && (mean_square as f32).is_finite()) {
            return None;
        }
        let along = |row: &[f32], u: &[f64]| -> f64 { row.iter().zip(u).map(|(&x, u)| f64::from(x) * u).sum() };
        let mut start = Stream::new(0, Purpose::Directions, 0);
        let n_directions = MOST_DIRECTIONS.min(n_features).min(n_windows);
        let mut units: Vec<Vec<f64>> =
            (0..n_directions).map(|_| (0..n_features).map(|_| start.normal()).collect()).collect();
        orthonormalise(&mut units);
        for _ in 0..ROUNDS {
            let mut next = vec![vec![0.0; n_features]; units.len()];
            for row in rows() {
                for (next, u) in next.iter_mut().zip(&units) {
                    let length = along(row, u);
                    next.iter_mut().zip(row).for_each(|(next, &x)| *next += length * f64::from(x));
                }
            }
            orthonormalise(&mut next);
            units = next;
        }
        let direction = |u: Vec<f64>| {
            let length = (rows().map(|row| along(row, &u).powi(2)).sum::<f64>() / n_windows as f64).sqrt();
            u.into_iter().map(|u| (length * u) as f32).collect()
        };
        Some(Self { mean_square: mean_square as f32, directions: units.into_iter().map(direction).collect() })
    }

    /// The entry's text.
    ///
    /// # Errors
    /// None that can happen: numbers are finite.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads the entry of a network with this many features.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn from_json(text: &str, n_features: usize) -> Result<Self, String> {
        let read: Self = serde_json::from_str(text).map_err(|problem| format!("cannot be understood: {problem}"))?;
        let is_sound = |direction: &Vec<f32>| direction.len() == n_features && direction.iter().all(|x| x.is_finite());
        if read.directions.len() > MOST_DIRECTIONS.min(n_features) || !read.directions.iter().all(is_sound) {
            return Err(format!("`directions` are not up to {MOST_DIRECTIONS} rows of {n_features} numbers"));
        }
        if !(read.mean_square > 0.0 && read.mean_square.is_finite()) {
            return Err("`mean_square` is no number above 0".to_owned());
        }
        Ok(read)
    }

    /// The mean of ‖x‖² over the windows.
    pub(super) fn mean_square(&self) -> f64 {
        self.mean_square.into()
    }

    /// The metric of these moments, whose mean eigenvalue is 1.
    pub(super) fn metric(&self, n_features: usize) -> Metric {
        let directions =
            self.directions.iter().map(|direction| -> Vec<f64> { direction.iter().map(|&x| x.into()).collect() });
        let directions: Vec<(Vec<f64>, f64)> = directions
            .map(|direction| {
                let square = dot(&direction, &direction);
                (direction, square)
            })
            .filter(|(_, square)| *square > 0.0)
            .collect();
        let in_directions: f64 = directions.iter().map(|(_, square)| square).sum();
        let n_rest = (n_features - directions.len()).max(1);
        let eigenvalue = |square: f64| (1.0 - EVEN_PART) * square * n_features as f64 / self.mean_square() + EVEN_PART;
        let rest = eigenvalue((self.mean_square() - in_directions).max(0.0) / n_rest as f64);
        let stretched = directions.into_iter().map(|(mut direction, square)| {
            direction.iter_mut().for_each(|x| *x /= square.sqrt());
            (direction, (rest / eigenvalue(square)).sqrt() - 1.0)
        });
        Metric { stretched: stretched.collect(), scale: rest.sqrt().recip() }
    }
}

/// A positive definite matrix `M` that is a multiple of the identity but for a few directions.
pub(super) struct Metric {
    /// Unit vectors, each with the root of the rest's eigenvalue over its own, less 1.
    stretched: Vec<(Vec<f64>, f64)>,
    /// One over the root of the rest's eigenvalue.
    scale: f64,
}

impl Metric {
    /// The identity.
    pub fn identity() -> Self {
        Self { stretched: Vec::new(), scale: 1.0 }
    }

    /// `M^-½·x` in the place of `x`.
    pub fn apply_inverse_root(&self, x: &mut [f64]) {
        let lengths: Vec<f64> = self.stretched.iter().map(|(u, stretch)| stretch * dot(u, x)).collect();
        for ((u, _), length) in self.stretched.iter().zip(lengths) {
            x.iter_mut().zip(u).for_each(|(x, u)| *x += length * u);
        }
        x.iter_mut().for_each(|x| *x *= self.scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows (64) of four features: the mean square is 9 along (1, 1, 0, 0)/√2, 1 along the third axis, and 0.01 along the others.
    fn features() -> Vec<f32> {
        let window = |n: usize| {
            let sign = |period: usize| if (n / period).is_multiple_of(2) { 1.0 } else { -1.0 };
            let (a, b, c, d) = (3.0 * sign(1), 0.1 * sign(2), sign(4), 0.1 * sign(8));
            let root = std::f32::consts::FRAC_1_SQRT_2;
            [root * (a + b), root * (a - b), c, d]
        };
        (0..64).flat_map(window).collect()
    }

    #[test]
    fn the_strongest_directions_are_those_of_the_moments() {
        let found = TrainedFeatures::of(&features(), 4).unwrap();
        assert!((found.mean_square - 10.02).abs() < 1e-5, "{found:?}");
        let root = 3.0 * std::f32::consts::FRAC_1_SQRT_2;
        for (found, expected) in found.directions.iter().zip([[root, root, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]) {
            let sign = found.iter().sum::<f32>().signum();
            let is_near = found.iter().zip(expected).all(|(found, expected)| (sign * found - expected).abs() < 1e-4);
            assert!(is_near, "{found:?} is not {expected:?}");
        }
        // x·M⁻¹·x of unit vectors, by the eigenvalues of M.
        let metric = found.metric(4);
        let cost = |mut x: [f64; 4]| {
            metric.apply_inverse_root(&mut x);
            1.0 / dot(&x, &x)
        };
        let unit = std::f64::consts::FRAC_1_SQRT_2;
        for (x, square) in [([unit, unit, 0.0, 0.0], 9.0), ([0.0, 0.0, 1.0, 0.0], 1.0), ([unit, -unit, 0.0, 0.0], 0.01)]
        {
            let expected = 0.9 * square * 4.0 / 10.02 + 0.1;
            assert!((cost(x) / expected - 1.0).abs() < 1e-4, "{} is not {expected}", cost(x));
        }
    }

    #[test]
    fn few_windows_and_features_have_fewer_directions() {
        let one = TrainedFeatures::of(&[3.0, 4.0], 2).unwrap().directions;
        assert!(one == [[3.0, 4.0]] || one == [[-3.0, -4.0]], "{one:?}");
        let twice = TrainedFeatures::of(&[3.0, 4.0, 3.0, 4.0], 2).unwrap();
        assert_eq!((twice.directions.len(), twice.mean_square), (1, 25.0));
        for nothing in [&[][..], &[0.0; 6], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0]] {
            assert_eq!(TrainedFeatures::of(nothing, 2), None, "{nothing:?}");
        }
    }

    #[test]
    fn windows_are_chosen_from_everywhere() {
        let train: Vec<u32> = (0..5000).map(|n| 2 * n).collect();
        let chosen = TrainedFeatures::chosen(&train, 10);
        assert_eq!((chosen.len(), chosen[0], *chosen.last().unwrap()), (MOST_WINDOWS, 0, 9990));
        assert_eq!(TrainedFeatures::chosen(&train[..3], 10), [0, 2, 4]);
        assert!(TrainedFeatures::chosen(&[], 10).is_empty());
        assert!(TrainedFeatures::chosen(&train, MOST_FEATURES + 1).is_empty());
    }

    #[test]
    fn what_is_written_is_read_and_what_does_not_fit_is_refused() {
        let known = TrainedFeatures::of(&features(), 4).unwrap();
        let text = known.to_json().unwrap();
        assert_eq!(TrainedFeatures::from_json(&text, 4).unwrap(), known);
        let refused = |text: &str, n_features| TrainedFeatures::from_json(text, n_features).unwrap_err();
        assert!(refused(&text, 5).contains("rows of 5 numbers"));
        assert!(refused(r#"{"mean_square":1.0,"directions":[[1],[1]]}"#, 1).contains("rows of 1 numbers"));
        assert!(refused(r#"{"mean_square":1.0,"directions":[[1e999]]}"#, 1).contains("cannot be understood"));
        assert!(refused(r#"{"mean_square":0.0,"directions":[]}"#, 1).contains("above 0"));
        assert!(refused("{", 4).contains("cannot be understood"));
        // Directions that are anything at all give a metric all the same.
        for directions in ["[[0,0]]", "[[1,0],[1,0]]", "[[1e20,1],[1,1e20]]"] {
            let text = format!(r#"{{"mean_square":1.0,"directions":{directions}}}"#);
            let mut x = [1.0, 2.0];
            TrainedFeatures::from_json(&text, 2).unwrap().metric(2).apply_inverse_root(&mut x);
            assert!(x.iter().all(|x| x.is_finite()), "{directions}: {x:?}");
        }
    }
}
