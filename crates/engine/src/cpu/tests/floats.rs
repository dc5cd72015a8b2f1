//! The engine at f32 against itself at f64, stage by stage.

use triax_losses::Loss;
use triax_model::{Network, NetworkSpec};
use triax_testing::{Tolerance, assert_close, ulp};

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
    let mut specs: Vec<(NetworkSpec, &'static [usize])> =
        family().into_iter().zip([&[17][..], &[1, 2], &[15, 16, 17], &[1, 37]]).collect();
    specs.push((
        NetworkSpec {
            window: 37,
            channels: 3,
            convs: vec![conv(15, 5, 2, Some(3)), conv(17, 2, 1, None)],
            dropout: 0.25,
            hidden: vec![16, 15],
            classes: 16,
        },
        &[15, 16, 17, 33],
    ));
    specs.push((
        NetworkSpec {
            window: 43,
            channels: 17,
            convs: vec![conv(16, 3, 1, None), conv(31, 3, 3, Some(3))],
            dropout: 0.0,
            hidden: vec![129, 127],
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
fn assert_stages(spec: &NetworkSpec, loss: Loss, batch: usize, shares: &mut Shares) {
    let network = Network::new(spec.clone()).unwrap();
    let case = Case::new(network.clone(), plan(loss, batch), batch);
    let mut windows = window_set(spec, batch);
    windows.sample_weights = Some((0..batch).map(|n| 0.5 + (n % 5) as f32 / 3.0).collect());
    let step = 5;
    let mut found = (CpuEngine::<f32>::with_threads(2))
        .gradients(&network, &case.weights, &case.plan, &windows, &case.order, step)
        .unwrap();
    let (stages, parameters) = (stages(&network), flat::<f64>(&case.weights));
    let what = |what: &str, s: usize| format!("{what} of stage {s}, {loss}, batch {batch} of {spec:?}");
    let len = spec.window * spec.channels;
    let values = |idx: &u32| windows.windows[*idx as usize * len..][..len].iter().map(|&value| f64::from(value));
    let input: Vec<f64> = case.order.iter().flat_map(values).collect();
    let mut mask = vec![0.0_f32; batch * network.features()];
    if spec.dropout > 0.0 {
        triax_model::random::dropout_mask(case.plan.seed, step, spec.dropout, network.features(), &mut mask);
    } else {
        mask.fill(1.0);
    }
    let mask: Vec<f64> = mask.into_iter().map(f64::from).collect();

    // What is not kept between the first convolution and its pool follows from the windows.
    let is_not_kept = found.outputs[0].is_empty();
    if is_not_kept {
        found.outputs[0] = stage::forward::<f32>(&stages[0], &parameters, &input, batch);
    }
    let inputs: Vec<&[f64]> = [&input].into_iter().chain(&found.outputs).map(Vec::as_slice).collect();

    for (s, stage) in stages.iter().enumerate() {
        let (x, y) = (inputs[s], &found.outputs[s]);
        match stage {
            Stage::Affine(affine) => {
                let expected = stage::forward::<f64>(stage, &parameters, x, batch);
                let sums = Stage::Affine(Affine { relu: false, ..affine.clone() });
                let sums = stage::forward::<f64>(&sums, &abs(&parameters), &abs(x), batch);
                let bounds = reduction(affine.n_inputs() + 1, &sums);
                let agreement = assert_close(&what("output", s), y, &expected, Tolerance::Each(&bounds));
                shares.outputs = shares.outputs.max(agreement.share_of_bound);
            }
            Stage::MaxPool(_) => {
                let expected = stage::forward::<f64>(stage, &parameters, x, batch);
                assert_close(&what("output", s), y, &expected, Tolerance::Exact);
            }
            Stage::Dropout { .. } => {
                let expected = stage::drop::<f64>(&mask, x, batch);
                assert_close(&what("output", s), y, &expected, Tolerance::Exact);
            }
        }
    }

    let mut d_scores = Vec::new();
    let (mut losses, mut loss_bounds, mut d_bounds) = (Vec::new(), Vec::new(), Vec::new());
    for (scores, &idx) in found.scores().chunks(spec.classes).zip(&case.order) {
        let (label, weight) = (windows.labels[idx as usize] as usize, f64::from(windows.weight(idx as usize, None)));
        let mut d_row = vec![0.0; spec.classes];
        let value = loss.row(scores, label, &mut d_row);
        losses.push(weight * value);
        // Two scores, 1 and the value itself bound the terms of every loss.
        let largest = scores.iter().fold(0.0_f64, |largest, score| largest.max(score.abs()));
        loss_bounds.extend(reduction(spec.classes, &[weight * (value + 2.0 * largest + 1.0)]));
        for (class, d) in d_row.into_iter().enumerate() {
            // The derivative of cross-entropy is a share less 1 at the label: it rounds as these do. Beside the 4 units
            // of the loss there is one for the weight and one for the batch.
            let share = 6.0 * weight / batch as f64;
            d_bounds.push(match loss {
                Loss::CategoricalCrossentropy => share * ulp(if class == label { 1.0 } else { d }),
                _ if d == 0.0 => 0.0,
                _ => share * ulp(d),
            });
            d_scores.push(weight * d / batch as f64);
        }
    }
    let last = stages.len() - 1;
    let agreement = assert_close(&what("loss", last), &found.losses, &losses, Tolerance::Each(&loss_bounds));
    shares.losses = shares.losses.max(agreement.share_of_bound);
    let found_d_scores = &found.d_outputs[last];
    let agreement = assert_close(&what("d_scores", last), found_d_scores, &d_scores, Tolerance::Each(&d_bounds));
    shares.d_scores = shares.d_scores.max(agreement.share_of_bound);
    let mean = losses.iter().sum::<f64>() / batch as f64;
    assert_close("mean loss", &[found.loss], &[mean], Tolerance::Absolute(loss_bounds.iter().sum::<f64>()));

    if is_not_kept {
        let [x, y, d_y] = [&found.outputs[0], &found.outputs[1], &found.d_outputs[1]];
        let Stage::Affine(affine) = &stages[0] else { unreachable!("a pool follows a convolution") };
        let d_sums = stage::backward::<f32>(&stages[1], &parameters, [x, y, d_y], batch);
        found.d_outputs[0] = stage::relu_backward::<f32>(affine, x, &d_sums, batch);
    }
    let mut tensors = found.gradients.chunks_exact(2);
    for (s, stage) in stages.iter().enumerate() {
        let (x, y, d_y) = (inputs[s], &found.outputs[s], &found.d_outputs[s]);
        if let Stage::Affine(affine) = stage {
            let d_parameters = stage::gradient::<f64>(affine, x, d_y, batch);
            let sums = stage::gradient::<f64>(affine, &abs(x), &abs(d_y), batch);
            let bounds = reduction(batch * affine.output.0, &sums);
            let tensors = tensors.next().unwrap().concat();
            let agreement = assert_close(&what("gradient", s), &tensors, &d_parameters, Tolerance::Each(&bounds));
            shares.gradients = shares.gradients.max(agreement.share_of_bound);
        }
        if s == 0 {
            continue;
        }
        let masked = |d_x: Vec<f64>| match &stages[s - 1] {
            Stage::Affine(before) => stage::relu_backward::<f64>(before, x, &d_x, batch),
            _ => d_x,
        };
        let found_d_x = &found.d_outputs[s - 1];
        match stage {
            Stage::Affine(affine) => {
                let expected = masked(stage::backward::<f64>(stage, &parameters, [x, y, d_y], batch));
                let sums = masked(stage::backward::<f64>(stage, &abs(&parameters), [x, y, &abs(d_y)], batch));
                let bounds = reduction(affine.kernel * affine.output.1, &sums);
                let agreement = assert_close(&what("d_input", s), found_d_x, &expected, Tolerance::Each(&bounds));
                shares.d_inputs = shares.d_inputs.max(agreement.share_of_bound);
            }
            Stage::MaxPool(_) => {
                let expected = masked(stage::backward::<f64>(stage, &parameters, [x, y, d_y], batch));
                assert_close(&what("d_input", s), found_d_x, &expected, Tolerance::Exact);
            }
            Stage::Dropout { .. } => {
                let expected = masked(stage::drop::<f64>(&mask, d_y, batch));
                assert_close(&what("d_input", s), found_d_x, &expected, Tolerance::Exact);
            }
        }
    }
    let norm = found.gradients.concat().iter().map(|g| g * g).sum::<f64>().sqrt();
    assert_close("norm", &[found.gradient_norm], &[norm], Tolerance::Relative(1e-5));
}
