//! Numbers as text.

pub use triax_model::text::grouped;
use triax_study::statistics::Estimate;

/// The most letters of a name.
const MOST_LETTERS: usize = 100;
/// The text for a number that is not finite.
const NONE: &str = "–";

/// Three decimals.
pub fn figure(value: f64) -> String {
    decimals(value, 3)
}

/// `digits` decimals.
pub fn decimals(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { NONE.to_owned() }
}

/// A fraction in percent.
pub fn percent(fraction: f64) -> String {
    if fraction.is_finite() { format!("{:.1}\u{a0}%", 100.0 * fraction) } else { NONE.to_owned() }
}

/// The ends of an interval of fractions.
pub fn interval(estimate: &Estimate) -> String {
    interval_of(estimate, figure, figure)
}

/// The ends of an interval of fractions, in percent.
pub fn interval_in_percent(estimate: &Estimate) -> String {
    interval_of(estimate, |low| decimals(100.0 * low, 1), percent)
}

/// The ends of an interval of differences.
pub fn interval_of_difference(estimate: &Estimate) -> String {
    interval_of(estimate, signed, signed)
}

/// An interval that rests on few subjects says so; one subject has none.
fn interval_of(estimate: &Estimate, low: fn(f64) -> String, high: fn(f64) -> String) -> String {
    match estimate.interval {
        None => "no interval".to_owned(),
        Some(ends) if estimate.rests_on_few() => {
            format!("{} to {} (n\u{a0}=\u{a0}{})", low(ends.low), high(ends.high), estimate.n)
        }
        Some(ends) => format!("{} to {}", low(ends.low), high(ends.high)),
    }
}

/// A name that the page may show: its beginning, where it is very long. `summary.json` and `metrics.json` have the whole.
pub fn name(name: &str) -> String {
    shortened(name, MOST_LETTERS)
}

/// `text`, cut to `most` characters. The last one is then `…`.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// A p-value.
pub fn p_value(p: f64) -> String {
    match p {
        p if !p.is_finite() => NONE.to_owned(),
        p if p < 0.001 => "< 0.001".to_owned(),
        p => figure(p),
    }
}

/// Three decimals with a sign; a negative one has the typographic minus.
pub fn signed(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let sign = if value < 0.0 { '−' } else { '+' };
    format!("{sign}{:.3}", value.abs())
}

/// `1 window`, `2 windows`.
pub fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_decimals_and_units() {
        assert_eq!([0.6844, f64::NAN].map(figure), ["0.684", "–"]);
        assert_eq!([0.0004, 0.04, 1.0].map(p_value), ["< 0.001", "0.040", "1.000"]);
        assert_eq!([0.05, -0.05].map(signed), ["+0.050", "−0.050"]);
        assert_eq!([1, 1234].map(|count| counted(count, "window")), ["1 window", "1,234 windows"]);
        assert_eq!(percent(0.7123), "71.2\u{a0}%");
    }

    #[test]
    fn intervals_claim_no_more_than_their_subjects() {
        let estimate = |n: usize| Estimate::new(&vec![0.25; n], 0);
        assert_eq!(
            [1, 4, 5].map(|n| interval(&estimate(n))),
            ["no interval", "0.250 to 0.250 (n\u{a0}=\u{a0}4)", "0.250 to 0.250"]
        );
        assert_eq!(interval_in_percent(&estimate(5)), "25.0 to 25.0\u{a0}%");
        assert_eq!(interval_of_difference(&estimate(5)), "+0.250 to +0.250");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!((name("ä").as_str(), name(&"ä".repeat(100)).chars().count()), ("ä", 100));
        let long = name(&"ä".repeat(10_000));
        assert!(long.chars().count() == 100 && long.ends_with('…'), "{long}");
    }
}
