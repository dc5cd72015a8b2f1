//! Where the wall time of a command goes: the phases of its threads, and the stages on its device.

use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What a thread is occupied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Reading recordings.
    Reading,
    /// Finding, opening and measuring devices.
    Devices,
    /// Cutting, splitting and scaling windows; drawing initial weights and orders.
    Preparing,
    /// Composing and compiling what a device runs.
    Compiling,
    /// Copying windows, weights and orders to a device, and making room for them.
    Uploading,
    /// Submitting steps of training, or taking them, and waiting for their results.
    Steps,
    /// Validating models; in `bench`, checking them against the reference.
    Validation,
    /// Scoring windows with trained networks.
    Scoring,
    /// Reading weights and moments back from a device.
    ReadingBack,
    /// The rest of the training loop: sums, history, progress. With an engine that records nothing, all of it.
    Training,
    /// Writing checkpoints, weights and tables, or waiting for the thread that does.
    Files,
    /// Training the classical baselines, or waiting for the threads that do.
    Baselines,
    /// Judging networks, comparing them, and writing the summary.
    Statistics,
    /// Making the report.
    Report,
}

impl Phase {
    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Devices => "devices",
            Self::Preparing => "preparing",
            Self::Compiling => "compiling",
            Self::Uploading => "uploading",
            Self::Steps => "steps",
            Self::Validation => "validation",
            Self::Scoring => "scoring",
            Self::ReadingBack => "reading back",
            Self::Training => "training loop",
            Self::Files => "files",
            Self::Baselines => "baselines",
            Self::Statistics => "statistics",
            Self::Report => "report",
        }
    }
}

/// A recorder of phases and stages. Clones record together. One that is [off](Timings::off) records nothing, and costs
/// nothing.
///
/// ```
/// use triax_engine::{Phase, Timings};
///
/// let timings = Timings::on();
/// {
///     let _reading = timings.phase(Phase::Reading);
///     // … until the end of the block
/// }
/// let found = timings.found().expect("it is on");
/// assert_eq!(found.main[0].phase, Phase::Reading);
/// assert!(found.main[0].time <= found.wall);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Timings(Option<Arc<Recorder>>);

#[derive(Debug)]
struct Recorder {
    started: Instant,
    accounts: Mutex<Accounts>,
}

impl Recorder {
    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timings {
    /// Records nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Records from now on. The calling thread is the main thread.
    pub fn on() -> Self {
        let accounts = Mutex::new(Accounts::new(thread::current().id()));
        Self(Some(Arc::new(Recorder { started: Instant::now(), accounts })))
    }

    /// Begins `phase` on this thread. It ends when the guard is dropped. While another phase is within it, only that one is
    /// counted, so that the phases of a thread never sum up to more than the wall time.
    pub fn phase(&self, phase: Phase) -> PhaseGuard {
        self.begin(phase, None)
    }

    /// Begins `phase` on this thread, which is the device meanwhile: the whole of it counts as device time too. The stage is
    /// called like the phase, and runs `n` times.
    pub fn device_phase(&self, phase: Phase, n: u64) -> PhaseGuard {
        self.begin(phase, Some(n))
    }

    fn begin(&self, phase: Phase, on_device: Option<u64>) -> PhaseGuard {
        let open = self.0.clone().map(|recorder| {
            recorder.accounts().enter(thread::current().id(), phase);
            OpenPhase { recorder, phase, on_device, started: Instant::now() }
        });
        PhaseGuard { open, one_thread: PhantomData }
    }

    /// Adds the time in which the device was busy with `stage`, which ran `n` times.
    pub fn add_device(&self, stage: &str, time: Duration, n: u64) {
        if let Some(recorder) = &self.0 {
            recorder.accounts().add_device(stage, time, n);
        }
    }

    /// Adds what another process has found while this thread was waiting for it.
    pub fn add_found(&self, found: &TimingsFound) {
        if let Some(recorder) = &self.0 {
            recorder.accounts().add_found(thread::current().id(), found);
        }
    }

    /// What was recorded so far, without phases that have not ended. None if this is off.
    pub fn found(&self) -> Option<TimingsFound> {
        self.0.as_ref().map(|recorder| recorder.accounts().found(recorder.started.elapsed()))
    }
}

/// Ends a phase when it is dropped, on the thread that has begun it.
#[derive(Debug)]
#[must_use = "the phase ends when this is dropped"]
pub struct PhaseGuard {
    open: Option<OpenPhase>,
    /// It is not `Send`.
    one_thread: PhantomData<*const ()>,
}

#[derive(Debug)]
struct OpenPhase {
    recorder: Arc<Recorder>,
    phase: Phase,
    on_device: Option<u64>,
    started: Instant,
}

impl Drop for PhaseGuard {
    fn drop(&mut self) {
        let Some(OpenPhase { recorder, phase, on_device, started }) = self.open.take() else { return };
        let (mut accounts, time) = (recorder.accounts(), started.elapsed());
        accounts.leave(thread::current().id(), time);
        if let Some(n) = on_device {
            accounts.add_device(phase.name(), time, n);
        }
    }
}

/// Where the time went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimingsFound {
    /// The whole time.
    pub wall: Duration,
    /// The phases of the main thread, in the order of [`Phase`]. Their sum is at most the whole time.
    pub main: Vec<PhaseTime>,
    /// The phases of all other threads together.
    pub beside: Vec<PhaseTime>,
    /// The stages on the device, in the order in which they were first named. Stages of several devices may overlap.
    pub device: Vec<StageRow>,
}

