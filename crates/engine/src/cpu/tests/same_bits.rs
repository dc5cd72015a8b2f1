//! What must not change a bit of the results: the number of threads, the rest of the fleet, who applies the scaler.

use crate::{Augmentation, Engine, MemberEpoch, Optimizer, StepResult, TrainingPlan, WindowSet};
use triax_losses::Loss;
use triax_model::random::epoch_order;
use triax_model::{Network, NetworkSpec, Scaler};

use super::super::model::{Model, Shape, StepContext, Workspace};
use super::super::team::Team;
use super::super::{CpuEngine, Float};
use super::{Case, SEED, family, plan, small_network, train, weights, window_set};

const BATCHES: [usize; 7] = [1, 15, 16, 17, 33, 300, 1000];

/// The engine in f32 and in f64, on `n_threads` threads.
fn engines(n_threads: usize) -> [Box<dyn Engine>; 2] {
    [Box::new(CpuEngine::<f32>::with_threads(n_threads)), Box::new(CpuEngine::<f64>::with_threads(n_threads))]
}

#[track_caller]
fn assert_same_on_any_number_of_threads(case: &Case, windows: &WindowSet) {
    for (float, alone) in engines(1).iter().enumerate() {
        let expected = train(alone.as_ref(), &[case], windows).remove(0);
        assert!(expected.results.iter().all(|result| result.loss > 0.0 && result.gradient_norm > 0.0));
        for n_threads in [2, 3, 5] {
            let trained = train(engines(n_threads)[float].as_ref(), &[case], windows).remove(0);
            assert!(trained.bits() == expected.bits(), "{n_threads} threads: {:?}", case.plan);
        }
    }
}

/// One round a batch on many threads, several on one; the last batch is smaller.
#[test]
fn the_number_of_threads_does_not_matter() {
    println!("seed {SEED}");
    for batch_size in BATCHES {
        let n_windows = 2 * batch_size + batch_size.div_ceil(3);
        let network = small_network(0.3);
        let windows = window_set(network.spec(), n_windows);
        for clip_norm in [None, Some(0.05)] {
            let plan = TrainingPlan { clip_norm, ..plan(Loss::SquaredHinge, batch_size) };
            let case = Case::new(network.clone(), plan, n_windows);
            assert_same_on_any_number_of_threads(&case, &windows);
        }
    }
}

#[test]
fn the_number_of_threads_does_not_matter_in_any_network() {
    println!("seed {SEED}");
    for spec in family() {
        let n_windows = 50;
        let windows = window_set(&spec, n_windows);
        let case = Case::new(Network::new(spec).unwrap(), plan(Loss::CategoricalCrossentropy, 37), n_windows);
        assert_same_on_any_number_of_threads(&case, &windows);
    }
}

/// Takes two epochs of steps, of which step i runs on `n_threads(i)` threads. Returns results and state as bits.
fn bits_on<F: Float>(case: &Case, windows: &WindowSet, n_threads: impl Fn(usize) -> usize) -> Vec<u32> {
    const MOST: usize = 7;
    let shape = Shape::new(&case.network);
    let mut model = Model::<F>::new(&case.member());
    let mut workspace = Workspace::new(&shape, case.plan.batch_size, case.plan.clip_norm.is_some(), MOST);
    let n_steps = case.n_steps();
    let results: Vec<StepResult> = Team::scope(MOST, |team| {
        let context = StepContext { shape: &shape, windows, team };
        let mut step = |i: usize| {
            team.limit(n_threads(i));
            let first_step = (i / n_steps * n_steps) as u64;
            let epoch = MemberEpoch { order: &case.order, first_step, learning_rates: &[] };
            model.step(context, &epoch, i % n_steps, case.learning_rate, &mut workspace).into()
        };
        (0..2 * n_steps).map(&mut step).collect()
    });
    let state = model.state(&case.network);
    let tensors = [&state.weights].into_iter().chain(&state.moments).flat_map(|weights| &weights.tensors);
    let values = tensors.flat_map(|tensor| &tensor.values).map(|value| value.to_bits());
    let result = |result: &StepResult| [result.loss.to_bits(), result.correct, result.gradient_norm.to_bits()];
    results.iter().flat_map(result).chain(values).collect()
}

