//! Time: the unit of a clock, timestamps that are zero or repeated, and the gaps at which a recording ends.
//!
//! A *run* is a stretch of rows of one file, subject and activity. Within a run
//! - a timestamp equal to the last good one, or zero after a later one, is *missing*: the row keeps its place in the
//!   order. Where the next good time leaves at most 1.5 nominal intervals for each row, the rows between are spaced
//!   evenly; elsewhere they follow the last good time at the nominal interval;
//! - a recording ends where time does not advance, or where a step rounds to more than [`GAP`] nominal intervals.
//!
//! The nominal interval is the median over the subject's rows, because phones in one data set run at different rates.
//! Repairing what was repaired changes nothing: no timestamp is missing then, and the rows that were added to the
//! intervals all have the median itself.

use std::ops::Range;

/// A step of more than this many nominal intervals ends a recording. WISDM's phones are late by up to 4.5 intervals
/// within one unbroken recording; a window of two seconds should not hide half a second of nothing.
pub(crate) const GAP: f64 = 10.0;

/// Rows missing a timestamp are spread between their neighbours only if that leaves each at most this many nominal
/// intervals; otherwise samples are missing as well.
const SPREAD: f64 = 1.5;

/// A stretch of rows of one file, subject and activity.
pub(crate) struct Run {
    pub rows: Range<usize>,
    pub subject: usize,
}

/// When each row was taken.
pub(crate) struct Timeline {
    /// Seconds, one a row; strictly increasing between breaks.
    pub times: Vec<f64>,
    /// Whether a recording starts at the row.
    pub starts: Vec<bool>,
    /// Rows whose timestamp was missing, in order.
    pub mended: Vec<usize>,
    /// Median interval over all recordings, in seconds.
    pub interval: Option<f64>,
}

/// Rows without a time of their own: they follow the row before `rows`, and `until` is the next good time in the run.
struct Missing {
    rows: Range<usize>,
    until: Option<f64>,
    subject: usize,
}

/// Divisor that makes seconds of a clock, from its median step: sensors sample between once and a thousand times a
/// second, so each unit has its own three decades (up to 1: seconds; then milliseconds, microseconds, nanoseconds).
pub(crate) fn seconds_divisor(step: f64) -> f64 {
    match step {
        _ if step <= 1.0 => 1.0,
        _ if step < 1e3 => 1e3,
        _ if step < 1e6 => 1e6,
        _ => 1e9,
    }
}

/// Works out the timeline of finite timestamps `raw`; `divisor` makes them seconds, or the unit is detected. `None`
/// when the clock stands still, so that only the order of the rows is known.
pub(crate) fn resolve(raw: Vec<f64>, runs: &[Run], divisor: Option<f64>) -> Option<Timeline> {
    let mut times = raw;
    let divisor = divisor.unwrap_or_else(|| {
        let steps = runs.iter().flat_map(|run| times[run.rows.clone()].windows(2).map(|pair| pair[1] - pair[0]));
        lower_median(&mut steps.filter(|step| *step > 0.0).collect::<Vec<_>>()).map_or(1.0, seconds_divisor)
    });
    times.iter_mut().for_each(|time| *time /= divisor);

    let n_subjects = runs.iter().map(|run| run.subject + 1).max().unwrap_or(0);
    let mut intervals = vec![Vec::new(); n_subjects];
    let mut missing = Vec::new();
    for run in runs {
        find_missing(&times, run, &mut intervals[run.subject], &mut missing);
    }
    let overall = lower_median(&mut intervals.concat());
    if overall.is_none() && !missing.is_empty() {
        return None;
    }
    let nominal: Vec<f64> = intervals.iter_mut().map(|steps| lower_median(steps).or(overall).unwrap_or(0.0)).collect();

    for block in &missing {
        fill(&mut times, block, nominal[block.subject]);
    }
    let mut starts = vec![false; times.len()];
    let mut steps = Vec::with_capacity(times.len());
    for run in runs {
        if run.rows.is_empty() {
            continue;
        }
        starts[run.rows.start] = true;
        for row in run.rows.start + 1..run.rows.end {
            let step = times[row] - times[row - 1];
            if step <= 0.0 || (step / nominal[run.subject]).round() > GAP {
                starts[row] = true;
            } else {
                steps.push(step);
            }
        }
    }
    let mended = missing.into_iter().flat_map(|block| block.rows).collect();
    Some(Timeline { times, starts, mended, interval: lower_median(&mut steps) })
}

/// Collects the missing timestamps of a run, and the interval each row would have if they were spread evenly.
fn find_missing(times: &[f64], run: &Run, intervals: &mut Vec<f64>, missing: &mut Vec<Missing>) {
    let Range { start, end } = run.rows;
    let mut row = start + 1;
    let mut last = times.get(start).copied().unwrap_or(0.0);
    while row < end {
        let is_missing = |time: f64| time == last || (time == 0.0 && last > 0.0);
        let next = (row..end).find(|row| !is_missing(times[*row])).unwrap_or(end);
        let until = times[row..end].get(next - row).copied();
        if row < next {
            // A clock that goes on from zero to an earlier time was started anew: the zero is its first reading.
            let anew = until.is_some_and(|until| until < last);
            let restart = (row..next).find(|row| anew && times[*row] != last);
            let rows = row..restart.unwrap_or(next);
            if !rows.is_empty() {
                let until = until.filter(|_| restart.is_none());
                missing.push(Missing { rows, until, subject: run.subject });
            }
            if let Some(restart) = restart {
                last = times[restart];
                row = restart + 1;
                continue;
            }
        }
        if let Some(until) = until {
            let n_steps = next - row + 1;
            if until > last {
                intervals.extend(std::iter::repeat_n((until - last) / n_steps as f64, n_steps));
            }
            last = until;
        }
        row = next + 1;
    }
}

fn fill(times: &mut [f64], block: &Missing, nominal: f64) {
    let Range { start, end } = block.rows;
    let last = times[start - 1];
    let spread = block.until.map(|until| (until - last) / (block.rows.len() + 1) as f64);
    let interval = match spread {
        Some(spread) if spread > 0.0 && spread <= SPREAD * nominal => spread,
        _ => nominal,
    };
    for row in start..end {
        let time = last + interval * (row + 1 - start) as f64;
        // An interval below the clock's resolution must still advance it.
        times[row] = time.max(times[row - 1].next_up());
    }
    if block.until == Some(times[end - 1]) {
        times[end - 1] = times[end - 1].next_up();
    }
}

/// The median; of an even number of values the lower of the middle two, so that it is always one of them.
pub(crate) fn lower_median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}
