//! The state from which a session can be resumed.

use triax_model::{Network, Weights};

use crate::{EngineError, Optimizer};

/// Everything that the training of one model needs to resume with the same bits.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionState {
    /// The weights.
    pub weights: Weights,
    /// The optimizer's moments, each with the shapes of the weights, in the order of [`Optimizer::moment_names`].
    pub moments: Vec<Weights>,
    /// The number of updates so far: Adam's t.
    pub updates: u64,
}

impl SessionState {
    /// Checks that this is a state of a session of `network` and `optimizer`.
    ///
    /// # Errors
    /// [`EngineError::Input`] with the first tensor that does not fit.
    pub fn check(&self, network: &Network, optimizer: &Optimizer) -> Result<(), EngineError> {
        let refuse = |problem: String| Err(EngineError::Input(format!("the saved state does not fit: {problem}")));
        if let Err(problem) = self.weights.fits(network) {
            return refuse(problem);
        }
        let names = optimizer.moment_names();
        if self.moments.len() != names.len() {
            return refuse(format!("{} moments, and the optimizer keeps {names:?}", self.moments.len()));
        }
        for (name, moment) in names.iter().zip(&self.moments) {
            if let Err(problem) = moment.fits(network) {
                return refuse(format!("moment `{name}`: {problem}"));
            }
        }
        Ok(())
    }
}
