//! The table that every row-by-row reader fills, and how it becomes a corpus of recordings.

use crate::time::{self, Run, Unit};
use crate::{Corpus, DataError, Recording, Repair, RepairLog};
use std::collections::HashMap;

/// Rows in the order of the files they come from.
pub(crate) struct Table {
    channels: Vec<String>,
    subjects: Names,
    activities: Names,
    /// Names of the files, and the first row of each.
    files: Vec<(String, usize)>,
    rows: Vec<Row>,
    times: Option<Vec<f64>>,
    values: Vec<f32>,
    repairs: RepairLog,
}

#[derive(Clone, Copy)]
struct Row {
    subject: u32,
    activity: u32,
    file: u32,
    line: u32,
}

/// What a corpus says about its source beyond the rows of the table.
pub(crate) struct SourceInfo<'a> {
    /// The path, for messages.
    pub label: &'a str,
    /// What to call the corpus.
    pub name: String,
    /// The form of a row, for messages.
    pub expected: &'a str,
    /// The name behind the identifier of an activity.
    pub activity_name: fn(&str) -> Option<&'static str>,
    /// Divides timestamps into seconds, where the source names their unit.
    pub divisor: Option<f64>,
    /// Documented sampling rate, for a source without times.
    pub rate_hz: Option<f64>,
}

impl Table {
    pub fn new(channels: Vec<String>, timed: bool) -> Self {
        Self {
            channels,
            subjects: Names::default(),
            activities: Names::default(),
            files: Vec::new(),
            rows: Vec::new(),
            times: timed.then(Vec::new),
            values: Vec::new(),
            repairs: RepairLog::default(),
        }
    }

    /// Rows pushed from now on come from this file.
    pub fn start_file(&mut self, name: &str) {
        self.files.push((name.to_owned(), self.rows.len()));
    }

    /// Counts a repair, or a row dropped, in the current file.
    pub fn record(&mut self, kind: Repair, line: usize) {
        let file = self.files.last().map_or("", |file| &file.0);
        self.repairs.record(kind, || format!("{file}:{line}"));
    }

    /// Adds a row; `time` is ignored by a table without times.
    pub fn push(
        &mut self,
        line: usize,
        subject: &[u8],
        activity: &[u8],
        time: f64,
        values: &[f32],
    ) -> Result<(), Repair> {
        debug_assert_eq!(values.len(), self.channels.len());
        if subject.is_empty() || activity.is_empty() {
            return Err(Repair::MissingField);
        }
        let (subject, activity) = (self.subjects.index(subject)?, self.activities.index(activity)?);
        let file = self.files.len().saturating_sub(1) as u32;
        self.rows.push(Row { subject, activity, file, line: u32::try_from(line).unwrap_or(u32::MAX) });
        if let Some(times) = &mut self.times {
            times.push(time);
        }
        self.values.extend_from_slice(values);
        Ok(())
    }

    /// Cuts the rows into recordings.
    pub fn into_corpus(mut self, info: SourceInfo) -> Result<Corpus, DataError> {
        if self.rows.is_empty() {
            return Err(self.no_rows(&info));
        }
        let runs = self.runs();
        let mut starts = vec![false; self.rows.len()];
        runs.iter().for_each(|run| starts[run.rows.start] = true);
        let mut times = Vec::new();
        let mut rate_hz = info.rate_hz;
        if let Some(raw) = self.times.take() {
            let unit = info.divisor.and_then(|divisor| Unit::ALL.into_iter().find(|unit| unit.per_second() == divisor));
            let timeline = time::resolve(raw, &runs, unit, time::GAP).map_err(|error| {
                DataError::malformed(place(&self.files, &self.rows[error.row]), error.problem, error.remedy)
            })?;
            if let Some(timeline) = timeline {
                for &(kind, row) in &timeline.mended {
                    self.repairs.record(kind, || place(&self.files, &self.rows[row]));
                }
                if let Some(order) = &timeline.order {
                    self.put_in_order(order);
                }
                rate_hz = timeline.interval.map(|interval| interval.recip()).or(rate_hz);
                (times, starts) = (timeline.times, timeline.starts);
            } else {
                for row in &self.rows {
                    self.repairs.record(Repair::NoClock, || place(&self.files, row));
                }
            }
        }

        let (classes, class_of) = self.activities.sorted();
        let n_channels = self.channels.len();
        let firsts: Vec<usize> = (0..self.rows.len()).filter(|row| starts[*row]).collect();
        let ends = firsts.iter().skip(1).copied().chain([self.rows.len()]);
        let recordings = firsts.iter().zip(ends).map(|(&first, end)| {
            let row = &self.rows[first];
            Recording {
                subject: self.subjects.names[row.subject as usize].clone(),
                class: class_of[row.activity as usize],
                times: times.get(first..end).map(<[f64]>::to_vec).unwrap_or_default(),
                values: self.values[first * n_channels..end * n_channels].to_vec(),
                part: None,
                source: place(&self.files, row),
            }
        });
        let recordings = recordings.collect();
        let class_names = classes
            .iter()
            .map(|class| match (info.activity_name)(class) {
                Some(name) => format!("{class} {name}"),
                None => class.clone(),
            })
            .collect();
        Ok(Corpus {
            name: info.name,
            synthetic: false,
            channels: self.channels,
            classes,
            class_names,
            rate_hz,
            recordings,
            repairs: self.repairs,
            window: None,
            fingerprint: String::new(),
        }
        .with_fingerprint())
    }

