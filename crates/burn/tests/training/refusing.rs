//! What cannot work is refused before it starts.

use std::sync::Arc;

use triax_engine::{Augmentation, Engine, EngineError, Member, TrainingPlan, WindowSet};
use triax_losses::Loss;
use triax_model::{ConvSpec, DenseSpec, Network, NetworkSpec, Weights};

use crate::setup::{engines, open_session, plan, reference_network, small_network, windows};

#[test]
fn arguments_that_do_not_belong_together_are_refused() {
    let (network, other) = (small_network(0.0), reference_network(0.0));
    let weights = Weights::glorot_uniform(&network, 1);
    let good = windows(&network, 5);
    let bad = WindowSet { labels: Arc::from([0, 1, 2, 3, 4]), ..good.clone() };
    for (device, engine) in engines("arguments_that_do_not_belong_together_are_refused") {
        let open = |network, windows, validation: &[u32]| {
            open_session(&engine, network, &weights, windows, validation).map(|_| ())
        };
        for refused in [open(&other, &good, &[]), open(&network, &bad, &[]), open(&network, &good, &[0, 5])] {
            assert!(matches!(refused, Err(EngineError::Input(_))), "{device}: {refused:?}");
        }
        open(&network, &good, &[0, 4]).unwrap();
        let refused = engine.scores(&network, &weights, None, &good.windows[1..]);
        assert!(matches!(refused, Err(EngineError::Input(_))), "{device}: {refused:?}");
    }
}

#[test]
fn a_job_larger_than_the_gpu_is_refused_with_the_limit() {
    // One window turns into kernel · channels · positions values: 2³⁴ bytes, more than any GPU binds today.
    let conv = ConvSpec::plain(1, 1 << 16, 1, None);
    let spec = NetworkSpec {
        window: 1 << 17,
        channels: 1,
        convs: vec![conv],
        global_pool: None,
        dropout: 0.0,
        hidden: DenseSpec::relu([]),
        classes: 2,
    };
    let network = Network::new(spec).unwrap();
    let weights = Weights::zeros(&network);
    let one = WindowSet { windows: vec![0.0; 1 << 17].into(), labels: vec![0].into(), sample_weights: None };
    for (device, engine) in engines("a_job_larger_than_the_gpu_is_refused_with_the_limit") {
        if device == "cpu" {
            continue;
        }
        let refused = open_session(&engine, &network, &weights, &one, &[0]).map(|_| ()).unwrap_err();
        let EngineError::TooLarge { what, needed, limit, .. } = &refused else { panic!("{refused}") };
        assert!(what.contains("conv1") && *needed > 1 << 34 && limit < needed, "{refused}");
        assert!(matches!(engine.scores(&network, &weights, None, &one.windows), Err(EngineError::TooLarge { .. })));
    }
}

#[test]
fn a_fleet_is_left_to_the_fused_engine() {
    let network = small_network(0.0);
    let weights = Weights::glorot_uniform(&network, 1);
    let windows = windows(&network, 5);
    let plan = plan();
    let member = Member { network: &network, weights: &weights, plan: &plan, scaler: None, validation: &[] };
    for (device, engine) in engines("a_fleet_is_left_to_the_fused_engine") {
        assert_eq!(engine.capacity(&member, &windows), 1, "{device}");
        let refused = engine.open(&[member; 3], &windows).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("one model at a time, and not 3") && refused.contains("fused engine"), "{refused}");
    }
}

#[test]
fn augmentation_and_label_smoothing_are_left_to_the_fused_engine() {
    let network = small_network(0.0);
    let weights = Weights::glorot_uniform(&network, 1);
    let windows = windows(&network, 5);
    let jitter = Augmentation { jitter: 0.1, ..Augmentation::default() };
    for (what, plan) in [
        ("augmentation", TrainingPlan { augmentation: jitter, ..plan() }),
        ("label smoothing", TrainingPlan { loss: Loss::CategoricalCrossentropy, label_smoothing: 0.1, ..plan() }),
    ] {
        let member = Member { network: &network, weights: &weights, plan: &plan, scaler: None, validation: &[] };
        for (device, engine) in engines("augmentation_and_label_smoothing_are_left_to_the_fused_engine") {
            let refused = engine.open(&[member], &windows).map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains(what) && refused.contains("fused engine"), "{device}: {refused}");
        }
    }
}
