//! Errors about data. Every message says where the problem is, what it is, and what to do about it.

use std::path::PathBuf;

/// Why data could not be read, split or fetched.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        error: std::io::Error,
    },
    /// The content of a file does not follow its format.
    #[error("{place}: {problem}. {remedy}")]
    Malformed {
        /// `file` or `file:line`.
        place: String,
        /// The content and what was expected instead.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// The data is sound, but the request does not fit it.
    #[error("{problem}. {remedy}")]
    Request {
        /// The request and why it does not fit.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// The corpus cannot be windowed or split as asked.
    #[error(transparent)]
    Split(#[from] crate::SplitError),
    /// A data set cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] crate::FetchError),
}

impl DataError {
    pub(crate) fn malformed(place: impl ToString, problem: impl ToString, remedy: impl ToString) -> Self {
        Self::Malformed { place: place.to_string(), problem: problem.to_string(), remedy: remedy.to_string() }
    }

    /// Where and what the problem is, without what to do about it.
    pub(crate) fn in_brief(&self) -> String {
        match self {
            Self::Malformed { place, problem, .. } => format!("{place}: {problem}"),
            other => other.to_string(),
        }
    }

    pub(crate) fn request(problem: impl ToString, remedy: impl ToString) -> Self {
        Self::Request { problem: problem.to_string(), remedy: remedy.to_string() }
    }

    pub(crate) fn io(path: impl Into<PathBuf>, error: std::io::Error) -> Self {
        Self::Io { path: path.into(), error }
    }
}
