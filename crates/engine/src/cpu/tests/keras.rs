//! The engine at f64 against Keras: the golden files that `crates/engine/golden/generate.py` wrote at float64.
//!
//! Weights and data are not in the files; both sides make them from [`hash32`].

use crate::{Augmentation, MemberEpoch, Optimizer, TrainingPlan, WindowSet};
use serde::Deserialize;
use triax_losses::Loss;
use triax_model::{Layer, Network, NetworkSpec, Parameter, Weights};
use triax_testing::{Tolerance, assert_close, golden};

use super::super::gradients;
use super::super::model::{BatchResult, Model, Shape, StepContext, Workspace};
use super::super::parameter_pass::update_pass;
use super::super::team::Team;
use super::super::update::{Slots, Update};
use super::Case;

/// Values of each parameter tensor.
type Tensors = Vec<Vec<f64>>;

/// Two programs that sum up to 100,000 terms in different orders at f64.
const F64: f64 = 1e-13;

const WINDOWS: u32 = 1;
const LABELS: u32 = 2;
const SAMPLE_WEIGHTS: u32 = 3;
const PARAMETERS: u32 = 100;

/// lowbias32 (Wellons, "Prospecting for hash functions") of `n·0x9E3779B9 + stream·0x85EBCA6B`.
fn hash32(stream: u32, n: u32) -> u32 {
    let mut x = n.wrapping_mul(0x9E37_79B9).wrapping_add(stream.wrapping_mul(0x85EB_CA6B));
    x ^= x >> 16;
    x = x.wrapping_mul(0x21F0_AAAD);
    x ^= x >> 15;
    x = x.wrapping_mul(0x735A_2D97);
    x ^ x >> 15
}

/// The top 16 bits in [-1, 1).
fn signed(stream: u32, n: usize) -> f32 {
    (hash32(stream, n as u32) >> 16) as f32 / 32768.0 - 1.0
}

fn window_set(spec: &NetworkSpec, n_windows: usize, weighted: bool) -> WindowSet {
    let labels: Vec<u32> = (0..n_windows as u32).map(|n| hash32(LABELS, n) % spec.classes as u32).collect();
    let n_values = spec.window * spec.channels;
    let value = |i: usize| {
        let (label, channel) = (labels[i / n_values] as usize, i % spec.channels);
        signed(WINDOWS, i) / 2.0 + ((label * (channel + 1) % 5) as f32 - 2.0) / 8.0
    };
    WindowSet {
        windows: (0..n_windows * n_values).map(value).collect(),
        sample_weights: weighted
            .then(|| (0..n_windows as u32).map(|n| (hash32(SAMPLE_WEIGHTS, n) % 8 + 1) as f32 / 4.0).collect()),
        labels: labels.into(),
    }
}

/// The largest power of two within `glorot_uniform`'s limit; 1/16 for a bias.
fn scale(parameter: &Parameter) -> f32 {
    match parameter.fan_in + parameter.fan_out {
        0 => 0.0625,
        fans => (6.0 / fans as f32).sqrt().log2().floor().exp2(),
    }
}

fn hashed_weights(network: &Network) -> Weights {
    let mut weights = Weights::zeros(network);
    for (k, (parameter, tensor)) in network.parameters().iter().zip(&mut weights.tensors).enumerate() {
        for (i, value) in tensor.values.iter_mut().enumerate() {
            *value = scale(parameter) * signed(PARAMETERS + k as u32, i);
        }
    }
    weights
}

fn plan(loss: Loss, optimizer: Optimizer, batch_size: usize) -> TrainingPlan {
    TrainingPlan {
        loss,
        optimizer,
        batch_size,
        clip_norm: None,
        class_weights: None,
        label_smoothing: 0.0,
        augmentation: Augmentation::default(),
        seed: 0,
    }
}

fn golden_file(name: &str) -> String {
    format!("{}/golden/{name}.json", env!("CARGO_MANIFEST_DIR"))
}

/// What is stored of a tensor.
#[derive(Deserialize)]
struct Summary {
    norm: f64,
    sum: f64,
    entries: Vec<(usize, f64)>,
}

