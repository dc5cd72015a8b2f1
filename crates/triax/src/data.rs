//! `triax data`: what is in a data set.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;
use triax_data::{Corpus, Recording};

use crate::inputs;
use crate::report::grouped;
use crate::values::{DataSource, FormatChoice, formats};

/// Look into data sets, and fetch public ones
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Inspect(InspectArgs),
}

/// Show rows, subjects, activities, sampling rate, gaps, and what was repaired
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  triax data inspect WISDM/
  triax data inspect recordings.csv --json

Nothing is changed on disk: repairs are made while reading, the same each time.")]
struct InspectArgs {
    /// A folder, file or zip of recordings, or `synthetic`
    #[arg(value_name = "PATH|synthetic")]
    data: DataSource,
    /// Format of the data; `auto` looks for itself
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = formats())]
    format: FormatChoice,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Inspect(args) => inspect(args),
    }
}

fn inspect(args: InspectArgs) -> anyhow::Result<ExitCode> {
    let corpus = inputs::read_corpus(&args.data, args.format, 0)?;
    let found = Inspection::of(&corpus);
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", found.json(&corpus))?;
    } else {
        found.print(&corpus, &mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Rows and recordings of one subject or activity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Count {
    name: String,
    rows: usize,
    recordings: usize,
}

/// What can be counted in a corpus.
#[derive(Debug, PartialEq, Serialize)]
struct Inspection {
    rows: usize,
    recordings: usize,
    shortest_recording: usize,
    longest_recording: usize,
    classes: Vec<Count>,
    /// In order of first appearance; empty where no subject is known.
    subjects: Vec<Count>,
    /// Places where time jumps within one subject's activity, so that a new recording begins.
    gaps: usize,
    /// The longest of them.
    longest_gap_seconds: Option<f64>,
}

impl Inspection {
    fn of(corpus: &Corpus) -> Self {
        let rows = |recording: &Recording| corpus.n_rows(recording);
        let count = |name: &str, mine: &dyn Fn(&Recording) -> bool| {
            let mine: Vec<usize> = corpus.recordings.iter().filter(|recording| mine(recording)).map(rows).collect();
            Count { name: name.to_owned(), rows: mine.iter().sum(), recordings: mine.len() }
        };
        let classes = corpus.class_names.iter().enumerate();
        let classes = classes.map(|(class, name)| count(name, &|recording| recording.class as usize == class));
        let subjects = corpus.subjects();
        let gap = |pair: &[Recording]| {
            let [before, after] = pair else { return None };
            let same = before.subject == after.subject && before.class == after.class;
            let (end, start) = (before.times.last()?, after.times.first()?);
            same.then_some(start - end)
        };
        let gaps: Vec<f64> = corpus.recordings.windows(2).filter_map(gap).collect();
        Self {
            rows: corpus.recordings.iter().map(rows).sum(),
            recordings: corpus.recordings.len(),
            shortest_recording: corpus.recordings.iter().map(rows).min().unwrap_or(0),
            longest_recording: corpus.recordings.iter().map(rows).max().unwrap_or(0),
            classes: classes.collect(),
            subjects: subjects.iter().map(|name| count(name, &|recording| recording.subject == *name)).collect(),
            longest_gap_seconds: gaps.iter().copied().reduce(f64::max),
            gaps: gaps.len(),
        }
    }

    fn json(&self, corpus: &Corpus) -> serde_json::Value {
        json!({
            "name": corpus.name, "synthetic": corpus.synthetic, "channels": corpus.channels, "rate_hz": corpus.rate_hz,
            "window": corpus.window, "fingerprint": corpus.fingerprint, "repairs": corpus.repairs, "found": self,
        })
    }

    fn print(&self, corpus: &Corpus, out: &mut dyn Write) -> io::Result<()> {
        let synthetic = if corpus.synthetic { " (synthetic: made by a program, not measured)" } else { "" };
        writeln!(out, "{}{synthetic}", corpus.name)?;
        writeln!(out, "rows        {} in {} recordings", grouped(self.rows), grouped(self.recordings))?;
        match corpus.window {
            Some(window) => writeln!(out, "windows     cut already, of {window} rows")?,
            None => writeln!(
                out,
                "            a recording has {} to {} rows; it ends where subject, activity or time jumps",
                grouped(self.shortest_recording),
                grouped(self.longest_recording)
            )?,
        }
        writeln!(out, "channels    {}", corpus.channels.join(", "))?;
        match corpus.rate_hz {
            Some(rate) => writeln!(out, "rate        {} Hz", (rate * 100.0).round() / 100.0)?,
            None => writeln!(out, "rate        unknown: the source has no times")?,
        }
        match self.longest_gap_seconds {
            Some(longest) => writeln!(out, "gaps        {} in time, the longest of {longest:.1} s", grouped(self.gaps))?,
            None => writeln!(out, "gaps        none")?,
        }
        writeln!(out, "fingerprint {}", corpus.fingerprint)?;

        writeln!(out)?;
        counts(out, "activity", &self.classes)?;
        writeln!(out)?;
        if self.subjects.is_empty() {
            writeln!(out, "subjects are unknown")?;
        } else {
            counts(out, "subject", &self.subjects)?;
        }

        writeln!(out)?;
        if corpus.repairs.is_empty() {
            return writeln!(out, "nothing had to be repaired");
        }
        writeln!(out, "repaired on reading ({} rows dropped):", grouped(corpus.repairs.rows_dropped()))?;
        for repair in &corpus.repairs.entries {
            writeln!(out, "{:>10}  {}, first at {}", grouped(repair.count), repair.kind, repair.first)?;
        }
        Ok(())
    }
}

fn counts(out: &mut dyn Write, of: &str, counts: &[Count]) -> io::Result<()> {
    writeln!(out, "{of:<24} {:>10} {:>11}", "rows", "recordings")?;
    for count in counts {
        writeln!(out, "{:<24} {:>10} {:>11}", count.name, grouped(count.rows), grouped(count.recordings))?;
    }
    Ok(())
}
