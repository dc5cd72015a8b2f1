//! A hundred steps on the CPU at f32 against those at f64.
//!
//! Two runs diverge from the first step in which rounding decides a ReLU, the maximum of a pool or the margin of a
//! hinge differently. This becomes more likely with more units, so every optimizer and loss is tested in a small
//! network, and each loss once in the reference network.

mod fixtures;

use std::ops::ControlFlow;

use fixtures::{conv, plan};
use triax_engine::CpuEngine;
use triax_engine::{Engine, Member, MemberEpoch, Optimizer, Stretch, TrainingPlan, WindowSet};
use triax_losses::Loss;
use triax_model::random::{Purpose, Stream, epoch_order};
use triax_model::{DenseSpec, Network, NetworkSpec, Weights};
use triax_testing::{Tolerance, assert_close};

const SEED: u64 = 11;
const N_STEPS: usize = 100;
const BATCH_SIZE: usize = 32;

/// Windows of noise around a mean that depends on their class, no two alike. One label in five is drawn anew, so that
/// the loss never comes near 0, where a relative error would mean nothing.
fn windows(spec: &NetworkSpec) -> WindowSet {
    let mut stream = Stream::new(SEED, Purpose::Synthesise, 0);
    let n_windows = N_STEPS * BATCH_SIZE;
    let mut labels: Vec<u32> = (0..n_windows).map(|_| stream.below(spec.classes as u32)).collect();
    let mut values = Vec::with_capacity(n_windows * spec.window * spec.channels);
    for label in &mut labels {
        for channel in (0..spec.channels).cycle().take(spec.window * spec.channels) {
            let mean = (*label as usize * (channel + 1) % 5) as f32 / 4.0 - 0.5;
            values.push(mean + stream.normal() as f32);
        }
        if stream.uniform() < 0.2 {
            *label = stream.below(spec.classes as u32);
        }
    }
    WindowSet { windows: values.into(), labels: labels.into(), sample_weights: None }
}

/// Loss of each step.
fn losses(engine: &dyn Engine, network: &Network, plan: &TrainingPlan, learning_rate: f32) -> Vec<f32> {
    let windows = windows(network.spec());
    let weights = Weights::glorot_uniform(network, SEED);
    let member = Member { network, weights: &weights, plan, scaler: None, validation: &[] };
    let order = epoch_order(SEED, 0, windows.len());
    let members = [MemberEpoch { order: &order, first_step: 0, learning_rates: &[learning_rate; N_STEPS] }];
    let mut session = engine.open(&[member], &windows).unwrap();
    let stretch = Stretch { steps: 0..N_STEPS, members: &members };
    let results = session.train(&stretch, &mut |_| ControlFlow::Continue(())).unwrap();
    results[0].iter().map(|result| result.loss).collect()
}

fn assert_follows(network: &Network, loss: Loss, optimizer: Optimizer, learning_rate: f32) {
    let plan = TrainingPlan { optimizer, seed: SEED, ..plan(loss, BATCH_SIZE) };
    let fast = losses(&CpuEngine::<f32>::new(), network, &plan, learning_rate);
    let truth = losses(&CpuEngine::<f64>::new(), network, &plan, learning_rate);
    let truth: Vec<f64> = truth.into_iter().map(f64::from).collect();
    assert_eq!(truth.len(), N_STEPS);
    let what = format!("{loss}, {optimizer:?}");
    let agreement = assert_close(&what, &fast, &truth, Tolerance::Relative(1e-5));
    println!("{what}: {:.3} of the bound, last loss {}", agreement.share_of_bound, fast[N_STEPS - 1]);
}

const OPTIMIZERS: [(Optimizer, f32); 7] = [
    (Optimizer::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }, 1e-3),
    (Optimizer::AdamW { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, weight_decay: 0.004 }, 1e-3),
    (Optimizer::Sgd { momentum: 0.0, nesterov: false }, 1e-2),
    (Optimizer::Sgd { momentum: 0.9, nesterov: false }, 1e-2),
    (Optimizer::Sgd { momentum: 0.9, nesterov: true }, 1e-2),
    (Optimizer::RmsProp { rho: 0.9, momentum: 0.0, epsilon: 1e-7 }, 1e-3),
    (Optimizer::RmsProp { rho: 0.9, momentum: 0.5, epsilon: 1e-7 }, 1e-3),
];

#[test]
fn every_optimizer_and_loss_follows_f64() {
    println!("seed {SEED}");
    let convs = vec![conv(5, 3, 2, Some(2)), conv(3, 2, 1, None)];
    let spec = NetworkSpec {
        window: 17,
        channels: 3,
        convs,
        global_pool: None,
        dropout: 0.0,
        hidden: DenseSpec::relu([7]),
        classes: 3,
    };
    let network = Network::new(spec).unwrap();
    for loss in Loss::ALL {
        for (optimizer, learning_rate) in OPTIMIZERS {
            assert_follows(&network, loss, optimizer, learning_rate);
        }
    }
}

#[test]
fn the_reference_network_follows_f64() {
    println!("seed {SEED}");
    let network = Network::new(NetworkSpec { dropout: 0.0, ..NetworkSpec::default() }).unwrap();
    for (loss, (optimizer, learning_rate)) in Loss::ALL.into_iter().zip(OPTIMIZERS) {
        assert_follows(&network, loss, optimizer, learning_rate);
    }
}
