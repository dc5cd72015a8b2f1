//! `triax predict`: the predictions of a trained network for recordings.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use triax::settings::{DataSource, FormatChoice, Length};
use triax::{
    Corpus, LiveAnswers, OverTime, Prediction, Predictor, PredictorOrigin, ReadOptions, Recording, Sample,
    StreamPrediction, StreamPredictor,
};
use triax_data::time::GAP;
use triax_data::{DataError, Origin, file_of};

use super::options::{GivenSettings, PredictorArgs, Tables, formats, length};
use super::output::{Output, Rows, Source};
use super::over_time::{AnswerRow, Answers, OverTimeArgs};
use super::print_notices;
use super::terminal::tell;

const EXAMPLES: &str = "\
Examples:
  triax predict runs/NAME --data recordings.csv --out predictions.csv
  triax predict runs/NAME --data recordings.csv | head
  sensor | triax predict runs/NAME -                    a line a window, as soon as it is full
  triax predict runs/STUDY --data recordings.csv        all networks of the study's best setting, as one
  triax predict runs/NAME --data day.csv --over-time    segments: what was done from when to when
  sensor | triax predict runs/NAME - --over-time --lag 5s --unknown 0.05

Output: CSV with the columns index, subject, start, end, predicted, and a score for each class (the network's output; the
largest one is predicted). The index counts windows from 0; of an array it is the window's own. Start and end are the times
of a window's first and last sample as they were written, or the numbers of its rows from 0 where there are no times. Where
windows are of several files or arrays, the first column names the source.

With --over-time the windows of a recording are one answer: a row a segment, with the columns recording, subject, start, end,
activity and confidence. Of a stream it is a row a window, which comes --lag later, and at once where a recording ends.
Answers begin anew after a gap. A network that does not know how long activities last needs --mean-duration.

Channels are taken by the names that the network was trained on. `subject`, `activity` and a clock may be among the columns,
and are not needed: a window begins anew where subject or activity changes or time jumps. A file, folder or archive is
read whole, and resampled to the rate that the network was trained on.

Standard input (`-`) is read row by row: CSV below its header, or JSON lines. Lines above the header are passed over. With
--columns there is no header. Where there is no clock, a row that cannot be read begins a new recording. A stream is not
resampled: another rate is warned of.

Of a study all networks of one setting predict together, those of every fold and seed: a score is the mean of theirs, or
the logarithm of the mean probability where the loss is categorical_crossentropy.";

/// Steps that an answer about a stream waits for by default.
const LAG: usize = 4;