impl Summary {
    /// Bounds are relative to the tensor's norm: a sum of many terms of both signs may be much smaller than they are.
    #[track_caller]
    fn assert_holds(&self, what: &str, values: &[f64]) {
        let bound = F64 * self.norm;
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        assert_close(&format!("norm of {what}"), &[norm], &[self.norm], Tolerance::Absolute(bound));
        let sum_bound = bound * (values.len() as f64).sqrt();
        let error = (values.iter().sum::<f64>() - self.sum).abs();
        assert!(error <= sum_bound, "the sum of {what} is off by {error}, bound {sum_bound}");
        let expected: Vec<f64> = self.entries.iter().map(|(_, value)| *value).collect();
        let actual: Vec<f64> = self.entries.iter().map(|(i, _)| values[*i]).collect();
        assert_close(what, &actual, &expected, Tolerance::Absolute(bound));
    }
}

#[derive(Deserialize)]
struct Optimizers {
    cases: Vec<OptimizerCase>,
}

#[derive(Deserialize)]
struct OptimizerCase {
    optimizer: Optimizer,
    clip_norm: Option<f64>,
    initial: Tensors,
    steps: Vec<OptimizerStep>,
}

#[derive(Deserialize)]
struct OptimizerStep {
    learning_rate: f64,
    gradients: Tensors,
    after: Tensors,
}

#[test]
fn every_optimizer_takes_the_steps_of_keras() {
    let file: Optimizers = golden(golden_file("optimizers"));
    assert_eq!(file.cases.len(), 10);
    let mut largest = 0.0_f64;
    for case in file.cases {
        let mut parameters = case.initial.concat();
        let n_moments = case.optimizer.moment_names().len();
        let moment = |i| vec![0.0; if i < n_moments { parameters.len() } else { 0 }];
        let [mut m, mut v] = [moment(0), moment(1)];
        for (i, step) in case.steps.into_iter().enumerate() {
            let mut gradient = step.gradients.concat();
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            let scale = case.clip_norm.map_or(1.0, |bound| {
                assert!(norm > bound, "the case is there to be clipped");
                bound / norm
            });
            let update = Update::new(case.optimizer, step.learning_rate, i as u64 + 1);
            let slots = Slots { parameters: &mut parameters, moments: [&mut m, &mut v] };
            Team::scope(2, |team| update_pass(team, update, scale, slots, &mut gradient));
            let what = format!("{:?} after step {i}", case.optimizer);
            let agreement = assert_close(&what, &parameters, &step.after.concat(), Tolerance::Absolute(3e-16));
            largest = largest.max(agreement.largest_error);
        }
    }
    println!("largest error of a parameter: {largest:e}");
}

#[derive(Deserialize)]
struct Networks {
    cases: Vec<NetworkCase>,
}

/// Networks with what the family has beyond the reference network.
#[derive(Deserialize)]
struct Family {
    optimizer: Optimizer,
    learning_rate: f32,
    cases: Vec<FamilyCase>,
}

#[derive(Deserialize)]
struct FamilyCase {
    #[serde(flatten)]
    case: NetworkCase,
    steps: Steps,
}

/// The first steps of training.
#[derive(Deserialize)]
struct Steps {
    losses: Vec<f64>,
    weights: Vec<Summary>,
}

#[derive(Deserialize)]
struct NetworkCase {
    spec: NetworkSpec,
    loss: Loss,
    batch: usize,
    weighted: bool,
    parameters: Vec<NamedParameter>,
    activations: Vec<Activation>,
    scores: Vec<f64>,
    value: f64,
    gradients: Vec<Summary>,
}

#[derive(Deserialize)]
struct NamedParameter {
    name: String,
    shape: Vec<usize>,
    scale: f32,
}

#[derive(Deserialize)]
struct Activation {
    name: String,
    #[serde(flatten)]
    summary: Summary,
}

#[test]
fn every_layer_and_gradient_is_that_of_keras() {
    let file: Networks = golden(golden_file("networks"));
    assert_eq!(file.cases.len(), 4);
    for (case, n_comparable) in file.cases.into_iter().zip([4, 2, 5, 8]) {
        case.assert_holds(n_comparable);
    }
}

