//! The rows of a text below its header: delimited fields, or JSON lines.

use std::collections::VecDeque;
use std::io::BufRead;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::fields::number;
use super::{Dialect, Fields, Lines};
use crate::corpus::position;
use crate::readers::shown;
use crate::{DataError, Notice};

/// The most lines above a header.
const MAX_PREAMBLE: usize = 100;

/// Rows of a text with named columns, one at a time.
///
/// - Fields are separated by commas, semicolons, tabs, bars or spaces, as in the header, and may be quoted. A row is a line.
/// - A text that begins with `{` is JSON lines: an object a line, whose keys are the columns. Objects inside give columns
///   such as `values.x`.
/// - Above the header there may be other lines, such as a logger's account of itself.
pub(crate) struct RawRows<'a> {
    lines: Lines<'a>,
    form: Form,
    /// Names of the columns.
    pub names: Vec<String>,
    /// Line of the header; 0 where there is none.
    pub header_line: usize,
    fields: Fields,
    /// Lines below the header that were read in search of a better one, with their numbers.
    ahead: VecDeque<(usize, Vec<u8>)>,
}

#[derive(Clone, Copy)]
enum Form {
    Delimited(Dialect),
    Json,
}

/// One row: as many fields as it has.
pub(crate) enum RawRow<'a> {
    /// Its fields.
    Fields(&'a Fields),
    /// A line that is no JSON object.
    NotJson,
}

impl<'a> RawRows<'a> {
    /// Reads `reader` up to the header, which is the first line that `is_header` accepts. With `columns` there is none. JSON
    /// lines have the columns of the first object, and those that are `wanted`: an object may lack some. Messages call the
    /// text `name`.
    ///
    /// # Errors
    /// Nothing to read, no text, numbers where the header should be, or a failing reader. Where no line is accepted, the
    /// first one counts as the header, and it is for the caller to say what it lacks.
    pub fn new(
        reader: impl BufRead + 'a,
        name: &str,
        columns: &[String],
        wanted: &[String],
        is_header: impl Fn(&[String]) -> bool,
    ) -> Result<Self, DataError> {
        let remedy = "Give text with a header like `subject,activity,timestamp,x,y,z` and a row a line";
        let mut lines = Lines::new(reader, name)?;
        let (mut dialect, mut fields, mut first) = (None, Fields::default(), None);
        let mut ahead = VecDeque::new();
        loop {
            let Some((number, line)) = lines.next()? else {
                let Some((names, form, header_line)) = first else {
                    return Err(DataError::malformed(name, "nothing to read", remedy));
                };
                return Ok(Self { lines, form, names, header_line, fields, ahead });
            };
            if line.contains(&0) {
                return Err(DataError::malformed(format!("{name}:{number}"), "binary data, not text", remedy));
            }
            let line = line.clone();
            let text = line.trim_ascii_start();
            if text.starts_with(b"{") {
                let Some(object) = object(&line) else {
                    let problem = "a line that starts with `{` and is no JSON object";
                    return Err(DataError::malformed(format!("{name}:{number}"), problem, remedy));
                };
                let mut names: Vec<String> = match columns {
                    [] => object.into_iter().map(|(name, _)| name).collect(),
                    columns => columns.to_vec(),
                };
                for wanted in wanted {
                    if position(&names, wanted).is_none() {
                        names.push(wanted.clone());
                    }
                }
                let ahead = VecDeque::from([(number, line)]);
                return Ok(Self { lines, form: Form::Json, names, header_line: 0, fields, ahead });
            }
            if let Some(named) = Dialect::named_by(&line) {
                dialect = Some(named);
                continue;
            }
            let dialect = dialect.unwrap_or_else(|| match columns {
                [] => Dialect::of_header(&line),
                columns => Dialect::of_rows(&line, columns.len()),
            });
            fields.split(&mut text.strip_prefix(b"#").unwrap_or(text).to_vec(), dialect);
            let (names, form) = (fields.texts(), Form::Delimited(dialect));
            if !columns.is_empty() {
                // A header all the same is not read as a row.
                if !is_same(&names, columns) {
                    ahead.push_back((number, line));
                }
                return Ok(Self { lines, form, names: columns.to_vec(), header_line: 0, fields, ahead });
            }
            let n_numbers = (0..fields.len()).filter(|&idx| is_number(&fields, idx)).count();
            if first.is_none() && are_values(&fields, n_numbers) {
                let problem = format!(
                    "the first line holds numbers (`{}`), not the names of the columns",
                    shown(&names.join(","))
                );
                let remedy = "Put a header like `subject,activity,timestamp,x,y,z` above the rows, or name the columns \
                              with --columns";
                return Err(DataError::malformed(format!("{name}:{number}"), problem, remedy));
            }
            if n_numbers == 0 && is_header(&names) {
                ahead.clear();
                return Ok(Self { lines, form, names, header_line: number, fields, ahead });
            }
            match first.take() {
                None => first = Some((names, form, number)),
                Some((names, form, header_line)) => {
                    ahead.push_back((number, line));
                    if 2 * n_numbers > fields.len() || ahead.len() >= MAX_PREAMBLE {
                        // Rows have begun, so there is no other header.
                        return Ok(Self { lines, form, names, header_line, fields, ahead });
                    }
                    first = Some((names, form, header_line));
                }
            }
        }
    }

    /// What messages call the text.
    pub fn name(&self) -> &str {
        self.lines.name()
    }

    /// Whether they are JSON lines.
    pub fn is_json(&self) -> bool {
        matches!(self.form, Form::Json)
    }

    /// What the user should know of how the text was read.
    pub fn notice(&self) -> Option<Notice> {
        self.lines.notice()
    }