/// Predict the activity of each window
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    predictor: PredictorArgs,
    /// `-` reads rows from standard input as they come
    #[arg(value_name = "-", value_parser = ["-"], required_unless_present = "data", conflicts_with = "data")]
    stdin: Option<String>,
    /// Recordings, or `synthetic`
    #[arg(long, value_name = "PATH|synthetic")]
    data: Option<DataSource>,
    /// Format of the data; `auto` looks for itself
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = formats(), conflicts_with = "stdin")]
    format: FormatChoice,
    /// The file to write [default: standard output, as with `--out -`]. An old one stays until the predictions are complete;
    /// those of a stream replace it with the first one, and can be read as they come
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// From one window to the next: samples, seconds such as `3s`, or a share of the window such as `50%` [default: as in training]
    #[arg(long, value_name = "N|Ns|N%", value_parser = length)]
    step: Option<Length>,
    /// Refuse standard input that is not JSON lines; they are also recognised without this
    #[arg(long, requires = "stdin", conflicts_with = "data")]
    json_lines: bool,
    #[command(flatten)]
    over_time: OverTimeArgs,
    /// With --over-time on a stream: how long an answer waits for what comes after it, in samples or seconds [default: 4 steps]
    #[arg(long, value_name = "N|Ns", value_parser = length, requires = "over_time", conflicts_with = "data", help_heading = "Answers over time")]
    lag: Option<Length>,
    /// With --over-time: JSON lines instead of CSV
    #[arg(long, requires = "over_time", help_heading = "Answers over time")]
    json: bool,
    #[command(flatten)]
    tables: GivenSettings<Tables>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let predictor = args.predictor.open()?;
    if let (PredictorOrigin::Study(study), None) = (&predictor.origin, &args.predictor.setting) {
        let n_networks = predictor.members().len();
        tell(format_args!("note: predicting with the {n_networks} networks of `{}`.", study.setting));
    }
    print_notices(&predictor.notices);
    let window = predictor.spec().window;
    let as_trained = Length::Samples(predictor.step.unwrap_or(window));
    let (step, rounded) = args.step.unwrap_or(as_trained).samples("step", predictor.rate_hz, window)?;
    print_notices(rounded.as_slice());
    let over_time = match args.over_time.options() {
        None => None,
        Some(options) => {
            let (over_time, notices) = OverTime::new(&predictor, &options, step)?;
            print_notices(&notices);
            let lag = args.lag.map(|lag| lag.samples("lag", predictor.rate_hz, window)).transpose()?;
            Some(Smoothing { over_time, lag: lag.map_or(LAG * step, |(samples, _)| samples), as_json: args.json })
        }
    };
    let data = args.data.clone().unwrap_or(DataSource::Path("-".into()));
    let settings = predictor.settings_for(Some(&data), &args.tables.entries)?;
    let options = ReadOptions {
        format: args.format.0,
        unlabelled: true,
        keep_stamps: true,
        ..predictor.read_options(&settings, &args.tables.entries)
    };
    let (rows, data_source) = match &args.data {
        None => (Rows::AsTheyCome, Some(Source::StandardInput)),
        Some(DataSource::Path(path)) => (Rows::AtOnce, Some(Source::Path(path))),
        Some(DataSource::Synthetic) => (Rows::AtOnce, None),
    };
    let sources: Vec<Source<'_>> = [Source::Path(&args.predictor.run)].into_iter().chain(data_source).collect();
    let mut out = Output::open(args.out.as_deref(), &sources, rows)?;
    match args.data {
        None => predict_rows(&predictor, step, (&options, args.json_lines), over_time.as_ref(), &mut out)?,
        Some(_) => predict_corpus(&predictor, step, (&data, options), over_time.as_ref(), &mut out)?,
    }
    out.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Answers over time instead of predictions.
struct Smoothing {
    over_time: OverTime,
    /// Samples that a stream waits for.
    lag: usize,
    as_json: bool,
}

/// Writes the table of predictions for whole recordings; with `smoothing` that of segments.
fn predict_corpus(
    predictor: &Predictor,
    step: usize,
    (data, options): (&DataSource, ReadOptions),
    smoothing: Option<&Smoothing>,
    output: &mut Output,
) -> anyhow::Result<()> {
    let corpus = predictor.read(data, options, 0)?;
    print_notices(&corpus.notices);
    let window = predictor.spec().window;
    let n_short = corpus.recordings.iter().filter(|recording| corpus.n_rows(recording) < window).count();
    let windows = triax_data::cut(&corpus, window, step)?;
    if n_short > 0 {
        let n = corpus.recordings.len();
        tell(format_args!(
            "note: {n_short} of {n} recordings are shorter than a window of {window} rows: not predicted."
        ));
    }
    let predictions = predictor.predict(&windows.values)?;
    let places = Places::new(&corpus);
    if let Some(Smoothing { over_time, as_json, .. }) = smoothing {
        let scores: Vec<f32> = predictions.into_iter().flat_map(|prediction| prediction.scores).collect();
        let mut table = Answers::new(predictor.classes(), *as_json, output)?;
        for segment in over_time.segments(&corpus, &windows.origins, &scores) {
            table.row(&AnswerRow {
                source: places.source(segment.start),
                subject: corpus.subject_of(segment.start),
                start: &places.at(segment.start, 0),
                end: &places.at(segment.end, 0),
                answer: segment.answer,
            })?;
        }
        return Ok(table.flush()?);
    }
    let mut table = Predictions::new(predictor.classes(), places.names_sources, output)?;
    for (n, (origin, prediction)) in windows.origins.iter().zip(predictions).enumerate() {
        let row = Window {
            source: places.source(*origin),
            index: places.index(*origin).map_or_else(|| n.to_string(), str::to_owned),
            subject: corpus.subject_of(*origin),
            start: &places.at(*origin, 0),
            end: &places.at(*origin, window - 1),
        };
        table.row(&row, &prediction)?;
    }
    table.finish()
}

