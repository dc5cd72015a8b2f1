//! Scores of windows, without training.

use crate::{
    Augmentation, EngineError, Member, Optimizer, Phase, Scorer, Session, Timings, TrainingPlan, WindowSet,
    check_fleet, check_scores,
};
use triax_losses::Loss;
use triax_model::{Network, Scaler, Weights};

use super::device::Device;
use super::session::{GpuSession, Options};

/// A network that scores windows. Each call opens a session of its own.
pub(super) struct GpuScorer {
    pub device: Device,
    pub options: Options,
    pub network: Network,
    pub weights: Weights,
    pub scaler: Option<Scaler>,
    pub timings: Timings,
}

impl Scorer for GpuScorer {
    fn scores(&mut self, windows: &[f32]) -> Result<Vec<f32>, EngineError> {
        let _scoring = self.timings.phase(Phase::Scoring);
        scores(&self.device, &self.network, &self.weights, self.scaler.as_ref(), windows, &self.options)
    }
}

/// Scores (n_windows, classes) of `windows` (n_windows, window, channels).
fn scores(
    device: &Device,
    network: &Network,
    weights: &Weights,
    scaler: Option<&Scaler>,
    windows: &[f32],
    options: &Options,
) -> Result<Vec<f32>, EngineError> {
    let n_windows = check_scores(network, weights, scaler, windows)?;
    // On the host, since a GPU may round a quotient differently, and every device is to score the same values.
    let mut values = windows.to_vec();
    if let Some(scaler) = scaler {
        scaler.apply(&mut values);
    }
    // Labels, loss and optimizer have no influence on the scores.
    let labels = vec![0; n_windows];
    let set = WindowSet { windows: values.into(), labels: labels.into(), sample_weights: None };
    let plan = TrainingPlan {
        loss: Loss::CategoricalCrossentropy,
        optimizer: Optimizer::sgd(),
        batch_size: 1,
        clip_norm: None,
        class_weights: None,
        augmentation: Augmentation::default(),
        seed: 0,
    };
    let validation: Vec<u32> = (0..n_windows as u32).collect();
    let member = Member { network, weights, plan: &plan, scaler: None, validation: &validation };
    check_fleet(&[member], &set)?;
    Ok(GpuSession::new(device, &[member], &set, options)?.scores()?.remove(0))
}
