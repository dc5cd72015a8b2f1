//! What can go wrong, and what to say about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use triax_data::{DataError, SplitError};
use triax_engine::EngineError;
use triax_engine::device::{ChoiceError, DeviceError};
use triax_model::{SpecError, WeightFileError};
use triax_study::StudyError;
use triax_trainer::{FitError, FolderError, MetricsError};

/// What can go wrong. Messages say what is wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Settings or arguments that make no sense, or not together.
    #[error("{0}")]
    Usage(String),
    /// Recordings, runs or weights that cannot be used for what was asked.
    #[error("{0}")]
    Input(String),
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read`, `write` or the like.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was being done, and what went wrong with it.
    #[error("{doing}")]
    While {
        /// What could not be done, as a sentence.
        doing: String,
        /// Why.
        source: Box<Error>,
    },
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The data cannot be split as it should be.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A network that cannot work.
    #[error(transparent)]
    Network(#[from] SpecError),
    /// A weight file that cannot be read or written.
    #[error(transparent)]
    Weights(#[from] WeightFileError),
    /// A device that is not there.
    #[error(transparent)]
    NoDevice(#[from] ChoiceError),
    /// A device that cannot be opened.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// An engine that failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A training that did not end as planned.
    #[error(transparent)]
    Training(#[from] FitError),
    /// A run folder that cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A study that failed.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// Scores that cannot be judged.
    #[error(transparent)]
    Scores(#[from] MetricsError),
}

impl Error {
    /// The system refused to do `action` with `path`.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// This error as the reason why something could not be done.
    pub fn while_doing(self, doing: impl Into<String>) -> Self {
        Self::While { doing: doing.into(), source: Box::new(self) }
    }

    /// The message with the reasons behind it, in one line.
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(reason) = cause {
            let reason_text = reason.to_string();
            // Messages of the system quote their cause already.
            if !text.contains(&reason_text) {
                text = format!("{text}: {reason_text}");
            }
            cause = reason.source();
        }
        text
    }

    /// This error with the file that is at fault, where settings are.
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Usage(problem) => Self::Usage(format!("{}: {problem}", path.display())),
            other => other,
        }
    }

    /// Whether settings or arguments are at fault, and not what they name.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) => true,
            Self::While { source, .. } => source.is_usage(),
            _ => false,
        }
    }
}

/// What a user should know although nothing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Worth knowing.
    Note(String),
    /// A reason to distrust the result.
    Warning(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(text) => write!(f, "note: {text}"),
            Self::Warning(text) => write!(f, "warning: {text}"),
        }
    }
}
