//! What a corpus holds, at a glance: the report of `triax data inspect`.

use crate::{Column, Corpus, Notice, Part, Recording, RepairLog};
use serde::Serialize;
use std::fmt;

/// The most columns that the report lists.
const MAX_COLUMNS: usize = 64;

/// A summary of a corpus, to print or to serialise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// Name of the corpus.
    pub name: String,
    /// Whether it was made by a program rather than measured.
    pub synthetic: bool,
    /// Samples, over all recordings.
    pub n_rows: usize,
    /// Uninterrupted recordings, or windows where the source is windowed.
    pub n_recordings: usize,
    /// Rows of the shortest and the longest recording.
    pub recording_rows: (usize, usize),
    /// Length of the windows, where the source is windowed.
    pub window: Option<usize>,
    /// Recordings in the source's own training and validation parts, where it is split.
    pub parts: Option<(usize, usize)>,
    /// The subjects; empty when the source does not name them.
    pub subjects: Vec<String>,
    /// Each class, in class order.
    pub classes: Vec<ClassCount>,
    /// Each channel.
    pub channels: Vec<ChannelRange>,
    /// The columns of a table, and what each was read as.
    pub columns: Vec<Column>,
    /// What was decided on reading, beside the repairs.
    pub notices: Vec<Notice>,
    /// Samples a second, when known.
    pub rate_hz: Option<f64>,
    /// How regular the clock is, when there is one.
    pub sampling: Option<Sampling>,
    /// Ends of recordings where time jumps forward.
    pub gaps: Breaks,
    /// Ends of recordings where time runs backwards.
    pub restarts: Breaks,
    /// Rows that were mended or dropped.
    pub repairs: RepairLog,
    /// Number of dropped rows.
    pub n_dropped: usize,
    /// Fingerprint of the content.
    pub fingerprint: String,
}

/// Size of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassCount {
    /// Its identifier and, where known, its name.
    pub class: String,
    /// Samples.
    pub n_rows: usize,
    /// Recordings.
    pub n_recordings: usize,
    /// Known subjects who did it.
    pub n_subjects: usize,
}

/// Values of one channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelRange {
    /// Its name.
    pub channel: String,
    /// Smallest value.
    pub min: f32,
    /// Arithmetic mean.
    pub mean: f64,
    /// Largest value.
    pub max: f32,
    /// Whether all values are equal, so that the channel carries no information.
    pub constant: bool,
}

/// Intervals between samples, within recordings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sampling {
    /// Percentiles 1, 50, 99 and 100 of the interval, in milliseconds.
    pub interval_ms: [f64; 4],
    /// The subject with the lowest median rate, and that rate in hertz.
    pub slowest: (String, f64),
    /// The subject with the highest median rate, and that rate in hertz.
    pub fastest: (String, f64),
}

/// Ends of recordings, of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Breaks {
    /// How many.
    pub count: usize,
    /// The longest jump in seconds.
    pub longest_s: f64,
    /// `file:line` of the row after the first.
    pub first: Option<String>,
}

impl Breaks {
    fn add(&mut self, leap: f64, source: &str) {
        self.count += 1;
        self.longest_s = self.longest_s.max(leap);
        self.first.get_or_insert_with(|| source.to_owned());
    }
}

impl Inspection {
    /// Summarises `corpus`.
    pub fn new(corpus: &Corpus) -> Self {
        let rows_of = |recording: &Recording| corpus.n_rows(recording);
        let lengths = corpus.recordings.iter().map(rows_of);
        let in_part = |part| corpus.recordings.iter().filter(|recording| recording.part == Some(part)).count();
        let parts = (in_part(Part::Train), in_part(Part::Valid));
        let (gaps, restarts) = breaks(corpus);
        let repairs: Vec<Notice> = corpus.repairs.notices(corpus.window.is_some()).collect();
        Self {
            name: corpus.name.clone(),
            synthetic: corpus.synthetic,
            n_rows: lengths.clone().sum(),
            n_recordings: corpus.recordings.len(),
            recording_rows: (lengths.clone().min().unwrap_or(0), lengths.max().unwrap_or(0)),
            window: corpus.window,
            parts: (parts != (0, 0)).then_some(parts),
            subjects: corpus.subjects(),
            classes: class_counts(corpus),
            channels: channel_ranges(corpus),
            columns: corpus.columns.clone(),
            notices: corpus.notices.iter().filter(|notice| !repairs.contains(notice)).cloned().collect(),
            rate_hz: corpus.rate_hz,
            sampling: sampling(corpus),
            gaps,
            restarts,
            repairs: corpus.repairs.clone(),
            n_dropped: corpus.repairs.rows_dropped(),
            fingerprint: corpus.fingerprint.clone(),
        }
    }
}

