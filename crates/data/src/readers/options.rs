//! What a user may say about a source that the source does not say itself.

use super::Format;
use crate::corpus::position;
use crate::time::Unit;
use crate::{DataError, Role};
use serde::{Deserialize, Serialize};

/// How to read recordings. By default everything is found in the source, and rows need a subject and an activity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// The format. By default it is found from content and layout.
    pub format: Option<Format>,
    /// Names of the channels, in the order in which they are wanted. By default every column that can be a channel.
    pub channels: Vec<String>,
    /// Names of the columns of a text that has no header.
    pub columns: Vec<String>,
    /// Columns with a role of their own, whatever they are called.
    pub map: Vec<(String, MappedRole)>,
    /// Regular expression whose first group finds the subject in the name of a file, or of the folder that it lies in.
    pub subject_from: Option<String>,
    /// What stands for a value that is missing.
    pub fill: Fill,
    /// Time missing between two rows, in nominal intervals, above which a recording ends. By default [`crate::time::GAP`].
    pub gap: Option<f64>,
    /// Names of subjects or activities, and what to call them.
    pub rename: Vec<(String, String)>,
    /// Whether names of subjects or activities that differ only in case, spaces or leading zeros are one.
    pub merge: bool,
    /// Which of these options hold only where the source has what they name.
    pub wishes: Wishes,
    /// Whether rows may lack a subject or an activity, as in recordings that are only predicted.
    pub unlabelled: bool,
    /// Whether each recording keeps the timestamps of its rows as they were written.
    pub keep_stamps: bool,
}

/// Options that hold only where the source has what they name, as those that a run hands on to other data; elsewhere they
/// are passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Where one of the channels is missing, all channels of the source are read.
    pub channels: bool,
    /// Mapped columns may be missing.
    pub map: bool,
    /// The name of a file may not have what tells the subject.
    pub subject_from: bool,
    /// There may be no subject or activity of an old name.
    pub rename: bool,
}

/// What a column that the user names is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappedRole {
    /// Subject, activity, channel or nothing; or time in a unit that follows from the values.
    As(Role),
    /// Time in this unit.
    TimeIn(Unit),
}

/// What stands for a value that is missing in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// Nothing: the row is left out.
    #[default]
    None,
    /// The last value before it in the same recording.
    Previous,
}

impl ReadOptions {
    /// The channels to choose among those called `names`; none where all are read.
    pub(crate) fn wanted(&self, names: &[String]) -> &[String] {
        let is_there = |wanted: &String| position(names, wanted).is_some();
        if self.wishes.channels && !self.channels.iter().all(is_there) { &[] } else { &self.channels }
    }

    /// The defaults, for a named format.
    pub fn of_format(format: Format) -> Self {
        Self { format: Some(format), ..Self::default() }
    }
}

impl std::str::FromStr for MappedRole {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        Ok(match name.trim().to_ascii_lowercase().as_str() {
            "subject" => Self::As(Role::Subject),
            "activity" => Self::As(Role::Activity),
            "time" | "timestamp" => Self::As(Role::Time),
            "channel" => Self::As(Role::Channel),
            "nothing" | "none" => Self::As(Role::LeftOut),
            "time_s" | "timestamp_s" => Self::TimeIn(Unit::Seconds),
            "time_ms" | "timestamp_ms" => Self::TimeIn(Unit::Milliseconds),
            "time_us" | "timestamp_us" => Self::TimeIn(Unit::Microseconds),
            "time_ns" | "timestamp_ns" => Self::TimeIn(Unit::Nanoseconds),
            _ => {
                return Err(DataError::request(
                    format!("A column cannot be read as `{name}`"),
                    "Roles: subject, activity, timestamp (or timestamp_s, _ms, _us, _ns), channel, nothing.",
                ));
            }
        })
    }
}

impl std::fmt::Display for MappedRole {
    /// The name that is read as this role.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self {
            Self::As(Role::Time) => return f.pad("timestamp"),
            Self::As(Role::LeftOut) => return f.pad("nothing"),
            Self::As(role) => return role.fmt(f),
            Self::TimeIn(unit) => unit.sign(),
        };
        write!(f, "timestamp_{unit}")
    }
}
