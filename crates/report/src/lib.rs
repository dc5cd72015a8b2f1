//! Reports of runs and studies: one HTML file that opens anywhere.
//!
//! This crate must never know how a figure came about: it shows what it is handed.
