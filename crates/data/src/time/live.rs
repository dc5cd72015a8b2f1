//! The order of rows and the starts of recordings while rows still come.

use super::pace::{KnownBy, NoUnit, Shape, Unit, runs_backwards};
use super::{TimeError, Walk, newest_first, no_unit};
use std::collections::HashMap;

/// Rows from which a clock is learnt at first, if a window has fewer: some bursts must be among them.
const FIRST_LOOK: usize = 32;

/// Rows from which a clock is learnt in any case. Before, those that may be of a burst or two are not enough.
const LONGEST_WAIT: usize = 1024;

/// Rows of a subject up to which its clock is learnt anew, each time they have doubled.
const LAST_LOOK: usize = 1 << 16;

/// Subjects whose clocks are remembered. The clock of one that has not been seen for longest is forgotten, and learnt anew should
/// it come back.
const REMEMBERED: usize = 32;

/// Takes the rows of a stream, and gives each its place as soon as it is beyond doubt.
///
/// The rows of a subject are held back until its clock can be learnt: as many as a window has, and at least 32; more where
/// they may be of a burst or two, or span hardly half a second, but fewer than 2048; or
/// all where the run ends before. From then on rows come out at once, or a few rows later where a stamp is odd (see
/// [`Walk`]).
pub struct LiveClock {
    window: usize,
    unit: Option<Unit>,
    gap: f64,
    clocks: HashMap<String, Clock>,
    /// Subject of the run that goes on.
    subject: String,
    /// The unit that was found last.
    found: Option<Unit>,
    n_rows: usize,
}

/// The clock of a subject.
#[derive(Default)]
struct Clock {
    /// All stamps so far, run by run.
    runs: Vec<Vec<f64>>,
    n_rows: usize,
    /// Number of its last row.
    last_row: usize,
    looked: bool,
    /// Rows of this run that wait for the first look.
    waiting: Vec<(usize, f64)>,
    /// `None` before the first look, and for a clock that stands still.
    walk: Option<Walk>,
}

impl LiveClock {
    /// A clock for windows of `window` rows. `unit` is the one that the source names; a recording ends where more than `gap`
    /// nominal intervals pass between rows.
    pub fn new(window: usize, unit: Option<Unit>, gap: f64) -> Self {
        Self { window, unit, gap, clocks: HashMap::new(), subject: String::new(), found: None, n_rows: 0 }
    }

    /// Takes the next row: its subject, whether a run starts with it (another subject or activity), and its stamp (NaN where
    /// missing). Hands `out` the number of each row that is now in its place, in the order of time, and whether a recording
    /// starts with it. Rows are numbered from 0 as they come.
    ///
    /// # Errors
    /// A unit that stays in doubt or contradicts the stamps; time that runs backwards; rows in no order. The row of the
    /// error is the number of one.
    pub fn push(
        &mut self,
        subject: &str,
        new_run: bool,
        stamp: f64,
        out: &mut impl FnMut(usize, bool),
    ) -> Result<(), TimeError> {
        let new_run = new_run || self.n_rows == 0 || subject != self.subject;
        if new_run {
            self.end_run(out)?;
            subject.clone_into(&mut self.subject);
        }
        let row = self.n_rows;
        self.n_rows += 1;
        if !self.clocks.contains_key(subject) {
            self.forget();
            self.clocks.insert(subject.to_owned(), Clock::default());
        }
        let clock = self.clocks.get_mut(subject).expect("it was inserted");
        clock.last_row = row;
        let first_look = self.window.max(FIRST_LOOK);
        clock.n_rows += 1;
        if clock.n_rows <= LAST_LOOK {
            if new_run || clock.runs.is_empty() {
                clock.runs.push(Vec::new());
            }
            clock.runs.last_mut().expect("a run is there").push(stamp);
        } else {
            clock.runs = Vec::new();
        }
        if !clock.looked {
            clock.waiting.push((row, stamp));
        } else if let Some(walk) = &mut clock.walk {
            walk.push(row, stamp, &mut |placed| out(placed.row, placed.starts))?;
        } else {
            out(row, new_run);
        }
        let doublings = clock.n_rows.is_multiple_of(first_look) && (clock.n_rows / first_look).is_power_of_two();
        if doublings && clock.n_rows <= LAST_LOOK {
            self.look(false, out)?;
        }
        Ok(())
    }