/// Where windows stand in their source.
struct Places<'a> {
    corpus: &'a Corpus,
    /// Rows of all recordings before each.
    rows_before: Vec<usize>,
    /// Whether windows are of several files or arrays, and the table has to say of which.
    names_sources: bool,
}

impl<'a> Places<'a> {
    fn new(corpus: &'a Corpus) -> Self {
        let rows_before = corpus.recordings.iter().scan(0, |sum, recording| {
            let before = *sum;
            *sum += corpus.n_rows(recording);
            Some(before)
        });
        let first = corpus.recordings.first().map(|recording| file_of(&recording.source));
        let names_sources = corpus.recordings.iter().any(|recording| Some(file_of(&recording.source)) != first);
        Self { corpus, rows_before: rows_before.collect(), names_sources }
    }

    fn recording(&self, origin: Origin) -> &'a Recording {
        &self.corpus.recordings[origin.recording as usize]
    }

    /// The file or array of a window.
    fn source(&self, origin: Origin) -> &'a str {
        file_of(&self.recording(origin).source)
    }

    /// The index in its array of a window that came as one.
    fn index(&self, origin: Origin) -> Option<&'a str> {
        self.recording(origin).source.strip_suffix(']')?.rsplit_once('[').map(|(_, index)| index)
    }

    /// The time of a window's row as it was written; without times, its number from 0.
    fn at(&self, origin: Origin, row: usize) -> String {
        let (recording, row) = (self.recording(origin), origin.start as usize + row);
        let stamp = recording.stamps.as_ref().and_then(|stamps| stamps.get(row)).map(str::to_owned);
        let time = || recording.times.get(row).map(f64::to_string);
        let number = || match self.corpus.window {
            Some(_) => row.to_string(),
            None => (self.rows_before[origin.recording as usize] + row).to_string(),
        };
        stamp.or_else(time).unwrap_or_else(number)
    }
}

/// Reads rows from standard input, and writes predictions to `output`, a line per window. Invalid rows are dropped and
/// counted.
fn predict_rows(
    predictor: &Predictor,
    step: usize,
    (options, json_lines): (&ReadOptions, bool),
    smoothing: Option<&Smoothing>,
    output: &mut Output,
) -> anyhow::Result<()> {
    let name = "standard input";
    let mut rows = triax_data::Rows::new(io::stdin().lock(), name, options)?;
    ensure!(!json_lines || rows.is_json(), "{name}: no JSON lines: its first line does not begin with `{{`");
    let gap = options.gap.unwrap_or(GAP);
    let stream = StreamPredictor::new(predictor, step).with_clock(rows.unit(), gap);
    let (mut stream, notice) = stream.with_channels(name, rows.channels())?;
    print_notices(notice.as_slice());
    let mut table = StreamTable::new(predictor, smoothing, name, output)?;
    let mut n_dropped = 0usize;
    for row in rows.by_ref() {
        let row = match row {
            Ok(row) => row,
            Err(error @ DataError::Io { .. }) => return Err(error.into()),
            Err(error) => {
                if n_dropped == 0 {
                    tell(format_args!("warning: a row was dropped: {error}"));
                }
                n_dropped += 1;
                let windows = stream.lost()?;
                table.write(windows, stream.recording())?;
                continue;
            }
        };
        let sample = Sample {
            values: &row.values,
            time: row.time,
            stamp: row.stamp.as_deref(),
            subject: row.subject.as_deref().unwrap_or_default(),
            activity: row.activity.as_deref(),
        };
        let windows = stream.push(&sample)?;
        table.write(windows, stream.recording())?;
        print_notices(stream.rate_warning().as_slice());
    }
    let windows = stream.finish()?;
    table.write(windows, stream.recording())?;
    table.finish()?;
    print_notices(rows.notice().as_slice());
    if n_dropped > 1 {
        tell(format_args!("warning: {n_dropped} rows were dropped in all."));
    }
    ensure!(
        table.n_windows > 0,
        "{name} ended before a window of {} rows was full: its longest unbroken recording has {}",
        predictor.spec().window,
        stream.longest_recording(),
    );
    Ok(())
}

