//! Resampling: every recording at one rate, by windowed sinc interpolation with an anti-alias filter.
//!
//! A recording is resampled from its own rate, since phones in one data set run at different ones. Rows that are not
//! evenly spaced are first placed on an even grid of about as many rows, by linear interpolation. The filter keeps what is
//! below three quarters of the lower of the two Nyquist frequencies, and takes away what is above it. It is symmetric, so
//! nothing is shifted in time. Beyond its ends a recording goes on as its mirror image.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rubato::interpolation::get_nearest_times_4;
use rubato::sinc_interpolator::{ScalarInterpolator, SincInterpolator};
use rubato::{WindowFunction, calculate_cutoff};

use crate::{Corpus, DataError, Notice, Recording, Stamps};

/// Relative difference up to which two rates are the same. Clocks of sensors differ by as much.
const SAME_RATE: f64 = 0.01;

/// Rates in hertz that a sensor may be resampled to.
const RATES: RangeInclusive<f64> = 0.01..=100_000.0;

/// Factor by which a rate may fall: the filter is as long.
const MOST_REDUCTION: f64 = 1e4;

/// Values of a corpus, over all recordings and channels, beyond which it is not resampled: 2 GB.
const MOST_VALUES: f64 = 5e8;

/// Rows from which on a recording tells its own rate. A shorter one has that of its subject.
const ROWS_FOR_A_RATE: usize = 64;

/// Intervals, relative to the median, that count for a rate. Longer ones lack a sample.
const WHOLE_INTERVALS: RangeInclusive<f64> = 0.5..=1.5;

/// How far rows may lie from an even grid, in intervals, to be taken as they are. Timestamps rounded to milliseconds are as
/// far from it.
const UNEVEN: f64 = 0.05;

/// Length of the filter in samples of the slower of both rates.
const FILTER_LEN: usize = 64;

/// Points of the filter's table to such a sample. Between them it is interpolated with cubic polynomials.
const TABLE_DENSITY: f64 = 64.0;

const WINDOW: WindowFunction = WindowFunction::BlackmanHarris;

/// Whether two rates differ by so little that nothing is resampled.
pub fn is_same_rate(one: f64, other: f64) -> bool {
    (one / other - 1.0).abs() <= SAME_RATE
}

impl Corpus {
    /// The same recordings at `rate_hz` samples a second. Those that are within 1 % of it stay as they are, to the bit. The
    /// others have `round(n · rate_hz / own rate)` rows, with times that follow from the first row's, and the timestamp
    /// that lies nearest to each. Recordings too short for a row are left out. A notice says what was done.
    ///
    /// # Errors
    /// A rate that no sensor has, or less than a ten-thousandth of the recordings'; recordings without a rate, or cut into
    /// windows of another rate; more than 500 million values, or none.
    pub fn resampled(mut self, rate_hz: f64) -> Result<Self, DataError> {
        if !RATES.contains(&rate_hz) {
            return Err(DataError::request(
                format!("A rate of {rate_hz} samples a second is none that a sensor has"),
                format!("Give one from {} to {}.", RATES.start(), RATES.end()),
            ));
        }
        let rates = own_rates(&self)?;
        if rates.iter().all(|&own| is_same_rate(own, rate_hz)) {
            return Ok(Self { rate_hz: Some(rate_hz), ..self });
        }
        if let Some(window) = self.window {
            let own = shown(self.rate_hz.unwrap_or(rates[0]));
            return Err(DataError::request(
                format!(
                    "{} is cut into windows of {window} samples at {own} a second, and cannot be resampled to {}",
                    self.name,
                    shown(rate_hz)
                ),
                "Name the recordings that the windows were cut from, or leave them at their rate.",
            ));
        }
        if let Some(own) = rates.iter().find(|own| **own > MOST_REDUCTION * rate_hz) {
            return Err(DataError::request(
                format!("{} has {} samples a second, and cannot be resampled to {rate_hz}", self.name, shown(*own)),
                format!("Take a rate of at least {}.", shown(own / MOST_REDUCTION)),
            ));
        }
        let n_values = |(recording, own): (&Recording, &f64)| recording.values.len() as f64 * rate_hz / own;
        let total: f64 = self.recordings.iter().zip(&rates).map(n_values).sum();
        if total > MOST_VALUES {
            return Err(DataError::request(
                format!("{} would have {total:.0} values at {} samples a second", self.name, shown(rate_hz)),
                format!("Take a rate with at most {MOST_VALUES:.0}."),
            ));
        }
        let notices = self.resample_each(&rates, rate_hz);
        self.notices.extend(notices);
        if self.recordings.is_empty() {
            return Err(DataError::request(
                format!(
                    "No recording of {} is long enough for a row at {} samples a second",
                    self.name,
                    shown(rate_hz)
                ),
                "Take a higher rate.",
            ));
        }
        self.rate_hz = Some(rate_hz);
        Ok(self.with_fingerprint())
    }

