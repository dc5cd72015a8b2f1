//! What the reference promises as an engine: batches, weights, dropout, state.

use std::ops::ControlFlow;

use triax_losses::Loss;
use triax_model::{ConvSpec, Layer, Network, NetworkSpec, Weights};
use triax_random::{Purpose, Stream, dropout_mask};

use super::{ReferenceEngine, gradients};
use crate::{Engine, EngineError, Optimizer, Session, SessionState, StepResult, Stretch, TrainingPlan, WindowSet};

fn network(dropout: f32) -> Network {
    let convs = vec![
        ConvSpec { filters: 5, kernel: 3, stride: 2, pool: Some(2) },
        ConvSpec { filters: 3, kernel: 2, stride: 1, pool: None },
    ];
    Network::new(NetworkSpec { window: 17, channels: 3, convs, dropout, hidden: vec![7], classes: 3 }).unwrap()
}

fn plan(batch_size: usize) -> TrainingPlan {
    TrainingPlan {
        loss: Loss::SquaredHinge,
        optimizer: Optimizer::adam(),
        batch_size,
        clip_norm: None,
        class_weights: None,
        seed: 42,
    }
}

fn window_set(n_windows: usize) -> WindowSet {
    let mut stream = Stream::new(5, Purpose::Synthesise, 0);
    WindowSet {
        windows: (0..n_windows * 17 * 3).map(|_| 2.0 * stream.uniform() - 1.0).collect(),
        labels: (0..n_windows).map(|_| stream.below(3)).collect(),
        sample_weights: None,
    }
}

/// The windows of `set` in `indices`.
fn pick(set: &WindowSet, indices: &[u32]) -> WindowSet {
    let indices = || indices.iter().map(|&idx| idx as usize);
    WindowSet {
        windows: indices().flat_map(|idx| set.windows[idx * 51..(idx + 1) * 51].to_vec()).collect(),
        labels: indices().map(|idx| set.labels[idx]).collect(),
        sample_weights: set.sample_weights.as_ref().map(|weights| indices().map(|idx| weights[idx]).collect()),
    }
}

fn open(network: &Network, plan: &TrainingPlan, train: &WindowSet) -> Box<dyn Session> {
    ReferenceEngine.open(network, &Weights::glorot_uniform(network, 1), plan, train, &window_set(4)).unwrap()
}

/// Trains a whole epoch in `order`.
fn epoch(session: &mut dyn Session, plan: &TrainingPlan, order: &[u32], first_step: u64) -> Vec<StepResult> {
    let n_steps = plan.n_steps(order.len());
    let stretch = Stretch { order, steps: 0..n_steps, first_step, learning_rates: &vec![0.01; n_steps] };
    session.train(&stretch, &mut |_, _| ControlFlow::Continue(())).unwrap()
}

#[test]
fn the_last_batch_takes_what_is_left() {
    let (network, plan, train) = (network(0.0), plan(3), window_set(7));
    let order = [6, 2, 0, 4, 1, 5, 3];
    let mut session = open(&network, &plan, &train);
    let results = epoch(session.as_mut(), &plan, &order, 0);
    assert_eq!(results.len(), 3);

    // The last step, from the weights before it, is that of a batch of one.
    let mut again = open(&network, &plan, &train);
    epoch(again.as_mut(), &plan, &order[..6], 0);
    let weights = again.state().unwrap().weights;
    let stages = gradients(&network, &weights, &plan, &pick(&train, &[3]), 2).unwrap();
    assert!((f64::from(results[2].loss) - stages.loss).abs() < 1e-6);
    assert!((f64::from(results[2].gradient_norm) - stages.gradient_norm).abs() < 1e-6);
    assert_eq!(results[2].correct, stages.correct);
}

#[test]
fn a_batch_larger_than_the_data_takes_all_of_it() {
    let (network, train) = (network(0.0), window_set(5));
    let order = [4, 3, 2, 1, 0];
    let mut small = open(&network, &plan(5), &train);
    let mut large = open(&network, &plan(1000), &train);
    let results = epoch(small.as_mut(), &plan(5), &order, 0);
    assert_eq!(results, epoch(large.as_mut(), &plan(1000), &order, 0));
    assert_eq!(results.len(), 1);
    assert_eq!(small.state().unwrap(), large.state().unwrap());
}

