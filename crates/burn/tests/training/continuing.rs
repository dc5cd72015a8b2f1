//! A run repeats itself, and goes on as if it had never stopped.

use std::ops::ControlFlow;

use triax_burn::BurnEngine;
use triax_engine::{Confusion, MemberEpoch, Optimizer, Progress, SessionState, Stretch, TrainingPlan};
use triax_model::Weights;

use crate::setup::{Run, engines, first_steps, open_session, plan, reference_network, small_network, windows};

fn run(engine: &BurnEngine, plan: &TrainingPlan) -> Run {
    let network = small_network(0.3);
    Run::new(engine, &network, plan, &windows(&network, 70))
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let network = reference_network(0.1);
    let train = windows(&network, 70);
    // Clipping carries the last bit of the gradient's norm into every weight.
    let plan = TrainingPlan { clip_norm: Some(0.5), ..plan() };
    for (device, engine) in engines("the_same_seed_gives_the_same_bits") {
        let twice = [(); 2].map(|()| {
            let mut run = Run::new(&engine, &network, &plan, &train);
            let results = run.first(9);
            (results, run.session.state().unwrap(), run.session.validate().unwrap())
        });
        let [(results, state, judged), (again, state_again, judged_again)] = twice;
        assert_eq!(results, again, "results of two runs on the {device}");
        assert!(state == state_again, "states of two runs on the {device} differ");
        assert!(judged == judged_again, "evaluations of two runs on the {device} differ");
    }
}

#[test]
fn a_run_cut_and_continued_equals_an_uncut_one_bit_for_bit() {
    for optimizer in [Optimizer::adam(), Optimizer::RmsProp { rho: 0.9, momentum: 0.8, epsilon: 1e-7 }] {
        let plan = TrainingPlan { optimizer, clip_norm: Some(1.0), ..plan() };
        for (device, engine) in engines("a_run_cut_and_continued_equals_an_uncut_one_bit_for_bit") {
            let mut uncut = run(&engine, &plan);
            let truth = uncut.first(10);

            let mut cut = run(&engine, &plan);
            let mut results = cut.steps(0, 10, |step| step == 4);
            assert_eq!(results.len(), 5, "Break ends the stretch after its step");
            let state: SessionState = cut.session.state().unwrap().remove(0);
            assert_eq!(state.updates, 5);
            assert_eq!(state.moments.len(), optimizer.moment_names().len());

            let mut continued = run(&engine, &plan);
            continued.first(2);
            continued.session.restore(std::slice::from_ref(&state)).unwrap();
            assert!(continued.session.state().unwrap() == [state], "a state comes back as it was given");
            results.extend(continued.steps(5, 10, |_| false));
            assert!(results == truth, "the cut run differs on the {device}");
            assert!(continued.session.state().unwrap() == uncut.session.state().unwrap(), "{device}");
        }
    }
}

#[test]
fn results_come_in_order_however_many() {
    // More steps than are gathered at once, on a GPU.
    for (device, engine) in engines("results_come_in_order_however_many") {
        let network = small_network(0.0);
        let plan = TrainingPlan { batch_size: 2, ..plan() };
        let together = Run::new(&engine, &network, &plan, &windows(&network, 301)).first(151);
        let mut alone = Run::new(&engine, &network, &plan, &windows(&network, 301));
        let alone: Vec<_> = (0..151).flat_map(|step| alone.steps(step, step + 1, |_| false)).collect();
        assert_eq!(together, alone, "{device}");
        assert!(together.windows(2).all(|pair| pair[0].loss != pair[1].loss), "results that repeat say nothing");
    }
}

