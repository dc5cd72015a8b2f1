//! Predictions from a stream of samples: each window is predicted as soon as it is full.
//!
//! Where a recording starts is decided by the rule for files ([`triax_data::time`]), with what has been seen so far.

use std::collections::VecDeque;

use triax_data::time::{GAP, LiveClock, TimeError, Unit};

use crate::{Error, Notice, Prediction, Predictor};

/// Relative difference from the rate in training that is warned of. The first rows tell a rate less exactly than a file.
const OTHER_RATE: f64 = 0.05;

/// One sample of a sensor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample<'a> {
    /// One value per channel, in the sensor's unit.
    pub values: &'a [f32],
    /// Time of the sample, in the clock's own unit; NaN where it was lost. Whether there is a clock is decided by the first
    /// sample. A step back or a gap starts a new recording.
    pub time: Option<f64>,
    /// The time as it was written, to be given back. By default it is `time`.
    pub stamp: Option<&'a str>,
    /// The subject. A change of subject starts a new recording.
    pub subject: &'a str,
    /// The activity, if known. A change of activity starts a new recording.
    pub activity: Option<&'a str>,
}

/// Prediction for one window of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamPrediction {
    /// Subject of the window.
    pub subject: String,
    /// Time of the first sample, as it was given; without times, the index of the sample, from 0.
    pub start: String,
    /// Time or index of the last sample.
    pub end: String,
    /// Number of its recording, from 1.
    pub recording: usize,
    /// Class and scores of the window.
    pub prediction: Prediction,
}

/// Takes samples one by one and predicts each window as soon as it is full. It computes on the CPU unless another device
/// was named: a GPU gains nothing from a single window, and takes longer to open than many windows to score.
///
/// Samples with times are held back until their clock is learnt ([`LiveClock`]): at first as many as a window has, and at
/// least 32; later a few, where a stamp is odd.
pub struct StreamPredictor<'a> {
    predictor: &'a Predictor,
    rows: Rows,
    window: WindowBuffer,
    /// Predictions that an error kept from being handed out.
    ready: Vec<StreamPrediction>,
    has_seen_rate: bool,
}

impl<'a> StreamPredictor<'a> {
    /// A predictor that starts a window every `step` samples. Samples have the network's channels in its order.
    ///
    /// # Panics
    /// If `step` is 0.
    pub fn new(predictor: &'a Predictor, step: usize) -> Self {
        assert!(step > 0, "the step from one window to the next is at least 1");
        let spec = predictor.spec();
        Self {
            predictor,
            rows: Rows::new((0..predictor.n_channels()).collect(), LiveClock::new(spec.window, None, GAP)),
            window: WindowBuffer::new(spec.window, step),
            ready: Vec::new(),
            has_seen_rate: false,
        }
    }

    /// Sets the channels of the samples. They are matched by name if all names are there; otherwise they are taken in
    /// order, with a notice that calls the source `name`.
    ///
    /// # Errors
    /// Channels that lack a name and are not as many as the network's.
    pub fn with_channels(mut self, name: &str, channels: &[String]) -> Result<(Self, Option<Notice>), Error> {
        let (columns, notice) = self.predictor.columns(name, channels)?;
        self.rows.columns = columns;
        Ok((self, notice))
    }

    /// Sets the unit of the samples' times, where it is known, and the gap: more than so many nominal intervals from one
    /// sample to the next start a new recording ([`GAP`] unless set).
    pub fn with_clock(mut self, unit: Option<Unit>, gap: f64) -> Self {
        self.rows.clock = LiveClock::new(self.window.window, unit, gap);
        self
    }

    /// Takes a sample. Returns the prediction of each window that is now full: mostly none or one, several only where
    /// samples were held back.
    ///
    /// # Errors
    /// A sample with too few values; scores that are not finite; times whose unit stays in doubt, that run backwards or are in
    /// no order, after which no more samples can be taken.
    pub fn push(&mut self, sample: &Sample<'_>) -> Result<Vec<StreamPrediction>, Error> {
        let columns = &self.rows.columns;
        if let Some(column) = columns.iter().find(|&&column| column >= sample.values.len()) {
            let n = sample.values.len();
            return Err(Error::Input(format!("a sample has {n} values, and channel {column} (from 0) is read")));
        }
        // The rows of the run before come out as its own.
        let before = if self.rows.starts_run(sample) { self.finish_run() } else { Ok(()) };
        self.rows.push(sample)?;
        before.and(self.predict())?;
        Ok(std::mem::take(&mut self.ready))
    }

    /// Ends the stream. Returns the predictions of the windows that are filled by samples that were held back.
    ///
    /// # Errors
    /// As for [`StreamPredictor::push`].
    pub fn finish(&mut self) -> Result<Vec<StreamPrediction>, Error> {
        self.finish_run()?;
        Ok(std::mem::take(&mut self.ready))
    }

    fn finish_run(&mut self) -> Result<(), Error> {
        self.rows.end_run()?;
        self.predict()
    }

