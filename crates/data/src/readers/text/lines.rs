//! Lines of a text as UTF-8, whatever they were written in.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::bufread::MultiGzDecoder;

use crate::{DataError, Notice};

/// A line longer than this is no row; one of the UEA archive has 3 MB.
const MAX_LINE: u64 = 64 << 20;
/// Bytes at the start that tell an encoding.
const MAGIC: usize = 4;

/// Gives a text line by line, in UTF-8.
///
/// UTF-8 and UTF-16 are recognised, with or without a byte-order mark, and gzip. A line that is no UTF-8 is taken for
/// Windows-1252, of which Latin-1 is a part; every byte is a character there. Lines end with LF, CR LF, or CR alone.
pub(crate) struct Lines<'a> {
    reader: Box<dyn BufRead + 'a>,
    /// What messages call the text.
    name: String,
    line: Vec<u8>,
    number: usize,
    /// Unknown before the first line.
    end: Option<u8>,
    ended: bool,
    /// Encoding other than UTF-8 in which a line was read, and the first such line.
    foreign: Option<(&'static Encoding, usize)>,
}

impl<'a> Lines<'a> {
    /// Reads the first bytes of `reader`, and no more than it has at hand of those that follow.
    pub fn new(reader: impl BufRead + 'a, name: &str) -> Result<Self, DataError> {
        let failed = |error| DataError::io(name, error);
        let (mut magic, mut reader) = peeked(reader).map_err(failed)?;
        if magic.starts_with(&[0x1f, 0x8b]) {
            let expanded = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(reader));
            (magic, reader) = peeked(expanded).map_err(failed)?;
        }
        let utf_16 = utf_16(&magic);
        if let Some(encoding) = utf_16 {
            let decoded = DecodeReaderBytesBuilder::new().encoding(Some(encoding)).build(reader);
            reader = Box::new(BufReader::new(decoded));
        }
        let name = name.to_owned();
        let foreign = utf_16.map(|encoding| (encoding, 1));
        Ok(Self { reader, name, line: Vec::new(), number: 0, end: None, ended: false, foreign })
    }

    /// What messages call the text.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `name:line` of the last line.
    pub fn place(&self) -> String {
        format!("{}:{}", self.name, self.number)
    }

    /// The next line that is not blank, and its number from 1; `None` after the last.
    pub fn next(&mut self) -> Result<Option<(usize, &mut Vec<u8>)>, DataError> {
        while !self.ended {
            self.line.clear();
            self.number += 1;
            if let Err(error) = self.read_line() {
                self.ended = true;
                return Err(error);
            }
            if self.number == 1 && self.line.starts_with(b"\xEF\xBB\xBF") {
                self.line.drain(..3);
            }
            if !self.line.trim_ascii().is_empty() {
                self.decode_line();
                return Ok(Some((self.number, &mut self.line)));
            }
        }
        Ok(None)
    }

    /// Calls `visit` with the number and the text of each line that is not blank, without surrounding space, until it fails.
    pub fn for_each(mut self, mut visit: impl FnMut(usize, &[u8]) -> Result<(), DataError>) -> Result<(), DataError> {
        while let Some((number, line)) = self.next()? {
            visit(number, line.trim_ascii())?;
        }
        Ok(())
    }

    /// Reads a line with its end.
    fn read_line(&mut self) -> Result<(), DataError> {
        let read = match self.end {
            Some(end) => (&mut self.reader).take(MAX_LINE).read_until(end, &mut self.line).map(|_| end),
            None => self.read_first_line(),
        };
        let end = read.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                let problem = format!("what is compressed is damaged ({error}). Compress or download the file again");
                DataError::io(self.place(), io::Error::new(error.kind(), problem))
            }
            _ => DataError::io(&self.name, error),
        })?;
        self.end = Some(end);
        self.ended = self.line.is_empty();
        if self.line.len() as u64 >= MAX_LINE && self.line.last() != Some(&end) {
            let problem = "a line of more than 64 MiB";
            return Err(DataError::malformed(self.place(), problem, "Give text with a row a line"));
        }
        Ok(())
    }

    /// Reads the first line, whose end tells that of the others: LF, with or without CR before it, or CR alone.
    fn read_first_line(&mut self) -> io::Result<u8> {
        while (self.line.len() as u64) < MAX_LINE {
            let buffer = self.reader.fill_buf()?;
            let end = buffer.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let n_read = end.map_or(buffer.len(), |end| end + 1);
            self.line.extend_from_slice(&buffer[..n_read]);
            self.reader.consume(n_read);
            match (end, self.line.last()) {
                (Some(_), Some(b'\r')) if self.reader.fill_buf()?.first() == Some(&b'\n') => self.reader.consume(1),
                (Some(_), Some(b'\r')) => return Ok(b'\r'),
                (None, _) if n_read > 0 => continue,
                _ => {}
            }
            break;
        }
        Ok(b'\n')
    }

    fn decode_line(&mut self) {
        if std::str::from_utf8(&self.line).is_err() {
            self.foreign.get_or_insert((WINDOWS_1252, self.number));
            self.line = WINDOWS_1252.decode_without_bom_handling(&self.line).0.into_owned().into_bytes();
        }
    }

    /// What the user should know of how the text was read.
    pub fn notice(&self) -> Option<Notice> {
        let (encoding, line) = self.foreign?;
        let name = &self.name;
        Some(match encoding == WINDOWS_1252 {
            true => Notice::Warning(format!(
                "{name} is not UTF-8, first in line {line}; it was read as Windows-1252 (Latin-1). Look at the names, and \
                 save the file as UTF-8 if they are wrong."
            )),
            false => Notice::Note(format!("{name} was read as {}.", encoding.name())),
        })
    }
}

