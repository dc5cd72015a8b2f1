//! Training on the GPU: trajectories against the f64 truth, and what must not change a single bit.

mod fixtures;

use std::ops::{ControlFlow, Range};

use fixtures::{Case, conv, gpu};
use triax_engine::{
    Augmentation, Engine, EngineError, Member, MemberEpoch, Optimizer, Progress, Session, SessionState, StepResult,
    Stretch,
};
use triax_engine::{CpuEngine, GpuEngine};
use triax_losses::Loss;
use triax_model::random::epoch_order;
use triax_model::{DenseSpec, NetworkSpec, PoolKind, Scaler, Weights};
use triax_testing::{Tolerance, assert_close};

/// Small, with everything in it: padded units, a pool, two dense layers.
fn spec(dropout: f32) -> NetworkSpec {
    let convs = vec![conv(6, 3, 1, Some(2)), conv(5, 2, 2, None)];
    NetworkSpec { window: 19, channels: 3, convs, global_pool: None, dropout, hidden: DenseSpec::relu([9]), classes: 3 }
}

/// As small, with padding, pools that overlap and take means, one over all positions, and an activation of every kind.
fn family(dropout: f32) -> NetworkSpec {
    NetworkSpec {
        convs: ["6:3:1:d2:3/2-same:same:elu", "5:2:1:avg2/1:gelu", "7:3:1:d3:2:same", "5:3:1:same:tanh"]
            .iter()
            .map(|conv| conv.parse().unwrap())
            .collect(),
        global_pool: Some(PoolKind::Average),
        hidden: vec!["9:leaky_relu=0.2".parse().unwrap(), "6:linear".parse().unwrap()],
        ..spec(dropout)
    }
}

/// Trains whole epochs of each order, from step `first_step` on, in stretches cut before each of `cuts`.
fn train(session: &mut dyn Session, case: &Case, orders: &[&[u32]], cuts: &[usize], lr: f32) -> Vec<Vec<StepResult>> {
    let batch = case.plan.batch_size;
    let longest = orders.iter().map(|order| order.len().div_ceil(batch)).max().unwrap();
    let mut results = vec![Vec::new(); orders.len()];
    let ends = cuts.iter().copied().chain([longest]);
    let mut start = 0;
    for end in ends {
        let rates: Vec<Vec<f32>> = orders
            .iter()
            .map(|order| {
                let own = order.len().div_ceil(batch);
                (start.min(own)..end.min(own)).map(|step| lr / (1.0 + step as f32)).collect()
            })
            .collect();
        let epochs: Vec<MemberEpoch<'_>> = orders
            .iter()
            .zip(&rates)
            .map(|(order, learning_rates)| MemberEpoch { order, first_step: 40, learning_rates })
            .collect();
        let stretch = Stretch { steps: start..end, members: &epochs };
        let part = session.train(&stretch, &mut |_| ControlFlow::Continue(())).unwrap();
        results.iter_mut().zip(part).for_each(|(all, part)| all.extend(part));
        start = end;
    }
    results
}

fn optimizers() -> Vec<Optimizer> {
    vec![
        Optimizer::adam(),
        Optimizer::adam_w(),
        Optimizer::sgd(),
        Optimizer::Sgd { momentum: 0.9, nesterov: false },
        Optimizer::Sgd { momentum: 0.9, nesterov: true },
        Optimizer::rms_prop(),
        Optimizer::RmsProp { rho: 0.9, momentum: 0.5, epsilon: 1e-3 },
    ]
}

fn losses(results: &[StepResult]) -> Vec<f32> {
    results.iter().map(|result| result.loss).collect()
}

fn assert_steps(what: &str, found: &[StepResult], truth: &[StepResult]) {
    assert_eq!(found.len(), truth.len(), "{what}");
    let wide = |values: Vec<f32>| -> Vec<f64> { values.into_iter().map(f64::from).collect() };
    assert_close(what, &losses(found), &wide(losses(truth)), Tolerance::Relative(1e-5));
    let norms = |results: &[StepResult]| results.iter().map(|result| result.gradient_norm).collect::<Vec<f32>>();
    assert_close(what, &norms(found), &wide(norms(truth)), Tolerance::Relative(1e-4));
    for (found, truth) in found.iter().zip(truth) {
        assert_eq!(found.correct, truth.correct, "{what}");
    }
}