    /// Nominal seconds from one row to the next of the subject whose rows come, once its clock is learnt.
    pub fn interval(&self) -> Option<f64> {
        Some(self.clocks.get(&self.subject)?.walk.as_ref()?.pace().interval)
    }

    /// Clocks that are remembered.
    #[cfg(test)]
    pub(super) fn n_clocks(&self) -> usize {
        self.clocks.len()
    }

    /// Ends the stream: hands `out` the rows that were held back.
    ///
    /// # Errors
    /// As for [`LiveClock::push`].
    pub fn end(&mut self, out: &mut impl FnMut(usize, bool)) -> Result<(), TimeError> {
        self.end_run(out)
    }

    fn end_run(&mut self, out: &mut impl FnMut(usize, bool)) -> Result<(), TimeError> {
        let Some(clock) = self.clocks.get(&self.subject) else { return Ok(()) };
        if clock.waiting.len() >= self.window {
            self.look(true, out)?;
        }
        let Some(clock) = self.clocks.get_mut(&self.subject) else { return Ok(()) };
        // Too few for a window.
        for (at, (row, _)) in clock.waiting.drain(..).enumerate() {
            out(row, at == 0);
        }
        if let Some(walk) = &mut clock.walk {
            walk.end_run(&mut |placed| out(placed.row, placed.starts))?;
        }
        Ok(())
    }

    /// Makes room for the clock of one more subject.
    fn forget(&mut self) {
        if self.clocks.len() >= REMEMBERED {
            let longest_unseen =
                self.clocks.iter().min_by_key(|(_, clock)| clock.last_row).map(|(name, _)| name.clone());
            longest_unseen.and_then(|name| self.clocks.remove(&name));
        }
    }

    /// Learns the clock of the current subject from all it has shown; unless the run is `ending`, that may wait for more.
    fn look(&mut self, ending: bool, out: &mut impl FnMut(usize, bool)) -> Result<(), TimeError> {
        let clock = self.clocks.get_mut(&self.subject).expect("its rows have come");
        let row = clock.waiting.first().map_or(self.n_rows - 1, |(row, _)| *row);
        let runs: Vec<&[f64]> = clock.runs.iter().map(Vec::as_slice).collect();
        if runs_backwards(runs.iter().copied()) {
            return Err(newest_first(row));
        }
        let shape = Shape::measure(&runs, self.unit);
        let may_wait = !clock.looked && !ending && clock.n_rows < LONGEST_WAIT;
        if may_wait && shape.is_some_and(|shape| shape.is_open(self.unit)) {
            return Ok(());
        }
        let in_midst = clock.looked;
        clock.looked = true;
        let waiting = std::mem::take(&mut clock.waiting);
        let Some(shape) = shape else {
            // A clock that stands still says nothing of the order but that rows follow each other.
            waiting.iter().enumerate().for_each(|(at, (row, _))| out(*row, at == 0));
            return Ok(());
        };
        let known = match (&clock.walk, shape.unit(self.unit), self.found) {
            (Some(walk), ..) => (walk.pace().unit, walk.pace().known_by),
            (None, Ok(known), _) => known,
            (None, Err(NoUnit::Open(fitting)), Some(unit)) if fitting.contains(&unit) => (unit, KnownBy::Neighbour),
            (None, Err(cause), _) => return Err(no_unit(row, &runs, &shape, &cause)),
        };
        self.found = Some(known.0);
        let pace = shape.pace(known.0, known.1);
        let walk = clock.walk.get_or_insert_with(|| Walk::new(pace, self.gap));
        if in_midst {
            walk.go_on(pace);
        }
        for (row, stamp) in waiting {
            walk.push(row, stamp, &mut |placed| out(placed.row, placed.starts))?;
        }
        Ok(())
    }
}
