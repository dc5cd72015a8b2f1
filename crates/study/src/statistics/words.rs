//! The result of a comparison as a sentence.

use super::Estimate;

/// The level of significance.
const LEVEL: f64 = 0.05;

/// The comparison of `a` and `b` by `figure` over `n` subjects as a sentence: the mean difference a − b with its interval,
/// and whether it is shown at the level of 5 %. A difference that is not shown is not called an equality.
pub fn words(a: &str, b: &str, figure: &str, difference: &Estimate, p_holm: f64, n: usize) -> String {
    let Estimate { mean, low, high, .. } = *difference;
    let (better, worse, mean, low, high) =
        if mean >= 0.0 { (a, b, mean, low, high) } else { (b, a, -mean, -high, -low) };
    let interval = format!("by {mean:.3} {figure} on average [{low:.3}, {high:.3}]");
    let p = if p_holm < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p_holm:.3}") };
    if p_holm < LEVEL {
        format!("{better} does better than {worse} {interval} over {n} subjects ({p}).")
    } else {
        format!("No difference is shown between {a} and {b}: {better} is ahead {interval} over {n} subjects ({p}).")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_is_not_claimed() {
        let difference = Estimate { mean: -0.05, deviation: 0.1, low: -0.09, high: -0.01 };
        assert_eq!(
            words("hinge", "cross", "macro-F1", &difference, 0.0004, 16),
            "cross does better than hinge by 0.050 macro-F1 on average [0.010, 0.090] over 16 subjects (p < 0.001)."
        );
        let text = words("hinge", "cross", "macro-F1", &difference, 0.2, 16);
        assert!(text.starts_with("No difference is shown between hinge and cross") && text.contains("p = 0.200"));
    }
}
