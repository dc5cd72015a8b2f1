//! The engine at f32 against itself at f64, stage by stage.

use triax_losses::Loss;
use triax_model::{Activation, DenseSpec, Network, NetworkSpec, PoolKind};
use triax_testing::{Tolerance, assert_close, ulp};

use crate::{BatchTrace, WindowSet};

use super::super::CpuEngine;
use super::super::affine::Affine;
use super::super::layers::{Stage, stages};
use super::super::model::flat;
use super::{Case, SEED, conv, family, plan, stage, window_set};

/// Rounding of sums of `n` terms whose absolute values are `sums`.
fn reduction(n: usize, sums: &[f64]) -> Vec<f64> {
    let share = 4.0 * (n as f64).sqrt() * 2.0_f64.powi(-24);
    sums.iter().map(|sum| share * sum).collect()
}

/// How far the value of an activation may be off, if its sum, about `sums` in all its terms, is off by `rounding`; and its
/// derivative.
fn activated(activation: Activation, rounding: &[f64], values: &[f64]) -> (Vec<f64>, Vec<f64>) {
    /// The approximations at f32, in units in the last place; and the largest slope of a value and of a derivative.
    const ULPS: f64 = 8.0;
    const STEEPEST: f64 = 1.13;
    let approximated = match activation {
        Activation::Relu | Activation::Linear => return (rounding.to_vec(), vec![0.0; rounding.len()]),
        Activation::LeakyRelu { .. } => 1.0,
        Activation::Elu | Activation::Tanh | Activation::Gelu => ULPS,
    };
    let value = |(rounding, value): (&f64, &f64)| STEEPEST * rounding + approximated * ulp(*value);
    let slope = |rounding: &f64| match activation {
        // That of a GELU is kept from the forward pass; the others follow from the value as it was rounded.
        Activation::Gelu => STEEPEST * rounding + ULPS * ulp(1.0),
        _ => 2.0 * ulp(1.0),
    };
    (rounding.iter().zip(values).map(value).collect(), rounding.iter().map(slope).collect())
}

fn abs(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.abs()).collect()
}

/// Largest share that an error took of its bound, by kind.
#[derive(Debug, Default)]
struct Shares {
    outputs: f64,
    d_inputs: f64,
    gradients: f64,
    losses: f64,
    d_scores: f64,
}

