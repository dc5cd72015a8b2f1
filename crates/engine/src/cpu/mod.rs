//! The CPU executor, generic over the float: f32 is the fast path, f64 the reference that all other engines are tested
//! against.
//!
//! A step is two passes. [`sample_pass`] runs each tile of 16 windows through all layers and back; [`parameter_pass`]
//! sums the gradient of each parameter over the batch and updates it. Arithmetic is on rows of 16 values. It is
//! compiled once for each set of vector instructions, and the set is chosen at run time.

mod activation;
mod affine;
mod augment;
mod dropout;
mod feature_map;
mod first_block;
mod float;
mod gather;
mod gradients;
mod layers;
mod loss;
mod memory;
mod model;
mod parameter_pass;
mod pool;
mod product;
mod row;
mod sample_pass;
mod scores;
mod session;
mod stage_times;
mod team;
#[cfg(test)]
mod tests;
mod thread_choice;
mod transpose;
mod update;

use std::marker::PhantomData;

use crate::{Engine, EngineError, Member, Phase, Scorer, Session, Timings, WindowSet, check_fleet};
pub use float::Float;
pub use gradients::{BatchTrace, gradients};
pub use stage_times::{StageTime, stage_times};
use triax_model::{Network, Scaler, Weights};

use scores::CpuScorer;
use session::CpuSession;

/// The fused engine on the CPU.
#[derive(Clone, Debug)]
pub struct CpuEngine<F = f32> {
    n_threads: usize,
    timings: Timings,
    float: PhantomData<F>,
}

impl<F: Float> CpuEngine<F> {
    /// An engine with a thread for each processor that this process may use.
    pub fn new() -> Self {
        Self::with_threads(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// An engine with up to `n_threads` threads, at least one. Results do not depend on their number. The steps of a single
    /// model run on as many of them as are fastest at the time.
    pub fn with_threads(n_threads: usize) -> Self {
        Self { n_threads: n_threads.max(1), timings: Timings::off(), float: PhantomData }
    }
}

impl<F: Float> Default for CpuEngine<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Float> CpuEngine<F> {
    fn session(&self, fleet: &[Member<'_>], windows: &WindowSet) -> Result<Box<dyn Session>, EngineError> {
        check_fleet(fleet, windows)?;
        let _uploading = self.timings.phase(Phase::Uploading);
        Ok(Box::new(CpuSession::<F>::new(self.n_threads, fleet, windows, &self.timings)))
    }

    fn scorer_of(
        &self,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
    ) -> Result<Box<dyn Scorer>, EngineError> {
        Ok(Box::new(CpuScorer::<F>::new(self.n_threads, network, weights, scaler, &self.timings)?))
    }
}

/// The bytes that a model takes in a session and in the trainer, which keeps its newest state and its best weights. The
/// workspaces of the threads, a few MB each, do not grow with the fleet.
fn bytes_of_a_model<F>(member: &Member<'_>) -> u64 {
    let n_states = 1 + member.plan.optimizer.moment_names().len();
    let a_parameter = n_states * size_of::<F>() + (n_states + 1) * size_of::<f32>();
    (member.network.n_parameters() * a_parameter + size_of_val(member.validation)) as u64
}

/// Implements the engine for each float by itself, so that this crate compiles it: a generic implementation would be
/// compiled again, for all instruction sets, in each crate that uses it, which takes minutes.
macro_rules! engine {
    ($($float:ident),*) => {$(
        impl Engine for CpuEngine<$float> {
            fn name(&self) -> &'static str {
                "fused"
            }

            /// As many as fit half of the available memory.
            fn capacity(&self, member: &Member<'_>, _: &WindowSet) -> usize {
                let fitting = memory::for_a_fleet() / bytes_of_a_model::<$float>(member);
                usize::try_from(fitting).unwrap_or(usize::MAX).max(1)
            }

            fn open(&self, fleet: &[Member<'_>], windows: &WindowSet) -> Result<Box<dyn Session>, EngineError> {
                self.session(fleet, windows)
            }

            fn scorer(
                &self,
                network: &Network,
                weights: &Weights,
                scaler: Option<&Scaler>,
            ) -> Result<Box<dyn Scorer>, EngineError> {
                self.scorer_of(network, weights, scaler)
            }

            fn timings(&self) -> &Timings {
                &self.timings
            }

            fn set_timings(&mut self, timings: &Timings) {
                self.timings = timings.clone();
            }
        }
    )*};
}
engine!(f32, f64);
