//! The confusion matrix as a drawing, for a paper.

use triax_engine::Confusion;

use super::Ink;
use super::canvas::{Anchor, Canvas, Paint};
use crate::report::numbers::shortened;

/// Size of letters, and what a letter takes of a line on average, in CSS pixels.
const LETTERS: f32 = 12.0;
const LETTER: f32 = 6.8;
/// Side of a cell.
const CELL: f32 = 34.0;
/// Room at the edges.
const MARGIN: f32 = 10.0;
/// The most letters of the name of a class.
const MOST_LETTERS: usize = 40;
/// The share of its row from which a cell is dark and its text light.
const DARK: f32 = 0.55;

/// The matrix in percent of each row: rows are what was done, columns what it was taken for.
pub fn matrix(confusion: &Confusion, class_names: &[String]) -> Canvas {
    let names: Vec<String> = class_names.iter().map(|name| shortened(name, MOST_LETTERS)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f32 * LETTER;
    let (head, side) = (MARGIN + longest + MARGIN, CELL * names.len() as f32);
    // Room for the name of the axis at both sides.
    let (left, top) = (head + LETTERS, head + LETTERS);
    let mut canvas = Canvas::new((left + side + MARGIN, top + side + MARGIN));
    canvas.text((left + side / 2.0, MARGIN + 8.0), "taken for", LETTERS, Anchor::Middle, Ink::Muted);
    canvas.text_upwards((MARGIN + 8.0, top + side / 2.0 + 14.0), "done", LETTERS, Ink::Muted);
    for (class, (row, name)) in confusion.rows().zip(&names).enumerate() {
        let at = CELL * class as f32;
        canvas.text((left - 6.0, top + at + CELL / 2.0 + 4.0), name, LETTERS, Anchor::End, Ink::Letters);
        canvas.text_upwards((left + at + CELL / 2.0 + 4.0, top - 6.0), name, LETTERS, Ink::Letters);
        let total: u64 = row.iter().sum();
        for (taken_for, &count) in row.iter().enumerate() {
            let corner = (left + CELL * taken_for as f32, top + at);
            let share = if total > 0 { count as f32 / total as f32 } else { 0.0 };
            let opacity = 0.04 + 0.9 * share;
            canvas.rectangle(
                (corner.0 + 1.0, corner.1 + 1.0),
                (corner.0 + CELL - 1.0, corner.1 + CELL - 1.0),
                Paint { ink: Ink::Accent, opacity },
            );
            if count > 0 {
                let percent = (100.0 * share).round();
                let text = if percent < 1.0 { "<1".to_owned() } else { percent.to_string() };
                let ink = if share >= DARK { Ink::Page } else { Ink::Letters };
                canvas.text((corner.0 + CELL / 2.0, corner.1 + CELL / 2.0 + 4.0), &text, LETTERS, Anchor::Middle, ink);
            }
        }
    }
    canvas
}
