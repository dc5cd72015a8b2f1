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
//! | `verdict`, `comparisons` | the verdict on a study, by its statistics, and these in full |
//! | `methods`, `paper/` | what a paper says about how a study was made, and its tables, as LaTeX, Markdown and CSV |
//! | `audit`, `confusion`, `mistakes`, `probabilities`, `tables` | sections and tables that both reports have |
//! | `calibration` | what a few seconds of each person give |
//! | `figures` | the figures of a study as files for a paper |
//! | `charts/` | curves, reliability and signals by plotters, drawings for papers, and both as SVG and PDF; bars and whiskers as percentages of a table cell |
//! | `numbers` | numbers as text |
//!
//! Names of classes, subjects, files and settings come from the user. maud escapes everything that is inserted in a page.
//!
//! This module must never know how a figure is computed.

mod audit;
#[cfg(test)]
mod browser;
mod calibration;
mod charts;
mod comparisons;
mod confusion;
mod figures;
mod loss;
mod methods;
mod mistakes;
mod numbers;
mod page;
mod paper;
mod probabilities;
mod run;
#[cfg(test)]
pub(crate) mod samples;
mod study;
mod tables;
pub mod tensorboard;
mod tune;
mod verdict;

pub use figures::{StudyFigure, study_figures};
pub use numbers::grouped;
pub use paper::{PaperFormat, study_csv, study_methods, study_tables};
pub use run::{Command, DataFacts, RunReport, run_html};
pub use study::study_html;
pub use tune::tune_html;
