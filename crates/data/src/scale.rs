//! Standardisation: mean and deviation of each channel, fitted to training windows only.

use triax_model::Scaler;

use crate::Recording;

/// Mean and population standard deviation of each channel over all rows of the windows at `indices`, each of `window` rows,
/// among `values` (n_windows, window, channels), as scikit-learn's `StandardScaler` computes them on
/// `windows.reshape(-1, channels)`: rows that several windows share count several times. Sums are in f64, in the order of
/// `indices`.
///
/// A channel whose variance is within rounding of zero counts as constant, by scikit-learn's bound (`_is_constant_feature`:
/// n·ε·variance + (n·mean·ε)²), and gets scale 1. Without windows the scaler leaves data as it is.
pub fn fit_scaler(values: &[f32], indices: &[u32], window: usize, channels: usize) -> Scaler {
    let n_values = window * channels;
    fit(
        || indices.iter().flat_map(|&idx| values[idx as usize * n_values..][..n_values].chunks_exact(channels)),
        channels,
    )
}

/// As [`fit_scaler`], over all rows of recordings.
pub(crate) fn fit_to_recordings(recordings: &[&Recording], channels: usize) -> Scaler {
    fit(|| recordings.iter().flat_map(|recording| recording.values.chunks_exact(channels)), channels)
}

/// The scaler of `rows`, which are read twice.
fn fit<'a, I: Iterator<Item = &'a [f32]>>(rows: impl Fn() -> I, channels: usize) -> Scaler {
    let mut mean = vec![0.0; channels];
    let mut n_rows = 0_u64;
    for row in rows() {
        n_rows += 1;
        for (sum, &value) in mean.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    if n_rows == 0 {
        return Scaler { mean: vec![0.0; channels], scale: vec![1.0; channels] };
    }
    let n = n_rows as f64;
    mean.iter_mut().for_each(|sum| *sum /= n);

    // A second pass over the distances from the mean, because sums of squares cancel where the mean is large.
    let mut variance = vec![0.0; channels];
    for row in rows() {
        for ((sum, mean), &value) in variance.iter_mut().zip(&mean).zip(row) {
            *sum += (f64::from(value) - mean).powi(2);
        }
    }
    let scale = variance.iter().zip(&mean).map(|(sum, mean)| {
        let variance = sum / n;
        let is_constant = variance <= n * f64::EPSILON * variance + (n * mean * f64::EPSILON).powi(2);
        let scale = variance.sqrt() as f32;
        // Dividing by a subnormal would overflow.
        if is_constant || scale < f32::MIN_POSITIVE { 1.0 } else { scale }
    });
    Scaler { scale: scale.collect(), mean: mean.iter().map(|&m| m as f32).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scaler of all rows of `values` (rows, channels), as windows of one row.
    fn scaler_of_rows(values: &[f32], channels: usize) -> Scaler {
        let indices: Vec<u32> = (0..(values.len() / channels) as u32).collect();
        fit_scaler(values, &indices, 1, channels)
    }

    #[test]
    fn the_scaler_is_that_of_numpy() {
        // numpy 2.4.6: x = np.array([[0.5, -9.81, 3], [1.25, -9.5, 3], [-2, 0.125, 3], [7, 4.75, 3]], np.float32)
        // x.astype(np.float64).mean(0) -> [1.6875, -3.608750104904175, 3.0]
        // x.astype(np.float64).std(0)  -> [3.2947638382743003, 6.264421839928571, 0.0], and 0 becomes scikit-learn's 1
        let rows = [0.5, -9.81, 3.0, 1.25, -9.5, 3.0, -2.0, 0.125, 3.0, 7.0, 4.75, 3.0];
        let scaler = scaler_of_rows(&rows, 3);
        assert_eq!(scaler.mean, [1.6875, -3.608_750_104_904_175_f64 as f32, 3.0]);
        assert_eq!(scaler.scale, [3.294_763_838_274_300_3_f64 as f32, 6.264_421_839_928_571_f64 as f32, 1.0]);
    }

    #[test]
    fn a_constant_channel_is_only_shifted() {
        // 0.1 is not exact in binary, and its mean over many rows is off by rounding.
        let scaler = scaler_of_rows(&[0.1; 30_000], 1);
        assert_eq!(scaler.scale, [1.0]);
        assert_eq!(scaler.mean, [0.1]);
        let scaler = scaler_of_rows(&[0.0; 6], 2);
        assert_eq!((scaler.mean, scaler.scale), (vec![0.0; 2], vec![1.0; 2]));
    }

    #[test]
    fn a_small_spread_on_a_large_mean_survives() {
        // Values 10000 ± 0.5: f32 sums of squares would lose the spread altogether.
        let values: Vec<f32> = (0..10_000).map(|i| if i % 2 == 0 { 9999.5 } else { 10_000.5 }).collect();
        let scaler = scaler_of_rows(&values, 1);
        assert_eq!((scaler.mean[0], scaler.scale[0]), (10_000.0, 0.5));
    }

    #[test]
    fn without_windows_nothing_is_scaled() {
        let scaler = fit_scaler(&[1.0, 2.0], &[], 1, 2);
        assert_eq!((scaler.mean, scaler.scale), (vec![0.0; 2], vec![1.0; 2]));
    }

    #[test]
    fn windows_named_by_index_give_the_bits_of_the_same_windows_side_by_side() {
        let values: Vec<f32> = (0..60).map(|i| (i as f32 * 0.7).sin() * 9.81).collect();
        // Ten windows of two rows in three channels.
        let indices = [7, 0, 3, 3, 9];
        let copied: Vec<f32> = indices.iter().flat_map(|&idx| &values[idx as usize * 6..][..6]).copied().collect();
        assert_eq!(fit_scaler(&values, &indices, 2, 3), scaler_of_rows(&copied, 3));
    }
}
