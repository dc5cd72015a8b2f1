//! Networks, windows and engines for the tests.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use triax_burn::BurnEngine;
use triax_engine::device::{DeviceChoice, choose, list, open};
use triax_engine::{
    Augmentation, Engine, EngineError, Member, MemberEpoch, Optimizer, Progress, Session, StepResult, Stretch,
    TrainingPlan, WindowSet,
};
use triax_losses::Loss;
use triax_model::random::{Purpose, Stream, epoch_order};
use triax_model::{ConvSpec, DenseSpec, Network, NetworkSpec, Weights};

/// The CPU, and a GPU where there is one. `test` is named where it must go without.
pub fn engines(test: &str) -> Vec<(&'static str, BurnEngine)> {
    let gpu = triax_testing::gpu_or_skip(test, gpu());
    [("cpu", BurnEngine::cpu())].into_iter().chain(gpu.map(|gpu| ("gpu", gpu))).collect()
}

/// Burn keeps a GPU until the process ends, so all tests share one.
fn gpu() -> Option<BurnEngine> {
    static GPU: OnceLock<Option<BurnEngine>> = OnceLock::new();
    let open = || {
        let index = choose(DeviceChoice::Gpu(None), &list()).ok()?.info.index?;
        Some(BurnEngine::gpu(&open(index).expect("a listed GPU opens")).expect("Burn runs on it"))
    };
    GPU.get_or_init(open).clone()
}

/// The reference network, with this rate of dropout.
pub fn reference_network(dropout: f32) -> Network {
    Network::new(NetworkSpec { dropout, ..NetworkSpec::default() }).unwrap()
}

/// A small network: 20×2 windows, four classes.
pub fn small_network(dropout: f32) -> Network {
    Network::new(NetworkSpec {
        window: 20,
        channels: 2,
        convs: vec![ConvSpec::plain(5, 3, 1, Some(2)), ConvSpec::plain(7, 2, 2, None)],
        global_pool: None,
        dropout,
        hidden: DenseSpec::relu([9]),
        classes: 4,
    })
    .unwrap()
}

/// Windows of noise around a mean and an oscillation that depend on their class, so that there is something to learn.
/// One label in five is drawn anew, so that the loss never comes near 0, where a relative error would mean nothing.
pub fn windows(network: &Network, n_windows: usize) -> WindowSet {
    let spec = network.spec();
    let mut stream = Stream::new(1, Purpose::Synthesise, 0);
    let labels: Vec<u32> = (0..n_windows).map(|_| stream.below(spec.classes as u32)).collect();
    let mut values = Vec::with_capacity(n_windows * spec.window * spec.channels);
    let mut told = labels.clone();
    for (&label, told) in labels.iter().zip(&mut told) {
        if stream.uniform() < 0.2 {
            *told = stream.below(spec.classes as u32);
        }
        for sample in 0..spec.window {
            for channel in 0..spec.channels {
                let phase = (label + 1) as f64 * 0.3 * sample as f64 + channel as f64;
                values.push((0.4 * f64::from(label) - 0.8 + phase.sin() + 0.7 * stream.normal()) as f32);
            }
        }
    }
    WindowSet { windows: values.into(), labels: told.into(), sample_weights: None }
}

/// Squared hinge, Adam, batches of 32.
pub fn plan() -> TrainingPlan {
    TrainingPlan {
        loss: Loss::SquaredHinge,
        optimizer: Optimizer::adam(),
        batch_size: 32,
        clip_norm: None,
        class_weights: None,
        label_smoothing: 0.0,
        augmentation: Augmentation::default(),
        seed: 11,
    }
}

/// Opens a session of one model that takes the values of the windows as they are.
pub fn open_session(
    engine: &dyn Engine,
    network: &Network,
    weights: &Weights,
    windows: &WindowSet,
    validation: &[u32],
) -> Result<Box<dyn Session>, EngineError> {
    let plan = &plan();
    engine.open(&[Member { network, weights, plan, scaler: None, validation }], windows)
}

/// Takes the first steps of an epoch, one for each learning rate.
pub fn first_steps(session: &mut dyn Session, order: &[u32], learning_rates: &[f32]) -> Vec<StepResult> {
    let epoch = MemberEpoch { order, first_step: 0, learning_rates };
    let stretch = Stretch { steps: 0..learning_rates.len(), members: &[epoch] };
    session.train(&stretch, &mut |_| ControlFlow::Continue(())).unwrap().remove(0)
}

/// A run over some windows, an epoch at a time.
pub struct Run {
    pub session: Box<dyn Session>,
    plan: TrainingPlan,
    n_windows: usize,
}

impl Run {
    /// Trains on all of `windows`, and validates with the first fifty.
    pub fn new(engine: &dyn Engine, network: &Network, plan: &TrainingPlan, windows: &WindowSet) -> Self {
        let weights = Weights::glorot_uniform(network, 5);
        let validation: Vec<u32> = (0..windows.len().min(50) as u32).collect();
        let member = Member { network, weights: &weights, plan, scaler: None, validation: &validation };
        let session = engine.open(&[member], windows).unwrap();
        Self { session, plan: plan.clone(), n_windows: windows.len() }
    }

    /// Takes steps `first..end`, counted from the start of the run, or until `stop` says so.
    pub fn steps(&mut self, first: usize, end: usize, stop: impl Fn(usize) -> bool + Sync) -> Vec<StepResult> {
        let n_steps = self.plan.n_steps(self.n_windows);
        let mut results = Vec::new();
        let mut at = first;
        while at < end {
            let epoch = at / n_steps;
            let first_step = epoch * n_steps;
            let steps = at - first_step..(end - first_step).min(n_steps);
            at = first_step + steps.end;
            let member = MemberEpoch {
                order: &epoch_order(3, epoch, self.n_windows),
                first_step: first_step as u64,
                learning_rates: &vec![1e-3; steps.len()],
            };
            let stretch = Stretch { steps: steps.clone(), members: &[member] };
            let mut watch = |done: Progress| match stop(first_step + steps.start + done.steps - 1) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            let taken = self.session.train(&stretch, &mut watch).unwrap().remove(0);
            let cut = taken.len() < steps.len();
            results.extend(taken);
            if cut {
                break;
            }
        }
        results
    }

    /// Takes the first `n_steps` steps.
    pub fn first(&mut self, n_steps: usize) -> Vec<StepResult> {
        self.steps(0, n_steps, |_| false)
    }
}

/// The losses of steps at f64.
pub fn losses(results: &[StepResult]) -> Vec<f64> {
    results.iter().map(|result| f64::from(result.loss)).collect()
}