/// The time of a phase, without that of the phases within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// The phase.
    pub phase: Phase,
    /// Its time.
    pub time: Duration,
}

/// The time of a stage on the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRow {
    /// Name of the stage.
    pub stage: String,
    /// Its time.
    pub time: Duration,
    /// How often it ran.
    pub n: u64,
}

impl TimingsFound {
    /// The time of the main thread that belongs to no phase.
    pub fn other(&self) -> Duration {
        self.wall.saturating_sub(self.main.iter().map(|row| row.time).sum())
    }

    /// The time in which the device was busy. That of several devices is summed.
    pub fn busy(&self) -> Duration {
        self.device.iter().map(|row| row.time).sum()
    }
}

/// The sums over all phases and stages.
#[derive(Debug)]
struct Accounts {
    main_thread: ThreadId,
    /// The phases that each thread is in, the innermost last.
    open: HashMap<ThreadId, Vec<Frame>>,
    main: BTreeMap<Phase, Duration>,
    beside: BTreeMap<Phase, Duration>,
    device: Vec<StageRow>,
}

/// A phase that a thread is in.
#[derive(Debug)]
struct Frame {
    phase: Phase,
    /// The time of the phases within it.
    inner: Duration,
}

impl Accounts {
    fn new(main_thread: ThreadId) -> Self {
        let (main, beside) = (BTreeMap::new(), BTreeMap::new());
        Self { main_thread, open: HashMap::new(), main, beside, device: Vec::new() }
    }

    fn enter(&mut self, thread: ThreadId, phase: Phase) {
        self.open.entry(thread).or_default().push(Frame { phase, inner: Duration::ZERO });
    }

    /// Ends the innermost phase of `thread`, which took `time`.
    fn leave(&mut self, thread: ThreadId, time: Duration) {
        let Some(Frame { phase, inner }) = self.open.get_mut(&thread).and_then(Vec::pop) else { return };
        let rows = if thread == self.main_thread { &mut self.main } else { &mut self.beside };
        *rows.entry(phase).or_default() += time.saturating_sub(inner);
        self.add_inner(thread, time);
    }

    /// Counts `time` as not of the innermost phase of `thread` itself.
    fn add_inner(&mut self, thread: ThreadId, time: Duration) {
        match self.open.get_mut(&thread).and_then(|frames| frames.last_mut()) {
            Some(frame) => frame.inner += time,
            None => drop(self.open.remove(&thread)),
        }
    }

    fn add_device(&mut self, stage: &str, time: Duration, n: u64) {
        match self.device.iter_mut().find(|row| row.stage == stage) {
            Some(row) => (row.time, row.n) = (row.time + time, row.n + n),
            None => self.device.push(StageRow { stage: stage.to_owned(), time, n }),
        }
    }

    fn add_found(&mut self, thread: ThreadId, found: &TimingsFound) {
        let rows = if thread == self.main_thread { &mut self.main } else { &mut self.beside };
        found.main.iter().for_each(|row| *rows.entry(row.phase).or_default() += row.time);
        found.beside.iter().for_each(|row| *self.beside.entry(row.phase).or_default() += row.time);
        found.device.iter().for_each(|row| self.add_device(&row.stage, row.time, row.n));
        self.add_inner(thread, found.main.iter().map(|row| row.time).sum());
    }

