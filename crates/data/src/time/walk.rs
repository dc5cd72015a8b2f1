//! The rule of time: which row follows which, and where a recording starts.
//!
//! Rows are pushed one by one, and come out in order as soon as nothing that follows can change what is said of them:
//! at once where the clock ticks on, a few rows later where a stamp leaves a hole (a late row may fill it), leads back or is
//! zero. So a file and a live stream are cut alike.

use super::pace::Pace;
use std::collections::VecDeque;

/// Nominal intervals from one row to the next beyond which a new recording starts, unless another number is given. WISDM's
/// phones are late by up to 4.5 intervals within one unbroken recording; a window of two seconds should not contain a
/// gap of half a second.
pub const GAP: f64 = 10.0;

/// Rows that are waited for where a stamp leaves a hole: a row may be late by as many places.
pub(super) const LATE: usize = 3;

/// Zeros that are waited out, in case the clock was started anew; more of them are missing stamps.
const ZEROS: usize = 8;

/// Steps back and stray stamps from which a clock is in disorder, if they are more than one in [`ORDERLY`] rows.
const FAULTS: usize = 8;
const ORDERLY: usize = 10;

/// A row in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// Its number, as it was pushed with.
    pub row: usize,
    /// Whether a recording starts with it.
    pub starts: bool,
    /// Its own stamp in seconds, where it has one that its neighbours do not share.
    pub stamp: Option<f64>,
    /// What was mended.
    pub mend: Option<Mend>,
}

/// How the place or time of a row was mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Its stamp was missing, zero, beyond any clock or away from all others: the row keeps its place.
    Missing,
    /// Its stamp is that of the row before, and the tick is theirs together.
    Shared,
    /// It came late by a few places, and was put where its stamp belongs.
    Sorted,
}

/// So many steps lead back that the rows are in no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disorder {
    /// The row at which this became plain.
    pub row: usize,
    /// Steps back and stray stamps so far.
    pub faults: usize,
    /// Rows so far.
    pub n_rows: usize,
}

impl Disorder {
    /// The disorder of a clock of which all that is known are its stamps, run by run; `row` is its first. Rows in no order
    /// show by steps back, before a unit can be known.
    pub(super) fn of_stamps(runs: &[&[f64]], row: usize) -> Option<Self> {
        let n_rows = runs.iter().map(|run| run.len()).sum();
        let steps = runs.iter().flat_map(|run| run.windows(2));
        let faults = steps.filter(|pair| pair[1] < pair[0] && pair[1] != 0.0).count();
        (faults >= FAULTS && faults * ORDERLY > n_rows).then_some(Self { row, faults, n_rows })
    }
}

/// Walks over the rows of one clock. See the module for what it says of them.
pub struct Walk {
    pace: Pace,
    gap: f64,
    held: VecDeque<Held>,
    /// The last tick of the recording, where one has a stamp.
    last: Option<Tick>,
    /// Whether the next row starts a recording whatever its stamp.
    opens: bool,
    n_rows: usize,
    faults: usize,
}

#[derive(Clone, Copy)]
struct Held {
    row: usize,
    seconds: Option<f64>,
    sorted: bool,
}

struct Tick {
    /// First and latest stamp.
    first: f64,
    latest: f64,
    n_rows: usize,
    /// Whether it is the first of its recording.
    opening: bool,
}

/// What is said of the row in front.
enum Verdict {
    /// What follows will tell.
    Wait,
    /// A tick of its own, in the same recording.
    Ticks,
    /// A tick of its own, which starts a recording: after a gap or a step back.
    Starts { back: bool },
    /// No stamp of its own.
    Untimed(Mend),
    /// A stray stamp, to be ignored.
    Stray,
    /// The row at this place in the queue comes first.
    Later(usize),
}

/// Whether a row is late that belongs before the one in front.
enum Late {
    /// What follows will tell.
    Unknown,
    /// There is none.
    None,
    /// The one at this place in the queue.
    Fits(usize),
}

impl Walk {
    /// A walk at `pace`; a recording ends where more than `gap` intervals pass from one row to the next.
    pub fn new(pace: Pace, gap: f64) -> Self {
        Self { pace, gap, held: VecDeque::new(), last: None, opens: true, n_rows: 0, faults: 0 }
    }

