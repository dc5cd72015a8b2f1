//! Correction for many comparisons.

/// The p-values after Holm's step-down correction, in the same order. If they are compared with a level, the probability
/// that any true null hypothesis is rejected is at most that level (Holm, "A simple sequentially rejective multiple test procedure",
/// Scandinavian Journal of Statistics 6, 1979).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let (mut adjusted, mut largest) = (vec![0.0; p.len()], 0.0_f64);
    for (rank, &idx) in order.iter().enumerate() {
        largest = largest.max(((p.len() - rank) as f64 * p[idx]).min(1.0));
        adjusted[idx] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use triax_testing::golden;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        holm: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        p: Vec<f64>,
        adjusted: Vec<f64>,
    }

    #[test]
    fn p_values_are_corrected_as_by_r() {
        let golden: Golden = golden(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/statistics/scipy.json"));
        for case in golden.holm {
            for (found, wanted) in holm(&case.p).iter().zip(&case.adjusted) {
                assert!((found - wanted).abs() < 1e-12, "{found} is not {wanted}");
            }
        }
        assert!(holm(&[]).is_empty());
    }
}
