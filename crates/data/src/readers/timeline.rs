//! Time: the unit of a clock, timestamps that are zero or repeated, and the gaps at which a recording ends.
//!
//! A *run* is a stretch of rows of one file, subject and activity. Within a run
//! - a timestamp equal to the last good one, or zero after a positive one, is *missing*: the row keeps its place in the
//!   order. Where the next good time leaves at most 1.5 nominal intervals for each row, the rows between are spaced
//!   evenly; elsewhere they follow the last good time at the nominal interval;
//! - a recording ends where time does not advance, or where a step rounds to more than [`GAP`] nominal intervals.
//!
//! The nominal interval is the median over the subject's rows, because phones in one data set run at different rates.
//! A second repair changes nothing: no timestamp is missing then, and the rows that were added to the
//! intervals all have the median itself.

use std::ops::Range;

/// A step of more than this many nominal intervals ends a recording. WISDM's phones are late by up to 4.5 intervals
/// within one unbroken recording; a window of two seconds should not contain a gap of half a second.
pub(crate) const GAP: f64 = 10.0;

/// Rows missing a timestamp are spread between their neighbours only if that leaves each at most this many nominal
/// intervals; otherwise samples are missing as well.
const SPREAD: f64 = 1.5;

/// Seconds below which two timestamps are the same: no sensor here samples a hundred thousand times a second.
const SAME: f64 = 1e-5;

/// Seconds that no clock shows, whether it counts from a phone's start or from 1970 (this is the year 2096). Such a
/// timestamp is taken for zero.
const NEVER: f64 = 4e9;

/// Seconds beyond which a step is a pause, and is not used to estimate the interval between samples.
const PAUSE: f64 = 3600.0;

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
    let steps = runs.iter().flat_map(|run| times[run.rows.clone()].windows(2).map(|pair| pair[1] - pair[0]));
    let step = lower_median(&mut steps.filter(|step| *step > 0.0).collect::<Vec<_>>())?;
    let divisor = divisor.unwrap_or_else(|| seconds_divisor(step));
    times.iter_mut().for_each(|time| *time /= divisor);
    let impossible: Vec<usize> = (0..times.len()).filter(|row| times[*row].abs() > NEVER).collect();
    impossible.iter().for_each(|row| times[*row] = 0.0);

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
    let mut mended: Vec<usize> = missing.into_iter().flat_map(|block| block.rows).chain(impossible).collect();
    mended.sort_unstable();
    mended.dedup();
    Some(Timeline { times, starts, mended, interval: lower_median(&mut steps) })
}

/// Collects the missing timestamps of a run, and the interval each row would have if they were spread evenly.
fn find_missing(times: &[f64], run: &Run, intervals: &mut Vec<f64>, missing: &mut Vec<Missing>) {
    let Range { start, end } = run.rows;
    let mut row = start + 1;
    let mut last = times.get(start).copied().unwrap_or(0.0);
    while row < end {
        let is_missing = |time: f64| (time - last).abs() < SAME || (time == 0.0 && last > 0.0);
        let next = (row..end).find(|row| !is_missing(times[*row])).unwrap_or(end);
        let until = times[..end].get(next).copied();
        // A clock that goes on from zero to an earlier time was started anew: the first zero is a reading of it.
        let n_zeros = times[row..next].iter().rev().take_while(|time| **time == 0.0).count();
        let anew = until.is_some_and(|until| until < last && until >= 2.0 * SAME * n_zeros as f64 && until > 0.0);
        let n_zeros = if anew { n_zeros } else { 0 };
        let rows = row..next - n_zeros;
        if n_zeros > 0 {
            (last, row) = (0.0, rows.end + 1);
            if !rows.is_empty() {
                missing.push(Missing { rows, until: None, subject: run.subject });
            }
            continue;
        }
        if let Some(until) = until {
            let n_steps = rows.len() + 1;
            let spread = (until - last) / n_steps as f64;
            let shortest = if n_steps > 1 { 2.0 * SAME } else { SAME };
            if (shortest..=PAUSE).contains(&spread) {
                intervals.extend(std::iter::repeat_n(spread, n_steps));
            }
            last = until;
        }
        if !rows.is_empty() {
            missing.push(Missing { rows, until, subject: run.subject });
        }
        row = next + 1;
    }
}

