//! Tests of the CPU engine: at f64 against formulas, central differences and Keras; at f32 against f64; and at both floats
//! the contract of a session.

mod activations;
mod central_differences;
mod family;
mod floats;
mod keras;
mod not_finite;
mod same_bits;
mod session;
mod stage;

use std::ops::ControlFlow;
use std::str::FromStr;

use crate::{
    Augmentation, Engine, Evaluation, Member, MemberEpoch, Optimizer, Session, SessionState, StepResult, Stretch,
    TrainingPlan, WindowSet,
};
use triax_losses::Loss;
use triax_model::random::{Purpose, Stream, epoch_order};
use triax_model::{Activation, ConvSpec, DenseSpec, Network, NetworkSpec, PoolKind, Scaler, Weights};

use super::affine::Affine;

/// Seed of all random numbers here.
const SEED: u64 = 11;

/// Numbers in [-1, 1), different for each `index`.
fn random(index: u64, n: usize) -> Vec<f32> {
    let mut stream = Stream::new(SEED, Purpose::Synthesise, index);
    (0..n).map(|_| 2.0 * stream.uniform() - 1.0).collect()
}

/// Random windows with random labels.
pub(super) fn window_set(spec: &NetworkSpec, n_windows: usize) -> WindowSet {
    let mut stream = Stream::new(SEED, Purpose::Synthesise, 1000);
    WindowSet {
        windows: random(1001, n_windows * spec.window * spec.channels).into(),
        labels: (0..n_windows).map(|_| stream.below(spec.classes as u32)).collect(),
        sample_weights: None,
    }
}

/// Glorot's weights, and biases that are not 0.
fn weights(network: &Network, seed: u64) -> Weights {
    let mut weights = Weights::glorot_uniform(network, seed);
    for (k, tensor) in weights.tensors.iter_mut().enumerate().filter(|(_, tensor)| tensor.shape.len() == 1) {
        let values = random(2000 + 100 * seed + k as u64, tensor.values.len());
        tensor.values.iter_mut().zip(values).for_each(|(bias, value)| *bias = 0.25 * value);
    }
    weights
}

pub(super) fn plan(loss: Loss, batch_size: usize) -> TrainingPlan {
    TrainingPlan {
        loss,
        optimizer: Optimizer::adam(),
        batch_size,
        clip_norm: None,
        class_weights: None,
        label_smoothing: 0.0,
        augmentation: Augmentation::default(),
        seed: 42,
    }
}

/// A convolution without padding, of which the sums are the output.
fn affine(input: (usize, usize), filters: usize, kernel: usize, stride: usize) -> Affine {
    let output = ((input.0 - kernel) / stride + 1, filters);
    Affine {
        input,
        margins: [0; 2],
        output,
        kernel,
        stride,
        dilation: 1,
        activation: Activation::Linear,
        parameters: 0,
    }
}

fn conv(filters: usize, kernel: usize, stride: usize, pool: Option<usize>) -> ConvSpec {
    ConvSpec::plain(filters, kernel, stride, pool)
}

/// A small network with every kind of layer.
fn small_network(dropout: f32) -> Network {
    let convs = vec![conv(5, 3, 2, Some(2)), conv(3, 2, 1, None)];
    Network::new(NetworkSpec {
        window: 17,
        channels: 3,
        convs,
        global_pool: None,
        dropout,
        hidden: DenseSpec::relu([7]),
        classes: 3,
    })
    .unwrap()
}

/// The family's corners: one to four blocks, with and without pooling, no to three hidden layers, with dropout; then all kinds
/// of padding, activation and pool.
fn family() -> Vec<NetworkSpec> {
    vec![
        NetworkSpec::default(),
        NetworkSpec {
            window: 1,
            channels: 1,
            convs: vec![conv(1, 1, 1, None)],
            global_pool: None,
            dropout: 0.0,
            hidden: DenseSpec::relu([]),
            classes: 2,
        },
        NetworkSpec {
            window: 31,
            channels: 2,
            convs: vec![conv(3, 5, 2, Some(3)), conv(5, 2, 1, None)],
            global_pool: None,
            dropout: 0.25,
            hidden: DenseSpec::relu([7, 5]),
            classes: 3,
        },
        NetworkSpec {
            window: 53,
            channels: 5,
            convs: vec![conv(7, 3, 1, Some(2)), conv(5, 3, 1, None), conv(3, 1, 2, Some(2)), conv(11, 2, 1, None)],
            global_pool: None,
            dropout: 0.5,
            hidden: DenseSpec::relu([11, 13, 7]),
            classes: 5,
        },
        NetworkSpec {
            window: 41,
            channels: 3,
            convs: layers("5:3:1:d4:2 14:2:1:d3:same:elu 6:3:1:d2:3/2"),
            global_pool: None,
            dropout: 0.25,
            hidden: layers("7"),
            classes: 3,
        },
        NetworkSpec {
            window: 29,
            channels: 3,
            convs: layers("5:4:1:avg3/2-same:same:elu 4:3:2:3/2:same:gelu"),
            global_pool: None,
            dropout: 0.25,
            hidden: layers("7:tanh 5:gelu"),
            classes: 3,
        },
        NetworkSpec {
            window: 23,
            channels: 2,
            convs: layers("6:5:2:same:leaky_relu=0.25 3:3:1:2/3:linear"),
            global_pool: Some(PoolKind::Average),
            dropout: 0.0,
            hidden: vec![],
            classes: 2,
        },
        NetworkSpec {
            window: 19,
            channels: 1,
            convs: layers("5:3:1:4/1-same:tanh 4:2:1:avg2:gelu"),
            global_pool: Some(PoolKind::Max),
            dropout: 0.3,
            hidden: layers("4:leaky_relu=0.1"),
            classes: 4,
        },
        // The first convolution goes with its pool; the second has a kernel longer than its input.
        NetworkSpec {
            window: 13,
            channels: 3,
            convs: layers("17:9:1:2:same:elu 3:20:3:same"),
            global_pool: None,
            dropout: 0.0,
            hidden: layers("5:elu"),
            classes: 3,
        },
    ]
}

