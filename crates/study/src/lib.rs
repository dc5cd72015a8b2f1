//! Studies: a grid of settings × folds × seeds, trained as fleets, summed up with intervals over subjects.
//!
//! This crate must never know the command line, nor how a report looks.

mod summary;

pub use summary::{Band, Comparison, Competitor, EpochBand, Kind, Summary};
pub use triax_trainer::{Mistake, Reliability, SubjectFigures};