#[test]
fn a_hundred_steps_stay_with_the_truth() {
    let Some(engine) = gpu("a_hundred_steps_stay_with_the_truth") else { return };
    for (n, optimizer) in optimizers().into_iter().enumerate() {
        let mut case = Case::new(&spec(0.2), Loss::ALL[n % Loss::ALL.len()], 5);
        case.set = case.random_windows(499);
        case.plan.optimizer = optimizer;
        case.plan.clip_norm = (n % 2 == 1).then_some(0.2);
        case.validation = (0..499).collect();
        let lr = if matches!(optimizer, Optimizer::Sgd { .. }) { 0.05 } else { 0.003 };
        let order = epoch_order(5, 0, 499);
        let run = |engine: &dyn Engine| {
            let mut session = engine.open(&[case.member()], &case.set).unwrap();
            let results = train(session.as_mut(), &case, &[&order], &[], lr).remove(0);
            (results, session.validate().unwrap().remove(0), session.state().unwrap().remove(0))
        };
        let (truth, true_evaluation, true_state) = run(&CpuEngine::<f64>::new());
        {
            let (found, evaluation, state) = run(&engine);
            let what = format!("{:?} {}", case.plan.optimizer, case.plan.loss);
            assert_eq!(found.len(), 100);
            assert_steps(&what, &found, &truth);
            assert_close(&what, &[evaluation.loss], &[true_evaluation.loss], Tolerance::Relative(1e-5));
            assert_eq!(evaluation.confusion, true_evaluation.confusion, "{what}");
            assert_eq!(state.updates, true_state.updates);
            assert_eq!(state.moments.len(), optimizer.moment_names().len());
            let pairs = [(&state.weights, &true_state.weights)].into_iter();
            for (found, truth) in pairs.chain(state.moments.iter().zip(&true_state.moments)) {
                assert_tensors(&what, found, truth);
            }
        }
    }
}

fn assert_tensors(what: &str, found: &Weights, truth: &Weights) {
    for (found, truth) in found.tensors.iter().zip(&truth.tensors) {
        let truth: Vec<f64> = truth.values.iter().map(|&value| f64::from(value)).collect();
        let largest = truth.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        assert_close(&format!("{what}: {}", found.name), &found.values, &truth, Tolerance::Absolute(1e-4 * largest));
    }
}

fn fleet() -> (Vec<Case>, Vec<Vec<u32>>) {
    fleet_of(spec)
}

/// Seven members that differ in all that may differ, each with its orders.
fn fleet_of(spec: fn(f32) -> NetworkSpec) -> (Vec<Case>, Vec<Vec<u32>>) {
    let member = |m: usize| {
        let mut case = Case::new(&spec([0.0, 0.2, 0.5][m % 3]), Loss::ALL[m % Loss::ALL.len()], 5);
        case.set = case.random_windows(60);
        case.weights = Weights::glorot_uniform(&case.network, m as u64);
        case.plan.seed = 1000 + m as u64;
        case.plan.optimizer =
            Optimizer::AdamW { beta_1: 0.9, beta_2: 0.99, epsilon: 1e-5, weight_decay: 0.01 * m as f32 };
        case.plan.clip_norm = [None, Some(0.1)][m % 2];
        if m.is_multiple_of(2) {
            case.plan.class_weights = None;
        }
        if case.plan.loss == Loss::CategoricalCrossentropy {
            case.plan.label_smoothing = 0.2;
        }
        case.scaler = (m % 3 == 1).then(|| Scaler { mean: vec![0.1, -0.2, m as f32], scale: vec![0.5, 2.0, 1.5] });
        case.validation = (0..7 * m as u32).collect();
        case.plan.augmentation = Augmentation {
            rotation: 40.0 * (m % 3) as f32,
            jitter: 0.1 * (m % 2) as f32,
            scaling: 0.1 * (m % 4) as f32,
            shift: (m / 2) as u32,
            time_warp: 0.15 * (m % 3) as f32,
            mix: [0.0, 0.3][m % 2],
            permute_channels: m == 4,
            flip_axes: m == 5,
            scalars: if m == 2 { 3 } else { 0 },
        };
        case
    };
    let cases: Vec<Case> = (0..7).map(member).collect();
    // Epochs of different lengths, one without a step.
    let lengths = [60, 31, 5, 4, 0, 58, 12];
    let orders = lengths.iter().zip(0..).map(|(&n, m)| epoch_order(m, 0, 60)[..n].to_vec()).collect();
    (cases, orders)
}

type Outcome = (Vec<Vec<StepResult>>, Vec<triax_engine::Evaluation>, Vec<SessionState>);