/// A session changes the number whenever another one is faster.
#[test]
fn the_number_of_threads_may_change_with_every_step() {
    println!("seed {SEED}");
    let network = small_network(0.3);
    for (batch_size, n_windows, clip_norm) in
        [(16, 100, None), (32, 170, None), (33, 200, Some(0.05)), (300, 900, None)]
    {
        let windows = window_set(network.spec(), n_windows);
        let case =
            Case::new(network.clone(), TrainingPlan { clip_norm, ..plan(Loss::SquaredHinge, batch_size) }, n_windows);
        let changing = |i: usize| [7, 1, 3, 2, 5, 4, 1, 6][i % 8];
        assert!(bits_on::<f32>(&case, &windows, |_| 1) == bits_on::<f32>(&case, &windows, changing), "{batch_size}");
        assert!(bits_on::<f64>(&case, &windows, |_| 1) == bits_on::<f64>(&case, &windows, changing), "{batch_size}");
    }
}

fn scaler(channels: usize, which: usize) -> Scaler {
    Scaler {
        mean: (0..channels).map(|c| 0.1 * (c + which) as f32 - 0.2).collect(),
        scale: (0..channels).map(|c| 0.7 + 0.3 * (c * which % 4) as f32).collect(),
    }
}

/// A different one for each model, and none for some.
fn augmentation(m: usize) -> Augmentation {
    Augmentation {
        rotation: 30.0 * (m % 4) as f32,
        jitter: 0.1 * (m % 3) as f32,
        scaling: 0.1 * (m % 2) as f32,
        shift: (m / 2) as u32,
        time_warp: 0.15 * (m % 3) as f32,
        mix: [0.0, 0.3, 0.5][m % 3],
        permute_channels: m == 5,
        flip_axes: m == 4,
        scalars: if m == 1 { 3 } else { 0 },
    }
}

#[test]
fn the_number_of_threads_does_not_matter_to_augmentation() {
    println!("seed {SEED}");
    let network = small_network(0.3);
    let windows = window_set(network.spec(), 90);
    for m in 1..6 {
        let plan = TrainingPlan { augmentation: augmentation(m), ..plan(Loss::SquaredHinge, 40) };
        assert_same_on_any_number_of_threads(&Case::new(network.clone(), plan, 90), &windows);
    }
}

/// Seven models that differ in all that may differ.
fn fleet(n_windows: usize, batch_size: usize) -> Vec<Case> {
    let member = |m: usize| {
        let network = small_network([0.0, 0.2, 0.5][m % 3]);
        let plan = TrainingPlan {
            loss: Loss::ALL[m % Loss::ALL.len()],
            optimizer: Optimizer::AdamW { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, weight_decay: 0.01 * m as f32 },
            batch_size,
            clip_norm: (m % 3 == 1).then_some(0.1),
            class_weights: (m % 2 == 1).then(|| vec![0.5, 1.0, 0.25 * m as f32]),
            label_smoothing: if m == 3 { 0.2 } else { 0.0 },
            augmentation: augmentation(m),
            seed: 42 + m as u64,
        };
        Case {
            weights: weights(&network, m as u64),
            scaler: (!m.is_multiple_of(3)).then(|| scaler(3, m)),
            validation: (m as u32..n_windows as u32).step_by(m + 1).collect(),
            // Without the last ones: an epoch of another length.
            order: epoch_order(SEED, m, n_windows - 9 * m),
            learning_rate: 0.002 * (m + 1) as f32,
            ..Case::new(network, plan, n_windows)
        }
    };
    (0..7).map(member).collect()
}

