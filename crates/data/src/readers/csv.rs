//! Tables in text: CSV in any dialect, and JSON lines.
//!
//! - Columns may stand in any order. Those of subject, activity and time are known by name ([`Columns`]), and every other
//!   column of numbers is a channel, unless its content shows that it is none ([`super::content`]). The user may say
//!   otherwise of each ([`ReadOptions`]).
//! - The time is optional. Its unit is in its name, or follows from the values.
//! - Of several files each is a part of the same data: channels are matched by name.
//!
//! [`Rows`] reads rows one by one as they arrive, for data that is still being recorded.

use std::io::BufRead;

use regex_lite::Regex;

use super::columns::{ANOTHER_CLOCK, Columns};
use super::names::Naming;
use super::options::{Fill, ReadOptions};
use super::shown;
use super::source::{Source, extension};
use super::table::{RowHead, SourceInfo, Table};
use super::text::{Fields, RawRow, RawRows, value};
use crate::corpus::position;
use crate::time::{Stamp, Unit, stamp};
use crate::{Corpus, DataError, Notice, Repair, Role};

pub(crate) const LOOKS_FOR: &str =
    "a CSV file (or a folder of them) with the header `subject,activity,timestamp,x,y,z`, or JSON lines of these";
const EXPECTED: &str = "subject,activity,timestamp,x,y,z";
/// Extensions of files that are tables, before any `.gz`.
const EXTENSIONS: [&str; 5] = ["csv", "tsv", "jsonl", "ndjson", "txt"];

/// One row of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its line, from 1.
    pub line: usize,
    /// The subject, where there is such a column.
    pub subject: Option<String>,
    /// The activity, where there is such a column.
    pub activity: Option<String>,
    /// The timestamp in the stream's own unit, where there is such a column; NaN where it is empty.
    pub time: Option<f64>,
    /// The timestamp as it was written.
    pub stamp: Option<String>,
    /// A finite value for each channel.
    pub values: Vec<f32>,
}

/// Rows of a stream, header first, each as soon as its line is complete. Only the channels are needed; a subject, an
/// activity and a timestamp are given where the stream has them. A bad row is an error that names its line; the next call
/// continues with the row after it.
pub struct Rows<'a> {
    rows: RawRows<'a>,
    columns: Columns,
    fill: Fill,
    subjects: Naming,
    activities: Naming,
    /// The last row that was complete.
    last: Option<Row>,
}

impl<'a> Rows<'a> {
    /// Reads the header of `reader`; messages call the stream `name`.
    ///
    /// # Errors
    /// No header, one without channels or with a name twice, or a failing stream.
    pub fn new(reader: impl BufRead + 'a, name: &str, options: &ReadOptions) -> Result<Self, DataError> {
        let options = ReadOptions { unlabelled: true, ..options.clone() };
        let (rows, columns) = open(reader, name, &options)?;
        let (subjects, activities) = (Naming::new(&options), Naming::new(&options));
        Ok(Self { rows, columns, fill: options.fill, subjects, activities, last: None })
    }

    /// Names of the channels, in the order of [`Row::values`].
    pub fn channels(&self) -> &[String] {
        &self.columns.channels
    }

    /// Whether there is a column of timestamps.
    pub fn has_times(&self) -> bool {
        self.columns.time.is_some()
    }

    /// Unit of the timestamps, where their column or the user names it.
    pub fn unit(&self) -> Option<Unit> {
        self.columns.unit
    }

    /// Whether the rows are JSON lines.
    pub fn is_json(&self) -> bool {
        self.rows.is_json()
    }

    /// What the user should know of how the text was read.
    pub fn notice(&self) -> Option<Notice> {
        self.rows.notice()
    }

