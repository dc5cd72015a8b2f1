//! The rule of time on clocks as loggers and people leave them, and that files and streams are cut alike.

use super::batch::Timeline;
use super::*;
use crate::Repair;
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::Range;

fn run(rows: Range<usize>, subject: usize) -> Run {
    Run { rows, file: 0, subject }
}

fn resolved(stamps: &[f64], unit: Option<Unit>) -> Timeline {
    resolve(stamps.to_vec(), &[run(0..stamps.len(), 0)], &[unit], GAP).expect("sound").expect("the clock advances")
}

/// A clock in seconds.
fn one_run(stamps: &[f64]) -> Timeline {
    resolved(stamps, Some(Unit::Seconds))
}

fn refused(stamps: &[f64], unit: Option<Unit>) -> TimeError {
    match resolve(stamps.to_vec(), &[run(0..stamps.len(), 0)], &[unit], GAP) {
        Err(error) => error,
        Ok(_) => panic!("it was not refused"),
    }
}

fn starts(timeline: &Timeline) -> Vec<usize> {
    (0..timeline.starts.len()).filter(|row| timeline.starts[*row]).collect()
}

fn mended(timeline: &Timeline, kind: Repair) -> Vec<usize> {
    timeline.mended.iter().filter(|(each, _)| *each == kind).map(|(_, row)| *row).collect()
}

