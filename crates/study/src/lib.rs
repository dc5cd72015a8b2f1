//! Studies: several settings, each trained on several folds with several seeds, and compared over subjects.
//!
//! A [`Study`] numbers its trainings, setting by setting, fold by fold and seed by seed. [`run()`] trains those of a
//! [`Share`] that a [`StudyFolder`] does not hold yet, and writes a [`TrainingFile`] for each. [`summarise()`] reads the files
//! of all trainings, and returns a [`Summary`].
//!
//! Everything else follows from these files. A study that was killed resumes with the trainings that have no file. Shares
//! that were trained on several machines are joined by copying their files. The tables are written in the order of the
//! numbers, whatever the order of training.
//!
//! | module | contents |
//! |---|---|
//! | `grid`, `window_set` | what is trained: settings, folds, seeds, and the windows of each setting |
//! | `run`, `training_inputs`, `writer` | training, as fleets on one or several devices, and files written meanwhile |
//! | `owned_folder` | a folder that belongs to one piece of work, and is locked |
//! | `folder`, `training_file`, `tables`, `networks` | the files of a study: written, checked, joined, found again |
//! | `evaluation` | the figures of a training |
//! | `answers`, `over_time` | what makes probabilities of scores and one answer of a sequence, and how good that is |
//! | `ensembles` | the scores of several models as those of one, and the weights with which they count |
//! | `stacking` | models of a study that predict together, weighed by people whom they were not trained on |
//! | [`baselines`] | classical models: trained, kept, and used to predict |
//! | `classical`, `classical_trainings` | classical models on the folds of a study: as its baselines, and as its settings |
//! | [`statistics`] | intervals, tests, corrections |
//! | [`search`] | the search for good settings: iterated racing over people |
//! | `gap` | the difference between random folds and folds by subject |
//! | `calibration`, `trained_features` | what a few seconds of a held-out person give, by what a network was trained on |
//! | `comparisons` | comparisons of pairs, and main effects |
//! | `summarise`, `summary` | everything that a study finds, and its form in `summary.json` |
//!
//! This crate must never know the command line, nor how a report looks.

mod answers;
pub mod baselines;
mod calibration;
mod classical;
mod classical_trainings;
mod comparisons;
mod ensembles;
mod error;
mod evaluation;
mod folder;
mod gap;
mod grid;
mod networks;
mod over_time;
mod owned_folder;
mod run;
pub mod search;
mod stacking;
pub mod statistics;
mod summarise;
mod summary;
mod tables;
mod trained_features;
mod training_file;
mod training_inputs;
mod window_set;
mod writer;

pub use answers::{HeldOutScores, TrainedOn, independent_groups};
pub use calibration::{CalibratedSubject, CalibrationGain, CalibrationLength};
pub use classical::{Classical, ClassicalBeside};
pub use comparisons::compare_with_first;
pub use ensembles::{EnsembleScores, ensemble_weights};
pub use error::StudyError;
pub use folder::StudyFolder;
pub use gap::{Gap, GapFigures};
pub use grid::{Setting, Share, Study, Training};
pub use networks::{KeptNetwork, kept_networks};
pub use over_time::{AnswerFigures, AnsweredSequence, OVERLAPS, OverTimeFigures, PersonOverTime};
pub use owned_folder::{OwnedFolder, Owner, difference};
pub use run::{Device, Options, Outcome, run};
pub use stacking::{FoldScores, HeldOutWindows, Stack, cross_fitted};
pub use summarise::{Facts, Judged, cut, judged, over_subjects, summarise};
pub use summary::{
    Band, Comparison, Competitor, EpochBand, Kind, Level, MainEffect, Summary, Untrained, figure_in_words,
};
pub use trained_features::TrainedNetwork;
pub use training_file::{Trained, TrainedEpoch, TrainingFile};
pub use triax_trainer::{Measure, Mistake, Reliability, SubjectFigures};
pub use window_set::{prepare, window_set};
