//! A pool of threads that wait for each other by spinning.
//!
//! A step of a small network takes less than a millisecond and has two joins. Waking a sleeping thread may take longer than
//! the step, so the threads of a team spin until there is work. They live as long as the team, which is one stretch of
//! training.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

/// A task that every thread of a team runs, with the thread's index in the team.
type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// The leader's handle to a team. It is not `Sync`: only one thread leads.
pub(super) struct Team<'t> {
    n_threads: usize,
    board: Option<&'t Board>,
    one_leader: PhantomData<Cell<()>>,
}

/// The state that leader and helpers share.
struct Board {
    task: UnsafeCell<Option<*const Task<'static>>>,
    /// The number of tasks so far.
    n_tasks: AtomicUsize,
    /// The number of helpers that still run the latest task.
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

    /// Calls `lead` with a team of `n_threads`, including the calling thread. The other threads end with the call.
    pub fn scope<R>(n_threads: usize, lead: impl FnOnce(&Team<'_>) -> R) -> R {
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
            // Dismisses the helpers even if `lead` panics: the scope waits for them.
            let _dismissal = DismissOnDrop(&board);
            for thread in 1..n_threads {
                let board = &board;
                scope.spawn(move || board.help(thread));
            }
            lead(&Team { n_threads, board: Some(&board), one_leader: PhantomData })
        })
    }

    /// The number of threads.
    pub fn n_threads(&self) -> usize {
        self.n_threads
    }

    /// Calls `work` on each part with its index. Each thread takes a contiguous run of parts, the same in every call,
    /// so that the data of a part stays in the cache of its processor.
    pub fn each<T: Send>(&self, parts: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        let (all, n_threads) = (Parts::new(parts), self.n_threads);
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

    /// Runs `task` on every thread, and returns when all are done.
    fn run(&self, task: &Task<'_>) {
        let Some(board) = self.board else { return task(0) };
        // SAFETY: the lifetime is extended, but the task is not used after this call, which waits for all helpers even if
        // the leader's part panics. No helper is busy now, so none reads the task while it is written.
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
    /// Runs one task after the other until the team is dismissed.
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

struct DismissOnDrop<'a>(&'a Board);

impl Drop for DismissOnDrop<'_> {
    fn drop(&mut self) {
        self.0.dismissed.store(true, Release);
    }
}

/// Spins until `ready`; after a while it yields the processor between checks.
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
