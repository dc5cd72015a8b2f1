//! The table that every row-by-row reader fills, and how it becomes a corpus of recordings.

use super::columns::Columns;
use super::content::{self, NoChannel, Stretch};
use super::names::{self, Naming};
use super::options::{Fill, ReadOptions};
use super::shown;
use crate::time::{self, Clock, KnownBy, Run, Unit};
use crate::{Corpus, DataError, Notice, Recording, Repair, RepairLog, Role, Stamps};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Share of the rows that a column may cost before that is said first and loud.
const COSTLY: f64 = 0.01;

/// Rows with one stamp that may be of as many sensors. Clocks cut to seconds and bursts have more.
const FEW_ROWS: std::ops::RangeInclusive<usize> = 2..=4;
/// Factor from which on rates of one source differ.
const OTHER_RATE: f64 = 1.1;

/// Rows in the order of the files they come from.
pub(crate) struct Table {
    channels: Vec<String>,
    subjects: Names,
    activities: Names,
    files: Vec<File>,
    /// Stretches of rows of one file, subject and activity.
    runs: Vec<TableRun>,
    /// Line of each row in its file.
    lines: Vec<u32>,
    /// Timestamps in the clock's unit; NaN where there is none.
    times: Option<Vec<f64>>,
    stamps: Option<Stamps>,
    /// (row, channel); NaN where `faults` says what was there instead.
    values: Vec<f32>,
    faults: Vec<Fault>,
    /// Rows before which others were dropped.
    torn: Vec<usize>,
    repairs: RepairLog,
}

struct File {
    name: String,
    /// Unit of its timestamps, where it names one.
    unit: Option<Unit>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct TableRun {
    start: usize,
    file: u32,
    subject: u32,
    activity: u32,
}

/// A field that holds no value.
#[derive(Clone, Copy)]
struct Fault {
    row: usize,
    channel: u32,
    kind: Repair,
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
    /// Documented sampling rate, for a source without times.
    pub rate_hz: Option<f64>,
    /// The user's wishes.
    pub options: &'a ReadOptions,
    /// The columns of a source that does not say what each is; their content has a say in it.
    pub columns: Option<Columns>,
    /// What the reader has found out.
    pub notices: Vec<Notice>,
}

/// What a row says beside its values.
pub(crate) struct RowHead<'a> {
    /// Line of its file, from 1.
    pub line: usize,
    /// The subject.
    pub subject: &'a [u8],
    /// The activity; empty where nothing is labelled.
    pub activity: &'a [u8],
    /// The timestamp in the clock's unit, NaN where there is none. A table without times ignores it.
    pub time: f64,
    /// The timestamp as it was written, for a table that keeps it.
    pub stamp: &'a str,
}

impl Table {
    pub fn new(channels: Vec<String>, timed: bool) -> Self {
        Self {
            channels,
            subjects: Names::default(),
            activities: Names::default(),
            files: Vec::new(),
            runs: Vec::new(),
            lines: Vec::new(),
            times: timed.then(Vec::new),
            stamps: None,
            values: Vec::new(),
            faults: Vec::new(),
            torn: Vec::new(),
            repairs: RepairLog::default(),
        }
    }

    /// Keeps timestamps as they were written.
    pub fn keep_stamps(&mut self) {
        self.stamps = self.times.is_some().then(Stamps::default);
    }

    /// Rows pushed from now on come from this file.
    pub fn start_file(&mut self, name: &str) {
        self.start_timed_file(name, None);
    }

    /// Rows pushed from now on come from this file, whose timestamps are in `unit`.
    pub fn start_timed_file(&mut self, name: &str, unit: Option<Unit>) {
        self.files.push(File { name: name.to_owned(), unit });
    }

    /// Counts a repair, or a row dropped, in the current file.
    pub fn record(&mut self, kind: Repair, line: usize) {
        let file = self.files.last().map_or("", |file| &file.name);
        self.repairs.record(kind, || format!("{file}:{line}"));
        if kind.drops_row() {
            self.torn.push(self.lines.len());
        }
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
        if subject.is_empty() || activity.is_empty() {
            return Err(Repair::MissingField);
        }
        self.push_row(RowHead { line, subject, activity, time, stamp: "" }, values.iter().map(|value| Ok(*value)))
    }

