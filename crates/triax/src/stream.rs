//! Predictions from a stream of samples: each window is predicted as soon as it is full.

use crate::{Error, Notice, Prediction, Predictor};

/// A time step longer than this many mean steps starts a new recording. For whole files the limit is as many median
/// steps.
const GAP: f64 = 10.0;

/// One sample of a sensor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample<'a> {
    /// One value per channel, in the sensor's unit.
    pub values: &'a [f32],
    /// Time of the sample, in any unit. A step back or a gap starts a new recording.
    pub time: Option<f64>,
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
    /// Time of the first sample, in the unit of the samples; without times, the index of the sample, from 0.
    pub start: String,
    /// Time or index of the last sample.
    pub end: String,
    /// Class and scores of the window.
    pub prediction: Prediction,
}

/// Takes samples one by one and predicts each window as soon as it is full. It computes on the CPU unless another device
/// was named: a GPU gains nothing from a single window, and takes longer to open than many windows to score.
pub struct StreamPredictor<'a> {
    predictor: &'a Predictor,
    /// Index in a sample of each of the network's channels.
    columns: Vec<usize>,
    buffer: WindowBuffer,
}

impl<'a> StreamPredictor<'a> {
    /// A predictor that starts a window every `step` samples. Samples have the network's channels in its order.
    ///
    /// # Panics
    /// If `step` is 0.
    pub fn new(predictor: &'a Predictor, step: usize) -> Self {
        assert!(step > 0, "the step from one window to the next is at least 1");
        let spec = predictor.spec();
        Self { predictor, columns: (0..spec.channels).collect(), buffer: WindowBuffer::new(spec.window, step) }
    }

    /// Sets the channels of the samples. They are matched by name if all names are there; otherwise they are taken in
    /// order, with a notice that calls the source `name`.
    ///
    /// # Errors
    /// Channels that lack a name and are not as many as the network's.
    pub fn with_channels(self, name: &str, channels: &[String]) -> Result<(Self, Option<Notice>), Error> {
        let (columns, notice) = self.predictor.columns(name, channels)?;
        Ok((Self { columns, ..self }, notice))
    }

    /// Takes a sample. If it fills a window, returns the prediction.
    ///
    /// # Errors
    /// A sample with too few values; scores that are not finite.
    pub fn push(&mut self, sample: &Sample<'_>) -> Result<Option<StreamPrediction>, Error> {
        if let Some(column) = self.columns.iter().find(|&&column| column >= sample.values.len()) {
            let n = sample.values.len();
            return Err(Error::Input(format!("a sample has {n} values, and channel {column} (from 0) is read")));
        }
        if !self.buffer.push(sample, &self.columns) {
            return Ok(None);
        }
        let scores = self.predictor.scores_of_one(&self.buffer.values);
        let (subject, start, end) = self.buffer.window();
        // The next window starts even if the prediction fails.
        self.buffer.advance();
        let prediction = self
            .predictor
            .prediction(&scores?, || format!("the window from {start} to {end} of subject `{subject}`"))?;
        Ok(Some(StreamPrediction { subject, start, end, prediction }))
    }

    /// Number of samples in the longest recording so far.
    pub fn longest_recording(&self) -> usize {
        self.buffer.longest
    }
}

/// The window that is being filled.
struct WindowBuffer {
    window: usize,
    step: usize,
    subject: String,
    activity: Option<String>,
    /// (row, channel).
    values: Vec<f32>,
    /// Time or index of each row.
    times: Vec<String>,
    /// Rows still to skip, if the step is longer than the window.
    skip: usize,
    last_time: Option<f64>,
    /// Sum and number of the time steps so far.
    steps: (f64, f64),
    n_rows: usize,
    /// Rows since the recording started; `longest` is their maximum.
    unbroken: usize,
    longest: usize,
}

impl WindowBuffer {
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

    /// Adds a sample. Returns whether the window is full.
    fn push(&mut self, sample: &Sample<'_>, columns: &[usize]) -> bool {
        let jumps = self.jumps(sample.time);
        if jumps || sample.subject != self.subject || sample.activity != self.activity.as_deref() {
            self.values.clear();
            self.times.clear();
            self.skip = 0;
            self.unbroken = 0;
            self.subject = sample.subject.to_owned();
            self.activity = sample.activity.map(str::to_owned);
        }
        let number = self.n_rows;
        self.n_rows += 1;
        self.unbroken += 1;
        self.longest = self.longest.max(self.unbroken);
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.values.extend(columns.iter().map(|&column| sample.values[column]));
        self.times.push(sample.time.map_or_else(|| number.to_string(), |time| time.to_string()));
        self.times.len() == self.window
    }

    /// Subject, start and end of the full window.
    fn window(&self) -> (String, String, String) {
        let time = |at: Option<&String>| at.cloned().unwrap_or_default();
        (self.subject.clone(), time(self.times.first()), time(self.times.last()))
    }

    /// Moves on to the next window.
    fn advance(&mut self) {
        let n_channels = self.values.len() / self.window;
        let gone = self.step.min(self.window);
        self.values.drain(..gone * n_channels);
        self.times.drain(..gone);
        self.skip = self.step - gone;
    }

    /// Whether time goes back or leaves a gap before this row. Records the step.
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

    fn sample(subject: &str, time: Option<f64>) -> Sample<'_> {
        Sample { values: &[0.5, 1.5], time, subject, activity: None }
    }

    /// (start, end) of each window of the samples.
    fn windows<'a>(window: usize, step: usize, samples: impl IntoIterator<Item = Sample<'a>>) -> Vec<(String, String)> {
        let mut buffer = WindowBuffer::new(window, step);
        let mut windows = Vec::new();
        for sample in samples {
            if buffer.push(&sample, &[1]) {
                assert_eq!(buffer.values, vec![1.5; window]);
                let (_, start, end) = buffer.window();
                windows.push((start, end));
                buffer.advance();
            }
        }
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
            times.map(move |time| sample(subject, Some(time.into())))
        };
        let rows = rows("a", 0..3).chain(rows("b", 3..7)).chain(rows("b", 90..94)).chain(rows("b", 8..11));
        assert_eq!(windows(4, 4, rows), bounds(&[(3, 6), (90, 93)]));
    }
}