/// Networks with one less, as many and one more filters, units and inputs than fill a row, a panel or a block.
fn specs() -> Vec<(NetworkSpec, &'static [usize])> {
    let mut specs: Vec<(NetworkSpec, &'static [usize])> = family()
        .into_iter()
        .zip([&[17][..], &[1, 2], &[15, 16, 17], &[1, 37], &[17], &[3, 17], &[16], &[17], &[19]])
        .collect();
    assert_eq!(specs.len(), family().len());
    specs.push((
        NetworkSpec {
            window: 37,
            channels: 3,
            convs: vec![conv(15, 5, 2, Some(3)), conv(17, 2, 1, None)],
            global_pool: None,
            dropout: 0.25,
            hidden: DenseSpec::relu([16, 15]),
            classes: 16,
        },
        &[15, 16, 17, 33],
    ));
    specs.push((
        NetworkSpec {
            window: 43,
            channels: 17,
            convs: vec![conv(16, 3, 1, None), conv(31, 3, 3, Some(3))],
            global_pool: None,
            dropout: 0.0,
            hidden: DenseSpec::relu([129, 127]),
            classes: 17,
        },
        &[16, 31],
    ));
    specs
}

#[test]
fn every_stage_is_that_of_f64_up_to_rounding() {
    println!("seed {SEED}");
    let mut shares = Shares::default();
    for (spec, batches) in specs() {
        for loss in Loss::ALL {
            for &batch in batches {
                assert_stages(&spec, loss, batch, &mut shares);
            }
        }
    }
    println!("{shares:#?}");
}

/// Each stage is given at f64 what it was given at f32, so that it answers for its own rounding alone.
fn assert_stages(spec: &NetworkSpec, loss: Loss, n_windows: usize, shares: &mut Shares) {
    let mut batch = Batch::new(spec, loss, n_windows);
    // What is not kept between the first convolution and its pool follows from the windows.
    let is_not_kept = batch.found.outputs[0].is_empty();
    if is_not_kept {
        batch.found.outputs[0] = stage::forward::<f32>(&batch.stages[0], &batch.parameters, &batch.input, n_windows);
    }
    batch.assert_outputs(shares);
    batch.assert_losses(shares);
    if is_not_kept {
        let [x, y, d_y] = [&batch.found.outputs[0], &batch.found.outputs[1], &batch.found.d_outputs[1]];
        let Stage::Affine(affine) = &batch.stages[0] else { unreachable!("a pool follows a convolution") };
        let d_sums = stage::backward::<f32>(&batch.stages[1], &batch.parameters, [x, y, d_y], n_windows);
        batch.found.d_outputs[0] = stage::activation_backward::<f32>(affine, (x, &[]), &d_sums, n_windows);
    }
    batch.assert_gradients(shares);
    batch.assert_d_inputs(shares);
}

/// A batch, and what the stages of a step at f32 make of it.
struct Batch<'a> {
    spec: &'a NetworkSpec,
    loss: Loss,
    n_windows: usize,
    stages: Vec<Stage>,
    parameters: Vec<f64>,
    windows: WindowSet,
    order: Vec<u32>,
    /// Input of the first stage.
    input: Vec<f64>,
    /// Factors of dropout.
    mask: Vec<f64>,
    found: BatchTrace,
}

impl<'a> Batch<'a> {
    fn new(spec: &'a NetworkSpec, loss: Loss, n_windows: usize) -> Self {
        let network = Network::new(spec.clone()).unwrap();
        let case = Case::new(network.clone(), plan(loss, n_windows), n_windows);
        let mut windows = window_set(spec, n_windows);
        windows.sample_weights = Some((0..n_windows).map(|n| 0.5 + (n % 5) as f32 / 3.0).collect());
        let step = 5;
        let found = (CpuEngine::<f32>::with_threads(2))
            .gradients(&network, &case.weights, &case.plan, &windows, &case.order, step)
            .unwrap();
        let len = spec.window * spec.channels;
        let values = |idx: &u32| windows.windows[*idx as usize * len..][..len].iter().map(|&value| f64::from(value));
        let input: Vec<f64> = case.order.iter().flat_map(values).collect();
        let mut mask = vec![1.0_f32; n_windows * network.features()];
        if spec.dropout > 0.0 {
            triax_model::random::dropout_mask(case.plan.seed, step, spec.dropout, network.features(), &mut mask);
        }
        let mask = mask.into_iter().map(f64::from).collect();
        let (stages, parameters, order) = (stages(&network), flat::<f64>(&case.weights), case.order);
        Self { spec, loss, n_windows, stages, parameters, windows, order, input, mask, found }
    }

    fn what(&self, what: &str, s: usize) -> String {
        format!("{what} of stage {s}, {}, batch {} of {:?}", self.loss, self.n_windows, self.spec)
    }

    /// What stage `s` was given.
    fn stage_input(&self, s: usize) -> &[f64] {
        if s == 0 { &self.input } else { &self.found.outputs[s - 1] }
    }

