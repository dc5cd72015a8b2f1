//! Every gradient against central differences of the value it is the gradient of, in f64.

use triax_losses::Loss;
use triax_model::{ConvSpec, Network, NetworkSpec};
use triax_random::{Purpose, Stream};

use super::conv::Conv;
use super::dense::Dense;
use super::loss::batch_loss;
use super::pool::MaxPool;
use super::step::{Batch, forward, forward_backward};
use super::{Tensors, dropout, relu};

/// Half the distance of the two values. The error of the formula is of the order of its square, and that of rounding
/// 1e-16 divided by it.
const STEP: f64 = 1e-5;
const BOUND: f64 = 1e-8;

/// Numbers in [-1, 1), different for each `index`.
fn random(index: u64, n: usize) -> Vec<f64> {
    let mut stream = Stream::new(11, Purpose::Synthesise, index);
    (0..n).map(|_| 2.0 * f64::from(stream.uniform()) - 1.0).collect()
}

/// Holds `gradient` against central differences of `value` around `at`. Of many entries only every so many are tried.
#[track_caller]
fn assert_gradient(what: &str, at: &[f64], gradient: &[f64], value: impl Fn(&[f64]) -> f64) {
    assert_eq!(at.len(), gradient.len(), "{what}");
    for i in (0..at.len()).step_by(at.len().div_ceil(50)) {
        let moved = |by: f64| {
            let mut moved = at.to_vec();
            moved[i] += by;
            value(&moved)
        };
        let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        let error = (gradient[i] - difference).abs();
        assert!(error <= BOUND * (1.0 + difference.abs()), "{what}[{i}]: {} but {difference}", gradient[i]);
    }
    assert!(gradient.iter().any(|g| *g != 0.0), "{what}: nothing but zeros says nothing");
}

/// A scalar made of all outputs: what `weights` is the gradient of, by them.
fn weigh(outputs: &[f64], weights: &[f64]) -> f64 {
    outputs.iter().zip(weights).map(|(y, w)| y * w).sum()
}

/// Shapes of 1 and of primes, with strides below, at and above the kernel's length.
fn convs() -> impl Iterator<Item = (usize, Conv)> {
    [
        (1, 1, 1, 1, 1, 1),
        (1, 7, 1, 3, 2, 5),
        (2, 11, 3, 3, 3, 7),
        (3, 13, 2, 2, 5, 1),
        (2, 5, 5, 5, 1, 2),
        (2, 17, 1, 7, 2, 3),
    ]
    .into_iter()
    .map(|(batch, positions, channels, kernel, stride, filters)| {
        let output = ((positions - kernel) / stride + 1, filters);
        (batch, Conv { input: (positions, channels), output, kernel, stride })
    })
}

#[test]
fn a_convolution_is_its_formula() {
    for (batch, conv) in convs() {
        let ((positions_in, channels), (positions, filters)) = (conv.input, conv.output);
        let x = random(1, batch * positions_in * channels);
        let kernel = random(2, conv.kernel * channels * filters);
        let bias = random(3, filters);
        let y = conv.forward(&x, &kernel, &bias);
        assert_eq!(y.len(), batch * positions * filters);
        for (i, y) in y.into_iter().enumerate() {
            let (n, t, o) = (i / (positions * filters), i / filters % positions, i % filters);
            let mut expected = bias[o];
            for j in 0..conv.kernel {
                for c in 0..channels {
                    let position = t * conv.stride + j;
                    expected +=
                        x[(n * positions_in + position) * channels + c] * kernel[(j * channels + c) * filters + o];
                }
            }
            assert!((y - expected).abs() < 1e-14, "{conv:?}: y[{n}, {t}, {o}] = {y}, not {expected}");
        }
    }
}

#[test]
fn convolution() {
    for (batch, conv) in convs() {
        let x = random(1, batch * conv.input.0 * conv.input.1);
        let kernel = random(2, conv.kernel * conv.input.1 * conv.output.1);
        let bias = random(3, conv.output.1);
        let d_y = random(4, batch * conv.output.0 * conv.output.1);
        let (mut d_kernel, mut d_bias) = (vec![0.0; kernel.len()], vec![0.0; bias.len()]);
        let d_x = conv.backward(&x, &kernel, &d_y, &mut d_kernel, &mut d_bias);
        assert_gradient("x", &x, &d_x, |x| weigh(&conv.forward(x, &kernel, &bias), &d_y));
        assert_gradient("kernel", &kernel, &d_kernel, |kernel| weigh(&conv.forward(&x, kernel, &bias), &d_y));
        assert_gradient("bias", &bias, &d_bias, |bias| weigh(&conv.forward(&x, &kernel, bias), &d_y));
    }
}

#[test]
fn dense() {
    for (batch, inputs, units) in [(1, 1, 1), (3, 1, 5), (5, 7, 1), (2, 13, 11)] {
        let dense = Dense { inputs, units };
        let (x, kernel) = (random(1, batch * inputs), random(2, inputs * units));
        let (bias, d_y) = (random(3, units), random(4, batch * units));
        let y = dense.forward(&x, &kernel, &bias);
        for (i, y) in y.into_iter().enumerate() {
            let (n, o) = (i / units, i % units);
            let expected = bias[o] + (0..inputs).map(|i| x[n * inputs + i] * kernel[i * units + o]).sum::<f64>();
            assert!((y - expected).abs() < 1e-14, "y[{n}, {o}] = {y}, not {expected}");
        }
        let (mut d_kernel, mut d_bias) = (vec![0.0; kernel.len()], vec![0.0; bias.len()]);
        let d_x = dense.backward(&x, &kernel, &d_y, &mut d_kernel, &mut d_bias);
        assert_gradient("x", &x, &d_x, |x| weigh(&dense.forward(x, &kernel, &bias), &d_y));
        assert_gradient("kernel", &kernel, &d_kernel, |kernel| weigh(&dense.forward(&x, kernel, &bias), &d_y));
        assert_gradient("bias", &bias, &d_bias, |bias| weigh(&dense.forward(&x, &kernel, bias), &d_y));
    }
}

