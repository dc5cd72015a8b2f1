//! The result of a comparison in sentences.

use super::Estimate;
use super::signed_rank::FEWEST_SHOWN;

/// The level of significance, for corrected p-values.
pub const LEVEL: f64 = 0.05;

/// One of several comparisons of pairs over the same subjects.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// Name of one of the two.
    pub a: &'a str,
    /// Name of the other.
    pub b: &'a str,
    /// What is compared, such as `macro-F1`.
    pub figure: &'a str,
    /// The mean difference a − b, with the interval of this difference alone.
    pub difference: &'a Estimate,
    /// The p-value of this test alone.
    pub p: f64,
    /// The p-value after Holm's correction.
    pub p_holm: f64,
    /// The number of comparisons that it is corrected for, this one included.
    pub n_comparisons: usize,
}

impl Compared<'_> {
    /// The mean difference with its interval and its number of subjects, and whether it is shown at the level of 5 %. A
    /// difference that is not shown is not called an equality, and one that could not be shown over so few subjects says
    /// so. Each number says whether it is corrected. Where the interval and the corrected test seem to disagree, a second
    /// sentence says why, and which of them counts.
    pub fn words(&self) -> String {
        let Self { a, b, figure, difference, p_holm, .. } = *self;
        let Estimate { mean, n, .. } = *difference;
        let (better, worse) = if mean >= 0.0 { (a, b) } else { (b, a) };
        let by = format!("by {:.3} {figure} over {n} subjects ({})", mean.abs(), self.certainty());
        let found = match p_holm < LEVEL {
            true => format!("{better} does better than {worse} {by}."),
            false => format!("No difference is shown between {a} and {b}: {better} is ahead {by}."),
        };
        match self.disagreement() {
            Some(why) => format!("{found} {why}"),
            None => found,
        }
    }

    /// The interval and the p-value, each with whether it is corrected.
    fn certainty(&self) -> String {
        let sign = if self.difference.mean >= 0.0 { 1.0 } else { -1.0 };
        let mut ends = self.difference.ends().map(|end| sign * end);
        ends.sort_by(f64::total_cmp);
        let is_alone = self.n_comparisons < 2;
        let interval = self.difference.interval.map(|_| {
            let uncorrected = if is_alone { "" } else { ", not corrected" };
            format!("95 % interval [{:.3}, {:.3}]{uncorrected}; ", ends[0], ends[1])
        });
        let corrected = match self.n_comparisons {
            0 | 1 => ", the only comparison".to_owned(),
            n => format!(", corrected by Holm for {n} comparisons"),
        };
        let few = if self.difference.n < FEWEST_SHOWN { "; the test needs six to show one" } else { "" };
        format!("{}{}{corrected}{few}", interval.unwrap_or_default(), p_in_words(self.p_holm))
    }

    /// What it means that the interval says one thing and the corrected p-value the other; none where they agree.
    fn disagreement(&self) -> Option<String> {
        let is_shown = self.p_holm < LEVEL;
        match (is_shown, self.difference.excludes_0()) {
            (false, true) if self.p < LEVEL => Some(format!(
                "The interval excludes 0, and the test agrees ({} before the correction); but among {} comparisons chance \
                 alone often brings one like this, so no difference is claimed.",
                p_in_words(self.p),
                self.n_comparisons
            )),
            (false, true) => Some(format!(
                "The interval excludes 0, but it is too narrow for few subjects; the test shows no difference even before \
                 any correction ({}), so none is claimed.",
                p_in_words(self.p)
            )),
            (true, false) if self.difference.interval.is_some() => Some(
                "The interval includes 0 all the same: it is of the mean, which a few subjects may move, and the test is \
                 of the ranks."
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// `p = 0.012`, `p < 0.001`.
fn p_in_words(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Interval;

    fn difference(mean: f64, low: f64, high: f64) -> Estimate {
        Estimate { mean, n: 16, deviation: 0.1, interval: Some(Interval { low, high }) }
    }

    fn words(difference: &Estimate, (p, p_holm): (f64, f64), n_comparisons: usize) -> String {
        Compared { a: "hinge", b: "cross", figure: "macro-F1", difference, p, p_holm, n_comparisons }.words()
    }

    #[test]
    fn what_is_not_shown_is_not_claimed() {
        let behind = difference(-0.05, -0.09, -0.01);
        assert_eq!(
            words(&behind, (0.0001, 0.0004), 6),
            "cross does better than hinge by 0.050 macro-F1 over 16 subjects (95 % interval [0.010, 0.090], not \
             corrected; p < 0.001, corrected by Holm for 6 comparisons)."
        );
        let open = difference(-0.05, -0.12, 0.02);
        assert_eq!(
            words(&open, (0.1, 0.2), 6),
            "No difference is shown between hinge and cross: cross is ahead by 0.050 macro-F1 over 16 \
             subjects (95 % interval [-0.020, 0.120], not corrected; p = 0.200, corrected by Holm for 6 comparisons)."
        );
        let few = words(&Estimate { n: 4, ..open }, (0.125, 0.125), 2);
        assert!(few.contains("; the test needs six to show one)"), "{few}");
    }

    #[test]
    fn an_interval_that_excludes_0_beside_a_corrected_p_that_shows_nothing_is_explained() {
        let behind = difference(-0.05, -0.09, -0.01);
        let text = words(&behind, (0.012, 0.072), 6);
        assert!(text.starts_with("No difference is shown"), "{text}");
        for said in ["excludes 0", "p = 0.012 before the correction", "among 6 comparisons", "no difference is claimed"]
        {
            assert!(text.contains(said), "`{said}` is not in {text}");
        }
        let text = words(&behind, (0.07, 0.42), 6);
        assert!(text.contains("even before any correction (p = 0.070)"), "{text}");
        let text = words(&difference(0.05, -0.01, 0.2), (0.001, 0.006), 6);
        assert!(text.contains("does better") && text.contains("includes 0 all the same"), "{text}");
    }

    #[test]
    fn a_single_comparison_needs_no_correction() {
        let text = words(&difference(0.05, 0.01, 0.09), (0.02, 0.02), 1);
        assert!(text.ends_with("[0.010, 0.090]; p = 0.020, the only comparison)."), "{text}");
    }
}
