//! Whole runs in run folders: how they end, how they resume, and what they leave on the disk when something goes wrong;
//! and fleets.

mod averaging;
mod disk;
mod endings;
mod fleet;
mod resuming;
mod setup;
mod toy;
