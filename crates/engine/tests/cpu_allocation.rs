//! The CPU executor allocates nothing inside an epoch.

mod fixtures;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use fixtures::plan;
use triax_engine::CpuEngine;
use triax_engine::{Augmentation, Engine, Member, MemberEpoch, Session, Stretch, TrainingPlan, WindowSet};
use triax_losses::Loss;
use triax_model::{Network, NetworkSpec, PoolKind, Weights};

/// The system's allocator, counting allocations.
struct Counting;

static N_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        N_ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        N_ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BATCH_SIZE: usize = 40;

/// Allocations while each member takes `n_steps` steps.
fn allocations(session: &mut dyn Session, order: &[u32], n_members: usize, n_steps: usize) -> usize {
    let learning_rates = vec![1e-3; n_steps];
    let members = vec![MemberEpoch { order, first_step: 0, learning_rates: &learning_rates }; n_members];
    let stretch = Stretch { steps: 0..n_steps, members: &members };
    let before = N_ALLOCATIONS.load(Relaxed);
    let results = session.train(&stretch, &mut |_| ControlFlow::Continue(())).unwrap();
    let n = N_ALLOCATIONS.load(Relaxed) - before;
    assert!(results.iter().all(|results| results.len() == n_steps));
    n
}

/// The only test in this file, so that nothing else allocates meanwhile.
#[test]
fn thirty_steps_allocate_no_more_than_three() {
    let convs = vec!["8:5:1:avg3/2-same:same:gelu".parse().unwrap()];
    let wide = NetworkSpec { convs, global_pool: Some(PoolKind::Max), ..NetworkSpec::default() };
    for spec in [NetworkSpec::default(), wide] {
        assert_steps_allocate_no_more(&Network::new(spec).unwrap());
    }
}

fn assert_steps_allocate_no_more(network: &Network) {
    let weights = Weights::glorot_uniform(network, 1);
    let n_windows = 30 * BATCH_SIZE;
    let windows = WindowSet {
        windows: (0..n_windows * 120 * 3).map(|i| (i % 101) as f32 / 50.0 - 1.0).collect(),
        labels: (0..n_windows as u32).map(|n| n % 6).collect(),
        sample_weights: None,
    };
    let order: Vec<u32> = (0..n_windows as u32).collect();
    for (clip_norm, mix) in [(None, 0.0), (Some(0.1), 0.5)] {
        let augmentation = Augmentation { mix, ..Augmentation::default() };
        let plan = TrainingPlan { clip_norm, augmentation, ..plan(Loss::SquaredHinge, BATCH_SIZE) };
        let member = Member { network, weights: &weights, plan: &plan, scaler: None, validation: &[] };
        for n_threads in [1, 2] {
            for n_members in [1, 3] {
                let engine = CpuEngine::<f32>::with_threads(n_threads);
                let mut session = engine.open(&vec![member; n_members], &windows).unwrap();
                // One-time set-up, such as the choice of vector instructions, happens in the first step.
                allocations(session.as_mut(), &order, n_members, 1);
                let [three, thirty] = [3, 30].map(|n| allocations(session.as_mut(), &order, n_members, n));
                assert_eq!(three, thirty, "{n_threads} threads, {n_members} models");
            }
        }
    }
}
