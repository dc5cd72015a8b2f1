//! Rows that a window repeats of another: an index of runs of rows, which stands any step, any order and any overlap.
//!
//! Two windows that were cut from one recording and overlap hold the same rows, the one at its end, the other at its start.
//! So the index knows runs of a few rows each: one after the other from the start of each window, and one that ends with it.
//! An overlap that is as long as a run contains one of these, wherever it lies in the other window, where every row is
//! tried. So does any copied stretch of twice a run.
//!
//! A sensor at rest repeats itself by chance. A run counts only if it carries more [`information`] than chance has among all
//! pairs of rows.
//!
//! Where the parts of a split were scaled each by itself, or each window was normalised, no value is repeated to the bit.
//! [`Likeness::Scaled`] finds these: each channel of a run is compared up to a factor and an offset.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Bits of information that a run needs beyond those of a pair of rows: once in a thousand data sets chance has as many.
const MARGIN: f64 = 10.0;
/// The shortest run has rows for this many times the information that it needs, since not each row of each run is new.
const RESERVE: f64 = 1.25;
/// Rows of the shortest run that is compared up to scale. The fewer, the more runs look alike.
const SHORTEST_SCALED: usize = 16;
/// Levels to which a channel is rounded before runs are compared up to scale.
const LEVELS: f32 = 6.0;
/// Where the levels begin. Sensors have few values, whose ratios are simple fractions: none of them lies on a border.
const OFF_BORDER: f32 = 0.381_966;
/// How far a value may be off, as a share of the range of its channel in the run, and count as scaled: what rounding to
/// f32, or to four decimals, leaves.
const SCALED_BY: f32 = 2e-4;
/// The same where all values were rounded to f16.
const SCALED_BY_F16: f32 = 4e-3;
/// Share of a channel's movement that a swing leaves unexplained, for a run to count up to scale.
const UNFORESEEN: f64 = 0.02;
/// What a swing leaves unexplained counts if it is this many times the smallest step. Less may be rounding.
const ROUNDED: f64 = 4.0;
/// Most places of one run that are tried.
const MOST_TRIED: usize = 64;
/// Steps to which differences are rounded before they are counted.
const STEPS: f32 = 256.0;

/// Which runs are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Those with the same values, to the bit.
    Bits,
    /// Those with the same values once each channel is multiplied by a positive factor and shifted.
    Scaled,
}

/// Windows (rows, channels), each a slice, and what is known of all of them.
pub struct Haystack<'a> {
    windows: Vec<&'a [f32]>,
    rows: usize,
    channels: usize,
    /// Information that a run must carry, in bits.
    needed: f64,
    /// How far a scaled value may be off.
    scaled_by: f32,
}

impl<'a> Haystack<'a> {
    /// `windows` of `channels` channels each.
    pub fn new(windows: Vec<&'a [f32]>, channels: usize) -> Self {
        let channels = channels.max(1);
        let rows = windows.first().map_or(0, |window| window.len() / channels);
        let n_rows = (windows.len() * rows).max(1) as f64;
        let is_f16 = windows.iter().copied().flatten().all(|value| value.to_bits() & 0x1fff == 0);
        Self {
            windows,
            rows,
            channels,
            needed: 2.0 * n_rows.log2() + MARGIN,
            scaled_by: if is_f16 { SCALED_BY_F16 } else { SCALED_BY },
        }
    }

    /// Rows of the shortest run that can carry enough information, and some in reserve. May be longer than a window.
    pub fn shortest(&self) -> usize {
        let most = |n_steps: usize| (self.channels * n_steps) as f64 * (n_steps as f64).log2();
        2 + (1..).take_while(|&n_steps| most(n_steps) < RESERVE * self.needed).count()
    }

    fn run(&self, place: Place, length: usize) -> &'a [f32] {
        let window = self.windows[place.window as usize];
        &window[place.row as usize * self.channels..][..length * self.channels]
    }
}

/// A row of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    window: u32,
    row: u32,
}