fn class_counts(corpus: &Corpus) -> Vec<ClassCount> {
    let count = |class: usize| {
        let mut own: Vec<&Recording> =
            corpus.recordings.iter().filter(|recording| recording.class as usize == class).collect();
        let n_rows = own.iter().map(|recording| corpus.n_rows(recording)).sum();
        let n_recordings = own.len();
        own.retain(|recording| !recording.subject.is_empty());
        own.sort_by_key(|recording| &recording.subject);
        own.dedup_by_key(|recording| &recording.subject);
        ClassCount { class: corpus.class_names[class].clone(), n_rows, n_recordings, n_subjects: own.len() }
    };
    (0..corpus.classes.len()).map(count).collect()
}

fn channel_ranges(corpus: &Corpus) -> Vec<ChannelRange> {
    let n_channels = corpus.channels.len();
    let range = |(idx, channel): (usize, &String)| {
        let values = || {
            corpus.recordings.iter().flat_map(move |recording| recording.values.iter().skip(idx).step_by(n_channels))
        };
        let (min, max) = values().fold((f32::MAX, f32::MIN), |(min, max), value| (min.min(*value), max.max(*value)));
        let (n, sum) = values().fold((0_usize, 0.0), |(n, sum), value| (n + 1, sum + f64::from(*value)));
        ChannelRange { channel: channel.clone(), min, mean: sum / n.max(1) as f64, max, constant: min >= max }
    };
    corpus.channels.iter().enumerate().map(range).collect()
}

fn sampling(corpus: &Corpus) -> Option<Sampling> {
    let steps_of =
        |recording: &Recording| -> Vec<f64> { recording.times.windows(2).map(|pair| pair[1] - pair[0]).collect() };
    let percentile = |sorted: &[f64], share: f64| sorted[(share * (sorted.len() - 1) as f64).round() as usize];
    let mut all: Vec<f64> = corpus.recordings.iter().flat_map(steps_of).collect();
    if all.is_empty() {
        return None;
    }
    all.sort_by(f64::total_cmp);
    let mut rates: Vec<(String, f64)> = Vec::new();
    for subject in corpus.subjects() {
        let own = corpus.recordings.iter().filter(|recording| recording.subject == subject);
        let mut steps: Vec<f64> = own.flat_map(steps_of).collect();
        if !steps.is_empty() {
            steps.sort_by(f64::total_cmp);
            rates.push((subject, percentile(&steps, 0.5).recip()));
        }
    }
    let unnamed = || (String::new(), percentile(&all, 0.5).recip());
    Some(Sampling {
        interval_ms: [0.01, 0.5, 0.99, 1.0].map(|share| 1e3 * percentile(&all, share)),
        slowest: rates.iter().min_by(|a, b| a.1.total_cmp(&b.1)).cloned().unwrap_or_else(unnamed),
        fastest: rates.iter().max_by(|a, b| a.1.total_cmp(&b.1)).cloned().unwrap_or_else(unnamed),
    })
}

/// Gaps and restarts: ends of recordings where subject, activity and file stay the same.
fn breaks(corpus: &Corpus) -> (Breaks, Breaks) {
    let (mut gaps, mut restarts) = (Breaks::default(), Breaks::default());
    let file = |recording: &Recording| recording.source.rsplit_once(':').map(|(file, _)| file.to_owned());
    for pair in corpus.recordings.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let (Some(end), Some(start)) = (before.times.last(), after.times.first()) else { continue };
        if before.subject != after.subject || before.class != after.class || file(before) != file(after) {
            continue;
        }
        let leap = start - end;
        (if leap > 0.0 { &mut gaps } else { &mut restarts }).add(leap.abs(), &after.source);
    }
    (gaps, restarts)
}

