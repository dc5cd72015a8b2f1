//! What each stage of one batch leaves behind, read back for comparison.

use std::ops::ControlFlow;

use crate::{EngineError, Member, MemberEpoch, Session, Stretch, TrainingPlan, WindowSet, check_fleet};
use triax_model::{Network, Weights};

use super::GpuEngine;
use super::layout::{Stage, TILE};
use super::session::GpuSession;
use crate::Stages;

impl GpuEngine {
    /// Forward and backward pass of the windows at `indices`, with what each stage left behind: the counterpart of
    /// [`crate::gradients`]. Dropout works in place, so that the output of the layer before it, and the gradient of its
    /// own, are empty, as are the losses of single windows; a pool's gradient is 0 where its output is, since the ReLU
    /// before it is taken into account.
    ///
    /// # Errors
    /// As [`crate::Engine::open`]; no windows, or windows that there are not.
    pub fn gradients(
        &self,
        network: &Network,
        weights: &Weights,
        plan: &TrainingPlan,
        windows: &WindowSet,
        indices: &[u32],
        step: u64,
    ) -> Result<Stages, EngineError> {
        let device = &self.device;
        if indices.is_empty() {
            return Err(EngineError::Input("a batch needs at least one window".to_owned()));
        }
        // Where gradients are clipped, they are written down.
        let clip_norm = plan.clip_norm.or(Some(f32::MAX));
        let plan = TrainingPlan { batch_size: indices.len(), clip_norm, ..plan.clone() };
        let member = Member { network, weights, plan: &plan, scaler: None, validation: &[] };
        check_fleet(&[member], windows)?;
        let mut session = GpuSession::new(device, &[member], windows, &self.options)?;
        let layout = session.key.layout.clone();
        let n_tiles = indices.len().div_ceil(TILE);
        // So that what is not written, or read before it is written, is noticed.
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
        Ok(Stages {
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
