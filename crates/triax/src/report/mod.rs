//! Reports of runs and studies: one HTML file that opens anywhere.
//!
//! [`run_html`] and [`study_html`] give the whole text of a `report.html`: style and charts are in it, it has no script,
//! and a policy in its head forbids the browser to load anything. The verdict comes first; what it rests on follows.
//!
//! - `page` is the frame that both share, `style.css` how it looks: light, dark, printed, narrow.
//! - `charts/` draws: curves, reliability and signals as SVG, by plotters; what belongs into a row of a table (bars,
//!   whiskers) as a few percentages of its cell, so that it follows the width of the page.
//! - `verdict` finds the words for a study, and claims no more than its statistics do.
//!
//! [`tensorboard`] writes the same curves for TensorBoard.
//!
//! Names of classes, subjects, files and settings are what a user wrote: maud escapes all that is put into a page.
//!
//! This crate must never know how a figure came about: it shows what it is handed.

mod audit;
#[cfg(test)]
mod browser;
mod charts;
mod confusion;
mod mistakes;
mod numbers;
mod page;
mod run;
#[cfg(test)]
mod samples;
mod study;
mod tables;
pub mod tensorboard;
mod verdict;

pub use numbers::grouped;
pub use run::{Command, DataFacts, RunReport, run_html};
pub use study::study_html;
