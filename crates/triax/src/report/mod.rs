//! Reports of runs and studies: one HTML file that opens anywhere.
//!
//! [`run_html`] and [`study_html`] return the text of a `report.html`. The page contains its style and its charts, has no
//! script, and forbids the browser to load anything. The verdict comes first, then the figures that it follows from.
//! [`tensorboard`] writes the curves of a run for TensorBoard.
//!
//! | module | contents |
//! |---|---|
//! | `run`, `study` | the sections of the two reports, in their order |
//! | `page`, `style.css` | the frame of both, and its appearance: light, dark, printed, narrow |
//! | `verdict` | the verdict on a study, by its statistics |
//! | `audit`, `confusion`, `mistakes`, `tables` | sections and tables that both reports have |
//! | `charts/` | curves, reliability and signals as SVG by plotters; bars and whiskers as percentages of a table cell |
//! | `numbers` | numbers as text |
//!
//! Names of classes, subjects, files and settings come from the user. maud escapes everything that is inserted in a page.
//!
//! This module must never know how a figure is computed.

mod audit;
#[cfg(test)]
mod browser;
mod charts;
mod confusion;
mod loss;
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
