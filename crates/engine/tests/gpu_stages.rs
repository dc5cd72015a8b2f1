//! Every stage of a batch on the GPU against the f64 truth.

mod fixtures;

use fixtures::{Case, conv, gpu, truth};
use triax_engine::BatchTrace;
use triax_losses::Loss;
use triax_model::random::{Purpose, Stream};
use triax_model::{DenseSpec, Layer, Network, NetworkSpec};
use triax_testing::{Tolerance, assert_close};

/// Shapes of 1, primes, and sizes just below, at and above a tile, a vector and a workgroup.
fn specs() -> Vec<NetworkSpec> {
    let spec = |window, channels, convs, dropout, hidden: Vec<usize>, classes| NetworkSpec {
        window,
        channels,
        convs,
        global_pool: None,
        dropout,
        hidden: DenseSpec::relu(hidden),
        classes,
    };
    vec![
        NetworkSpec::default(),
        spec(1, 1, vec![conv(1, 1, 1, None)], 0.0, vec![], 2),
        spec(31, 1, vec![conv(3, 5, 2, Some(3)), conv(5, 2, 1, None)], 0.25, vec![7, 5], 7),
        spec(
            53,
            5,
            vec![conv(7, 3, 1, Some(2)), conv(5, 3, 1, None), conv(3, 1, 2, Some(2)), conv(11, 2, 1, None)],
            0.5,
            vec![11, 13, 7],
            3,
        ),
        // A stride beyond the kernel leaves positions that nothing reads; a pool is the last before the dense layers.
        spec(40, 3, vec![conv(4, 2, 3, None), conv(8, 3, 5, Some(1))], 0.1, vec![3], 2),
        spec(29, 2, vec![conv(64, 3, 1, Some(4))], 0.3, vec![], 256),
        spec(67, 4, vec![conv(5, 64, 1, None)], 0.0, vec![65], 33),
    ]
}

/// Fleets of every size have kernels of their own.
const SIZES: [usize; 3] = [1, 32, 1000];

#[test]
fn stages_agree_with_the_truth() {
    let Some(engine) = gpu("stages_agree_with_the_truth") else { return };
    for (s, spec) in specs().into_iter().enumerate() {
        // A driver compiles each anew, so that one network has all of them and the others some.
        let batches: &[usize] = if s == 2 { &[1, 3, 4, 5, 31, 32, 33] } else { [&[1, 33], &[4, 31], &[5, 32]][s % 3] };
        for (b, &batch) in batches.iter().enumerate() {
            // Every loss turns up with every batch somewhere.
            let loss = Loss::ALL[(s + batch) % Loss::ALL.len()];
            let case = Case::new(&spec, loss, batch);
            let truth = truth(&case, &case.indices(batch), 5);
            for models in if s == 0 { SIZES.to_vec() } else { vec![SIZES[(s + b) % SIZES.len()]] } {
                let engine = engine.clone().with_kernels_for(models);
                let found = case.gradients(&engine, &case.indices(batch), 5);
                assert_stages(&format!("kernels for {models}"), &case, &found, &truth);
            }
        }
    }
}

/// Networks that nobody chose.
#[test]
fn random_networks_agree_with_the_truth() {
    let Some(engine) = gpu("random_networks_agree_with_the_truth") else { return };
    let mut stream = Stream::new(3, Purpose::Synthesise, 11);
    let mut n_networks = 0;
    while n_networks < 12 {
        let mut below = |n: u32| stream.below(n) as usize;
        let convs = (0..=below(3))
            .map(|_| conv(1 + below(40), 1 + below(6), 1 + below(3), [None, Some(1 + below(5))][below(2)]));
        let convs = convs.collect();
        let hidden = DenseSpec::relu((0..below(3)).map(|_| 1 + below(140)));
        let spec = NetworkSpec {
            window: 1 + below(140),
            channels: 1 + below(7),
            convs,
            global_pool: None,
            dropout: [0.0, 0.3][below(2)],
            hidden,
            classes: 2 + below(20),
        };
        // Some windows are too short for their convolutions.
        if Network::new(spec.clone()).is_err() {
            continue;
        }
        let batch = [1 + below(8), 17 + below(30)][below(2)];
        let case = Case::new(&spec, Loss::ALL[n_networks % Loss::ALL.len()], batch);
        let truth = truth(&case, &case.indices(batch), 9);
        let engine = engine.clone().with_kernels_for(SIZES[n_networks % SIZES.len()]);
        assert_stages("a random network", &case, &case.gradients(&engine, &case.indices(batch), 9), &truth);
        n_networks += 1;
    }
}

fn assert_stages(what: &str, case: &Case, found: &BatchTrace, truth: &BatchTrace) {
    let layers = case.network.layers();
    assert_eq!(found.scores().len(), case.plan.batch_size * case.network.spec().classes);
    for (l, layer) in layers.iter().enumerate() {
        let name = format!("{what}: {:?} batch {}: {layer:?}", case.network.spec(), case.plan.batch_size);
        // Neither executor keeps everything, but both keep the scores.
        if !found.outputs[l].is_empty() && !truth.outputs[l].is_empty() {
            assert_near(&format!("{name}: output"), &found.outputs[l], &truth.outputs[l]);
        }
        if !found.d_outputs[l].is_empty() && !truth.d_outputs[l].is_empty() {
            let mut d_outputs = truth.d_outputs[l].clone();
            if matches!(layer, Layer::Pool { .. }) {
                d_outputs.iter_mut().zip(&truth.outputs[l]).filter(|(_, y)| **y <= 0.0).for_each(|(d, _)| *d = 0.0);
            }
            assert_near(&format!("{name}: gradient"), &found.d_outputs[l], &d_outputs);
        }
    }
    for (p, parameter) in case.network.parameters().iter().enumerate() {
        let name = format!("{what}: {:?} batch {}: {}", case.network.spec(), case.plan.batch_size, parameter.name);
        assert_near(&name, &found.gradients[p], &truth.gradients[p]);
    }
    assert_close("loss", &[found.loss], &[truth.loss], Tolerance::Relative(1e-5));
    assert_eq!(found.correct, truth.correct);
    assert_close("norm", &[found.gradient_norm], &[truth.gradient_norm], Tolerance::Relative(1e-5));
}

/// Within a few rounding errors of the largest value.
fn assert_near(what: &str, found: &[f64], truth: &[f64]) {
    let largest = truth.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    assert_close(what, found, truth, Tolerance::Absolute(2e-6 * largest));
}