    fn found(&self, wall: Duration) -> TimingsFound {
        let rows =
            |rows: &BTreeMap<Phase, Duration>| rows.iter().map(|(&phase, &time)| PhaseTime { phase, time }).collect();
        TimingsFound { wall, main: rows(&self.main), beside: rows(&self.beside), device: self.device.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn rows(rows: &[PhaseTime]) -> Vec<(Phase, u128)> {
        rows.iter().map(|row| (row.phase, row.time.as_millis())).collect()
    }

    #[test]
    fn a_phase_counts_without_those_within_it() {
        let main = thread::current().id();
        let mut accounts = Accounts::new(main);
        accounts.enter(main, Phase::Training);
        for _ in 0..2 {
            accounts.enter(main, Phase::Files);
            accounts.enter(main, Phase::Scoring);
            accounts.leave(main, ms(3));
            accounts.leave(main, ms(10));
        }
        accounts.leave(main, ms(50));
        accounts.enter(main, Phase::Reading);
        accounts.leave(main, ms(5));
        let found = accounts.found(ms(60));
        let expected = [(Phase::Reading, 5), (Phase::Scoring, 6), (Phase::Training, 30), (Phase::Files, 14)];
        assert_eq!(rows(&found.main), expected);
        assert_eq!(found.other(), ms(5));
        assert!(accounts.open.is_empty(), "a thread that has ended leaves nothing behind");
    }

    #[test]
    fn other_threads_are_beside_and_do_not_count_for_the_main_one() {
        let (main, other) = (thread::current().id(), thread::spawn(|| thread::current().id()).join().unwrap());
        let mut accounts = Accounts::new(main);
        accounts.enter(main, Phase::Steps);
        accounts.enter(other, Phase::Files);
        accounts.leave(other, ms(80));
        accounts.leave(main, ms(100));
        let found = accounts.found(ms(100));
        assert_eq!((rows(&found.main), rows(&found.beside)), (vec![(Phase::Steps, 100)], vec![(Phase::Files, 80)]));
        assert_eq!(found.other(), Duration::ZERO);
    }

    #[test]
    fn what_another_process_found_is_within_the_phase_that_waited_for_it() {
        let main = thread::current().id();
        let device = vec![StageRow { stage: "conv1".to_owned(), time: ms(7), n: 3 }];
        let child = TimingsFound {
            wall: ms(40),
            main: vec![PhaseTime { phase: Phase::Steps, time: ms(30) }],
            beside: vec![PhaseTime { phase: Phase::Files, time: ms(2) }],
            device,
        };
        let mut accounts = Accounts::new(main);
        accounts.add_device("conv1", ms(1), 1);
        accounts.enter(main, Phase::Preparing);
        accounts.add_found(main, &child);
        accounts.leave(main, ms(45));
        let found = accounts.found(ms(50));
        assert_eq!(rows(&found.main), [(Phase::Preparing, 15), (Phase::Steps, 30)]);
        assert_eq!(rows(&found.beside), [(Phase::Files, 2)]);
        assert_eq!(found.device, [StageRow { stage: "conv1".to_owned(), time: ms(8), n: 4 }]);
        assert_eq!((found.busy(), found.other()), (ms(8), ms(5)));
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<TimingsFound>(&json).unwrap(), found);
    }

    #[test]
    fn guards_and_clones_record_together() {
        let timings = Timings::on();
        {
            let _outer = timings.phase(Phase::Training);
            let _inner = timings.clone().device_phase(Phase::Steps, 12);
            thread::scope(|scope| scope.spawn(|| drop(timings.phase(Phase::Files))).join().unwrap());
        }
        timings.add_device("conv1", ms(2), 1);
        let found = timings.found().unwrap();
        let phases = |rows: &[PhaseTime]| rows.iter().map(|row| row.phase).collect::<Vec<_>>();
        assert_eq!(
            (phases(&found.main), phases(&found.beside)),
            (vec![Phase::Steps, Phase::Training], vec![Phase::Files])
        );
        let stages: Vec<_> = found.device.iter().map(|row| (row.stage.as_str(), row.n)).collect();
        assert_eq!(stages, [("steps", 12), ("conv1", 1)]);
        assert_eq!(found.main.iter().map(|row| row.time).sum::<Duration>() + found.other(), found.wall);
    }

    #[test]
    fn off_records_nothing() {
        let timings = Timings::off();
        drop(timings.phase(Phase::Reading));
        timings.add_device("conv1", ms(2), 1);
        assert_eq!(timings.found(), None);
    }
}
