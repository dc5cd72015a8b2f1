//! Estimates with their intervals below each other, for a paper: a row each, with its name and its numbers.

use plotters::coord::ranged1d::ValueFormatter as _;
use triax_study::statistics::Estimate;

use super::canvas::{Anchor, Canvas};
use super::inline::Axis;
use super::{Ink, Scale};

/// Size of letters, and what a letter takes of a line on average, in CSS pixels.
const LETTERS: f32 = 12.0;
const LETTER: f32 = 6.6;
/// Height of a row.
const ROW: f32 = 22.0;
/// Width of the intervals.
const WIDTH: f32 = 240.0;
/// Room at the left and right edges, and between columns.
const MARGIN: f32 = 10.0;
/// Room below the rows for the axis and its name.
const FOOT: f32 = 44.0;

/// Rows below a heading.
pub struct Rows<'a> {
    /// The heading.
    pub heading: String,
    /// Each with its name and its numbers as text.
    pub rows: Vec<(String, &'a Estimate, String)>,
}

/// The estimates of `groups` on an axis called `name`. `zero` draws a line at 0. A mean beyond the axis is a sign at its edge.
pub fn forest(groups: &[Rows<'_>], axis: Axis, name: &str, zero: bool) -> Canvas {
    let letters = |text: &str| text.chars().count() as f32 * LETTER;
    let rows = || groups.iter().flat_map(|group| &group.rows);
    let widest = |texts: &mut dyn Iterator<Item = f32>| texts.fold(60.0_f32, f32::max);
    let names =
        widest(&mut rows().map(|(name, ..)| letters(name)).chain(groups.iter().map(|one| letters(&one.heading))));
    let numbers = widest(&mut rows().map(|(.., numbers)| letters(numbers)));
    let (left, n_lines) = (MARGIN + names + MARGIN, rows().count() + groups.len());
    let (right, bottom) = (left + WIDTH, MARGIN + ROW * n_lines as f32);
    let mut canvas = Canvas::new((right + MARGIN + numbers + MARGIN, bottom + FOOT));
    let across = |value: f64| left + WIDTH * ((value - axis.low) / (axis.high - axis.low)).clamp(0.0, 1.0) as f32;

    let scale = Scale::new(axis.low, axis.high, 4.0);
    for &tick in scale.ticks() {
        let x = across(tick);
        canvas.line((x, MARGIN), (x, bottom), 1.0, Ink::Grid);
        canvas.text((x, bottom + 16.0), &scale.format_ext(&tick), LETTERS, Anchor::Middle, Ink::Muted);
    }
    if zero {
        canvas.line((across(0.0), MARGIN), (across(0.0), bottom), 1.2, Ink::Muted);
    }
    canvas.text(((left + right) / 2.0, bottom + 34.0), name, LETTERS, Anchor::Middle, Ink::Muted);

    let mut middle = MARGIN + ROW / 2.0;
    for group in groups {
        canvas.text((MARGIN, middle + 4.0), &group.heading, LETTERS, Anchor::Start, Ink::Muted);
        middle += ROW;
        for (label, estimate, numbers) in &group.rows {
            canvas.text((MARGIN, middle + 4.0), label, LETTERS, Anchor::Start, Ink::Letters);
            canvas.text((right + MARGIN, middle + 4.0), numbers, LETTERS, Anchor::Start, Ink::Letters);
            let mean = estimate.mean;
            if mean.is_finite() && !axis.holds(mean) {
                let (x, sign, anchor) =
                    if mean < axis.low { (left, "‹", Anchor::Start) } else { (right, "›", Anchor::End) };
                canvas.text((x, middle + 4.0), sign, LETTERS, anchor, Ink::Accent);
            } else if mean.is_finite() {
                if let Some(ends) = estimate.interval {
                    let (low, high) = (across(ends.low), across(ends.high));
                    canvas.line((low, middle), (high, middle), 1.8, Ink::Accent);
                    for (end, x) in [(ends.low, low), (ends.high, high)] {
                        if axis.holds(end) {
                            canvas.line((x, middle - 4.0), (x, middle + 4.0), 1.8, Ink::Accent);
                        }
                    }
                }
                canvas.circle((across(mean), middle), 4.0, Ink::Accent);
            }
            middle += ROW;
        }
    }
    canvas
}
