//! PAMAP2 (2012): nine subjects and 18 activities, with an inertial sensor at hand, chest and ankle at 100 Hz, and a heart
//! rate about nine times a second.
//!
//! `Protocol/subject101.dat` and so on, and `Optional/` beside it, have a row of 54 numbers a sample, separated by
//! spaces: seconds, activity, heart rate, and 17 of each sensor. The root folder, one of the two, a single file or the
//! official archive may be named.
//!
//! - By default the channels are the acceleration of the ±16 g range and the rotation rate of each sensor, in m/s² and
//!   rad/s: `hand_acc16_x`, …, `ankle_gyro_z`. [`ReadOptions::channels`] chooses among these, `heart_rate`, and each
//!   sensor's `temperature`, `acc6` and `mag`. The orientation is none: the set itself calls it invalid.
//! - Activity 0 is what lies between the activities, and is left out.
//! - Rows that a sensor lost on the radio hold NaN, and are dropped. The heart rate is missing in ten of eleven rows;
//!   with [`Fill::Previous`](super::Fill::Previous) its last value stands for them.

use super::ReadOptions;
use super::source::{Source, file_name, folder};
use super::table::{RowHead, SourceInfo, Table};
use super::text::{Lines, value};
use crate::corpus::chosen;
use crate::time::{Unit, stamp};
use crate::{Corpus, DataError, Notice, Repair};

pub(crate) const LOOKS_FOR: &str = "files `Protocol/subject101.dat` of 54 columns";
const EXPECTED: &str = "8.38 0 104 30 2.37223 8.60074 3.51048 … (54 numbers)";

const N_COLUMNS: usize = 54;
const RATE_HZ: f64 = 100.0;
const TRANSIENT: &[u8] = b"0";
/// Column of the first value of each sensor.
const SENSORS: [(&str, usize); 3] = [("hand", 3), ("chest", 20), ("ankle", 37)];
/// Quantities of a sensor in three axes, the column of x from the sensor's first, and whether they are channels by default.
const QUANTITIES: [(&str, usize, bool); 4] =
    [("acc16", 1, true), ("acc6", 4, false), ("gyro", 7, true), ("mag", 10, false)];
const HEART_RATE: (&str, usize) = ("heart_rate", 2);

/// The set's own `activity_id.txt`.
const ACTIVITIES: [(&str, &str); 18] = [
    ("1", "lying"),
    ("2", "sitting"),
    ("3", "standing"),
    ("4", "walking"),
    ("5", "running"),
    ("6", "cycling"),
    ("7", "Nordic walking"),
    ("9", "watching TV"),
    ("10", "computer work"),
    ("11", "car driving"),
    ("12", "ascending stairs"),
    ("13", "descending stairs"),
    ("16", "vacuum cleaning"),
    ("17", "ironing"),
    ("18", "folding laundry"),
    ("19", "house cleaning"),
    ("20", "playing soccer"),
    ("24", "rope jumping"),
];

pub(crate) fn try_read(source: &Source, options: &ReadOptions) -> Result<Option<Corpus>, DataError> {
    let mut names: Vec<&str> = Vec::new();
    for name in source.names().filter(|name| subject_of(name).is_some()) {
        let line = source.first_line(name)?.unwrap_or_default();
        if options.format.is_some() || line.split_ascii_whitespace().count() == N_COLUMNS {
            names.push(name);
        }
    }
    if names.is_empty() && options.format.is_some() {
        names.extend(source.single());
    }
    if names.is_empty() {
        return Ok(None);
    }
    let columns = columns(options)?;
    let mut rows = Rows::new(&columns);
    for name in &names {
        let stem = file_name(name).rsplit_once('.').map_or(file_name(name), |(stem, _)| stem);
        rows.read(source, name, subject_of(name).unwrap_or(stem))?;
    }
    let notices = rows.notices(source, &names);
    let corpus = rows.table.into_corpus(SourceInfo {
        label: source.label(),
        name: "PAMAP2".to_owned(),
        expected: EXPECTED,
        activity_name: |id| ACTIVITIES.iter().find(|(known, _)| *known == id).map(|(_, name)| *name),
        rate_hz: Some(RATE_HZ),
        options,
        columns: None,
        notices,
    })?;
    Ok(Some(corpus))
}

