//! The times of rows that are all there.

use super::pace::{KnownBy, NoUnit, Pace, Shape, Unit, lower_median, runs_backwards};
use super::{Mend, Spread, TimeError, Walk, no_unit};
use crate::Repair;
use std::collections::HashMap;
use std::ops::Range;

/// A stretch of rows of one file, subject and activity. Those of one file follow each other.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub rows: Range<usize>,
    pub file: usize,
    pub subject: usize,
}

impl Run {
    /// The clock that its stamps are of.
    fn clock(&self) -> (usize, usize) {
        (self.file, self.subject)
    }
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
    /// Median interval over all recordings, in seconds.
    pub interval: Option<f64>,
    /// File, subject and pace of each clock, in the order of their first rows.
    pub clocks: Vec<(usize, usize, Pace)>,
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
    let Some(clocks) = learn(&stamps, &runs, units).map_err(|error| TimeError { row: rows[error.row], ..error })?
    else {
        return Ok(None);
    };

    let mut walks: HashMap<(usize, usize), Walk> =
        clocks.iter().map(|(file, subject, pace)| ((*file, *subject), Walk::new(*pace, gap))).collect();
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
    let in_order = !turned && order.is_sorted();
    Ok(Some(Timeline {
        order: (!in_order).then_some(order),
        interval: lower_median(&mut steps),
        times,
        starts,
        mended,
        clocks,
    }))
}

fn repair(mend: Mend, pace: &Pace) -> Repair {
    match mend {
        Mend::Shared if pace.shared => Repair::SharedTick,
        Mend::Missing | Mend::Shared => Repair::Timestamp,
        Mend::Sorted => Repair::Late,
    }
}

/// The pace of each clock. One whose unit is in doubt takes that of another which fits, of its own file first; one that stands
/// still takes another's whole pace.
fn learn(stamps: &[f64], runs: &[Run], units: &[Option<Unit>]) -> Result<Option<Vec<(usize, usize, Pace)>>, TimeError> {
    let mut clocks: Vec<((usize, usize), Vec<&[f64]>, usize)> = Vec::new();
    let mut index_of = HashMap::new();
    for run in runs {
        let at = *index_of.entry(run.clock()).or_insert_with(|| {
            clocks.push((run.clock(), Vec::new(), run.rows.start));
            clocks.len() - 1
        });
        clocks[at].1.push(&stamps[run.rows.clone()]);
    }
    let shapes: Vec<Option<Shape>> = clocks.iter().map(|(_, runs, _)| Shape::measure(runs)).collect();
    let named = |file: usize| units.get(file).copied().flatten();
    let units: Vec<_> =
        clocks.iter().zip(&shapes).map(|(clock, shape)| shape.map(|shape| shape.unit(named(clock.0.0)))).collect();
    let mut paces: Vec<Option<Pace>> = vec![None; clocks.len()];
    for (at, (shape, unit)) in shapes.iter().zip(&units).enumerate() {
        if let (Some(shape), Some(Ok((unit, known_by)))) = (shape, unit) {
            paces[at] = Some(shape.pace(*unit, *known_by));
        }
    }
    // Those of the same file come first.
    let known: Vec<((usize, usize), Pace)> =
        clocks.iter().zip(&paces).filter_map(|(clock, pace)| Some((clock.0, (*pace)?))).collect();
    let neighbour = |(file, _): (usize, usize), fits: &dyn Fn(Unit) -> bool| {
        let fitting = || known.iter().filter(|(_, pace)| fits(pace.unit));
        fitting().find(|(clock, _)| clock.0 == file).or_else(|| fitting().next()).map(|(_, pace)| *pace)
    };
    for (at, (clock, _, first)) in clocks.iter().enumerate() {
        match (&shapes[at], &units[at]) {
            (Some(shape), Some(Err(cause))) => {
                let fits = |unit: Unit| matches!(cause, NoUnit::Open(fitting) if fitting.contains(&unit));
                let pace = neighbour(*clock, &fits).ok_or_else(|| no_unit(*first, shape, cause))?;
                paces[at] = Some(shape.pace(pace.unit, KnownBy::Neighbour));
            }
            (None, _) => paces[at] = neighbour(*clock, &|_| true),
            _ => {}
        }
    }
    Ok(clocks.iter().zip(paces).map(|(clock, pace)| Some((clock.0.0, clock.0.1, pace?))).collect())
}