    fn row(&mut self) -> Option<Result<Row, DataError>> {
        let width = self.rows.names.len();
        let name = self.rows.name().to_owned();
        let (line, row) = match self.rows.next() {
            Err(error) => return Some(Err(error)),
            Ok(None) => return None,
            Ok(Some((line, row))) => (line, row),
        };
        let bad = |problem: String| {
            let remedy = format!("The header asks for {width} fields in each row");
            Some(Err(DataError::malformed(format!("{name}:{line}"), problem, remedy)))
        };
        let fields = match row {
            RawRow::NotJson => return bad("not a JSON object".to_owned()),
            RawRow::Fields(fields) => fields,
        };
        if let Err(kind) = check_width(fields, width) {
            return bad(format!("{}: {} instead of {width}", what(kind), fields.len()));
        }
        let of_column = |kind, column: usize| {
            bad(format!("{}: `{}` in column {}", what(kind), shown(fields.text(column)), column + 1))
        };
        let text = |column: Option<usize>| column.map(|column| fields.text(column));
        let subject = text(self.columns.subject).map(|name| self.subjects.call(name));
        let activity = text(self.columns.activity).map(|name| self.activities.call(name));
        let time = match self.columns.time.map(|column| (column, time_of(fields.get(column), self.columns.unit))) {
            None => None,
            Some((_, Ok(time))) => Some(time),
            Some((column, Err(kind))) => return of_column(kind, column),
        };
        let before = self
            .last
            .as_ref()
            .filter(|last| self.fill == Fill::Previous && last.subject == subject && last.activity == activity);
        let mut values = Vec::with_capacity(self.columns.values.len());
        for (channel, &column) in self.columns.values.iter().enumerate() {
            match (value(fields.get(column)), before) {
                (Ok(value), _) => values.push(value),
                (Err(_), Some(before)) => values.push(before.values[channel]),
                (Err(kind), None) => return of_column(kind, column),
            }
        }
        let stamp = text(self.columns.time).map(str::to_owned);
        let row = Row { line, subject, activity, time, stamp, values };
        if self.fill == Fill::Previous {
            self.last = Some(row.clone());
        }
        Some(Ok(row))
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row()
    }
}

fn open<'a>(reader: impl BufRead + 'a, name: &str, options: &ReadOptions) -> Result<(RawRows<'a>, Columns), DataError> {
    let rows =
        RawRows::new(reader, name, &options.columns, &options.channels, |names| Columns::is_header(names, options))?;
    let columns = Columns::new(&rows.names, options, &format!("{name}:{}", rows.header_line.max(1)))?;
    Ok((rows, columns))
}

/// Refuses a row that has not one field for each column. Commas with nothing between them may follow.
pub(super) fn check_width(fields: &Fields, width: usize) -> Result<(), Repair> {
    if fields.len() < width {
        return Err(Repair::MissingField);
    }
    match (width..fields.len()).all(|surplus| fields.get(surplus).is_empty()) {
        true => Ok(()),
        false => Err(Repair::ExtraField),
    }
}

/// Whether a row is a header: most of its fields are names of columns.
fn is_header_again(fields: &Fields, names: &[String]) -> bool {
    let is_name = |idx: usize| names.iter().any(|name| !name.is_empty() && name.as_bytes() == fields.get(idx));
    // Hardly a row comes further than this.
    let last = fields.len().saturating_sub(1);
    if fields.len() < 2 || !(is_name(last) || is_name(last / 2)) {
        return false;
    }
    2 * (0..fields.len()).filter(|&idx| is_name(idx)).count() > names.len().min(fields.len())
}

/// A timestamp in the unit of its clock; NaN where it is missing. A date is in seconds, unless the clock is said to count in
/// another unit.
fn time_of(field: &[u8], unit: Option<Unit>) -> Result<f64, Repair> {
    Ok(match stamp(field)? {
        Stamp::Calendar(seconds) => seconds * unit.unwrap_or(Unit::Seconds).per_second(),
        other => other.value(),
    })
}

fn what(kind: Repair) -> &'static str {
    match kind {
        Repair::MissingField => "a missing field",
        Repair::ExtraField => "too many fields",
        Repair::NonFinite => "a value that is NaN or infinite",
        _ => "a field that is not a number",
    }
}

