//! Studies: a grid of settings × folds × seeds, trained as fleets, summed up with intervals over subjects.
//!
//! A [`Study`] numbers its trainings: setting by setting, fold by fold, seed by seed. [`run()`] trains those of a share
//! that a [`StudyFolder`] does not hold yet, and puts each into a file of its own as it ends; so a study that was
//! killed goes on where it was, and shares that were trained apart are joined by collecting their files. In the end all
//! tables are made anew from these files, in the order of the numbers, and do not depend on how they came about.
//!
//! This crate must never know the command line, nor how a report looks.

pub mod baselines;
mod error;
mod evaluation;
mod folder;
mod gap;
mod grid;
mod networks;
mod run;
pub mod statistics;
mod summarise;
mod summary;
mod tables;
mod training_file;
mod training_inputs;
mod window_set;

pub use error::StudyError;
pub use evaluation::EnsembleScores;
pub use folder::{StudyFolder, difference};
pub use gap::{Gap, GapFigures};
pub use grid::{Setting, Share, Study, Training};
pub use networks::{KeptNetwork, kept_networks};
pub use run::{Device, Options, Outcome, run};
pub use summarise::{Facts, summarise};
pub use summary::{Band, Comparison, Competitor, EpochBand, Kind, Summary};
pub use training_file::{Trained, TrainedEpoch, TrainingFile};
pub use triax_trainer::{Mistake, Reliability, SubjectFigures};
pub use window_set::window_set;
