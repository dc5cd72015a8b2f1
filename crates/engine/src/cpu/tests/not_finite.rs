//! What is not finite is never lost on the way to the loss.

use triax_losses::Loss;
use triax_model::{Activation, Network, PoolKind};

use super::super::affine::Affine;
use super::super::layers::Stage;
use super::super::pool::Pool;
use super::super::{CpuEngine, Float};
use super::{Case, affine, epoch, family, plan, stage, window_set};

use crate::Engine;

fn a_pool_keeps_a_nan<F: Float>() {
    let (batch, channels, size) = (17, 3, 4);
    let pool = Stage::Pool(Pool::disjoint_max((2, channels), size));
    let len = 2 * size * channels;
    for at in 0..len {
        for n in [0, 15, 16] {
            let mut x: Vec<f64> = (0..batch * len).map(|i| (i % 7) as f64 - 3.0).collect();
            x[n * len + at] = f64::NAN;
            let y = stage::forward::<F>(&pool, &[], &x, batch);
            let spoilt = (n * 2 + at / (size * channels)) * channels + at % channels;
            for (i, y) in y.iter().enumerate() {
                assert_eq!(y.is_nan(), i == spoilt, "output {i} with a NaN at {at} of window {n}");
            }
        }
    }
}

/// In every output that reads it.
fn every_pool_keeps_a_nan<F: Float>() {
    let (positions, channels) = (7, 3);
    for kind in [PoolKind::Max, PoolKind::Average] {
        // Overlapping and padded: output t reads positions 2t − 1 to 2t + 1.
        let pool = Pool { kind, input: (positions, channels), output: (4, channels), size: 3, stride: 2, before: 1 };
        for at in 0..positions * channels {
            let mut x: Vec<f64> = (0..positions * channels).map(|i| (i % 5) as f64 - 2.0).collect();
            x[at] = f64::NAN;
            for (i, y) in stage::forward::<F>(&Stage::Pool(pool.clone()), &[], &x, 1).iter().enumerate() {
                let (t, position) = (i / channels, at / channels);
                let is_read = (2 * t..2 * t + 3).contains(&(position + 1)) && i % channels == at % channels;
                assert_eq!(y.is_nan(), is_read, "output {i} of {pool:?} with a NaN at {at}");
            }
        }
    }
}

#[test]
fn every_pool_keeps_a_nan_at_either_float() {
    every_pool_keeps_a_nan::<f32>();
    every_pool_keeps_a_nan::<f64>();
}

#[test]
fn a_pool_keeps_a_nan_at_either_float() {
    a_pool_keeps_a_nan::<f32>();
    a_pool_keeps_a_nan::<f64>();
}

fn a_relu_keeps_a_nan<F: Float>() {
    for filters in [1, 5, 16, 17] {
        let affine = Affine { activation: Activation::Relu, ..affine((2, 1), filters, 1, 1) };
        // Each filter hands its input on, but for one, whose bias is no number.
        for bad in 0..filters {
            let mut parameters = vec![1.0; filters];
            parameters.extend((0..filters).map(|o| if o == bad { f64::NAN } else { 0.0 }));
            let y = stage::forward::<F>(&Stage::Affine(affine.clone()), &parameters, &[-1.0, 2.0], 1);
            for (i, y) in y.iter().enumerate() {
                assert!(if i % filters == bad { y.is_nan() } else { *y == [0.0, 2.0][i / filters] }, "{i}: {y}");
            }
            // On the way back it spoils nothing beside it, and is not taken for a dead unit.
            let d_y = vec![3.0; 2 * filters];
            let d_sums = stage::activation_backward::<F>(&affine, (&y, &[]), &d_y, 1);
            for (y, d) in y.iter().zip(d_sums) {
                assert_eq!(d, if *y == 0.0 { 0.0 } else { 3.0 });
            }
        }
    }
}

#[test]
fn a_relu_keeps_a_nan_at_either_float() {
    a_relu_keeps_a_nan::<f32>();
    a_relu_keeps_a_nan::<f64>();
}

#[test]
fn weights_that_are_not_finite_give_a_loss_that_is_none() {
    let batch = 17;
    for spec in family() {
        let network = Network::new(spec.clone()).unwrap();
        let windows = window_set(&spec, batch);
        let case = Case::new(network.clone(), plan(Loss::Hinge, batch), batch);
        for tensor in 0..case.weights.tensors.len() {
            for loss in Loss::ALL {
                let mut bad = Case { plan: plan(loss, batch), ..case.clone() };
                bad.network = Network::new(triax_model::NetworkSpec { dropout: 0.0, ..spec.clone() }).unwrap();
                bad.weights.tensors[tensor].values[0] = f32::NAN;
                let engines: [&dyn Engine; 2] =
                    [&CpuEngine::<f32>::with_threads(2), &CpuEngine::<f64>::with_threads(2)];
                for engine in engines {
                    let mut session = engine.open(&[bad.member()], &windows).unwrap();
                    let what = format!("{loss}, {}", network.parameters()[tensor].name);
                    assert!(session.validate().unwrap()[0].loss.is_nan(), "{what}");
                    let results = epoch(session.as_mut(), batch, &bad.order, 0);
                    assert!(results[0].loss.is_nan(), "{what}");
                    assert!(results[0].gradient_norm.is_nan(), "{what}");
                }
            }
        }
    }
}
