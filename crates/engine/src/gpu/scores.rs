//! The scores of windows, without training.

use crate::{Augmentation, EngineError, Member, Optimizer, TrainingPlan, WindowSet, check_fleet};
use triax_losses::Loss;
use triax_model::{Network, Weights};

use super::device::Device;
use super::session::{GpuSession, Options};

/// Scores (n_windows, classes) of `windows` (n_windows, window, channels).
pub(super) fn scores(
    device: &Device,
    network: &Network,
    weights: &Weights,
    windows: &[f32],
    options: &Options,
) -> Result<Vec<f32>, EngineError> {
    let n_values = network.spec().window * network.spec().channels;
    if !windows.len().is_multiple_of(n_values) {
        let problem = format!("{} values are no whole number of windows of {n_values}", windows.len());
        return Err(EngineError::Input(problem));
    }
    let n_windows = windows.len() / n_values;
    // Labels, loss and optimizer have no influence on the scores.
    let labels = vec![0; n_windows];
    let set = WindowSet { windows: windows.into(), labels: labels.into(), sample_weights: None };
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
    GpuSession::new(device, &[member], &set, options)?.scores()
}
