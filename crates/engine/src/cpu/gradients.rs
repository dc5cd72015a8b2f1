//! The intermediate results of one batch, by which engines are compared.

use crate::{EngineError, Member, TrainingPlan, WindowSet, check_fleet};
use triax_model::{Network, Weights};

use super::model::{Model, Shape, StepContext, Workspace};
use super::row::{Row, TILE};
use super::team::Team;
use super::{CpuEngine, Float};

/// All intermediate results of one batch, widened to f64. Comparing two engines' traces shows the first stage in which they
/// differ.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchTrace {
    /// Output of each layer, in the order of [`Network::layers`], after its activation: (batch, positions, channels) or
    /// (batch, units). The last one holds the scores. A convolution stops at the last position that the pool behind it
    /// reads; the first one is not kept and stays empty, where a max-pool follows that reads each position once, unless it
    /// has a GELU.
    pub outputs: Vec<Vec<f64>>,
    /// Gradient of the loss by each of `outputs`; of a convolution or a dense layer by the sum before its activation.
    pub d_outputs: Vec<Vec<f64>>,
    /// `w·l` of each window.
    pub losses: Vec<f64>,
    /// `Σ w·l / batch`.
    pub loss: f64,
    /// Windows whose first largest score is their label's.
    pub correct: u32,
    /// Gradient of the loss by each parameter, before clipping, in the order of [`Network::parameters`].
    pub gradients: Vec<Vec<f64>>,
    /// Euclidean norm of all `gradients` together.
    pub gradient_norm: f64,
}

impl BatchTrace {
    /// The scores, (batch, classes).
    pub fn scores(&self) -> &[f64] {
        self.outputs.last().expect("a network has layers")
    }
}

impl<F: Float> CpuEngine<F> {
    /// Runs both passes over the windows at `indices`, without an update. `step` counts from the start of training and
    /// picks the dropout mask.
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
        let member = Member { network, weights, plan, scaler: None, validation: indices };
        check_fleet(&[member], windows)?;
        if indices.is_empty() {
            return Err(EngineError::Input("a batch needs at least one window".to_owned()));
        }
        let shape = Shape::new(network);
        let mut workspace = Workspace::<F>::in_one_round(&shape, indices.len(), self.n_threads);
        let mut model = Model::new(&member);
        let result = Team::scope(self.n_threads, |team| {
            let context = StepContext { shape: &shape, windows, team };
            model.gradient(context, indices, step, None, &mut workspace)
        });

        let values = |rows: &dyn Fn(usize) -> Vec<Row<F>>| {
            let tiles: Vec<Vec<Row<F>>> = (0..workspace.tiles.len()).map(rows).collect();
            let value = |n: usize| tiles[n / TILE].iter().map(move |row| row.0[n % TILE].to_f64());
            (0..indices.len()).flat_map(value).collect::<Vec<f64>>()
        };
        let n_stages = shape.stages.len();
        let mut flat = workspace.gradient.iter().map(|g| g.to_f64());
        Ok(BatchTrace {
            outputs: (0..n_stages).map(|s| values(&|tile| workspace.tiles[tile].outputs[s].rows().to_vec())).collect(),
            d_outputs: (0..n_stages).map(|s| values(&|tile| workspace.tiles[tile].d_outputs[s].clone())).collect(),
            losses: (0..indices.len()).map(|n| workspace.tiles[n / TILE].tile_loss.losses[n % TILE].to_f64()).collect(),
            loss: result.loss,
            correct: result.correct,
            gradients: network.parameters().iter().map(|p| flat.by_ref().take(p.len()).collect()).collect(),
            gradient_norm: result.gradient_norm,
        })
    }
}

/// The truth of one batch: [`CpuEngine::gradients`] at f64.
///
/// # Errors
/// As there.
pub fn gradients(
    network: &Network,
    weights: &Weights,
    plan: &TrainingPlan,
    windows: &WindowSet,
    indices: &[u32],
    step: u64,
) -> Result<BatchTrace, EngineError> {
    CpuEngine::<f64>::new().gradients(network, weights, plan, windows, indices, step)
}
