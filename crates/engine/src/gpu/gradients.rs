//! The intermediate results of one batch, read back from the device.

use std::ops::ControlFlow;

use crate::{EngineError, Member, MemberEpoch, Session, Stretch, TrainingPlan, WindowSet, check_fleet};
use triax_model::{Network, Weights};

use super::GpuEngine;
use super::layout::{Stage, TILE};
use super::session::GpuSession;
use crate::BatchTrace;

impl GpuEngine {
    /// Runs the forward and backward pass of the windows at `indices`, and reads all intermediate results back: the
    /// counterpart of [`crate::gradients`]. Some are empty: the output of the layer before dropout and the gradient of
    /// dropout's output, since dropout works in place, and the losses of single windows. The gradient of a pool is 0 where
    /// its output is 0, since it includes the ReLU before the pool.
    ///
    /// # Errors
    /// As [`crate::Engine::open`]; also an empty batch, or an index of no window.
    pub fn gradients(
        &self,
        network: &Network,
        weights: &Weights,
        plan: &TrainingPlan,
        windows: &WindowSet,
        indices: &[u32],
        step: u64,
    ) -> Result<BatchTrace, EngineError> {
        let device = &self.device;
        if indices.is_empty() {
            return Err(EngineError::Input("a batch needs at least one window".to_owned()));
        }
        // With clipping, gradients are written to a buffer.
        let clip_norm = plan.clip_norm.or(Some(f32::MAX));
        let plan = TrainingPlan { batch_size: indices.len(), clip_norm, ..plan.clone() };
        let member = Member { network, weights, plan: &plan, scaler: None, validation: &[] };
        check_fleet(&[member], windows)?;
        let mut session = GpuSession::new(device, &[member], windows, &self.options)?;
        let layout = session.key.layout.clone();
        let n_tiles = indices.len().div_ceil(TILE);
        // NaN shows values that are not written, or read before they are written.
        let n_rows = n_tiles * layout.rows;
        session.buffers.activations.upload(device, &vec![f32::NAN; 4 * n_rows])?;
        session.buffers.gradients.upload(device, &vec![f32::NAN; 4 * layout.weights])?;

        let epoch = MemberEpoch { order: indices, first_step: step, learning_rates: &[0.0] };
        let stretch = Stretch { steps: 0..1, members: &[epoch] };
        let result = session.train(&stretch, &mut |_| ControlFlow::Continue(()))?[0][0];
        let rows: Vec<[f32; TILE]> = session.buffers.activations.download(device, n_rows)?;
        let gradients: Vec<f32> = session.buffers.gradients.download(device, layout.weights)?;

        let values = |first: usize, n: usize| -> Vec<f64> {
            let sample =
                |s: usize| rows[s / TILE * layout.rows + first..][..n].iter().map(move |row| f64::from(row[s % TILE]));
            (0..indices.len()).flat_map(sample).collect()
        };
        let (mut outputs, mut d_outputs) = (Vec::new(), Vec::new());
        for (s, stage) in layout.stages.iter().enumerate() {
            let in_place = matches!(layout.stages.get(s + 1), Some(Stage::Dropout { .. })) && session.key.drops;
            let (y, d_y, n) = match stage {
                Stage::Affine(affine) => (affine.y, Some(affine.d_y), affine.positions * affine.units),
                Stage::MaxPool(pool) => (pool.y, Some(pool.d_y), pool.positions * pool.channels),
                Stage::Dropout { x, features } => (*x, None, *features),
            };
            outputs.push(if in_place { Vec::new() } else { values(y, n) });
            d_outputs.push(d_y.map_or_else(Vec::new, |d_y| values(d_y, n)));
        }
        let gradients = layout.unpack(network, &gradients).tensors.into_iter();
        Ok(BatchTrace {
            outputs,
            d_outputs,
            losses: Vec::new(),
            loss: f64::from(result.loss),
            correct: result.correct,
            gradients: gradients.map(|tensor| tensor.values.into_iter().map(f64::from).collect()).collect(),
            gradient_norm: f64::from(result.gradient_norm),
        })
    }
}
