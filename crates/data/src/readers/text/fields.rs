//! Fields of a line: what separates them, quotes, and numbers with a decimal point or comma.

use std::ops::Range;

use crate::Repair;

/// What separates fields, in the order in which a tie is decided.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How the fields of a text are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// By one character; quoted fields may hold it.
    By(u8),
    /// By spaces.
    Spaces,
}

impl Dialect {
    /// The dialect of a text with this header.
    pub fn of_header(line: &[u8]) -> Self {
        let mut counts = [0_usize; SEPARATORS.len()];
        let mut quoted = false;
        for byte in line {
            quoted ^= *byte == b'"';
            let at = SEPARATORS.iter().position(|separator| separator == byte);
            if let (Some(at), false) = (at, quoted) {
                counts[at] += 1;
            }
        }
        let most = counts.into_iter().max().unwrap_or(0);
        let n_words = line.trim_ascii().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
        match counts.iter().position(|count| *count == most) {
            Some(at) if most > 0 => Self::By(SEPARATORS[at]),
            // Two words may be one name with a space in it.
            _ if n_words > 2 => Self::Spaces,
            _ => Self::By(b','),
        }
    }

    /// The dialect of rows of `n_fields` fields, of which `line` is one: that which gives as many.
    pub fn of_rows(line: &[u8], n_fields: usize) -> Self {
        let gives_as_many = |dialect: &Self| {
            let mut fields = Fields::default();
            fields.split(&mut line.to_vec(), *dialect);
            fields.len() == n_fields
        };
        // A decimal comma is no separator where another character gives the right number.
        let others = SEPARATORS.map(Self::By).into_iter().chain([Self::Spaces]);
        others.into_iter().find(gives_as_many).unwrap_or_else(|| Self::of_header(line))
    }

    /// Excel's first line `sep=;`.
    pub fn named_by(line: &[u8]) -> Option<Self> {
        match line.trim_ascii().to_ascii_lowercase()[..] {
            [b's', b'e', b'p', b'=', separator] => Some(Self::By(separator)),
            _ => None,
        }
    }
}

/// The fields of one line, trimmed and without quotes.
#[derive(Default)]
pub(crate) struct Fields {
    buffer: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Fields {
    /// Splits a line of UTF-8. `line` is emptied.
    pub fn split(&mut self, line: &mut Vec<u8>, dialect: Dialect) {
        self.ranges.clear();
        self.buffer.clear();
        match dialect {
            Dialect::By(separator) if line.contains(&b'"') => self.unquote(line, separator),
            Dialect::By(separator) => {
                std::mem::swap(&mut self.buffer, line);
                let mut start = 0;
                for field in self.buffer.split(|byte| *byte == separator) {
                    let left = field.len() - field.trim_ascii_start().len();
                    self.ranges.push(start + left..start + left + field.trim_ascii().len());
                    start += field.len() + 1;
                }
            }
            Dialect::Spaces => {
                for word in line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
                    self.push(word);
                }
            }
        }
        line.clear();
    }

    fn unquote(&mut self, line: &[u8], separator: u8) {
        let mut record = ::csv::ByteRecord::new();
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .trim(::csv::Trim::All)
            .from_reader(line.trim_ascii());
        // Reading from memory cannot fail, and a ragged record is found out by its width.
        let _ = reader.read_byte_record(&mut record);
        for field in &record {
            // Quotes after a space are not special to the reader.
            let inner = field.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
            self.push(inner.unwrap_or(field));
        }
    }

    /// Adds a field.
    pub fn push(&mut self, field: &[u8]) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(field);
        self.ranges.push(start..self.buffer.len());
    }

    /// Removes all fields.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.ranges.clear();
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Field `idx`.
    pub fn get(&self, idx: usize) -> &[u8] {
        &self.buffer[self.ranges[idx].clone()]
    }

    /// Field `idx` as text. Lines are UTF-8, and separators are ASCII.
    pub fn text(&self, idx: usize) -> &str {
        std::str::from_utf8(self.get(idx)).unwrap_or_default()
    }

    /// All fields as texts.
    pub fn texts(&self) -> Vec<String> {
        (0..self.len()).map(|idx| self.text(idx).to_owned()).collect()
    }
}

/// A sensor value: finite, with a decimal point or comma.
pub(crate) fn value(field: &[u8]) -> Result<f32, Repair> {
    match number::<f32>(field)? {
        value if value.is_finite() => Ok(value),
        _ => Err(Repair::NonFinite),
    }
}

/// A timestamp in the unit of the source.
pub(crate) fn timestamp(field: &[u8]) -> Result<f64, Repair> {
    match number::<f64>(field)? {
        time if !time.is_finite() => Err(Repair::NonFinite),
        time => Ok(time),
    }
}

/// A number in any notation that Rust reads, or with a decimal comma. Infinite and NaN are numbers here.
pub(crate) fn number<T: std::str::FromStr>(field: &[u8]) -> Result<T, Repair> {
    let text = std::str::from_utf8(field).map_err(|_| Repair::NotANumber)?;
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    if is_missing(text) {
        return Err(Repair::MissingField);
    }
    match text.split_once(',') {
        Some((whole, fraction)) if !fraction.contains([',', '.']) && !whole.contains('.') => {
            format!("{whole}.{fraction}").parse().map_err(|_| Repair::NotANumber)
        }
        _ => Err(Repair::NotANumber),
    }
}

/// Whether a field says that there is no value. `NaN` is a number.
fn is_missing(text: &str) -> bool {
    text.is_empty()
        || ["na", "n/a", "null", "none", "-", "?", "missing"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        let mut fields = Fields::default();
        fields.split(&mut line.as_bytes().to_vec(), Dialect::of_header(line.as_bytes()));
        fields.texts()
    }

    #[test]
    fn the_separator_is_what_separates_most() {
        for line in ["a,b,c", " a ; b;c", "a\tb\tc", "a|b|c", "a b  c", r#""a";b;"c""#, "\"a\",b, \"c\""] {
            assert_eq!(split(line), ["a", "b", "c"], "{line}");
        }
        assert_eq!(split("time, s;x;y"), ["time, s", "x", "y"]);
        assert_eq!(split("\"x, y\",z"), ["x, y", "z"]);
        assert_eq!(split("one name"), ["one name"]);
        assert_eq!(split("\"x\",\u{c3},\u{a9}"), ["x", "\u{c3}", "\u{a9}"]);
    }

    #[test]
    fn a_decimal_comma_is_a_decimal_point_and_nothing_else() {
        assert_eq!(value(b"-1,25"), Ok(-1.25));
        assert_eq!(value(b"1e-3"), Ok(0.001));
        for not in ["1.000,5", "1,000,5", "1,000.5", "x", "1 2"] {
            assert_eq!(value(not.as_bytes()), Err(Repair::NotANumber), "{not}");
        }
        for missing in ["", "NA", "null", "-"] {
            assert_eq!(value(missing.as_bytes()), Err(Repair::MissingField), "{missing}");
        }
        assert_eq!(value(b"NaN"), Err(Repair::NonFinite));
    }
}
