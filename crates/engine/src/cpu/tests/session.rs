//! What the engine promises as an engine: batches, weights, dropout, state, validation.

use std::ops::ControlFlow;

use crate::{
    Confusion, Engine, EngineError, Evaluation, Member, MemberEpoch, Optimizer, Progress, Session, SessionState,
    Stretch, TrainingPlan, WindowSet,
};
use triax_losses::Loss;
use triax_model::random::dropout_mask;
use triax_model::{Layer, Network, NetworkSpec, Scaler, Weights};

use super::super::{CpuEngine, bytes_of_a_model, gradients};
use super::{Case, epoch, go_on, small_network, weights};

fn engine() -> CpuEngine<f64> {
    CpuEngine::with_threads(2)
}

fn plan(batch_size: usize) -> TrainingPlan {
    super::plan(Loss::SquaredHinge, batch_size)
}

fn windows(n_windows: usize) -> WindowSet {
    super::window_set(small_network(0.0).spec(), n_windows)
}

fn open(network: &Network, plan: &TrainingPlan, windows: &WindowSet) -> Box<dyn Session> {
    let case = Case::new(network.clone(), plan.clone(), windows.len());
    engine().open(&[case.member()], windows).unwrap()
}

/// State of a session of one.
fn state(session: &mut dyn Session) -> SessionState {
    session.state().unwrap().remove(0)
}

#[test]
fn the_last_batch_takes_what_is_left() {
    let (network, plan, train) = (small_network(0.0), plan(3), windows(7));
    let order = [6, 2, 0, 4, 1, 5, 3];
    let mut session = open(&network, &plan, &train);
    let results = epoch(session.as_mut(), 3, &order, 0);
    assert_eq!(results.len(), 3);

    // The last step, from the weights before it, is that of a batch of one.
    let mut again = open(&network, &plan, &train);
    epoch(again.as_mut(), 3, &order[..6], 0);
    let weights = state(again.as_mut()).weights;
    let trace = gradients(&network, &weights, &plan, &train, &[3], 2).unwrap();
    assert!((f64::from(results[2].loss) - trace.loss).abs() < 1e-6);
    assert!((f64::from(results[2].gradient_norm) - trace.gradient_norm).abs() < 1e-6);
    assert_eq!(results[2].correct, trace.correct);
}

#[test]
fn a_batch_larger_than_the_data_takes_all_of_it() {
    let (network, train) = (small_network(0.0), windows(5));
    let order = [4, 3, 2, 1, 0];
    let mut small = open(&network, &plan(5), &train);
    let mut large = open(&network, &plan(1000), &train);
    let results = epoch(small.as_mut(), 5, &order, 0);
    assert_eq!(results, epoch(large.as_mut(), 1000, &order, 0));
    assert_eq!(results.len(), 1);
    assert_eq!(state(small.as_mut()), state(large.as_mut()));
}

#[test]
fn an_order_may_name_windows_more_than_once() {
    let (network, train) = (small_network(0.0), windows(5));
    let order: Vec<u32> = (0..600).map(|i| i % 5).collect();
    for clip_norm in [None, Some(0.01)] {
        let mut repeated = open(&network, &TrainingPlan { clip_norm, ..plan(1000) }, &train);
        let mut once = open(&network, &TrainingPlan { clip_norm, ..plan(1000) }, &train);
        let (repeated, once) = (epoch(repeated.as_mut(), 1000, &order, 0), epoch(once.as_mut(), 1000, &order[..5], 0));
        assert_eq!((repeated.len(), repeated[0].correct), (1, 120 * once[0].correct));
        assert!((repeated[0].loss - once[0].loss).abs() < 1e-6);
        assert!((repeated[0].gradient_norm - once[0].gradient_norm).abs() < 1e-6);
    }
}