    fn put_in_order(&mut self, order: &[usize]) {
        let n = self.channels.len();
        self.rows = order.iter().map(|&row| self.rows[row]).collect();
        self.values = order.iter().flat_map(|&row| &self.values[row * n..(row + 1) * n]).copied().collect();
    }

    fn runs(&self) -> Vec<Run> {
        let key = |row: &Row| (row.file, row.subject, row.activity);
        let mut runs: Vec<Run> = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            match runs.last_mut() {
                Some(run) if key(&self.rows[run.rows.start]) == key(row) => run.rows.end = at + 1,
                _ => runs.push(Run { rows: at..at + 1, file: row.file as usize, subject: row.subject as usize }),
            }
        }
        runs
    }

    fn no_rows(&self, info: &SourceInfo) -> DataError {
        let problem = match self.repairs.entries.iter().rev().max_by_key(|entry| entry.count) {
            None => "no rows".to_owned(),
            Some(worst) => format!(
                "none of its {} rows can be used; first at {} ({})",
                self.repairs.rows_dropped(),
                worst.first,
                worst.kind
            ),
        };
        DataError::malformed(
            info.label,
            problem,
            format!("Expected rows like `{}`; give a file of that form, or name its format", info.expected),
        )
    }
}

fn place(files: &[(String, usize)], row: &Row) -> String {
    let file = files.get(row.file as usize).map_or("", |file| &file.0);
    format!("{file}:{}", row.line)
}

/// Names in the order of first appearance, each known by its index.
#[derive(Default)]
struct Names {
    names: Vec<String>,
    index_of: HashMap<String, u32>,
}

impl Names {
    fn index(&mut self, name: &[u8]) -> Result<u32, Repair> {
        let name = std::str::from_utf8(name).map_err(|_| Repair::NotText)?;
        if let Some(&index) = self.index_of.get(name) {
            return Ok(index);
        }
        let index = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.index_of.insert(name.to_owned(), index);
        Ok(index)
    }

    /// The names in the order of classes, and the class of each index.
    fn sorted(&self) -> (Vec<String>, Vec<u32>) {
        let classes = sort_classes(self.names.clone());
        let mut class_of = vec![0; classes.len()];
        for (class, name) in classes.iter().enumerate() {
            class_of[self.index_of[name] as usize] = class as u32;
        }
        (classes, class_of)
    }
}

/// Sorts identifiers of classes: as numbers where all are whole numbers, so that 10 comes after 9.
pub(crate) fn sort_classes(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    if names.iter().all(|name| name.parse::<i64>().is_ok()) {
        names.sort_by_key(|name| name.parse::<i64>().unwrap_or(0));
    }
    names
}

/// A sensor value: finite, in any notation that Rust reads.
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

fn number<T: std::str::FromStr>(field: &[u8]) -> Result<T, Repair> {
    if field.is_empty() {
        return Err(Repair::MissingField);
    }
    let text = std::str::from_utf8(field).map_err(|_| Repair::NotANumber)?;
    text.parse().map_err(|_| Repair::NotANumber)
}