    fn assert_outputs(&self, shares: &mut Shares) {
        for (s, stage) in self.stages.iter().enumerate() {
            let (x, y, what) = (self.stage_input(s), &self.found.outputs[s], self.what("output", s));
            match stage {
                Stage::Affine(affine) => {
                    let expected = stage::forward::<f64>(stage, &self.parameters, x, self.n_windows);
                    let sums = Stage::Affine(Affine { activation: Activation::Linear, ..affine.clone() });
                    let sums = stage::forward::<f64>(&sums, &abs(&self.parameters), &abs(x), self.n_windows);
                    let rounding = reduction(affine.n_inputs() + 1, &sums);
                    let (bounds, _) = activated(affine.activation, &rounding, &expected);
                    let agreement = assert_close(&what, y, &expected, Tolerance::Each(&bounds));
                    shares.outputs = shares.outputs.max(agreement.share_of_bound);
                }
                Stage::Pool(pool) => {
                    let expected = stage::forward::<f64>(stage, &self.parameters, x, self.n_windows);
                    match pool.kind {
                        PoolKind::Max => assert_close(&what, y, &expected, Tolerance::Exact),
                        PoolKind::Average => {
                            let sums = stage::forward::<f64>(stage, &self.parameters, &abs(x), self.n_windows);
                            let bounds = reduction(pool.size, &sums);
                            assert_close(&what, y, &expected, Tolerance::Each(&bounds))
                        }
                    };
                }
                Stage::Dropout { .. } => {
                    let expected = stage::drop::<f64>(&self.mask, x, self.n_windows);
                    assert_close(&what, y, &expected, Tolerance::Exact);
                }
            }
        }
    }

    /// Loss and gradient of the scores, window by window.
    fn assert_losses(&self, shares: &mut Shares) {
        let (found, classes) = (&self.found, self.spec.classes);
        let mut d_scores = Vec::new();
        let (mut losses, mut loss_bounds, mut d_bounds) = (Vec::new(), Vec::new(), Vec::new());
        for (scores, idx) in found.scores().chunks(classes).zip(self.order.iter().map(|&idx| idx as usize)) {
            let (label, weight) = (self.windows.labels[idx] as usize, f64::from(self.windows.weight(idx, None)));
            let mut d_row = vec![0.0; classes];
            let value = self.loss.row(scores, label, &mut d_row);
            losses.push(weight * value);
            // Two scores, 1 and the value itself bound the terms of every loss.
            let largest = scores.iter().fold(0.0_f64, |largest, score| largest.max(score.abs()));
            loss_bounds.extend(reduction(classes, &[weight * (value + 2.0 * largest + 1.0)]));
            for (class, d) in d_row.into_iter().enumerate() {
                // The derivative of cross-entropy is a share less 1 at the label: it rounds as these do. Beside the 4 units
                // of the loss there is one for the weight and one for the batch.
                let share = 6.0 * weight / self.n_windows as f64;
                d_bounds.push(match self.loss {
                    Loss::CategoricalCrossentropy => share * ulp(if class == label { 1.0 } else { d }),
                    _ if d == 0.0 => 0.0,
                    _ => share * ulp(d),
                });
                d_scores.push(weight * d / self.n_windows as f64);
            }
        }
        let last = self.stages.len() - 1;
        let agreement = assert_close(&self.what("loss", last), &found.losses, &losses, Tolerance::Each(&loss_bounds));
        shares.losses = shares.losses.max(agreement.share_of_bound);
        let what = self.what("d_scores", last);
        let agreement = assert_close(&what, &found.d_outputs[last], &d_scores, Tolerance::Each(&d_bounds));
        shares.d_scores = shares.d_scores.max(agreement.share_of_bound);
        let mean = losses.iter().sum::<f64>() / self.n_windows as f64;
        assert_close("mean loss", &[found.loss], &[mean], Tolerance::Absolute(loss_bounds.iter().sum::<f64>()));
    }

    /// Gradients of the parameters, and their norm.
    fn assert_gradients(&self, shares: &mut Shares) {
        let mut tensors = self.found.gradients.chunks_exact(2);
        for (s, stage) in self.stages.iter().enumerate() {
            let Stage::Affine(affine) = stage else { continue };
            let (x, d_y) = (self.stage_input(s), &self.found.d_outputs[s]);
            let d_parameters = stage::gradient::<f64>(affine, x, d_y, self.n_windows);
            let sums = stage::gradient::<f64>(affine, &abs(x), &abs(d_y), self.n_windows);
            let bounds = reduction(self.n_windows * affine.output.0, &sums);
            let tensors = tensors.next().unwrap().concat();
            let what = self.what("gradient", s);
            let agreement = assert_close(&what, &tensors, &d_parameters, Tolerance::Each(&bounds));
            shares.gradients = shares.gradients.max(agreement.share_of_bound);
        }
        let norm = self.found.gradients.concat().iter().map(|g| g * g).sum::<f64>().sqrt();
        assert_close("norm", &[self.found.gradient_norm], &[norm], Tolerance::Relative(1e-5));
    }