/// Where runs of `length` rows are.
pub struct Runs<'h> {
    hay: &'h Haystack<'h>,
    likeness: Likeness,
    length: usize,
    /// The places of each run, by its key: a range of `places`.
    by_key: HashMap<u64, (u32, u32), BuildHasherDefault<KeyHasher>>,
    places: Vec<Place>,
    /// The windows of which no run carries enough information.
    pub quiet: Vec<u32>,
}

impl<'h> Runs<'h> {
    /// An index of runs of `length` rows of the windows at `indices`. `None` if a window is shorter.
    pub fn new(hay: &'h Haystack<'h>, likeness: Likeness, length: usize, indices: &[u32]) -> Option<Self> {
        let last = hay.rows.checked_sub(length)?;
        let mut runs =
            Self { hay, likeness, length, by_key: HashMap::default(), places: Vec::new(), quiet: Vec::new() };
        let mut keyed: Vec<(u64, Place)> = Vec::new();
        for &window in indices {
            let before = keyed.len();
            let starts = (0..=last).step_by(length).chain((!last.is_multiple_of(length)).then_some(last));
            for row in starts {
                let place = Place { window, row: row as u32 };
                if runs.says_enough(hay.run(place, length)) {
                    keyed.push((runs.key(place), place));
                }
            }
            if keyed.len() == before {
                runs.quiet.push(window);
            }
        }
        keyed.sort_unstable();
        let mut start = 0;
        for same in keyed.chunk_by(|a, b| a.0 == b.0) {
            let end = start + same.len() as u32;
            runs.by_key.insert(same[0].0, (start, end));
            start = end;
        }
        runs.places = keyed.into_iter().map(|(_, place)| place).collect();
        Some(runs)
    }

    /// The number of rows of a window that are also in other windows, among those that `may` admits.
    pub fn n_shared(&self, window: u32, may: impl Fn(u32) -> bool) -> usize {
        let keys = self.keys(window);
        let (mut row, mut free_from, mut n_shared) = (0, 0, 0);
        while row < keys.len() {
            let place = Place { window, row: row as u32 };
            let found = self.places_of(keys[row]).iter().filter(|other| other.window != window && may(other.window));
            let Some((before, after)) = found.take(MOST_TRIED).find_map(|&other| self.shared_around(place, other))
            else {
                row += 1;
                continue;
            };
            let (start, end) = ((row - before).max(free_from), row + self.length + after);
            n_shared += end - start;
            (row, free_from) = (end, end);
        }
        n_shared
    }

    fn places_of(&self, key: u64) -> &[Place] {
        self.by_key.get(&key).map_or(&[], |&(start, end)| &self.places[start as usize..end as usize])
    }

    /// Whether a run tells itself from chance.
    fn says_enough(&self, run: &[f32]) -> bool {
        let channels = self.hay.channels;
        information(run, channels) >= self.hay.needed
            && (self.likeness == Likeness::Bits || (0..channels).any(|channel| is_unforeseen(run, channel, channels)))
    }

    /// The key of the run at `place`.
    fn key(&self, place: Place) -> u64 {
        let run = self.hay.run(place, self.length);
        match self.likeness {
            Likeness::Bits => run.chunks_exact(self.hay.channels).fold(0, |key: u64, row| appended(key, row_key(row))),
            Likeness::Scaled => shape_key(run, self.hay.channels),
        }
    }

    /// The keys of the runs that start at each row of `window`.
    fn keys(&self, window: u32) -> Vec<u64> {
        match self.likeness {
            Likeness::Bits => {
                let rows = self.hay.windows[window as usize].chunks_exact(self.hay.channels).map(row_key);
                let rows: Vec<u64> = rows.collect();
                // As `key` has it, less the row that goes out.
                let gone = (0..self.length).fold(1, |power: u64, _| power.wrapping_mul(FACTOR));
                let mut key = rows[..self.length].iter().copied().fold(0, appended);
                let mut keys = vec![key];
                for (out, in_) in rows.iter().zip(&rows[self.length..]) {
                    key = appended(key, *in_).wrapping_sub(out.wrapping_mul(gone));
                    keys.push(key);
                }
                keys
            }
            Likeness::Scaled => {
                let starts = 0..=(self.hay.rows - self.length) as u32;
                starts.map(|row| self.key(Place { window, row })).collect()
            }
        }
    }

