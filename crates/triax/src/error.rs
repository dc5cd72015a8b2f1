//! Errors and notices.

use std::io;
use std::path::{Path, PathBuf};

use triax_data::{DataError, SplitError};
use triax_engine::EngineError;
use triax_engine::device::{ChoiceError, DeviceError};
use triax_exchange::{ReadError, Unsupported};
use triax_model::{SpecError, WeightFileError};
use triax_study::StudyError;
use triax_trainer::{FitError, FolderError, MetricsError};

/// An error of the library. Its message says what is wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Invalid settings or arguments, or an invalid combination of them.
    #[error("{0}")]
    Usage(String),
    /// Recordings, runs or weights that do not suit the purpose.
    #[error("{0}")]
    Input(String),
    /// A system call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The verb for the message: `read`, `write` or the like.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// An error with the task that it interrupted.
    #[error("{doing}")]
    While {
        /// The failed task, as a sentence.
        doing: String,
        /// The cause.
        source: Box<Error>,
    },
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Data that cannot be split as requested.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A network that a format cannot hold.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A network that cannot be built.
    #[error(transparent)]
    Network(#[from] SpecError),
    /// A weight file that cannot be read or written.
    #[error(transparent)]
    Weights(#[from] WeightFileError),
    /// Another program's file that is not read, with its path.
    #[error("{}: {source}", path.display())]
    Exchange {
        /// The file.
        path: PathBuf,
        /// The place in it, and the problem.
        source: ReadError,
    },
    /// A device that does not exist.
    #[error(transparent)]
    NoDevice(#[from] ChoiceError),
    /// A device that cannot be opened.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// An engine that failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A training that broke down.
    #[error(transparent)]
    Training(#[from] FitError),
    /// A run folder that cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A study that failed.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// Scores that metrics cannot be computed from.
    #[error(transparent)]
    Scores(#[from] MetricsError),
}

impl Error {
    /// The system call `action` failed on `path`.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// Adds the task that this error interrupted, as a sentence.
    pub fn while_doing(self, doing: impl Into<String>) -> Self {
        Self::While { doing: doing.into(), source: Box::new(self) }
    }

    /// The message with all its causes, in one line.
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(reason) = cause {
            let reason_text = reason.to_string();
            // Messages of the system already quote their cause.
            if !text.contains(&reason_text) {
                text = format!("{text}: {reason_text}");
            }
            cause = reason.source();
        }
        text
    }

    /// Adds the path of the settings file at fault, if this is an error in settings.
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Usage(problem) => Self::Usage(format!("{}: {problem}", path.display())),
            other => other,
        }
    }

    /// The error of the system that is behind this one, if there is one: a file that is not there, a full disk.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::While { source, .. } => source.io_error(),
            Self::Data(DataError::Io { error, .. }) => Some(error),
            Self::Weights(error) => of_weights(error),
            Self::Folder(error) | Self::Training(FitError::Folder(error)) => of_folder(error),
            Self::Study(StudyError::Io { reason, .. }) => Some(reason),
            _ => None,
        }
    }

    /// Whether the settings or arguments themselves are at fault, rather than what they refer to.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) => true,
            Self::While { source, .. } => source.is_usage(),
            _ => false,
        }
    }
}

/// The system's error in that of a weight file.
fn of_weights(error: &WeightFileError) -> Option<&io::Error> {
    match error {
        WeightFileError::Io { reason, .. } => Some(reason),
        _ => None,
    }
}

/// The system's error in that of a run folder.
fn of_folder(error: &FolderError) -> Option<&io::Error> {
    match error {
        FolderError::Io { source, .. } => Some(source),
        FolderError::Weights(error) => of_weights(error),
        _ => None,
    }
}
