//! Who watches a run: told what happens, and asked whether to go on.

use triax_engine::StepResult;

use crate::history::EpochRecord;
use crate::metrics::Metrics;

/// The size of a run, told once at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunShape {
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Steps of each epoch.
    pub steps_per_epoch: usize,
    /// Training windows.
    pub n_train: usize,
    /// Validation windows.
    pub n_valid: usize,
    /// Epochs complete already; more than 0 where a run is resumed.
    pub epochs_done: usize,
    /// Steps of the next epoch complete already; more than 0 where a run was interrupted within an epoch.
    pub steps_done: usize,
}

/// Watches a run, from whichever thread takes its steps. Every method but those of interest may be left out; `()` watches
/// nothing.
pub trait Observer: Send {
    /// The run begins, or goes on.
    fn run_started(&mut self, _shape: &RunShape) {}

    /// Epoch `epoch` (from 1) begins, or goes on.
    fn epoch_started(&mut self, _epoch: usize) {}

    /// Step `step` of the epoch (from 1) is done, or queued on a GPU: then there is no result before the stretch ends.
    fn step_done(&mut self, _step: usize, _result: Option<StepResult>) {}

    /// The epoch is complete, and in the history. `validation` is absent without validation windows.
    fn epoch_ended(&mut self, _record: &EpochRecord, _validation: Option<&Metrics>) {}

    /// Whether the run should stop. Asked after every step; a run that stops saves its state and can be resumed.
    fn interrupted(&mut self) -> bool {
        false
    }
}

impl Observer for () {}
