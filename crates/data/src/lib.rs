//! Sensor recordings: from files to windows that a network trains on, and the split that says which of them.
//!
//! In the order in which data flows:
//!
//! 1. [`fetch()`] downloads a public data set, verifies and unpacks it.
//! 2. [`read`] turns a file, folder or archive into a [`Corpus`] of uninterrupted [`Recording`]s, with an account of what it
//!    mended ([`RepairLog`]). [`synthetic()`] makes a corpus without any file, and [`Rows`] reads rows that are still
//!    arriving.
//! 3. [`Corpus::resampled`] gives all recordings one rate, and [`Corpus::select_activities`] chooses the classes;
//!    [`Inspection`] reports what the corpus holds.
//! 4. [`cut`] copies the recordings into [`Windows`] of equal length, once.
//! 5. [`split()`] says which windows train and which validate, and [`Folds::make`] does so fold after fold. Both name windows
//!    by index. [`SplitPlan::most_honest`] and [`Folds::most_honest`] choose the way where the user does not.
//! 6. A [`Preparation`](triax_model::Preparation) makes of each window what a network reads, and [`fit_scaler`] learns mean and
//!    deviation of the training windows.
//! 7. [`Audit`] looks for what would make validation figures too good.
//!
//! This crate must never know a GPU or a loss.

// 1. Downloads.
mod fetch;

// 2. From files to a corpus.
mod absurd;
mod column;
mod corpus;
mod fingerprint;
mod gravity;
mod readers;
mod repair;
mod resample;
mod synthetic;
pub mod time;

// 3. What a corpus holds.
mod inspect;

// 4. to 6. From a corpus to windows to train on.
mod scale;
mod sequences;
mod split;
mod windows;

// 7. Whether the figures can be believed.
mod audit;

mod error;
mod notice;
#[cfg(test)]
mod test_corpora;

pub use audit::{Audit, Finding, ScalerInUse, Verdict};
pub use column::{Column, Role};
pub use corpus::{Corpus, Part, Recording, Stamps};
pub use error::DataError;
pub use fetch::{DATA_SETS, DataSet, FetchError, FetchOptions, FetchProgress, Fetched, Outcome, fetch};
pub use gravity::{gravity_of_windows, unit_of_gravity};
pub use inspect::{Breaks, ChannelRange, ClassCount, Inspection, Sampling};
pub use notice::Notice;
pub use readers::{Fill, Format, MappedRole, ReadOptions, Row, Rows, Wishes, read};
pub use repair::{Repair, RepairEntry, RepairLog};
pub use resample::is_same_rate;
pub use scale::fit_scaler;
pub use sequences::{Joining, Sequence, Stretch, file_of, sequences};
pub use split::{Fold, Folds, HeldOut, Split, SplitError, SplitPlan, UntrainedClass, split};
pub use synthetic::synthetic;
pub use windows::{Origin, Windows, cut};