pub(crate) fn try_read(source: &Source, options: &ReadOptions) -> Result<Option<Corpus>, DataError> {
    let names: Vec<&str> = match source.single() {
        Some(name) if options.format.is_some() || is_table(name, &["txt"]) || looks_like_one(source, name)? => {
            vec![name]
        }
        Some(_) => return Ok(None),
        None => {
            let mut names = Vec::new();
            for name in source.names() {
                if is_table(name, &["txt"]) || is_table(name, &[]) && looks_like_one(source, name)? {
                    names.push(name);
                }
            }
            names
        }
    };
    if names.is_empty() {
        return Ok(None);
    }
    let subject_from = options.subject_from.as_deref().map(subject_pattern).transpose()?;
    let mut notices = Vec::new();
    let files = find_files(source, &names, options, subject_from.as_ref(), &mut notices)?;
    let channels = common_channels(&files, &mut notices);
    notices.extend(other_clocks(&files[0].columns));
    let first = &files[0];
    let has_times = first.columns.time.is_some();
    let mut table = Table::new(channels.clone(), has_times);
    if options.keep_stamps {
        table.keep_stamps();
    }
    for file in &files {
        let values: Vec<usize> = channels.iter().filter_map(|name| file.column_of(name)).collect();
        if file.columns.time.is_some() != has_times {
            let clock = |file: &TableFile| {
                file.columns
                    .time
                    .map_or("no clock".to_owned(), |at| format!("the clock `{}`", shown(&file.columns.all[at].name)))
            };
            return Err(DataError::malformed(
                source.place(&file.name),
                format!("it has {}, and {} has {}", clock(file), first.name, clock(first)),
                "Give all files the same clock, or read them apart",
            ));
        }
        if values.len() < channels.len() {
            return Err(DataError::malformed(
                source.place(&file.name),
                format!(
                    "its channels ({}) are not those of {} ({})",
                    file.columns.channels.join(", "),
                    first.name,
                    first.columns.channels.join(", ")
                ),
                "Name a folder whose files have the same columns, or choose common ones with --channels",
            ));
        }
        read_file(source, file, &values, options, &mut table, &mut notices)?;
    }
    let mut columns = files.into_iter().next().expect("there is at least one").columns;
    let kept = |name: &String| channels.contains(name);
    columns.named = std::iter::zip(&columns.channels, &columns.named)
        .filter(|(name, _)| kept(name))
        .map(|(_, named)| *named)
        .collect();
    columns.values =
        std::iter::zip(&columns.channels, &columns.values).filter(|(name, _)| kept(name)).map(|(_, at)| *at).collect();
    columns.channels = channels;
    let corpus = table.into_corpus(SourceInfo {
        label: source.label(),
        name: source.stem(),
        expected: EXPECTED,
        activity_name: |_| None,
        rate_hz: None,
        options,
        columns: Some(columns),
        notices,
    })?;
    Ok(Some(corpus))
}

/// Whether a file is a table by its name.
fn is_table(name: &str, except: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    let extension = extension(name.strip_suffix(".gz").unwrap_or(&name));
    EXTENSIONS.contains(&extension.as_str()) && !except.contains(&extension.as_str())
}

/// Whether the first line of a file of another name is a header with an activity or subject.
fn looks_like_one(source: &Source, name: &str) -> Result<bool, DataError> {
    let rows = RawRows::new(source.reader(name)?, name, &[], &[], Columns::are_of_recordings);
    Ok(rows.is_ok_and(|rows| Columns::are_of_recordings(&rows.names)))
}

fn subject_pattern(pattern: &str) -> Result<Regex, DataError> {
    Regex::new(pattern).map_err(|error| {
        DataError::request(
            format!("`{pattern}` is no regular expression ({error})"),
            r"Put brackets around what is the subject: `name_(\d+)`.",
        )
    })
}

/// A file of a table, and what its columns are.
struct TableFile {
    name: String,
    columns: Columns,
    /// The subject of all its rows, where its name says it.
    subject: Option<String>,
}

impl TableFile {
    /// Whether all these channels are among the columns.
    fn has_all(&self, channels: &[String]) -> bool {
        let names: Vec<String> = self.columns.all.iter().map(|column| column.name.clone()).collect();
        channels.iter().all(|channel| position(&names, channel).is_some())
    }

    /// The column of a channel, in any case.
    fn column_of(&self, channel: &str) -> Option<usize> {
        let at = position(&self.columns.channels, channel)?;
        Some(self.columns.values[at])
    }
}