/// The number of the subject in the name of a file.
fn subject_of(name: &str) -> Option<&str> {
    let subject = file_name(name).strip_prefix("subject")?.strip_suffix(".dat")?;
    (!subject.is_empty() && subject.bytes().all(|byte| byte.is_ascii_digit())).then_some(subject)
}

/// Name and column of each channel: of those that are wanted, or those by default.
fn columns(options: &ReadOptions) -> Result<Vec<(String, usize)>, DataError> {
    // Name, column, and whether it is a channel by default.
    let mut all = vec![(HEART_RATE.0.to_owned(), HEART_RATE.1, false)];
    for (sensor, first) in SENSORS {
        all.push((format!("{sensor}_temperature"), first, false));
        for (quantity, from_first, by_default) in QUANTITIES {
            let axes = ["x", "y", "z"].iter().enumerate();
            all.extend(
                axes.map(|(axis, name)| (format!("{sensor}_{quantity}_{name}"), first + from_first + axis, by_default)),
            );
        }
    }
    let names: Vec<String> = all.iter().map(|(name, ..)| name.clone()).collect();
    let wanted = options.wanted(&names);
    if wanted.is_empty() {
        return Ok(all.into_iter().filter(|each| each.2).map(|(name, column, _)| (name, column)).collect());
    }
    let chosen = chosen(&names, wanted).map_err(|(problem, remedy)| {
        DataError::request(format!("PAMAP2: {problem}"), format!("{remedy} It has: {}.", names.join(", ")))
    })?;
    Ok(chosen.into_iter().map(|at| (all[at].0.clone(), all[at].1)).collect())
}

/// The rows of all files.
struct Rows {
    table: Table,
    columns: Vec<usize>,
    n_rows: usize,
    n_transient: usize,
}

impl Rows {
    fn new(columns: &[(String, usize)]) -> Self {
        let names = columns.iter().map(|(name, _)| name.clone()).collect();
        let columns = columns.iter().map(|(_, column)| *column).collect();
        Self { table: Table::new(names, true), columns, n_rows: 0, n_transient: 0 }
    }

    fn read(&mut self, source: &Source, name: &str, subject: &str) -> Result<(), DataError> {
        self.table.start_timed_file(name, Some(Unit::Seconds));
        Lines::new(source.reader(name)?, &source.place(name))?.for_each(|number, line| {
            let fields: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).collect();
            if let Err(kind) = self.row(number, subject, &fields) {
                self.table.record(kind, number);
            }
            Ok(())
        })
    }

    fn row(&mut self, line: usize, subject: &str, fields: &[&[u8]]) -> Result<(), Repair> {
        match fields.len() {
            ..N_COLUMNS => return Err(Repair::MissingField),
            N_COLUMNS => {}
            _ => return Err(Repair::ExtraField),
        }
        let (time, activity) = (stamp(fields[0])?.value(), fields[1]);
        if !activity.iter().all(u8::is_ascii_digit) {
            return Err(Repair::NotANumber);
        }
        self.n_rows += 1;
        if activity == TRANSIENT {
            self.n_transient += 1;
            return Ok(());
        }
        let values = self.columns.iter().map(|&column| value(fields[column]));
        self.table.push_row(RowHead { line, subject: subject.as_bytes(), activity, time, stamp: "" }, values)
    }

    fn notices(&self, source: &Source, names: &[&str]) -> Vec<Notice> {
        let label = source.label();
        let mut notices = Vec::new();
        if self.n_transient > 0 {
            notices.push(Notice::Note(format!(
                "{label}: {} of {} rows lie between activities (activity 0), and are left out",
                self.n_transient, self.n_rows
            )));
        }
        let lies_in = |part: &str| names.iter().any(|name| folder(name).ends_with(part));
        if lies_in("Optional/") && lies_in("Protocol/") {
            notices.push(Notice::Note(format!(
                "{label}: `Optional` is read too, with activities that only some subjects did; name the folder `Protocol` to \
                 do without"
            )));
        }
        notices
    }
}
