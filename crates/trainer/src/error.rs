//! The errors of a training and of a run folder.

use std::io;
use std::path::PathBuf;

use triax_engine::EngineError;
use triax_model::WeightFileError;

/// Why a training failed. A run folder keeps its last checkpoint and its best weights.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// Settings, windows or weights that do not fit together, or cannot be trained.
    #[error("{0}")]
    Input(String),
    /// The training of a run broke down. In a fleet this ends one model, and is no error.
    #[error("{breakdown}. The last good state and the best weights so far are in {}", folder.display())]
    NotFinite {
        /// When, and what is not finite.
        breakdown: Breakdown,
        /// The run folder.
        folder: PathBuf,
    },
    /// The checkpoint belongs to another job.
    #[error("{} cannot be resumed: {difference}", path.display())]
    OtherJob {
        /// The checkpoint.
        path: PathBuf,
        /// The differences.
        difference: String,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The run folder failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// How the training of a model broke down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "epoch {epoch}{}: {what} is not finite; lower the learning rate, clip the gradient's norm, or look for extreme \
     values in the data",
    step.map(|step| format!(", step {step}")).unwrap_or_default()
)]
pub struct Breakdown {
    /// What is not finite: the loss, the gradient's norm, the validation loss or a tensor.
    pub what: String,
    /// The epoch, from 1.
    pub epoch: usize,
    /// The step within the epoch, from 1; absent if it was found at the end of the epoch.
    pub step: Option<usize>,
}

/// An error of a run folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder holds something already.
    #[error("{} is not empty, and a run never overwrites anything: name another folder, or resume this run", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder has no checkpoint to resume from.
    #[error(
        "{} has no checkpoint: nothing was trained there yet; begin the run again, with the same command or with \
         triax train --config {} --out {}",
        path.display(),
        path.join("config.json").display(),
        path.display()
    )]
    NoCheckpoint {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds a run already that is to be resumed, not started.
    #[error("{} holds a run already: resume it, or name another folder", path.display())]
    AlreadyStarted {
        /// The folder.
        path: PathBuf,
    },
    /// Another process trains there.
    #[error("another process is training in {}: wait for it, or stop it", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A weight file could not be written.
    #[error(transparent)]
    Weights(#[from] WeightFileError),
    /// An error of the operating system.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The action that failed: `create`, `write`, `read`, `open`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A damaged file.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
}
