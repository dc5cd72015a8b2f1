//! Every stage of a batch on the GPU against the f64 truth.

mod fixtures;

use fixtures::{Case, conv, gpu, truth};
use triax_engine::BatchTrace;
use triax_losses::Loss;
use triax_model::random::{Purpose, Stream};
use triax_model::{Activation, ConvSpec, DenseSpec, Layer, Network, NetworkSpec, Padding, PoolKind, PoolSpec};
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

/// Padding, activations and pools that the reference network has not.
fn family() -> Vec<NetworkSpec> {
    let spec = |window, channels, convs: &[&str], global_pool, hidden: &[&str], classes| NetworkSpec {
        window,
        channels,
        convs: convs.iter().map(|conv| conv.parse().unwrap()).collect(),
        global_pool,
        dropout: 0.3,
        hidden: hidden.iter().map(|layer| layer.parse().unwrap()).collect(),
        classes,
    };
    let (average, max) = (Some(PoolKind::Average), Some(PoolKind::Max));
    vec![
        // A usual Keras script: padded, an average over all positions.
        spec(32, 3, &["16:5:1:2:same", "32:3:1:2:same"], average, &["20"], 6),
        // Every activation before a pool of either kind, with padding and overlaps; units that are no whole vectors.
        spec(45, 2, &["7:4:1:3/2:same:elu", "6:3:1:avg3/2-same:same:gelu", "5:2:1:2/1:tanh"], None, &["9:elu"], 4),
        spec(38, 3, &["9:5:2:avg2:leaky_relu=0.3", "10:4:2:3/1-same:same:tanh"], max, &["11:gelu", "6:tanh"], 3),
        spec(50, 1, &["5:3:1:avg4/3:linear", "13:6:1:same:gelu"], average, &["7:leaky_relu=0", "5:linear"], 2),
        // A window that is shorter than its kernel, a pool that is longer than what it pools, and one that leaves gaps.
        spec(3, 2, &["4:9:1:900/2-same:same:elu", "6:5:3:same"], max, &[], 2),
        spec(41, 3, &["6:3:4:same:elu", "35:2:1:2/5"], None, &["70:elu"], 5),
        // A pool over more positions than are packed, after a kernel that a workgroup has no room for.
        spec(97, 1, &["6:65:1:same:70/13:gelu"], None, &[], 3),
        spec(90, 2, &["6:2:1:leaky_relu=0.1"], max, &["140:tanh", "33:gelu"], 70),
        spec(64, 4, &["64:3:1:2:same", "64:3:1:2/1:same:elu"], average, &["64:elu"], 6),
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

#[test]
fn every_padding_activation_and_pool_agrees_with_the_truth() {
    let Some(engine) = gpu("every_padding_activation_and_pool_agrees_with_the_truth") else { return };
    for (s, spec) in family().into_iter().enumerate() {
        for (b, batch) in [[1, 33], [5, 31], [4, 32]][s % 3].into_iter().enumerate() {
            let case = Case::new(&spec, Loss::ALL[(s + b) % Loss::ALL.len()], batch);
            let truth = truth(&case, &case.indices(batch), 5);
            let models = SIZES[(s + b) % SIZES.len()];
            let found = case.gradients(&engine.clone().with_kernels_for(models), &case.indices(batch), 5);
            assert_stages(&format!("kernels for {models}"), &case, &found, &truth);
        }
    }
}

/// One convolution that hands its input on shows the activation itself, as the model defines it.
#[test]
fn activations_are_those_of_the_model_to_the_last_digits() {
    let Some(engine) = gpu("activations_are_those_of_the_model_to_the_last_digits") else { return };
    let sums =
        (-2000..=2000).map(|n| n as f32 * 0.00731).chain([1e-6, -1e-6, 1e-30, 88.0, -88.0, 200.0, -200.0, 1e30, -1e30]);
    let sums: Vec<f32> = sums.collect();
    for activation in ["relu", "elu", "gelu", "leaky_relu=0.3", "tanh", "linear"] {
        let spec = NetworkSpec {
            window: sums.len(),
            channels: 1,
            convs: vec![format!("1:1:1:avg1:{activation}").parse().unwrap()],
            global_pool: None,
            dropout: 0.0,
            hidden: vec![],
            classes: 2,
        };
        let activation: Activation = activation.parse().unwrap();
        let mut case = Case::new(&spec, Loss::SquaredHinge, 1);
        for (tensor, value) in case.weights.tensors.iter_mut().zip([1.0, 0.0, 1.0, 0.0]) {
            tensor.values.fill(value);
        }
        case.set.windows = sums.repeat(2).into();
        // All values have the same weight in the scores, and so the same gradient.
        let found = case.gradients(&engine, &[0], 0);
        let pooled = case.network.layers().iter().position(|layer| matches!(layer, Layer::Pool { .. })).unwrap();
        let by_value = found.d_outputs[pooled][0];
        assert_ne!(by_value, 0.0);
        for (n, &sum) in sums.iter().enumerate() {
            let x = f64::from(sum);
            let value = activation.value(x);
            let error = (found.outputs[pooled][n] - value).abs();
            assert!(
                error <= 1e-6 * value.abs().max(1e-3),
                "{activation} at {x}: {} for {value}",
                found.outputs[pooled][n]
            );
            let slope = found.d_outputs[0][n] / by_value;
            assert!((slope - activation.derivative(x)).abs() <= 1e-6, "{activation} at {x}: slope {slope}");
        }
    }
}

/// Networks that nobody chose, of the whole family.
#[test]
fn random_networks_agree_with_the_truth() {
    let Some(engine) = gpu("random_networks_agree_with_the_truth") else { return };
    let mut stream = Stream::new(3, Purpose::Synthesise, 11);
    let mut n_networks = 0;
    while n_networks < 16 {
        let below = &mut |n: u32| stream.below(n) as usize;
        let convs = (0..=below(3)).map(|_| random_conv(below)).collect();
        let hidden = (0..below(3)).map(|_| DenseSpec { units: 1 + below(140), activation: random_activation(below) });
        let hidden = hidden.collect();
        let spec = NetworkSpec {
            window: 1 + below(140),
            channels: 1 + below(7),
            convs,
            global_pool: [None, None, Some(PoolKind::Max), Some(PoolKind::Average)][below(4)],
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

/// A convolution block; half of them as in the reference network.
fn random_conv(below: &mut dyn FnMut(u32) -> usize) -> ConvSpec {
    let plain = conv(1 + below(40), 1 + below(6), 1 + below(3), [None, Some(1 + below(5))][below(2)]);
    if below(2) == 0 {
        return plain;
    }
    let paddings = [Padding::Valid, Padding::Same];
    let pool = PoolSpec {
        kind: [PoolKind::Max, PoolKind::Average][below(2)],
        size: 1 + below(6),
        stride: 1 + below(4),
        padding: paddings[below(2)],
    };
    let dilation = [1, 2 + below(4)][below(2)];
    ConvSpec {
        dilation,
        stride: if dilation > 1 { 1 } else { plain.stride },
        padding: paddings[below(2)],
        activation: random_activation(below),
        pool: [None, Some(pool)][below(2)],
        ..plain
    }
}

fn random_activation(below: &mut dyn FnMut(u32) -> usize) -> Activation {
    use Activation::*;
    [Relu, Relu, Elu, Gelu, LeakyRelu { slope: 0.2 }, Tanh, Linear][below(7)]
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
            // The stage of a convolution that computes its pool too includes the ReLU before it.
            if is_plain_pool(layer) && has_relu(&layers[l - 1]) {
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

fn is_plain_pool(layer: &Layer) -> bool {
    match layer {
        Layer::Pool { name, kind, size, stride, padding, .. } => {
            name != "global_pool" && *kind == PoolKind::Max && size == stride && *padding == Padding::Valid
        }
        _ => false,
    }
}

fn has_relu(layer: &Layer) -> bool {
    matches!(layer, Layer::Conv { activation: Activation::Relu, .. })
}

/// Within a few rounding errors of the largest value.
fn assert_near(what: &str, found: &[f64], truth: &[f64]) {
    let largest = truth.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    assert_close(what, found, truth, Tolerance::Absolute(2e-6 * largest));
}
