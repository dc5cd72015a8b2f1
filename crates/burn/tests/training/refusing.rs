//! What cannot work is refused before it starts.

use std::sync::Arc;

use triax_engine::{Engine, EngineError, WindowSet};
use triax_model::{ConvSpec, Network, NetworkSpec, Weights};

use crate::setup::{engines, plan, reference_network, small_network, windows};

#[test]
fn arguments_that_do_not_belong_together_are_refused() {
    let (network, other) = (small_network(0.0), reference_network(0.0));
    let weights = Weights::glorot_uniform(&network, 1);
    let good = windows(&network, 5);
    let bad = WindowSet { labels: Arc::from([0, 1, 2, 3, 4]), ..good.clone() };
    for (device, engine) in engines("arguments_that_do_not_belong_together_are_refused") {
        let open = |network, train, valid| engine.open(network, &weights, &plan(), train, valid).map(|_| ());
        for refused in [open(&other, &good, &good), open(&network, &bad, &good), open(&network, &good, &bad)] {
            assert!(matches!(refused, Err(EngineError::Input(_))), "{device}: {refused:?}");
        }
        open(&network, &good, &good).unwrap();
        let refused = engine.scores(&network, &weights, &good.windows[1..]);
        assert!(matches!(refused, Err(EngineError::Input(_))), "{device}: {refused:?}");
    }
}

#[test]
fn a_job_larger_than_the_gpu_is_refused_with_the_limit() {
    // One window turns into kernel · channels · positions values: 2³⁴ bytes, more than any GPU binds today.
    let conv = ConvSpec { filters: 1, kernel: 1 << 16, stride: 1, pool: None };
    let spec =
        NetworkSpec { window: 1 << 17, channels: 1, convs: vec![conv], dropout: 0.0, hidden: vec![], classes: 2 };
    let network = Network::new(spec).unwrap();
    let weights = Weights::zeros(&network);
    let one = WindowSet { windows: vec![0.0; 1 << 17].into(), labels: vec![0].into(), sample_weights: None };
    for (device, engine) in engines("a_job_larger_than_the_gpu_is_refused_with_the_limit") {
        if device == "cpu" {
            continue;
        }
        let refused = engine.open(&network, &weights, &plan(), &one, &one).map(|_| ()).unwrap_err();
        let EngineError::TooLarge { what, needed, limit, .. } = &refused else { panic!("{refused}") };
        assert!(what.contains("conv1") && *needed > 1 << 34 && limit < needed, "{refused}");
        assert!(matches!(engine.scores(&network, &weights, &one.windows), Err(EngineError::TooLarge { .. })));
    }
}
