//! Predictions from rows as they come: as soon as they fill a window its line goes out.

use std::io::{BufRead, Write};

use anyhow::ensure;
use triax_data::{CsvRow, CsvRows, DataError};
use triax_engine::Engine;

use crate::predict::Predictions;
use crate::predictor::Predictor;

/// A step in time of more than this many mean steps begins a new recording; when whole files are read, it is as many
/// median steps.
const GAP: f64 = 10.0;

/// Reads CSV rows from `input`, which messages call `name`, until it ends, and writes predictions to `output`, a line a
/// window. Rows that cannot be used are dropped and counted.
pub fn predict<W: Write>(
    predictor: &Predictor,
    engine: &dyn Engine,
    step: usize,
    input: impl BufRead,
    name: &str,
    output: W,
) -> anyhow::Result<W> {
    let rows = CsvRows::new(input, name)?;
    let columns = columns(predictor, name, rows.channels())?;
    let mut table = Predictions::new(predictor, output)?;
    table.flush()?;
    let mut filling = Filling::new(predictor.spec().window, step);
    let (mut n_windows, mut n_dropped) = (0usize, 0usize);
    for row in rows {
        let row = match row {
            Ok(row) => row,
            Err(error @ DataError::Io { .. }) => return Err(error.into()),
            Err(error) => {
                if n_dropped == 0 {
                    eprintln!("warning: a row was dropped: {error}");
                }
                n_dropped += 1;
                continue;
            }
        };
        let Some(window) = filling.push(&row, &columns) else { continue };
        let scores = predictor.scores(engine, window.values)?;
        table.row(window.subject, window.start, window.end, &scores)?;
        table.flush()?;
        filling.advance();
        n_windows += 1;
    }
    if n_dropped > 1 {
        eprintln!("warning: {n_dropped} rows were dropped in all.");
    }
    ensure!(
        n_windows > 0,
        "{name} ended before a window of {} rows was full: its longest unbroken recording has {}",
        predictor.spec().window,
        filling.longest,
    );
    table.finish()
}

/// For each of the network's channels, its place among the channels of the stream.
fn columns(predictor: &Predictor, name: &str, channels: &[String]) -> anyhow::Result<Vec<usize>> {
    let by_name = predictor.channels.as_ref().and_then(|names| {
        names.iter().map(|name| channels.iter().position(|channel| channel == name)).collect::<Option<Vec<_>>>()
    });
    match by_name {
        Some(columns) => Ok(columns),
        None => {
            predictor.check_channels(name, channels)?;
            Ok((0..channels.len()).collect())
        }
    }
}

/// A window that is being filled.
struct Filling {
    window: usize,
    step: usize,
    subject: String,
    activity: Option<String>,
    /// (row, channel)
    values: Vec<f32>,
    /// Time of each row as it came, or its number.
    times: Vec<String>,
    /// Rows still to be passed over, where the step is longer than the window.
    skip: usize,
    last_time: Option<f64>,
    /// Sum and count of the steps in time so far.
    steps: (f64, f64),
    n_rows: usize,
    /// Rows since the recording began, and the most there were.
    unbroken: usize,
    longest: usize,
}

/// A window that is full.
struct Full<'a> {
    subject: &'a str,
    start: &'a str,
    end: &'a str,
    values: &'a [f32],
}

impl Filling {
    fn new(window: usize, step: usize) -> Self {
        Self {
            window,
            step,
            subject: String::new(),
            activity: None,
            values: Vec::new(),
            times: Vec::new(),
            skip: 0,
            last_time: None,
            steps: (0.0, 0.0),
            n_rows: 0,
            unbroken: 0,
            longest: 0,
        }
    }

    /// Adds a row; gives the window that it fills.
    fn push(&mut self, row: &CsvRow, columns: &[usize]) -> Option<Full<'_>> {
        let subject = row.subject.as_deref().unwrap_or_default();
        let jumps = self.jumps(row.time);
        if jumps || subject != self.subject || row.activity != self.activity {
            self.values.clear();
            self.times.clear();
            self.skip = 0;
            self.unbroken = 0;
            self.subject = subject.to_owned();
            self.activity.clone_from(&row.activity);
        }
        let number = self.n_rows;
        self.n_rows += 1;
        self.unbroken += 1;
        self.longest = self.longest.max(self.unbroken);
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.values.extend(columns.iter().map(|&column| row.values[column]));
        self.times.push(row.time.map_or_else(|| number.to_string(), |time| time.to_string()));
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

    fn row(subject: &str, time: Option<f64>) -> CsvRow {
        CsvRow { line: 1, subject: Some(subject.to_owned()), activity: None, time, values: vec![0.5, 1.5] }
    }

    /// (start, end) of each window of the rows.
    fn windows(window: usize, step: usize, rows: impl IntoIterator<Item = CsvRow>) -> Vec<(String, String)> {
        let mut filling = Filling::new(window, step);
        let mut found = Vec::new();
        for row in rows {
            if let Some(full) = filling.push(&row, &[1]) {
                assert_eq!(full.values, vec![1.5; window]);
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
        let of =
            |subject: &'static str, times: std::ops::Range<u32>| times.map(move |time| row(subject, Some(time.into())));
        let rows = of("a", 0..3).chain(of("b", 3..7)).chain(of("b", 90..94)).chain(of("b", 8..11));
        assert_eq!(windows(4, 4, rows), bounds(&[(3, 6), (90, 93)]));
    }
}
