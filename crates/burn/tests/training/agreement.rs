//! The same weights, windows, order and masks give what the f64 reference gives.

use triax_engine::{CpuEngine, gradients};
use triax_engine::{Engine, Member, Optimizer, StepResult, TrainingPlan, WindowSet};
use triax_losses::Loss;
use triax_model::{ConvSpec, DenseSpec, Network, NetworkSpec, Scaler, Weights};
use triax_testing::{Tolerance, assert_close};

use crate::setup::{Run, engines, first_steps, losses, plan, reference_network, small_network, windows};

/// Takes `n_steps` steps over `n_windows` windows beside the reference.
fn assert_agrees(what: &str, network: &Network, plan: &TrainingPlan, (n_windows, n_steps): (usize, usize), test: &str) {
    let train = windows(network, n_windows);
    let truth = Run::new(&CpuEngine::<f64>::new(), network, plan, &train).first(n_steps);
    for (device, engine) in engines(test) {
        let results = Run::new(&engine, network, plan, &train).first(n_steps);
        let what = format!("{what} on the {device}");
        let actual: Vec<f32> = results.iter().map(|result| result.loss).collect();
        // Four times the largest difference seen, 3e-7. It asks for windows on which f32 and f64 never fall to
        // different sides of a ReLU or pick different winners of a pool: from such a step on two runs part for good,
        // and on other windows one was seen.
        let bound = Tolerance::Relative(1.2e-6);
        let agreement = assert_close(&format!("loss, {what}"), &actual, &losses(&truth), bound);
        let norms = |results: &[StepResult]| results.iter().map(|r| r.gradient_norm).collect::<Vec<_>>();
        let true_norms: Vec<f64> = norms(&truth).into_iter().map(f64::from).collect();
        assert_close(&format!("norm, {what}"), &norms(&results), &true_norms, Tolerance::Relative(1e-4));
        let n_apart =
            results.iter().zip(&truth).filter(|(result, truth)| result.correct.abs_diff(truth.correct) > 1).count();
        assert_eq!(n_apart, 0, "windows right differ by more than one that is undecided, {what}");
        println!("{what}: {n_steps} steps, {:.1e} of the bound", agreement.share_of_bound);
    }
}

#[test]
fn a_hundred_steps_of_the_reference_network_agree() {
    let test = "a_hundred_steps_of_the_reference_network_agree";
    assert_agrees("no dropout", &reference_network(0.0), &plan(), (3200, 100), test);
}

#[test]
fn a_hundred_steps_with_dropout_agree() {
    assert_agrees("dropout", &small_network(0.3), &plan(), (3200, 100), "a_hundred_steps_with_dropout_agree");
}

#[test]
fn every_optimizer_agrees() {
    let optimizers = [
        Optimizer::adam(),
        Optimizer::adam_w(),
        Optimizer::Sgd { momentum: 0.0, nesterov: false },
        Optimizer::Sgd { momentum: 0.9, nesterov: false },
        Optimizer::Sgd { momentum: 0.9, nesterov: true },
        Optimizer::rms_prop(),
        Optimizer::RmsProp { rho: 0.9, momentum: 0.8, epsilon: 1e-7 },
    ];
    for optimizer in optimizers {
        let plan = TrainingPlan { optimizer, ..plan() };
        assert_agrees(&format!("{optimizer:?}"), &small_network(0.0), &plan, (70, 15), "every_optimizer_agrees");
    }
}

#[test]
fn every_loss_agrees_with_weights_and_clipping() {
    for loss in Loss::ALL {
        let plan = TrainingPlan {
            loss,
            clip_norm: Some(0.05),
            class_weights: Some(vec![0.5, 2.0, 1.0, 0.25]),
            batch_size: 9,
            ..plan()
        };
        assert_agrees(loss.name(), &small_network(0.2), &plan, (70, 20), "every_loss_agrees_with_weights_and_clipping");
    }
}

#[test]
fn every_shape_of_network_agrees() {
    let conv = |filters, kernel, stride, pool| ConvSpec::plain(filters, kernel, stride, pool);
    let dilated = |conv: ConvSpec, dilation| ConvSpec { dilation, ..conv };
    let shapes = [
        (vec![conv(4, 5, 1, None)], vec![]),
        (vec![conv(4, 3, 3, Some(3)), conv(6, 2, 1, Some(2))], vec![8, 5]),
        (vec![conv(3, 1, 1, None), conv(4, 4, 2, Some(2)), conv(5, 3, 1, None)], vec![7]),
        (vec![dilated(conv(4, 3, 1, Some(2)), 5), dilated(conv(5, 2, 1, None), 3)], vec![7]),
        (vec![conv(4, 3, 1, Some(2)), conv(4, 3, 1, None), conv(4, 3, 1, Some(2)), conv(2, 2, 1, None)], vec![9, 8, 7]),
    ];
    for (convs, hidden) in shapes {
        let hidden = DenseSpec::relu(hidden);
        let spec = NetworkSpec { window: 40, channels: 3, convs, global_pool: None, dropout: 0.1, hidden, classes: 5 };
        let network = Network::new(spec.clone()).unwrap();
        assert_agrees(&format!("{spec:?}"), &network, &plan(), (70, 8), "every_shape_of_network_agrees");
    }
}

