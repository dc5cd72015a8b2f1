//! The times of rows that are all there.

use super::pace::{KnownBy, NoUnit, Pace, Shape, Unit, lower_median, runs_backwards};
use super::walk::LATE;
use super::{Mend, Spread, TimeError, Walk, no_unit};
use crate::Repair;
use std::collections::HashMap;
use std::ops::Range;

/// Places by which a row may be late in a file.
const LATEST: usize = 64;

/// A stretch of rows of one file, subject and activity. Those of one file follow each other.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub rows: Range<usize>,
    pub file: usize,
    pub subject: usize,
}

impl Run {
    /// File and subject of the clock that its stamps are of.
    fn clock(&self) -> Key {
        (self.file, self.subject)
    }
}

/// File and subject.
type Key = (usize, usize);

/// A clock and what it is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub key: Key,
    pub pace: Pace,
}

/// When each row was taken.
pub(crate) struct Timeline {
    /// The rows in the order of time; `None` where they stand in it.
    pub order: Option<Vec<usize>>,
    /// Seconds, one for each place in the order; strictly increasing within a recording.
    pub times: Vec<f64>,
    /// Whether a recording starts at the place.
    pub starts: Vec<bool>,
    /// Each row that was mended, and how.
    pub mended: Vec<(Repair, usize)>,
    /// Samples a second, by the median interval over all recordings.
    pub rate_hz: Option<f64>,
    /// Each clock, in the order of their first rows.
    pub clocks: Vec<Clock>,
}

/// Works out the times of rows with `stamps` (NaN where missing). `units` are those that each file names; a recording
/// ends where more than `gap` nominal intervals pass between rows. `None` where no clock advances, so that only the order
/// of the rows is known.
///
/// # Errors
/// A unit that stays in doubt or contradicts the stamps; rows in no order.
pub(crate) fn resolve(
    mut stamps: Vec<f64>,
    runs: &[Run],
    units: &[Option<Unit>],
    gap: f64,
) -> Result<Option<Timeline>, TimeError> {
    let mut mended = Vec::new();
    let mut runs = runs.to_vec();
    let mut turned = false;
    let mut rows: Vec<usize> = (0..stamps.len()).collect();
    for file in runs.chunk_by_mut(|a, b| a.file == b.file) {
        if runs_backwards(file.iter().map(|run| &stamps[run.rows.clone()])) {
            let (start, end) = (file[0].rows.start, file[file.len() - 1].rows.end);
            stamps[start..end].reverse();
            rows[start..end].reverse();
            file.reverse();
            file.iter_mut().for_each(|run| run.rows = start + end - run.rows.end..start + end - run.rows.start);
            mended.extend((start..end).map(|row| (Repair::NewestFirst, row)));
            turned = true;
        }
    }
    for run in &runs {
        let late = put_back(&mut stamps[run.rows.clone()], &mut rows[run.rows.clone()]);
        mended.extend(late.into_iter().map(|row| (Repair::Late, row)));
    }
    let Some(clocks) = learn(&stamps, &runs, units).map_err(|error| TimeError { row: rows[error.row], ..error })?
    else {
        return Ok(None);
    };

    let mut walks: HashMap<Key, Walk> = clocks.iter().map(|clock| (clock.key, Walk::new(clock.pace, gap))).collect();
    let mut order = Vec::with_capacity(stamps.len());
    let mut times = Vec::with_capacity(stamps.len());
    let mut starts = Vec::with_capacity(stamps.len());
    for run in &runs {
        let walk = walks.get_mut(&run.clock()).expect("each run has a clock");
        let pace = *walk.pace();
        let mut spread = Spread::new(pace);
        let mut timed = |row: usize, begins: bool, time: f64| {
            order.push(rows[row]);
            starts.push(begins);
            times.push(time);
        };
        let mut placed = |placed: super::Placed| {
            if let Some(mend) = placed.mend {
                mended.push((repair(mend, &pace), rows[placed.row]));
            }
            spread.push(placed, &mut timed);
        };
        for row in run.rows.clone() {
            walk.push(row, stamps[row], &mut placed)
                .map_err(|found| TimeError::from(super::Disorder { row: rows[found.row], ..found }))?;
        }
        walk.end_run(&mut placed)
            .map_err(|found| TimeError::from(super::Disorder { row: rows[found.row], ..found }))?;
        spread.end(&mut timed);
    }
    mended.sort_by_key(|(_, row)| *row);
    let mut steps: Vec<f64> =
        (1..times.len()).filter(|place| !starts[*place]).map(|place| times[place] - times[place - 1]).collect();
    let latest = times.iter().fold(0.0_f64, |latest, time| latest.max(time.abs()));
    let in_order = !turned && order.is_sorted();
    Ok(Some(Timeline {
        order: (!in_order).then_some(order),
        rate_hz: lower_median(&mut steps).map(|interval| rate(interval, latest)),
        times,
        starts,
        mended,
        clocks,
    }))
}

