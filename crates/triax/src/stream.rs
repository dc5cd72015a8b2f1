//! Predictions from a stream: rows come in, and as soon as they fill a window its line goes out.

use std::io::{Read, Write};

use anyhow::{Context as _, bail, ensure};
use csv::StringRecord;
use triax_engine::Engine;

use crate::predict::Predictions;
use crate::trained::Trained;

/// A step in time of more than this many mean steps begins a new recording, as it does when files are read.
const GAP: f64 = 10.0;

/// Reads CSV rows from `input` until it ends and writes predictions to `output`, a line a window.
pub fn predict(
    trained: &Trained,
    engine: &dyn Engine,
    step: usize,
    input: impl Read,
    output: impl Write,
) -> anyhow::Result<()> {
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(input);
    let mut record = StringRecord::new();
    let mut read = |record: &mut StringRecord| rows.read_record(record).context("cannot read standard input");
    ensure!(read(&mut record)?, "standard input is empty: pipe CSV rows into it");
    let columns = Columns::find(&record, trained)?;
    let mut more = !columns.has_header || read(&mut record)?;

    let mut table = Predictions::new(trained, output)?;
    table.flush()?;
    let mut filling = Filling::new(trained.file.spec.window, step);
    let (mut n_windows, mut n_dropped) = (0usize, 0usize);
    while more {
        match columns.row(&record) {
            Ok(row) => {
                if let Some(window) = filling.push(row) {
                    let mut values = window.values.clone();
                    if let Some(scaler) = &trained.file.scaler {
                        scaler.apply(&mut values);
                    }
                    let scores = engine.scores(&trained.network, &trained.file.weights, &values)?;
                    table.row(window.subject, window.start, window.end, &scores)?;
                    table.flush()?;
                    filling.advance();
                    n_windows += 1;
                }
            }
            Err(problem) => {
                let line = record.position().map_or(0, csv::Position::line);
                if n_dropped == 0 {
                    eprintln!("warning: line {line} of standard input was dropped: {problem}; others will be counted only.");
                }
                n_dropped += 1;
            }
        }
        more = read(&mut record)?;
    }
    if n_dropped > 0 {
        eprintln!("warning: {n_dropped} rows were dropped.");
    }
    ensure!(
        n_windows > 0,
        "standard input ended before a window of {} rows was full: the longest stretch of one subject had {}",
        trained.file.spec.window,
        filling.longest,
    );
    table.finish()?;
    Ok(())
}

/// Where the fields of a row are.
struct Columns {
    has_header: bool,
    channels: Vec<usize>,
    subject: Option<usize>,
    time: Option<usize>,
    n_fields: usize,
}

/// What a row says.
struct Row {
    subject: String,
    /// The timestamp as it was written, and as a number.
    time: Option<(String, f64)>,
    values: Vec<f32>,
}

impl Columns {
    /// Finds the columns from the first row, which may be a header.
    fn find(first: &StringRecord, trained: &Trained) -> anyhow::Result<Self> {
        let n_channels = trained.file.spec.channels;
        let n_fields = first.len();
        if first.iter().all(|field| field.parse::<f64>().is_ok()) {
            ensure!(
                n_fields == n_channels,
                "line 1 of standard input has {n_fields} values, and the network reads {n_channels} channels; for other \
                 columns begin with a header"
            );
            return Ok(Self { has_header: false, channels: (0..n_channels).collect(), subject: None, time: None, n_fields });
        }
        let position = |name: &str| first.iter().position(|field| field.eq_ignore_ascii_case(name));
        let Some(names) = &trained.channels else {
            bail!("the weight file does not name its channels: leave the header away, and give values only");
        };
        let find = |name: &String| {
            let header = first.iter().collect::<Vec<_>>().join(", ");
            position(name)
                .with_context(|| format!("the header of standard input has no column `{name}`; it has {header}"))
        };
        let channels = names.iter().map(find).collect::<anyhow::Result<_>>()?;
        Ok(Self { has_header: true, channels, subject: position("subject"), time: position("timestamp"), n_fields })
    }

    fn row(&self, record: &StringRecord) -> Result<Row, String> {
        if record.len() != self.n_fields {
            return Err(format!("it has {} fields, the first line has {}", record.len(), self.n_fields));
        }
        let number = |column: usize| {
            let field = &record[column];
            let value: Option<f64> = field.parse().ok();
            value.filter(|value| value.is_finite()).ok_or_else(|| format!("`{field}` is not a finite number"))
        };
        let values = self.channels.iter().map(|&column| number(column).map(|value| value as f32));
        Ok(Row {
            values: values.collect::<Result<_, _>>()?,
            time: self.time.map(|column| number(column).map(|time| (record[column].to_owned(), time))).transpose()?,
            subject: self.subject.map_or_else(String::new, |column| record[column].to_owned()),
        })
    }
}

