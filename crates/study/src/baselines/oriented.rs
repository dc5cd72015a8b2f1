//! Features of the three axes of a sensor that hold however the sensor is turned: of the movement along gravity and across it.
//!
//! The mean of the axes over a window stands for gravity, as in Mizell ("Using gravity to estimate accelerometer orientation",
//! ISWC 2003). Of a sensor that feels no gravity it is the direction that it leans to.

use super::features::{Spectrum, correlation, time_features};
use crate::statistics::mean;

/// Number of series that are made of three axes.
const SERIES: usize = 5;
/// Number of features that are of no single series: three deviations with their shares, the length of the mean, the peaks of
/// two autocorrelations with their lags, and a correlation.
const OTHERS: usize = 12;
/// Lags in seconds between which the rhythm of a movement is looked for.
const LAGS: (f64, f64) = (0.3, 2.0);
/// Rounds in which a matrix becomes diagonal: for one of three rows, four reach the last digit.
const SWEEPS: usize = 8;

/// Number of features of three axes, where a series has `of_series`.
pub(super) const fn count(of_series: usize) -> usize {
    SERIES * of_series + OTHERS
}

/// The features of the three `axes` (3, n), at `rate_hz` samples a second.
pub(super) fn features(axes: &[Vec<f64>], rate_hz: f64, spectrum: &Spectrum) -> Vec<f64> {
    let n = axes[0].len();
    let gravity = [0, 1, 2].map(|axis| mean(&axes[axis]));
    let strength = length(gravity);
    let up = gravity.map(|value| if strength > 1e-9 { value / strength } else { 0.0 });
    let rows = || (0..n).map(|t| [axes[0][t], axes[1][t], axes[2][t]]);
    let moved: Vec<[f64; 3]> = rows().map(|row| [0, 1, 2].map(|axis| row[axis] - gravity[axis])).collect();
    let vertical: Vec<f64> = moved.iter().map(|row| dot(*row, up)).collect();
    let across: Vec<[f64; 3]> =
        moved.iter().zip(&vertical).map(|(row, v)| [0, 1, 2].map(|axis| row[axis] - v * up[axis])).collect();
    let main = main_axis(&across);
    let jerk = |(a, b): (&[f64; 3], &[f64; 3])| rate_hz * length([0, 1, 2].map(|axis| b[axis] - a[axis]));
    let mut jerks: Vec<f64> = moved.iter().zip(moved.iter().skip(1)).map(jerk).collect();
    // As long as the other series.
    jerks.push(jerks.last().copied().unwrap_or(0.0));
    let horizontal: Vec<f64> = across.iter().map(|row| length(*row)).collect();
    let series: [Vec<f64>; SERIES] = [
        vertical,
        horizontal,
        moved.iter().map(|row| length(*row)).collect(),
        across.iter().map(|row| dot(*row, main)).collect(),
        jerks,
    ];
    let mut features = Vec::with_capacity(count(0));
    for one in &series {
        features.extend(time_features(one));
        features.extend(spectrum.features(one));
    }
    let mut deviations = eigen(covariance(&moved)).0.map(|value| value.max(0.0).sqrt());
    deviations.sort_by(f64::total_cmp);
    let sum = deviations.iter().sum::<f64>().max(1e-9);
    features.extend(deviations);
    features.extend(deviations.map(|deviation| deviation / sum));
    features.push(strength);
    let magnitude: Vec<f64> = rows().map(length).collect();
    features.extend(rhythm(&magnitude, rate_hz));
    features.extend(rhythm(&series[0], rate_hz));
    features.push(correlation(&series[0], &series[1]));
    features
}

/// The largest autocorrelation at the lags of [`LAGS`], and its lag in seconds. Both are 0 for a series that is constant or
/// shorter.
fn rhythm(x: &[f64], rate_hz: f64) -> [f64; 2] {
    let mean = mean(x);
    let at = |lag: usize| -> f64 { x.iter().zip(x.iter().skip(lag)).map(|(a, b)| (a - mean) * (b - mean)).sum() };
    let whole = at(0);
    let lags = (LAGS.0 * rate_hz).round().max(1.0) as usize..=(LAGS.1 * rate_hz).round() as usize;
    let lags = lags.take_while(|lag| *lag < x.len());
    if whole <= 1e-9 * (1.0 + mean * mean) {
        return [0.0; 2];
    }
    let peak = lags.map(|lag| (at(lag) / whole, lag)).fold(None, |best: Option<(f64, usize)>, one| match best {
        Some(best) if best.0 >= one.0 => Some(best),
        _ => Some(one),
    });
    peak.map_or([0.0; 2], |(peak, lag)| [peak, lag as f64 / rate_hz])
}