/// Samples a second at this `interval` between two times of up to `latest` seconds: of the numbers that these times cannot tell
/// apart, the one with the fewest digits. Rows at 0.00, 0.05 and 0.10 s come at 20 a second, not at 20.00000000000007.
fn rate(interval: f64, latest: f64) -> f64 {
    // Both times were rounded when they were read, and when they became seconds.
    let error = 4.0 * f64::EPSILON * latest;
    let exact = interval.recip();
    let mut rounded = (0..17).filter_map(|digits| format!("{exact:.digits$e}").parse::<f64>().ok());
    rounded.find(|rate| (rate.recip() - interval).abs() <= error).unwrap_or(exact)
}

/// Puts the rows of a run where they belong that are late by more places than a [`Walk`] waits for, and returns them. Such a row
/// leaves a hole where its stamp belongs, and none where it is.
fn put_back(stamps: &mut [f64], rows: &mut [usize]) -> Vec<usize> {
    let mut steps: Vec<f64> = stamps.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0.0).collect();
    let Some(step) = lower_median(&mut steps) else { return Vec::new() };
    let mut late = Vec::new();
    for at in 1..stamps.len() {
        let (before, stamp) = (stamps[at - 1], stamps[at]);
        let goes_on = |next: &f64| (0.0..1.5 * step).contains(&(next - before));
        if stamp >= before || !stamp.is_finite() || !stamps.get(at + 1).is_none_or(goes_on) {
            continue;
        }
        let fits = |place: &usize| {
            let (earlier, later) = (stamps[place - 1], stamps[*place]);
            let near = stamp - earlier < 1.5 * step || later - stamp < 1.5 * step;
            earlier < stamp && stamp < later && later - earlier > 1.5 * step && near
        };
        let places = at.saturating_sub(LATEST).max(1)..at;
        if let Some(place) = places.rev().find(fits).filter(|place| at - place > LATE) {
            late.push(rows[at]);
            stamps[place..=at].rotate_right(1);
            rows[place..=at].rotate_right(1);
        }
    }
    late
}

fn repair(mend: Mend, pace: &Pace) -> Repair {
    match mend {
        Mend::Shared if pace.shared => Repair::SharedTick,
        Mend::Missing | Mend::Shared => Repair::Timestamp,
        Mend::Sorted => Repair::Late,
    }
}

/// The stamps of a clock.
struct Stamps<'a> {
    key: Key,
    runs: Vec<&'a [f64]>,
    first_row: usize,
}

/// The stamps of each clock, in the order of first rows.
fn by_clock<'a>(stamps: &'a [f64], runs: &[Run]) -> Vec<Stamps<'a>> {
    let mut clocks: Vec<Stamps> = Vec::new();
    let mut index_of = HashMap::new();
    for run in runs {
        let at = *index_of.entry(run.clock()).or_insert_with(|| {
            clocks.push(Stamps { key: run.clock(), runs: Vec::new(), first_row: run.rows.start });
            clocks.len() - 1
        });
        clocks[at].runs.push(&stamps[run.rows.clone()]);
    }
    clocks
}

/// The pace of each clock. One whose unit is in doubt takes that of another which fits, of its own file first; one that stands
/// still takes another's whole pace. `None` where all stand still.
fn learn(stamps: &[f64], runs: &[Run], units: &[Option<Unit>]) -> Result<Option<Vec<Clock>>, TimeError> {
    let all = by_clock(stamps, runs);
    let named = |clock: &Stamps| units.get(clock.key.0).copied().flatten();
    let measure =
        |clock: &Stamps| Shape::measure(&clock.runs, named(clock)).map(|shape| (shape, shape.unit(named(clock))));
    let measured: Vec<_> = all.iter().map(measure).collect();
    let mut known: Vec<Clock> = Vec::new();
    for (clock, measured) in all.iter().zip(&measured) {
        if let Some((shape, Ok((unit, known_by)))) = measured {
            known.push(Clock { key: clock.key, pace: shape.pace(*unit, *known_by) });
        }
    }
    let neighbour = |(file, _): Key, fits: &dyn Fn(Unit) -> bool| {
        let fitting = || known.iter().filter(|clock| fits(clock.pace.unit));
        fitting().find(|clock| clock.key.0 == file).or_else(|| fitting().next()).map(|clock| clock.pace)
    };
    let mut clocks = Vec::with_capacity(all.len());
    for (clock, measured) in all.iter().zip(&measured) {
        let pace = match measured {
            Some((shape, Ok((unit, known_by)))) => shape.pace(*unit, *known_by),
            Some((shape, Err(cause))) => {
                let fits = |unit: Unit| matches!(cause, NoUnit::Open(fitting) if fitting.contains(&unit));
                let pace =
                    neighbour(clock.key, &fits).ok_or_else(|| no_unit(clock.first_row, &clock.runs, shape, cause))?;
                shape.pace(pace.unit, KnownBy::Neighbour)
            }
            // Without a neighbour, all others stand still too, or one of them is an error.
            None => match neighbour(clock.key, &|_| true) {
                Some(pace) => pace,
                None => continue,
            },
        };
        clocks.push(Clock { key: clock.key, pace });
    }
    Ok((!clocks.is_empty()).then_some(clocks))
}