fn near(times: &[f64], expected: &[f64]) {
    assert_eq!(times.len(), expected.len());
    assert!(times.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{times:?} is not {expected:?}");
}

fn pace(timeline: &Timeline) -> Pace {
    timeline.clocks[0].pace
}

/// Asserts one recording with a rate of `hz` hertz, within a hundredth.
fn assert_whole(timeline: &Timeline, hz: f64) {
    assert_eq!(starts(timeline), [0], "{:?}", pace(timeline));
    let rate = pace(timeline).interval.recip();
    assert!((rate / hz - 1.0).abs() < 0.01, "{rate} Hz, not {hz}");
    assert!(timeline.times.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_rate_has_the_digits_that_its_stamps_tell() {
    let rate = |start: f64, interval: f64| {
        one_run(&(0..500).map(|row| start + f64::from(row) * interval).collect::<Vec<_>>()).rate_hz.unwrap()
    };
    for (start, hz) in [(0.0, 20.0), (100_000.0, 20.0), (1.7e9, 50.0), (0.0, 31.25), (7.3, 12.5)] {
        assert_eq!(rate(start, 1.0 / hz), hz, "from {start} s on");
    }
    assert!((rate(0.0, 0.050_354_003_9) * 0.050_354_003_9 - 1.0).abs() < 1e-12, "another clock is taken for 20 Hz");
}

/// Starts of the recordings that a stream makes of the rows of one subject, and the order of the rows.
fn streamed(stamps: &[f64], unit: Option<Unit>, window: usize) -> Result<(Vec<usize>, Vec<bool>), TimeError> {
    let (mut order, mut begins) = (Vec::new(), Vec::new());
    let mut clock = LiveClock::new(window, unit, GAP);
    let mut out = |row: usize, starts: bool| {
        order.push(row);
        begins.push(starts);
    };
    for &stamp in stamps {
        clock.push("s", false, stamp, &mut out)?;
    }
    clock.end(&mut out)?;
    Ok((order, begins))
}

/// The rows of each window, one after the other without overlap.
fn windows(order: &[usize], starts: &[bool], window: usize) -> Vec<Vec<usize>> {
    let mut recordings: Vec<Vec<usize>> = Vec::new();
    for (row, starts) in order.iter().zip(starts) {
        if *starts {
            recordings.push(Vec::new());
        }
        recordings.last_mut().expect("the first row starts").push(*row);
    }
    recordings.iter().flat_map(|recording| recording.chunks_exact(window).map(<[usize]>::to_vec)).collect()
}

/// Asserts that a stream and a file give the same windows.
fn assert_alike(stamps: &[f64], unit: Option<Unit>) {
    let timeline = resolved(stamps, unit);
    let order = timeline.order.clone().unwrap_or_else(|| (0..stamps.len()).collect());
    for window in [8, 40, 100] {
        let (live_order, live_starts) = streamed(stamps, unit, window).expect("sound");
        assert_eq!(
            windows(&live_order, &live_starts, window),
            windows(&order, &timeline.starts, window),
            "windows of {window} at {:?} of {stamps:?}",
            pace(&timeline)
        );
    }
}

/// `seconds` seconds at 20 Hz from `start`.
fn regular(start: f64, seconds: f64) -> Vec<f64> {
    (0..(seconds * 20.0) as usize).map(|row| start + row as f64 / 20.0).collect()
}

fn rounded(seconds: &[f64], per_second: f64) -> Vec<f64> {
    seconds.iter().map(|time| (time * per_second).round()).collect()
}

// --- Units.

#[test]
fn each_unit_of_a_20_hertz_clock_is_found_wherever_it_counts_from() {
    for unit in Unit::ALL {
        for start in [0.0, 0.7, 1500.0, 49_105.9, 252_207.6, 1.7e9] {
            let stamps = rounded(&regular(start + 0.05, 10.0), unit.per_second().max(100.0));
            let stamps: Vec<f64> =
                stamps.iter().map(|stamp| stamp * (unit.per_second() / unit.per_second().max(100.0))).collect();
            let timeline = resolved(&stamps, None);
            assert_eq!(pace(&timeline).unit, unit, "from {start}");
            assert_whole(&timeline, 20.0);
        }
    }
}

#[test]
fn a_unit_that_cannot_be_known_is_asked_for() {
    let stamps: Vec<f64> = (0..200).map(f64::from).collect();
    let error = refused(&stamps, None);
    assert_eq!(error.row, 0);
    assert!(error.problem.contains("seconds (1 Hz) as well as milliseconds (1000 Hz)"), "{}", error.problem);
    assert!(error.remedy.contains("`timestamp_s` or `timestamp_ms`"), "{}", error.remedy);
    assert_whole(&resolved(&stamps, Some(Unit::Milliseconds)), 1000.0);
    assert_whole(&resolved(&stamps, Some(Unit::Seconds)), 1.0);
    assert_eq!(streamed(&stamps, None, 40).unwrap_err().problem, error.problem);
}

#[test]
fn stamps_since_1970_tell_their_unit() {
    let fast: Vec<f64> = (0..3000).map(|row| 1.7e12 + f64::from(row)).collect();
    assert_whole(&resolved(&fast, None), 1000.0);
    let slow: Vec<f64> = (0..300).map(|row| 1.7e12 + 1000.0 * f64::from(row)).collect();
    assert_whole(&resolved(&slow, None), 1.0);
    let slow: Vec<f64> = (0..300).map(|row| 1.7e9 + f64::from(row)).collect();
    assert_whole(&resolved(&slow, None), 1.0);
}

#[test]
fn a_name_that_the_stamps_contradict_is_refused() {
    let since_1970 = regular(1.7e9, 10.0);
    for (named, per_second) in
        [(Unit::Milliseconds, 1e9), (Unit::Seconds, 1e3), (Unit::Nanoseconds, 1.0), (Unit::Milliseconds, 1.0)]
    {
        let stamps: Vec<f64> = since_1970.iter().map(|time| time * per_second).collect();
        let error = refused(&stamps, Some(named));
        assert!(error.problem.contains(named.name()) && error.problem.contains("contradict"), "{}", error.problem);
    }
}

#[test]
fn clocks_of_one_source_may_have_units_of_their_own() {
    let first: Vec<f64> = rounded(&regular(1.7e9, 10.0), 1e9);
    let second = rounded(&regular(1.7e9 + 100.0, 10.0), 1e3);
    let runs = [run(0..200, 0), run(200..400, 1)];
    let timeline = resolve([first, second].concat(), &runs, &[], GAP).unwrap().unwrap();
    assert_eq!(starts(&timeline), [0, 200]);
    assert!(timeline.clocks.iter().all(|clock| (clock.pace.interval - 0.05).abs() < 1e-6));
}

#[test]
fn a_clock_in_doubt_takes_the_unit_of_another_that_fits() {
    let plain = rounded(&regular(5.0, 10.0), 1e3);
    let fast: Vec<f64> = (0..200).map(f64::from).collect();
    let timeline = resolve([plain, fast].concat(), &[run(0..200, 0), run(200..400, 1)], &[], GAP).unwrap().unwrap();
    let pace = timeline.clocks[1].pace;
    assert_eq!((pace.unit, pace.known_by), (Unit::Milliseconds, KnownBy::Neighbour));
}

// --- Missing stamps.

#[test]
fn zero_timestamps_are_spaced_between_their_neighbours() {
    for nothing in [0.0, f64::NAN, 5e9] {
        let timeline = one_run(&[5.0, 5.05, nothing, nothing, 5.2, 5.25]);
        near(&timeline.times, &[5.0, 5.05, 5.10, 5.15, 5.2, 5.25]);
        assert_eq!((mended(&timeline, Repair::Timestamp), starts(&timeline)), (vec![2, 3], vec![0]));
    }
}

#[test]
fn repeated_timestamps_are_spread_up_to_the_next() {
    let timeline = one_run(&[1.0, 1.0, 1.1, 1.1, 1.2]);
    near(&timeline.times, &[1.0, 1.05, 1.1, 1.15, 1.2]);
    assert_eq!(mended(&timeline, Repair::Timestamp), [1, 3]);
}

#[test]
fn missing_timestamps_before_a_gap_follow_at_the_nominal_interval() {
    let timeline = one_run(&[1.0, 1.05, 1.1, 0.0, 0.0, 60.0, 60.05]);
    near(&timeline.times, &[1.0, 1.05, 1.1, 1.15, 1.2, 60.0, 60.05]);
    assert_eq!(starts(&timeline), [0, 5]);
}

#[test]
fn missing_timestamps_at_the_ends_are_spaced_at_the_nominal_interval() {
    near(&one_run(&[1.0, 1.05, 1.1, 0.0, 1.1]).times, &[1.0, 1.05, 1.1, 1.15, 1.2]);
    near(&one_run(&[f64::NAN, 0.0, 1.1, 1.15, 1.2]).times, &[1.0, 1.05, 1.1, 1.15, 1.2]);
}

#[test]
fn a_zero_before_an_epoch_clock_is_missing_and_gaps_still_count() {
    let mut stamps = regular(1.7e9, 20.0);
    stamps.extend(regular(1.7e9 + 80.0, 20.0));
    stamps[0] = 0.0;
    let timeline = resolved(&stamps, None);
    assert_eq!((starts(&timeline), mended(&timeline, Repair::Timestamp)), (vec![0, 400], vec![0]));
    assert!((timeline.times[0] - 1.7e9).abs() < 1e-3);
    assert_alike(&stamps, None);
}

#[test]
fn any_number_of_zeros_before_a_clock_is_missing() {
    for unit in [Unit::Seconds, Unit::Milliseconds, Unit::Nanoseconds] {
        for start in [49_105.9, 1.7e9] {
            for n_zeros in [1, 8, 9, 20, 31, 33, 40, 63, 100] {
                let sound = rounded(&regular(start, 20.0), unit.per_second().max(100.0));
                let scale = unit.per_second() / unit.per_second().max(100.0);
                let stamps = sound.iter().map(|stamp| stamp * scale);
                let stamps: Vec<f64> = std::iter::repeat_n(0.0, n_zeros).chain(stamps).collect();
                let timeline = resolved(&stamps, None);
                assert_whole(&timeline, 20.0);
                assert_eq!(mended(&timeline, Repair::Timestamp).len(), n_zeros);
                assert_alike(&stamps, None);
            }
        }
    }
}

#[test]
fn zeros_now_and_then_break_nothing() {
    let mut stamps = regular(1000.0, 40.0);
    stamps.iter_mut().skip(50).step_by(100).for_each(|stamp| *stamp = 0.0);
    assert_whole(&resolved(&stamps, None), 20.0);
    assert_alike(&stamps, None);
}

#[test]
fn a_stray_stamp_is_missing() {
    for stray in [1.2, 900.0, -7.0, 1.7e9] {
        let mut stamps = regular(5.0, 5.0);
        stamps[40] = stray;
        let timeline = one_run(&stamps);
        assert_whole(&timeline, 20.0);
        assert_eq!(mended(&timeline, Repair::Timestamp), [40]);
        near(&timeline.times, &regular(5.0, 5.0));
        assert_alike(&stamps, Some(Unit::Seconds));
    }
}

#[test]
fn a_clock_that_stands_still_is_no_clock() {
    assert!(resolve(vec![0.0; 30], &[run(0..30, 0)], &[], GAP).unwrap().is_none());
    assert_eq!(streamed(&[7.0; 100], None, 40).unwrap().1.iter().filter(|starts| **starts).count(), 1);
}

// --- Restarts and gaps.

#[test]
fn a_clock_that_starts_anew_at_zero_is_not_repaired() {
    let timeline = one_run(&[5.0, 5.05, 5.1, 0.0, 0.05, 0.1]);
    assert!(timeline.mended.is_empty());
    assert_eq!(starts(&timeline), [0, 3]);
    let stamps = [regular(0.0, 10.0), regular(0.0, 10.0)].concat();
    assert_eq!(starts(&one_run(&stamps)), [0, 200]);
    assert_alike(&stamps, None);
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
fn the_gap_can_be_set() {
    let stamps = [regular(0.0, 5.0), regular(6.0, 5.0)].concat();
    let cut = |gap| starts(&resolve(stamps.clone(), &[run(0..200, 0)], &[Some(Unit::Seconds)], gap).unwrap().unwrap());
    assert_eq!((cut(10.0), cut(30.0)), (vec![0, 100], vec![0]));
}

#[test]
fn each_clock_has_a_nominal_interval_of_its_own() {
    let slow = [0.0, 1.0, 2.0, 3.0];
    let stamps = [regular(0.0, 1.0), slow.to_vec()].concat();
    let timeline = resolve(stamps, &[run(0..20, 0), run(20..24, 1)], &[Some(Unit::Seconds)], GAP).unwrap().unwrap();
    assert_eq!(starts(&timeline), [0, 20]);
}

#[test]
fn a_tiny_first_step_changes_nothing() {
    let mut stamps = regular(1000.0, 40.0);
    stamps[0] += 0.048;
    assert_whole(&resolved(&stamps, None), 20.0);
    assert_alike(&stamps, None);
}

// --- Ticks of several rows.

#[test]
fn clocks_cut_to_seconds_are_spread_and_have_no_gaps() {
    for (start, per_second) in [(1000.0, 1.0), (1000.7, 1.0), (1.7e9 + 0.35, 1.0), (1.7e9 + 0.9, 1e3)] {
        let stamps: Vec<f64> = regular(start + 1e-3, 40.0).iter().map(|time| time.floor() * per_second).collect();
        let timeline = resolved(&stamps, None);
        assert_whole(&timeline, 20.0);
        assert!(
            timeline.times.windows(2).all(|pair| (0.04..0.06).contains(&(pair[1] - pair[0]))),
            "{:?}",
            timeline.times
        );
        assert!(mended(&timeline, Repair::SharedTick).len() > 700);
        assert_alike(&stamps, None);
    }
}

#[test]
fn a_gap_in_a_clock_cut_to_seconds_is_found() {
    let times = [regular(1000.7, 20.0), regular(1080.4, 20.0)].concat();
    let stamps: Vec<f64> = times.iter().map(|time| (time + 1e-3).floor()).collect();
    assert_eq!(starts(&resolved(&stamps, None)), [0, 400]);
    assert_alike(&stamps, None);
}

/// Ticks every `stride` seconds, whose rows have these offsets.
fn bursts(stride: f64, offsets: &[f64], seconds: f64) -> Vec<f64> {
    let ticks = 0..(seconds / stride) as usize;
    ticks.flat_map(|tick| offsets.iter().map(move |offset| 1000.0 + tick as f64 * stride + offset)).collect()
}

#[test]
fn bursts_are_spread_at_their_mean_rate() {
    let android = bursts(0.212, &[0.0, 0.0, 0.001, 0.002, 0.002, 0.003], 40.0);
    for (unit, digits) in [(Unit::Seconds, 1e4), (Unit::Nanoseconds, 1.0)] {
        let stamps: Vec<f64> =
            android.iter().map(|time| (time * unit.per_second() * digits).round() / digits).collect();
        let timeline = resolved(&stamps, None);
        assert_whole(&timeline, 6.0 / 0.212);
        assert!(timeline.times.windows(2).all(|pair| ((pair[1] - pair[0]) * 6.0 / 0.212 - 1.0).abs() < 0.05));
        assert_alike(&stamps, None);
    }
    for (n_rows, stride) in [(2, 0.1), (3, 0.15), (10, 1.0), (16, 0.8), (25, 0.5), (100, 2.0)] {
        let uneven = |row: usize| row as f64 * 0.0007 + [0.0, 0.0006, 0.0001][row % 3];
        let stamps = bursts(stride, &(0..n_rows).map(uneven).collect::<Vec<_>>(), 400.0);
        assert_whole(&resolved(&stamps, None), n_rows as f64 / stride);
        assert_alike(&stamps, None);
    }
}

#[test]
fn bursts_of_many_rows_at_even_steps_are_spread_where_the_unit_is_known() {
    for (n_rows, stride, step) in [(40, 1.0, 0.0005), (50, 1.0, 0.0005), (50, 0.5, 0.001), (100, 2.0, 0.0002)] {
        let offsets: Vec<f64> = (0..n_rows).map(|row| f64::from(row) * step).collect();
        let stamps: Vec<f64> = bursts(stride, &offsets, 120.0).iter().map(|time| 1.7e9 + time).collect();
        assert_whole(&resolved(&stamps, None), f64::from(n_rows) / stride);
        assert_alike(&stamps, None);
        let stamps: Vec<f64> = bursts(stride, &offsets, 120.0).iter().map(|time| time * 1e9).collect();
        assert_whole(&resolved(&stamps, Some(Unit::Nanoseconds)), f64::from(n_rows) / stride);
        assert_alike(&stamps, Some(Unit::Nanoseconds));
    }
}

#[test]
fn a_gap_in_the_first_rows_holds_a_stream_back_for_few_more() {
    let stamps = [regular(1.7e9, 1.0), regular(1.7e9 + 60.0, 10.0)].concat();
    let mut clock = LiveClock::new(40, None, GAP);
    let mut n_out = 0;
    for stamp in &stamps[..80] {
        clock.push("s", false, *stamp, &mut |_, _| n_out += 1).unwrap();
    }
    assert_eq!(n_out, 80);
    assert_alike(&stamps, None);
}

#[test]
fn batches_of_seven_rows_a_second_are_seven_hertz() {
    let (mut stamps, mut at) = (Vec::new(), 1.7e9_f64);
    for _ in 0..200 {
        for step in [0.002, 0.001, 0.001, 0.002, 0.001, 0.001, 0.992] {
            at += step;
            stamps.push((at * 1e3).round());
        }
    }
    assert_whole(&resolved(&stamps, None), 7.0);
    assert_alike(&stamps, None);
}

#[test]
fn a_sensor_that_is_on_now_and_then_is_no_burst() {
    let stamps: Vec<f64> = (0..20).flat_map(|time| regular(f64::from(time) * 60.0, 10.0)).collect();
    let timeline = one_run(&stamps);
    assert!((pace(&timeline).interval - 0.05).abs() < 1e-6);
    assert_eq!(starts(&timeline).len(), 20);
    assert_alike(&stamps, None);
}

// --- Order.

#[test]
fn neighbours_that_are_swapped_are_put_in_order() {
    let sound = regular(1000.0, 40.0);
    for n_late in 1..=2 {
        let mut stamps = sound.clone();
        for at in (0..stamps.len() - n_late).step_by(50) {
            stamps[at..=at + n_late].rotate_left(n_late);
        }
        let timeline = resolved(&stamps, None);
        assert_whole(&timeline, 20.0);
        near(&timeline.times, &sound);
        let order = timeline.order.clone().expect("it changed");
        assert!(order.iter().enumerate().all(|(place, row)| stamps[*row] == sound[place]));
        assert!(mended(&timeline, Repair::Late).len() >= 16);
        assert_alike(&stamps, None);
    }
}

#[test]
fn rows_of_a_file_that_are_late_by_many_places_are_put_in_order() {
    let sound = regular(1000.0, 60.0);
    for n_late in [3, 4, 5, 8, 40, 64] {
        let mut stamps = sound.clone();
        for at in (0..stamps.len() - n_late).skip(100).step_by(100) {
            stamps[at..=at + n_late].rotate_left(1);
        }
        let timeline = resolved(&stamps, None);
        assert_whole(&timeline, 20.0);
        near(&timeline.times, &sound);
        let order = timeline.order.clone().expect("it changed");
        assert!(order.iter().enumerate().all(|(place, row)| stamps[*row] == sound[place]));
        assert_eq!(mended(&timeline, Repair::Late).len(), timeline.mended.len());
    }
}

#[test]
fn neighbours_swapped_across_ticks_and_gaps_are_put_in_order() {
    let mut ticks: Vec<f64> = regular(1000.001, 40.0).iter().map(|time| time.floor()).collect();
    let sound = ticks.clone();
    ticks.swap(199, 200);
    let timeline = one_run(&ticks);
    assert!(timeline.order.as_ref().unwrap().iter().zip(&sound).all(|(row, stamp)| ticks[*row] == *stamp));
    assert_whole(&timeline, 20.0);
    let mut gap = [regular(0.0, 5.0), regular(60.0, 5.0)].concat();
    gap.swap(100, 101);
    assert_eq!(starts(&one_run(&gap)), [0, 100]);
    assert_eq!(one_run(&gap).order.unwrap()[100], 101);
    assert_alike(&gap, None);
}

#[test]
fn a_file_whose_newest_row_comes_first_is_turned_round_and_a_stream_refused() {
    let sound = [regular(1000.0, 10.0), regular(1100.0, 10.0)].concat();
    let stamps: Vec<f64> = sound.iter().rev().copied().collect();
    let runs = [run(0..200, 0), run(200..400, 0)];
    let timeline = resolve(stamps.clone(), &runs, &[], GAP).unwrap().unwrap();
    assert_eq!(timeline.order.as_deref(), Some(&(0..400).rev().collect::<Vec<_>>()[..]));
    near(&timeline.times, &sound);
    assert_eq!((starts(&timeline), mended(&timeline, Repair::NewestFirst).len()), (vec![0, 200], 400));
    assert!(streamed(&stamps, None, 40).unwrap_err().problem.contains("backwards"));
}

#[test]
fn rows_in_no_order_are_refused() {
    let sound = regular(1000.0, 20.0);
    let shuffled: Vec<f64> = (0..400).map(|row| sound[row * 149 % 400]).collect();
    let two_at_once: Vec<f64> = (0..400).map(|row| sound[row / 2] + f64::from(row as u32 % 2) * 500.0).collect();
    for stamps in [shuffled, two_at_once] {
        let error = refused(&stamps, Some(Unit::Seconds));
        assert!(error.problem.contains("in no order") && error.remedy.contains("Sort"), "{}", error.problem);
        assert!(error.row > 0);
        assert!(streamed(&stamps, Some(Unit::Seconds), 40).is_err());
    }
}

#[test]
fn a_stream_that_turns_backwards_is_refused() {
    let back = regular(1000.0, 20.0).into_iter().rev();
    let stamps: Vec<f64> = regular(1000.0, 10.0).into_iter().chain(back).collect();
    assert!(streamed(&stamps, None, 40).is_err());
}

// --- Streams.

#[test]
fn a_row_of_a_steady_clock_comes_out_at_once() {
    let mut clock = LiveClock::new(40, None, GAP);
    let mut n_out = 0;
    for (row, stamp) in regular(1.7e9, 20.0).into_iter().enumerate() {
        clock.push("s", false, stamp, &mut |_, _| n_out += 1).unwrap();
        assert_eq!(n_out, if row + 1 < 40 { 0 } else { row + 1 });
    }
}

#[test]
fn a_stream_holds_back_few_rows_at_worst() {
    let mut clock = LiveClock::new(40, None, GAP);
    let (mut n_in, mut n_out, mut held) = (0_usize, 0, 0);
    let mut stamps = regular(1.7e9, 60.0);
    stamps[400..500].fill(0.0);
    stamps[600..].fill(1.7e9 + 30.0);
    stamps.drain(200..210);
    for stamp in stamps {
        clock.push("s", false, stamp, &mut |_, _| n_out += 1).unwrap();
        n_in += 1;
        if n_in > 40 {
            held = held.max(n_in - n_out);
        }
    }
    assert!((1..=9).contains(&held), "{held}");
}

#[test]
fn a_stream_remembers_few_clocks_however_many_subjects_come() {
    let mut clock = LiveClock::new(40, None, GAP);
    let mut n_out = 0;
    let mut push = |clock: &mut LiveClock, subject: &str, stamp: f64| {
        clock.push(subject, false, stamp, &mut |_, _| n_out += 1).unwrap();
    };
    for (row, stamp) in regular(1.7e9, 50.0).into_iter().enumerate() {
        push(&mut clock, &format!("passing {row}"), stamp);
        push(&mut clock, "stays", stamp);
    }
    let n_clocks = clock.n_clocks();
    assert!(n_clocks <= 32, "{n_clocks}");
    clock.end(&mut |_, _| n_out += 1).unwrap();
    assert_eq!(n_out, 2000);
}

#[test]
fn rows_of_a_stream_get_times_as_they_come() {
    let stamps = rounded(&bursts(0.212, &[0.0, 0.0, 0.001, 0.002, 0.002, 0.003], 20.0), 1e3);
    let timeline = resolved(&stamps, None);
    let mut walk = Walk::new(pace(&timeline), GAP);
    let mut spread = Spread::new(pace(&timeline));
    let (mut times, mut held) = (Vec::new(), 0);
    for (row, stamp) in stamps.iter().enumerate() {
        walk.push(row, *stamp, &mut |placed| spread.push(placed, &mut |_, _, time| times.push(time))).unwrap();
        held = held.max(row + 1 - times.len());
    }
    assert!(held <= 7, "{held}");
    near(&times, &timeline.times[..times.len()]);
}

/// Clocks of every kind, in seconds: a steady one or bursts, with gaps, restarts, zeros, lost and repeated stamps, stray ones
/// and swapped neighbours; cut to seconds or not. The faults are further apart than a file and a stream could differ
/// about.
fn clocks() -> impl Strategy<Value = (Vec<f64>, Option<Unit>)> {
    let kind = prop_oneof![4 => Just(0_u8), 2 => Just(1_u8), 2 => Just(2_u8)];
    let start = prop_oneof![Just(0.0), Just(3.37), Just(49_105.9), Just(1.7e9)];
    let events = vec((0..8_u8, 25..120_usize, 0.0..1.0_f64), 4..12);
    let noise = vec(-0.15..0.15_f64, 64);
    (kind, start, events, noise, 0..4_usize, any::<bool>()).prop_map(|(kind, start, events, noise, unit, named)| {
        let mut time = start;
        let mut times = Vec::new();
        let add = |times: &mut Vec<f64>, n_rows: usize, time: &mut f64| {
            for _ in 0..n_rows {
                let noise = noise[times.len() % 64];
                match kind {
                    0 => times.push(*time + 0.05 * noise),
                    1 => times.push(time.floor()),
                    // Five rows every quarter of a second.
                    _ => {
                        let tick = (*time * 4.0 + 1e-6).floor() / 4.0;
                        times.push(tick + 0.001 * ((*time - tick) / 0.05).round());
                    }
                }
                *time += 0.05;
            }
        };
        add(&mut times, 160, &mut time);
        for (event, n_rows, size) in events {
            match event {
                0 => time = (time + 20.0 + 100.0 * size).floor(),
                1 => time = if size < 0.5 { 0.0 } else { (time - 15.0 - 10.0 * size).max(0.0).floor() },
                2 => *times.last_mut().unwrap() = 0.0,
                3 => *times.last_mut().unwrap() = f64::NAN,
                4 if kind == 0 => {
                    let n = times.len();
                    times[n - 1] = times[n - 2];
                }
                5 => {
                    let n = times.len();
                    times.swap(n - 2, n - 3);
                }
                6 if kind == 0 => *times.last_mut().unwrap() += 0.02 + size * 0.02,
                _ => {}
            }
            add(&mut times, n_rows, &mut time);
        }
        let unit = Unit::ALL[unit];
        let stamps = times.iter().map(|time| time * unit.per_second()).collect();
        (stamps, named.then_some(unit))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_stream_is_cut_as_a_file_is((stamps, unit) in clocks()) {
        assert_alike(&stamps, unit);
    }

    #[test]
    fn any_stamps_are_placed_or_refused(
        stamps in vec(prop_oneof![any::<f64>(), Just(0.0), -1e3..1e3, (0..200_u32).prop_map(f64::from)], 0..200),
        window in 1..50_usize,
    ) {
        let unit = Some(Unit::Milliseconds);
        if let Ok(Some(timeline)) = resolve(stamps.clone(), &[run(0..stamps.len(), 0)], &[unit], GAP) {
            let mut order = timeline.order.clone().unwrap_or_else(|| (0..stamps.len()).collect());
            order.sort_unstable();
            prop_assert!(order.iter().copied().eq(0..stamps.len()));
            for place in 1..stamps.len() {
                prop_assert!(timeline.starts[place] || timeline.times[place - 1] < timeline.times[place]);
            }
        }
        if let Ok((mut order, starts)) = streamed(&stamps, unit, window) {
            order.sort_unstable();
            prop_assert!(order.iter().copied().eq(0..stamps.len()));
            prop_assert!(starts.first().is_none_or(|starts| *starts));
        }
    }
}