fn train_fleet(engine: &dyn Engine, cases: &[Case], orders: &[Vec<u32>], cuts: &[usize]) -> Outcome {
    let members: Vec<Member<'_>> = cases.iter().map(Case::member).collect();
    let mut session = engine.open(&members, &cases[0].set).unwrap();
    let orders: Vec<&[u32]> = orders.iter().map(Vec::as_slice).collect();
    let results = train(session.as_mut(), &cases[0], &orders, cuts, 0.01);
    (results, session.validate().unwrap(), session.state().unwrap())
}

#[test]
fn a_fleet_stays_with_the_truth() {
    let Some(engine) = gpu("a_fleet_stays_with_the_truth") else { return };
    fleet_stays_with_the_truth(&engine, fleet());
}

#[test]
fn a_fleet_with_every_kind_of_layer_stays_with_the_truth() {
    let Some(engine) = gpu("a_fleet_with_every_kind_of_layer_stays_with_the_truth") else { return };
    for models in [1, 1000] {
        fleet_stays_with_the_truth(&engine.clone().with_kernels_for(models), fleet_of(family));
    }
}

fn fleet_stays_with_the_truth(engine: &GpuEngine, (cases, orders): (Vec<Case>, Vec<Vec<u32>>)) {
    let (found, evaluations, states) = train_fleet(engine, &cases, &orders, &[]);
    let (truth, true_evaluations, true_states) = train_fleet(&CpuEngine::<f64>::new(), &cases, &orders, &[]);
    for m in 0..cases.len() {
        let what = format!("member {m}");
        assert_steps(&what, &found[m], &truth[m]);
        assert_eq!(evaluations[m].confusion, true_evaluations[m].confusion, "{what}");
        assert_close(&what, &[evaluations[m].loss], &[true_evaluations[m].loss], Tolerance::Relative(1e-5));
        assert_eq!(states[m].updates, true_states[m].updates, "{what}");
        assert_tensors(&what, &states[m].weights, &true_states[m].weights);
    }
}

#[test]
fn a_member_does_not_depend_on_its_fleet_nor_on_where_stretches_are_cut() {
    let Some(engine) = gpu("a_member_does_not_depend_on_its_fleet_nor_on_where_stretches_are_cut") else { return };
    for spec in [spec, family] {
        a_member_is_independent(&engine, spec);
    }
}

fn a_member_is_independent(engine: &GpuEngine, spec: fn(f32) -> NetworkSpec) {
    // Members of the same kernels: one loss, all of them drop, clip and scale.
    let (mut cases, orders) = fleet_of(spec);
    for (m, case) in cases.iter_mut().enumerate() {
        let seeds = (case.plan.seed, case.weights.clone());
        *case = Case::new(&spec(0.1 + 0.05 * m as f32), Loss::SquaredHinge, 5);
        case.set = case.random_windows(60);
        case.plan.augmentation = Augmentation {
            rotation: 10.0 + m as f32,
            jitter: 0.1,
            mix: 0.05 * (m + 1) as f32,
            ..Augmentation::default()
        };
        (case.plan.seed, case.weights) = seeds;
        case.plan.clip_norm = Some(0.1 + m as f32);
        case.scaler = Some(Scaler { mean: vec![0.1, -0.2, 0.1 * m as f32], scale: vec![0.5, 2.0, 1.5] });
        case.validation = (0..7 * m as u32).collect();
    }
    let whole = train_fleet(engine, &cases, &orders, &[]);
    assert_eq!(train_fleet(engine, &cases, &orders, &[1, 2, 7]), whole);
    for m in [0, 1, 4, 5] {
        let alone = train_fleet(engine, &cases[m..=m], &orders[m..=m], &[]);
        assert_eq!((&alone.0[0], &alone.1[0], &alone.2[0]), (&whole.0[m], &whole.1[m], &whole.2[m]), "member {m}");
    }
}

