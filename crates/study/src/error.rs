//! What can go wrong in a study.

use std::io;
use std::path::{Path, PathBuf};

use triax_engine::EngineError;
use triax_model::WeightFileError;
use triax_trainer::FitError;

/// What can go wrong in a study.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// An error of the system.
    #[error("cannot {action} {}: {reason}", path.display())]
    Io {
        /// `read`, `write` or the like.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        reason: io::Error,
    },
    /// A damaged file.
    #[error("{} is not what a study writes there: {problem}; remove it, and run the study again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A fleet cannot be trained.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// A device failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The weights of a training cannot be written.
    #[error(transparent)]
    Weights(#[from] WeightFileError),
    /// A device cannot be opened.
    #[error("{0}")]
    Device(String),
    /// Scores that cannot be evaluated.
    #[error("the scores of training {number} cannot be judged: {problem}; remove its file, and run the study again")]
    Scores {
        /// Its number.
        number: usize,
        /// What is wrong.
        problem: String,
    },
    /// The network of a training cannot be calibrated.
    #[error("the network of training {number} cannot be calibrated: {problem}")]
    Calibration {
        /// Number of the training.
        number: usize,
        /// What is wrong.
        problem: String,
    },
    /// Trainings are missing.
    #[error("{n_missing} of {n_trainings} trainings are missing, number {first} the first of them")]
    Incomplete {
        /// The number of missing trainings.
        n_missing: usize,
        /// The number of all trainings.
        n_trainings: usize,
        /// The number of the first missing one.
        first: usize,
    },
    /// A path that is not the folder of a study.
    #[error("{0}")]
    NoStudy(String),
    /// A study without `summary.json`.
    #[error("the study in {} is not finished; go on with triax study --resume {}", path.display(), path.display())]
    Unfinished {
        /// Its folder.
        path: PathBuf,
    },
    /// A study without the weights of all networks.
    #[error(
        "{} has kept the weights of {n_kept} of {n_networks} networks of {setting}: make the study again in another \
         folder, with --keep-weights true",
        path.display()
    )]
    NoWeights {
        /// Its folder.
        path: PathBuf,
        /// The setting.
        setting: String,
        /// Networks with weights.
        n_kept: usize,
        /// Networks that did not break down.
        n_networks: usize,
    },
    /// A baseline failed.
    #[error("the baseline {name} failed in fold {fold}: {problem}")]
    Baseline {
        /// Its name.
        name: &'static str,
        /// The fold.
        fold: String,
        /// The reason.
        problem: String,
    },
}

impl StudyError {
    /// An error of the system about `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::Io { action, path: path.to_owned(), reason }
    }

    /// A damaged file.
    pub(crate) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.into() }
    }
}
