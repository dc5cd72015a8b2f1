//! Standard output and standard error. Everything that a command prints goes through this module.
//!
//! Either may be full, or a pipe that nobody reads any more. This is never a reason to panic: the print macros, which panic
//! then, are not used in the command line, and clippy refuses them.
//!
//! Names from data may hold escape sequences, which would command the terminal. They are shown instead of sent. JSON
//! stays the same JSON, since a character is shown as JSON escapes it.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Standard output, for a command whose result is what it prints. An error names standard output.
pub fn out() -> impl Write {
    Shown::new(StandardOutput)
}

/// Standard output, for a table that other programs read: its bytes are sent as they are, except to a terminal.
pub fn table_out() -> Box<dyn Write> {
    if io::stdout().is_terminal() { Box::new(out()) } else { Box::new(StandardOutput) }
}

/// Standard output, for a command whose result is in files. What cannot be printed is left out, and a warning says so,
/// unless its reader has left.
pub fn log() -> impl Write {
    Log(out())
}

/// Prints a line on [`log()`].
pub fn say(line: impl Display) {
    let _ = writeln!(log(), "{line}");
}

/// Prints a line on standard error: a notice, an error. What cannot be printed is left out.
pub fn tell(line: impl Display) {
    // In one piece, so that the lines of several processes do not mix.
    let _ = Shown::new(io::stderr().lock()).write_all(format!("{line}\n").as_bytes());
}

/// A name from data, for a line or a cell: also its line breaks and tabs are shown as escapes.
pub fn visible(name: &str) -> String {
    shown(name, |_| false)
}

/// Whether standard output ends since its reader has left (`triax … | head`).
pub fn reader_left(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<ReaderLeft>())
}

#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output any more")]
struct ReaderLeft;

/// Standard output, whose errors name it.
struct StandardOutput;

impl StandardOutput {
    fn named(error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, ReaderLeft),
            kind => io::Error::new(kind, format!("cannot write to standard output: {error}")),
        }
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes).map_err(Self::named)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().map_err(Self::named)
    }
}

/// Drops what cannot be written.
struct Log<W>(W);

impl<W: Write> Write for Log<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        static IS_TOLD: AtomicBool = AtomicBool::new(false);
        if let Err(error) = self.0.write_all(bytes)
            && !reader_left(&error)
            && !IS_TOLD.swap(true, Ordering::Relaxed)
        {
            tell(format_args!("warning: {error}; the command goes on, and what it would print is left out"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

/// Writes text with its control characters shown.
struct Shown<W> {
    to: W,
    /// The first bytes of a character, the others of which have not come yet.
    tail: Vec<u8>,
}

impl<W> Shown<W> {
    fn new(to: W) -> Self {
        Self { to, tail: Vec::new() }
    }
}

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let all = [&std::mem::take(&mut self.tail), bytes].concat();
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text += &shown(chunk.valid(), |character| matches!(character, '\n' | '\t'));
            let invalid = chunk.invalid();
            let is_cut = std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if is_cut && chunks.peek().is_none() {
                self.tail = invalid.to_vec();
            } else {
                text.extend(invalid.iter().map(|byte| format!("\\x{byte:02x}")));
            }
        }
        self.to.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// `text` with its control characters escaped, except for those to keep.
fn shown(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if commands_a_terminal(character) && !keep(character) {
            shown += &format!("\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Control characters, with those that begin an escape sequence; and those that change the order or the lines in which text
/// is shown.
fn commands_a_terminal(character: char) -> bool {
    let reorders = matches!(character,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || reorders
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal gets when `pieces` are written one after the other.
    fn sent(pieces: &[&[u8]]) -> String {
        let mut sent = Vec::new();
        let mut to = Shown::new(&mut sent);
        pieces.iter().for_each(|piece| to.write_all(piece).unwrap());
        String::from_utf8(sent).unwrap()
    }

    #[test]
    fn escapes_are_shown_and_layout_is_kept() {
        assert_eq!(sent(&[b"a\tb\n"]), "a\tb\n");
        assert_eq!(sent(&["\u{1b}[31mred\u{1b}]0;title\u{7}".as_bytes()]), r"\u001b[31mred\u001b]0;title\u0007");
        assert_eq!(sent(&["\r\u{8}\u{7f}\u{9b}2J".as_bytes()]), r"\u000d\u0008\u007f\u009b2J");
        assert_eq!(sent(&["\u{202e}gpj.exe\u{2066}".as_bytes()]), r"\u202egpj.exe\u2066");
        assert_eq!(sent(&["Gehen, 歩く, marche à pied".as_bytes()]), "Gehen, 歩く, marche à pied");
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        let text = "歩\u{9b}é".as_bytes();
        for cut in 0..=text.len() {
            assert_eq!(sent(&[&text[..cut], &text[cut..]]), r"歩\u009bé", "cut at {cut}");
        }
        assert_eq!(sent(&[b"\xff\x1b\xc3(", b"\xc3"]), r"\xff\u001b\xc3(");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({"name\u{1b}": ["\u{9b}1m", "\u{7f}\u{202e}\n\t"]});
        for text in [value.to_string(), format!("{value:#}")] {
            let sent = sent(&[text.as_bytes()]);
            assert!(sent.chars().all(|c| !commands_a_terminal(c) || c == '\n'), "{sent}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&sent).unwrap(), value);
        }
    }

    #[test]
    fn a_name_stays_on_its_line() {
        assert_eq!(visible("walk\nerror:\tno"), r"walk\u000aerror:\u0009no");
    }

    #[test]
    fn a_log_never_fails_and_only_the_reader_of_standard_output_may_leave() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        writeln!(Log(Broken), "a line").unwrap();
        Log(Broken).flush().unwrap();
        let other = writeln!(Broken, "a line").unwrap_err();
        assert!(!reader_left(&other));
        assert!(reader_left(&StandardOutput::named(other)));
    }
}