    /// Adds the rows that are in their places to the window, and predicts each that is full. A window that cannot be predicted
    /// stops none after it.
    fn predict(&mut self) -> Result<(), Error> {
        let mut failed = Ok(());
        while let Some((row, starts)) = self.rows.next() {
            if starts {
                self.window.start(&self.rows.subject);
            }
            if !self.window.push(&row) {
                continue;
            }
            let scores = self.predictor.scores_of_one(&self.window.values);
            let ((subject, start, end), recording) = (self.window.bounds(), self.window.n_recordings);
            self.window.advance();
            let place = || format!("the window from {start} to {end} of subject `{subject}`");
            match scores.and_then(|scores| self.predictor.prediction(&scores, place)) {
                Ok(prediction) => self.ready.push(StreamPrediction { subject, start, end, recording, prediction }),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed
    }

    /// Says that samples were lost before the next one. Without times, nobody knows how many, and a recording ends.
    ///
    /// # Errors
    /// As for [`StreamPredictor::push`].
    pub fn lost(&mut self) -> Result<Vec<StreamPrediction>, Error> {
        if self.rows.timed == Some(false) {
            self.finish_run()?;
            self.rows.is_torn = true;
        }
        Ok(std::mem::take(&mut self.ready))
    }

    /// A warning, once, where the samples come at another rate than those that the network was trained on.
    pub fn rate_warning(&mut self) -> Option<Notice> {
        let (interval, trained_at) = (self.rows.clock.interval()?, self.predictor.rate_hz?);
        if std::mem::replace(&mut self.has_seen_rate, true) || (interval * trained_at - 1.0).abs() <= OTHER_RATE {
            return None;
        }
        Some(Notice::Warning(format!(
            "{:.1} samples a second come, and the network was trained on {trained_at:.1}: do not trust the predictions. A \
             stream is not resampled; predict --data does that with a file.",
            interval.recip()
        )))
    }

    /// The number of recordings that have started so far.
    pub fn recording(&self) -> usize {
        self.window.n_recordings
    }

    /// Number of samples in the longest recording so far.
    pub fn longest_recording(&self) -> usize {
        self.window.longest
    }
}

/// A sample that waits for its place.
struct Row {
    /// One for each channel of the network.
    values: Vec<f32>,
    /// Time, or the number from 0 where there is none.
    place: String,
}

/// Puts the samples in the order of time and finds where recordings start.
struct Rows {
    /// Index in a sample of each of the network's channels.
    columns: Vec<usize>,
    clock: LiveClock,
    /// Whether there is a clock; the first sample decides.
    timed: Option<bool>,
    subject: String,
    activity: Option<String>,
    /// Whether samples without times were lost before the next.
    is_torn: bool,
    n_rows: usize,
    /// Samples from number `n_rows - waiting.len()` on; `None` for those that are gone.
    waiting: VecDeque<Option<Row>>,
    /// Numbers of the samples that are in their places, and whether a recording starts with each.
    placed: VecDeque<(usize, bool)>,
}

impl Rows {
    fn new(columns: Vec<usize>, clock: LiveClock) -> Self {
        Self {
            columns,
            clock,
            timed: None,
            subject: String::new(),
            activity: None,
            is_torn: false,
            n_rows: 0,
            waiting: VecDeque::new(),
            placed: VecDeque::new(),
        }
    }

    /// Whether the sample is the first, or of another subject or activity than the one before.
    fn starts_run(&self, sample: &Sample<'_>) -> bool {
        self.n_rows == 0 || sample.subject != self.subject || sample.activity != self.activity.as_deref()
    }

    fn push(&mut self, sample: &Sample<'_>) -> Result<(), Error> {
        let starts = std::mem::take(&mut self.is_torn) | self.starts_run(sample);
        if starts {
            sample.subject.clone_into(&mut self.subject);
            self.activity = sample.activity.map(str::to_owned);
        }
        let values = self.columns.iter().map(|&column| sample.values[column]).collect();
        let number = self.n_rows;
        let place = match (sample.stamp, sample.time) {
            (Some(stamp), _) => stamp.to_owned(),
            (None, Some(time)) => time.to_string(),
            (None, None) => number.to_string(),
        };
        self.waiting.push_back(Some(Row { values, place }));
        self.n_rows += 1;
        if *self.timed.get_or_insert(sample.time.is_some()) {
            let stamp = sample.time.unwrap_or(f64::NAN);
            let mut out = |row, starts| self.placed.push_back((row, starts));
            self.clock.push(sample.subject, starts, stamp, &mut out).map_err(explain)?;
        } else {
            self.placed.push_back((number, starts));
        }
        Ok(())
    }

    fn end_run(&mut self) -> Result<(), Error> {
        self.clock.end(&mut |row, starts| self.placed.push_back((row, starts))).map_err(explain)
    }

    /// The next row that is in its place, and whether a recording starts with it.
    fn next(&mut self) -> Option<(Row, bool)> {
        let (number, starts) = self.placed.pop_front()?;
        let first = self.n_rows - self.waiting.len();
        let row = self.waiting[number - first].take().expect("a row is placed once");
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
        }
        Some((row, starts))
    }
}

fn explain(error: TimeError) -> Error {
    let TimeError { row, problem, remedy } = error;
    Error::Input(format!("sample {row} (from 0): {problem}. {remedy}"))
}

/// The window that is being filled.
struct WindowBuffer {
    window: usize,
    step: usize,
    subject: String,
    /// (row, channel).
    values: Vec<f32>,
    /// Time or number of each row.
    places: VecDeque<String>,
    /// Rows still to skip, if the step is longer than the window.
    skip: usize,
    /// Rows since the recording started; `longest` is their maximum.
    unbroken: usize,
    longest: usize,
    /// Recordings that have started.
    n_recordings: usize,
}

impl WindowBuffer {
    fn new(window: usize, step: usize) -> Self {
        Self {
            window,
            step,
            subject: String::new(),
            values: Vec::new(),
            places: VecDeque::new(),
            skip: 0,
            unbroken: 0,
            longest: 0,
            n_recordings: 0,
        }
    }