    /// How many rows before and after the runs at two places are the same as well. `None` if the runs are not.
    fn shared_around(&self, a: Place, b: Place) -> Option<(usize, usize)> {
        let channels = self.hay.channels;
        let [run_a, run_b] = [a, b].map(|place| self.hay.run(place, self.length));
        let fits = match self.likeness {
            Likeness::Bits => Vec::new(),
            Likeness::Scaled => (0..channels)
                .map(|channel| Fit::new(run_a, run_b, channel, channels, self.hay.scaled_by))
                .collect::<Option<Vec<_>>>()?,
        };
        let is_same = |a: &[f32], b: &[f32]| match self.likeness {
            Likeness::Bits => a.iter().zip(b).all(|(a, b)| a == b),
            Likeness::Scaled => fits.iter().zip(a.iter().zip(b)).all(|(fit, (a, b))| fit.joins(*a, *b)),
        };
        if !run_a.chunks_exact(channels).zip(run_b.chunks_exact(channels)).all(|(a, b)| is_same(a, b)) {
            return None;
        }
        let [before, after] = [[a, b].map(|place| self.rows_before(place)), [a, b].map(|place| self.rows_after(place))];
        let [before_a, before_b] = before.map(|rows| rows.chunks_exact(channels));
        let [after_a, after_b] = after.map(|rows| rows.chunks_exact(channels));
        Some((
            before_a.rev().zip(before_b.rev()).take_while(|(a, b)| is_same(a, b)).count(),
            after_a.zip(after_b).take_while(|(a, b)| is_same(a, b)).count(),
        ))
    }

    fn rows_before(&self, place: Place) -> &'h [f32] {
        &self.hay.windows[place.window as usize][..place.row as usize * self.hay.channels]
    }

    fn rows_after(&self, place: Place) -> &'h [f32] {
        &self.hay.windows[place.window as usize][(place.row as usize + self.length) * self.hay.channels..]
    }
}

/// Rows of a run that is compared up to scale, where the shortest that is compared by its bits has `shortest`.
pub fn scaled_length(shortest: usize) -> usize {
    SHORTEST_SCALED.max(2 * shortest)
}

/// Bits of information of a run (rows, channels): the entropy of its steps from row to row, summed over rows and channels.
/// The entropy that is estimated from a few steps is less than that of their distribution, so that this is a lower bound.
/// A run that stays, or rises evenly, has none.
fn information(run: &[f32], channels: usize) -> f64 {
    let n_steps = run.len() / channels - 1;
    let mut steps = Vec::with_capacity(n_steps);
    let of_channel = |channel: usize| {
        let step = |row: usize| run[(row + 1) * channels + channel] - run[row * channels + channel];
        let largest = (0..n_steps).map(|row| step(row).abs()).fold(0.0, f32::max);
        // Rounding makes no two of the same step.
        steps.clear();
        steps.extend((0..n_steps).map(|row| (step(row) / largest * STEPS).round() as i16));
        steps.sort_unstable();
        let counts = steps.chunk_by(i16::eq).map(|same| same.len() as f64);
        counts.map(|count| count * (n_steps as f64 / count).log2()).sum::<f64>()
    };
    (0..channels).map(of_channel).sum()
}

