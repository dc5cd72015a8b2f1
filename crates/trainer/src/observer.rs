//! The observer of a training: it receives events, and can stop the training.

use triax_engine::StepResult;

use crate::history::EpochRecord;
use crate::metrics::Metrics;

/// The size of a training, and how much of it is done already. It is reported once, at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FitSize {
    /// Number of models.
    pub n_models: usize,
    /// Models that are trained already; more than 0 if a study is resumed.
    pub models_done: usize,
    /// The most epochs of a model.
    pub epochs: usize,
    /// Complete epochs; more than 0 if a run is resumed.
    pub epochs_done: usize,
    /// Steps of all models in all epochs together.
    pub n_steps: u64,
    /// Steps that are done already.
    pub steps_done: u64,
}

/// Observes a training. It is called on one thread at a time. All methods have defaults that do nothing; `()`
/// uses these.
pub trait Observer: Send {
    /// Training starts or resumes.
    fn fit_started(&mut self, _size: &FitSize) {}

    /// Epoch `epoch` (from 1) of the models that are trained together starts or resumes. A GPU may have its first steps
    /// already.
    fn epoch_started(&mut self, _epoch: usize) {}

    /// `steps` steps of all models together are done, queued on a GPU, or skipped because their model broke down. The number
    /// never decreases. `newest` is the result of the last step if it is known at no cost: for a single model on a CPU.
    fn steps_done(&mut self, _steps: u64, _newest: Option<StepResult>) {}

    /// An epoch of the model with this index is complete. In a run it is in the history already. `validation` is absent
    /// without validation windows, or if the job does not follow them.
    fn epoch_ended(&mut self, _model_idx: usize, _record: &EpochRecord, _validation: Option<&Metrics>) {}

    /// The first `models` models have ended.
    fn models_ended(&mut self, _models: usize) {}

    /// Whether to stop. It is called after every step of a single model, and every few steps of a fleet. A run saves its
    /// state and can be resumed; a fleet in memory loses the group in progress.
    fn interrupted(&mut self) -> bool {
        false
    }
}

impl Observer for () {}
