//! Numbers as text.

pub use triax_model::text::grouped;
use triax_study::statistics::Estimate;

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
    format!("{} to {}", figure(estimate.low), figure(estimate.high))
}

/// The ends of an interval of fractions, in percent.
pub fn interval_in_percent(estimate: &Estimate) -> String {
    format!("{} to {}", decimals(100.0 * estimate.low, 1), percent(estimate.high))
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
}