/// Reads the headers. A file among others that is no recording is left out, with a warning.
fn find_files(
    source: &Source,
    names: &[&str],
    options: &ReadOptions,
    subject_from: Option<&Regex>,
    notices: &mut Vec<Notice>,
) -> Result<Vec<TableFile>, DataError> {
    let (mut files, mut first_error) = (Vec::new(), None);
    for name in names {
        match find_file(source, name, options, subject_from) {
            Ok(file) => files.push(file),
            Err(error @ DataError::Malformed { .. }) => {
                if names.len() > 1 {
                    notices.push(Notice::Warning(format!("left out: {}", error.in_brief())));
                }
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if options.wishes.channels && files.iter().any(|file| file.has_all(&options.channels)) {
        files.retain(|file| {
            let has_all = file.has_all(&options.channels);
            if !has_all {
                let (place, wanted) = (source.place(&file.name), options.channels.join(", "));
                notices.push(Notice::Warning(format!("left out: {place}: it lacks one of the channels {wanted}")));
            }
            has_all
        });
    }
    match first_error {
        Some(error) if files.is_empty() => Err(error),
        _ => Ok(files),
    }
}

fn find_file(
    source: &Source,
    name: &str,
    options: &ReadOptions,
    subject_from: Option<&Regex>,
) -> Result<TableFile, DataError> {
    let place = source.place(name);
    let (rows, columns) = open(source.reader(name)?, &place, options)?;
    let header = format!("{place}:{}", rows.header_line.max(1));
    let subject = match subject_from {
        None => None,
        Some(pattern) => {
            let found = pattern.captures(name).and_then(|found| found.get(1).or(found.get(0)));
            let found = found.map(|found| found.as_str().to_owned()).filter(|found| !found.is_empty());
            if found.is_none() && !options.wishes.subject_from {
                let problem = format!("its name does not have what --subject-from `{pattern}` looks for");
                return Err(DataError::malformed(place, problem, "Give a pattern that all names have"));
            }
            found
        }
    };
    let missing = |role: &str, more: &str| {
        let remedy = format!(
            "Expected `{EXPECTED}`, in any order. Say which column it is with --map 'COLUMN={role}'{more}, or add one"
        );
        DataError::malformed(&header, format!("the header has no column `{role}`"), remedy)
    };
    if !options.unlabelled && columns.subject.is_none() && subject.is_none() {
        return Err(missing("subject", r", where it is in the file's name with --subject-from 'name_(\d+)'"));
    }
    if !options.unlabelled && columns.activity.is_none() {
        return Err(missing("activity", ""));
    }
    Ok(TableFile { name: name.to_owned(), columns, subject })
}

/// The channels that all files have, in the order of the first.
fn common_channels(files: &[TableFile], notices: &mut Vec<Notice>) -> Vec<String> {
    let first = &files[0];
    let in_all = |name: &&String| files.iter().all(|file| file.column_of(name).is_some());
    let common: Vec<String> = first.columns.channels.iter().filter(in_all).cloned().collect();
    if common.is_empty() {
        // Reading the next file says what it lacks.
        return first.columns.channels.clone();
    }
    let is_common = |name: &String| position(&common, name).is_some();
    for file in files {
        let surplus: Vec<&String> = file.columns.channels.iter().filter(|name| !is_common(name)).collect();
        if let Some(one) = surplus.first() {
            let lacking = files.iter().find(|file| file.column_of(one).is_none()).map_or("", |file| &file.name);
            notices.push(Notice::Warning(format!(
                "column `{}` is left out: {} has it, and {lacking} has not. --channels says which are wanted.",
                shown(one),
                file.name
            )));
            break;
        }
    }
    common
}

/// A note on the columns that tell the time beside the clock.
fn other_clocks(columns: &Columns) -> Option<Notice> {
    let others: Vec<String> = columns
        .all
        .iter()
        .filter(|column| column.role == Role::LeftOut && column.why == ANOTHER_CLOCK)
        .map(|column| format!("`{}`", shown(&column.name)))
        .collect();
    let are = if others.len() == 1 { "is a clock too, and no channel" } else { "are clocks too, and no channels" };
    let words = format!("{} {are}. --channels decides otherwise.", others.join(", "));
    (!others.is_empty()).then_some(Notice::Note(words))
}

fn read_file(
    source: &Source,
    file: &TableFile,
    values: &[usize],
    options: &ReadOptions,
    table: &mut Table,
    notices: &mut Vec<Notice>,
) -> Result<(), DataError> {
    let Columns { subject, activity, time, unit, .. } = file.columns;
    let (mut rows, _) = open(source.reader(&file.name)?, &source.place(&file.name), options)?;
    let (width, names) = (rows.names.len(), rows.names.clone());
    table.start_timed_file(&file.name, file.columns.unit);
    while let Some((line, row)) = rows.next()? {
        let fields = match row {
            RawRow::Fields(fields) => fields,
            RawRow::NotJson => {
                table.record(Repair::NotJson, line);
                continue;
            }
        };
        if is_header_again(fields, &names) {
            if fields.texts() != names {
                let problem = "the names of the columns stand here again, and are others than those in the first line";
                let remedy = "Give each table a file of its own";
                return Err(DataError::malformed(format!("{}:{line}", source.place(&file.name)), problem, remedy));
            }
            table.record(Repair::Header, line);
            continue;
        }
        let field = |column: Option<usize>| column.map_or(&[][..], |column| fields.get(column));
        let pushed = check_width(fields, width).and_then(|()| {
            let subject = file.subject.as_ref().map_or(field(subject), |subject| subject.as_bytes());
            let activity = field(activity);
            if !options.unlabelled && (subject.is_empty() || activity.is_empty()) {
                return Err(Repair::MissingField);
            }
            let time = time.map_or(Ok(f64::NAN), |column| time_of(fields.get(column), unit))?;
            let stamp = file.columns.time.map_or("", |column| fields.text(column));
            let head = RowHead { line, subject, activity, time, stamp };
            table.push_row(head, values.iter().map(|&column| value(fields.get(column))))
        });
        match pushed {
            Err(kind) => table.record(kind, line),
            Ok(()) if fields.len() > width => table.record(Repair::StrayComma, line),
            Ok(()) => {}
        }
    }
    notices.extend(rows.notice());
    Ok(())
}