    /// Starts a recording.
    fn start(&mut self, subject: &str) {
        self.values.clear();
        self.places.clear();
        (self.skip, self.unbroken) = (0, 0);
        self.n_recordings += 1;
        subject.clone_into(&mut self.subject);
    }

    /// Adds a row. Returns whether the window is full.
    fn push(&mut self, row: &Row) -> bool {
        self.unbroken += 1;
        self.longest = self.longest.max(self.unbroken);
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.values.extend_from_slice(&row.values);
        self.places.push_back(row.place.clone());
        self.places.len() == self.window
    }

    /// Subject, start and end of the full window.
    fn bounds(&self) -> (String, String, String) {
        let place = |at: Option<&String>| at.cloned().unwrap_or_default();
        (self.subject.clone(), place(self.places.front()), place(self.places.back()))
    }

    /// Moves on to the next window.
    fn advance(&mut self) {
        let n_channels = self.values.len() / self.window;
        let gone = self.step.min(self.window);
        self.values.drain(..gone * n_channels);
        self.places.drain(..gone);
        self.skip = self.step - gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(subject: &str, time: Option<f64>) -> Sample<'_> {
        Sample { values: &[0.5, 1.5], time, subject, ..Sample::default() }
    }

    /// (start, end) of each window of the samples.
    fn windows<'a>(window: usize, step: usize, samples: impl IntoIterator<Item = Sample<'a>>) -> Vec<(String, String)> {
        let mut rows = Rows::new(vec![1], LiveClock::new(window, None, GAP));
        let mut buffer = WindowBuffer::new(window, step);
        let mut windows = Vec::new();
        let mut take = |rows: &mut Rows| {
            while let Some((row, starts)) = rows.next() {
                if starts {
                    buffer.start(&rows.subject);
                }
                if buffer.push(&row) {
                    assert_eq!(buffer.values, vec![1.5; window]);
                    let (_, start, end) = buffer.bounds();
                    windows.push((start, end));
                    buffer.advance();
                }
            }
        };
        for sample in samples {
            if rows.starts_run(&sample) {
                rows.end_run().unwrap();
                take(&mut rows);
            }
            rows.push(&sample).unwrap();
            take(&mut rows);
        }
        rows.end_run().unwrap();
        take(&mut rows);
        assert!(rows.waiting.is_empty());
        windows
    }

    fn bounds(pairs: &[(u32, u32)]) -> Vec<(String, String)> {
        pairs.iter().map(|(start, end)| (start.to_string(), end.to_string())).collect()
    }

    #[test]
    fn windows_follow_each_other_at_every_step() {
        let untimed = || (0..10).map(|_| sample("", None));
        assert_eq!(windows(4, 2, untimed()), bounds(&[(0, 3), (2, 5), (4, 7), (6, 9)]));
        assert_eq!(windows(4, 4, untimed()), bounds(&[(0, 3), (4, 7)]));
        assert_eq!(windows(2, 5, untimed()), bounds(&[(0, 1), (5, 6)]));
        assert_eq!(windows(11, 1, untimed()), bounds(&[]));
    }

    #[test]
    fn no_window_crosses_a_subject_or_a_gap() {
        let rows = |subject: &'static str, times: std::ops::Range<u32>| {
            times.map(move |time| sample(subject, Some((50 * time).into())))
        };
        let rows = rows("a", 0..3).chain(rows("b", 3..7)).chain(rows("b", 90..94)).chain(rows("b", 8..11));
        assert_eq!(windows(4, 4, rows), bounds(&[(150, 300), (4500, 4650)]));
    }

    #[test]
    fn a_tiny_first_step_does_not_lock_the_stream_up() {
        let times = (0..200).map(|row| if row == 0 { 48 } else { 50 * row });
        let rows = times.map(|time| sample("", Some(time.into())));
        assert_eq!(windows(100, 100, rows), bounds(&[(48, 4950), (5000, 9950)]));
    }

    #[test]
    fn a_stream_that_runs_backwards_is_refused() {
        let mut rows = Rows::new(vec![0], LiveClock::new(40, None, GAP));
        let pushed = (0..100).rev().try_for_each(|row: u32| rows.push(&sample("", Some((50 * row).into()))));
        assert!(pushed.unwrap_err().to_string().contains("time runs backwards"));
    }
}