    /// Resamples each recording from its rate in `rates`, and says so.
    fn resample_each(&mut self, rates: &[f64], rate_hz: f64) -> Vec<Notice> {
        let n_channels = self.channels.len().max(1);
        let n_before = self.recordings.len();
        let changes = || rates.iter().copied().filter(|&own| !is_same_rate(own, rate_hz));
        let (slowest, fastest) = (changes().fold(f64::INFINITY, f64::min), changes().fold(0.0, f64::max));
        // Recordings of nearly the same rate share a filter.
        let mut filters: BTreeMap<i64, Filter> = BTreeMap::new();
        let mut rates = rates.iter();
        self.recordings.retain_mut(|recording| {
            let own = *rates.next().expect("a rate for each recording");
            if is_same_rate(own, rate_hz) {
                return true;
            }
            let ratio = rate_hz / own;
            let filter = filters
                .entry((ratio.ln() / SAME_RATE).round() as i64)
                .or_insert_with_key(|step| Filter::new((*step as f64 * SAME_RATE).exp()));
            resample(recording, n_channels, own, rate_hz, filter);
            !recording.values.is_empty()
        });
        let from = match is_same_rate(slowest, fastest) {
            true => shown(slowest),
            false => format!("rates from {} to {}", shown(slowest), shown(fastest)),
        };
        let n_too_short = n_before - self.recordings.len();
        let mut notices = vec![Notice::Note(format!(
            "resampled {} of {n_before} recordings from {from} to {} samples a second.",
            changes().count() - n_too_short,
            shown(rate_hz)
        ))];
        if n_too_short > 0 {
            notices.push(Notice::Note(format!(
                "left out {n_too_short} recordings that are too short for a row at {} samples a second.",
                shown(rate_hz)
            )));
        }
        notices
    }
}

/// A rate as people write it.
fn shown(rate_hz: f64) -> String {
    ((rate_hz * 100.0).round() / 100.0).to_string()
}

/// Samples a second of each recording: its own, that of its subject where it is short, or the corpus's where there are
/// no times.
fn own_rates(corpus: &Corpus) -> Result<Vec<f64>, DataError> {
    let mut intervals: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for recording in &corpus.recordings {
        intervals.entry(&recording.subject).or_default().extend(intervals_of(recording));
    }
    let of_subjects: BTreeMap<&str, Option<f64>> =
        intervals.into_iter().map(|(subject, mut intervals)| (subject, rate_of(&mut intervals))).collect();
    let own = |recording: &Recording| {
        let by_itself = (recording.times.len() >= ROWS_FOR_A_RATE)
            .then(|| rate_of(&mut intervals_of(recording).collect::<Vec<_>>()))
            .flatten();
        by_itself.or(of_subjects[recording.subject.as_str()]).or(corpus.rate_hz).ok_or_else(|| {
            DataError::request(
                format!("{} does not say when its rows were taken, so that it cannot be resampled", corpus.name),
                "Name the column that holds the time: --map COLUMN=timestamp.",
            )
        })
    };
    corpus.recordings.iter().map(own).collect()
}

fn intervals_of(recording: &Recording) -> impl Iterator<Item = f64> {
    recording.times.windows(2).map(|pair| pair[1] - pair[0])
}

