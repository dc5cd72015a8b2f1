//! A pool of threads that wait for each other by spinning.
//!
//! A step of a small network takes less than a millisecond and has several joins. Waking a sleeping thread may take longer
//! than the step, so the threads of a team spin between the tasks of a step. A thread without a task for longer than that
//! sleeps, so that it takes no processor from those at work. The threads live as long as the team, which is one stretch of
//! training.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::thread::Thread;

/// A task that every thread of a team runs, with the thread's index in the team.
type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// The leader's handle to a team. It is not `Sync`: only one thread leads.
pub(super) struct Team<'t> {
    helpers: Vec<(&'t Desk, Thread)>,
    /// How many threads take part in tasks.
    n_threads: Cell<usize>,
}

/// What the leader and one helper tell each other. Each is on cache lines of its own (processors fetch them in pairs), and
/// all of it is on one, so that a task takes one trip to the helper's processor and one back.
#[derive(Default)]
#[repr(align(128))]
struct Desk {
    /// The latest task; none if the helper is to end.
    task: UnsafeCell<Option<*const Task<'static>>>,
    n_given: AtomicUsize,
    n_done: AtomicUsize,
    asleep: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `task` is written by the leader alone, while the helper has done all that it was given; the helper reads it after
// `n_given` has told it of the task (released by the leader, acquired by the helper), and only until it has counted it in
// `n_done`. What it points to is `Sync`. The rest is `Sync` by itself.
unsafe impl Sync for Desk {}

impl<'t> Team<'t> {
    /// A team of one.
    pub fn alone() -> Self {
        Self { helpers: Vec::new(), n_threads: Cell::new(1) }
    }

    /// Calls `lead` with a team of `n_threads`, including the calling thread. The other threads end with the call.
    pub fn scope<R>(n_threads: usize, lead: impl FnOnce(&Team<'_>) -> R) -> R {
        let desks: Vec<Desk> = (1..n_threads).map(|_| Desk::default()).collect();
        std::thread::scope(|scope| {
            let hire = |(i, desk)| (desk, scope.spawn(move || Desk::help(desk, i + 1)).thread().clone());
            let helpers = desks.iter().enumerate().map(hire).collect();
            lead(&Team { helpers, n_threads: Cell::new(n_threads.max(1)) })
        })
    }

    /// Lets `n_threads` of the threads, at least one, take part from now on.
    pub fn limit(&self, n_threads: usize) {
        self.n_threads.set(n_threads.clamp(1, 1 + self.helpers.len()));
    }

    /// The number of threads that take part.
    pub fn n_threads(&self) -> usize {
        self.n_threads.get()
    }

    /// Calls `work` on each part with its index. Each thread takes a contiguous run of parts, the same in every call,
    /// so that the data of a part stays in the cache of its processor.
    pub fn each<T: Send>(&self, parts: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        let (all, n_threads) = (Parts::new(parts), self.n_threads());
        self.run(&|thread| {
            for i in thread * all.len / n_threads..(thread + 1) * all.len / n_threads {
                // SAFETY: the runs of different threads do not overlap, and each index comes once.
                work(i, unsafe { all.part(i) });
            }
        });
    }

    /// Calls `work` on each part with the index of the thread and that of the part. A free thread takes the next part.
    pub fn each_as_free<T: Send>(&self, parts: &mut [T], work: impl Fn(usize, usize, &mut T) + Sync) {
        let (all, next) = (Parts::new(parts), AtomicUsize::new(0));
        self.run(&|thread| {
            loop {
                let i = next.fetch_add(1, Relaxed);
                if i >= all.len {
                    break;
                }
                // SAFETY: the counter gives each index once.
                work(thread, i, unsafe { all.part(i) });
            }
        });
    }

    /// Runs `task` on every thread that takes part, and returns when all are done.
    fn run(&self, task: &Task<'_>) {
        let helpers = &self.helpers[..self.n_threads() - 1];
        if helpers.is_empty() {
            return task(0);
        }
        // SAFETY: the lifetime is extended, but the task is not used after this call, which waits for all helpers even if
        // the leader's part panics.
        let lasting = unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) };
        for (desk, thread) in helpers {
            // SAFETY: the last call has waited for all helpers.
            unsafe { desk.give(Some(lasting), thread) };
        }
        let own = catch_unwind(AssertUnwindSafe(|| task(0)));
        for (desk, _) in helpers {
            desk.wait_until_done();
        }
        let panic = helpers.iter().filter_map(|(desk, _)| desk.panic.lock().ok()?.take()).next();
        if let Some(panic) = own.err().or(panic) {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team<'_> {
    /// Dismisses the helpers, also if the leader panics: the scope waits for them.
    fn drop(&mut self) {
        for (desk, thread) in &self.helpers {
            // SAFETY: the last call of `run` has waited for all helpers.
            unsafe { desk.give(None, thread) };
        }
    }
}

/// How often a thread looks before it stops to spin: a few hundred microseconds, longer than a step's own waits.
const SPINS: usize = 10_000;

impl Desk {
    /// # Safety
    /// The helper, which is `thread`, has done all that it was given.
    unsafe fn give(&self, task: Option<*const Task<'static>>, thread: &Thread) {
        // SAFETY: the helper reads it only while it has something to do.
        unsafe { *self.task.get() = task };
        // In one order with the helper's: either it sees the task before it sleeps, or it is seen sleeping.
        self.n_given.fetch_add(1, SeqCst);
        if self.asleep.load(SeqCst) {
            thread.unpark();
        }
    }

