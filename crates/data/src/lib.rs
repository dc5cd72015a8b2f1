//! Sensor recordings: readers, repair, splits, windows, scaling and a synthetic set.
//!
//! [`read`] turns a file, folder or archive into a [`Corpus`] of uninterrupted recordings; everything after that works
//! on the corpus. This crate must never know a GPU or a loss.

mod audit;
mod corpus;
mod error;
mod fetch;
mod fingerprint;
mod inspect;
mod per_window;
mod readers;
mod repair;
mod scale;
mod split;
mod synthetic;
#[cfg(test)]
mod test_corpora;
mod windows;

pub use audit::{Audit, Finding, ScalerInUse, Verdict};
pub use corpus::{Corpus, Part, Recording};
pub use error::DataError;
pub use fetch::{DATA_SETS, DataSet, FetchError, FetchOptions, FetchProgress, Fetched, Outcome, fetch};
pub use inspect::{Breaks, ChannelRange, ClassCount, Inspection, Sampling};
pub use per_window::PerWindow;
pub use readers::{CsvRow, CsvRows, Format, read};
pub use repair::{Repair, RepairEntry, RepairLog};
pub use scale::fit_scaler;
pub use split::{Fold, Folds, HeldOut, Split, SplitError, SplitPlan, split};
pub use synthetic::synthetic;
pub use windows::{Origin, Windows, cut};
