//! Charts within a row of a table, in percentages of their cell, so that they follow its width.

use maud::{Markup, html};
use triax_study::statistics::Estimate;

use crate::report::numbers::figure;

/// The range of the axis of whiskers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Axis {
    /// The smallest range of tenths that contains all `estimates`, which are fractions.
    pub fn for_fractions<'a>(estimates: impl IntoIterator<Item = &'a Estimate>) -> Self {
        let ends = estimates.into_iter().flat_map(|estimate| [estimate.low, estimate.high, estimate.mean]);
        let finite = ends.filter(|end| end.is_finite());
        let (low, high) = finite.fold((1.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
        let (low, high) = ((low * 10.0).floor() / 10.0, (high * 10.0).ceil() / 10.0);
        Self { low: low.clamp(0.0, 0.9), high: high.clamp(low.max(0.0) + 0.1, 1.1).min(1.0) }
    }

    /// The symmetric range around 0 that contains all `estimates`, which are differences.
    pub fn for_differences<'a>(estimates: impl IntoIterator<Item = &'a Estimate>) -> Self {
        let ends = estimates.into_iter().flat_map(|estimate| [estimate.low.abs(), estimate.high.abs()]);
        let most = ends.filter(|end| end.is_finite()).fold(0.02_f64, f64::max);
        let most = (most * 50.0).ceil() / 50.0;
        Self { low: -most, high: most }
    }

    /// The position of `value` in percent of the width, between margins of 4 %.
    fn place(&self, value: f64) -> String {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        format!("{:.2}%", 4.0 + 92.0 * if share.is_nan() { 0.0 } else { share })
    }
}

/// The mean as a dot, its interval as a line, and a lighter line at each of `marks`.
pub fn whisker(estimate: &Estimate, axis: Axis, marks: &[f64], title: &str) -> Markup {
    let at = |value: f64| axis.place(value);
    if estimate.high < axis.low {
        return html! {
            svg.whisker role="img" aria-label=(title) {
                title { (title) }
                text.beyond x="0" y="50%" dy="0.35em" { "‹ " (figure(estimate.mean)) }
            }
        };
    }
    html! {
        svg.whisker role="img" aria-label=(title) {
            title { (title) }
            @for &mark in marks { line.mark x1=(at(mark)) x2=(at(mark)) y1="0" y2="100%" {} }
            line.interval x1=(at(estimate.low)) x2=(at(estimate.high)) y1="50%" y2="50%" {}
            @for end in [estimate.low, estimate.high] { line.end x1=(at(end)) x2=(at(end)) y1="32%" y2="68%" {} }
            circle cx=(at(estimate.mean)) cy="50%" r="5" {}
        }
    }
}

/// A fraction as a bar.
pub fn bar(fraction: f64) -> Markup {
    let percent = if fraction.is_finite() { 100.0 * fraction.clamp(0.0, 1.0) } else { 0.0 };
    html! {
        svg.bar aria-hidden="true" {
            rect.track width="100%" height="100%" {}
            rect width={ (format!("{percent:.1}")) "%" } height="100%" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(low: f64, mean: f64, high: f64) -> Estimate {
        Estimate { mean, deviation: 0.1, low, high }
    }

    #[test]
    fn an_axis_holds_what_it_is_for() {
        assert_eq!(Axis::for_fractions(&[estimate(0.61, 0.68, 0.73)]), Axis { low: 0.6, high: 0.8 });
        assert_eq!(Axis::for_fractions(&[estimate(1.0, 1.0, 1.0)]), Axis { low: 0.9, high: 1.0 });
        assert_eq!(Axis::for_fractions(&[estimate(0.0, 0.0, 0.0)]), Axis { low: 0.0, high: 0.1 });
        assert_eq!(Axis::for_differences(&[estimate(-0.05, 0.01, 0.03)]), Axis { low: -0.06, high: 0.06 });
    }

    #[test]
    fn what_lies_below_the_axis_has_a_sign_at_its_edge() {
        let html = whisker(&estimate(0.03, 0.05, 0.07), Axis { low: 0.6, high: 0.8 }, &[], "t").into_string();
        assert!(html.contains("‹ 0.050") && !html.contains("<circle"), "{html}");
    }

    #[test]
    fn a_whisker_is_where_its_figures_are() {
        let html = whisker(&estimate(0.6, 0.7, 0.8), Axis { low: 0.6, high: 0.8 }, &[], "t").into_string();
        assert!(html.contains("cx=\"50.00%\"") && html.contains("x1=\"4.00%\" x2=\"96.00%\""), "{html}");
        assert!(
            !whisker(&estimate(f64::NAN, f64::NAN, f64::NAN), Axis { low: 0.6, high: 0.8 }, &[], "t")
                .into_string()
                .contains("NaN")
        );
    }
}