    /// Gradients of the inputs of all stages but the first.
    fn assert_d_inputs(&self, shares: &mut Shares) {
        for s in 1..self.stages.len() {
            let (found, what) = (&self.found.d_outputs[s - 1], self.what("d_input", s));
            let (d_x, mut bounds) = self.d_input(s);
            // Then comes the derivative of the activation before it.
            let expected = match &self.stages[s - 1] {
                Stage::Affine(before) => {
                    let slopes = self.slopes(s - 1, before);
                    for ((bound, d_x), (slope, error)) in bounds.iter_mut().zip(&d_x).zip(&slopes) {
                        *bound = slope.abs() * *bound + error * d_x.abs();
                    }
                    d_x.iter().zip(&slopes).map(|(d_x, (slope, _))| d_x * slope).collect()
                }
                _ => d_x,
            };
            if bounds.iter().all(|bound| *bound == 0.0) {
                assert_close(&what, found, &expected, Tolerance::Exact);
            } else {
                let agreement = assert_close(&what, found, &expected, Tolerance::Each(&bounds));
                shares.d_inputs = shares.d_inputs.max(agreement.share_of_bound);
            }
        }
    }

    /// The gradient of the input of stage `s`, and how far one at f32 may be off.
    fn d_input(&self, s: usize) -> (Vec<f64>, Vec<f64>) {
        let (stage, n) = (&self.stages[s], self.n_windows);
        let (x, y, d_y) = (self.stage_input(s), &self.found.outputs[s], &self.found.d_outputs[s]);
        let backward = |parameters: &[f64], d_y: &[f64]| stage::backward::<f64>(stage, parameters, [x, y, d_y], n);
        match stage {
            Stage::Affine(affine) => {
                let bounds = reduction(affine.kernel * affine.output.1, &backward(&abs(&self.parameters), &abs(d_y)));
                (backward(&self.parameters, d_y), bounds)
            }
            // Where an input is read once, it takes the gradient as it is.
            Stage::Pool(pool) if pool.is_disjoint_max() => (backward(&[], d_y), vec![0.0; x.len()]),
            Stage::Pool(pool) => {
                let n_readers = pool.size.div_ceil(pool.stride);
                (backward(&[], d_y), reduction(n_readers, &backward(&[], &abs(d_y))))
            }
            Stage::Dropout { .. } => (stage::drop::<f64>(&self.mask, d_y, n), vec![0.0; x.len()]),
        }
    }

    /// The derivative of the activation of stage `s`, at each of its outputs, and how far one at f32 may be off.
    fn slopes(&self, s: usize, affine: &Affine) -> Vec<(f64, f64)> {
        let (x, y, n) = (self.stage_input(s), &self.found.outputs[s], self.n_windows);
        let stage = Stage::Affine(affine.clone());
        let (_, kept) = stage::forward_and_slopes::<f64>(&stage, &self.parameters, x, n);
        let slopes = stage::activation_backward::<f64>(affine, (y, &kept), &vec![1.0; y.len()], n);
        let sums = Stage::Affine(Affine { activation: Activation::Linear, ..affine.clone() });
        let sums = stage::forward::<f64>(&sums, &abs(&self.parameters), &abs(x), n);
        let (_, errors) = activated(affine.activation, &reduction(affine.n_inputs() + 1, &sums), y);
        slopes.into_iter().zip(errors).collect()
    }
}