/// How a sum is split depends on the size of a fleet. What is left of a fleet that was interrupted goes on as the whole.
#[test]
fn a_part_of_a_large_fleet_comes_to_the_bits_of_the_whole() {
    let Some(engine) = gpu("a_part_of_a_large_fleet_comes_to_the_bits_of_the_whole") else { return };
    let convs = vec![conv(8, 3, 1, Some(2)), conv(33, 3, 1, None)];
    let spec = NetworkSpec {
        window: 12,
        channels: 2,
        convs,
        global_pool: None,
        dropout: 0.1,
        hidden: DenseSpec::relu([36]),
        classes: 2,
    };
    let member = |m: usize| {
        let mut case = Case::new(&spec, Loss::SquaredHinge, 20);
        case.set = case.random_windows(40);
        case.weights = Weights::glorot_uniform(&case.network, m as u64);
        case
    };
    let cases: Vec<Case> = (0..130).map(member).collect();
    let orders: Vec<Vec<u32>> = (0..130).map(|m| epoch_order(m, 0, 40)).collect();
    let trained = |cases: &[Case], orders: &[Vec<u32>], planned: usize| {
        let members: Vec<Member<'_>> = cases.iter().map(Case::member).collect();
        let mut session = engine.open_part(&members, &cases[0].set, planned).unwrap();
        let orders: Vec<&[u32]> = orders.iter().map(Vec::as_slice).collect();
        let results = train(session.as_mut(), &cases[0], &orders, &[], 0.01);
        (results, session.validate().unwrap(), session.weights().unwrap())
    };
    let whole = trained(&cases, &orders, cases.len());
    let part = trained(&cases[127..], &orders[127..], cases.len());
    assert_eq!((&part.0[..], &part.1[..], &part.2[..]), (&whole.0[127..], &whole.1[127..], &whole.2[127..]));
    let few = trained(&cases[127..], &orders[127..], 3);
    assert_ne!(few.2, part.2, "otherwise the test shows nothing");
}

#[test]
fn members_of_a_large_fleet_have_the_bits_they_have_in_groups_and_alone() {
    let Some(engine) = gpu("members_of_a_large_fleet_have_the_bits_they_have_in_groups_and_alone") else { return };
    let convs = vec![conv(4, 3, 2, None)];
    let tiny = NetworkSpec {
        window: 8,
        channels: 1,
        convs,
        global_pool: None,
        dropout: 0.2,
        hidden: DenseSpec::relu([]),
        classes: 2,
    };
    let member = |m: usize| {
        let mut case = Case::new(&tiny, Loss::CategoricalCrossentropy, 5);
        case.set = case.random_windows(20);
        case.weights = Weights::glorot_uniform(&case.network, m as u64);
        case.plan.seed = m as u64;
        case.validation = (0..20 - m as u32 % 7).collect();
        case
    };
    let cases: Vec<Case> = (0..64).map(member).collect();
    let orders: Vec<Vec<u32>> = (0..64).map(|m| epoch_order(m, 0, 20)[..20 - m as usize % 13].to_vec()).collect();
    let whole = train_fleet(&engine, &cases, &orders, &[]);
    assert!((1..64).all(|m| whole.2[m].weights != whole.2[0].weights), "models that differ in nothing");
    // The groups of 50 are those of a device that has room for so many.
    for (size, groups) in [(50, vec![0, 50]), (1, vec![0, 33, 63]), (3, vec![7])] {
        for first in groups {
            let group = first..(first + size).min(64);
            let found = train_fleet(&engine, &cases[group.clone()], &orders[group.clone()], &[]);
            assert_eq!(found.0, whole.0[group.clone()], "{group:?}");
            assert_eq!(found.1, whole.1[group.clone()], "{group:?}");
            assert_eq!(found.2, whole.2[group.clone()], "{group:?}");
        }
    }
}

