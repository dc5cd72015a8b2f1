//! A linear function of a row of features: a weight for each of them, and a bias, the last of the weights.

/// `w·x`, with the bias.
pub(crate) fn score(w: &[f64], x: &[f64]) -> f64 {
    let (bias, weights) = w.split_last().expect("a bias at least");
    // Eight partial sums, so that additions do not wait for each other.
    let mut lanes = [0.0; 8];
    let (whole, rest) = (weights.chunks_exact(8), weights.chunks_exact(8).remainder());
    for (weights, x) in whole.zip(x.chunks_exact(8)) {
        lanes.iter_mut().zip(weights.iter().zip(x)).for_each(|(lane, (w, value))| *lane += w * value);
    }
    let last = rest.iter().zip(x.chunks_exact(8).remainder()).map(|(w, value)| w * value);
    bias + lanes.iter().sum::<f64>() + last.sum::<f64>()
}

/// `w += by·x`, where the bias reads a feature that is always 1.
pub(crate) fn add_scaled(w: &mut [f64], by: f64, x: &[f64]) {
    let (bias, weights) = w.split_last_mut().expect("a bias at least");
    weights.iter_mut().zip(x).for_each(|(w, value)| *w += by * value);
    *bias += by;
}