#[test]
fn the_first_of_equal_scores_counts() {
    let network = small_network(0.0);
    let train = windows(&network, 32);
    let n_first = train.labels.iter().filter(|label| **label == 0).count() as u32;
    for (device, engine) in engines("of_equal_scores_the_first_counts") {
        // Zero weights score every class 0.
        let mut session = open_session(&engine, &network, &Weights::zeros(&network), &train, &[]).unwrap();
        let order: Vec<u32> = (0..32).collect();
        assert_eq!(first_steps(&mut *session, &order, &[0.0])[0].correct, n_first, "{device}");
    }
}

#[test]
fn a_cpu_tells_each_result_at_once_and_a_gpu_at_the_end() {
    let network = small_network(0.0);
    let train = windows(&network, 70);
    for (device, engine) in engines("a_cpu_tells_each_result_at_once_and_a_gpu_at_the_end") {
        let weights = Weights::glorot_uniform(&network, 5);
        let mut session = open_session(&engine, &network, &weights, &train, &[]).unwrap();
        let order: Vec<u32> = (0..70).collect();
        let epoch = MemberEpoch { order: &order, first_step: 0, learning_rates: &[1e-3; 3] };
        let mut told = Vec::new();
        let results = session.train(&Stretch { steps: 0..3, members: &[epoch] }, &mut |done| {
            told.push(done);
            ControlFlow::Continue(())
        });
        let at_once = device == "cpu";
        let expected = results.unwrap().remove(0).into_iter().enumerate();
        let expected: Vec<_> =
            expected.map(|(step, result)| Progress { steps: step + 1, newest: at_once.then_some(result) }).collect();
        assert_eq!(told, expected, "{device}");
    }
}

#[test]
fn a_run_without_validation_windows_trains() {
    let network = small_network(0.1);
    let train = windows(&network, 40);
    for (device, engine) in engines("a_run_without_validation_windows_trains") {
        let weights = Weights::glorot_uniform(&network, 5);
        let mut session = open_session(&engine, &network, &weights, &train, &[]).unwrap();
        let evaluation = session.validate().unwrap().remove(0);
        assert_eq!((evaluation.loss, evaluation.confusion), (0.0, Confusion::new(4)), "{device}");
        let order: Vec<u32> = (0..40).collect();
        assert_eq!(first_steps(&mut *session, &order, &[1e-3; 2]).len(), 2);
    }
}

/// Set for the child processes of [`the_number_of_threads_changes_nothing`].
const TELL_WEIGHTS: &str = "TRIAX_TEST_TELLS_WEIGHTS";

#[test]
fn the_number_of_threads_changes_nothing() {
    // The pool of threads is made once a process, so each number of threads needs a process of its own.
    if std::env::var_os(TELL_WEIGHTS).is_some() {
        let network = reference_network(0.1);
        let plan = TrainingPlan { clip_norm: Some(0.01), ..plan() };
        let mut run = Run::new(&BurnEngine::cpu(), &network, &plan, &windows(&network, 70));
        run.first(6);
        let weights = run.session.state().unwrap().remove(0).weights;
        let bits = weights.tensors.iter().flat_map(|tensor| &tensor.values).map(|value| u64::from(value.to_bits()));
        // FNV-1a, with words for bytes.
        let hash = bits.fold(0xcbf2_9ce4_8422_2325_u64, |hash, bits| (hash ^ bits).wrapping_mul(0x0100_0000_01b3));
        println!("weights {hash:x}");
        return;
    }
    let weights = ["1", "2", "3"].map(|n_threads| {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "continuing::the_number_of_threads_changes_nothing", "--nocapture"])
            .env(TELL_WEIGHTS, "1")
            .env("RAYON_NUM_THREADS", n_threads)
            .output()
            .unwrap();
        let told = String::from_utf8(child.stdout).unwrap();
        let weights = told.lines().find_map(|line| line.split_once("weights ").map(|(_, hash)| hash.to_owned()));
        weights.unwrap_or_else(|| panic!("no weights with {n_threads} threads: {told}"))
    });
    assert!(weights.iter().all(|other| *other == weights[0]), "weights with 1, 2 and 3 threads: {weights:?}");
}
