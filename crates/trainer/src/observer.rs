//! Who watches a training: told what happens, and asked whether to go on.

use triax_engine::StepResult;

use crate::history::EpochRecord;
use crate::metrics::Metrics;

/// How much there is to train, and how much of it is done already. Told once, at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FitSize {
    /// All models.
    pub n_models: usize,
    /// Models that are trained already; more than 0 where a study goes on.
    pub models_done: usize,
    /// Epochs of each model, at most.
    pub epochs: usize,
    /// Complete epochs; more than 0 where a run is resumed.
    pub epochs_done: usize,
    /// Steps of all models in all epochs together.
    pub n_steps: u64,
    /// Steps that are done already.
    pub steps_done: u64,
}

/// Watches a training, from whichever thread takes its steps. Every method but those of interest may be left out; `()`
/// watches nothing.
pub trait Observer: Send {
    /// Training begins, or goes on.
    fn fit_started(&mut self, _size: &FitSize) {}

    /// Epoch `epoch` (from 1) of the models that are trained together begins, or goes on.
    fn epoch_started(&mut self, _epoch: usize) {}

    /// So many steps of all models together are done; or queued on a GPU; or spared, because their model broke down.
    /// The number never falls. `newest` is the result of the newest step, where it is known at no cost: for a single
    /// model on a CPU.
    fn steps_done(&mut self, _steps: u64, _newest: Option<StepResult>) {}

    /// An epoch of the model of this index is complete. In a run it is in the history already. `validation` is absent
    /// without validation windows, and where the job does not follow them.
    fn epoch_ended(&mut self, _model_idx: usize, _record: &EpochRecord, _validation: Option<&Metrics>) {}

    /// So many models, from the first, have come to their end.
    fn models_ended(&mut self, _models: usize) {}

    /// Whether to stop. Asked after every step of a single model, and every few steps of many. A run saves its state and
    /// can be resumed; of a fleet in memory, the group in progress is lost.
    fn interrupted(&mut self) -> bool {
        false
    }
}

impl Observer for () {}
