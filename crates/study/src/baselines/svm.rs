//! A linear support vector machine, `min ½‖w‖² + C Σ max(1 − yᵢ w·xᵢ, 0)`, by dual coordinate descent (Hsieh, Chang, Lin,
//! Keerthi, Sundararajan, "A dual coordinate descent method for large-scale linear SVM", ICML 2008).
//!
//! The last weight is that of a feature which is constantly 1, as in LIBLINEAR with a bias: it is penalised too.

use triax_model::random::{Purpose, Stream};

use super::linear::{add_scaled, score};

/// The most rounds over all windows.
const MOST_ROUNDS: u64 = 300;
/// Spread of the projected gradients at which the iteration ends; LIBLINEAR's default for this problem is 0.1.
const TOLERANCE: f64 = 0.05;

/// The weights for rows `x` (n, features) of sign `y` (±1), the bias last.
pub(crate) fn train(x: &[Vec<f64>], y: &[f64], c: f64) -> Vec<f64> {
    let n_features = x.first().map_or(0, Vec::len);
    let (mut w, mut alpha) = (vec![0.0; n_features + 1], vec![0.0; x.len()]);
    let curvature: Vec<f64> = x.iter().map(|row| row.iter().map(|value| value * value).sum::<f64>() + 1.0).collect();
    let mut order: Vec<usize> = (0..x.len()).collect();
    for round in 0..MOST_ROUNDS {
        Stream::new(0, Purpose::Shuffle, round).shuffle(&mut order);
        let (mut largest, mut smallest) = (f64::NEG_INFINITY, f64::INFINITY);
        for &i in &order {
            let gradient = y[i] * score(&w, &x[i]) - 1.0;
            // At a bound, only a gradient that leads away from it counts.
            let projected = if alpha[i] == 0.0 {
                gradient.min(0.0)
            } else if alpha[i] == c {
                gradient.max(0.0)
            } else {
                gradient
            };
            largest = largest.max(projected);
            smallest = smallest.min(projected);
            if projected != 0.0 {
                let moved = (alpha[i] - gradient / curvature[i]).clamp(0.0, c);
                let by = (moved - alpha[i]) * y[i];
                alpha[i] = moved;
                add_scaled(&mut w, by, &x[i]);
            }
        }
        if largest - smallest < TOLERANCE {
            break;
        }
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objective(w: &[f64], x: &[Vec<f64>], y: &[f64], c: f64) -> f64 {
        let losses = x.iter().zip(y).map(|(row, y)| (1.0 - y * score(w, row)).max(0.0));
        w.iter().map(|w| w * w).sum::<f64>() / 2.0 + c * losses.sum::<f64>()
    }

    #[test]
    fn the_widest_gap_is_found() {
        // By hand: of points at ±2 on one axis, w = (½, 0) is the shortest with margins of 1.
        let w = train(&[vec![2.0], vec![-2.0]], &[1.0, -1.0], 1.0);
        assert!((w[0] - 0.5).abs() < 0.02 && w[1].abs() < 0.02, "{w:?}");
    }

    #[test]
    fn no_direction_leads_further_down() {
        let mut draws = Stream::new(1, Purpose::Initialise, 0);
        let x: Vec<Vec<f64>> = (0..80).map(|_| (0..5).map(|_| draws.normal()).collect()).collect();
        let y: Vec<f64> = x.iter().map(|row| (row[0] - row[1] + 0.8 * draws.normal()).signum()).collect();
        let w = train(&x, &y, 1.0);
        let found = objective(&w, &x, &y, 1.0);
        for _ in 0..500 {
            let other: Vec<f64> = w.iter().map(|w| w + 0.05 * draws.normal()).collect();
            assert!(objective(&other, &x, &y, 1.0) > found * 0.998, "a random step is better");
        }
    }
}
