//! Threads that work on one thing together, and wait for each other awake.
//!
//! A step of a small network takes less than a millisecond and has two joins. A thread that sleeps at a join may wake up
//! later than the whole step takes, so the threads of a team spin until there is work again; they live as long as the team,
//! which is one stretch of training.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

/// What a thread of a team is told to do, with its number in the team.
type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// The threads, as the one that leads them sees them. It cannot be shared: one thread leads.
pub(super) struct Team<'t> {
    n_threads: usize,
    board: Option<&'t Board>,
    one_leader: PhantomData<Cell<()>>,
}

/// Where tasks are given out.
struct Board {
    task: UnsafeCell<Option<*const Task<'static>>>,
    /// Number of the latest task.
    n_tasks: AtomicUsize,
    /// Helpers that are still at it.
    n_busy: AtomicUsize,
    dismissed: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `task` is written by the leader alone, while no helper is busy; helpers read it after `n_tasks` has told them of
// it (released by the leader, acquired by them), and only until they are counted out of `n_busy`. What it points to is
// `Sync`. The rest is `Sync` by itself.
unsafe impl Sync for Board {}

impl<'t> Team<'t> {
    /// A team of one.
    pub fn alone() -> Self {
        Self { n_threads: 1, board: None, one_leader: PhantomData }
    }

    /// Calls `lead` with a team of `n_threads`, the calling one among them. The others end with the call.
    pub fn of<R>(n_threads: usize, lead: impl FnOnce(&Team<'_>) -> R) -> R {
        if n_threads <= 1 {
            return lead(&Team::alone());
        }
        let board = Board {
            task: UnsafeCell::new(None),
            n_tasks: AtomicUsize::new(0),
            n_busy: AtomicUsize::new(0),
            dismissed: AtomicBool::new(false),
            panic: Mutex::new(None),
        };
        std::thread::scope(|scope| {
            // Also where `lead` panics: the scope would wait for helpers that wait for it.
            let _dismissal = Dismissal(&board);
            for thread in 1..n_threads {
                let board = &board;
                scope.spawn(move || board.help(thread));
            }
            lead(&Team { n_threads, board: Some(&board), one_leader: PhantomData })
        })
    }

    /// Threads in the team.
    pub fn n_threads(&self) -> usize {
        self.n_threads
    }

    /// Calls `work` on each part with its index. Each thread takes a run of parts that lie side by side, the same in every
    /// call, so that what belongs to a part stays in the cache of its processor.
    pub fn each<T: Send>(&self, parts: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        let (all, n_threads) = (Parts::of(parts), self.n_threads);
        self.run(&|thread| {
            for i in thread * all.len / n_threads..(thread + 1) * all.len / n_threads {
                // SAFETY: the runs of different threads do not overlap, and each index comes once.
                work(i, unsafe { all.part(i) });
            }
        });
    }

    /// Calls `work` on each part with its index and that of the thread. A thread that is free takes the next part.
    pub fn each_as_free<T: Send>(&self, parts: &mut [T], work: impl Fn(usize, usize, &mut T) + Sync) {
        let (all, next) = (Parts::of(parts), AtomicUsize::new(0));
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

    /// Calls `task` on every thread, and returns when all are done.
    fn run(&self, task: &Task<'_>) {
        let Some(board) = self.board else { return task(0) };
        // SAFETY: the lifetime is forgotten, but nobody looks at the task after this call: it waits for all helpers, also
        // where the leader's part panics. No helper is busy now, so nobody reads what is written.
        unsafe { *board.task.get() = Some(std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task)) };
        board.n_busy.store(self.n_threads - 1, Relaxed);
        board.n_tasks.fetch_add(1, Release);
        let own = catch_unwind(AssertUnwindSafe(|| task(0)));
        wait(|| board.n_busy.load(Acquire) == 0);
        let panic = board.panic.lock().ok().and_then(|mut panic| panic.take());
        if let Some(panic) = own.err().or(panic) {
            resume_unwind(panic);
        }
    }
}

impl Board {
    /// Works on one task after the other until dismissed.
    fn help(&self, thread: usize) {
        let mut done = 0;
        loop {
            wait(|| self.n_tasks.load(Acquire) != done || self.dismissed.load(Acquire));
            if self.n_tasks.load(Acquire) == done {
                return;
            }
            done += 1;
            // SAFETY: the leader has written the task before it counted it, and waits for this thread before it writes the
            // next or lets the task go.
            let task = unsafe { &*(*self.task.get()).expect("counted tasks are there") };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task(thread)))
                && let Ok(mut first) = self.panic.lock()
            {
                first.get_or_insert(panic);
            }
            self.n_busy.fetch_sub(1, Release);
        }
    }
}

struct Dismissal<'a>(&'a Board);

impl Drop for Dismissal<'_> {
    fn drop(&mut self) {
        self.0.dismissed.store(true, Release);
    }
}

/// Spins until `ready`; after a while it lets others have the processor in between.
fn wait(ready: impl Fn() -> bool) {
    const SPINS: usize = 10_000;
    for _ in 0..SPINS {
        if ready() {
            return;
        }
        std::hint::spin_loop();
    }
    while !ready() {
        std::thread::yield_now();
    }
}

/// A slice that threads take parts of.
struct Parts<'a, T> {
    first: *mut T,
    len: usize,
    borrowed: PhantomData<&'a mut [T]>,
}

// SAFETY: it hands out `&mut T` of different parts to different threads, which `T: Send` allows.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    fn of(parts: &'a mut [T]) -> Self {
        Self { first: parts.as_mut_ptr(), len: parts.len(), borrowed: PhantomData }
    }

    /// # Safety
    /// `i < len`, and nobody else has part `i`.
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
            Team::of(n_threads, |team| {
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
    fn a_panic_of_any_thread_reaches_the_leader_and_the_team_goes_on() {
        Team::of(3, |team| {
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
        assert!(catch_unwind(|| Team::of(2, |_| panic!("on purpose"))).is_err());
    }
}
