//! The result of a comparison as a sentence.

use super::Estimate;
use super::signed_rank::FEWEST_SHOWN;

/// The level of significance.
const LEVEL: f64 = 0.05;

/// The comparison of `a` and `b` by `figure` over subjects as a sentence: the mean difference a − b with its interval and
/// its number of subjects, and whether it is shown at the level of 5 %. A difference that is not shown is not called an
/// equality, and one that could not be shown over so few subjects says so.
pub fn words(a: &str, b: &str, figure: &str, difference: &Estimate, p_holm: f64) -> String {
    let Estimate { mean, n, .. } = *difference;
    let (better, worse, sign) = if mean >= 0.0 { (a, b, 1.0) } else { (b, a, -1.0) };
    let mut ends = difference.ends().map(|end| sign * end);
    ends.sort_by(f64::total_cmp);
    let interval = difference.interval.map(|_| format!(" [{:.3}, {:.3}]", ends[0], ends[1])).unwrap_or_default();
    let by = format!("by {:.3} {figure} on average{interval}", mean.abs());
    let p = if p_holm < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p_holm:.3}") };
    if p_holm < LEVEL {
        return format!("{better} does better than {worse} {by} over {n} subjects ({p}).");
    }
    let why = if n < FEWEST_SHOWN { "; the test needs six to show one" } else { "" };
    format!("No difference is shown between {a} and {b}: {better} is ahead {by} over {n} subjects ({p}{why}).")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Interval;

    #[test]
    fn what_is_not_shown_is_not_claimed() {
        let interval = Some(Interval { low: -0.09, high: -0.01 });
        let difference = Estimate { mean: -0.05, n: 16, deviation: 0.1, interval };
        assert_eq!(
            words("hinge", "cross", "macro-F1", &difference, 0.0004),
            "cross does better than hinge by 0.050 macro-F1 on average [0.010, 0.090] over 16 subjects (p < 0.001)."
        );
        let text = words("hinge", "cross", "macro-F1", &difference, 0.2);
        assert!(text.starts_with("No difference is shown between hinge and cross"), "{text}");
        assert!(text.ends_with("over 16 subjects (p = 0.200)."), "{text}");
        let text = words("hinge", "cross", "macro-F1", &Estimate { n: 4, ..difference }, 0.125);
        assert!(text.ends_with("over 4 subjects (p = 0.125; the test needs six to show one)."), "{text}");
    }
}
