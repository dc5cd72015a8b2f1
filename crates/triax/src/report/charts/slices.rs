//! A slice of a search through each setting: a panel a setting, its values across, and the score of each candidate above its
//! value.

use plotters::coord::ranged1d::ValueFormatter as _;

use super::canvas::{Anchor, Canvas, Paint};
use super::{Ink, Scale};
use crate::report::numbers::shortened;

/// Panels side by side.
const ACROSS: usize = 3;
/// Size of a panel, and of the room around its points, in CSS pixels.
const PANEL: (f32, f32) = (240.0, 210.0);
const LEFT: f32 = 34.0;
const TOP: f32 = 26.0;
const BELOW: f32 = 58.0;
/// Size of letters, and the most letters of a value and of the name of a setting.
const LETTERS: f32 = 11.0;
const MOST_LETTERS: usize = 14;
const MOST_OF_A_NAME: usize = 30;

/// A setting with its values.
pub struct Slice<'a> {
    /// Its name.
    pub setting: &'a str,
    /// Its values, from left to right.
    pub values: Vec<&'a str>,
    /// The index of the value, and the score, of each candidate; and whether it was judged by all.
    pub points: Vec<(usize, f64, bool)>,
}

/// The panels of `slices`, all with the same axis of scores.
pub fn slices(slices: &[Slice<'_>]) -> Canvas {
    let scores = || slices.iter().flat_map(|one| &one.points).map(|point| point.1).filter(|score| score.is_finite());
    let low = (scores().fold(1.0, f64::min) * 10.0).floor() / 10.0;
    let high = ((scores().fold(0.0, f64::max) * 10.0).ceil() / 10.0).max(low + 0.1);
    let n_rows = slices.len().div_ceil(ACROSS);
    let mut canvas = Canvas::new((PANEL.0 * ACROSS as f32, PANEL.1 * n_rows as f32));
    for (n, slice) in slices.iter().enumerate() {
        let corner = (PANEL.0 * (n % ACROSS) as f32, PANEL.1 * (n / ACROSS) as f32);
        panel(&mut canvas, corner, slice, (low, high));
    }
    canvas
}

fn panel(canvas: &mut Canvas, (x, y): (f32, f32), slice: &Slice<'_>, (low, high): (f64, f64)) {
    let (left, right) = (x + LEFT, x + PANEL.0 - 12.0);
    let (top, bottom) = (y + TOP, y + PANEL.1 - BELOW);
    let up = |score: f64| bottom - (bottom - top) * ((score - low) / (high - low)) as f32;
    canvas.text(
        (left, y + 14.0),
        &shortened(slice.setting, MOST_OF_A_NAME),
        LETTERS + 1.0,
        Anchor::Start,
        Ink::Letters,
    );
    let scale = Scale::new(low, high, 4.0);
    for &tick in scale.ticks() {
        canvas.line((left, up(tick)), (right, up(tick)), 1.0, Ink::Grid);
        canvas.text((left - 5.0, up(tick) + 4.0), &scale.format_ext(&tick), LETTERS, Anchor::End, Ink::Muted);
    }
    let apart = (right - left) / slice.values.len().max(1) as f32;
    let across = |value: usize| left + apart * (value as f32 + 0.5);
    for (value, text) in slice.values.iter().enumerate() {
        let text = shortened(text, MOST_LETTERS);
        let width = text.chars().count() as f32 * LETTERS * 0.55;
        match slice.values.iter().all(|one| (one.chars().count() as f32) * LETTERS * 0.6 < apart) {
            true => canvas.text((across(value), bottom + 15.0), &text, LETTERS, Anchor::Middle, Ink::Muted),
            // Upwards, and ending below the axis.
            false => canvas.text_upwards(
                (across(value) + 4.0, bottom + 6.0 + width.min(BELOW - 8.0)),
                &text,
                LETTERS - 2.0,
                Ink::Muted,
            ),
        }
    }
    // Beside each other where several have the same value, in the order in which they were tried.
    let mut seen = vec![0_usize; slice.values.len()];
    for &(value, score, is_whole) in slice.points.iter().filter(|point| point.1.is_finite()) {
        let aside = [0.0, -0.18, 0.18, -0.3, 0.3][seen[value] % 5] * apart;
        seen[value] += 1;
        let paint = if is_whole { Paint::from(Ink::Accent) } else { Paint { ink: Ink::Muted, opacity: 0.6 } };
        canvas.circle((across(value) + aside, up(score)), if is_whole { 3.2 } else { 2.4 }, paint);
    }
}