/// Whether a channel of a run is more than a line or a swing, rounded or not. These are everywhere, up to scale.
fn is_unforeseen(run: &[f32], channel: usize, channels: usize) -> bool {
    let values: Vec<f64> = run.iter().skip(channel).step_by(channels).map(|&value| f64::from(value)).collect();
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // A swing goes on as s[t + 1] = a s[t] + b s[t - 1]: least squares of a and b.
    let (mut xx, mut xy, mut yy, mut xz, mut yz, mut zz) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for step in steps.windows(3) {
        let (y, x, z) = (step[0], step[1], step[2]);
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        (xz, yz, zz) = (xz + x * z, yz + y * z, zz + z * z);
    }
    let determinant = xx * yy - xy * xy;
    let explained = if determinant > 1e-9 * xx * yy {
        (xz * (xz * yy - yz * xy) + yz * (yz * xx - xz * xy)) / determinant
    } else if xx > 0.0 {
        xz * xz / xx
    } else {
        0.0
    };
    let unforeseen = (zz - explained).max(0.0);
    let moved = steps.iter().map(|step| step.abs()).filter(|step| *step > 0.0);
    let smallest = moved.fold(f64::INFINITY, f64::min);
    unforeseen > UNFORESEEN * UNFORESEEN * zz && unforeseen > (ROUNDED * smallest).powi(2) * steps.len() as f64
}

/// What makes a channel of one run that of another.
struct Fit {
    factor: f32,
    offset: f32,
    may_be_off: f32,
}

impl Fit {
    /// The fit through the lowest and the highest value of a channel. `None` if it would turn the channel around, or if only
    /// one run is constant.
    fn new(a: &[f32], b: &[f32], channel: usize, channels: usize, share: f32) -> Option<Self> {
        let values = |run: &'_ [f32]| run.iter().skip(channel).step_by(channels).copied().collect::<Vec<f32>>();
        let (a, b) = (values(a), values(b));
        let by_value = |&i: &usize, &j: &usize| a[i].total_cmp(&a[j]);
        let (low, high) = ((0..a.len()).min_by(by_value)?, (0..a.len()).max_by(by_value)?);
        let (range_a, range_b) = (a[high] - a[low], b[high] - b[low]);
        if range_a == 0.0 {
            let is_constant = b.iter().all(|value| *value == b[0]);
            return is_constant.then_some(Self { factor: 0.0, offset: b[0], may_be_off: f32::INFINITY });
        }
        let factor = range_b / range_a;
        let fit = Self { factor, offset: b[low] - factor * a[low], may_be_off: share * range_b };
        (range_b > 0.0).then_some(fit)
    }

    fn joins(&self, a: f32, b: f32) -> bool {
        (self.factor.mul_add(a, self.offset) - b).abs() <= self.may_be_off
    }
}

/// A large odd number: that of Knuth's generator MMIX.
const FACTOR: u64 = 6_364_136_223_846_793_005;

fn appended(key: u64, row: u64) -> u64 {
    key.wrapping_mul(FACTOR).wrapping_add(row)
}

/// Spreads the bits of a number over all of them.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ (number >> 29)
}

/// The key of a row. Zeros of either sign are the same.
fn row_key(row: &[f32]) -> u64 {
    row.iter().fold(1, |key, value| mixed(appended(key, u64::from((value + 0.0).to_bits()))))
}

/// The key of the shape of a run: each channel from its lowest to its highest value, in [`LEVELS`].
fn shape_key(run: &[f32], channels: usize) -> u64 {
    let mut low = vec![f32::INFINITY; channels];
    let mut high = vec![f32::NEG_INFINITY; channels];
    for row in run.chunks_exact(channels) {
        for (channel, &value) in row.iter().enumerate() {
            (low[channel], high[channel]) = (low[channel].min(value), high[channel].max(value));
        }
    }
    let per_unit: Vec<f32> =
        low.iter().zip(&high).map(|(low, high)| if high > low { LEVELS / (high - low) } else { 0.0 }).collect();
    let level = |(channel, value): (usize, &f32)| ((value - low[channel]) * per_unit[channel] + OFF_BORDER) as u64;
    run.chunks_exact(channels).fold(1, |key, row| mixed(row.iter().enumerate().map(level).fold(key, appended)))
}

/// Keys are mixed already.
#[derive(Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = mixed(self.0 ^ key);
    }
}
