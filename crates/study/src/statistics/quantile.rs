//! Means and quantiles of values.

/// The mean of `values`; 0 without values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The quantile of `sorted` values at `share`, from 0 to 1, with linear interpolation between order statistics: NumPy's
/// default.
///
/// # Panics
/// Without values.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    let at = share * last as f64;
    let (below, above) = (sorted[at as usize], sorted[(at as usize + 1).min(last)]);
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy 2.4: np.quantile([1, 2, 4, 8], [0, 0.05, 0.5, 0.95, 1]) -> [1, 1.15, 3, 7.4, 8]
        for (share, expected) in [(0.0, 1.0), (0.05, 1.15), (0.5, 3.0), (0.95, 7.4), (1.0, 8.0)] {
            let found = quantile(&[1.0, 2.0, 4.0, 8.0], share);
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
        assert_eq!((quantile(&[3.0], 0.3), mean(&[1.0, 2.0]), mean(&[])), (3.0, 1.5, 0.0));
    }
}