#[test]
fn streamed_windows_give_the_bits_of_resident_ones() {
    let Some(engine) = gpu("streamed_windows_give_the_bits_of_resident_ones") else { return };
    let (cases, orders) = fleet();
    let whole = train_fleet(&engine, &cases, &orders, &[]);
    // A step needs 35 windows, five of each of seven members; the data set has 60.
    for n_windows in [35, 59] {
        let streaming = engine.clone().with_window_bytes(n_windows * 19 * 3 * 4);
        assert_eq!(train_fleet(&streaming, &cases, &orders, &[3]), whole);
    }
    let (alone, order) = (&cases[..1], &orders[..1]);
    let resident = train_fleet(&engine, alone, order, &[]);
    for n_windows in [8, 20, 33] {
        let streaming = engine.clone().with_window_bytes(n_windows * 19 * 3 * 4);
        assert_eq!(train_fleet(&streaming, alone, order, &[]), resident);
    }
    let too_small = engine.with_window_bytes(34 * 19 * 3 * 4);
    let members: Vec<Member<'_>> = cases.iter().map(Case::member).collect();
    let error = too_small.open(&members, &cases[0].set).err().expect("no room for a step");
    assert!(matches!(error, EngineError::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("7752"), "{error}");
}

#[test]
fn a_restored_session_goes_on_as_if_it_had_never_stopped() {
    let Some(engine) = gpu("a_restored_session_goes_on_as_if_it_had_never_stopped") else { return };
    let (cases, orders) = fleet();
    let members: Vec<Member<'_>> = cases.iter().map(Case::member).collect();
    let orders: Vec<&[u32]> = orders.iter().map(Vec::as_slice).collect();
    let open = || engine.open(&members, &cases[0].set).unwrap();
    let mut whole = open();
    train(whole.as_mut(), &cases[0], &orders, &[], 0.01);
    let saved = whole.state().unwrap();
    let expected = train(whole.as_mut(), &cases[0], &orders, &[], 0.01);
    let mut resumed = open();
    resumed.restore(&saved).unwrap();
    assert_eq!(resumed.state().unwrap(), saved);
    let weights: Vec<Weights> = saved.iter().map(|state| state.weights.clone()).collect();
    assert_eq!(resumed.weights().unwrap(), weights);
    let others: Vec<Weights> = cases.iter().map(|case| case.weights.clone()).collect();
    resumed.set_weights(&others).unwrap();
    assert!(resumed.state().unwrap().iter().zip(&saved).all(|(now, was)| now.moments == was.moments));
    assert_eq!(resumed.weights().unwrap(), others);
    resumed.set_weights(&weights).unwrap();
    assert_eq!(resumed.state().unwrap(), saved);
    assert_eq!(train(resumed.as_mut(), &cases[0], &orders, &[], 0.01), expected);
    assert_eq!(resumed.state().unwrap(), whole.state().unwrap());
    assert!(resumed.restore(&saved[1..]).is_err());
}

#[test]
fn a_fleet_of_one_ends_after_the_step_at_which_it_was_stopped() {
    let Some(engine) = gpu("a_fleet_of_one_ends_after_the_step_at_which_it_was_stopped") else { return };
    let mut case = Case::new(&spec(0.1), Loss::Hinge, 5);
    case.set = case.random_windows(60);
    let order = epoch_order(0, 0, 60);
    for last in [1, 2, 5, 12] {
        let mut session = engine.open(&[case.member()], &case.set).unwrap();
        let epoch = MemberEpoch { order: &order, first_step: 0, learning_rates: &[0.01; 12] };
        let stretch = Stretch { steps: 0..12, members: &[epoch] };
        let mut reported = Vec::new();
        let results = session.train(&stretch, &mut |progress| {
            reported.push(progress.steps);
            if progress.steps == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(results.unwrap()[0].len(), last);
        assert_eq!(reported, (1..=last).collect::<Vec<_>>());
        assert_eq!(session.state().unwrap()[0].updates, last as u64);
    }
}

#[test]
fn scores_are_those_of_the_truth() {
    let Some(engine) = gpu("scores_are_those_of_the_truth") else { return };
    for spec in [spec(0.5), family(0.5)] {
        scores_of_the_truth(&engine, &Case::new(&spec, Loss::Hinge, 5));
    }
}

fn scores_of_the_truth(engine: &GpuEngine, case: &Case) {
    let scaler = Scaler { mean: vec![0.25, -0.5, 0.0], scale: vec![1.5, 1.0, 3.0] };
    for (n_windows, scaler) in [(0, None), (1, None), (4, Some(&scaler)), (5, None), (130, Some(&scaler))] {
        let set = case.random_windows(n_windows);
        let found = engine.scores(&case.network, &case.weights, scaler, &set.windows).unwrap();
        let truth = CpuEngine::<f64>::new().scores(&case.network, &case.weights, scaler, &set.windows).unwrap();
        let truth: Vec<f64> = truth.into_iter().map(f64::from).collect();
        assert_close("scores", &found, &truth, Tolerance::Absolute(1e-6));
        // As many as fit, chunk by chunk.
        let streaming = engine.clone().with_window_bytes(9 * 19 * 3 * 4);
        assert_eq!(streaming.scores(&case.network, &case.weights, scaler, &set.windows).unwrap(), found);
    }
    assert!(engine.scores(&case.network, &case.weights, None, &[0.0; 56]).is_err());
}

#[test]
fn a_fleet_scores_as_its_members_do_with_their_present_weights() {
    let Some(engine) = gpu("a_fleet_scores_as_its_members_do_with_their_present_weights") else { return };
    let (cases, orders) = fleet();
    let members: Vec<Member<'_>> = cases.iter().map(Case::member).collect();
    let orders: Vec<&[u32]> = orders.iter().map(Vec::as_slice).collect();
    // Resident windows, and windows that pass in chunks.
    for engine in [engine.clone(), engine.with_window_bytes(7 * 9 * 19 * 3 * 4)] {
        let mut session = engine.open(&members, &cases[0].set).unwrap();
        train(session.as_mut(), &cases[0], &orders, &[], 0.01);
        let (found, weights) = (session.scores().unwrap(), session.weights().unwrap());
        for ((case, weights), found) in cases.iter().zip(&weights).zip(&found) {
            let values = cases[0].set.values_at(&case.validation);
            let truth = CpuEngine::<f64>::new().scores(&case.network, weights, case.scaler.as_ref(), &values).unwrap();
            let truth: Vec<f64> = truth.into_iter().map(f64::from).collect();
            assert_close("scores", found, &truth, Tolerance::Absolute(1e-5));
        }
        assert!(found.iter().map(Vec::len).eq(cases.iter().map(|case| 3 * case.validation.len())));
    }
}

#[test]
fn results_come_in_the_order_in_which_steps_were_started() {
    let Some(engine) = gpu("results_come_in_the_order_in_which_steps_were_started") else { return };
    let (cases, orders) = fleet();
    let members: Vec<Member<'_>> = cases.iter().map(Case::member).collect();
    let rates = |order: &[u32], steps: Range<usize>| {
        let own = order.len().div_ceil(5);
        vec![0.01; steps.end.min(own) - steps.start.min(own)]
    };
    let parts = [0..4, 4..12].map(|steps: Range<usize>| {
        let rates: Vec<Vec<f32>> = orders.iter().map(|order| rates(order, steps.clone())).collect();
        (steps, rates)
    });
    let parts: Vec<(Range<usize>, Vec<MemberEpoch<'_>>)> = parts
        .iter()
        .map(|(steps, rates)| {
            let epoch = |(order, learning_rates)| MemberEpoch { order, first_step: 0, learning_rates };
            let pairs = orders.iter().map(Vec::as_slice).zip(rates.iter().map(Vec::as_slice));
            (steps.clone(), pairs.map(epoch).collect())
        })
        .collect();
    let go_on = |_: Progress| ControlFlow::Continue(());
    let (mut one_by_one, mut ahead) =
        (engine.open(&members, &cases[0].set).unwrap(), engine.open(&members, &cases[0].set).unwrap());
    let mut expected = Vec::new();
    for (steps, members) in &parts {
        let stretch = Stretch { steps: steps.clone(), members };
        let results = one_by_one.train(&stretch, &mut { go_on }).unwrap();
        expected.push((results, one_by_one.validate().unwrap()));
        ahead.start(&stretch, &mut { go_on }).unwrap();
        ahead.start_validation().unwrap();
    }
    for (results, evaluations) in expected {
        assert_eq!(ahead.results().unwrap(), results);
        assert_eq!(ahead.evaluations().unwrap(), evaluations);
    }
    assert_eq!(ahead.state().unwrap(), one_by_one.state().unwrap());
    assert!(matches!(ahead.results(), Err(EngineError::Input(_))));
    assert!(matches!(ahead.evaluations(), Err(EngineError::Input(_))));
}

/// They only replace memory and barriers: where as many lanes share a sum either way, it has the same bits.
#[test]
fn subgroups_add_up_in_the_same_order() {
    let Some(engine) = gpu("subgroups_add_up_in_the_same_order") else { return };
    // Eight lanes at most share a gradient.
    let convs = vec![conv(32, 5, 1, None)];
    let spec = NetworkSpec {
        window: 12,
        channels: 3,
        convs,
        global_pool: None,
        dropout: 0.1,
        hidden: DenseSpec::relu([]),
        classes: 3,
    };
    let mut case = Case::new(&spec, Loss::SquaredHinge, 20);
    case.set = case.random_windows(60);
    let order = case.indices(60);
    let trained = |engine: &GpuEngine| {
        let mut session = engine.open_part(&[case.member()], &case.set, 1000).unwrap();
        (train(session.as_mut(), &case, &[&order], &[], 0.01), session.weights().unwrap())
    };
    let with = trained(&engine);
    let n_kernels = engine.n_kernels();
    assert_eq!(trained(&engine.clone().without_subgroups()), with);
    let has_subgroups = triax_engine::device::list()[0].limits.as_ref().is_some_and(|limits| limits.subgroups);
    assert_eq!(engine.n_kernels() > n_kernels, has_subgroups, "the kernels differ where there are subgroups");
}

/// However many there are: as many at a time as the device has room for.
#[test]
fn many_windows_are_validated_and_scored_by_a_whole_fleet() {
    let Some(engine) = gpu("many_windows_are_validated_and_scored_by_a_whole_fleet") else { return };
    let convs = vec![conv(64, 1, 1, None)];
    let spec = NetworkSpec {
        window: 400,
        channels: 1,
        convs,
        global_pool: None,
        dropout: 0.0,
        hidden: DenseSpec::relu([]),
        classes: 2,
    };
    let mut case = Case::new(&spec, Loss::Hinge, 5);
    case.set = case.random_windows(40);
    // Their rows would take 213 MB.
    case.validation = (0..40).cycle().take(256).collect();
    let mut session = engine.open(&[case.member(); 8], &case.set).unwrap();
    let scores = session.scores().unwrap();
    assert_eq!((scores.len(), scores[7].len()), (8, 256 * 2));
    assert_eq!(scores[7][40 * 2..80 * 2], scores[0][..40 * 2], "the same windows");
    assert_eq!(session.validate().unwrap()[7].confusion.n_windows(), 256);
}

#[test]
fn what_a_device_cannot_hold_is_refused_with_the_limit() {
    let Some(engine) = gpu("what_a_device_cannot_hold_is_refused_with_the_limit") else { return };
    let mut case = Case::new(&spec(0.0), Loss::Hinge, 5);
    let fits = engine.capacity(&case.member(), &case.set);
    assert!(fits > 100, "{fits}");
    case.plan.batch_size = 20_000_000;
    let error = engine.open(&[case.member()], &case.set).err().expect("too large a batch");
    assert!(matches!(error, EngineError::TooLarge { .. }), "{error}");
    case.plan.batch_size = 5;
    let member = case.member();
    let fleet = vec![member; fits * 1000];
    let error = engine.open(&fleet, &case.set).err().expect("too large a fleet");
    assert!(matches!(error, EngineError::TooLarge { .. }), "{error}");
    // The device is still of use.
    assert!(engine.open(&[member], &case.set).is_ok());
}

#[test]
fn what_one_allocation_cannot_hold_is_refused_with_its_size_and_the_limit() {
    let test = "what_one_allocation_cannot_hold_is_refused_with_its_size_and_the_limit";
    let Some(engine) = gpu(test) else { return };
    let case = Case::new(&NetworkSpec::default(), Loss::Hinge, 5);
    // Their weights and moments take 83 GB.
    let fleet = vec![case.member(); 60_000];
    {
        let error = engine.open(&fleet, &case.set).err().expect("no device holds so much in one piece");
        let EngineError::TooLarge { ref what, needed, limit, .. } = error else { panic!("{error}") };
        assert!(what.ends_with("of the weights and moments"), "{what}");
        assert!(needed > limit && needed >= 3 * 4 * 114_894 * 60_000, "{error}");
        let message = error.to_string();
        assert!(message.contains(&needed.to_string()) && message.contains(&limit.to_string()), "{message}");
        // The device is still of use.
        assert!(engine.open(&fleet[..1], &case.set).is_ok());
    }
}

/// Folds of different lengths share their kernels, and nothing is read back inside an epoch but its results.
#[test]
fn kernels_are_compiled_once_and_an_epoch_is_read_back_once() {
    let Some(engine) = gpu("kernels_are_compiled_once_and_an_epoch_is_read_back_once") else { return };
    let (mut cases, orders) = fleet();
    let mut n_kernels = None;
    for fold in 0..3 {
        cases.iter_mut().for_each(|case| case.validation.truncate(40 - fold));
        let members: Vec<Member<'_>> = cases.iter().map(Case::member).collect();
        let mut session = engine.open(&members, &cases[0].set).unwrap();
        let before = engine.n_read_backs();
        for epoch in 0..2 {
            let epochs: Vec<MemberEpoch<'_>> = orders
                .iter()
                .map(|order| MemberEpoch {
                    order,
                    first_step: 12 * epoch,
                    learning_rates: &[0.01; 12][..order.len().div_ceil(5)],
                })
                .collect();
            let stretch = Stretch { steps: 0..12, members: &epochs };
            session.start(&stretch, &mut |_| ControlFlow::Continue(())).unwrap();
            session.start_validation().unwrap();
        }
        assert_eq!(engine.n_read_backs(), before, "nothing while steps are started");
        for _ in 0..2 {
            session.results().unwrap();
            session.evaluations().unwrap();
        }
        assert_eq!(engine.n_read_backs(), before + 2 * 3, "results, losses and confusion counts of two epochs");
        session.scores().unwrap();
        session.weights().unwrap();
        assert_eq!(engine.n_read_backs(), before + 2 * 3 + 2, "one chunk of scores, and all weights at once");
        assert_eq!(*n_kernels.get_or_insert(engine.n_kernels()), engine.n_kernels(), "fold {fold}");
    }
    // A scorer has the kernels of other members, but the same for each network of a study.
    let scorer = || engine.scorer(&cases[0].network, &cases[0].weights, None).unwrap();
    scorer();
    let n_kernels = engine.n_kernels();
    let mut second = scorer();
    second.scores(&cases[0].set.windows).unwrap();
    second.scores(&cases[0].set.windows[..19 * 3]).unwrap();
    assert_eq!(engine.n_kernels(), n_kernels);
}

/// In the very step in which they are there, whatever a driver makes of NaN in a maximum or a comparison: what is updated is
/// looked at bit by bit.
#[test]
fn weights_that_are_not_finite_are_noticed() {
    let Some(engine) = gpu("weights_that_are_not_finite_are_noticed") else { return };
    let (plain, family) = (spec(0.1), family(0.1));
    let large = engine.clone().with_kernels_for(1000);
    for (engine, spec) in [(&engine, &plain), (&large, &plain), (&engine, &family)] {
        let whole = Case::new(spec, Loss::CategoricalHinge, 5);
        for (tensor, bad) in (0..whole.weights.tensors.len()).flat_map(|n| [(n, f32::NAN), (n, f32::INFINITY)]) {
            for clip_norm in [None, Some(0.1)] {
                let mut case = whole.clone();
                *case.weights.tensors[tensor].values.last_mut().expect("a value") = bad;
                case.plan.clip_norm = clip_norm;
                let order = case.indices(5);
                let mut session = engine.open(&[case.member()], &case.set).unwrap();
                let results = train(session.as_mut(), &case, &[&order], &[], 0.01);
                let what = format!("{bad} in {}, {clip_norm:?}: {results:?}", case.weights.tensors[tensor].name);
                assert!(!results[0][0].gradient_norm.is_finite(), "{what}");
                // A NaN goes through every layer to the loss; an infinity may be cut off by a ReLU.
                assert!(!bad.is_nan() || !results[0][0].loss.is_finite(), "{what}");
                assert!(!bad.is_nan() || !session.validate().unwrap()[0].loss.is_finite(), "{what}");
            }
        }
    }
}

#[test]
fn a_device_that_is_lost_is_an_error_and_no_panic() {
    let test = "a_device_that_is_lost_is_an_error_and_no_panic";
    let Some(opened) = triax_testing::gpu_or_skip(test, triax_engine::device::open(0).ok()) else { return };
    let engine = GpuEngine::new(&opened).unwrap();
    let case = Case::new(&spec(0.1), Loss::Hinge, 5);
    let mut session = engine.open(&[case.member()], &case.set).unwrap();
    opened.device.destroy();
    let order = case.indices(5);
    let epoch = MemberEpoch { order: &order, first_step: 0, learning_rates: &[0.01] };
    let stretch = Stretch { steps: 0..1, members: &[epoch] };
    let errors = [
        session.train(&stretch, &mut |_| ControlFlow::Continue(())).map(|_| ()),
        session.validate().map(|_| ()),
        session.state().map(|_| ()),
        engine.open(&[case.member()], &case.set).map(|_| ()),
        engine.scores(&case.network, &case.weights, None, &case.set.windows).map(|_| ()),
    ];
    for error in errors {
        let error = error.expect_err("the device is gone");
        assert!(matches!(error, EngineError::Device { .. }), "{error}");
        assert!(error.to_string().contains("it was lost"), "{error}");
    }
}

#[test]
fn a_device_that_is_lost_in_the_middle_of_a_run_ends_it_with_an_error() {
    let test = "a_device_that_is_lost_in_the_middle_of_a_run_ends_it_with_an_error";
    let Some(opened) = triax_testing::gpu_or_skip(test, triax_engine::device::open(0).ok()) else { return };
    let engine = GpuEngine::new(&opened).unwrap();
    let case = Case::new(&spec(0.1), Loss::Hinge, 5);
    let mut session = engine.open(&[case.member()], &case.set).unwrap();
    let order: Vec<u32> = (0..200).flat_map(|_| case.indices(5)).collect();
    let epoch = MemberEpoch { order: &order, first_step: 0, learning_rates: &[0.01; 200] };
    let stretch = Stretch { steps: 0..200, members: &[epoch] };
    // Steps are on their way to the device when it goes.
    let trained = session.train(&stretch, &mut |progress| {
        if progress.steps == 20 {
            opened.device.destroy();
        }
        ControlFlow::Continue(())
    });
    for error in [trained.map(|_| ()), session.state().map(|_| ())] {
        let error = error.expect_err("the device is gone").to_string();
        assert!(error.contains("it was lost") && error.contains("resume from the last checkpoint"), "{error}");
    }
}
