//! Wilcoxon's signed-rank test for paired values.

use std::f64::consts::SQRT_2;

/// The most differences for which the exact distribution is computed if there are no ties; SciPy's bound.
const MOST_EXACT: usize = 50;
/// The same with ties or zeros.
const MOST_EXACT_WITH_TIES: usize = 13;

/// The fewest differences with which the test can show anything at the level of 5 %: six of one sign have a p-value of
/// 0.03, five one of 0.06.
pub const FEWEST_SHOWN: usize = 6;

/// The result of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignedRank {
    /// Two-sided p-value of the hypothesis that the differences are symmetric about 0.
    pub p: f64,
    /// Matched-pairs rank-biserial correlation: the share of the rank sum with a positive sign, less that with a negative
    /// sign; from −1 to 1 (Kerby, "The simple difference formula", Comprehensive Psychology 3, 2014).
    pub effect: f64,
    /// The number of differences that are not 0. Zeros are left out, as in Wilcoxon's original test.
    pub n_nonzero: usize,
}

/// Tests the differences of paired values, as SciPy's `wilcoxon(differences)` does: with the exact distribution for few
/// differences, otherwise with the normal approximation, its variance corrected for ties.
pub fn signed_rank(differences: &[f64]) -> SignedRank {
    let mut nonzero: Vec<f64> = differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    nonzero.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let n_nonzero = nonzero.len();
    if n_nonzero == 0 {
        return SignedRank { p: 1.0, effect: 0.0, n_nonzero };
    }
    // Ranks are doubled, so that the mean rank of a tie is an integer.
    let (mut ranks, mut tied) = (Vec::with_capacity(n_nonzero), 0.0);
    for alike in nonzero.chunk_by(|a, b| a.abs() == b.abs()) {
        let (first, n) = (ranks.len(), alike.len());
        ranks.extend(std::iter::repeat_n(2 * first + n + 1, n));
        tied += (n * n * n - n) as f64;
    }
    let in_all: usize = ranks.iter().sum();
    let positive: usize = ranks.iter().zip(&nonzero).filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum();
    let effect = (2.0 * positive as f64 - in_all as f64) / in_all as f64;
    let is_plain = tied == 0.0 && n_nonzero == differences.len();
    let p = if differences.len() <= if is_plain { MOST_EXACT } else { MOST_EXACT_WITH_TIES } {
        exact_p(&ranks, positive)
    } else {
        let n = n_nonzero as f64;
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - tied / 48.0;
        let z = (positive as f64 / 2.0 - n * (n + 1.0) / 4.0) / variance.sqrt();
        libm::erfc(z.abs() / SQRT_2)
    };
    SignedRank { p, effect, n_nonzero }
}

/// Two-sided p-value of the sum `positive` of the `ranks` with a positive sign, if all choices of signs are equally likely:
/// twice the smaller tail.
fn exact_p(ranks: &[usize], positive: usize) -> f64 {
    let in_all: usize = ranks.iter().sum();
    let mut chance = vec![0.0; in_all + 1];
    chance[0] = 1.0;
    let mut reached = 0;
    for &rank in ranks {
        reached += rank;
        for sum in (0..=reached).rev() {
            let with = if sum >= rank { chance[sum - rank] } else { 0.0 };
            chance[sum] = (chance[sum] + with) / 2.0;
        }
    }
    let (below, above): (f64, f64) = (chance[..=positive].iter().sum(), chance[positive..].iter().sum());
    (2.0 * below.min(above)).min(1.0)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use triax_testing::golden;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        signed_rank: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        differences: Vec<f64>,
        p: f64,
        effect: f64,
    }

    #[test]
    fn p_values_and_effects_are_those_of_scipy() {
        let golden: Golden = golden(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/statistics/scipy.json"));
        assert!(golden.signed_rank.len() > 40);
        for case in golden.signed_rank {
            let found = signed_rank(&case.differences);
            let what =
                format!("{} differences: {found:?} is not {} and {}", case.differences.len(), case.p, case.effect);
            assert!((found.p - case.p).abs() < 1e-9, "{what}");
            assert!((found.effect - case.effect).abs() < 1e-12, "{what}");
        }
    }

    #[test]
    fn without_a_difference_nothing_is_shown() {
        assert_eq!(signed_rank(&[0.0; 7]), SignedRank { p: 1.0, effect: 0.0, n_nonzero: 0 });
        assert_eq!(signed_rank(&[]).p, 1.0);
    }

    #[test]
    fn six_subjects_in_agreement_are_the_fewest_that_show_something() {
        assert_eq!(signed_rank(&[0.1, 0.2, 0.3, 0.4, 0.5]).p, 0.0625);
        assert_eq!(signed_rank(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).p, 0.03125);
        assert_eq!(FEWEST_SHOWN, 6);
    }
}