/// What is written of a stream as it comes: the prediction of each window, or its answer over time.
struct StreamTable<'a, 'o> {
    name: &'a str,
    n_windows: usize,
    rows: StreamRows<'a, 'o>,
}

enum StreamRows<'a, 'o> {
    Predictions(Predictions<'a, &'o mut Output>),
    Answers(LiveAnswers<'a>, Answers<'a, &'o mut Output>),
}

impl<'a, 'o> StreamTable<'a, 'o> {
    /// A table with its header, of the stream `name`.
    fn new(
        predictor: &'a Predictor,
        smoothing: Option<&'a Smoothing>,
        name: &'a str,
        output: &'o mut Output,
    ) -> anyhow::Result<Self> {
        let rows = match smoothing {
            None => {
                let mut table = Predictions::new(predictor.classes(), false, output)?;
                table.flush()?;
                StreamRows::Predictions(table)
            }
            Some(Smoothing { over_time, lag, as_json }) => {
                let mut table = Answers::new(predictor.classes(), *as_json, output)?;
                table.flush()?;
                StreamRows::Answers(over_time.live(*lag), table)
            }
        };
        Ok(Self { name, n_windows: 0, rows })
    }

    /// Takes windows that are full, and the number of the recording that the stream is at. Writes what can be said now.
    fn write(&mut self, windows: Vec<StreamPrediction>, recording: usize) -> anyhow::Result<()> {
        let n_before = self.n_windows;
        self.n_windows += windows.len();
        match &mut self.rows {
            StreamRows::Predictions(table) => {
                for (n, StreamPrediction { subject, start, end, prediction, .. }) in windows.iter().enumerate() {
                    let index = (n_before + n).to_string();
                    table.row(&Window { source: self.name, index, subject, start, end }, prediction)?;
                    table.flush()?;
                }
                Ok(())
            }
            StreamRows::Answers(live, table) => table.stream(self.name, &live.push(windows, recording)),
        }
    }

    /// Ends the table.
    fn finish(&mut self) -> anyhow::Result<()> {
        match &mut self.rows {
            StreamRows::Predictions(table) => Ok(table.flush()?),
            StreamRows::Answers(live, table) => {
                table.stream(self.name, &live.finish())?;
                Ok(table.flush()?)
            }
        }
    }
}

/// A window in the table.
struct Window<'a> {
    source: &'a str,
    index: String,
    subject: &'a str,
    start: &'a str,
    end: &'a str,
}

/// The table of predictions, written row by row.
struct Predictions<'a, W: Write> {
    classes: &'a [String],
    names_sources: bool,
    csv: csv::Writer<W>,
}

impl<'a, W: Write> Predictions<'a, W> {
    /// A table with its header, and a column for the source of each window if `names_sources`.
    fn new(classes: &'a [String], names_sources: bool, out: W) -> anyhow::Result<Self> {
        let mut csv = csv::Writer::from_writer(out);
        let source = names_sources.then(|| "source".to_owned());
        let columns = ["index", "subject", "start", "end", "predicted"].map(str::to_owned);
        let scores = classes.iter().map(|class| format!("score {class}"));
        csv.write_record(source.into_iter().chain(columns).chain(scores))?;
        Ok(Self { classes, names_sources, csv })
    }

    /// Adds a window.
    fn row(&mut self, window: &Window<'_>, prediction: &Prediction) -> anyhow::Result<()> {
        let Window { source, index, subject, start, end } = window;
        if self.names_sources {
            self.csv.write_field(source)?;
        }
        for field in [index.as_str(), subject, start, end, &self.classes[prediction.class]] {
            self.csv.write_field(field)?;
        }
        self.csv.write_record(prediction.scores.iter().map(f32::to_string))?;
        Ok(())
    }

    /// Flushes the rows so far.
    fn flush(&mut self) -> io::Result<()> {
        self.csv.flush()
    }

    /// Ends the table.
    fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.csv.flush()?)
    }
}