#[test]
fn every_layer_and_gradient_of_the_family_is_that_of_keras() {
    let file: Family = golden(golden_file("family"));
    assert_eq!(file.cases.len(), 4);
    for (FamilyCase { case, steps }, n_comparable) in file.cases.into_iter().zip([9, 8, 4, 5]) {
        case.assert_holds(n_comparable);
        let network = Network::new(case.spec.clone()).unwrap();
        let train = window_set(&case.spec, steps.losses.len() * case.batch, false);
        let order: Vec<u32> = (0..train.len() as u32).collect();
        let plan = plan(case.loss, file.optimizer, case.batch);
        let (found, parameters) = run(&network, plan, &train, &order, file.learning_rate);
        let losses: Vec<f64> = found.into_iter().map(|found| found.loss).collect();
        assert_close("losses", &losses, &steps.losses, Tolerance::Relative(F64));
        assert_parameters(&network, &parameters, &steps.weights);
    }
}

impl NetworkCase {
    /// `n_comparable` is the number of layers that can be compared: all but a convolution whose pool does not read its last
    /// positions, and the first convolution before a pool, where it is not kept. What their pools make of them is compared.
    fn assert_holds(&self, n_comparable: usize) {
        let case = self;
        let network = Network::new(case.spec.clone()).unwrap();
        assert_eq!(network.parameters().len(), case.parameters.len());
        for (parameter, expected) in network.parameters().iter().zip(&case.parameters) {
            assert_eq!(
                (&parameter.name, &parameter.shape, scale(parameter)),
                (&expected.name, &expected.shape, expected.scale)
            );
        }
        let weights = hashed_weights(&network);
        let batch = window_set(&case.spec, case.batch, case.weighted);
        let plan = plan(case.loss, Optimizer::adam(), case.batch);
        let indices: Vec<u32> = (0..case.batch as u32).collect();
        let trace = gradients(&network, &weights, &plan, &batch, &indices, 0).unwrap();

        let mut activations = case.activations.iter();
        let mut n_compared = 0;
        for (layer, output) in network.layers().iter().zip(&trace.outputs) {
            let (name, n_values) = match layer {
                Layer::Dropout { .. } => continue,
                Layer::Conv { name, output, .. } | Layer::Pool { name, output, .. } => (name, output.0 * output.1),
                Layer::Dense { name, units, .. } => (name, *units),
            };
            let expected = activations.next().unwrap();
            assert_eq!(*name, expected.name);
            if output.len() == case.batch * n_values {
                expected.summary.assert_holds(name, output);
                n_compared += 1;
            }
        }
        assert!(activations.next().is_none());
        assert_eq!(n_compared, n_comparable, "layers compared");
        let scores = assert_close("scores", trace.scores(), &case.scores, Tolerance::Absolute(F64));
        let value = assert_close("loss", &[trace.loss], &[case.value], Tolerance::Relative(F64));
        assert_eq!(trace.gradients.len(), case.gradients.len());
        for ((parameter, values), expected) in network.parameters().iter().zip(&trace.gradients).zip(&case.gradients) {
            expected.assert_holds(&format!("gradient of {}", parameter.name), values);
        }
        println!("{}: scores within {:e}, loss {:e}", case.loss, scores.largest_error, value.largest_error);
    }
}

/// Compares `values`, tensor after tensor, with what is stored of them after training.
fn assert_parameters(network: &Network, values: &[f64], expected: &[Summary]) {
    assert_eq!(network.parameters().len(), expected.len());
    let mut rest = values;
    for (parameter, expected) in network.parameters().iter().zip(expected) {
        let (values, behind) = rest.split_at(parameter.len());
        expected.assert_holds(&format!("{} after training", parameter.name), values);
        rest = behind;
    }
    assert!(rest.is_empty());
}

#[derive(Deserialize)]
struct TrainingFile {
    spec: NetworkSpec,
    batch: usize,
    optimizer: Optimizer,
    learning_rate: f32,
    trajectories: Vec<Trajectory>,
    epoch_windows: usize,
    epochs: Vec<Epoch>,
}

#[derive(Deserialize)]
struct Trajectory {
    loss: Loss,
    losses: Vec<f64>,
    losses_f32: Vec<f64>,
    weights: Vec<Summary>,
}