#[test]
fn a_stretch_may_end_anywhere_and_go_on() {
    let (network, plan, train) = (small_network(0.2), plan(2), windows(9));
    let order: Vec<u32> = (0..9).collect();
    let mut whole = open(&network, &plan, &train);
    let expected = epoch(whole.as_mut(), 2, &order, 10);

    let mut session = open(&network, &plan, &train);
    let epoch = |learning_rates| [MemberEpoch { order: &order, first_step: 10, learning_rates }];
    let mut seen = Vec::new();
    let mut watch = |progress: Progress| {
        seen.push((progress.steps, progress.newest.unwrap()));
        if progress.steps == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let stretch = Stretch { steps: 0..5, members: &epoch(&[0.01; 5]) };
    let mut results = session.train(&stretch, &mut watch).unwrap().remove(0);
    assert_eq!(seen, [(1, expected[0]), (2, expected[1])]);
    let stretch = Stretch { steps: 2..5, members: &epoch(&[0.01; 3]) };
    results.extend(session.train(&stretch, &mut go_on).unwrap().remove(0));
    assert_eq!(results, expected);
    assert_eq!(state(session.as_mut()), state(whole.as_mut()));
}

/// Also where some of its members have come to the end of their epochs.
#[test]
fn a_fleet_may_be_cut_anywhere() {
    let (network, train) = (small_network(0.2), windows(20));
    let cases = [9, 20, 3].map(|n_windows| Case::new(network.clone(), plan(2), n_windows));
    let members = cases.each_ref().map(Case::member);
    let rates = [0.01; 10];
    let run = |cuts: &[usize]| {
        let mut session = engine().open(&members, &train).unwrap();
        let mut results = vec![Vec::new(); 3];
        let mut start = 0;
        for &end in cuts {
            let epochs = cases.each_ref().map(|case| {
                let n_steps = case.n_steps().min(end).saturating_sub(start);
                MemberEpoch { order: &case.order, first_step: 0, learning_rates: &rates[..n_steps] }
            });
            let mut most_steps = 0;
            let stretch = Stretch { steps: start..end, members: &epochs };
            let taken = session.train(&stretch, &mut |progress| {
                most_steps = most_steps.max(progress.steps);
                ControlFlow::Continue(())
            });
            let taken = taken.unwrap();
            let n_taken = taken.iter().map(Vec::len).sum::<usize>();
            assert!(most_steps <= n_taken, "{most_steps} steps are told of {n_taken}");
            results.iter_mut().zip(taken).for_each(|(results, taken)| results.extend(taken));
            start = end;
        }
        (results, session.state().unwrap())
    };
    let whole = run(&[10]);
    assert_eq!(whole.0.iter().map(Vec::len).collect::<Vec<_>>(), [5, 10, 2]);
    assert_eq!(run(&[1, 2, 5, 6, 10]), whole);
    assert_eq!(run(&[4, 10]), whole);
}

#[test]
fn a_fleet_stops_when_asked() {
    let (network, train) = (small_network(0.0), windows(400));
    let cases = [1, 2, 3].map(|_| Case::new(network.clone(), plan(1), 400));
    let members = cases.each_ref().map(Case::member);
    let rates = vec![0.01; 400];
    let epochs = cases.each_ref().map(|case| MemberEpoch { order: &case.order, first_step: 0, learning_rates: &rates });
    let mut session = CpuEngine::<f32>::with_threads(1).open(&members, &train).unwrap();
    let stretch = Stretch { steps: 0..400, members: &epochs };
    let results = session.train(&stretch, &mut |_| ControlFlow::Break(())).unwrap();
    // Each member finds out after a step of its own.
    assert_eq!(results.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    let updates: Vec<u64> = session.state().unwrap().iter().map(|state| state.updates).collect();
    assert_eq!(updates, [1, 1, 1]);
}

#[test]
fn a_restored_session_goes_on_as_the_one_it_came_from() {
    let optimizers = [
        Optimizer::adam(),
        Optimizer::adam_w(),
        Optimizer::sgd(),
        Optimizer::Sgd { momentum: 0.9, nesterov: true },
        Optimizer::rms_prop(),
        Optimizer::RmsProp { rho: 0.9, momentum: 0.5, epsilon: 1e-7 },
    ];
    for optimizer in optimizers {
        let (network, train) = (small_network(0.1), windows(8));
        let plan = TrainingPlan { optimizer, ..plan(3) };
        let order: Vec<u32> = (0..8).rev().collect();
        let mut first = open(&network, &plan, &train);
        epoch(first.as_mut(), 3, &order, 0);
        let states = first.state().unwrap();
        assert_eq!(states[0].updates, 3);
        assert_eq!(states[0].moments.len(), optimizer.moment_names().len());

        let mut second = open(&network, &plan, &train);
        second.restore(&states).unwrap();
        assert_eq!(second.state().unwrap(), states);
        let results = epoch(first.as_mut(), 3, &order, 3);
        assert_eq!(results, epoch(second.as_mut(), 3, &order, 3));
        assert_eq!(first.state().unwrap(), second.state().unwrap());
        assert_ne!(first.state().unwrap(), states);
        assert_eq!(first.validate().unwrap(), second.validate().unwrap());
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused_and_changes_nothing() {
    let (network, plan, train) = (small_network(0.0), plan(3), windows(4));
    let mut session = open(&network, &plan, &train);
    let good = state(session.as_mut());
    let mut no_moments = good.clone();
    no_moments.moments.clear();
    let mut short = good.clone();
    short.weights.tensors.pop();
    let mut wrong_moment = good.clone();
    wrong_moment.moments[1].tensors.swap(0, 1);
    let changed = SessionState { updates: 7, ..good.clone() };
    let refused = [
        (vec![no_moments], "0 moments"),
        (vec![short], "dense2.bias"),
        (vec![wrong_moment], "moment `v`"),
        (vec![], "0 saved states"),
        (vec![changed.clone(), changed], "2 saved states"),
    ];
    for (bad, names) in refused {
        let error = session.restore(&bad).unwrap_err().to_string();
        assert!(error.contains(names), "{error}");
        assert_eq!(state(session.as_mut()), good);
    }
}

#[test]
fn the_weight_of_a_window_is_its_own_times_its_class() {
    let network = small_network(0.0);
    let weights = weights(&network, 1);
    let indices = [0, 1, 2, 3, 4];
    let mut batch = windows(5);
    batch.sample_weights = Some([1.0, 0.5, 0.0, 3.0, 2.0].into());
    let class_weights = [2.0, 0.25, 1.5];
    let weighted = TrainingPlan { class_weights: Some(class_weights.to_vec()), ..plan(5) };
    let trace = gradients(&network, &weights, &weighted, &batch, &indices, 0).unwrap();

    let products =
        batch.labels.iter().zip(batch.sample_weights.as_deref().unwrap()).map(|(&l, w)| w * class_weights[l as usize]);
    let products: Vec<f32> = products.collect();
    let plain = gradients(&network, &weights, &plan(5), &windows(5), &indices, 0).unwrap();
    for (row, product) in products.iter().enumerate() {
        assert_eq!(trace.losses[row], f64::from(*product) * plain.losses[row]);
    }
    assert_eq!(trace.loss, trace.losses.iter().sum::<f64>() / 5.0);
    batch.sample_weights = Some(products.into());
    assert_eq!(trace, gradients(&network, &weights, &plan(5), &batch, &indices, 0).unwrap());
}

/// Also that of a window in the second tile.
#[test]
fn dropout_multiplies_by_the_mask_of_the_step() {
    let (network, n_windows) = (small_network(0.3), 21);
    let weights = weights(&network, 1);
    let batch = windows(n_windows);
    let indices: Vec<u32> = (0..n_windows as u32).collect();
    let layer = network.layers().iter().position(|layer| matches!(layer, Layer::Dropout { .. })).unwrap();
    for step in [0, 1, 1 << 40] {
        let mut mask = vec![f32::NAN; n_windows * network.features()];
        dropout_mask(42, step, 0.3, network.features(), &mut mask);
        let trace = gradients(&network, &weights, &plan(n_windows), &batch, &indices, step).unwrap();
        let [x, y] = [&trace.outputs[layer - 1], &trace.outputs[layer]];
        let [d_x, d_y] = [&trace.d_outputs[layer - 1], &trace.d_outputs[layer]];
        assert_eq!(y.len(), mask.len());
        let mut n_kept = 0;
        for (i, &mask) in mask.iter().enumerate() {
            assert_eq!(y[i], f64::from(mask) * x[i]);
            // A ReLU lies before it.
            assert_eq!(d_x[i], if x[i] > 0.0 { f64::from(mask) * d_y[i] } else { 0.0 });
            n_kept += usize::from(d_x[i] != 0.0);
        }
        assert!(n_kept > mask.len() / 10, "{n_kept} of {} gradients say little", mask.len());
    }

    // Nothing is dropped outside training.
    let scores = engine().scores(&network, &weights, None, &batch.windows).unwrap();
    let undropped = gradients(&small_network(0.0), &weights, &plan(n_windows), &batch, &indices, 0).unwrap();
    assert_eq!(scores, undropped.scores().iter().map(|&score| score as f32).collect::<Vec<_>>());
}

#[test]
fn a_session_counts_the_steps_of_dropout_from_the_start_of_training() {
    let (network, plan, train) = (small_network(0.5), plan(4), windows(8));
    let mut session = open(&network, &plan, &train);
    let order: Vec<u32> = (0..8).collect();
    let members = [MemberEpoch { order: &order, first_step: 6, learning_rates: &[0.01] }];
    let weights = state(session.as_mut()).weights;
    let results = session.train(&Stretch { steps: 1..2, members: &members }, &mut go_on).unwrap();
    let loss = |step| gradients(&network, &weights, &plan, &train, &order[4..], step).unwrap().loss as f32;
    assert_eq!(results[0][0].loss, loss(7));
    assert!((0..7).all(|step| loss(step) != loss(7)), "masks that give the same loss tell nothing");
}

#[test]
fn clipping_bounds_the_step_and_the_norm_before_it_is_reported() {
    let (network, train) = (small_network(0.0), windows(4));
    let free = TrainingPlan { optimizer: Optimizer::sgd(), ..plan(4) };
    let order = [0, 1, 2, 3];
    let mut session = open(&network, &free, &train);
    let norm = epoch(session.as_mut(), 4, &order, 0)[0].gradient_norm;
    let unclipped = state(session.as_mut());

    let loose = TrainingPlan { clip_norm: Some(norm * 1.01), ..free.clone() };
    let mut session = open(&network, &loose, &train);
    assert_eq!(epoch(session.as_mut(), 4, &order, 0)[0].gradient_norm, norm);
    assert_eq!(state(session.as_mut()), unclipped, "a gradient below the bound stays as it is");

    let clipped = TrainingPlan { clip_norm: Some(norm / 8.0), ..free };
    let mut session = open(&network, &clipped, &train);
    let before = state(session.as_mut()).weights;
    assert_eq!(epoch(session.as_mut(), 4, &order, 0)[0].gradient_norm, norm);
    let after = state(session.as_mut()).weights;
    let moved = before.tensors.iter().zip(&after.tensors).flat_map(|(b, a)| b.values.iter().zip(&a.values));
    let distance = moved.map(|(b, a)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    let expected = 0.01 * f64::from(norm) / 8.0;
    assert!((distance - expected).abs() < 1e-4 * expected, "{distance}, not {expected}");
}

/// At both floats, with a scaler and dropout.
#[test]
fn validation_judges_the_scores_of_the_engine() {
    fn judged(engine: &dyn Engine) {
        let train = windows(40);
        for (loss, n_validation) in [(Loss::Hinge, 0), (Loss::Hinge, 1), (Loss::CategoricalCrossentropy, 37)] {
            let mut case = Case::new(small_network(0.4), super::plan(loss, 7), 40);
            case.validation = (0..n_validation).map(|i| i * 11 % 40).collect();
            let scaler = Scaler { mean: vec![0.25, -0.5, 0.0], scale: vec![0.5, 1.0, 3.0] };
            case.scaler = Some(scaler.clone());
            let mut session = engine.open(&[case.member()], &train).unwrap();
            epoch(session.as_mut(), 7, &case.order, 0);
            let weights = state(session.as_mut()).weights;
            let picked = |idx: &u32| train.windows[*idx as usize * 51..][..51].to_vec();
            let mut values: Vec<f32> = case.validation.iter().flat_map(picked).collect();
            let scores = engine.scores(&case.network, &weights, Some(&scaler), &values).unwrap();
            scaler.apply(&mut values);
            assert_eq!(scores, engine.scores(&case.network, &weights, None, &values).unwrap());
            let labels: Vec<u32> = case.validation.iter().map(|&idx| train.labels[idx as usize]).collect();
            let expected = Evaluation::from_scores(&scores, labels.into_iter(), 3, loss);
            assert_eq!(session.validate().unwrap(), std::slice::from_ref(&expected));
            assert_eq!(session.scores().unwrap(), [scores]);
            assert_eq!(expected.confusion.n_windows(), u64::from(n_validation));
        }
    }
    judged(&CpuEngine::<f32>::with_threads(2));
    judged(&CpuEngine::<f64>::with_threads(2));
}

/// Members with scalers, weights and validation windows of their own. No window is dropped by dropout.
#[test]
fn a_fleet_scores_as_the_engine_does_with_the_weights_of_each_member() {
    let (train, engine) = (windows(40), CpuEngine::<f32>::with_threads(2));
    let case = |m: usize| {
        let mut case = Case::new(small_network(0.4), super::plan(Loss::ALL[m % 4], 7), 40);
        case.weights = weights(&case.network, m as u64);
        case.validation = (0..[37, 0, 1, 16][m % 4]).map(|i| i * 11 % 40).collect();
        let scaler = |m: usize| Scaler { mean: vec![0.25, m as f32, 0.0], scale: vec![0.5, 1.0, 3.0] };
        case.scaler = (m != 2).then(|| scaler(m));
        case
    };
    let cases: Vec<Case> = (0..5).map(case).collect();
    let members: Vec<Member<'_>> = cases.iter().map(Case::member).collect();
    let mut session = engine.open(&members, &train).unwrap();
    let mut before = Vec::new();
    for n_steps in [0, 5] {
        let epochs = [MemberEpoch { order: &cases[0].order, first_step: 0, learning_rates: &[0.01; 5][..n_steps] }; 5];
        session.train(&Stretch { steps: 0..n_steps, members: &epochs }, &mut go_on).unwrap();
        let (found, weights) = (session.scores().unwrap(), session.weights().unwrap());
        for ((case, weights), found) in cases.iter().zip(&weights).zip(&found) {
            let values = train.values_at(&case.validation);
            assert_eq!(*found, engine.scores(&case.network, weights, case.scaler.as_ref(), &values).unwrap());
        }
        assert_ne!(found, before);
        before = found;
    }
}

#[test]
fn results_come_in_the_order_in_which_steps_were_started() {
    let (network, plan, train) = (small_network(0.3), plan(8), windows(40));
    let order: Vec<u32> = (0..40).collect();
    let epoch = |learning_rates| [MemberEpoch { order: &order, first_step: 0, learning_rates }];
    let (first, second) = (epoch(&[0.01; 2]), epoch(&[0.01; 3]));
    let (first, second) = (Stretch { steps: 0..2, members: &first }, Stretch { steps: 2..5, members: &second });

    let mut one_by_one = open(&network, &plan, &train);
    let mut expected = (Vec::new(), Vec::new());
    for stretch in [&first, &second] {
        expected.0.push(one_by_one.train(stretch, &mut go_on).unwrap());
        expected.1.push(one_by_one.validate().unwrap());
    }
    let mut session = open(&network, &plan, &train);
    for stretch in [&first, &second] {
        session.start(stretch, &mut go_on).unwrap();
        session.start_validation().unwrap();
    }
    assert_eq!([session.results().unwrap(), session.results().unwrap()], *expected.0);
    assert_eq!([session.evaluations().unwrap(), session.evaluations().unwrap()], *expected.1);
    assert_eq!(session.state().unwrap(), one_by_one.state().unwrap());
    for error in [session.results().unwrap_err(), session.evaluations().unwrap_err()] {
        assert!(matches!(error, EngineError::Input(_)), "{error}");
    }
}

#[test]
fn a_scorer_scores_every_window_alike_call_after_call() {
    let (network, weights, set) = (small_network(0.3), weights(&small_network(0.3), 1), windows(70));
    let scaler = Scaler { mean: vec![0.25, -0.5, 0.0], scale: vec![0.5, 1.0, 3.0] };
    let alone = CpuEngine::<f32>::with_threads(1);
    let all = alone.scores(&network, &weights, Some(&scaler), &set.windows).unwrap();
    let distinct: std::collections::BTreeSet<u32> = all.iter().map(|score| score.to_bits()).collect();
    assert!(distinct.len() > all.len() / 2, "scores that hardly differ tell nothing");
    let mut scorer = CpuEngine::<f32>::with_threads(3).scorer(&network, &weights, Some(&scaler)).unwrap();
    // One window, a tile, more tiles than threads, and a few again, where the memory of a tile is used once more.
    let mut first = 0;
    for n_windows in [1, 16, 50, 2, 1] {
        let part = first..first + n_windows;
        let scores = scorer.scores(&set.windows[part.start * 51..part.end * 51]).unwrap();
        assert_eq!(scores, all[part.start * 3..part.end * 3]);
        first = part.end;
    }
    assert!(scorer.scores(&set.windows[..50]).is_err());
    assert_eq!(scorer.scores(&set.windows[..51]).unwrap(), all[..3], "a call that was refused changes nothing");
}

#[test]
fn arguments_that_do_not_belong_together_are_refused() {
    let network = small_network(0.0);
    let weights = weights(&network, 1);
    let good = windows(4);
    let refused = |plan: TrainingPlan, train: WindowSet, names: &str| {
        let member = Member { network: &network, weights: &weights, plan: &plan, scaler: None, validation: &[] };
        let Err(EngineError::Input(problem)) = engine().open(&[member], &train) else { panic!("not refused: {names}") };
        assert!(problem.contains(names), "{problem}");
        let Err(EngineError::Input(again)) = gradients(&network, &weights, &plan, &train, &[0], 0) else {
            panic!("not refused by gradients: {names}")
        };
        assert_eq!(problem, again);
    };
    refused(plan(0), good.clone(), "batch size");
    let optimizer = Optimizer::Sgd { momentum: 1.5, nesterov: false };
    refused(TrainingPlan { optimizer, ..plan(2) }, good.clone(), "momentum is 1.5");
    refused(TrainingPlan { clip_norm: Some(0.0), ..plan(2) }, good.clone(), "norm");
    refused(TrainingPlan { clip_norm: Some(f32::NAN), ..plan(2) }, good.clone(), "norm");
    refused(TrainingPlan { clip_norm: Some(f32::INFINITY), ..plan(2) }, good.clone(), "norm");
    refused(TrainingPlan { class_weights: Some(vec![1.0; 2]), ..plan(2) }, good.clone(), "2 class weights");
    refused(TrainingPlan { label_smoothing: 0.1, ..plan(2) }, good.clone(), "a hinge asks for");
    refused(TrainingPlan { class_weights: Some(vec![1.0, -1.0, 1.0]), ..plan(2) }, good.clone(), "class weight -1");
    refused(plan(2), WindowSet { windows: good.windows[1..].into(), ..good.clone() }, "203 values");
    refused(plan(2), WindowSet { labels: [0, 1, 3, 0].into(), ..good.clone() }, "window 2 has class 3");
    refused(plan(2), WindowSet { sample_weights: Some([1.0].into()), ..good.clone() }, "1 sample weights");
    let mut spoilt = good.windows.to_vec();
    spoilt[60] = f32::NAN;
    refused(plan(2), WindowSet { windows: spoilt.into(), ..good.clone() }, "window 1 (from 0) holds NaN");

    let mut cut = weights.clone();
    cut.tensors[2].values.pop();
    let error = engine().scores(&network, &cut, None, &good.windows).unwrap_err();
    assert!(error.to_string().contains("conv2.kernel"), "{error}");
    assert!(engine().scores(&network, &weights, None, &good.windows[..50]).is_err());
    let scaler = Scaler { mean: vec![0.0; 2], scale: vec![1.0; 2] };
    assert!(engine().scores(&network, &weights, Some(&scaler), &good.windows).is_err());
    assert!(gradients(&network, &weights, &plan(2), &good, &[], 0).is_err());
    assert!(gradients(&network, &weights, &plan(2), &good, &[0, 4], 0).is_err());
    assert!(engine().open(&[], &good).is_err());
}

#[test]
fn steps_that_do_not_exist_are_refused() {
    let (network, plan, train) = (small_network(0.0), plan(2), windows(4));
    let mut session = open(&network, &plan, &train);
    let before = state(session.as_mut());
    let bad: [(_, &[u32], &[f32]); 3] =
        [(1..3, &[0, 1, 2, 3], &[0.1; 2]), (0..2, &[0, 1, 2, 3], &[0.1]), (0..2, &[0, 1, 2, 4], &[0.1; 2])];
    for (steps, order, learning_rates) in bad {
        let members = [MemberEpoch { order, first_step: 0, learning_rates }];
        assert!(session.train(&Stretch { steps, members: &members }, &mut go_on).is_err());
        assert_eq!(state(session.as_mut()), before);
    }
    assert!(session.train(&Stretch { steps: 0..0, members: &[] }, &mut go_on).is_err());
}

#[test]
fn no_windows_have_no_scores() {
    let (network, none) = (small_network(0.0), windows(0));
    let mut session = open(&network, &plan(2), &none);
    assert_eq!(session.validate().unwrap(), [Evaluation { loss: 0.0, confusion: Confusion::new(3) }]);
    assert!(engine().scores(&network, &weights(&network, 1), None, &[]).unwrap().is_empty());
    assert!(epoch(session.as_mut(), 2, &[], 0).is_empty());
    let SessionState { weights: after, updates, .. } = state(session.as_mut());
    assert_eq!((after, updates), (weights(&network, 1), 0));
}

#[test]
fn weights_can_be_taken_and_given_without_the_moments() {
    let (network, train) = (small_network(0.1), windows(40));
    let mut session = open(&network, &plan(8), &train);
    let order: Vec<u32> = (0..40).collect();
    let epoch = MemberEpoch { order: &order, first_step: 0, learning_rates: &[0.01; 5] };
    session.train(&Stretch { steps: 0..5, members: &[epoch] }, &mut go_on).unwrap();
    let before = state(session.as_mut());
    assert_eq!(session.weights().unwrap(), std::slice::from_ref(&before.weights));
    let other = weights(&network, 9);
    session.set_weights(std::slice::from_ref(&other)).unwrap();
    assert_eq!(state(session.as_mut()), SessionState { weights: other.clone(), ..before });
    let misfit = Weights::zeros(&Network::new(super::family().remove(1)).unwrap());
    for wrong in [vec![], vec![other.clone(), other], vec![misfit]] {
        assert!(matches!(session.set_weights(&wrong), Err(EngineError::Input(_))));
    }
}

#[test]
fn a_fleet_is_as_large_as_memory_allows() {
    let network = Network::new(NetworkSpec::default()).unwrap();
    let (weights, plan) = (weights(&network, 1), plan(2));
    let member = |validation| Member { network: &network, weights: &weights, plan: &plan, scaler: None, validation };
    // Weights and two moments at the engine's float; these and the best weights at f32 in the trainer.
    assert_eq!(bytes_of_a_model::<f32>(&member(&[])), 114_894 * (3 * 4 + 4 * 4));
    assert_eq!(bytes_of_a_model::<f64>(&member(&[])), 114_894 * (3 * 8 + 4 * 4));
    assert_eq!(bytes_of_a_model::<f32>(&member(&[0; 100])), 114_894 * (3 * 4 + 4 * 4) + 400);
    let capacity = CpuEngine::<f32>::new().capacity(&member(&[]), &windows(4));
    // No machine has memory for a hundred million of these.
    assert!((1..100_000_000).contains(&capacity), "{capacity}");
}
