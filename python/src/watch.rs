//! Long work for Python: a thread of its own works, and the thread that called waits for it without the GIL. From time to
//! time the latter takes the GIL, to show progress and to hear of Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use triax::{EpochRecord, Error, FitSize, Metrics, Observer, StepResult};

use crate::errors::to_python;

/// How often the caller's thread looks. A user sees no delay, and other Python threads lose no time.
const EVERY: Duration = Duration::from_millis(50);

/// What the work tells, and what it is told.
#[derive(Default)]
struct Shared {
    told: Mutex<Told>,
    over: Condvar,
    stop: AtomicBool,
}

/// What the work has told so far.
#[derive(Clone, Default)]
struct Told {
    is_over: bool,
    /// Steps of all models in all epochs.
    n_steps: u64,
    steps: u64,
    /// The epoch that ended last: its number, its training loss, and its validation loss.
    epoch: Option<(usize, f64, Option<f64>)>,
}

/// Does `work` on a thread of its own. Calls `progress(steps, n_steps, epoch)` meanwhile, where `epoch` is None or (number,
/// loss, validation loss).
///
/// # Errors
/// Those of `work`; `KeyboardInterrupt` and whatever else a signal handler or `progress` raises, once the work has stopped.
pub fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&mut dyn Observer) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let shared = Shared::default();
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let _over = Over(&shared);
            work(&mut Watcher(&shared))
        });
        let mut raised = None;
        while !py.detach(|| shared.is_over_within(EVERY)) {
            if raised.is_none()
                && let Err(error) = py.check_signals().and_then(|()| shared.show(progress))
            {
                shared.stop.store(true, Relaxed);
                raised = Some(error);
            }
        }
        let done = py.detach(|| working.join());
        if let Some(error) = raised {
            return Err(error);
        }
        // A signal in the last moments counts as well.
        py.check_signals()?;
        let done =
            done.map_err(|_| PyRuntimeError::new_err("triax failed inside: this is a defect, please report it"))?;
        shared.show(progress)?;
        done.map_err(to_python)
    })
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the work is over, after at most `time`.
    fn is_over_within(&self, time: Duration) -> bool {
        let waited = self.over.wait_timeout_while(self.told(), time, |told| !told.is_over);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_over
    }

    fn show(&self, progress: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let Some(progress) = progress else { return Ok(()) };
        let Told { n_steps, steps, epoch, .. } = self.told().clone();
        progress.call1((steps, n_steps, epoch)).map(|_| ())
    }
}

/// Says that the work is over, also when it panics.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.told().is_over = true;
        self.0.over.notify_all();
    }
}

/// Tells the caller's thread what happens.
struct Watcher<'a>(&'a Shared);

impl Observer for Watcher<'_> {
    fn fit_started(&mut self, size: &FitSize) {
        let mut told = self.0.told();
        (told.n_steps, told.steps) = (size.n_steps, size.steps_done);
    }

    fn steps_done(&mut self, steps: u64, _newest: Option<StepResult>) {
        self.0.told().steps = steps;
    }

    fn epoch_ended(&mut self, _model_idx: usize, record: &EpochRecord, _validation: Option<&Metrics>) {
        self.0.told().epoch = Some((record.epoch, record.loss, record.val_loss));
    }

    fn interrupted(&mut self) -> bool {
        self.0.stop.load(Relaxed)
    }
}
