//! Training without labels, to reconstruct windows: see [`Reconstruction`].

use crate::{
    CpuEngine, Engine, EngineError, Member, Phase, Reconstruction, Scorer, Session, Timings, WindowSet, check_fleet,
};
use triax_model::random::{Purpose, Stream};
use triax_model::{Network, Scaler, Weights};

use super::Float;
use super::row::{Row, TILE};
use super::session::CpuSession;

/// The fused engine on the CPU for networks that reconstruct windows. Loss, class weights and labels do not count; the
/// accuracy of a step is 0. There is no validation.
#[derive(Clone, Debug)]
pub struct ReconstructionEngine {
    engine: CpuEngine<f32>,
    task: Reconstruction,
}

impl ReconstructionEngine {
    /// An engine with a thread for each processor that this process may use.
    pub fn new(task: Reconstruction) -> Self {
        Self::with_engine(task, CpuEngine::new())
    }

    /// An engine with the threads of `engine`. Results do not depend on their number.
    pub fn with_engine(task: Reconstruction, engine: CpuEngine<f32>) -> Self {
        Self { engine, task }
    }
}

impl Engine for ReconstructionEngine {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn capacity(&self, member: &Member<'_>, windows: &WindowSet) -> usize {
        self.engine.capacity(member, windows)
    }

    /// # Errors
    /// Also a network of another number of outputs, windows to validate with, and mixed windows.
    fn open(&self, fleet: &[Member<'_>], windows: &WindowSet) -> Result<Box<dyn Session>, EngineError> {
        check_fleet(fleet, windows)?;
        for member in fleet {
            self.task.check(member.network)?;
            if !member.validation.is_empty() {
                return Err(EngineError::Input("a network that reconstructs windows is not validated".to_owned()));
            }
            if member.plan.augmentation.mix > 0.0 {
                return Err(EngineError::Input("windows that are reconstructed are not mixed".to_owned()));
            }
        }
        let _uploading = self.timings().phase(Phase::Uploading);
        let session = CpuSession::<f32>::new(self.engine.n_threads, fleet, windows, self.timings());
        Ok(Box::new(session.reconstructing(self.task)))
    }

    fn scorer(
        &self,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
    ) -> Result<Box<dyn Scorer>, EngineError> {
        self.engine.scorer(network, weights, scaler)
    }

    fn timings(&self) -> &Timings {
        self.engine.timings()
    }

    fn set_timings(&mut self, timings: &Timings) {
        self.engine.set_timings(timings);
    }
}

/// Where windows lie in a training, which decides what is hidden of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub seed: u64,
    /// Steps taken since the start of training.
    pub step: u64,
    /// The tile's first window in its batch.
    pub first: usize,
    /// Windows in the tile.
    pub n_windows: usize,
}

impl Reconstruction {
    /// Takes the targets from the windows of a tile, `x` (window × channels rows), and hides parts of these.
    pub(super) fn prepare<F: Float>(&self, place: Place, channels: usize, x: &mut [Row<F>], targets: &mut Vec<Row<F>>) {
        let n_positions = x.len() / channels / self.pool;
        targets.clear();
        targets.resize(n_positions * channels, Row::ZERO);
        let n = F::from_count(self.pool);
        for (position, targets) in targets.chunks_exact_mut(channels).enumerate() {
            for (channel, target) in targets.iter_mut().enumerate() {
                for sample in position * self.pool..(position + 1) * self.pool {
                    for (sum, &value) in target.0.iter_mut().zip(&x[sample * channels + channel].0) {
                        *sum += value;
                    }
                }
                target.0.iter_mut().for_each(|sum| *sum = *sum / n);
            }
        }
        for w in 0..place.n_windows.min(TILE) {
            let mut stream = Stream::with_layer(place.seed, Purpose::Pretrain, place.step, (place.first + w) as u32);
            for span in x.chunks_mut(self.span * channels) {
                if stream.uniform() < self.mask {
                    span.iter_mut().for_each(|row| row.0[w] = F::ZERO);
                }
            }
        }
    }
}
