//! The intermediate results of one batch, read back from the device.

use std::ops::ControlFlow;

use crate::{EngineError, Member, MemberEpoch, Session, Stretch, TrainingPlan, WindowSet, check_fleet, check_plain};
use triax_model::{Layer, Network, Weights};

use super::GpuEngine;
use super::session::GpuSession;
use crate::BatchTrace;

impl GpuEngine {
    /// Runs the forward and backward pass of the windows at `indices`, and reads all intermediate results back: the
    /// counterpart of [`crate::gradients`]. Some are empty: the output of a layer before its pool or dropout, the gradient of a
    /// layer before its pool, that of dropout's output, and the losses of single windows. The gradient of a pool is 0 where
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
        check_plain(network)?;
        let mut session = GpuSession::new(device, &[member], windows, &self.options, &self.timings)?;
        let (key, buffers) = (session.key.clone(), &session.buffers);
        let (layout, batch) = (&key.layout, key.training);
        // NaN shows values that are not written, or read before they are written.
        let n_values = batch.tiles * layout.rows * batch.samples;
        device.write(&buffers.arena, &vec![f32::NAN; n_values])?;
        device.write(&buffers.gradients, &vec![f32::NAN; 4 * layout.weights])?;

        let epoch = MemberEpoch { order: indices, first_step: step, learning_rates: &[0.0] };
        let stretch = Stretch { steps: 0..1, members: &[epoch] };
        let result = session.train(&stretch, &mut |_| ControlFlow::Continue(()))?[0][0];
        let rows: Vec<f32> = device.read(&session.buffers.arena, n_values)?;
        let gradients: Vec<f32> = device.read(&session.buffers.gradients, 4 * layout.weights)?;

        // A row holds one feature of the samples of a tile.
        let values = |first: usize, n: usize| -> Vec<f64> {
            let value = |s: usize, row: usize| {
                rows[(s / batch.samples * layout.rows + first + row) * batch.samples + s % batch.samples]
            };
            (0..indices.len()).flat_map(|s| (0..n).map(move |row| f64::from(value(s, row)))).collect()
        };
        let (mut outputs, mut d_outputs) = (Vec::new(), Vec::new());
        let mut affine = layout.layers.iter();
        let mut last = None;
        for (n, layer) in network.layers().iter().enumerate() {
            let own = match layer {
                Layer::Conv { .. } | Layer::Dense { .. } => affine.next(),
                Layer::Pool { .. } | Layer::Dropout { .. } => None,
            };
            last = own.or(last);
            let Some(affine) = last else { continue };
            let rows = affine.outputs * affine.units;
            // What is kept is the output after pool and dropout, and its gradient before them, and through the ReLU.
            let next = network.layers().get(n + 1);
            let pools_next = matches!(next, Some(Layer::Pool { .. }));
            let drops_next = matches!(next, Some(Layer::Dropout { .. }));
            let is_overwritten = pools_next || (drops_next && key.drops);
            outputs.push(if is_overwritten { Vec::new() } else { values(affine.y, rows) });
            let keeps_gradient = !pools_next && !matches!(layer, Layer::Dropout { .. });
            d_outputs.push(if keeps_gradient { values(affine.d_y, rows) } else { Vec::new() });
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