/// The first bytes of `reader`, and a reader that still gives them.
fn peeked<'a>(mut reader: impl BufRead + 'a) -> io::Result<(Vec<u8>, Box<dyn BufRead + 'a>)> {
    let mut magic = Vec::new();
    while magic.len() < MAGIC && magic.last() != Some(&b'\n') {
        if reader.by_ref().take(1).read_to_end(&mut magic)? == 0 {
            break;
        }
    }
    Ok((magic.clone(), Box::new(Cursor::new(magic).chain(reader))))
}

/// UTF-16, if a text that starts with `magic` is in it. Without a mark it shows in the zeros beside each ASCII character.
fn utf_16(magic: &[u8]) -> Option<&'static Encoding> {
    match *magic {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        [a, 0, b, 0] if a != 0 && b != 0 => Some(UTF_16LE),
        [0, a, 0, b] if a != 0 && b != 0 => Some(UTF_16BE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(text, "text").unwrap();
        let mut found = Vec::new();
        while let Some((_, line)) = lines.next().unwrap() {
            found.push(String::from_utf8(line.trim_ascii().to_vec()).unwrap());
        }
        found
    }

    fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn every_encoding_gives_the_same_lines() {
        let text = "x,straße\n1,2\n";
        let expected = ["x,straße", "1,2"];
        assert_eq!(lines(text.as_bytes()), expected);
        assert_eq!(lines(format!("\u{feff}{text}").as_bytes()), expected);
        assert_eq!(lines(b"x,stra\xdfe\n1,2\n"), expected, "Latin-1");
        for mark in ["", "\u{feff}"] {
            assert_eq!(lines(&utf_16(&format!("{mark}{text}"), u16::to_le_bytes)), expected);
            assert_eq!(lines(&utf_16(&format!("{mark}{text}"), u16::to_be_bytes)), expected);
        }
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(lines(&packed), expected);
        assert_eq!(lines(&[&packed[..], &packed].concat()).len(), 4, "members of a gzip file follow each other");
        let mut damaged = Lines::new(&packed[..packed.len() - 9], "a.gz").unwrap();
        let error = std::iter::from_fn(|| damaged.next().map(|line| line.map(|_| ())).transpose())
            .find_map(Result::err)
            .expect("the end is missing");
        assert!(error.to_string().contains("damaged"), "{error}");
    }

    #[test]
    fn every_line_end_is_one() {
        for text in ["first\nb\n\nc", "first\r\nb\r\n\r\nc\r\n", "first\rb\r\rc", "first\r\nb\nc"] {
            assert_eq!(lines(text.as_bytes()), ["first", "b", "c"], "{text:?}");
        }
        assert_eq!(lines(b"\r\rfirst\rb"), ["first", "b"]);
        assert_eq!(lines(b"only"), ["only"]);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn what_was_not_utf_8_is_said_with_its_line() {
        let mut read = Lines::new(&b"a\n\ncaf\xe9\n"[..], "a.csv").unwrap();
        while read.next().unwrap().is_some() {}
        let Some(Notice::Warning(text)) = read.notice() else { panic!("no warning") };
        assert!(text.contains("a.csv is not UTF-8, first in line 3"), "{text}");
    }
}
