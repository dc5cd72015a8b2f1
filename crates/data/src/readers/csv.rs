//! Plain CSV: `subject,activity,timestamp,x,y,z` with a header.
//!
//! - Columns may stand in any order; `subject`, `activity` and `timestamp` (or `time`) are known by name, whatever the
//!   case. Every other column is a channel, in the order of the header; a column without a name (a table's index, as
//!   pandas writes it) is ignored.
//! - The timestamp is optional. Its unit is in its name (`timestamp_s`, `_ms`, `_us`, `_ns`), or follows from the
//!   median step between rows: up to 1 means seconds, up to a thousand milliseconds, up to a million microseconds,
//!   from there nanoseconds.
//! - Fields are separated by commas and may be quoted; a row is a line. Blank lines are skipped.
//!
//! [`CsvRows`] reads rows one by one as they arrive, for data that is still being recorded.

use super::ReadOptions;
use super::source::{Source, extension};
use super::table::{SourceInfo, Table, timestamp, value};
use crate::{Corpus, DataError, Repair};
use std::io::{BufRead, Read};
use std::ops::Range;

pub(crate) const LOOKS_FOR: &str =
    "a CSV file (or a folder of them) with the header `subject,activity,timestamp,x,y,z`";
const EXPECTED: &str = "subject,activity,timestamp,x,y,z";

/// A line longer than this is no row of sensor values.
const MAX_LINE: u64 = 1 << 20;

const UNITS: [(&str, f64); 4] = [("_s", 1.0), ("_ms", 1e3), ("_us", 1e6), ("_ns", 1e9)];

/// One row of a CSV stream.
#[derive(Clone, Debug, PartialEq)]
pub struct CsvRow {
    /// Its line, from 1.
    pub line: usize,
    /// The subject, where there is such a column.
    pub subject: Option<String>,
    /// The activity, where there is such a column.
    pub activity: Option<String>,
    /// The timestamp as written, in the stream's own unit, where there is such a column.
    pub time: Option<f64>,
    /// A finite value for each channel.
    pub values: Vec<f32>,
}

/// Rows of a CSV stream, header first, each as soon as its line is complete. Only the channels are needed; a subject,
/// an activity and a timestamp are given where the stream has them. A bad row is an error that names its line; the next call
/// continues with the row after it.
pub struct CsvRows<R> {
    reader: R,
    name: String,
    header: Header,
    buffer: Vec<u8>,
    fields: Vec<Range<usize>>,
    values: Vec<f32>,
    line: usize,
    ended: bool,
}

/// The role of each column.
struct Header {
    width: usize,
    subject: Option<usize>,
    activity: Option<usize>,
    time: Option<usize>,
    /// Divides timestamps into seconds, when the header names their unit.
    divisor: Option<f64>,
    channel_columns: Vec<usize>,
    channels: Vec<String>,
}

impl Header {
    fn parse(fields: &[&str], place: &str) -> Result<Self, DataError> {
        let bad = |problem: String, remedy: &str| Err(DataError::malformed(place, problem, remedy));
        let mut header = Self {
            width: fields.len(),
            subject: None,
            activity: None,
            time: None,
            divisor: None,
            channel_columns: Vec::new(),
            channels: Vec::new(),
        };
        if fields.iter().all(|field| field.parse::<f64>().is_ok()) {
            return bad(
                format!("the first line holds numbers (`{}`), not the names of the columns", shown(&fields.join(","))),
                "Put a header like `subject,activity,timestamp,x,y,z` above the rows",
            );
        }
        if let [only] = fields
            && let Some(separator) = [';', '\t'].into_iter().find(|separator| only.contains(*separator))
        {
            return bad(format!("columns are separated by {separator:?}"), "Save the file with commas");
        }
        for (column, name) in fields.iter().enumerate() {
            let lower = name.to_ascii_lowercase();
            let slot = match lower.as_str() {
                "" => continue,
                "subject" => &mut header.subject,
                "activity" => &mut header.activity,
                lower if is_time(lower).is_some() => {
                    header.divisor = is_time(lower).flatten();
                    &mut header.time
                }
                _ if header.channels.iter().any(|known| known == name) => {
                    return bad(format!("the header names `{}` twice", shown(name)), "Give each column its own name");
                }
                _ => {
                    header.channels.push((*name).to_owned());
                    header.channel_columns.push(column);
                    continue;
                }
            };
            if slot.replace(column).is_some() {
                return bad(format!("the header names `{lower}` twice"), "Give each column its own name");
            }
        }
        if header.channels.is_empty() {
            return bad(
                format!("the header `{}` names no channel", shown(&fields.join(","))),
                "Add the sensor's columns, for example `x,y,z`",
            );
        }
        Ok(header)
    }
}