#[test]
fn a_stretch_may_end_anywhere_and_go_on() {
    let (network, plan, train) = (network(0.2), plan(2), window_set(9));
    let order: Vec<u32> = (0..9).collect();
    let mut whole = open(&network, &plan, &train);
    let expected = epoch(whole.as_mut(), &plan, &order, 10);

    let mut session = open(&network, &plan, &train);
    let mut stretch = Stretch { order: &order, steps: 0..5, first_step: 10, learning_rates: &[0.01; 5] };
    let mut seen = Vec::new();
    let mut results = session
        .train(&stretch, &mut |step, result| {
            seen.push((step, result.unwrap()));
            if step == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, [(0, expected[0]), (1, expected[1])]);
    stretch.steps = 2..5;
    stretch.learning_rates = &[0.01; 3];
    results.extend(session.train(&stretch, &mut |_, _| ControlFlow::Continue(())).unwrap());
    assert_eq!(results, expected);
    assert_eq!(session.state().unwrap(), whole.state().unwrap());
}

#[test]
fn a_restored_session_goes_on_as_the_one_it_came_from() {
    let optimizers = [
        Optimizer::adam(),
        Optimizer::adam_w(),
        Optimizer::sgd(),
        Optimizer::Sgd { momentum: 0.9, nesterov: true },
        Optimizer::rms_prop(),
        Optimizer::RmsProp { rho: 0.9, momentum: 0.5, epsilon: 1e-7 },
    ];
    for optimizer in optimizers {
        let (network, train) = (network(0.1), window_set(8));
        let plan = TrainingPlan { optimizer, ..plan(3) };
        let order: Vec<u32> = (0..8).rev().collect();
        let mut first = open(&network, &plan, &train);
        epoch(first.as_mut(), &plan, &order, 0);
        let state = first.state().unwrap();
        assert_eq!(state.updates, 3);
        assert_eq!(state.moments.len(), optimizer.moment_names().len());

        let mut second = open(&network, &plan, &train);
        second.restore(&state).unwrap();
        assert_eq!(second.state().unwrap(), state);
        let results = epoch(first.as_mut(), &plan, &order, 3);
        assert_eq!(results, epoch(second.as_mut(), &plan, &order, 3));
        assert_eq!(first.state().unwrap(), second.state().unwrap());
        assert_ne!(first.state().unwrap(), state);
        assert_eq!(first.validation_scores().unwrap(), second.validation_scores().unwrap());
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused_and_changes_nothing() {
    let (network, plan, train) = (network(0.0), plan(3), window_set(4));
    let mut session = open(&network, &plan, &train);
    let state = session.state().unwrap();
    let mut no_moments = state.clone();
    no_moments.moments.clear();
    let mut short = state.clone();
    short.weights.tensors.pop();
    let mut wrong_moment = state.clone();
    wrong_moment.moments[1].tensors.swap(0, 1);
    for (bad, names) in [(no_moments, "0 moments"), (short, "dense2.bias"), (wrong_moment, "moment `v`")] {
        let error = session.restore(&bad).unwrap_err().to_string();
        assert!(error.contains(names), "{error}");
        assert_eq!(session.state().unwrap(), state);
    }
}

#[test]
fn the_weight_of_a_window_is_its_own_times_its_class() {
    let network = network(0.0);
    let weights = Weights::glorot_uniform(&network, 1);
    let mut batch = window_set(5);
    batch.sample_weights = Some([1.0, 0.5, 0.0, 3.0, 2.0].into());
    let class_weights = [2.0, 0.25, 1.5];
    let weighted = TrainingPlan { class_weights: Some(class_weights.to_vec()), ..plan(5) };
    let stages = gradients(&network, &weights, &weighted, &batch, 0).unwrap();

    let products =
        batch.labels.iter().zip(batch.sample_weights.as_deref().unwrap()).map(|(&l, w)| w * class_weights[l as usize]);
    let products: Vec<f32> = products.collect();
    let plain = gradients(&network, &weights, &plan(5), &window_set(5), 0).unwrap();
    for (row, product) in products.iter().enumerate() {
        assert_eq!(stages.losses[row], f64::from(*product) * plain.losses[row]);
    }
    assert_eq!(stages.loss, stages.losses.iter().sum::<f64>() / 5.0);
    batch.sample_weights = Some(products.into());
    assert_eq!(stages, gradients(&network, &weights, &plan(5), &batch, 0).unwrap());
}

#[test]
fn dropout_multiplies_by_the_mask_of_the_step() {
    let network = network(0.3);
    let weights = Weights::glorot_uniform(&network, 1);
    let batch = window_set(6);
    let layer = network.layers().iter().position(|layer| matches!(layer, Layer::Dropout { .. })).unwrap();
    for step in [0, 1, 1 << 40] {
        let mut mask = vec![f32::NAN; 6 * network.features()];
        dropout_mask(42, step, 0, 0.3, &mut mask);
        let stages = gradients(&network, &weights, &plan(6), &batch, step).unwrap();
        for (i, &mask) in mask.iter().enumerate() {
            assert_eq!(stages.outputs[layer][i], f64::from(mask) * stages.outputs[layer - 1][i]);
            assert_eq!(stages.d_outputs[layer - 1][i], f64::from(mask) * stages.d_outputs[layer][i]);
        }
    }

    // Nothing is dropped outside training.
    let scores = ReferenceEngine.scores(&network, &weights, &batch.windows).unwrap();
    let undropped = super::tests::network(0.0);
    let expected = gradients(&undropped, &weights, &plan(6), &batch, 0).unwrap();
    assert!(scores.iter().zip(expected.scores()).all(|(score, expected)| *score == *expected as f32));
}

#[test]
fn a_session_counts_the_steps_of_dropout_from_the_start_of_training() {
    let (network, plan, train) = (network(0.5), plan(4), window_set(8));
    let mut session = open(&network, &plan, &train);
    let order: Vec<u32> = (0..8).collect();
    let stretch = Stretch { order: &order, steps: 1..2, first_step: 6, learning_rates: &[0.01] };
    let weights = session.state().unwrap().weights;
    let results = session.train(&stretch, &mut |_, _| ControlFlow::Continue(())).unwrap();
    let loss = |step| gradients(&network, &weights, &plan, &pick(&train, &order[4..]), step).unwrap().loss as f32;
    assert_eq!(results[0].loss, loss(7));
    assert!((0..7).all(|step| loss(step) != loss(7)), "masks that give the same loss tell nothing");
}

#[test]
fn clipping_bounds_the_step_and_the_norm_before_it_is_reported() {
    let (network, train) = (network(0.0), window_set(4));
    let free = TrainingPlan { optimizer: Optimizer::sgd(), ..plan(4) };
    let order = [0, 1, 2, 3];
    let norm = epoch(open(&network, &free, &train).as_mut(), &free, &order, 0)[0].gradient_norm;

    let clipped = TrainingPlan { clip_norm: Some(norm / 8.0), ..free };
    let mut session = open(&network, &clipped, &train);
    let before = session.state().unwrap().weights;
    assert_eq!(epoch(session.as_mut(), &clipped, &order, 0)[0].gradient_norm, norm);
    let after = session.state().unwrap().weights;
    let moved = before.tensors.iter().zip(&after.tensors).flat_map(|(b, a)| b.values.iter().zip(&a.values));
    let distance = moved.map(|(b, a)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    let expected = 0.01 * f64::from(norm) / 8.0;
    assert!((distance - expected).abs() < 1e-4 * expected, "{distance}, not {expected}");
}

#[test]
fn a_value_that_is_not_finite_is_noticed() {
    let network = network(0.0);
    let weights = Weights::glorot_uniform(&network, 1);
    let batch = window_set(2);
    let mut windows = batch.windows.to_vec();
    windows[7] = f32::NAN;
    let spoilt = WindowSet { windows: windows.into(), ..batch };
    for loss in Loss::ALL {
        let stages = gradients(&network, &weights, &TrainingPlan { loss, ..plan(2) }, &spoilt, 0).unwrap();
        assert!(stages.loss.is_nan(), "{loss}: {}", stages.loss);
    }
}

#[test]
fn arguments_that_do_not_belong_together_are_refused() {
    let network = network(0.0);
    let weights = Weights::glorot_uniform(&network, 1);
    let good = window_set(4);
    let refused = |plan: TrainingPlan, train: WindowSet, names: &str| {
        let result = ReferenceEngine.open(&network, &weights, &plan, &train, &good);
        let Err(EngineError::Input(problem)) = result else { panic!("not refused: {names}") };
        assert!(problem.contains(names), "{problem}");
    };
    refused(plan(0), good.clone(), "batch size");
    let optimizer = Optimizer::Sgd { momentum: 1.5, nesterov: false };
    refused(TrainingPlan { optimizer, ..plan(2) }, good.clone(), "momentum is 1.5");
    refused(TrainingPlan { clip_norm: Some(0.0), ..plan(2) }, good.clone(), "norm");
    refused(TrainingPlan { clip_norm: Some(f32::NAN), ..plan(2) }, good.clone(), "norm");
    refused(TrainingPlan { clip_norm: Some(f32::INFINITY), ..plan(2) }, good.clone(), "norm");
    refused(TrainingPlan { class_weights: Some(vec![1.0; 2]), ..plan(2) }, good.clone(), "2 class weights");
    refused(TrainingPlan { class_weights: Some(vec![1.0, -1.0, 1.0]), ..plan(2) }, good.clone(), "class weight -1");
    refused(plan(2), WindowSet { windows: good.windows[1..].into(), ..good.clone() }, "203 values");
    refused(plan(2), WindowSet { labels: [0, 1, 3, 0].into(), ..good.clone() }, "window 2 has class 3");
    refused(plan(2), WindowSet { sample_weights: Some([1.0].into()), ..good.clone() }, "1 sample weights");

    let mut cut = weights.clone();
    cut.tensors[2].values.pop();
    let error = ReferenceEngine.scores(&network, &cut, &good.windows).unwrap_err();
    assert!(error.to_string().contains("conv2.kernel"), "{error}");
    assert!(ReferenceEngine.scores(&network, &weights, &good.windows[..50]).is_err());
    assert!(gradients(&network, &weights, &plan(2), &window_set(0), 0).is_err());
}

#[test]
fn steps_that_do_not_exist_are_refused() {
    let (network, plan, train) = (network(0.0), plan(2), window_set(4));
    let mut session = open(&network, &plan, &train);
    let before = session.state().unwrap();
    let bad = [
        Stretch { order: &[0, 1, 2, 3], steps: 1..3, first_step: 0, learning_rates: &[0.1; 2] },
        Stretch { order: &[0, 1, 2, 3], steps: 0..2, first_step: 0, learning_rates: &[0.1] },
        Stretch { order: &[0, 1, 2, 4], steps: 0..2, first_step: 0, learning_rates: &[0.1; 2] },
    ];
    for stretch in bad {
        assert!(session.train(&stretch, &mut |_, _| ControlFlow::Continue(())).is_err());
        assert_eq!(session.state().unwrap(), before);
    }
}

#[test]
fn no_windows_have_no_scores() {
    let network = network(0.0);
    let weights = Weights::glorot_uniform(&network, 1);
    let none = window_set(0);
    let mut session = ReferenceEngine.open(&network, &weights, &plan(2), &none, &none).unwrap();
    assert!(session.validation_scores().unwrap().is_empty());
    assert!(epoch(session.as_mut(), &plan(2), &[], 0).is_empty());
    let SessionState { weights: after, updates, .. } = session.state().unwrap();
    assert_eq!((after, updates), (weights, 0));
}
