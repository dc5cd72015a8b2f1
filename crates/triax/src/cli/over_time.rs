//! Answers over time on the command line: their options, and tables of segments and of windows.

use std::io::{self, Write};

use serde_json::json;
use triax::settings::Length;
use triax::{Answer, OverTimeOptions, StreamAnswer};

use super::options::{fraction, length};

/// The answer of nothing that is known.
const UNKNOWN: &str = "unknown";

/// How windows become one answer.
#[derive(clap::Args)]
#[command(next_help_heading = "Answers over time")]
pub struct OverTimeArgs {
    /// Answer for the sequence of windows, not for each by itself: calibrated probabilities, smoothed by a hidden Markov model
    #[arg(long)]
    pub over_time: bool,
    /// Answer `unknown` where the network is unsure, such that this share of what it answers rightly would be lost: 0.05
    #[arg(long, value_name = "SHARE", value_parser = fraction, requires = "over_time")]
    unknown: Option<f64>,
    /// How long an activity lasts in the mean: samples, or seconds such as `30s` [default: as in the training recordings]
    #[arg(long, value_name = "N|Ns", value_parser = length, requires = "over_time")]
    mean_duration: Option<Length>,
}

impl OverTimeArgs {
    /// The options, if answers over time are asked for.
    pub fn options(&self) -> Option<OverTimeOptions> {
        let Self { over_time, unknown, mean_duration } = *self;
        over_time.then_some(OverTimeOptions { unknown, mean_duration })
    }
}

/// A stretch of one answer, or a window with its answer, as it is written.
pub struct AnswerRow<'a> {
    /// The file or array.
    pub source: &'a str,
    pub subject: &'a str,
    pub start: &'a str,
    pub end: &'a str,
    pub answer: Answer,
}

/// The table of answers: CSV with a header, or JSON lines.
pub struct Answers<'a, W: Write> {
    classes: &'a [String],
    out: Format<W>,
}

enum Format<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Json(W),
}

impl<'a, W: Write> Answers<'a, W> {
    /// A table of answers that are `classes`. A CSV begins with its header.
    pub fn new(classes: &'a [String], as_json: bool, out: W) -> anyhow::Result<Self> {
        let out = if as_json {
            Format::Json(out)
        } else {
            let mut csv = csv::Writer::from_writer(out);
            csv.write_record(["recording", "subject", "start", "end", "activity", "confidence"])?;
            Format::Csv(Box::new(csv))
        };
        Ok(Self { classes, out })
    }

    /// Adds a row.
    pub fn row(&mut self, row: &AnswerRow<'_>) -> anyhow::Result<()> {
        let AnswerRow { source, subject, start, end, answer } = *row;
        let activity = answer.class.map_or(UNKNOWN, |class| &self.classes[class]);
        match &mut self.out {
            Format::Csv(csv) => {
                csv.write_record([source, subject, start, end, activity, &format!("{:.4}", answer.confidence)])?;
            }
            Format::Json(out) => {
                let line = json!({
                    "recording": source, "subject": subject, "start": start, "end": end, "activity": activity,
                    "is_unknown": answer.class.is_none(), "confidence": answer.confidence,
                });
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }

    /// Adds the answers for windows of the stream `source`, and flushes them.
    pub fn stream(&mut self, source: &str, answers: &[StreamAnswer]) -> anyhow::Result<()> {
        for StreamAnswer { window, answer } in answers {
            let (subject, start, end) = (&window.subject, &window.start, &window.end);
            self.row(&AnswerRow { source, subject, start, end, answer: *answer })?;
            self.flush()?;
        }
        Ok(())
    }

    /// Flushes the rows so far.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Format::Csv(csv) => csv.flush(),
            Format::Json(out) => out.flush(),
        }
    }
}