/// The divisor into seconds of a time column, `Some(None)` when its name leaves the unit open.
fn is_time(name: &str) -> Option<Option<f64>> {
    let unit = name.strip_prefix("timestamp").or_else(|| name.strip_prefix("time"))?;
    if unit.is_empty() {
        return Some(None);
    }
    UNITS.iter().find(|(suffix, _)| *suffix == unit).map(|(_, divisor)| Some(*divisor))
}

/// A row in the reader's buffers.
pub(crate) struct RowView<'a> {
    buffer: &'a [u8],
    fields: &'a [Range<usize>],
    /// The timestamp as written.
    pub time: Option<f64>,
    /// A finite value for each channel.
    pub values: &'a [f32],
    /// Whether it ends in commas that the header does not ask for.
    pub surplus: bool,
}

impl<'a> RowView<'a> {
    fn field(&self, column: usize) -> &'a [u8] {
        &self.buffer[self.fields[column].clone()]
    }
}

/// A defect of a row.
struct Fault {
    kind: Repair,
    column: Option<usize>,
}

impl From<Repair> for Fault {
    fn from(kind: Repair) -> Self {
        Self { kind, column: None }
    }
}

impl<R: BufRead> CsvRows<R> {
    /// Reads the header of `reader`; messages call the stream `name`.
    ///
    /// # Errors
    /// No header, one without channels or with a name twice, or a failing stream.
    pub fn new(reader: R, name: &str) -> Result<Self, DataError> {
        let nothing = Header {
            width: 0,
            subject: None,
            activity: None,
            time: None,
            divisor: None,
            channel_columns: Vec::new(),
            channels: Vec::new(),
        };
        let mut rows = Self {
            reader,
            name: name.to_owned(),
            header: nothing,
            buffer: Vec::new(),
            fields: Vec::new(),
            values: Vec::new(),
            line: 0,
            ended: false,
        };
        let remedy = "Give CSV text with a header like `subject,activity,timestamp,x,y,z`";
        if !rows.next_line()? {
            return Err(DataError::malformed(name, "nothing to read", remedy));
        }
        let place = format!("{name}:{}", rows.line);
        if rows.buffer.starts_with(b"\xEF\xBB\xBF") {
            rows.buffer.drain(..3);
        }
        rows.split_fields();
        let text = match std::str::from_utf8(&rows.buffer) {
            Ok(text) if !text.contains('\0') => text,
            _ => return Err(DataError::malformed(place, "binary data, not text", remedy)),
        };
        let fields: Vec<&str> = rows.fields.iter().map(|range| &text[range.clone()]).collect();
        rows.header = Header::parse(&fields, &place)?;
        Ok(rows)
    }

    /// Names of the channels, in the order of [`CsvRow::values`].
    pub fn channels(&self) -> &[String] {
        &self.header.channels
    }

    /// Whether there is a column of timestamps.
    pub fn has_times(&self) -> bool {
        self.header.time.is_some()
    }

