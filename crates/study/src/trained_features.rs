//! What is known of the features of the windows that a network was trained on: the part that needs an engine.

use triax_answers::{TrainedFeatures, features, n_features};
use triax_engine::{Engine, EngineError, Phase, WindowSet};
use triax_model::{Network, Scaler, Weights};

/// A network and the windows that it is trained on.
#[derive(Clone, Copy)]
pub struct TrainedNetwork<'a> {
    /// The network.
    pub network: &'a Network,
    /// The windows.
    pub windows: &'a WindowSet,
    /// Indices of those of the training part.
    pub train: &'a [u32],
    /// What the engine applies when it reads them.
    pub scaler: Option<&'a Scaler>,
}

impl TrainedNetwork<'_> {
    /// The moments of the features of the training windows with these weights; none if there is nothing to know of them.
    ///
    /// # Errors
    /// A device that fails.
    pub fn features(&self, engine: &dyn Engine, weights: &Weights) -> Result<Option<TrainedFeatures>, EngineError> {
        let _scoring = engine.timings().phase(Phase::Scoring);
        let n_features = n_features(self.network);
        let chosen = TrainedFeatures::chosen(self.train, n_features);
        if chosen.is_empty() {
            return Ok(None);
        }
        let values = self.windows.values_at(&chosen);
        let score = |network: &Network, weights: &Weights| engine.scores(network, weights, self.scaler, &values);
        Ok(TrainedFeatures::of(&features(self.network, weights, score)?, n_features))
    }
}
