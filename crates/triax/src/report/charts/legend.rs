//! What the short names in a figure stand for, below it.

use super::Ink;
use super::canvas::{Anchor, Canvas};

/// Size of letters, and what a letter takes of a line on average, in CSS pixels.
const LETTERS: f32 = 11.0;
const LETTER: f32 = 6.2;
/// Height of a line.
const LINE: f32 = 16.0;
/// Room at the left and right edges, above and below.
const MARGIN: f32 = 10.0;

/// `canvas` with `legend` below it: each label with what it stands for, in lines as wide as the canvas.
pub fn with_legend(mut canvas: Canvas, legend: &[(String, String)]) -> Canvas {
    let width = ((canvas.size.0 - 2.0 * MARGIN) / LETTER) as usize;
    let entries = legend.iter().map(|(label, meaning)| format!("{label}: {meaning}"));
    let lines: Vec<String> = entries.flat_map(|entry| wrapped(&entry, width)).collect();
    if lines.is_empty() {
        return canvas;
    }
    let top = canvas.size.1;
    canvas.size.1 += LINE * lines.len() as f32 + MARGIN;
    for (n, line) in lines.iter().enumerate() {
        canvas.text((MARGIN, top + LINE * n as f32 + LETTERS), line, LETTERS, Anchor::Start, Ink::Muted);
    }
    canvas
}

/// `text` in lines of at most `width` characters. A line ends after a space or a comma, if it has one.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let (mut lines, mut rest) = (Vec::new(), letters.as_slice());
    while rest.len() > width.max(1) {
        let line = &rest[..width.max(1)];
        let end = line.iter().rposition(|letter| [' ', ','].contains(letter)).map_or(line.len(), |at| at + 1);
        lines.push(String::from_iter(&rest[..end]).trim_end().to_owned());
        rest = &rest[end..];
    }
    lines.push(String::from_iter(rest));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_between_words_and_lose_nothing() {
        assert_eq!(
            wrapped("A: convs=64:5:2:2,96:5:1:2, loss=hinge", 20),
            ["A: convs=64:5:2:2,", "96:5:1:2, loss=hinge"]
        );
        assert_eq!(wrapped("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrapped("", 3), [""]);
    }

    #[test]
    fn a_legend_makes_room_for_itself() {
        let canvas = with_legend(Canvas::new((200.0, 100.0)), &[("A".to_owned(), "loss=hinge".to_owned())]);
        assert_eq!((canvas.size, canvas.shapes.len()), ((200.0, 126.0), 1));
        assert_eq!(with_legend(Canvas::new((200.0, 100.0)), &[]), Canvas::new((200.0, 100.0)));
    }
}
