//! What the GPU's tests share: a device, and cases made of random numbers.
#![allow(dead_code, reason = "each test binary uses its part")]

use triax_engine::{Augmentation, Member, Optimizer, TrainingPlan, WindowSet};
use triax_engine::{GpuEngine, Stages};
use triax_losses::Loss;
use triax_model::random::{Purpose, Stream};
use triax_model::{Network, NetworkSpec, Scaler, Weights};
use triax_testing::gpu_or_skip;

/// The engine on the first GPU of this machine, be it a software one.
pub fn gpu(test: &str) -> Option<GpuEngine> {
    let opened = gpu_or_skip(test, triax_engine::device::open(0).ok())?;
    Some(GpuEngine::new(&opened).expect("a GPU that computes"))
}

/// A network, weights without zeros, a plan, and random windows.
#[derive(Clone, Debug)]
pub struct Case {
    pub network: Network,
    pub weights: Weights,
    pub plan: TrainingPlan,
    pub set: WindowSet,
    pub scaler: Option<Scaler>,
    pub validation: Vec<u32>,
}

impl Case {
    /// With two batches' worth of windows.
    pub fn new(spec: &NetworkSpec, loss: Loss, batch_size: usize) -> Self {
        let network = Network::new(spec.clone()).unwrap();
        let mut stream = Stream::new(7, Purpose::Synthesise, 3);
        let mut symmetric = || 2.0 * stream.uniform() - 1.0;
        let mut weights = Weights::glorot_uniform(&network, 1);
        for tensor in weights.tensors.iter_mut().filter(|tensor| tensor.name.ends_with(".bias")) {
            tensor.values.fill_with(|| 0.3 * symmetric());
        }
        let plan = TrainingPlan {
            loss,
            optimizer: Optimizer::adam(),
            batch_size,
            clip_norm: None,
            class_weights: Some((0..spec.classes).map(|_| 0.5 + stream.uniform()).collect()),
            augmentation: Augmentation::default(),
            seed: 0x1234_5678_9abc_def0,
        };
        let none = WindowSet { windows: [].into(), labels: [].into(), sample_weights: None };
        let validation = (0..2 * batch_size as u32).rev().collect();
        let case = Self { network, weights, plan, set: none, scaler: None, validation };
        Self { set: case.random_windows(2 * batch_size), ..case }
    }

    /// So many windows, no two alike.
    pub fn random_windows(&self, n_windows: usize) -> WindowSet {
        let spec = self.network.spec();
        let mut stream = Stream::new(8, Purpose::Synthesise, 4);
        WindowSet {
            windows: (0..n_windows * spec.window * spec.channels).map(|_| 2.0 * stream.uniform() - 1.0).collect(),
            labels: (0..n_windows).map(|_| stream.below(spec.classes as u32)).collect(),
            sample_weights: Some((0..n_windows).map(|_| 0.5 + stream.uniform()).collect()),
        }
    }

    /// So many different windows, in no order.
    pub fn indices(&self, n: usize) -> Vec<u32> {
        triax_model::random::epoch_order(3, 0, self.set.len())[..n].to_vec()
    }

    pub fn member(&self) -> Member<'_> {
        Member {
            network: &self.network,
            weights: &self.weights,
            plan: &self.plan,
            scaler: self.scaler.as_ref(),
            validation: &self.validation,
        }
    }

    pub fn gradients(&self, engine: &GpuEngine, indices: &[u32], step: u64) -> Stages {
        engine.gradients(&self.network, &self.weights, &self.plan, &self.set, indices, step).unwrap()
    }
}

/// The f64 truth of a batch.
pub fn truth(case: &Case, indices: &[u32], step: u64) -> Stages {
    triax_engine::gradients(&case.network, &case.weights, &case.plan, &case.set, indices, step).unwrap()
}