    /// Goes on at `pace`, in the midst of a run, as more is learnt. The unit stays.
    pub fn go_on(&mut self, pace: Pace) {
        self.pace = Pace { unit: self.pace.unit, known_by: self.pace.known_by, ..pace };
        self.opens &= self.n_rows > 0;
    }

    /// The pace it goes at.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Takes the next row, known by its number, with its stamp in the clock's own unit (NaN: missing), and hands `out` the rows
    /// that are now beyond doubt.
    ///
    /// # Errors
    /// Rows in no order.
    pub fn push(&mut self, row: usize, stamp: f64, out: &mut impl FnMut(Placed)) -> Result<(), Disorder> {
        let seconds = self.pace.seconds(stamp);
        self.held.push_back(Held { row, seconds, sorted: false });
        self.n_rows += 1;
        self.settle(false, out)
    }

    /// Ends the run: hands `out` the rows that were held back. The next row starts a recording.
    ///
    /// # Errors
    /// Rows in no order.
    pub fn end_run(&mut self, out: &mut impl FnMut(Placed)) -> Result<(), Disorder> {
        self.settle(true, out)?;
        self.last = None;
        self.opens = true;
        Ok(())
    }

    fn settle(&mut self, ending: bool, out: &mut impl FnMut(Placed)) -> Result<(), Disorder> {
        while let Some(&front) = self.held.front() {
            let verdict = self.judge(front, ending);
            if let Verdict::Wait = verdict {
                break;
            }
            if let Verdict::Later(at) = verdict {
                let late = self.held.remove(at).expect("it was found there");
                self.held.push_front(Held { sorted: true, ..late });
                continue;
            }
            if matches!(verdict, Verdict::Stray | Verdict::Starts { back: true }) {
                self.faults += 1;
                if self.faults >= FAULTS && self.faults * ORDERLY > self.n_rows {
                    return Err(Disorder { row: front.row, faults: self.faults, n_rows: self.n_rows });
                }
            }
            self.held.pop_front();
            out(self.place(front, &verdict));
        }
        Ok(())
    }

    /// Takes the row in front into the recording, or starts one with it.
    fn place(&mut self, front: Held, verdict: &Verdict) -> Placed {
        let own = matches!(verdict, Verdict::Ticks | Verdict::Starts { .. });
        let starts = self.opens || matches!(verdict, Verdict::Starts { .. });
        let mend = match verdict {
            Verdict::Untimed(mend) => Some(*mend),
            Verdict::Stray => Some(Mend::Missing),
            _ => None,
        };
        match (&mut self.last, front.seconds) {
            (last, Some(stamp)) if own => {
                let opening = starts || last.is_none();
                *last = Some(Tick { first: stamp, latest: stamp, n_rows: 1, opening });
            }
            (Some(tick), stamp) => {
                tick.n_rows += 1;
                if let (Some(Mend::Shared), Some(stamp)) = (mend, stamp) {
                    tick.latest = tick.latest.max(stamp);
                }
            }
            (None, _) => {}
        }
        self.opens = false;
        let mend = if front.sorted { Some(Mend::Sorted) } else { mend };
        Placed { row: front.row, starts, stamp: front.seconds.filter(|_| own), mend }
    }

    fn judge(&self, front: Held, ending: bool) -> Verdict {
        let Some(stamp) = front.seconds else { return Verdict::Untimed(Mend::Missing) };
        let same = self.pace.resolution;
        if stamp == 0.0 && self.last.as_ref().is_none_or(|tick| tick.latest > same) {
            return self.judge_zero(ending);
        }
        let Some(tick) = &self.last else {
            return match self.late(stamp, ending) {
                Late::Unknown => Verdict::Wait,
                Late::Fits(at) => Verdict::Later(at),
                Late::None => Verdict::Ticks,
            };
        };
        if (stamp - tick.latest).abs() <= same {
            return Verdict::Untimed(Mend::Shared);
        }
        if stamp < tick.latest {
            return match self.later().next() {
                // What follows goes on as if this row were not there.
                Some((_, next)) if self.continues(tick, next, 1) => Verdict::Stray,
                None if !ending => Verdict::Wait,
                _ => Verdict::Starts { back: true },
            };
        }
        let elapsed = self.elapsed(tick, stamp);
        let settled = if self.is_gap(elapsed) { Verdict::Starts { back: false } } else { Verdict::Ticks };
        if elapsed <= 1.5 {
            return settled;
        }
        match (self.late(stamp, ending), self.later().next()) {
            (Late::Unknown, _) => Verdict::Wait,
            (Late::Fits(at), _) => Verdict::Later(at),
            // What follows goes on as if this row were not there.
            (_, Some((_, next))) if next < stamp && self.continues(tick, next, 1) => Verdict::Stray,
            _ => settled,
        }
    }