#[test]
fn the_gradient_of_every_parameter_agrees() {
    // With momentum, the first update leaves −lr·g in the moment: the gradient itself, at a rate of 1.
    let plan = TrainingPlan { optimizer: Optimizer::Sgd { momentum: 0.5, nesterov: false }, ..plan() };
    let network = reference_network(0.1);
    let weights = Weights::glorot_uniform(&network, 5);
    let batch = windows(&network, 32);
    let order: Vec<u32> = (0..32).collect();
    let truth = gradients(&network, &weights, &plan, &batch, &order, 0).unwrap();
    for (device, engine) in engines("the_gradient_of_every_parameter_agrees") {
        let member = Member { network: &network, weights: &weights, plan: &plan, scaler: None, validation: &[] };
        let mut session = engine.open(&[member], &batch).unwrap();
        first_steps(&mut *session, &order, &[1.0]);
        let moment = session.state().unwrap().remove(0).moments.remove(0);
        for (tensor, truth) in moment.tensors.iter().zip(&truth.gradients) {
            let gradient: Vec<f32> = tensor.values.iter().map(|value| -value).collect();
            let largest = truth.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
            // Sums of 32 windows at up to 58 positions: 4·√K·2⁻²⁴ of the largest gradient.
            let bound = Tolerance::Absolute(4.0 * (32.0_f64 * 58.0).sqrt() * 2_f64.powi(-24) * largest);
            let agreement = assert_close(&format!("{} on the {device}", tensor.name), &gradient, truth, bound);
            println!("{} on the {device}: {:.1e} of the bound", tensor.name, agreement.share_of_bound);
        }
    }
}

#[test]
fn scores_agree_whatever_the_number_of_windows() {
    let network = small_network(0.4);
    let weights = Weights::glorot_uniform(&network, 5);
    let all = windows(&network, 300).windows;
    let scaler = Scaler { mean: vec![0.3, -0.2], scale: vec![1.5, 2.0] };
    let n_values = network.spec().window * network.spec().channels;
    for n_windows in [0, 1, 127, 128, 129, 300] {
        let windows = &all[..n_windows * n_values];
        let truth: Vec<f64> = CpuEngine::<f64>::new()
            .scores(&network, &weights, Some(&scaler), windows)
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect();
        for (device, engine) in engines("scores_agree_whatever_the_number_of_windows") {
            let scores = engine.scores(&network, &weights, Some(&scaler), windows).unwrap();
            assert_close(&format!("{n_windows} windows on the {device}"), &scores, &truth, Tolerance::Absolute(3e-6));
        }
    }
}

#[test]
fn scaler_weights_and_indices_are_taken_as_the_reference_takes_them() {
    let network = small_network(0.2);
    let raw = windows(&network, 90);
    let sample_weights: Vec<f32> = (0..90).map(|idx| 0.25 + (idx % 7) as f32).collect();
    let raw = WindowSet { sample_weights: Some(sample_weights.into()), ..raw };
    let weights = Weights::glorot_uniform(&network, 5);
    let plan = TrainingPlan { class_weights: Some(vec![0.5, 2.0, 1.0, 0.25]), ..plan() };
    let scaler = Scaler { mean: vec![0.3, -0.2], scale: vec![0.8, 2.0] };
    // More windows than one pass takes, in no order, some of them twice.
    let validation: Vec<u32> = (0..150).map(|position| position * 37 % 90).collect();
    let order: Vec<u32> = (0..64).map(|position| 89 - position).collect();
    let member =
        Member { network: &network, weights: &weights, plan: &plan, scaler: Some(&scaler), validation: &validation };
    let run = |engine: &dyn Engine| {
        let mut session = engine.open(&[member], &raw).unwrap();
        let before = session.validate().unwrap().remove(0);
        (before, first_steps(&mut *session, &order, &[1e-3; 2]), session.validate().unwrap().remove(0))
    };
    let (before, steps, after) = run(&CpuEngine::<f64>::new());
    assert_ne!(before.loss, after.loss);
    for (device, engine) in engines("scaler_weights_and_indices_are_taken_as_the_reference_takes_them") {
        let (own_before, own_steps, own_after) = run(&engine);
        let own: Vec<f32> = own_steps.iter().map(|result| result.loss).collect();
        assert_close(&format!("losses on the {device}"), &own, &losses(&steps), Tolerance::Relative(1.2e-6));
        for (own, truth) in [(own_before, &before), (own_after, &after)] {
            assert!((own.loss - truth.loss).abs() <= 1.2e-6 * truth.loss, "{device}: {} of {}", own.loss, truth.loss);
            assert_eq!(own.confusion, truth.confusion, "{device}");
            assert_eq!(own.confusion.n_windows(), 150, "each window counts once");
        }
    }
}
