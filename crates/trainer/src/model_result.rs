//! The result of one model of a fleet.

use triax_model::Weights;

use crate::error::Breakdown;
use crate::history::EpochRecord;
use crate::metrics::Metrics;

/// The result of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelResult {
    /// Its complete epochs, the first one first.
    pub history: Vec<EpochRecord>,
    /// The trained model; or how its training broke down, which does not affect the others.
    pub end: Result<TrainedModel, Breakdown>,
}

/// A model after its last epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    /// Its weights.
    pub weights: Weights,
    /// Its figures over the validation windows; absent where it has none.
    pub validation: Option<Metrics>,
    /// The scores (n_valid, classes) of the validation windows, if the job wants them.
    pub scores: Option<Vec<f32>>,
}