    /// Looks for a row that belongs before the one in front, whose stamp is `stamp`: it comes within a few rows, its stamp is as
    /// near to a neighbour's, and then the clock comes back to where it was. Otherwise the clock was set back, or `stamp` is
    /// astray.
    fn late(&self, stamp: f64, ending: bool) -> Late {
        let earlier = |(_, later): &(usize, f64)| *later < stamp - self.pace.resolution;
        let Some((at, late)) = self.later().find(earlier) else {
            return if ending || self.held.len() > LATE { Late::None } else { Late::Unknown };
        };
        let reach = 1.5 * self.pace.stride * (at + 1) as f64;
        let near = match &self.last {
            Some(tick) if late < tick.latest - self.pace.resolution => false,
            Some(tick) => stamp - late <= reach || late - tick.latest <= reach,
            None => stamp - late <= reach,
        };
        let back = self.later().any(|later| later.0 > at && !earlier(&later));
        match (near, back) {
            (false, _) => Late::None,
            (true, true) => Late::Fits(at),
            (true, false) if ending && at + 1 == self.held.len() && self.last.is_some() => Late::Fits(at),
            (true, false) if ending || self.held.len() > 2 * LATE => Late::None,
            (true, false) => Late::Unknown,
        }
    }

    /// A zero where the clock is not near zero: missing, unless the clock counts on from it.
    fn judge_zero(&self, ending: bool) -> Verdict {
        let Some((n_zeros, next)) = self.later().next() else {
            let patience = ZEROS.max(2 * self.pace.rows_per_tick());
            let decided = ending || self.held.len() > patience;
            return if decided { Verdict::Untimed(Mend::Missing) } else { Verdict::Wait };
        };
        let counts_on = next > 0.0 && next <= (n_zeros as f64 + self.gap) * self.pace.interval + self.pace.stride;
        match &self.last {
            None if counts_on => Verdict::Ticks,
            Some(tick) if counts_on && next < tick.latest => Verdict::Starts { back: true },
            _ => Verdict::Untimed(Mend::Missing),
        }
    }

    /// Place in the queue and stamp of the rows behind the one in front, those without a stamp left out.
    fn later(&self) -> impl Iterator<Item = (usize, f64)> {
        let rows = self.held.iter().enumerate().skip(1);
        rows.filter_map(|(at, held)| Some((at, held.seconds.filter(|seconds| *seconds != 0.0)?)))
    }

    /// Nominal intervals from the last row of `tick` to `stamp`. The rows of a tick follow each other at the nominal
    /// interval; those of a recording's first tick, which may have begun before it, end with the tick.
    fn elapsed(&self, tick: &Tick, stamp: f64) -> f64 {
        let Pace { interval, stride, .. } = self.pace;
        let filled = interval * tick.n_rows as f64;
        let filled = if tick.opening { filled.max(stride) } else { filled };
        (stamp - tick.first - filled) / interval + 1.0
    }

    /// Whether more than `gap` intervals have elapsed, rounded to whole ones; what lies between two, up to the errors of
    /// floating point, is rounded up.
    fn is_gap(&self, elapsed: f64) -> bool {
        elapsed > self.gap + 0.499
    }

    /// Whether `stamp` goes on from `tick` after `n_between` other rows, without a gap.
    fn continues(&self, tick: &Tick, stamp: f64, n_between: usize) -> bool {
        let same_tick = self.pace.shared && (stamp - tick.latest).abs() <= self.pace.resolution;
        let goes_on = stamp > tick.latest + self.pace.resolution;
        same_tick || (goes_on && !self.is_gap(self.elapsed(tick, stamp) - n_between as f64))
    }
}