    /// Runs one task after the other as thread `thread`, until there is none.
    fn help(&self, thread: usize) {
        for n_done in 0.. {
            self.wait_for_more_than(n_done);
            // SAFETY: the leader has written the task before it counted it, and waits for this thread before it writes the
            // next or lets the task go.
            let Some(task) = (unsafe { *self.task.get() }) else { return };
            // SAFETY: as above.
            let task = unsafe { &*task };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task(thread)))
                && let Ok(mut place) = self.panic.lock()
            {
                *place = Some(panic);
            }
            self.n_done.fetch_add(1, Release);
        }
    }

    /// Waits for a task beyond the first `n_done`: first spins, then sleeps.
    fn wait_for_more_than(&self, n_done: usize) {
        if spins_until(|| self.n_given.load(Acquire) > n_done) {
            return;
        }
        self.asleep.store(true, SeqCst);
        while self.n_given.load(SeqCst) <= n_done {
            std::thread::park();
        }
        self.asleep.store(false, SeqCst);
    }

    /// Waits for the helper: first spins, then leaves the processor to other threads between looks.
    fn wait_until_done(&self) {
        let is_done = || self.n_done.load(Acquire) == self.n_given.load(Relaxed);
        if !spins_until(is_done) {
            while !is_done() {
                std::thread::yield_now();
            }
        }
    }
}

/// Whether `ready` was true at one of the first looks.
fn spins_until(ready: impl Fn() -> bool) -> bool {
    (0..SPINS).any(|_| {
        let is_ready = ready();
        if !is_ready {
            std::hint::spin_loop();
        }
        is_ready
    })
}

/// A slice whose elements threads borrow mutably, each once.
struct Parts<'a, T> {
    first: *mut T,
    len: usize,
    borrowed: PhantomData<&'a mut [T]>,
}

// SAFETY: it hands out `&mut T` of different parts to different threads, which `T: Send` allows.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    fn new(parts: &'a mut [T]) -> Self {
        Self { first: parts.as_mut_ptr(), len: parts.len(), borrowed: PhantomData }
    }

    /// # Safety
    /// `i < len`, and no other reference to part `i` exists.
    #[expect(clippy::mut_from_ref, reason = "each part is handed out once")]
    unsafe fn part(&self, i: usize) -> &mut T {
        // SAFETY: as the caller promises.
        unsafe { &mut *self.first.add(i) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_worked_on_once() {
        for n_threads in [1, 2, 3, 7] {
            Team::scope(n_threads, |team| {
                for n in [0, 1, 2, 5, 64] {
                    let mut parts = vec![0; n];
                    for _ in 0..100 {
                        team.each(&mut parts, |i, part| *part += i);
                        team.each_as_free(&mut parts, |thread, _, part| {
                            assert!(thread < n_threads);
                            *part += 1;
                        });
                    }
                    assert!(parts.iter().enumerate().all(|(i, &part)| part == 100 * (i + 1)));
                }
            });
        }
    }

    #[test]
    fn only_threads_within_the_limit_take_part() {
        Team::scope(4, |team| {
            for limit in [4, 1, 3, 2, 4, 0, 9] {
                team.limit(limit);
                let n_threads = limit.clamp(1, 4);
                assert_eq!(team.n_threads(), n_threads);
                let mut threads = vec![None; n_threads];
                team.each(&mut threads, |_, thread| *thread = Some(std::thread::current().id()));
                threads.sort_by_key(|thread| format!("{thread:?}"));
                threads.dedup();
                assert_eq!(threads.len(), n_threads, "each takes one part");
                // Those without a task fall asleep, and wake up again.
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        });
    }

    #[test]
    fn a_panic_of_any_thread_reaches_the_leader_and_the_team_goes_on() {
        Team::scope(3, |team| {
            for bad in 0..3 {
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    team.each(&mut [0; 3], |i, _| assert_ne!(i, bad, "part {i}"));
                }));
                assert!(caught.is_err());
            }
            let mut parts = [0; 3];
            team.each(&mut parts, |_, part| *part = 1);
            assert_eq!(parts, [1; 3]);
        });
    }

    #[test]
    fn a_leader_that_panics_does_not_hang() {
        assert!(catch_unwind(|| Team::scope(2, |_| panic!("on purpose"))).is_err());
    }
}
