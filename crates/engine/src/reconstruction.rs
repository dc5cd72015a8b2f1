//! Reconstruction: a task for windows without labels. Parts of a window are hidden, and the network gives the whole of it.

use triax_model::Network;

use crate::EngineError;

/// What is hidden of each window, and what the outputs are compared with: the denoising autoencoder of Vincent et al.
/// ("Extracting and composing robust features with denoising autoencoders", ICML 2008), whose encoder is the network, and
/// whose decoder is its last layer.
///
/// Each window is varied as the plan's augmentation says, and standardised. Of the result, the targets are the means of each
/// `pool` samples, (window / pool, channels); samples left over at the end have none. Then each stretch of `span` samples is
/// set to 0, the mean of every channel, with the probability `mask`. The loss is the mean of the squared differences between
/// outputs and targets, hidden or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reconstruction {
    /// Probability that a stretch is hidden, in [0, 1).
    pub mask: f32,
    /// Samples of a stretch.
    pub span: usize,
    /// Samples of a target.
    pub pool: usize,
}

impl Reconstruction {
    /// The number of outputs that a network needs for windows (window, channels).
    pub fn n_outputs(&self, window: usize, channels: usize) -> usize {
        window / self.pool.max(1) * channels
    }

    /// Checks that `network` has these outputs.
    ///
    /// # Errors
    /// [`EngineError::Input`] with what is out of range or does not fit.
    pub fn check(&self, network: &Network) -> Result<(), EngineError> {
        let spec = network.spec();
        let n_outputs = self.n_outputs(spec.window, spec.channels);
        let problem = if !(0.0..1.0).contains(&self.mask) {
            format!("the share of a window that is hidden is {}; it must be in [0, 1)", self.mask)
        } else if !(1..=spec.window).contains(&self.span) || !(1..=spec.window).contains(&self.pool) {
            let (span, pool, window) = (self.span, self.pool, spec.window);
            format!("stretches of {span} and means of {pool} samples; both must be from 1 to the {window} of a window")
        } else if spec.classes != n_outputs {
            format!("the network has {} outputs, and a window {n_outputs} values to reconstruct", spec.classes)
        } else {
            return Ok(());
        };
        Err(EngineError::Input(problem))
    }
}