fn fill(times: &mut [f64], block: &Missing, nominal: f64) {
    let Range { start, end } = block.rows;
    let last = times[start - 1];
    let spread = block.until.map(|until| (until - last) / (block.rows.len() + 1) as f64);
    let interval = match spread {
        Some(spread) if spread >= 2.0 * SAME && spread <= SPREAD * nominal => spread,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn one_run(raw: &[f64]) -> Timeline {
        let run = Run { rows: 0..raw.len(), subject: 0 };
        resolve(raw.to_vec(), &[run], None).expect("the clock advances")
    }

    fn starts(timeline: &Timeline) -> Vec<usize> {
        (0..timeline.starts.len()).filter(|row| timeline.starts[*row]).collect()
    }

    fn near(times: &[f64], expected: &[f64]) {
        assert_eq!(times.len(), expected.len());
        assert!(times.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{times:?} is not {expected:?}");
    }

    #[test]
    fn each_unit_of_a_20_hertz_clock_is_found() {
        for per_second in [1.0, 1e3, 1e6, 1e9] {
            let raw: Vec<f64> = (1..6).map(|row| f64::from(row) * 0.05 * per_second).collect();
            near(&one_run(&raw).times, &[0.05, 0.10, 0.15, 0.20, 0.25]);
        }
    }

    #[test]
    fn zero_timestamps_are_spaced_between_their_neighbours() {
        let timeline = one_run(&[5.0, 5.05, 0.0, 0.0, 5.2, 5.25]);
        near(&timeline.times, &[5.0, 5.05, 5.10, 5.15, 5.2, 5.25]);
        assert_eq!((timeline.mended.clone(), starts(&timeline)), (vec![2, 3], vec![0]));
    }

    #[test]
    fn repeated_timestamps_are_spread_up_to_the_next() {
        let timeline = one_run(&[1.0, 1.0, 1.1, 1.1, 1.2]);
        near(&timeline.times, &[1.0, 1.05, 1.1, 1.15, 1.2]);
        assert_eq!(timeline.mended, [1, 3]);
    }

    #[test]
    fn missing_timestamps_before_a_gap_follow_at_the_nominal_interval() {
        let timeline = one_run(&[1.0, 1.05, 1.1, 0.0, 0.0, 60.0, 60.05]);
        near(&timeline.times, &[1.0, 1.05, 1.1, 1.15, 1.2, 60.0, 60.05]);
        assert_eq!(starts(&timeline), [0, 5]);
    }

    #[test]
    fn missing_timestamps_at_the_end_follow_at_the_nominal_interval() {
        near(&one_run(&[1.0, 1.05, 1.1, 0.0, 1.1]).times, &[1.0, 1.05, 1.1, 1.15, 1.2]);
    }

    #[test]
    fn a_clock_that_starts_anew_at_zero_is_not_repaired() {
        let timeline = one_run(&[5.0, 5.05, 5.1, 0.0, 0.05, 0.1]);
        assert!(timeline.mended.is_empty());
        assert_eq!(starts(&timeline), [0, 3]);
    }

    #[test]
    fn time_that_runs_backwards_ends_a_recording() {
        assert_eq!(starts(&one_run(&[5.0, 5.05, 5.1, 2.0, 2.05])), [0, 3]);
    }

    #[test]
    fn ten_intervals_are_no_gap_and_eleven_are() {
        let late = |n: f64| one_run(&[0.0, 0.05, 0.1, 0.1 + n * 0.05, 0.15 + n * 0.05]);
        assert_eq!(starts(&late(10.0)), [0]);
        assert_eq!(starts(&late(11.0)), [0, 3]);
    }

    #[test]
    fn each_subject_has_a_nominal_interval_of_its_own() {
        let slow = [0.0, 1.0, 2.0, 3.0];
        let raw: Vec<f64> = (0..20).map(|row| f64::from(row) * 0.05).chain(slow).collect();
        let runs = [Run { rows: 0..20, subject: 0 }, Run { rows: 20..24, subject: 1 }];
        let timeline = resolve(raw, &runs, Some(1.0)).expect("the clock advances");
        assert_eq!(starts(&timeline), [0, 20]);
    }

    #[test]
    fn a_timestamp_beyond_any_clock_is_taken_for_zero() {
        let timeline = one_run(&[5.0, 5.05, 5e9, 5.15, 5.2, 5.25]);
        near(&timeline.times, &[5.0, 5.05, 5.10, 5.15, 5.2, 5.25]);
        assert_eq!(timeline.mended, [2]);
    }

    #[test]
    fn a_clock_that_stands_still_is_no_clock() {
        let run = Run { rows: 0..3, subject: 0 };
        assert!(resolve(vec![0.0; 3], &[run], None).is_none());
    }
}