/// The report, no wider than 80 columns.
impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = if self.synthetic { " (synthetic)" } else { "" };
        writeln!(f, "{}{made}", shortened(&self.name, 66))?;
        writeln!(f, "rows         {}", self.n_rows)?;
        let (shortest, longest) = self.recording_rows;
        match self.window {
            Some(window) => writeln!(f, "windows      {} of {window} rows, cut by the source", self.n_recordings)?,
            None => writeln!(f, "recordings   {} of {shortest} to {longest} rows", self.n_recordings)?,
        }
        if let Some((train, valid)) = self.parts {
            writeln!(f, "parts        {train} training, {valid} validation")?;
        }
        match self.subjects.len() {
            0 => writeln!(f, "subjects     unknown")?,
            n => writeln!(f, "subjects     {n}: {}", list(&self.subjects, 60))?,
        }
        self.fmt_clock(f)?;
        self.fmt_classes(f)?;
        writeln!(f, "\n{:<24} {:>13} {:>13} {:>13}", "channel", "min", "mean", "max")?;
        for channel in &self.channels {
            let ChannelRange { min, mean, max, .. } = channel;
            let note = if channel.constant { "  constant" } else { "" };
            writeln!(f, "{:<24} {min:>13.4e} {mean:>13.4e} {max:>13.4e}{note}", shortened(&channel.channel, 24))?;
        }
        self.fmt_columns(f)?;
        self.fmt_repairs(f)?;
        write!(f, "\nfingerprint  {}", self.fingerprint)
    }
}

impl Inspection {
    fn fmt_clock(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rate_hz {
            Some(rate) => writeln!(f, "rate         {rate:.2} Hz")?,
            None => writeln!(f, "rate         unknown")?,
        }
        let Some(Sampling { interval_ms: [low, median, high, max], slowest, fastest }) = &self.sampling else {
            return Ok(());
        };
        writeln!(f, "interval     {median:.2} ms (median); 1 % {low:.2}, 99 % {high:.2}, longest {max:.2}")?;
        // Where rates differ by a tenth, windows of equal length last differently long.
        if fastest.1 > 1.1 * slowest.1 {
            let (slow, fast) = (shortened(&slowest.0, 12), shortened(&fastest.0, 12));
            writeln!(
                f,
                "             uneven: subject {slow} at {:.2} Hz, subject {fast} at {:.2} Hz",
                slowest.1, fastest.1
            )?;
        }
        for (title, breaks) in [("gaps", &self.gaps), ("restarts", &self.restarts)] {
            match &breaks.first {
                None => writeln!(f, "{title:<12} 0")?,
                Some(first) => writeln!(
                    f,
                    "{title:<12} {}, longest {:.2} s, first at {}",
                    breaks.count,
                    breaks.longest_s,
                    shortened(first, 28)
                )?,
            }
        }
        Ok(())
    }

    fn fmt_classes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<24} {:>13} {:>8} {:>11} {:>9}", "class", "rows", "share", "recordings", "subjects")?;
        for class in &self.classes {
            let share = 100.0 * class.n_rows as f64 / self.n_rows.max(1) as f64;
            writeln!(
                f,
                "{:<24} {:>13} {share:>6.1} % {:>11} {:>9}",
                shortened(&class.class, 24),
                class.n_rows,
                class.n_recordings,
                class.n_subjects
            )?;
        }
        Ok(())
    }

    /// What else the source has, or what each column is where that does not go without saying.
    fn fmt_columns(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.columns.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{:<24} {:<10} because of", "column", "read as")?;
        for Column { name, role, why } in self.columns.iter().take(MAX_COLUMNS) {
            let name = if name.is_empty() { "(without a name)".to_owned() } else { shortened(name, 24) };
            writeln!(f, "{name:<24} {role:<10} {}", shortened(why, 43))?;
        }
        match self.columns.len().checked_sub(MAX_COLUMNS) {
            Some(more @ 1..) => writeln!(f, "and {more} more"),
            _ => Ok(()),
        }
    }

    fn fmt_repairs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.repairs.is_empty() {
            return writeln!(f, "\nrepairs      none");
        }
        writeln!(f, "\n{:<42} {:>8}  first", "repairs", "rows")?;
        for entry in &self.repairs.entries {
            writeln!(f, "{:<42} {:>8}  {}", entry.kind, entry.count, shortened(&entry.first, 27))?;
        }
        writeln!(f, "{} rows dropped", self.n_dropped)
    }
}

/// `text` in at most `width` characters. The end of a longer text is kept, in which files and lines differ.
fn shortened(text: &str, width: usize) -> String {
    let n = text.chars().count();
    if n <= width { text.to_owned() } else { std::iter::once('…').chain(text.chars().skip(n + 1 - width)).collect() }
}

/// The first words that fit into `width` characters.
fn list(words: &[String], width: usize) -> String {
    let all = words.join(" ");
    if all.chars().count() <= width {
        return all;
    }
    let cut: String = all.chars().take(width - 2).collect();
    let whole = cut.rsplit_once(' ').map_or("", |(whole, _)| whole);
    format!("{whole} …")
}
