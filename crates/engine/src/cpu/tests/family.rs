//! Random networks of the whole family at f64: against a forward pass of a few lines, and its central differences.

use triax_losses::Loss;
use triax_model::random::{Purpose, Stream};
use triax_model::{Activation, ConvSpec, DenseSpec, Layer, Network, NetworkSpec, Padding, PoolKind, PoolSpec};

use super::super::gradients;
use super::{SEED, plan, weights, window_set};

const N_NETWORKS: u64 = 120;

/// A number from 1 to `most`.
fn upto(stream: &mut Stream, most: u32) -> usize {
    1 + stream.below(most) as usize
}

fn activation(stream: &mut Stream) -> Activation {
    let slope = 0.9 * stream.uniform();
    let all = [Activation::Relu, Activation::Elu, Activation::Gelu, Activation::Tanh, Activation::Linear];
    all.get(stream.below(6) as usize).copied().unwrap_or(Activation::LeakyRelu { slope })
}

fn padding(stream: &mut Stream) -> Padding {
    [Padding::Valid, Padding::Same][stream.below(2) as usize]
}

fn kind(stream: &mut Stream) -> PoolKind {
    [PoolKind::Max, PoolKind::Average][stream.below(2) as usize]
}

/// A random specification, which may be none of a network.
fn random_spec(stream: &mut Stream) -> NetworkSpec {
    let conv = |stream: &mut Stream| {
        let (size, stride) = (upto(stream, 4), upto(stream, 4));
        // A third each without a pool, with one as in the reference network, with any.
        let pool = match stream.below(3) {
            0 => None,
            1 => Some(PoolSpec::max(size)),
            _ => Some(PoolSpec { kind: kind(stream), size, stride, padding: padding(stream) }),
        };
        // Half of them dilated; with a stride too, they are none.
        let dilation = 1 + stream.below(2) as usize * upto(stream, 3);
        ConvSpec {
            filters: upto(stream, 6),
            kernel: upto(stream, 6),
            stride: upto(stream, 3),
            dilation,
            padding: padding(stream),
            activation: activation(stream),
            pool,
        }
    };
    let hidden = |stream: &mut Stream| DenseSpec { units: upto(stream, 6), activation: activation(stream) };
    NetworkSpec {
        window: upto(stream, 30),
        channels: upto(stream, 3),
        convs: (0..upto(stream, 3)).map(|_| conv(stream)).collect(),
        global_pool: [None, Some(PoolKind::Max), Some(PoolKind::Average)][stream.below(3) as usize],
        dropout: 0.0,
        hidden: (0..stream.below(3)).map(|_| hidden(stream)).collect(),
        classes: 1 + upto(stream, 3),
    }
}

/// The scores of a window (positions × channels), as the layers define them.
fn scores(network: &Network, parameters: &[Vec<f64>], window: &[f32]) -> Vec<f64> {
    let mut parameters = parameters.chunks_exact(2);
    let mut x: Vec<f64> = window.iter().map(|&value| value.into()).collect();
    for layer in network.layers() {
        let sums = |x: &[f64], kernel: &[f64], bias: &[f64], activation: Activation, read: &[Option<usize>]| {
            let mut sums = bias.to_vec();
            for (i, at) in read.iter().enumerate() {
                let x = at.map_or(0.0, |at| x[at]);
                sums.iter_mut().zip(&kernel[i * bias.len()..]).for_each(|(sum, weight)| *sum += x * weight);
            }
            sums.into_iter().map(|sum| activation.value(sum)).collect::<Vec<f64>>()
        };
        x = match layer {
            Layer::Conv { input, output, kernel: taps, stride, dilation, before, activation, .. } => {
                let [kernel, bias] = parameters.next().unwrap() else { unreachable!("kernel and bias") };
                let at = |t: usize| {
                    let position =
                        move |j: usize| (t * stride + j * dilation).checked_sub(*before).filter(|p| *p < input.0);
                    let read = (0..*taps).flat_map(|j| (0..input.1).map(move |c| (position(j), c)));
                    read.map(|(position, c)| position.map(|p| p * input.1 + c)).collect::<Vec<_>>()
                };
                (0..output.0).flat_map(|t| sums(&x, kernel, bias, *activation, &at(t))).collect()
            }
            Layer::Pool { kind, input, output, size, stride, before, .. } => {
                let pooled = |t: usize, c: usize| {
                    let position = |j: usize| (t * stride + j).checked_sub(*before).filter(|p| *p < input.0);
                    let read: Vec<f64> = (0..*size).filter_map(position).map(|p| x[p * input.1 + c]).collect();
                    match kind {
                        PoolKind::Max => read.iter().copied().fold(f64::MIN, f64::max),
                        PoolKind::Average => read.iter().sum::<f64>() / read.len() as f64,
                    }
                };
                (0..output.0).flat_map(|t| (0..input.1).map(move |c| (t, c))).map(|(t, c)| pooled(t, c)).collect()
            }
            Layer::Dropout { .. } => x,
            Layer::Dense { inputs, activation, .. } => {
                let [kernel, bias] = parameters.next().unwrap() else { unreachable!("kernel and bias") };
                sums(&x, kernel, bias, *activation, &(0..*inputs).map(Some).collect::<Vec<_>>())
            }
        };
    }
    x
}