    /// The next row with its line; `None` after the last.
    pub fn next(&mut self) -> Result<Option<(usize, RawRow<'_>)>, DataError> {
        let mut ahead;
        let (number, line) = match self.ahead.pop_front() {
            Some((number, line)) => {
                ahead = line;
                (number, &mut ahead)
            }
            None => match self.lines.next()? {
                Some(next) => next,
                None => return Ok(None),
            },
        };
        match self.form {
            Form::Delimited(dialect) => self.fields.split(line, dialect),
            Form::Json => match object(line) {
                Some(object) => self.take_object(&object),
                None => return Ok(Some((number, RawRow::NotJson))),
            },
        }
        Ok(Some((number, RawRow::Fields(&self.fields))))
    }

    fn take_object(&mut self, object: &[(String, Value)]) {
        self.fields.clear();
        for name in &self.names {
            match object.iter().find(|(key, _)| key == name).map(|(_, value)| value) {
                None | Some(Value::Null) => self.fields.push(b""),
                Some(Value::String(text)) => self.fields.push(text.trim().as_bytes()),
                Some(other) => self.fields.push(other.to_string().as_bytes()),
            }
        }
    }
}

/// Whether the fields of a first line are values, not names: at least half are numbers. Columns may be called by numbers that
/// count up.
fn are_values(fields: &Fields, n_numbers: usize) -> bool {
    let numbers = (0..fields.len()).filter_map(|idx| number::<f64>(fields.get(idx)).ok());
    let count_up = numbers.clone().zip(numbers.clone().skip(1)).all(|(a, b)| b == a + 1.0);
    n_numbers == fields.len() || 2 * n_numbers >= fields.len() && n_numbers > 1 && !count_up
}

fn is_number(fields: &Fields, idx: usize) -> bool {
    number::<f64>(fields.get(idx)).is_ok()
}

fn is_same(names: &[String], columns: &[String]) -> bool {
    names.len() == columns.len() && names.iter().zip(columns).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// Keys and values of a JSON object, in its order; those of objects inside follow their key and a dot.
fn object(line: &[u8]) -> Option<Vec<(String, Value)>> {
    let Entries(entries) = serde_json::from_slice(line).ok()?;
    let mut flat = Vec::new();
    for (key, value) in entries {
        match value {
            Value::Object(inner) => {
                flat.extend(inner.into_iter().map(|(name, value)| (format!("{key}.{name}"), value)))
            }
            value => flat.push((key, value)),
        }
    }
    Some(flat)
}

/// An object that keeps its order.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entries, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, columns: &[&str]) -> (Vec<String>, Vec<(usize, Vec<String>)>) {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let is_header = |names: &[String]| names.iter().any(|name| name == "x");
        let mut rows = RawRows::new(text.as_bytes(), "text", &columns, &[], is_header).unwrap();
        let mut found = Vec::new();
        while let Some((line, row)) = rows.next().unwrap() {
            match row {
                RawRow::Fields(fields) => found.push((line, fields.texts())),
                RawRow::NotJson => found.push((line, Vec::new())),
            }
        }
        (rows.names, found)
    }

    #[test]
    fn a_header_is_found_below_other_lines() {
        for above in ["", "sep=;\n", "Device: phone, black\n\n# 20 Hz\n", "Rate;50\n", "# "] {
            let (names, found) = rows(&format!("{above}t;x\n1;2,5\n"), &[]);
            assert_eq!(names, ["t", "x"], "{above}");
            assert_eq!(found.iter().map(|(_, fields)| fields.join(" ")).collect::<Vec<_>>(), ["1 2,5"], "{above}");
        }
    }

    #[test]
    fn no_row_is_lost_in_search_of_a_better_header() {
        let (names, found) = rows("who,a,y\ns,b,1\ns,c,2\n", &[]);
        assert_eq!((names.join(" "), found.len()), ("who a y".to_owned(), 2));
        let (names, found) = rows("t,y\n1,2\n3,4\n", &[]);
        assert_eq!((names.join(" "), found.len(), found[0].0), ("t y".to_owned(), 2, 2));
    }

    #[test]
    fn columns_can_be_named_instead_of_a_header() {
        for text in ["1,2\n3,4\n", "t,X\n1,2\n3,4\n", "1;2\n3;4\n", "1 2\n3 4\n"] {
            let (names, found) = rows(text, &["t", "x"]);
            assert_eq!(names, ["t", "x"]);
            assert_eq!(found.iter().map(|(_, fields)| fields.join(" ")).collect::<Vec<_>>(), ["1 2", "3 4"], "{text}");
        }
    }

    #[test]
    fn json_lines_have_their_keys_as_columns() {
        let text =
            "{\"z\":1,\"x\":2.5,\"a\":{\"b\":\" c \"}}\n{\"x\":3,\"z\":1700000000123456789}\noops\n{\"a.b\":null}\n";
        let (names, found) = rows(text, &[]);
        assert_eq!(names, ["z", "x", "a.b"]);
        assert_eq!(found[0], (1, ["1", "2.5", "c"].map(str::to_owned).to_vec()));
        assert_eq!(found[1], (2, ["1700000000123456789", "3", ""].map(str::to_owned).to_vec()));
        assert_eq!(found[2], (3, Vec::new()));
        assert_eq!(found[3].1, ["", "", ""]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for (text, expected) in
            [("1,2\n", "--columns"), ("", "nothing to read"), ("a\0b\n", "binary"), ("{oops\n", "JSON")]
        {
            let error = RawRows::new(text.as_bytes(), "text", &[], &[], |_| true).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
