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
        let ends = estimates.into_iter().flat_map(extent);
        let finite = ends.filter(|end| end.is_finite());
        let (low, high) = finite.fold((1.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
        let (low, high) = ((low * 10.0).floor() / 10.0, (high * 10.0).ceil() / 10.0);
        Self { low: low.clamp(0.0, 0.9), high: high.clamp(low.max(0.0) + 0.1, 1.1).min(1.0) }
    }

    /// The symmetric range around 0 that contains all `estimates`, which are differences.
    pub fn for_differences<'a>(estimates: impl IntoIterator<Item = &'a Estimate>) -> Self {
        let ends = estimates.into_iter().flat_map(extent).map(f64::abs);
        let most = ends.filter(|end| end.is_finite()).fold(0.02_f64, f64::max);
        let most = (most * 50.0).ceil() / 50.0;
        Self { low: -most, high: most }
    }

    /// Whether `value` lies between its ends.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The position of `value` in percent of the width, between margins of 4 %.
    fn place(&self, value: f64) -> String {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        format!("{:.2}%", 4.0 + 92.0 * if share.is_nan() { 0.0 } else { share })
    }
}

/// The values that an axis has to hold for `estimate`.
fn extent(estimate: &Estimate) -> [f64; 3] {
    let [low, high] = estimate.ends();
    [low, estimate.mean, high]
}

/// The mean as a dot, its interval as a line, and a lighter line at each of `marks`. A mean beyond the axis is a number at its edge.
pub fn whisker(estimate: &Estimate, axis: Axis, marks: &[f64], title: &str) -> Markup {
    let at = |value: f64| axis.place(value);
    let mean = estimate.mean;
    if mean.is_finite() && !axis.holds(mean) {
        return html! {
            svg.whisker role="img" aria-label=(title) {
                title { (title) }
                @if mean < axis.low {
                    text.beyond x="0" y="50%" dy="0.35em" { "‹ " (figure(mean)) }
                } @else {
                    text.beyond x="100%" y="50%" dy="0.35em" text-anchor="end" { (figure(mean)) " ›" }
                }
            }
        };
    }
    let ends = estimate.ends();
    html! {
        svg.whisker role="img" aria-label=(title) {
            title { (title) }
            @for &mark in marks { line.mark x1=(at(mark)) x2=(at(mark)) y1="0" y2="100%" {} }
            @if estimate.interval.is_some() {
                line.interval x1=(at(ends[0])) x2=(at(ends[1])) y1="50%" y2="50%" {}
                // The line of an interval that goes on beyond the axis has no end there.
                @for end in ends.into_iter().filter(|end| axis.holds(*end)) {
                    line.end x1=(at(end)) x2=(at(end)) y1="32%" y2="68%" {}
                }
            }
            circle cx=(at(mean)) cy="50%" r="5" {}
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
    use triax_study::statistics::Interval;

    use super::*;

    fn estimate(low: f64, mean: f64, high: f64) -> Estimate {
        Estimate { mean, n: 16, deviation: 0.1, interval: Some(Interval { low, high }) }
    }

    #[test]
    fn an_axis_holds_what_it_is_for() {
        assert_eq!(Axis::for_fractions(&[estimate(0.61, 0.68, 0.73)]), Axis { low: 0.6, high: 0.8 });
        assert_eq!(Axis::for_fractions(&[estimate(1.0, 1.0, 1.0)]), Axis { low: 0.9, high: 1.0 });
        assert_eq!(Axis::for_fractions(&[estimate(0.0, 0.0, 0.0)]), Axis { low: 0.0, high: 0.1 });
        assert_eq!(Axis::for_differences(&[estimate(-0.05, 0.01, 0.03)]), Axis { low: -0.06, high: 0.06 });
    }

    #[test]
    fn what_lies_beyond_the_axis_has_a_sign_at_its_edge() {
        let axis = Axis { low: 0.6, high: 0.8 };
        let html = whisker(&estimate(0.03, 0.05, 0.07), axis, &[], "t").into_string();
        assert!(html.contains("‹ 0.050") && !html.contains("<circle"), "{html}");
        let html = whisker(&estimate(0.7, 0.95, 0.97), axis, &[], "t").into_string();
        assert!(html.contains("0.950 ›") && !html.contains("<circle"), "{html}");
        let html = whisker(&estimate(0.5, 0.7, 0.75), axis, &[], "t").into_string();
        assert_eq!((html.matches("<circle").count(), html.matches("class=\"end\"").count()), (1, 1), "{html}");
    }

    #[test]
    fn one_subject_has_a_dot_and_no_interval() {
        let one = Estimate { interval: None, ..estimate(0.7, 0.7, 0.7) };
        let html = whisker(&one, Axis { low: 0.6, high: 0.8 }, &[], "t").into_string();
        assert!(html.contains("<circle") && !html.contains("<line"), "{html}");
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