/// One over the mean of the intervals that are near their median. The median alone is a multiple of the clock's resolution.
fn rate_of(intervals: &mut [f64]) -> Option<f64> {
    let middle = intervals.len().checked_sub(1)? / 2;
    let median = *intervals.select_nth_unstable_by(middle, f64::total_cmp).1;
    let whole = || intervals.iter().filter(|interval| WHOLE_INTERVALS.contains(&(**interval / median)));
    let rate = whole().count() as f64 / whole().sum::<f64>();
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

/// Resamples one recording of `n_channels` from about `own` samples a second.
fn resample(recording: &mut Recording, n_channels: usize, own: f64, rate_hz: f64, filter: &mut Filter) {
    let n_rows = recording.values.len() / n_channels;
    let grid = Grid::new(&recording.times, n_rows, own);
    let n_new = (grid.n_rows as f64 * grid.interval * rate_hz).round() as usize;
    let step = (grid.interval * rate_hz).recip();
    let even = grid.is_even(&recording.times);
    let on_grid = if even { None } else { Some(grid.values(&recording.times, &recording.values, n_channels)) };
    let values = filter.rows(on_grid.as_deref().unwrap_or(&recording.values), n_channels, n_new, step);
    recording.values = values;
    let Some(&start) = recording.times.first() else {
        recording.stamps = recording
            .stamps
            .take()
            .map(|stamps| nearest_stamps(&stamps, (0..n_new).map(|row| (row as f64 * step).round() as usize), n_rows));
        return;
    };
    let times: Vec<f64> = (0..n_new).map(|row| start + row as f64 / rate_hz).collect();
    let before = std::mem::replace(&mut recording.times, times);
    recording.stamps = recording.stamps.take().map(|stamps| {
        let nearest = recording.times.iter().map(|&time| {
            let after = before.partition_point(|&row| row < time).min(n_rows - 1);
            let earlier = after.saturating_sub(1);
            if time - before[earlier] < before[after] - time { earlier } else { after }
        });
        nearest_stamps(&stamps, nearest, n_rows)
    });
}

/// The stamps of `rows`; those beyond the last of `n_rows` have its stamp.
fn nearest_stamps(stamps: &Stamps, rows: impl Iterator<Item = usize>, n_rows: usize) -> Stamps {
    let mut nearest = Stamps::default();
    rows.for_each(|row| nearest.push(stamps.get(row.min(n_rows.saturating_sub(1))).unwrap_or_default()));
    nearest
}

/// Even rows over the time of a recording.
struct Grid {
    n_rows: usize,
    /// Seconds from one to the next.
    interval: f64,
}

impl Grid {
    /// The grid whose interval is nearest to that of `own` samples a second. Without times, rows are even.
    fn new(times: &[f64], n_rows: usize, own: f64) -> Self {
        let duration = times.last().unwrap_or(&0.0) - times.first().unwrap_or(&0.0);
        let n_steps = (duration * own).round();
        match n_steps >= 1.0 {
            true => Self { n_rows: n_steps as usize + 1, interval: duration / n_steps },
            false => Self { n_rows, interval: own.recip() },
        }
    }

    /// Whether rows at `times` lie on the grid.
    fn is_even(&self, times: &[f64]) -> bool {
        let Some(&start) = times.first() else { return true };
        let off = |(row, &time): (usize, &f64)| (time - start) / self.interval - row as f64;
        times.len() == self.n_rows && times.iter().enumerate().all(|row| off(row).abs() <= UNEVEN)
    }

    /// Values at the grid's rows (n_rows, channels), by linear interpolation.
    fn values(&self, times: &[f64], values: &[f32], n_channels: usize) -> Vec<f32> {
        let mut at = 0;
        let mut even = Vec::with_capacity(self.n_rows * n_channels);
        for row in 0..self.n_rows {
            let time = times[0] + row as f64 * self.interval;
            while at + 2 < times.len() && times[at + 1] < time {
                at += 1;
            }
            let next = (at + 1).min(times.len() - 1);
            let span = times[next] - times[at];
            let share = if span > 0.0 { ((time - times[at]) / span).clamp(0.0, 1.0) } else { 0.0 };
            let (before, after) =
                (&values[at * n_channels..][..n_channels], &values[next * n_channels..][..n_channels]);
            even.extend(
                before.iter().zip(after).map(|(&before, &after)| {
                    (f64::from(before) + share * (f64::from(after) - f64::from(before))) as f32
                }),
            );
        }
        even
    }
}

/// A low-pass filter that is evaluated between samples. It computes in f64 and without vectors, so that
/// all machines give the same bits.
struct Filter {
    sinc: ScalarInterpolator<f64>,
    /// The filter at the place that is being evaluated.
    blended: Vec<f64>,
}

impl Filter {
    /// The filter for a change of rate by `ratio`.
    fn new(ratio: f64) -> Self {
        let slower = ratio.min(1.0);
        let n_points = ((FILTER_LEN as f64 / slower).ceil() as usize).next_multiple_of(8);
        let density = (TABLE_DENSITY * slower).ceil().max(4.0) as usize;
        let cutoff = calculate_cutoff::<f32>(FILTER_LEN, WINDOW) * slower as f32;
        let sinc = ScalarInterpolator::new(n_points, density, cutoff, WINDOW);
        Self { sinc, blended: vec![0.0; n_points + 1] }
    }

    /// `n_new` rows, each `step` rows of `values` (row, channel) after the one before.
    fn rows(&mut self, values: &[f32], n_channels: usize, n_new: usize, step: f64) -> Vec<f32> {
        let (n_points, density) = (self.sinc.nbr_points(), self.sinc.nbr_sincs());
        let n_rows = values.len() / n_channels;
        // The first new row has half a filter before it, and the last one, which may lie behind the last row, half a filter
        // and the spill of the blended one after it.
        let beyond = (n_new as f64 * step).ceil() as usize;
        let (before, length) = (n_points / 2 + 1, beyond.max(n_rows) + 2 * n_points);
        let firsts = &values[..n_channels.min(values.len())];
        // Less its first value, a constant channel is 0, and remains the same to the bit.
        let wave = |channel: usize| -> Vec<f64> {
            let value =
                |at: usize| f64::from(values[mirrored(at as i64 - before as i64, n_rows) * n_channels + channel]);
            (0..length).map(|at| value(at) - f64::from(firsts[channel])).collect()
        };
        let waves: Vec<Vec<f64>> = (0..firsts.len()).map(wave).collect();
        let mut rows = Vec::with_capacity(n_new * n_channels);
        for row in 0..n_new {
            let position = row as f64 * step + before as f64;
            let place = position - (n_points / 2) as f64 + 1.0 - (density as f64).recip();
            let mut nearest = [(0, 0); 4];
            get_nearest_times_4(place, density as isize, &mut nearest);
            let weights = cubic_weights((place * density as f64).fract());
            let first = self.sinc.make_combined_sinc(&nearest, &weights, &mut self.blended) as usize;
            let (filter, spill) = (&self.blended[..n_points], self.blended[n_points]);
            rows.extend(waves.iter().zip(firsts).map(|(wave, &offset)| {
                let sum = self.sinc.get_sinc_dot_product(wave, first, filter) + spill * wave[first + n_points];
                (sum + f64::from(offset)) as f32
            }));
        }
        rows
    }
}

/// Index of row `at` of a recording of `n_rows` that goes on as its mirror image beyond its ends.
fn mirrored(at: i64, n_rows: usize) -> usize {
    let last = n_rows as i64 - 1;
    if last < 1 {
        return 0;
    }
    let folded = at.rem_euclid(2 * last);
    folded.min(2 * last - folded) as usize
}

/// Weights of the values at -1, 0, 1 and 2 in the cubic polynomial through them, at `x`.
fn cubic_weights(x: f64) -> [f64; 4] {
    let (a, b, c) = (x + 1.0, x - 1.0, x - 2.0);
    [-x * b * c / 6.0, a * b * c / 2.0, -a * x * c / 2.0, a * x * b / 6.0]
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::test_corpora::corpus_of;

    /// A corpus of one recording with these times and values of one channel.
    fn one(times: Vec<f64>, rate_hz: Option<f64>, value: impl Fn(f64) -> f64) -> Corpus {
        let mut corpus = corpus_of(&[("a", 0, 1)], 1);
        corpus.recordings[0].values = times.iter().map(|&time| value(time) as f32).collect();
        corpus.recordings[0].times = times;
        corpus.rate_hz = rate_hz;
        corpus.with_fingerprint()
    }

    fn every(interval: f64, n_rows: usize) -> Vec<f64> {
        (0..n_rows).map(|row| 100.0 + row as f64 * interval).collect()
    }

    fn sine(hz: f64) -> impl Fn(f64) -> f64 {
        move |time| (TAU * hz * time + 0.3).sin()
    }

    /// The largest difference between the only channel and `value`, away from the ends.
    fn error(corpus: &Corpus, value: impl Fn(f64) -> f64) -> f64 {
        let recording = &corpus.recordings[0];
        let rows =
            recording.times.iter().zip(&recording.values).map(|(&time, &seen)| (f64::from(seen) - value(time)).abs());
        let n_rows = recording.times.len();
        rows.skip(n_rows / 8).take(n_rows * 3 / 4).fold(0.0, f64::max)
    }

    #[test]
    fn a_sine_keeps_its_height_and_its_place_in_time() {
        for (from, to) in
            [(100.0, 20.0), (20.0, 50.0), (50.0, 20.0), (28.3, 20.0), (19.0, 20.0), (104.17, 50.0), (1000.0, 20.0)]
        {
            let n_rows = (30.0 * from) as usize;
            for hz in [0.2, 2.0, 7.0 * f64::min(1.0, f64::min(from, to) / 20.0)] {
                let corpus = one(every(1.0 / from, n_rows), Some(from), sine(hz)).resampled(to).unwrap();
                let recording = &corpus.recordings[0];
                assert_eq!(recording.values.len(), (n_rows as f64 * to / from).round() as usize, "{from} to {to}");
                assert!(
                    (recording.times[1] - recording.times[0] - 1.0 / to).abs() < 1e-9 && recording.times[0] == 100.0
                );
                let off = error(&corpus, sine(hz));
                assert!(off < 0.003, "{hz} Hz from {from} to {to}: off by {off}");
            }
        }
    }

    #[test]
    fn what_the_new_rate_cannot_hold_vanishes() {
        for hz in [5.0, 6.0, 9.0, 10.0, 19.0, 45.0] {
            let corpus = one(every(0.01, 3_000), Some(100.0), sine(hz)).resampled(10.0).unwrap();
            let left = error(&corpus, |_| 0.0);
            assert!(left < 0.02, "{hz} Hz: {left} is left");
        }
    }

    #[test]
    fn gravity_is_the_same_up_to_the_ends() {
        for (from, to) in [(100.0, 20.0), (20.0, 50.0), (50.0, 7.0)] {
            for n_rows in [1, 2, 15, 400] {
                let corpus = one(every(1.0 / from, n_rows), Some(from), |_| 9.81).resampled(to);
                let n_new = (n_rows as f64 * to / from).round() as usize;
                match corpus {
                    Ok(corpus) => assert_eq!(corpus.recordings[0].values, vec![9.81_f32; n_new], "{from} to {to}"),
                    Err(_) => assert_eq!(n_new, 0),
                }
            }
        }
        let swings = one(every(0.01, 500), Some(100.0), |time| 9.81 + sine(1.0)(time)).resampled(20.0).unwrap();
        assert!(swings.recordings[0].values.iter().all(|value| (8.5..11.2).contains(value)));
    }

    #[test]
    fn uneven_rows_are_placed_where_they_were_taken() {
        // A clock that trembles by a third of an interval, and lacks every 17th row.
        let tremble = |row: usize| 0.003 * ((row * 7 % 10) as f64 / 4.5 - 1.0);
        let times: Vec<f64> =
            (0..3_000).filter(|row| row % 17 != 5).map(|row| 0.01 * row as f64 + tremble(row)).collect();
        let corpus = one(times, Some(100.0), sine(1.5)).resampled(20.0).unwrap();
        assert!((599..=601).contains(&corpus.recordings[0].values.len()));
        let off = error(&corpus, sine(1.5));
        assert!(off < 0.01, "off by {off}");
    }

    #[test]
    fn each_recording_is_resampled_from_its_own_rate() {
        let mut corpus = corpus_of(&[("ann", 0, 200), ("bob", 0, 250), ("bob", 0, 3)], 2);
        for (recording, interval) in corpus.recordings.iter_mut().zip([0.05, 0.04, 0.04]) {
            recording.times = every(interval, recording.values.len() / 2);
        }
        let before = corpus.recordings[0].clone();
        let corpus = corpus.with_fingerprint();
        let resampled = corpus.clone().resampled(20.0).unwrap();
        let rows: Vec<usize> = resampled.recordings.iter().map(|recording| resampled.n_rows(recording)).collect();
        assert_eq!(rows, [200, 200, 2]);
        assert_eq!(resampled.recordings[0], before, "at this rate already");
        let [Notice::Note(said)] = resampled.notices.as_slice() else { panic!("{:?}", resampled.notices) };
        assert_eq!(said, "resampled 2 of 3 recordings from 25 to 20 samples a second.");
        assert_eq!(resampled.rate_hz, Some(20.0));
        assert_ne!(resampled.fingerprint, corpus.fingerprint);
        assert_eq!(resampled.clone().resampled(20.1).unwrap().fingerprint, resampled.fingerprint);
    }

    #[test]
    fn what_has_the_rate_stays_the_same_to_the_bit() {
        let corpus = one(every(0.0501, 300), Some(1.0 / 0.0501), sine(3.0));
        let resampled = corpus.clone().resampled(20.0).unwrap();
        assert_eq!(resampled, Corpus { rate_hz: Some(20.0), ..corpus.clone() });
        let mut windowed = corpus_of(&[("a", 0, 128)], 3);
        (windowed.window, windowed.rate_hz) = (Some(128), Some(50.0));
        assert!(windowed.clone().resampled(50.2).unwrap().notices.is_empty());
        let refused = windowed.resampled(20.0).unwrap_err().to_string();
        assert!(refused.contains("windows of 128 samples at 50 a second"), "{refused}");
    }

    #[test]
    fn what_cannot_be_resampled_is_refused() {
        let mut corpus = corpus_of(&[("a", 0, 100)], 1);
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(corpus.clone().resampled(rate).is_err(), "{rate}");
        }
        assert_eq!(
            corpus.clone().resampled(50.0).unwrap().recordings[0].values.len(),
            250,
            "rows without times are even"
        );
        let refused = corpus.clone().resampled(0.05).unwrap_err().to_string();
        assert!(refused.contains("long enough"), "{refused}");
        corpus.rate_hz = Some(2000.0);
        assert!(corpus.clone().resampled(0.1).unwrap_err().to_string().contains("at least 0.2"));
        assert!(corpus.clone().resampled(0.3).unwrap_err().to_string().contains("long enough"));
        corpus.rate_hz = Some(1e-6);
        assert!(corpus.clone().resampled(50.0).unwrap_err().to_string().contains("5000000000 values"));
        corpus.rate_hz = None;
        let refused = corpus.resampled(50.0).unwrap_err().to_string();
        assert!(refused.contains("--map COLUMN=timestamp"), "{refused}");
    }

    #[test]
    fn recordings_too_short_for_a_row_are_left_out_and_counted() {
        let mut corpus = corpus_of(&[("a", 0, 100), ("a", 0, 3), ("a", 0, 100)], 1);
        corpus.rate_hz = Some(100.0);
        let resampled = corpus.resampled(10.0).unwrap();
        assert_eq!(resampled.recordings.len(), 2);
        let said: Vec<String> = resampled.notices.iter().map(ToString::to_string).collect();
        assert!(said[0].contains("resampled 2 of 3") && said[1].contains("left out 1 recordings"), "{said:?}");
    }

    #[test]
    fn a_row_has_the_timestamp_nearest_to_it() {
        let mut corpus = one(every(0.016, 100), Some(62.5), sine(1.0));
        let mut stamps = Stamps::default();
        (0..100).for_each(|row| stamps.push(&format!("t{row}")));
        corpus.recordings[0].stamps = Some(stamps);
        let nearest = |corpus: Corpus| {
            let stamps = corpus.resampled(20.0).unwrap().recordings[0].stamps.take().unwrap();
            (0..33).filter_map(|row| stamps.get(row).map(str::to_owned)).collect::<Vec<_>>()
        };
        let rows = [0, 3, 6, 9].map(|row| format!("t{row}"));
        let with_times = nearest(corpus.clone());
        corpus.recordings[0].times.clear();
        for found in [with_times, nearest(corpus)] {
            assert_eq!((found.len(), &found[..4], found[31].as_str()), (32, &rows[..], "t97"));
        }
    }
}
