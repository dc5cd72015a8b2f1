//! The columns of a table, and what each is read as.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a column is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Who was recorded.
    Subject,
    /// What they did: the class.
    Activity,
    /// When a row was taken.
    Time,
    /// A sensor's values.
    Channel,
    /// Nothing.
    #[serde(rename = "left out")]
    LeftOut,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Subject => "subject",
            Self::Activity => "activity",
            Self::Time => "time",
            Self::Channel => "channel",
            Self::LeftOut => "left out",
        })
    }
}

/// A column of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the header.
    pub name: String,
    /// What it is read as.
    pub role: Role,
    /// Why, in a few words.
    pub why: String,
}