/// Layers in their notation.
fn layers<T: FromStr<Err = String>>(notation: &str) -> Vec<T> {
    notation.split(' ').map(|layer| layer.parse().unwrap()).collect()
}

/// One model, and the epoch that it is trained for.
#[derive(Clone, Debug)]
struct Case {
    network: Network,
    weights: Weights,
    plan: TrainingPlan,
    scaler: Option<Scaler>,
    validation: Vec<u32>,
    order: Vec<u32>,
    learning_rate: f32,
}

impl Case {
    /// Trains on all of `n_windows` windows in a random order, and is validated with every third.
    fn new(network: Network, plan: TrainingPlan, n_windows: usize) -> Self {
        Self {
            weights: weights(&network, 1),
            network,
            plan,
            scaler: None,
            validation: (0..n_windows as u32).step_by(3).collect(),
            order: epoch_order(SEED, 0, n_windows),
            learning_rate: 0.01,
        }
    }

    fn member(&self) -> Member<'_> {
        Member {
            network: &self.network,
            weights: &self.weights,
            plan: &self.plan,
            scaler: self.scaler.as_ref(),
            validation: &self.validation,
        }
    }

    fn n_steps(&self) -> usize {
        self.plan.n_steps(self.order.len())
    }
}

/// The result of training one model.
#[derive(Clone, Debug, PartialEq)]
struct TrainingResult {
    results: Vec<StepResult>,
    state: SessionState,
    evaluation: Evaluation,
}

impl TrainingResult {
    /// All bits: `==` of floats does not distinguish zeros, and NaN is unequal to itself.
    fn bits(&self) -> Vec<u64> {
        let result = |r: &StepResult| [r.loss.to_bits(), r.correct, r.gradient_norm.to_bits()].map(u64::from);
        let tensors = [&self.state.weights].into_iter().chain(&self.state.moments).flat_map(|w| &w.tensors);
        let Evaluation { loss, confusion } = &self.evaluation;
        (self.results.iter().flat_map(result))
            .chain(tensors.flat_map(|tensor| &tensor.values).map(|value| value.to_bits().into()))
            .chain([self.state.updates, loss.to_bits()])
            .chain(confusion.rows().flatten().copied())
            .collect()
    }
}

/// Trains `fleet` for an epoch.
fn train(engine: &dyn Engine, fleet: &[&Case], windows: &WindowSet) -> Vec<TrainingResult> {
    let members: Vec<Member<'_>> = fleet.iter().map(|case| case.member()).collect();
    let rates: Vec<Vec<f32>> = fleet.iter().map(|case| vec![case.learning_rate; case.n_steps()]).collect();
    let epochs: Vec<MemberEpoch<'_>> = fleet
        .iter()
        .zip(&rates)
        .map(|(case, learning_rates)| MemberEpoch { order: &case.order, first_step: 3, learning_rates })
        .collect();
    let n_steps = fleet.iter().map(|case| case.n_steps()).max().unwrap();
    let mut session = engine.open(&members, windows).unwrap();
    let results = session.train(&Stretch { steps: 0..n_steps, members: &epochs }, &mut go_on).unwrap();
    let (evaluations, states) = (session.validate().unwrap(), session.state().unwrap());
    assert_eq!([results.len(), evaluations.len(), states.len()], [fleet.len(); 3]);
    let trained = results.into_iter().zip(states).zip(evaluations);
    trained.map(|((results, state), evaluation)| TrainingResult { results, state, evaluation }).collect()
}

/// A progress callback that never stops.
fn go_on(_: crate::Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Trains a session of one for an epoch at one learning rate.
fn epoch(session: &mut dyn Session, batch_size: usize, order: &[u32], first_step: u64) -> Vec<StepResult> {
    let n_steps = order.len().div_ceil(batch_size);
    let members = [MemberEpoch { order, first_step, learning_rates: &vec![0.01; n_steps] }];
    session.train(&Stretch { steps: 0..n_steps, members: &members }, &mut go_on).unwrap().remove(0)
}