#[test]
fn a_member_is_trained_as_if_it_were_alone() {
    println!("seed {SEED}");
    for batch_size in [7, 16, 40] {
        let n_windows = 100;
        let windows = window_set(small_network(0.0).spec(), n_windows);
        let fleet = fleet(n_windows, batch_size);
        let n_steps: Vec<usize> = fleet.iter().map(Case::n_steps).collect();
        assert!(n_steps.iter().any(|n| *n != n_steps[0]), "the epochs are to differ in length");
        for float in 0..2 {
            let alone = |case: &Case| train(engines(3)[float].as_ref(), &[case], &windows).remove(0);
            let alone: Vec<_> = fleet.iter().map(alone).collect();
            for (m, one) in alone.iter().enumerate() {
                assert_eq!(one.results.len(), n_steps[m]);
                assert!(alone[..m].iter().all(|other| other.bits() != one.bits()), "members are to differ");
            }
            for n_threads in [1, 3] {
                let engine = &engines(n_threads)[float];
                for members in [&[3][..], &[5, 2], &[0, 1, 2, 3, 4, 5, 6], &[6, 4, 5, 0, 3, 1, 2]] {
                    let cases: Vec<&Case> = members.iter().map(|&m| &fleet[m]).collect();
                    let together = train(engine.as_ref(), &cases, &windows);
                    for (trained, &m) in together.iter().zip(members) {
                        assert!(trained.bits() == alone[m].bits(), "model {m} among {members:?}, batch {batch_size}");
                    }
                }
            }
        }
    }
}

/// `windows`, standardised beforehand.
fn scaled(windows: &WindowSet, scaler: &Scaler) -> WindowSet {
    let mut values = windows.windows.to_vec();
    scaler.apply(&mut values);
    WindowSet { windows: values.into(), ..windows.clone() }
}

#[test]
fn a_scaler_given_to_the_engine_is_one_applied_beforehand() {
    println!("seed {SEED}");
    for spec in family() {
        let n_windows = 40;
        let network = Network::new(NetworkSpec { dropout: 0.2, ..spec.clone() }).unwrap();
        let windows = window_set(&spec, n_windows);
        let scaler = scaler(spec.channels, 1);
        let plain = Case::new(network, plan(Loss::SquaredHinge, 19), n_windows);
        let with_scaler = Case { scaler: Some(scaler.clone()), ..plain.clone() };
        for engine in engines(2) {
            let [inside] = &train(engine.as_ref(), &[&with_scaler], &windows)[..] else {
                unreachable!("a fleet of one")
            };
            let before = train(engine.as_ref(), &[&plain], &scaled(&windows, &scaler)).remove(0);
            assert!(inside.bits() == before.bits(), "{spec:?}");
            assert!(train(engine.as_ref(), &[&plain], &windows)[0].bits() != before.bits(), "the scaler is to matter");
        }
    }
}

/// Powers of two and short fractions, so that their products are exact.
#[test]
fn scaler_sample_weights_and_class_weights_go_together() {
    println!("seed {SEED}");
    let (network, n_windows) = (small_network(0.2), 50);
    let class_weights = [2.0, 0.25, 1.5];
    let mut windows = window_set(network.spec(), n_windows);
    let sample_weights: Vec<f32> = (0..n_windows).map(|n| [1.0, 0.5, 0.0, 3.0][n % 4]).collect();
    windows.sample_weights = Some(sample_weights.clone().into());
    let scaler = scaler(3, 2);
    let plain = Case::new(network, plan(Loss::CategoricalHinge, 17), n_windows);
    let mut weighted = Case { scaler: Some(scaler.clone()), ..plain.clone() };
    weighted.plan.class_weights = Some(class_weights.to_vec());

    let products =
        sample_weights.iter().zip(&*windows.labels).map(|(weight, &label)| weight * class_weights[label as usize]);
    let mut by_hand = scaled(&windows, &scaler);
    by_hand.sample_weights = Some(products.collect());
    for engine in engines(2) {
        let [together] = &train(engine.as_ref(), &[&weighted], &windows)[..] else { unreachable!("a fleet of one") };
        assert!(together.bits() == train(engine.as_ref(), &[&plain], &by_hand)[0].bits());
    }
}