/// The direction in which `rows`, whose mean is 0, spread the most; of its two senses that in which the larger values lie. All
/// 0 if they do not spread.
fn main_axis(rows: &[[f64; 3]]) -> [f64; 3] {
    let (values, vectors) = eigen(covariance(rows));
    let largest = (1..3).fold(0, |best, other| if values[other] > values[best] { other } else { best });
    if values[largest] <= 1e-12 {
        return [0.0; 3];
    }
    let axis = [0, 1, 2].map(|row| vectors[row][largest]);
    let skew: f64 = rows.iter().map(|row| dot(*row, axis).powi(3)).sum();
    if skew < 0.0 { axis.map(|value| -value) } else { axis }
}

fn covariance(rows: &[[f64; 3]]) -> [[f64; 3]; 3] {
    let n = rows.len() as f64;
    [0, 1, 2].map(|a| [0, 1, 2].map(|b| rows.iter().map(|row| row[a] * row[b]).sum::<f64>() / n))
}

/// The eigenvalues of a symmetric matrix, and its eigenvectors as columns, by Jacobi's rotations (Golub and Van Loan, "Matrix
/// computations", 8.5).
fn eigen(mut a: [[f64; 3]; 3]) -> ([f64; 3], [[f64; 3]; 3]) {
    let mut vectors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..SWEEPS {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q] == 0.0 {
                continue;
            }
            let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
            let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
            let cos = 1.0 / t.hypot(1.0);
            let sin = t * cos;
            for row in &mut a {
                (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
            }
            let (one, other) = (a[p], a[q]);
            a[p] = [0, 1, 2].map(|n| cos * one[n] - sin * other[n]);
            a[q] = [0, 1, 2].map(|n| sin * one[n] + cos * other[n]);
            for row in &mut vectors {
                (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
            }
        }
    }
    ([a[0][0], a[1][1], a[2][2]], vectors)
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn length(row: [f64; 3]) -> f64 {
    dot(row, row).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_are_turned_by_their_matrix_into_multiples_of_themselves() {
        let a = [[4.0, 1.0, -2.0], [1.0, 2.0, 0.5], [-2.0, 0.5, 3.0]];
        let (values, vectors) = eigen(a);
        for n in 0..3 {
            let vector = [0, 1, 2].map(|row| vectors[row][n]);
            for row in 0..3 {
                assert!((dot(a[row], vector) - values[n] * vector[row]).abs() < 1e-12);
            }
            assert!((length(vector) - 1.0).abs() < 1e-12);
        }
        assert!((values.iter().sum::<f64>() - 9.0).abs() < 1e-12, "the trace");
    }

    #[test]
    fn a_turned_sensor_has_the_same_features() {
        let row = |t: f64| {
            [0.8 * (0.7 * t).sin() + 0.1 * (0.9 * t).cos().powi(2), 0.3 * (1.3 * t).cos(), 9.0 + (0.7 * t).cos()]
        };
        // Turned by 40° about the first axis, then by 70° about the third.
        let turned = |[x, y, z]: [f64; 3]| {
            let ((s, c), (u, v)) = (40_f64.to_radians().sin_cos(), 70_f64.to_radians().sin_cos());
            let (y, z) = (c * y - s * z, s * y + c * z);
            [v * x - u * y, u * x + v * y, z]
        };
        let axes = |turn: &dyn Fn([f64; 3]) -> [f64; 3]| -> Vec<Vec<f64>> {
            let rows: Vec<[f64; 3]> = (0..80).map(|t| turn(row(f64::from(t)))).collect();
            (0..3).map(|axis| rows.iter().map(|row| row[axis]).collect()).collect()
        };
        let spectrum = Spectrum::new(80, 20.0);
        let one = features(&axes(&|row| row), 20.0, &spectrum);
        let other = features(&axes(&turned), 20.0, &spectrum);
        assert_eq!(one.len(), count(17));
        for (n, (one, other)) in one.iter().zip(&other).enumerate() {
            assert!((one - other).abs() < 1e-8 * (1.0 + one.abs()), "feature {n}: {one} and {other}");
        }
    }

    #[test]
    fn a_rhythm_is_found_at_its_period() {
        let x: Vec<f64> = (0..120).map(|t| (std::f64::consts::TAU * f64::from(t) / 16.0).sin()).collect();
        let [peak, lag] = rhythm(&x, 20.0);
        assert!(peak > 0.8 && (lag - 0.8).abs() < 1e-9, "{peak} at {lag}");
        assert_eq!(rhythm(&[2.0; 120], 20.0), [0.0; 2]);
        assert_eq!(rhythm(&[1.0, 2.0], 20.0), [0.0; 2]);
    }
}
