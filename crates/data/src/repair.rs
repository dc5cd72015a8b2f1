//! A count of the rows that a reader mended or dropped.

use crate::Notice;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of defect in a row of a file, and what a reader does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repair {
    /// A line held several rows; each became a row of its own. Counts the rows after the first.
    SplitLine,
    /// A row had surplus commas with nothing between them; they were ignored.
    StrayComma,
    /// The header stood between the rows again; it was passed over.
    Header,
    /// A timestamp was missing, zero, equal to the one before, or away from its neighbours; the row was placed between its neighbours.
    Timestamp,
    /// Rows shared a tick of their clock, because it is cut to seconds or hands rows over in bursts; they were spread evenly
    /// over it. Counts the rows after the first of each tick.
    SharedTick,
    /// A row came late by a few places; it was put where its timestamp belongs.
    Late,
    /// The newest row of the file came first; the file was turned round. Counts all its rows.
    NewestFirst,
    /// No timestamp of the source advances: only the order of its rows is known. Counts all rows.
    NoClock,
    /// A value was missing, and the one before it stands for it. Counts the values.
    Filled,
    /// A row had too few fields, or an empty one; dropped.
    MissingField,
    /// A row had too many fields; dropped.
    ExtraField,
    /// A field was not the number it should be; dropped.
    NotANumber,
    /// A value was NaN or infinite; dropped.
    NonFinite,
    /// A name of a subject or activity was not UTF-8 text; dropped.
    NotText,
    /// A line among JSON lines was no object; dropped.
    NotJson,
}

impl Repair {
    /// Whether the row was dropped; otherwise it was mended and kept.
    pub fn drops_row(self) -> bool {
        !matches!(
            self,
            Self::SplitLine
                | Self::StrayComma
                | Self::Header
                | Self::Timestamp
                | Self::SharedTick
                | Self::Late
                | Self::NewestFirst
                | Self::NoClock
                | Self::Filled
        )
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SplitLine => "several rows on one line: split",
            Self::StrayComma => "stray comma: ignored",
            Self::Timestamp => "missing, repeated or stray timestamp: spaced evenly",
            Self::SharedTick => "several rows on one tick: spread evenly",
            Self::Late => "late row: sorted by its timestamp",
            Self::NewestFirst => "newest row first: turned round",
            Self::NoClock => "timestamps never advance: left out",
            Self::MissingField => "missing field: row dropped",
            Self::ExtraField => "too many fields: row dropped",
            Self::NotANumber => "not a number: row dropped",
            Self::NonFinite => "NaN or infinite value: row dropped",
            Self::Header => "the header again: passed over",
            Self::Filled => "missing value: the one before it",
            Self::NotJson => "not a JSON object: row dropped",
            Self::NotText => "name is not UTF-8: row dropped",
        })
    }
}

/// The number of repairs of one kind, and the place of the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairEntry {
    /// The kind.
    pub kind: Repair,
    /// Number of rows.
    pub count: usize,
    /// `file:line` of the first of them.
    pub first: String,
}

/// The repairs that a reader made, in the order of [`Repair`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepairLog {
    /// One entry for each kind that occurred.
    pub entries: Vec<RepairEntry>,
}

impl RepairLog {
    /// Counts one more repair; `place` (`file:line`) is called only for the first of its kind.
    pub fn record(&mut self, kind: Repair, place: impl FnOnce() -> String) {
        match self.entries.binary_search_by_key(&kind, |entry| entry.kind) {
            Ok(at) => self.entries[at].count += 1,
            Err(at) => self.entries.insert(at, RepairEntry { kind, count: 1, first: place() }),
        }
    }

    /// Whether nothing was mended or dropped.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A note on each kind: what was done, how often, and where first. Of a source that is cut into windows, `windowed`,
    /// it is windows that are dropped.
    pub fn notices(&self, windowed: bool) -> impl Iterator<Item = Notice> + '_ {
        self.entries.iter().map(move |RepairEntry { kind, count, first }| {
            let what = if windowed { kind.to_string().replace("row", "window") } else { kind.to_string() };
            let unit = if windowed { "window" } else { "row" };
            let plural = if *count == 1 { "" } else { "s" };
            Notice::Note(format!("{what} ({count} {unit}{plural}, first {first})."))
        })
    }

    /// Repairs of one kind.
    pub fn count(&self, kind: Repair) -> usize {
        self.entries.iter().find(|entry| entry.kind == kind).map_or(0, |entry| entry.count)
    }

    /// Number of dropped rows.
    pub fn rows_dropped(&self) -> usize {
        self.entries.iter().filter(|entry| entry.kind.drops_row()).map(|entry| entry.count).sum()
    }
}
