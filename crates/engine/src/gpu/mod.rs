//! The GPU executor: the stages of a step in WGSL, on one wgpu device.
//!
//! Windows, weights, moments and activations stay on the device, and a stretch is submitted without reading anything back.
//! [`plan`] decides what a fleet runs, and knows no device; the other modules drive it. Every buffer and every grid has a
//! model axis. `kernels/README.md` and the headers of the kernels describe what they compute, and the layouts.

mod bound;
mod device;
mod evaluation;
mod gradients;
mod plan;
mod scorer;
mod session;
mod stage_clock;
mod submissions;
mod windows;

use crate::device::OpenGpu;
use crate::{
    Engine, EngineError, Member, Phase, Scorer, Session, Timings, TrainingPlan, WindowSet, check_fleet, check_scorer,
};
use triax_model::{Network, Scaler, Weights};

use device::Device;
use plan::{AugmentationKinds, Batch, Ending, FleetKey, FleetSize, Layout, OptimizerForm, Program, check_layout};
use scorer::GpuScorer;
use session::{GpuSession, Options};

/// Trains on a GPU.
#[derive(Clone, Debug)]
pub struct GpuEngine {
    device: Device,
    options: Options,
    timings: Timings,
}

impl GpuEngine {
    /// The engine on `opened`. It replaces the error callbacks of the device.
    ///
    /// # Errors
    /// A device whose limits are too low.
    pub fn new(opened: &OpenGpu) -> Result<Self, EngineError> {
        let device = Device::new(opened)?;
        let options = Options { most_window_bytes: device.most_bytes(), planned_models: None, subgroups: true };
        Ok(Self { device, options, timings: Timings::off() })
    }

    /// Limits a buffer of windows to `bytes`. A larger data set is streamed through two such buffers, with the same
    /// results.
    pub fn with_window_bytes(mut self, bytes: u64) -> Self {
        self.options.most_window_bytes = self.options.most_window_bytes.min(bytes);
        self
    }

    /// Takes the kernels that are made for fleets of `models` models, instead of those for the fleet at hand. How a long sum
    /// is split depends on the size of a fleet, and with it the last bits of its results.
    pub fn with_kernels_for(mut self, models: usize) -> Self {
        self.options.planned_models = Some(models);
        self
    }

    /// Takes kernels without subgroups, also on a device that has them.
    pub fn without_subgroups(mut self) -> Self {
        self.options.subgroups = false;
        self
    }

    /// The number of kernels that it has compiled so far. Sessions and scorers share them.
    pub fn n_kernels(&self) -> usize {
        self.device.n_kernels()
    }

    /// The number of times that it has read something back from the device so far.
    pub fn n_read_backs(&self) -> usize {
        self.device.n_read_backs()
    }
}

impl Engine for GpuEngine {
    fn name(&self) -> &'static str {
        "fused"
    }

    fn capacity(&self, member: &Member<'_>, _windows: &WindowSet) -> usize {
        session::capacity(&self.device, member, &self.options)
    }

    fn open(&self, fleet: &[Member<'_>], windows: &WindowSet) -> Result<Box<dyn Session>, EngineError> {
        check_fleet(fleet, windows)?;
        check_layout(fleet[0].network)?;
        let _uploading = self.timings.phase(Phase::Uploading);
        Ok(Box::new(GpuSession::new(&self.device, fleet, windows, &self.options, &self.timings)?))
    }

    fn open_part(
        &self,
        fleet: &[Member<'_>],
        windows: &WindowSet,
        planned: usize,
    ) -> Result<Box<dyn Session>, EngineError> {
        self.clone().with_kernels_for(planned).open(fleet, windows)
    }

    fn scorer(
        &self,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
    ) -> Result<Box<dyn Scorer>, EngineError> {
        check_scorer(network, weights, scaler)?;
        check_layout(network)?;
        let network = (network, weights, scaler);
        Ok(Box::new(GpuScorer::new(&self.device, network, &self.options, &self.timings)?))
    }

    fn timings(&self) -> &Timings {
        &self.timings
    }

    fn set_timings(&mut self, timings: &Timings) {
        self.timings = timings.clone();
    }
}

/// The WGSL of every stage of a training step, of an evaluation and of scoring, in order, each with a name: what a fleet of
/// `models` models with this network and plan runs on a device without subgroups.
///
/// # Errors
/// What [`TrainingPlan::check`] refuses; also pools that are too large to number their positions.
pub fn wgsl(network: &Network, plan: &TrainingPlan, models: usize) -> Result<Vec<(String, String)>, EngineError> {
    plan.check(network)?;
    check_layout(network)?;
    let layout = Layout::new(network);
    let key = FleetKey {
        size: FleetSize::of(models),
        losses: vec![plan.training_loss()],
        optimizer: OptimizerForm::new(&plan.optimizer),
        scaled: true,
        drops: plan::dropout(network) > 0.0,
        clips: plan.clip_norm.is_some(),
        augmentation: AugmentationKinds::union(std::iter::once(&plan.augmentation)),
        training: Batch::new(plan.batch_size),
        evaluation: Batch::of_tiles(1),
        subgroup: 1,
        layout,
    };
    let passes = [
        ("step", Program::training(&key)),
        ("evaluation", Program::evaluation(&key, Ending::Judged)),
        ("scoring", Program::evaluation(&key, Ending::Scored)),
    ];
    let named = |(pass, program): (&str, Program)| {
        let stages = program.stages.into_iter().chain(program.results).enumerate();
        let named = stages.map(|(n, stage)| (format!("{pass} {} {}", n + 1, stage.name), stage.source));
        named.collect::<Vec<_>>()
    };
    Ok(passes.into_iter().flat_map(named).collect())
}
