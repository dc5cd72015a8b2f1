//! Fits a network: epochs, schedules, metrics, history, checkpoints.