    /// Reads the next line that is not blank; false at the end.
    fn next_line(&mut self) -> Result<bool, DataError> {
        while !self.ended {
            self.buffer.clear();
            self.line += 1;
            let line = (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut self.buffer);
            let length = line.map_err(|error| {
                self.ended = true;
                DataError::io(&self.name, error)
            })?;
            if length == 0 {
                self.ended = true;
            } else if length as u64 == MAX_LINE {
                self.ended = true;
                let place = format!("{}:{}", self.name, self.line);
                return Err(DataError::malformed(
                    place,
                    "a line of more than a mebibyte",
                    "Give CSV text, a row a line",
                ));
            } else if !self.buffer.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds the fields of the line, trimmed; quotes are taken off.
    fn split_fields(&mut self) {
        self.fields.clear();
        if self.buffer.contains(&b'"') {
            self.unquote();
            return;
        }
        let mut start = 0;
        for field in self.buffer.split(|byte| *byte == b',') {
            let end = start + field.len();
            let left = field.len() - field.trim_ascii_start().len();
            let length = field.trim_ascii().len();
            self.fields.push(start + left..start + left + length);
            start = end + 1;
        }
    }

    fn unquote(&mut self) {
        let line = self.buffer.clone();
        let mut record = ::csv::ByteRecord::new();
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(::csv::Trim::All)
            .from_reader(line.trim_ascii());
        // Reading from memory cannot fail, and a ragged record is found out by its width.
        let _ = reader.read_byte_record(&mut record);
        self.buffer.clear();
        for field in &record {
            let start = self.buffer.len();
            self.buffer.extend_from_slice(field);
            self.fields.push(start..self.buffer.len());
        }
    }

    fn field(&self, column: usize) -> &[u8] {
        &self.buffer[self.fields[column].clone()]
    }

    /// Calls `visit` with the line and the row, not copied, or the reason why the row cannot be used.
    pub(crate) fn for_each_row(
        &mut self,
        mut visit: impl FnMut(usize, Result<RowView<'_>, Repair>),
    ) -> Result<(), DataError> {
        while self.next_line()? {
            let row = self.parse_row().map_err(|fault| fault.kind).map(|time| RowView {
                buffer: &self.buffer,
                fields: &self.fields,
                time,
                values: &self.values,
                surplus: self.fields.len() > self.header.width,
            });
            visit(self.line, row);
        }
        Ok(())
    }

    /// Splits the line and reads its channels into `self.values`; gives the timestamp.
    fn parse_row(&mut self) -> Result<Option<f64>, Fault> {
        self.split_fields();
        let Header { width, channel_columns, time, .. } = &self.header;
        if self.fields.len() < *width {
            return Err(Repair::MissingField.into());
        }
        if self.fields[*width..].iter().any(|surplus| !surplus.is_empty()) {
            return Err(Repair::ExtraField.into());
        }
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        for &column in channel_columns {
            let parsed = value(self.field(column)).map_err(|kind| Fault { kind, column: Some(column) });
            match parsed {
                Ok(parsed) => values.push(parsed),
                Err(fault) => {
                    self.values = values;
                    return Err(fault);
                }
            }
        }
        self.values = values;
        time.map(|column| timestamp(self.field(column)).map_err(|kind| Fault { kind, column: Some(column) }))
            .transpose()
    }

    fn owned(&self, column: Option<usize>) -> Result<Option<String>, Fault> {
        let Some(column) = column else { return Ok(None) };
        let text = std::str::from_utf8(self.field(column));
        Ok(Some(text.map_err(|_| Fault { kind: Repair::NotText, column: Some(column) })?.to_owned()))
    }

    fn owned_row(&mut self) -> Result<CsvRow, Fault> {
        let time = self.parse_row()?;
        Ok(CsvRow {
            line: self.line,
            subject: self.owned(self.header.subject)?,
            activity: self.owned(self.header.activity)?,
            time,
            values: self.values.clone(),
        })
    }

    fn explain(&self, fault: &Fault) -> DataError {
        let place = format!("{}:{}", self.name, self.line);
        let what = match fault.kind {
            Repair::MissingField => "a missing field",
            Repair::ExtraField => "too many fields",
            Repair::NonFinite => "a value that is NaN or infinite",
            Repair::NotText => "a name that is not UTF-8",
            _ => "a field that is not a number",
        };
        let problem = match fault.column {
            Some(column) => format!("{what}: `{}` in column {}", lossy(self.field(column)), column + 1),
            None => format!("{what}: {} instead of {}", self.fields.len(), self.header.width),
        };
        DataError::malformed(place, problem, format!("The header asks for {} fields in each row", self.header.width))
    }
}

impl<R: BufRead> Iterator for CsvRows<R> {
    type Item = Result<CsvRow, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_line() {
            Err(error) => Some(Err(error)),
            Ok(false) => None,
            Ok(true) => Some(self.owned_row().map_err(|fault| self.explain(&fault))),
        }
    }
}

pub(crate) fn try_read(source: &Source, options: &ReadOptions) -> Result<Option<Corpus>, DataError> {
    let names: Vec<&str> = match source.single() {
        Some(name) => {
            let header = source.first_line(name)?.unwrap_or_default().to_ascii_lowercase();
            let known = header.split(',').any(|field| matches!(field.trim(), "activity" | "subject"));
            if !(options.format.is_some() || known || extension(name) == "csv") {
                return Ok(None);
            }
            vec![name]
        }
        None => source.names().filter(|name| extension(name) == "csv").collect(),
    };
    let mut table: Option<Table> = None;
    let mut first_header: Option<Header> = None;
    for name in names {
        let text = source.read(name)?;
        let mut rows = CsvRows::new(&text[..], &source.place(name))?;
        let place = format!("{}:{}", rows.name, rows.line);
        let (subject, activity) =
            (required(rows.header.subject, "subject", &place)?, required(rows.header.activity, "activity", &place)?);
        let table = table.get_or_insert_with(|| Table::new(rows.channels().to_vec(), rows.has_times()));
        if let Some(first) = &first_header
            && (first.channels != rows.header.channels
                || first.time.is_some() != rows.has_times()
                || first.divisor != rows.header.divisor)
        {
            return Err(DataError::malformed(
                place,
                format!("its channels ({}) are not those of the first file", rows.channels().join(", ")),
                "Name a folder whose CSV files all have the same columns",
            ));
        }
        table.start_file(name);
        rows.for_each_row(|line, row| {
            let pushed = row.and_then(|row| {
                let (subject, activity) = (row.field(subject), row.field(activity));
                table.push(line, subject, activity, row.time.unwrap_or(0.0), row.values)?;
                Ok(row.surplus)
            });
            match pushed {
                Err(kind) => table.record(kind, line),
                Ok(true) => table.record(Repair::StrayComma, line),
                Ok(false) => {}
            }
        })?;
        first_header.get_or_insert(rows.header);
    }
    let (Some(table), Some(header)) = (table, first_header) else { return Ok(None) };
    let corpus = table.into_corpus(SourceInfo {
        label: source.label(),
        name: source.stem(),
        expected: EXPECTED,
        activity_name: |_| None,
        divisor: header.divisor,
        rate_hz: None,
    })?;
    Ok(Some(corpus))
}

fn required(column: Option<usize>, name: &str, place: &str) -> Result<usize, DataError> {
    column.ok_or_else(|| {
        DataError::malformed(
            place,
            format!("the header has no column `{name}`"),
            format!("Expected `{EXPECTED}`, in any order; rename the column that holds the {name}, or add one"),
        )
    })
}

/// Text of a file as it may stand in a message: short, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let ellipsis = if short.len() < text.len() { "…" } else { "" };
    format!("{}{ellipsis}", short.escape_debug())
}

fn lossy(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes))
}