#[test]
fn random_networks_of_the_family_score_and_learn_as_defined() {
    const STEP: f64 = 1e-6;
    const BATCH: usize = 3;
    println!("seed {SEED}");
    let (mut n_networks, mut n_compared, mut n_kinks, mut n_not_zero) = (0, 0, 0, 0);
    for index in 0.. {
        let mut stream = Stream::new(SEED, Purpose::Synthesise, 5000 + index);
        let Ok(network) = Network::new(random_spec(&mut stream)) else { continue };
        let (spec, weights) = (network.spec(), weights(&network, index));
        let (windows, loss) = (window_set(spec, BATCH), Loss::CategoricalCrossentropy);
        let found = gradients(&network, &weights, &plan(loss, BATCH), &windows, &[0, 1, 2], 0).unwrap();

        let mut parameters: Vec<Vec<f64>> =
            weights.tensors.iter().map(|tensor| tensor.values.iter().map(|&value| value.into()).collect()).collect();
        let each: Vec<&[f32]> = windows.windows.chunks_exact(spec.window * spec.channels).collect();
        let expected: Vec<f64> = each.iter().flat_map(|window| scores(&network, &parameters, window)).collect();
        for (found, expected) in found.scores().iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-13 * (1.0 + expected.abs()), "{spec:?}: {found}, not {expected}");
        }

        let value = |parameters: &[Vec<f64>]| {
            let loss_of = |(window, label): (&&[f32], &u32)| {
                loss.row(&scores(&network, parameters, window), *label as usize, &mut vec![0.0; spec.classes])
            };
            each.iter().zip(&*windows.labels).map(loss_of).sum::<f64>() / BATCH as f64
        };
        let here = value(&parameters);
        for k in 0..parameters.len() {
            for i in (0..parameters[k].len()).step_by(parameters[k].len().div_ceil(12)) {
                let mut at = |by: f64| {
                    let own = parameters[k][i];
                    parameters[k][i] = own + by;
                    let value = value(&parameters);
                    parameters[k][i] = own;
                    value
                };
                let [right, left] = [(at(STEP) - here) / STEP, (here - at(-STEP)) / STEP];
                // Where the two differ, a unit switches between them, and there is no derivative.
                if (right - left).abs() > 2e-5 {
                    n_kinks += 1;
                    continue;
                }
                let (found, difference) = (found.gradients[k][i], (right + left) / 2.0);
                assert!((found - difference).abs() < 1e-8, "{spec:?}: tensor {k}, {i}: {found}, not {difference}");
                (n_compared, n_not_zero) = (n_compared + 1, n_not_zero + u32::from(found != 0.0));
            }
        }
        n_networks += 1;
        if n_networks == N_NETWORKS {
            break;
        }
    }
    println!("{n_compared} derivatives compared, {n_not_zero} of them not 0, {n_kinks} kinks");
    assert!(n_kinks * 50 < n_compared && n_not_zero * 4 > n_compared * 3);
}
