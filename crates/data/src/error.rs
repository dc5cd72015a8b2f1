//! What can go wrong with data: every message says where, what, and what to do about it.

use std::path::PathBuf;

/// Why data could not be read, split or fetched.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The operating system refused: no such file, no permission, a broken archive.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The content of a file is not what its format asks for.
    #[error("{place}: {problem}. {remedy}")]
    Malformed {
        /// `file` or `file:line`.
        place: String,
        /// What was found and what was expected.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// The data is sound, but what was asked of it cannot be done.
    #[error("{problem}. {remedy}")]
    Request {
        /// What was asked and why it cannot be done.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// It cannot be windowed or split as asked.
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

    pub(crate) fn request(problem: impl ToString, remedy: impl ToString) -> Self {
        Self::Request { problem: problem.to_string(), remedy: remedy.to_string() }
    }

    pub(crate) fn io(path: impl Into<PathBuf>, error: std::io::Error) -> Self {
        Self::Io { path: path.into(), error }
    }
}