    /// Adds a row, in which values may be missing: whether that matters is decided when the channels are.
    pub fn push_row(
        &mut self,
        head: RowHead<'_>,
        values: impl IntoIterator<Item = Result<f32, Repair>>,
    ) -> Result<(), Repair> {
        let row = self.lines.len();
        let (subject, activity) = (self.subjects.index(head.subject)?, self.activities.index(head.activity)?);
        let file = self.files.len().saturating_sub(1) as u32;
        let run = TableRun { start: row, file, subject, activity };
        if self.runs.last().is_none_or(|last| TableRun { start: row, ..*last } != run) {
            self.runs.push(run);
        }
        self.lines.push(u32::try_from(head.line).unwrap_or(u32::MAX));
        if let Some(times) = &mut self.times {
            times.push(head.time);
        }
        if let Some(stamps) = &mut self.stamps {
            stamps.push(head.stamp);
        }
        for (value, channel) in values.into_iter().zip(0..) {
            self.values.push(value.unwrap_or_else(|kind| {
                self.faults.push(Fault { row, channel, kind });
                f32::NAN
            }));
        }
        debug_assert_eq!(self.values.len(), self.lines.len() * self.channels.len());
        Ok(())
    }

    /// Cuts the rows into recordings.
    pub fn into_corpus(mut self, mut info: SourceInfo) -> Result<Corpus, DataError> {
        let n_read = self.lines.len();
        if let Some(columns) = &mut info.columns {
            let notices = self.leave_out_columns(columns, info.options)?;
            info.notices.extend(notices);
        }
        self.fill(info.options.fill);
        let costs = self.costs();
        self.drop_rows();
        if self.lines.is_empty() {
            return Err(self.no_rows(&info));
        }
        // What costs many rows comes first: nothing else matters as much.
        info.notices.splice(0..0, costs.into_iter().filter(|_| n_read > 0));
        info.notices.extend(self.vanished());
        info.notices.extend(self.rename(info.options)?);

        let runs: Vec<Run> = self
            .spans()
            .map(|(run, rows)| Run { rows, file: run.file as usize, subject: run.subject as usize })
            .collect();
        let mut starts = vec![false; self.lines.len()];
        runs.iter().for_each(|run| starts[run.rows.start] = true);
        let mut times = Vec::new();
        let mut rate_hz = info.rate_hz;
        let stamps = self.times.take();
        let timeline = match stamps {
            None => None,
            Some(stamps) => {
                let units: Vec<Option<Unit>> = self.files.iter().map(|file| file.unit).collect();
                let gap = info.options.gap.unwrap_or(time::GAP);
                let timeline = time::resolve(stamps, &runs, &units, gap).map_err(|error| {
                    DataError::malformed(self.full_place(info.label, error.row), error.problem, error.remedy)
                })?;
                if timeline.is_none() {
                    self.record_rows((0..self.lines.len()).map(|row| (Repair::NoClock, row)));
                }
                timeline
            }
        };
        match timeline {
            Some(timeline) => {
                self.record_rows(timeline.mended.iter().copied());
                if let Some(order) = &timeline.order {
                    self.put_in_order(order);
                }
                info.notices.extend(self.clocks_notices(&timeline.clocks));
                if let Some(clock) = info.columns.as_mut().and_then(|columns| Some(&mut columns.all[columns.time?])) {
                    clock.why = format!("{}; {}", clock.why, units_in_words(&timeline.clocks));
                }
                rate_hz = timeline.rate_hz.or(rate_hz);
                (times, starts) = (timeline.times, timeline.starts);
            }
            // Without a clock nobody knows how long it took where rows are missing.
            None => {
                for &row in &self.torn {
                    if let Some(start) = starts.get_mut(row) {
                        *start = true;
                    }
                }
            }
        }

        let unlabelled = self.activities.names.iter().all(String::is_empty);
        let (classes, class_of) = if unlabelled { (Vec::new(), vec![0]) } else { self.activities.sorted(&self.runs) };
        let n_channels = self.channels.len();
        let mut recordings = Vec::new();
        for (run, rows) in self.spans() {
            let firsts: Vec<usize> = rows.clone().filter(|row| starts[*row]).collect();
            let ends = firsts.iter().skip(1).copied().chain([rows.end]);
            recordings.extend(firsts.iter().zip(ends).map(|(&first, end)| Recording {
                subject: self.subjects.names[run.subject as usize].clone(),
                class: class_of[run.activity as usize],
                times: times.get(first..end).map(<[f64]>::to_vec).unwrap_or_default(),
                stamps: self.stamps.as_ref().map(|stamps| stamps.select(first..end)),
                values: self.values[first * n_channels..end * n_channels].to_vec(),
                part: None,
                source: self.place(first),
            }));
        }
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
            columns: info.columns.map(|columns| columns.all).unwrap_or_default(),
            notices: info.notices,
            window: None,
            fingerprint: String::new(),
        }
        .with_fingerprint())
    }

    /// `file:line` of a row.
    fn place(&self, row: usize) -> String {
        place(&self.files, &self.runs, &self.lines, row)
    }

    /// The same below the path `label` that the user named.
    fn full_place(&self, label: &str, row: usize) -> String {
        let place = self.place(row);
        match place.rsplit_once(':') {
            Some((file, line)) if label.ends_with(file) => format!("{label}:{line}"),
            _ => format!("{label}/{place}"),
        }
    }

    fn record_rows(&mut self, repairs: impl IntoIterator<Item = (Repair, usize)>) {
        for (kind, row) in repairs {
            self.repairs.record(kind, || place(&self.files, &self.runs, &self.lines, row));
        }
    }

    /// Puts the rows in the order of time.
    fn put_in_order(&mut self, order: &[usize]) {
        let n = self.channels.len();
        let run_of = |row: usize| self.runs[self.runs.partition_point(|run| run.start <= row) - 1];
        let mut runs: Vec<(TableRun, usize)> = Vec::new();
        for (at, &row) in order.iter().enumerate() {
            let run = run_of(row);
            if runs.last().is_none_or(|(_, start)| *start != run.start) {
                runs.push((TableRun { start: at, ..run }, run.start));
            }
        }
        self.runs = runs.into_iter().map(|(run, _)| run).collect();
        self.lines = order.iter().map(|&row| self.lines[row]).collect();
        self.values = order.iter().flat_map(|&row| &self.values[row * n..(row + 1) * n]).copied().collect();
        self.stamps = self.stamps.as_ref().map(|stamps| stamps.select(order.iter().copied()));
    }

    /// Notes where the clocks of a source differ: in their units, where those were found and not named, or in their rates.
    fn clocks_notices(&self, clocks: &[Clock]) -> Vec<Notice> {
        let name_of = |clock: &Clock| {
            let (file, subject) = clock.key;
            let file = self.files.get(file).map_or("", |file| &file.name);
            format!("subject {} in {file}", shown(&self.subjects.names[subject]))
        };
        let mut units: BTreeMap<Unit, (usize, String)> = BTreeMap::new();
        for clock in clocks.iter().filter(|clock| clock.pace.known_by != KnownBy::Name) {
            units.entry(clock.pace.unit).or_insert_with(|| (0, name_of(clock))).0 += 1;
        }
        let mut notices = Vec::new();
        // One unit for all goes without saying: the rate says it.
        if units.len() > 1 {
            let words = units.iter().map(|(unit, (n, first))| format!("{} in {n} (first {first})", unit.name()));
            notices.push(Notice::Note(format!(
                "the clocks of the subjects count in different units, by the size of their stamps: {}.",
                words.collect::<Vec<_>>().join(", ")
            )));
        }
        let in_groups = |clock: &&Clock| clock.pace.shared && FEW_ROWS.contains(&clock.pace.rows_per_tick());
        if let Some(clock) = clocks.iter().find(in_groups) {
            let rows_per_tick = clock.pace.rows_per_tick();
            notices.push(Notice::Warning(format!(
                "rows of {} come in groups of {rows_per_tick} at a time, and are spread evenly as those of one sensor. If they \
                 are of several sensors or places, give each a table or a subject of its own.",
                name_of(clock)
            )));
        }
        let by_interval = |a: &&Clock, b: &&Clock| a.pace.interval.total_cmp(&b.pace.interval);
        if let (Some(fast), Some(slow)) = (clocks.iter().min_by(by_interval), clocks.iter().max_by(by_interval))
            && slow.pace.interval > OTHER_RATE * fast.pace.interval
        {
            notices.push(Notice::Note(format!(
                "rows come at different rates, from {:.2} a second ({}) to {:.2} ({}), so that windows of equal length last \
                 differently long. --rate makes them one.",
                slow.pace.interval.recip(),
                name_of(slow),
                fast.pace.interval.recip(),
                name_of(fast)
            )));
        }
        notices
    }

    /// Each run with its rows.
    fn spans(&self) -> impl Iterator<Item = (TableRun, std::ops::Range<usize>)> + '_ {
        let ends = self.runs.iter().skip(1).map(|run| run.start).chain([self.lines.len()]);
        self.runs.iter().zip(ends).map(|(run, end)| (*run, run.start..end))
    }

    /// Leaves out the columns whose content is no sensor's, unless the user named them.
    fn leave_out_columns(&mut self, columns: &mut Columns, options: &ReadOptions) -> Result<Vec<Notice>, DataError> {
        let n = self.channels.len();
        let stretches: Vec<Stretch> =
            self.spans().map(|(run, rows)| Stretch { start: rows.start, end: rows.end, class: run.activity }).collect();
        let mut counts: HashMap<(u32, Repair), usize> = HashMap::new();
        for fault in &self.faults {
            *counts.entry((fault.channel, fault.kind)).or_default() += 1;
        }
        let judge = |at: usize| {
            let n_faults = |kind| counts.get(&(at as u32, kind)).copied().unwrap_or(0);
            let named = columns.named[at] || self.lines.is_empty();
            if named { None } else { content::judge(&self.values, n, at, &stretches, n_faults) }
        };
        let verdicts: Vec<Option<NoChannel>> = (0..n).map(judge).collect();
        let mut notices = Vec::new();
        for why in [NoChannel::TellsClass, NoChannel::Monotone, NoChannel::Describes, NoChannel::Text, NoChannel::Empty]
        {
            let of_kind: Vec<usize> = (0..n).filter(|&at| verdicts[at] == Some(why)).collect();
            let names: Vec<String> = of_kind.iter().map(|&at| format!("`{}`", shown(&self.channels[at]))).collect();
            for at in of_kind {
                let column = &mut columns.all[columns.values[at]];
                (column.role, column.why) = (Role::LeftOut, why.why().to_owned());
            }
            let names = match names.as_slice() {
                [] => continue,
                [one] => format!("column {one} is left out"),
                several => format!("columns {} are left out", several.join(", ")),
            };
            notices.push(match why {
                NoChannel::TellsClass => Notice::Warning(format!(
                    "{names}: it determines the class, so a network would read the answer off it. Name it in --channels if \
                     it is a sensor all the same."
                )),
                _ => Notice::Note(format!("{names}, because of {}. --channels decides otherwise.", why.why())),
            });
        }
        let kept: Vec<usize> = (0..n).filter(|&at| verdicts[at].is_none()).collect();
        if kept.is_empty() {
            let found: Vec<String> =
                columns.all.iter().map(|column| format!("{} ({})", shown(&column.name), column.why)).collect();
            return Err(DataError::malformed(
                self.files.first().map_or("", |file| &file.name),
                "no column is left that could be a channel",
                format!("There are: {}. Choose channels with --channels", found.join(", ")),
            ));
        }
        if kept.len() < n {
            self.keep_channels(&kept);
        }
        debug_assert!(options.channels.is_empty() || kept.len() == n, "channels that were chosen stay");
        Ok(notices)
    }

    fn keep_channels(&mut self, kept: &[usize]) {
        let n = self.channels.len();
        let mut end = 0;
        for row in 0..self.lines.len() {
            for &channel in kept {
                self.values[end] = self.values[row * n + channel];
                end += 1;
            }
        }
        self.values.truncate(end);
        self.channels = kept.iter().map(|&at| std::mem::take(&mut self.channels[at])).collect();
        let new: HashMap<u32, u32> = kept.iter().map(|&at| at as u32).zip(0..).collect();
        self.faults.retain_mut(|fault| match new.get(&fault.channel) {
            Some(channel) => {
                fault.channel = *channel;
                true
            }
            None => false,
        });
    }

    /// A warning for each channel for whose sake many rows have to be left out.
    fn costs(&self) -> Vec<Notice> {
        let n_rows = self.lines.len();
        let n_faults = |channel: usize| self.faults.iter().filter(|fault| fault.channel as usize == channel).count();
        let costly = |channel: &usize| n_faults(*channel) as f64 > COSTLY * n_rows as f64;
        let costly: Vec<usize> = (0..self.channels.len()).filter(costly).collect();
        let others: Vec<&str> =
            (0..self.channels.len()).filter(|at| !costly.contains(at)).map(|at| self.channels[at].as_str()).collect();
        let without = if others.is_empty() || others.len() > 12 {
            String::new()
        } else {
            format!("--channels {} does without it, ", others.join(","))
        };
        let words = |channel: usize| {
            let (n, name) = (n_faults(channel), shown(&self.channels[channel]));
            let share = 100.0 * n as f64 / n_rows as f64;
            Notice::Warning(format!(
                "channel `{name}` has no value in {n} of {n_rows} rows ({share:.0} %), and costs all of them unless \
                 something is done: {without}--fill previous carries its last value forward."
            ))
        };
        costly.into_iter().map(words).collect()
    }

    /// Fills what is missing.
    fn fill(&mut self, fill: Fill) {
        if fill == Fill::None {
            return;
        }
        let n = self.channels.len();
        let mut left = Vec::new();
        for fault in std::mem::take(&mut self.faults) {
            let is_first = self.runs.binary_search_by_key(&fault.row, |run| run.start).is_ok();
            let at = fault.row * n + fault.channel as usize;
            if is_first || self.values[at - n].is_nan() {
                left.push(fault);
            } else {
                self.values[at] = self.values[at - n];
                self.repairs.record(Repair::Filled, || place(&self.files, &self.runs, &self.lines, fault.row));
            }
        }
        self.faults = left;
    }

    /// Drops the rows in which a value is missing.
    fn drop_rows(&mut self) {
        if self.faults.is_empty() {
            return;
        }
        let mut dropped = vec![false; self.lines.len()];
        for fault in std::mem::take(&mut self.faults) {
            if !std::mem::replace(&mut dropped[fault.row], true) {
                self.repairs.record(fault.kind, || place(&self.files, &self.runs, &self.lines, fault.row));
                self.torn.push(fault.row);
            }
        }
        // The new index of each row; of one that is dropped, that of the row after it.
        let mut n_kept = 0;
        let mut new = Vec::with_capacity(dropped.len() + 1);
        for is_dropped in &dropped {
            new.push(n_kept);
            n_kept += usize::from(!is_dropped);
        }
        new.push(n_kept);
        let n = self.channels.len();
        for row in (0..dropped.len()).filter(|row| !dropped[*row]) {
            self.values.copy_within(row * n..(row + 1) * n, new[row] * n);
        }
        self.values.truncate(n_kept * n);
        retain_rows(&mut self.lines, &dropped);
        if let Some(times) = &mut self.times {
            retain_rows(times, &dropped);
        }
        if let Some(stamps) = &mut self.stamps {
            *stamps = stamps.select((0..dropped.len()).filter(|row| !dropped[*row]));
        }
        self.torn.iter_mut().for_each(|row| *row = new[*row]);
        self.runs.iter_mut().for_each(|run| run.start = new[run.start]);
        let starts: Vec<usize> = self.runs.iter().skip(1).map(|run| run.start).chain([n_kept]).collect();
        let mut next = starts.iter();
        self.runs.retain(|run| next.next().is_some_and(|end| run.start < *end));
    }

    /// A warning for each subject and activity of which no row is left.
    fn vanished(&self) -> Vec<Notice> {
        let gone = |kind: &str, names: &Names, id: fn(&TableRun) -> u32| {
            let left: HashSet<u32> = self.runs.iter().map(id).collect();
            let gone = (0..names.names.len()).filter(|at| !left.contains(&(*at as u32)));
            let gone: Vec<String> = gone.map(|at| format!("`{}`", shown(&names.names[at]))).collect();
            (!gone.is_empty()).then(|| {
                let names = gone.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
                Notice::Warning(format!(
                    "not one row of {kind} {names} can be used, so that {} missing from the data; `triax data inspect` \
                     says why.",
                    if gone.len() == 1 { "it is".to_owned() } else { format!("{} of them are", gone.len()) }
                ))
            })
        };
        let subjects = gone("subject", &self.subjects, |run| run.subject);
        subjects.into_iter().chain(gone("activity", &self.activities, |run| run.activity)).collect()
    }

    /// Calls subjects and activities as the user wants, and warns of those that look alike.
    fn rename(&mut self, options: &ReadOptions) -> Result<Vec<Notice>, DataError> {
        let there = self.subjects.names.iter().chain(&self.activities.names).map(String::as_str).collect();
        names::check_rename(options, &there)?;
        let subject_of = self.subjects.rename(Naming::new(options));
        let activity_of = self.activities.rename(Naming::new(options));
        for run in &mut self.runs {
            (run.subject, run.activity) = (subject_of[run.subject as usize], activity_of[run.activity as usize]);
        }
        self.runs.dedup_by(|next, run| TableRun { start: run.start, ..*next } == *run);
        let alike = [("subjects", &self.subjects), ("activities", &self.activities)];
        Ok(alike.into_iter().filter_map(|(kind, names)| names::look_alikes(kind, &names.names)).collect())
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

/// The unit in which clocks count, and how that is known.
fn units_in_words(clocks: &[Clock]) -> String {
    let known = clocks.iter().map(|clock| (clock.pace.unit, clock.pace.known_by));
    let mut kinds: Vec<(Unit, KnownBy)> = known.filter(|(_, known_by)| *known_by != KnownBy::Neighbour).collect();
    kinds.dedup();
    match kinds.as_slice() {
        [(unit, KnownBy::Name)] => format!("{}, as it says", unit.name()),
        [(unit, KnownBy::Magnitude)] => format!("{} since 1970", unit.name()),
        [(unit, _)] => format!("{}, by their rate", unit.name()),
        _ => "in several units".to_owned(),
    }
}

fn retain_rows<T>(rows: &mut Vec<T>, dropped: &[bool]) {
    let mut dropped = dropped.iter();
    rows.retain(|_| dropped.next().is_some_and(|is_dropped| !is_dropped));
}

/// `file:line` of a row.
fn place(files: &[File], runs: &[TableRun], lines: &[u32], row: usize) -> String {
    let run = &runs[runs.partition_point(|run| run.start <= row) - 1];
    let file = files.get(run.file as usize).map_or("", |file| &file.name);
    format!("{file}:{}", lines[row])
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
        Ok(self.index_of(name))
    }

    fn index_of(&mut self, name: &str) -> u32 {
        if let Some(&index) = self.index_of.get(name) {
            return index;
        }
        let index = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.index_of.insert(name.to_owned(), index);
        index
    }

    /// Replaces the names, of which several may become one, and gives the new index of each.
    fn rename(&mut self, mut naming: Naming) -> Vec<u32> {
        let mut renamed = Self::default();
        let new = self.names.iter().map(|name| renamed.index_of(&naming.call(name))).collect();
        *self = renamed;
        new
    }

    /// The names in the order of classes that occur in `runs`, and the class of each index.
    fn sorted(&self, runs: &[TableRun]) -> (Vec<String>, Vec<u32>) {
        let there: HashSet<u32> = runs.iter().map(|run| run.activity).collect();
        let there = (0..self.names.len()).filter(|at| there.contains(&(*at as u32)));
        let classes = sort_classes(there.map(|at| self.names[at].clone()).collect());
        let mut class_of = vec![0; self.names.len()];
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