#[derive(Deserialize)]
struct Epoch {
    loss: Loss,
    class_weights: Option<Vec<f32>>,
    label_smoothing: f32,
    mean_loss: f64,
    accuracy: f64,
}

/// One epoch in `order` on two threads, and the parameters it ends with.
fn run(
    network: &Network,
    plan: TrainingPlan,
    windows: &WindowSet,
    order: &[u32],
    learning_rate: f32,
) -> (Vec<BatchResult>, Vec<f64>) {
    let shape = Shape::new(network);
    let case = Case { weights: hashed_weights(network), ..Case::new(network.clone(), plan, windows.len()) };
    let mut model = Model::<f64>::new(&case.member());
    let mut workspace = Workspace::new(&shape, case.plan.batch_size, false, 2);
    let epoch = MemberEpoch { order, first_step: 0, learning_rates: &[] };
    let found = Team::scope(2, |team| {
        let steps = 0..case.plan.n_steps(order.len());
        steps
            .map(|s| model.step(StepContext { shape: &shape, windows, team }, &epoch, s, learning_rate, &mut workspace))
            .collect()
    });
    (found, model.parameters)
}

/// Keras at float64 is followed to the end of its digits (7e-16 was seen), and Keras at float32 to 5e-7 (1e-7 was
/// seen).
#[test]
fn twenty_steps_follow_keras() {
    let file: TrainingFile = golden(golden_file("trajectory"));
    let network = Network::new(file.spec.clone()).unwrap();
    assert_eq!(file.trajectories.len(), Loss::ALL.len());
    for trajectory in file.trajectories {
        let n_steps = trajectory.losses.len();
        assert_eq!(n_steps, 20);
        let train = window_set(&file.spec, n_steps * file.batch, false);
        let plan = plan(trajectory.loss, file.optimizer, file.batch);
        let order: Vec<u32> = (0..train.len() as u32).collect();
        let (losses, parameters) = run(&network, plan, &train, &order, file.learning_rate);
        let losses: Vec<f64> = losses.into_iter().map(|found| found.loss).collect();
        let f64_agreement = assert_close("losses at float64", &losses, &trajectory.losses, Tolerance::Relative(2e-15));
        let f32_agreement =
            assert_close("losses at float32", &losses, &trajectory.losses_f32, Tolerance::Relative(5e-7));
        assert_parameters(&network, &parameters, &trajectory.weights);
        println!(
            "{}: losses within {:e} of float64, {:e} of float32",
            trajectory.loss, f64_agreement.largest_error, f32_agreement.largest_error
        );
    }
}

/// Keras averages an epoch's loss over its windows, not over its batches, and counts accuracy without weights. A class
/// weight multiplies the loss of a smoothed label by its true class.
#[test]
fn an_epoch_is_averaged_as_keras_does() {
    let file: TrainingFile = golden(golden_file("trajectory"));
    let network = Network::new(file.spec.clone()).unwrap();
    assert_eq!(file.epochs.len(), 4);
    assert!(file.epochs.iter().any(|epoch| epoch.label_smoothing > 0.0 && epoch.class_weights.is_some()));
    assert!(!file.epoch_windows.is_multiple_of(file.batch), "the last batch is to be smaller");
    for epoch in file.epochs {
        let train = window_set(&file.spec, file.epoch_windows, false);
        let Epoch { class_weights, label_smoothing, .. } = epoch;
        let plan = TrainingPlan { class_weights, label_smoothing, ..plan(epoch.loss, file.optimizer, file.batch) };
        let order: Vec<u32> = (0..train.len() as u32).collect();
        let (results, _) = run(&network, plan, &train, &order, file.learning_rate);
        let sizes = order.chunks(file.batch).map(<[u32]>::len);
        let total: f64 = results.iter().zip(sizes).map(|(result, size)| result.loss * size as f64).sum();
        let n_windows = train.len() as f64;
        assert_close("mean loss", &[total / n_windows], &[epoch.mean_loss], Tolerance::Relative(F64));
        let correct: u32 = results.iter().map(|result| result.correct).sum();
        assert_close("accuracy", &[f64::from(correct) / n_windows], &[epoch.accuracy], Tolerance::Relative(1e-12));
    }
}