#[test]
fn max_pooling() {
    for (batch, positions, channels, size) in [(1, 1, 1, 1), (2, 7, 3, 2), (3, 11, 1, 5), (1, 13, 2, 3)] {
        let pool = MaxPool { input: (positions, channels), output: (positions / size, channels), size };
        let x = random(1, batch * positions * channels);
        let d_y = random(4, batch * (positions / size) * channels);
        let d_x = pool.backward(&x, &d_y);
        assert_gradient("x", &x, &d_x, |x| weigh(&pool.forward(x), &d_y));
    }
}

#[test]
fn relu_and_dropout() {
    let (x, d_y) = (random(1, 97), random(4, 97));
    let output = |x: &[f64]| {
        let mut y = x.to_vec();
        relu::forward(&mut y);
        y
    };
    let mut d_x = d_y.clone();
    relu::backward(&output(&x), &mut d_x);
    assert_gradient("x of relu", &x, &d_x, |x| weigh(&output(x), &d_y));

    let mask = dropout::mask(1, 2, 0.3, 97);
    let d_x = dropout::apply(&mask, &d_y);
    assert_gradient("x of dropout", &x, &d_x, |x| weigh(&dropout::apply(&mask, x), &d_y));
}

#[test]
fn losses() {
    for loss in Loss::ALL {
        for (batch, classes) in [(1, 3), (3, 2), (5, 7), (2, 31)] {
            let scores: Vec<f64> = random(classes as u64, batch * classes).into_iter().map(|s| 2.0 * s).collect();
            let labels: Vec<u32> = (0..batch).map(|row| (row * 5 % classes) as u32).collect();
            let weights: Vec<f64> = random(5, batch).into_iter().map(|w| w + 1.5).collect();
            let result = batch_loss(loss, &scores, &labels, &weights);
            assert_gradient(loss.name(), &scores, &result.d_scores, |scores| {
                batch_loss(loss, scores, &labels, &weights).mean
            });
        }
    }
}

/// The family's corners: one to four blocks, with and without pooling, no to three hidden layers, with dropout.
fn family() -> Vec<NetworkSpec> {
    let conv = |filters, kernel, stride, pool| ConvSpec { filters, kernel, stride, pool };
    vec![
        NetworkSpec::default(),
        NetworkSpec {
            window: 1,
            channels: 1,
            convs: vec![conv(1, 1, 1, None)],
            dropout: 0.0,
            hidden: vec![],
            classes: 2,
        },
        NetworkSpec {
            window: 31,
            channels: 2,
            convs: vec![conv(3, 5, 2, Some(3)), conv(5, 2, 1, None)],
            dropout: 0.25,
            hidden: vec![7, 5],
            classes: 3,
        },
        NetworkSpec {
            window: 53,
            channels: 5,
            convs: vec![conv(7, 3, 1, Some(2)), conv(5, 3, 1, None), conv(3, 1, 2, Some(2)), conv(11, 2, 1, None)],
            dropout: 0.5,
            hidden: vec![11, 13, 7],
            classes: 5,
        },
    ]
}

#[test]
fn whole_networks() {
    for spec in family() {
        for loss in Loss::ALL {
            let network = Network::new(spec.clone()).unwrap();
            let mut parameters: Tensors = network
                .parameters()
                .iter()
                .enumerate()
                .map(|(k, parameter)| {
                    let limit = if parameter.fan_in == 0 { 0.1 } else { (3.0 / parameter.fan_in as f64).sqrt() };
                    random(20 + k as u64, parameter.len()).into_iter().map(|value| limit * value).collect()
                })
                .collect();
            // So that the network of one neuron is not dead.
            parameters[1][0] = parameters[1][0].abs() + 1.0;
            let batch_size = 3;
            let n_features = batch_size * network.features();
            let batch = Batch {
                windows: random(10, batch_size * spec.window * spec.channels),
                labels: (0..batch_size).map(|row| (row % spec.classes) as u32).collect(),
                weights: vec![0.5, 2.0, 1.0],
                mask: (spec.dropout > 0.0).then(|| dropout::mask(7, 3, spec.dropout, n_features)),
            };
            let stages = forward_backward(&network, &parameters, loss, &batch);
            for (k, parameter) in network.parameters().iter().enumerate() {
                let what = format!("{loss}: {}", parameter.name);
                assert_gradient(&what, &parameters[k], &stages.gradients[k], |values| {
                    let mut moved = parameters.clone();
                    moved[k] = values.to_vec();
                    let outputs = forward(&network, &moved, &batch.windows, batch.mask.as_deref());
                    batch_loss(loss, outputs.last().unwrap(), &batch.labels, &batch.weights).mean
                });
            }
        }
    }
}