/// A window that is being filled.
struct Filling {
    window: usize,
    step: usize,
    subject: String,
    /// (row, channel)
    values: Vec<f32>,
    /// Time of each row as it was written, or its number.
    times: Vec<String>,
    /// Rows still to be passed over, where the step is longer than the window.
    skip: usize,
    last_time: Option<f64>,
    /// Sum and count of the steps in time so far.
    steps: (f64, f64),
    n_rows: usize,
    stretch: usize,
    longest: usize,
}

/// A window that is full.
struct Full<'a> {
    subject: &'a str,
    start: &'a str,
    end: &'a str,
    values: &'a Vec<f32>,
}

impl Filling {
    fn new(window: usize, step: usize) -> Self {
        Self {
            window,
            step,
            subject: String::new(),
            values: Vec::new(),
            times: Vec::new(),
            skip: 0,
            last_time: None,
            steps: (0.0, 0.0),
            n_rows: 0,
            stretch: 0,
            longest: 0,
        }
    }

    /// Adds a row; gives the window that it fills.
    fn push(&mut self, row: Row) -> Option<Full<'_>> {
        if row.subject != self.subject || self.jumps(row.time.as_ref().map(|(_, time)| *time)) {
            self.values.clear();
            self.times.clear();
            self.skip = 0;
            self.stretch = 0;
            self.subject = row.subject;
        }
        let number = self.n_rows;
        self.n_rows += 1;
        self.stretch += 1;
        self.longest = self.longest.max(self.stretch);
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.values.extend(row.values);
        self.times.push(row.time.map_or_else(|| number.to_string(), |(text, _)| text));
        let (start, end) = (self.times.first()?, self.times.last()?);
        let full = self.times.len() == self.window;
        full.then_some(Full { subject: &self.subject, start, end, values: &self.values })
    }

    /// Passes on to the next window.
    fn advance(&mut self) {
        let n_channels = self.values.len() / self.window;
        let gone = self.step.min(self.window);
        self.values.drain(..gone * n_channels);
        self.times.drain(..gone);
        self.skip = self.step - gone;
    }

    /// Whether time goes back or leaves a gap before this row. Takes note of the step.
    fn jumps(&mut self, time: Option<f64>) -> bool {
        let Some(time) = time else { return false };
        let step = self.last_time.replace(time).map(|last| time - last);
        let (sum, count) = self.steps;
        match step {
            None => false,
            Some(step) if step < 0.0 || (count > 0.0 && sum > 0.0 && step > GAP * sum / count) => true,
            Some(step) => {
                self.steps = (sum + step, count + 1.0);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(subject: &str, time: Option<f64>) -> Row {
        let values = vec![time.unwrap_or(0.0) as f32];
        Row { subject: subject.to_owned(), time: time.map(|time| (time.to_string(), time)), values }
    }

    /// (start, end) of each window of the rows.
    fn windows(window: usize, step: usize, rows: impl IntoIterator<Item = Row>) -> Vec<(String, String)> {
        let mut filling = Filling::new(window, step);
        let mut found = Vec::new();
        for row in rows {
            if let Some(full) = filling.push(row) {
                assert_eq!(full.values.len(), window);
                found.push((full.start.to_owned(), full.end.to_owned()));
                filling.advance();
            }
        }
        found
    }

    fn bounds(pairs: &[(u32, u32)]) -> Vec<(String, String)> {
        pairs.iter().map(|(start, end)| (start.to_string(), end.to_string())).collect()
    }

    #[test]
    fn windows_follow_each_other_at_every_step() {
        let untimed = || (0..10).map(|_| row("", None));
        assert_eq!(windows(4, 2, untimed()), bounds(&[(0, 3), (2, 5), (4, 7), (6, 9)]));
        assert_eq!(windows(4, 4, untimed()), bounds(&[(0, 3), (4, 7)]));
        assert_eq!(windows(2, 5, untimed()), bounds(&[(0, 1), (5, 6)]));
        assert_eq!(windows(11, 1, untimed()), bounds(&[]));
    }

    #[test]
    fn no_window_crosses_a_subject_or_a_gap() {
        let of = |subject: &'static str, times: std::ops::Range<u32>| times.map(move |time| row(subject, Some(time.into())));
        let rows = of("a", 0..3).chain(of("b", 3..7)).chain(of("b", 90..94)).chain(of("b", 8..11));
        assert_eq!(windows(4, 4, rows), bounds(&[(3, 6), (90, 93)]));
    }
}
