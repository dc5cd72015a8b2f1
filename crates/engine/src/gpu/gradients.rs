//! The intermediate results of one batch, read back from the device.

use std::ops::ControlFlow;

use crate::{EngineError, Member, MemberEpoch, Session, Stretch, TrainingPlan, WindowSet, check_fleet};
use triax_model::{Layer, Network, Weights};

use super::GpuEngine;
use super::plan::{Tail, check_layout};
use super::session::GpuSession;
use crate::BatchTrace;

impl GpuEngine {
    /// Runs the forward and backward pass of the windows at `indices`, and reads all intermediate results back: the
    /// counterpart of [`crate::gradients`]. Some are empty: what a layer, its pool and dropout compute in one stage is kept
    /// where that stage ends, the gradient of dropout's output and the losses of single windows are not. The gradient of a pool
    /// in the stage of its convolution is 0 where its output is 0, since it includes the ReLU before the pool.
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
        check_layout(network)?;
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
        let (mut own, mut last) = (layout.last(), layout.last());
        for (n, layer) in network.layers().iter().enumerate() {
            let next = network.layers().get(n + 1);
            let is_dropped = matches!(next, Some(Layer::Dropout { .. })) && key.drops;
            // Whose output and whose gradient, if no later layer has replaced them.
            let (output, d_output) = match layer {
                Layer::Conv { name, .. } | Layer::Dense { name, .. } => {
                    own = affine.next().unwrap_or(own);
                    match (layout.tail(name), next) {
                        (Some(tail), _) => (Some(&tail.rows), Some(own)),
                        (None, Some(Layer::Pool { name, .. })) => match layout.tail(name) {
                            Some(_) => (Some(own).filter(|own| own.relu), Some(own)),
                            None => (None, None),
                        },
                        (None, _) => (Some(own), Some(own)),
                    }
                }
                Layer::Pool { name, .. } => match layout.tail(name) {
                    Some(Tail { rows, .. }) => (Some(rows), Some(rows).filter(|_| !is_dropped)),
                    None => (Some(own), Some(own)),
                },
                Layer::Dropout { .. } => (Some(last), None),
            };
            last = output.unwrap_or(own);
            let output = output.filter(|_| !is_dropped);
            outputs.push(output.map_or_else(Vec::new, |rows| values(rows.y, rows.output_rows())));
            d_outputs.push(d_output.map_or_else(Vec::new, |rows| values(rows.d_y, rows.output_rows())));
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
