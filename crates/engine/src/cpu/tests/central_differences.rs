//! Every gradient against central differences of the value it is the gradient of, at f64.

use std::array;

use crate::{Augmentation, TrainingPlan, WindowSet};
use triax_losses::{Loss, SmoothedLoss};
use triax_model::{Activation, Network, PoolKind};

use super::super::affine::Affine;
use super::super::augment::{Augment, Partner};
use super::super::dropout::Mask;
use super::super::gather::gather;
use super::super::layers::Stage;
use super::super::loss::{Partners, TileLoss};
use super::super::model::{Model, Shape, StepContext, Workspace};
use super::super::pool::Pool;
use super::super::row::{Row, TILE};
use super::super::sample_pass::Tile;
use super::super::team::Team;
use super::{Case, affine, family, plan, stage, window_set};

/// Half the distance of the two values. The error of the formula is of the order of its square, and that of rounding
/// 1e-16 divided by it.
const STEP: f64 = 1e-5;
const BOUND: f64 = 1e-8;

fn random(index: u64, n: usize) -> Vec<f64> {
    super::random(index, n).into_iter().map(f64::from).collect()
}

/// Compares `gradient` with central differences of `value` around `at`, for at most 50 entries.
#[track_caller]
fn assert_gradient(what: &str, at: &[f64], gradient: &[f64], mut value: impl FnMut(&[f64]) -> f64) {
    assert_eq!(at.len(), gradient.len(), "{what}");
    for i in (0..at.len()).step_by(at.len().div_ceil(50)) {
        let mut moved = |by: f64| {
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
    assert_eq!(outputs.len(), weights.len());
    outputs.iter().zip(weights).map(|(y, w)| y * w).sum()
}

/// Batches and convolutions without ReLU: shapes of 1 and of primes, with strides below, at and above the kernel's
/// length, more than one tile of windows and more than one panel of filters; and dense layers, which have a single
/// position.
fn convs() -> impl Iterator<Item = (usize, Affine)> {
    let convs = [
        (1, 1, 1, 1, 1, 1),
        (1, 7, 1, 3, 2, 5),
        (2, 11, 3, 3, 3, 7),
        (3, 13, 2, 2, 5, 1),
        (2, 5, 5, 5, 1, 2),
        (2, 17, 1, 7, 2, 3),
        (33, 11, 7, 3, 2, 17),
    ];
    let dense = [(1, 1, 1), (3, 1, 5), (5, 7, 1), (2, 13, 11), (17, 131, 129)];
    let dense = dense.into_iter().map(|(batch, inputs, units)| (batch, 1, inputs, 1, 1, units));
    let dilated = [(1, 9, 1, 3, 4, 1), (3, 17, 2, 3, 5, 7), (2, 23, 13, 4, 2, 3), (17, 12, 3, 2, 11, 18)];
    let dilated = dilated.into_iter().map(|(batch, positions, channels, kernel, dilation, filters)| {
        let neighbours = affine((positions, channels), filters, kernel, 1);
        let output = (positions - (kernel - 1) * dilation, filters);
        (batch, Affine { output, dilation, ..neighbours })
    });
    let undilated = convs.into_iter().chain(dense).map(|(batch, positions, channels, kernel, stride, filters)| {
        (batch, affine((positions, channels), filters, kernel, stride))
    });
    undilated.chain(dilated)
}

#[test]
fn a_convolution_is_its_formula() {
    for (batch, affine) in convs() {
        let ((positions_in, channels), (positions, filters)) = (affine.input, affine.output);
        let x = random(1, batch * positions_in * channels);
        let parameters = random(2, affine.n_parameters());
        let (kernel, bias) = affine.split(&parameters);
        let sums = stage::forward::<f64>(&Stage::Affine(affine.clone()), &parameters, &x, batch);
        let relu = Affine { activation: Activation::Relu, ..affine.clone() };
        let outputs = stage::forward::<f64>(&Stage::Affine(relu), &parameters, &x, batch);
        assert_eq!(sums.len(), batch * positions * filters);
        for (i, (sum, y)) in sums.into_iter().zip(outputs).enumerate() {
            let (n, t, o) = (i / (positions * filters), i / filters % positions, i % filters);
            let mut expected = bias[o];
            for j in 0..affine.kernel {
                for c in 0..channels {
                    let position = t * affine.stride + j * affine.dilation;
                    expected +=
                        x[(n * positions_in + position) * channels + c] * kernel[(j * channels + c) * filters + o];
                }
            }
            assert!((sum - expected).abs() < 1e-14, "{affine:?}: sum[{n}, {t}, {o}] = {sum}, not {expected}");
            assert_eq!(y, sum.max(0.0), "{affine:?}: the ReLU of {sum}");
        }
    }
}

#[test]
fn convolution() {
    for (batch, affine) in convs() {
        let x = random(1, batch * affine.input.0 * affine.input.1);
        let parameters = random(2, affine.n_parameters());
        let d_y = random(4, batch * affine.output.0 * affine.output.1);
        let stage = Stage::Affine(affine.clone());
        let d_x = stage::backward::<f64>(&stage, &parameters, [&x, &d_y, &d_y], batch);
        let d_parameters = stage::gradient::<f64>(&affine, &x, &d_y, batch);
        let value = |parameters: &[f64], x: &[f64]| weigh(&stage::forward::<f64>(&stage, parameters, x, batch), &d_y);
        assert_gradient(&format!("x of {affine:?}"), &x, &d_x, |x| value(&parameters, x));
        assert_gradient(&format!("parameters of {affine:?}"), &parameters, &d_parameters, |p| value(p, &x));
        // Of many parameters only some are tried above; the last are the bias.
        let (kernel, bias) = affine.split(&parameters);
        let (_, d_bias) = affine.split(&d_parameters);
        assert_gradient(&format!("bias of {affine:?}"), bias, d_bias, |bias| value(&[kernel, bias].concat(), &x));
    }
}

#[test]
fn max_pooling() {
    for (batch, positions, channels, size) in [(1, 1, 1, 1), (2, 3, 3, 2), (3, 2, 1, 5), (1, 4, 2, 3), (17, 2, 17, 3)] {
        let pool = Stage::Pool(Pool::disjoint_max((positions, channels), size));
        let x = random(1, batch * positions * size * channels);
        let d_y = random(4, batch * positions * channels);
        let y = stage::forward::<f64>(&pool, &[], &x, batch);
        for (i, y) in y.iter().enumerate() {
            let (t, c) = (i / channels, i % channels);
            let largest = (0..size).map(|j| x[(t * size + j) * channels + c]).fold(f64::MIN, f64::max);
            assert_eq!(*y, largest);
        }
        let d_x = stage::backward::<f64>(&pool, &[], [&x, &y, &d_y], batch);
        assert_gradient("x", &x, &d_x, |x| weigh(&stage::forward::<f64>(&pool, &[], x, batch), &d_y));
    }
}

#[test]
fn the_first_of_equal_maxima_takes_the_gradient() {
    let pool = Stage::Pool(Pool::disjoint_max((1, 1), 4));
    for (x, winner) in
        [([1.0, 2.0, 2.0, 2.0], 1), ([0.0; 4], 0), ([1.0, 1.0, 1.0, 2.0], 3), ([-0.0, 0.0, -1.0, 0.0], 0)]
    {
        let y = stage::forward::<f64>(&pool, &[], &x, 1);
        let mut expected = [0.0; 4];
        expected[winner] = 7.0;
        assert_eq!(stage::backward::<f64>(&pool, &[], [&x, &y, &[7.0]], 1), expected, "{x:?}");
    }
}

#[test]
fn in_pools_that_overlap_too_the_first_of_equal_maxima_takes_the_gradient() {
    let pool = |size, stride, before, positions: usize| {
        let (kind, input, output) = (PoolKind::Max, (4, 1), (positions, 1));
        Stage::Pool(Pool { kind, input, output, size, stride, before })
    };
    for (pool, x, d_y, expected) in [
        (pool(2, 1, 0, 3), [1.0, 1.0, 1.0, 2.0], &[3.0, 5.0, 7.0][..], [3.0, 5.0, 0.0, 7.0]),
        (pool(3, 1, 0, 2), [2.0, 1.0, 2.0, 2.0], &[3.0, 5.0], [3.0, 0.0, 5.0, 0.0]),
        // Padded: what is not there is no maximum, though all that is there is below 0.
        (pool(3, 2, 1, 2), [-1.0, -2.0, -2.0, -3.0], &[3.0, 5.0], [3.0, 5.0, 0.0, 0.0]),
        // With gaps, and a rest that is not read.
        (pool(1, 2, 0, 2), [1.0, 9.0, 1.0, 9.0], &[3.0, 5.0], [3.0, 0.0, 5.0, 0.0]),
    ] {
        let y = stage::forward::<f64>(&pool, &[], &x, 1);
        assert_eq!(stage::backward::<f64>(&pool, &[], [&x, &y, d_y], 1), expected, "{pool:?} of {x:?}");
    }
}

#[test]
fn relu_and_dropout() {
    let (batch, features) = (19, 7);
    let affine = Affine { activation: Activation::Relu, ..affine((1, features), features, 1, 1) };
    // The identity, so that the sums before the ReLU are the input.
    let mut parameters = vec![0.0; affine.n_parameters()];
    (0..features).for_each(|i| parameters[i * features + i] = 1.0);
    let (x, d_y) = (random(1, batch * features), random(4, batch * features));
    let output = |x: &[f64]| stage::forward::<f64>(&Stage::Affine(affine.clone()), &parameters, x, batch);
    let d_x = stage::activation_backward::<f64>(&affine, (&output(&x), &[]), &d_y, batch);
    assert_gradient("x of relu", &x, &d_x, |x| weigh(&output(x), &d_y));
    assert!(d_x.contains(&0.0), "no input is below 0");

    let mut mask = vec![f32::NAN; batch * features];
    triax_model::random::dropout_mask(1, 2, 0.3, features, &mut mask);
    let mask: Vec<f64> = mask.into_iter().map(f64::from).collect();
    let d_x = stage::drop::<f64>(&mask, &d_y, batch);
    assert_gradient("x of dropout", &x, &d_x, |x| weigh(&stage::drop::<f64>(&mask, x, batch), &d_y));
}

#[test]
fn losses() {
    let smoothed = SmoothedLoss::new(Loss::CategoricalCrossentropy, 0.2).unwrap();
    for loss in Loss::ALL.map(SmoothedLoss::from).into_iter().chain([smoothed]) {
        for (batch, classes) in [(1, 3), (3, 2), (5, 7), (2, 31), (16, 5)] {
            let scores: Vec<f64> = random(classes as u64, batch * classes).into_iter().map(|s| 2.0 * s).collect();
            let mut tile_loss = TileLoss::new(classes);
            tile_loss.n_windows = batch;
            for (row, weight) in random(5, batch).into_iter().enumerate() {
                tile_loss.labels[row] = (row * 5 % classes) as u32;
                tile_loss.weights[row] = weight + 1.5;
            }
            // With labels of partners, which are the own ones for some.
            tile_loss.partners = (batch % 2 == 0 || batch == 5).then(|| Partners {
                labels: array::from_fn(|row| ((row * 3 + 1) % classes) as u32),
                weights: array::from_fn(|row| 0.25 + 0.1 * row as f64),
            });
            // The mean and its derivatives (batch, classes), of scores (batch, classes).
            let mut judge = |scores: &[f64]| {
                let row = |c: usize| {
                    let mut row = Row::ZERO;
                    (0..batch).for_each(|n| row.0[n] = scores[n * classes + c]);
                    row
                };
                let rows: Vec<_> = (0..classes).map(row).collect();
                let mut d_rows = vec![Row::ZERO; classes];
                tile_loss.judge(loss, batch, &rows, &mut d_rows);
                let mean = tile_loss.losses[..batch].iter().sum::<f64>() / batch as f64;
                (mean, (0..batch * classes).map(|i| d_rows[i % classes].0[i / classes]).collect::<Vec<_>>())
            };
            let (_, d_scores) = judge(&scores);
            assert_gradient(&format!("{loss:?}"), &scores, &d_scores, |scores| judge(scores).0);
        }
    }
}

#[test]
fn whole_networks() {
    assert_whole_networks(0.0);
}

#[test]
fn whole_networks_with_mixed_windows() {
    assert_whole_networks(0.5);
}

fn assert_whole_networks(mix: f32) {
    // Two tiles where there are few units that switch. Of many windows in many units some would switch within the step.
    assert_eq!(family().len(), 9);
    for (spec, batch) in family().into_iter().zip([3, 19, 19, 3, 3, 19, 3, 5, 3]) {
        for loss in Loss::ALL {
            let network = Network::new(spec.clone()).unwrap();
            let shape = Shape::new(&network);
            let mut windows = window_set(&spec, batch);
            windows.sample_weights = Some((0..batch).map(|n| [0.5, 2.0, 1.0][n % 3]).collect());
            let plan =
                TrainingPlan { augmentation: Augmentation { mix, ..Augmentation::default() }, ..plan(loss, batch) };
            let case = Case::new(network.clone(), plan, batch);
            let mut model = Model::<f64>::new(&case.member());
            let parameters = parameters(&network);
            model.parameters.clone_from(&parameters);
            let step = 3;
            let mut workspace = Workspace::new(&shape, batch, true, 1);
            let place = StepContext { shape: &shape, windows: &windows, team: &Team::alone() };
            let found = model.gradient(place, &case.order, step, None, &mut workspace);

            let mut forward = Forward::new(&case, &shape, &windows, step);
            let mut loss_at = |parameters: &[f64]| forward.loss(parameters);
            assert!((found.loss - loss_at(&parameters)).abs() < 1e-14, "{loss}: {}", found.loss);

            let mut start = 0;
            for parameter in network.parameters() {
                let range = start..start + parameter.len();
                start = range.end;
                let what = format!("{loss}: {}", parameter.name);
                assert_gradient(&what, &parameters[range.clone()], &workspace.gradient[range.clone()], |values| {
                    let mut moved = parameters.clone();
                    moved[range.clone()].copy_from_slice(values);
                    loss_at(&moved)
                });
            }
            let norm = workspace.gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            assert!((found.gradient_norm - norm).abs() < 1e-12 * norm);
        }
    }
}

/// Values for the parameters of `network`.
fn parameters(network: &Network) -> Vec<f64> {
    (network.parameters().iter().enumerate())
        .flat_map(|(k, parameter)| {
            let limit = if parameter.fan_in == 0 { 0.1 } else { (3.0 / parameter.fan_in as f64).sqrt() };
            let values = random(20 + k as u64, parameter.len()).into_iter().map(move |value| limit * value);
            // So that the network of one neuron is not dead.
            values.enumerate().map(move |(i, value)| if k == 1 && i == 0 { value.abs() + 1.0 } else { value })
        })
        .collect()
}

/// The forward pass of a step alone, tile after tile.
struct Forward<'a> {
    case: &'a Case,
    shape: &'a Shape,
    windows: &'a WindowSet,
    step: u64,
    tile: Tile<f64>,
    /// What each window of the batch is mixed with.
    partners: Vec<Partner>,
    /// The windows of the batch, mixed.
    blended: Vec<Vec<f32>>,
}

impl<'a> Forward<'a> {
    fn new(case: &'a Case, shape: &'a Shape, windows: &'a WindowSet, step: u64) -> Self {
        let n_windows = case.order.len();
        let augment = Augment::for_step(&case.plan, step, n_windows);
        let alone = |window| Partner { window, share: 0.0 };
        let partner = |window| augment.map_or(alone(window), |augment| augment.partner(window));
        let partners: Vec<Partner> = (0..n_windows).map(partner).collect();
        let blended: Vec<Vec<f32>> = (case.order.iter().zip(&partners))
            .map(|(&idx, &Partner { window: other, share })| {
                let values = [idx, case.order[other]].map(|idx| shape.window(windows, idx));
                values[0].iter().zip(values[1]).map(|(own, other)| own + share * (other - own)).collect()
            })
            .collect();
        Self { case, shape, windows, step, tile: shape.tile(1), partners, blended }
    }

    /// The mean loss of the batch.
    fn loss(&mut self, parameters: &[f64]) -> f64 {
        let Self { case, shape, windows, step, tile, partners, blended } = self;
        let spec = case.network.spec();
        let mask = Mask { seed: case.plan.seed, step: *step, rate: spec.dropout };
        let mut total = 0.0;
        for (i, values) in blended.chunks(TILE).enumerate() {
            gather(values.iter().map(Vec::as_slice), None, spec.channels, tile.input.rows_mut());
            let mask = (spec.dropout > 0.0).then_some((mask, i * TILE));
            tile.forward(&shape.stages, 0..shape.stages.len(), parameters, mask);
            for w in 0..values.len() {
                let scores: Vec<f64> = tile.scores().iter().map(|row| row.0[w]).collect();
                let Partner { window: other, share } = partners[i * TILE + w];
                for (part, window) in [(1.0 - f64::from(share), i * TILE + w), (f64::from(share), other)] {
                    let idx = case.order[window] as usize;
                    let weight = part * f64::from(windows.weight(idx, None));
                    let label = windows.labels[idx] as usize;
                    total += weight * case.plan.loss.row(&scores, label, &mut vec![0.0; spec.classes]);
                }
            }
        }
        total / blended.len() as f64
    }
}
