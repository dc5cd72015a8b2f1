//! Readers: one file for each format, and the choice among them.

mod array_name;
mod budget;
mod columns;
mod content;
mod csv;
mod foreign;
mod motionsense;
mod names;
mod npy;
mod npz;
mod options;
mod pamap2;
mod source;
mod table;
mod text;
mod uci_har;
mod uea;
mod wisdm1;
mod wisdm2;
mod wisdm_rows;

pub use csv::{Row, Rows};
pub use options::{Fill, MappedRole, ReadOptions, Wishes};

use crate::{Corpus, DataError, Notice};
use source::Source;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A format of sensor data that [`read`] understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// WISDM v1.1 (2012): one text file.
    Wisdm1,
    /// WISDM v2 (2019): a text file a subject.
    Wisdm2,
    /// UCI HAR: windows of 128 × 9.
    UciHar,
    /// MotionSense: a CSV file a trial and subject.
    #[serde(rename = "motionsense")]
    MotionSense,
    /// PAMAP2: a text file a subject, three sensors worn and a heart rate.
    Pamap2,
    /// The `.ts` files of the UEA and UCR archive.
    Uea,
    /// Plain CSV with a header.
    Csv,
    /// NumPy arrays: one `.npz`, or a folder of `.npy`.
    Npz,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 8] =
        [Self::Wisdm1, Self::Wisdm2, Self::UciHar, Self::MotionSense, Self::Pamap2, Self::Uea, Self::Csv, Self::Npz];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wisdm1 => "wisdm1",
            Self::Wisdm2 => "wisdm2",
            Self::UciHar => "uci-har",
            Self::MotionSense => "motionsense",
            Self::Pamap2 => "pamap2",
            Self::Uea => "uea",
            Self::Csv => "csv",
            Self::Npz => "npz",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            DataError::request(
                format!("There is no format `{name}`"),
                format!("Known formats: {}.", Self::ALL.map(Self::name).join(", ")),
            )
        })
    }
}

impl Format {
    /// What the reader of this format looks for below a path.
    fn looks_for(self) -> &'static str {
        match self {
            Self::Wisdm1 => wisdm1::LOOKS_FOR,
            Self::Wisdm2 => wisdm2::LOOKS_FOR,
            Self::UciHar => uci_har::LOOKS_FOR,
            Self::MotionSense => motionsense::LOOKS_FOR,
            Self::Pamap2 => pamap2::LOOKS_FOR,
            Self::Uea => uea::LOOKS_FOR,
            Self::Csv => csv::LOOKS_FOR,
            Self::Npz => npz::LOOKS_FOR,
        }
    }

    /// Reads `source` if it has the layout of this format; a format that was named takes any single file as its own.
    fn try_read(self, source: &Source, options: &ReadOptions) -> Result<Option<Corpus>, DataError> {
        match self {
            Self::Wisdm1 => wisdm1::try_read(source, options),
            Self::Wisdm2 => wisdm2::try_read(source, options),
            Self::UciHar => uci_har::try_read(source, options),
            Self::MotionSense => motionsense::try_read(source, options),
            Self::Pamap2 => pamap2::try_read(source, options),
            Self::Uea => uea::try_read(source, options),
            Self::Csv => csv::try_read(source, options),
            Self::Npz => npz::try_read(source, options),
        }
    }
}

/// The order in which formats are tried: those whose layout is unmistakable come first.
const DETECTION: [Format; 8] = [
    Format::Wisdm2,
    Format::UciHar,
    Format::MotionSense,
    Format::Pamap2,
    Format::Uea,
    Format::Npz,
    Format::Wisdm1,
    Format::Csv,
];

/// How deep archives inside archives are opened. The official WISDM v2 and UCI HAR downloads need one level.
const MAX_NESTING: usize = 2;

/// Reads a file, folder or zip archive; the format is found from content and layout unless it is named. An archive that
/// lies in a folder or archive is opened where nothing else fits.
///
/// # Errors
/// A path that cannot be read, a layout that no reader knows, or a file without a usable row; the message names the
/// file, where possible the line, and what was expected. Single broken rows are mended or dropped, and counted in
/// [`Corpus::repairs`]. An archive or array that expands beyond the budget of its source is refused.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Corpus, DataError> {
    let source = Source::open(path)?;
    let Some(corpus) = read_source(&source, options, 0)? else { return Err(unknown(&source, options.format)?) };
    // Readers of tables choose while they read, and nothing is left to do.
    let wanted = options.wanted(&corpus.channels).to_vec();
    let mut corpus = corpus.select_channels(&wanted)?;
    corpus.notices.extend(corpus.absurd_values());
    corpus.notices.extend(corpus.repairs.notices(corpus.window.is_some()));
    Ok(corpus)
}

fn read_source(source: &Source, options: &ReadOptions, nesting: usize) -> Result<Option<Corpus>, DataError> {
    // Only a table lacks a header that the user could give it.
    let format = options.format.or((!options.columns.is_empty()).then_some(Format::Csv));
    for candidate in DETECTION.into_iter().filter(|candidate| format.is_none_or(|format| format == *candidate)) {
        if let Some(corpus) = candidate.try_read(source, options)? {
            return Ok(Some(corpus));
        }
    }
    if nesting < MAX_NESTING {
        for archive in source.archives() {
            if let Some(mut corpus) = read_source(&source.inside(archive)?, options, nesting + 1)? {
                let others: Vec<String> =
                    source.archives().filter(|other| *other != archive).map(|other| format!("`{other}`")).collect();
                if !others.is_empty() {
                    let text = format!("{}: only `{archive}` is read, not {}", source.label(), others.join(", "));
                    corpus.notices.push(Notice::Warning(text));
                }
                return Ok(Some(corpus));
            }
        }
    }
    Ok(None)
}

/// The error that says what was found instead of a data set, and what was looked for.
fn unknown(source: &Source, format: Option<Format>) -> Result<DataError, DataError> {
    if format.is_none()
        && let Some(foreign) = foreign::explain(source)?
    {
        return Ok(foreign);
    }
    let found = match (source.single(), source.names().next()) {
        (Some(name), _) => match source.first_line(name)? {
            Some(line) => format!("not a data set that is known here; it begins `{}`", shown(&line)),
            None if source.head(name)?.trim_ascii().is_empty() => "the file is empty".to_owned(),
            None => "binary data of no known format".to_owned(),
        },
        (None, Some(first)) => format!(
            "no data set was found among its {} files (the first is `{}`)",
            source.names().count(),
            shown(first)
        ),
        (None, None) => "nothing lies in it".to_owned(),
    };
    let formats = Format::ALL.into_iter().filter(|candidate| format.is_none_or(|format| format == *candidate));
    let looked: Vec<String> = formats.map(|format| format!("  {format}: {}", format.looks_for())).collect();
    Ok(DataError::malformed(source.label(), found, format!("Looked for\n{}", looked.join("\n"))))
}

/// Text of a file as it may stand in a message: short, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let ellipsis = if short.len() < text.len() { "…" } else { "" };
    format!("{}{ellipsis}", short.escape_debug())
}
