//! The test by which a race drops candidates.

use super::Scores;
use crate::statistics::{mean, signed_rank};

/// The p-value below which a candidate is dropped. It is not corrected for the number of candidates, as in irace: what is
/// dropped by mistake costs little, since others like it are drawn again.
pub const LEVEL_TO_DROP: f64 = 0.05;

/// For each candidate of a field, the p-value by which it is worse than the best; `None` if it is not shown to be.
///
/// The best is the one with the best mean over the people whom all have been judged by. The test is Wilcoxon's signed-rank
/// test of the differences to it over these people, one-sided, since the question is whether a candidate is worse. Five
/// people are the fewest that can show it.
pub fn worse(field: &[Scores]) -> Vec<Option<f64>> {
    let Some(first) = field.first() else { return Vec::new() };
    let people: Vec<&String> = first.keys().filter(|who| field.iter().all(|one| one.contains_key(*who))).collect();
    let values = |one: &Scores| -> Vec<f64> { people.iter().map(|who| one[*who]).collect() };
    let all: Vec<Vec<f64>> = field.iter().map(values).collect();
    let best = all.iter().max_by(|a, b| mean(a).total_cmp(&mean(b))).expect("a field has a first");
    let p = |one: &Vec<f64>| {
        let differences: Vec<f64> = one.iter().zip(best).map(|(own, best)| own - best).collect();
        let test = signed_rank(&differences);
        // Two-sided; of a symmetric distribution each side is half of it.
        (test.effect < 0.0 && test.p / 2.0 < LEVEL_TO_DROP).then_some(test.p / 2.0)
    };
    all.iter().map(p).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(values: &[f64]) -> Scores {
        values.iter().enumerate().map(|(n, &value)| (n.to_string(), value)).collect()
    }

    #[test]
    fn the_hopeless_go_and_equals_stay() {
        let best = scores(&[0.9, 0.8, 0.85, 0.7, 0.95]);
        let equal = scores(&[0.88, 0.82, 0.84, 0.72, 0.93]);
        let hopeless = scores(&[0.5, 0.4, 0.45, 0.3, 0.6]);
        let found = worse(&[hopeless, best, equal]);
        // All five below: 1 of 32 choices of signs.
        assert_eq!(found, [Some(0.03125), None, None]);
    }

    #[test]
    fn four_people_show_nothing() {
        assert_eq!(worse(&[scores(&[0.9; 4]), scores(&[0.1, 0.2, 0.3, 0.4])]), [None, None]);
        assert_eq!(worse(&[]), []);
    }

    #[test]
    fn only_people_count_whom_all_have() {
        // On what the second has not been judged by, the first is far better.
        let first = scores(&[0.5, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0]);
        let second = scores(&[0.6, 0.6, 0.6, 0.6, 0.6]);
        assert_eq!(worse(&[first, second]), [Some(0.03125), None]);
    }
}
