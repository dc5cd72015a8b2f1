//! One training step of the reference network at batch 32: the fused engine on the CPU in f32 and f64, and Burn on the
//! CPU and on the first GPU, software ones included.
//!
//! Run with `cargo bench -p triax-benches --bench reference_step`. Before an engine is timed, its losses are held against
//! the f64 reference.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use triax_burn::BurnEngine;
use triax_engine::CpuEngine;
use triax_engine::{Augmentation, Engine, Member, MemberEpoch, Optimizer, Session, Stretch, TrainingPlan, WindowSet};
use triax_losses::Loss;
use triax_model::random::{Purpose, Stream};
use triax_model::{Network, NetworkSpec, Weights};

const BATCH: usize = 32;
/// Steps that run without waiting for the device: an eighth of an epoch of the reference job.
const STEPS_A_STRETCH: usize = 32;

/// A session that walks over the same windows again and again.
struct Walk {
    session: Box<dyn Session>,
    order: Vec<u32>,
    n_steps: u64,
}

impl Walk {
    fn new(engine: &dyn Engine) -> Self {
        let network = Network::new(NetworkSpec::default()).expect("the reference network works");
        let weights = Weights::glorot_uniform(&network, 0);
        let plan = TrainingPlan {
            loss: Loss::SquaredHinge,
            optimizer: Optimizer::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 },
            batch_size: BATCH,
            clip_norm: None,
            class_weights: None,
            label_smoothing: 0.0,
            augmentation: Augmentation::default(),
            seed: 0,
        };
        let windows = noise(STEPS_A_STRETCH * BATCH, network.spec());
        let member = Member { network: &network, weights: &weights, plan: &plan, scaler: None, validation: &[] };
        let session = engine.open(&[member], &windows).expect("the session opens");
        Self { session, order: (0..windows.len() as u32).collect(), n_steps: 0 }
    }

    /// Runs `n` steps, at most a stretch, waits for the device, and returns the losses.
    fn run(&mut self, n: usize) -> Vec<f32> {
        let learning_rates = vec![1e-3; n];
        let epoch = MemberEpoch { order: &self.order, first_step: self.n_steps, learning_rates: &learning_rates };
        let stretch = Stretch { steps: 0..n, members: &[epoch] };
        let results = self.session.train(&stretch, &mut |_| ControlFlow::Continue(())).expect("the steps run");
        self.n_steps += n as u64;
        results[0].iter().map(|result| result.loss).collect()
    }

    /// The time that `n` steps take.
    fn time(&mut self, n: u64) -> Duration {
        let start = Instant::now();
        let mut left = n as usize;
        while left > 0 {
            let now = left.min(STEPS_A_STRETCH);
            self.run(now);
            left -= now;
        }
        start.elapsed()
    }
}

/// Windows of unit variance with the classes in turn.
fn noise(n: usize, spec: &NetworkSpec) -> WindowSet {
    let mut stream = Stream::new(0, Purpose::Synthesise, 0);
    let windows = (0..n * spec.window * spec.channels).map(|_| 3_f32.sqrt() * (2.0 * stream.uniform() - 1.0));
    let labels = (0..n).map(|window_idx| (window_idx % spec.classes) as u32);
    WindowSet { windows: windows.collect(), labels: labels.collect(), sample_weights: None }
}

fn reference_step(criterion: &mut Criterion) {
    let expected = Walk::new(&CpuEngine::<f64>::new()).run(4);
    let cpu = triax_engine::device::DeviceInfo::cpu();
    let mut engines: Vec<(&str, String, Box<dyn Engine>)> = vec![
        ("fused, f32", cpu.to_string(), Box::new(CpuEngine::<f32>::new())),
        ("fused, f64", cpu.to_string(), Box::new(CpuEngine::<f64>::new())),
        ("burn", cpu.to_string(), Box::new(BurnEngine::cpu())),
    ];
    match triax_engine::device::list().into_iter().find_map(|device| device.index) {
        Some(index) => {
            let opened = triax_engine::device::open(index).expect("the GPU opens");
            let burn = BurnEngine::gpu(&opened).expect("Burn runs on the GPU");
            engines.push(("burn", opened.info.to_string(), Box::new(burn)));
        }
        None => eprintln!("reference_step on a GPU: skipped, this machine has none"),
    }
    let mut group = criterion.benchmark_group("reference_step");
    group.throughput(Throughput::Elements(BATCH as u64)).sample_size(20);
    for (name, device, engine) in engines {
        let mut walk = Walk::new(&*engine);
        for (step, (loss, truth)) in walk.run(expected.len()).into_iter().zip(&expected).enumerate() {
            assert!(
                (loss - truth).abs() <= 1e-5 * truth,
                "{name} on {device}, step {step}: a loss of {loss}, not {truth}"
            );
        }
        group.bench_function(BenchmarkId::new(name, device), |bencher| {
            bencher.iter_custom(|n| walk.time(n));
        });
    }
}

criterion_group!(benches, reference_step);
criterion_main!(benches);
