//! `triax predict`: the predictions of a trained network for recordings.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use triax::settings::{DataSource, Entries, FormatChoice, Length};
use triax::{Prediction, Predictor, PredictorOrigin, ReadOptions, Sample, StreamPredictor};
use triax_data::{CsvRows, DataError, Format};

use super::options::{GivenSettings, PredictorArgs, Tables, formats, length};
use super::output::{Output, Rows, Source};
use super::print_notices;
use super::terminal::tell;

const EXAMPLES: &str = "\
Examples:
  triax predict runs/NAME --data recordings.csv --out predictions.csv
  triax predict runs/NAME --data recordings.csv | head
  sensor | triax predict runs/NAME -                    a line a window, as soon as it is full
  triax predict runs/STUDY --data recordings.csv        all networks of the study's best setting, as one

Output: CSV with the columns subject, start, end, predicted, and a score for each class (the network's output; the
largest one is predicted). Start and end are the times of a window's first and last sample, or their row numbers from
0 where there are no times.

Standard input (`-`) and CSV files are read row by row, below a header that names the network's channels. `subject`,
`activity` and `timestamp` may be among the columns: a window begins anew where subject or activity changes or time
jumps. Times are shown as they came; in other formats, in seconds. A window at a time is scored on the CPU unless
--device names another device.

Of a study all networks of one setting predict together, those of every fold and seed: a score is the mean of theirs, or
the logarithm of the mean probability where the loss is categorical_crossentropy.";

/// Predict the activity of each window
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    predictor: PredictorArgs,
    /// `-` reads CSV rows from standard input as they come
    #[arg(value_name = "-", value_parser = ["-"], required_unless_present = "data", conflicts_with = "data")]
    stdin: Option<String>,
    /// Recordings, or `synthetic`
    #[arg(long, value_name = "PATH|synthetic")]
    data: Option<DataSource>,
    /// Format of the data; `auto` looks for itself
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = formats(), conflicts_with = "stdin")]
    format: FormatChoice,
    /// Where to write the predictions [default: standard output]. An old file stays until the predictions are complete; those
    /// of `-` replace it with the first one, and can be read as they come
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// From one window to the next: samples, seconds such as `3s`, or a share of the window such as `50%` [default: as in training]
    #[arg(long, value_name = "N|Ns|N%", value_parser = length)]
    step: Option<Length>,
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
    let (rows, data_source) = match &args.data {
        None => (Rows::AsTheyCome, Some(Source::StandardInput)),
        Some(DataSource::Path(path)) => (Rows::AtOnce, Some(Source::Path(path))),
        Some(DataSource::Synthetic) => (Rows::AtOnce, None),
    };
    let sources: Vec<Source<'_>> = [Source::Path(&args.predictor.run)].into_iter().chain(data_source).collect();
    let mut out = Output::open(args.out.as_deref(), &sources, rows)?;
    match &args.data {
        None => predict_rows(&predictor, step, io::stdin().lock(), "standard input", &mut out)?,
        Some(data) => match csv_file(data, args.format) {
            Some(path) => {
                let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
                predict_rows(&predictor, step, BufReader::new(file), &path.display().to_string(), &mut out)?;
            }
            None => predict_corpus(&predictor, step, data, args.format, &args.tables.entries, &mut out)?,
        },
    }
    out.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// The path of a CSV file. It is read row by row, so that it needs neither subjects nor activities.
fn csv_file(data: &DataSource, format: FormatChoice) -> Option<&Path> {
    let DataSource::Path(path) = data else { return None };
    let is_csv = match format.0 {
        Some(format) => format == Format::Csv,
        None => path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")),
    };
    (is_csv && path.is_file()).then_some(path)
}

/// Writes the table of predictions for whole recordings.
fn predict_corpus(
    predictor: &Predictor,
    step: usize,
    data: &DataSource,
    format: FormatChoice,
    tables: &Entries,
    output: &mut Output,
) -> anyhow::Result<()> {
    let settings = predictor.settings_for(Some(data), tables)?.data;
    let options = ReadOptions { format: format.0, ..settings.read_options() };
    let corpus = predictor.read(data, options, 0)?;
    print_notices(&corpus.notices);
    let window = predictor.spec().window;
    let windows = triax_data::cut(&corpus, window, step)?;
    let mut table = Predictions::new(predictor.classes(), output)?;
    for (origin, prediction) in windows.origins.iter().zip(predictor.predict(&windows.values)?) {
        let recording = &corpus.recordings[origin.recording as usize];
        let first = origin.start as usize;
        let at = |row: usize| recording.times.get(row).map_or_else(|| row.to_string(), f64::to_string);
        table.row(&recording.subject, &at(first), &at(first + window - 1), &prediction)?;
    }
    table.finish()
}

/// Reads CSV rows from `input`, which messages call `name`, and writes predictions to `output`, a line per window. Invalid
/// rows are dropped and counted.
fn predict_rows(
    predictor: &Predictor,
    step: usize,
    input: impl BufRead,
    name: &str,
    output: &mut Output,
) -> anyhow::Result<()> {
    let rows = CsvRows::new(input, name)?;
    let (mut stream, notice) = StreamPredictor::new(predictor, step).with_channels(name, rows.channels())?;
    print_notices(notice.as_slice());
    let mut table = Predictions::new(predictor.classes(), output)?;
    table.flush()?;
    let (mut n_windows, mut n_dropped) = (0usize, 0usize);
    for row in rows {
        let row = match row {
            Ok(row) => row,
            Err(error @ DataError::Io { .. }) => return Err(error.into()),
            Err(error) => {
                if n_dropped == 0 {
                    tell(format_args!("warning: a row was dropped: {error}"));
                }
                n_dropped += 1;
                continue;
            }
        };
        let sample = Sample {
            values: &row.values,
            time: row.time,
            subject: row.subject.as_deref().unwrap_or_default(),
            activity: row.activity.as_deref(),
        };
        if let Some(window) = stream.push(&sample)? {
            table.row(&window.subject, &window.start, &window.end, &window.prediction)?;
            table.flush()?;
            n_windows += 1;
        }
    }
    if n_dropped > 1 {
        tell(format_args!("warning: {n_dropped} rows were dropped in all."));
    }
    ensure!(
        n_windows > 0,
        "{name} ended before a window of {} rows was full: its longest unbroken recording has {}",
        predictor.spec().window,
        stream.longest_recording(),
    );
    table.finish()
}

/// The table of predictions, written row by row.
struct Predictions<'a, W: Write> {
    classes: &'a [String],
    csv: csv::Writer<W>,
}

impl<'a, W: Write> Predictions<'a, W> {
    /// A table with its header.
    fn new(classes: &'a [String], out: W) -> anyhow::Result<Self> {
        let mut csv = csv::Writer::from_writer(out);
        let scores = classes.iter().map(|class| format!("score {class}"));
        csv.write_record(["subject", "start", "end", "predicted"].map(str::to_owned).into_iter().chain(scores))?;
        Ok(Self { classes, csv })
    }

    /// Adds a window.
    fn row(&mut self, subject: &str, start: &str, end: &str, prediction: &Prediction) -> anyhow::Result<()> {
        let window = [subject, start, end, &self.classes[prediction.class]].map(str::to_owned);
        self.csv.write_record(window.into_iter().chain(prediction.scores.iter().map(f32::to_string)))?;
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
