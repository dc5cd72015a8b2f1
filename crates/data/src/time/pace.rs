//! What a clock is like, learnt from its stamps: its unit, its ticks and the nominal interval between rows.
//!
//! A clock ticks. Most clocks tick once a row; others stamp several rows alike (cut to whole seconds), or nearly alike
//! (rows that a phone held back and delivered in a burst). [`Shape::measure`] finds the ticks without knowing the unit,
//! [`Shape::unit`] finds the unit, and [`Pace`] is both in seconds.

use super::GAP;

/// Unit of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// s
    Seconds,
    /// ms
    Milliseconds,
    /// µs
    Microseconds,
    /// ns
    Nanoseconds,
}

impl Unit {
    /// Every unit, the longest first.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds];

    /// How many of it are a second.
    pub fn per_second(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 1e3,
            Self::Microseconds => 1e6,
            Self::Nanoseconds => 1e9,
        }
    }

    /// Its plural.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }

    /// Its sign in the name of a column: `timestamp_ms`.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        }
    }
}

/// How the unit of a clock became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// The name of the column, or the form of the stamps.
    Name,
    /// The size of the stamps: they count from 1970.
    Magnitude,
    /// The interval between rows, which is a sensor's in one unit only.
    Rate,
    /// Another clock of the same source.
    Neighbour,
}

/// What a clock is like, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The unit of its stamps.
    pub unit: Unit,
    /// How the unit became known.
    pub known_by: KnownBy,
    /// Nominal seconds from one row to the next.
    pub interval: f64,
    /// Seconds from one tick to the next: the interval, or as many intervals as rows share a tick as a rule.
    pub stride: f64,
    /// Seconds below which two stamps belong to the same tick.
    pub resolution: f64,
    /// Whether rows share ticks as a rule: a clock cut to whole seconds, or rows delivered in bursts.
    pub shared: bool,
}

/// Seconds below which two stamps are the same: no sensor here samples a hundred thousand times a second.
const SAME: f64 = 1e-5;

/// Seconds that no clock shows, whether it counts from a phone's start or from 1970 (this is the year 2096).
const NEVER: f64 = 4e9;

/// Seconds since 1970 from which a stamp is taken for a date (9 September 2001). Before, it may be a phone's uptime.
const EPOCH: f64 = 1e9;

/// Seconds that no uptime reaches: three years.
const UPTIME: f64 = 1e8;

/// Seconds between rows of any sensor that windows are cut of, from 2000 Hz to 0.5 Hz. It spans little more than a
/// thousand, so that two units fit only near its ends.
const LIKELY: std::ops::RangeInclusive<f64> = 0.0005..=2.0;

/// Seconds between rows of a clock that counts from 1970, which needs less of a hint.
const POSSIBLE: std::ops::RangeInclusive<f64> = 1e-4..=20.0;

/// Rows over which the time per row is averaged, so that bursts do not show; more where so many share one stamp.
const SPAN: usize = 16;

/// Rows over which bursts of more than [`SPAN`] rows are looked for: the most of these that there are.
const LONG_SPANS: [usize; 3] = [1024, 256, 64];

/// Seconds between rows of a burst, and between bursts, at most, of bursts whose rows are even steps apart. A sensor that is on now
/// and then is slower, or rests for longer.
const EVEN_BURST: (f64, f64) = (0.002, 5.0);

/// Bursts from which on it can be told that they are even.
const FEWEST_BURSTS: usize = 8;

/// The share of steps that are far below the time per row, in a clock whose rows share ticks. Half of them are where
/// two rows share each; a quarter at most where rows come independently of each other.
const SHARED: f64 = 0.4;

/// Seconds that a clock is watched, at least, in case the rows of a burst are all it has shown.
const SHOWN: f64 = 0.4;

/// Ticks from which on it can be told that rows share them; a few gaps are no ticks.
const FEWEST_TICKS: usize = 4;

impl Pace {
    /// A stamp of this clock in seconds; `None` for one that no clock shows.
    pub fn seconds(&self, stamp: f64) -> Option<f64> {
        let seconds = stamp / self.unit.per_second();
        (seconds.abs() <= NEVER).then_some(seconds)
    }

    /// Rows that share a tick, as a rule; at least 1.
    pub(crate) fn rows_per_tick(&self) -> usize {
        (self.stride / self.interval).clamp(1.0, 1e6).round() as usize
    }
}

/// What a clock is like in its own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    interval: f64,
    stride: f64,
    resolution: f64,
    /// Median absolute stamp.
    magnitude: f64,
    shared: bool,
    /// Whether the rows may come in bursts, of which too few have been seen to tell.
    may_burst: bool,
    /// Time that the stamps span.
    shown: f64,
}

/// What is wrong with the unit of a clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NoUnit {
    /// All these fit, or none does.
    Open(Vec<Unit>),
    /// The name says one that the stamps cannot be in.
    Contradiction(Unit),
}

impl Shape {
    /// Measures a clock of its stamps, run by run (NaN where one is missing), whose name tells a unit or not. `None` where it stands still.
    pub fn measure(runs: &[&[f64]], named: Option<Unit>) -> Option<Self> {
        let runs: Vec<Vec<(usize, f64)>> = runs.iter().map(|run| readings(run)).collect();
        let mut sizes: Vec<f64> = runs.iter().flatten().map(|(_, stamp)| stamp.abs()).collect();
        let magnitude = lower_median(&mut sizes)?;
        let since_1970 = |unit: &Unit| (EPOCH..=NEVER).contains(&(magnitude / unit.per_second()));
        let unit = named.or_else(|| Unit::ALL.into_iter().find(since_1970));
        let shares = shared_ticks(&runs, unit.map(Unit::per_second));
        let resolution = shares.unwrap_or(0.0);
        let ticks: Vec<Vec<Tick>> = runs.iter().map(|run| ticks(run, resolution)).collect();
        let steps = || {
            ticks.iter().flat_map(|ticks| ticks.windows(2).map(|pair| (pair[1].stamp - pair[0].stamp, pair[0].n_rows)))
        };
        let forward = || steps().filter(|(step, _)| *step > 0.0);
        let stride = lower_median(&mut forward().map(|(step, _)| step).collect::<Vec<_>>())?;
        let each = forward().flat_map(|(step, n_rows)| std::iter::repeat_n(step / n_rows as f64, n_rows));
        let mut interval = lower_median(&mut each.collect::<Vec<_>>())?;
        if shares.is_some() {
            // The number of rows in a tick varies, and their mean is the rate. The tick that opens a recording may have
            // begun before it, and one before a gap did not last.
            let (mut seconds, mut n) = (0.0, 0);
            let whole = |step: f64| step > 0.0 && step <= 1.5 * stride;
            for trio in ticks.iter().flat_map(|ticks| ticks.windows(3)) {
                let step = trio[2].stamp - trio[1].stamp;
                if whole(step) && whole(trio[1].stamp - trio[0].stamp) {
                    seconds += step;
                    n += trio[1].n_rows;
                }
            }
            interval = if n > 0 { seconds / n as f64 } else { interval };
        }
        // A stamp that is repeated now and then makes no tick of several rows; one that always is does, even before it can be
        // told that rows share ticks as a rule.
        let n_steps = steps_of(&runs).count();
        let n_repeats = steps_of(&runs).filter(|step| *step == 0.0).count();
        let by_ticks = shares.is_some() || n_repeats as f64 > SHARED * n_steps as f64;
        let stride = if by_ticks { stride.max(interval) } else { interval };
        let shared = shares.is_some();
        let long = steps_of(&runs).filter(|step| *step > GAP * interval).count();
        let may_burst = !shared && (1..FEWEST_BURSTS + 1).contains(&long) && ends_alike(&runs, GAP * interval);
        let shown = runs.iter().map(|run| run.last().map_or(0.0, |last| (last.1 - run[0].1).abs())).sum();
        Some(Self { interval, stride, resolution, magnitude, shared, may_burst, shown })
    }

    /// The unit, and how it is known.
    pub fn unit(&self, named: Option<Unit>) -> Result<(Unit, KnownBy), NoUnit> {
        let interval = |unit: Unit| self.interval / unit.per_second();
        let size = |unit: Unit| self.magnitude / unit.per_second();
        let since_1970 = Unit::ALL
            .into_iter()
            .find(|unit| (EPOCH..=NEVER).contains(&size(*unit)) && POSSIBLE.contains(&interval(*unit)));
        if let Some(unit) = named {
            let possible = size(unit) <= NEVER && interval(unit) >= SAME;
            // Faster than any sensor, and a date in another unit.
            let belied = interval(unit) < *LIKELY.start() && since_1970.is_some_and(|other| other != unit);
            let fits = possible && !belied;
            return if fits { Ok((unit, KnownBy::Name)) } else { Err(NoUnit::Contradiction(unit)) };
        }
        if let Some(unit) = since_1970 {
            return Ok((unit, KnownBy::Magnitude));
        }
        let fits = |unit: &Unit| size(*unit) <= UPTIME && LIKELY.contains(&interval(*unit));
        let fitting: Vec<Unit> = Unit::ALL.into_iter().filter(fits).collect();
        match fitting[..] {
            [unit] => Ok((unit, KnownBy::Rate)),
            _ => Err(NoUnit::Open(fitting)),
        }
    }

    /// Whether more rows may show another clock: all so far may be of a burst or two.
    pub fn is_open(&self, named: Option<Unit>) -> bool {
        let seconds = self.unit(named).map(|(unit, _)| self.shown / unit.per_second());
        self.may_burst || (!self.shared && seconds.is_ok_and(|seconds| seconds < SHOWN))
    }

    /// The pace in a unit.
    pub fn pace(&self, unit: Unit, known_by: KnownBy) -> Pace {
        let seconds = |own: f64| own / unit.per_second();
        Pace {
            unit,
            known_by,
            interval: seconds(self.interval),
            stride: seconds(self.stride),
            resolution: seconds(self.resolution).max(SAME),
            shared: self.shared,
        }
    }

    /// Nominal interval and median stamp in the clock's own unit, for messages.
    pub fn figures(&self) -> (f64, f64) {
        (self.interval, self.magnitude)
    }
}

/// Whether nearly all steps of `runs` lead backwards, so that the newest row comes first.
pub(super) fn runs_backwards<'a>(runs: impl IntoIterator<Item = &'a [f64]>) -> bool {
    let (mut back, mut forth) = (0_usize, 0_usize);
    for run in runs {
        for pair in readings(run).windows(2) {
            back += usize::from(pair[1].1 < pair[0].1);
            forth += usize::from(pair[1].1 > pair[0].1);
        }
    }
    back >= 8 && back > 9 * forth
}

/// (row, stamp) of the stamps that a clock is learnt from. A zero is none, however many there are: it mostly says that nothing
/// is known, and a clock that counts from zero shows it once. Nor is a stamp away from both its neighbours.
fn readings(run: &[f64]) -> Vec<(usize, f64)> {
    let known = run.iter().copied().enumerate().filter(|(_, stamp)| stamp.is_finite() && *stamp != 0.0);
    let mut readings: Vec<(usize, f64)> = Vec::with_capacity(run.len());
    for next in known {
        if let [.., (_, before), (_, stamp)] = readings[..]
            && before < next.1
            && (stamp < before || stamp > next.1)
        {
            readings.pop();
        }
        readings.push(next);
    }
    readings
}

struct Tick {
    stamp: f64,
    n_rows: usize,
}

/// The ticks of a run. A row whose stamp is missing belongs to the tick before it.
fn ticks(readings: &[(usize, f64)], resolution: f64) -> Vec<Tick> {
    let mut ticks: Vec<Tick> = Vec::new();
    let mut latest = f64::NAN;
    for (at, (row, stamp)) in readings.iter().enumerate() {
        let n_rows = readings.get(at + 1).map_or(1, |(next, _)| next - row);
        match ticks.last_mut() {
            Some(tick) if (stamp - latest).abs() <= resolution => tick.n_rows += n_rows,
            _ => ticks.push(Tick { stamp: *stamp, n_rows }),
        }
        latest = *stamp;
    }
    ticks
}

/// The step up to which rows share a tick, if they do so as a rule. `per_second` is the unit, where it is known.
fn shared_ticks(runs: &[Vec<(usize, f64)>], per_second: Option<f64>) -> Option<f64> {
    let (mut span, mut per_row) = (SPAN, 0.0);
    while per_row <= 0.0 {
        per_row = time_per_row(runs, span)?;
        span *= 4;
    }
    // Bursts of more rows than a span look like a fast clock with gaps.
    let long = LONG_SPANS.into_iter().find_map(|span| time_per_row(runs, span)).filter(|long| *long > 3.0 * per_row);
    let long = long.filter(|long| are_bursts(runs, long / 4.0, false) || are_even_bursts(runs, long / 4.0, per_second));
    long.or_else(|| Some(per_row).filter(|per_row| are_bursts(runs, per_row / 4.0, true))).map(|per_row| per_row / 4.0)
}

/// Whether the rows since the last step of more than `limit` are at most twice as many as came between two such steps, or before
/// the first.
fn ends_alike(runs: &[Vec<(usize, f64)>], limit: f64) -> bool {
    let (mut longest, mut rows) = (0, 0);
    for step in steps_of(runs) {
        rows += 1;
        if step > limit {
            longest = longest.max(rows);
            rows = 0;
        }
    }
    rows <= 2 * longest
}

/// Whether steps of less than `limit` lie within ticks, and the others between them. A sensor that is on now and then has
/// even steps within, being those of its own clock, and uneven ones between. Ticks have uneven steps within, being those of
/// a program that hands rows over, or none; or else, if `even` ones are allowed, even steps between.
fn are_bursts(runs: &[Vec<(usize, f64)>], limit: f64, even: bool) -> bool {
    let (mut within, mut between): (Vec<f64>, Vec<f64>) = steps_of(runs).partition(|step| *step < limit);
    if between.len() < FEWEST_TICKS || (within.len() as f64) < SHARED * (within.len() + between.len()) as f64 {
        return false;
    }
    let quartiles = |steps: &mut [f64]| {
        let mut quartile = |share: usize| *steps.select_nth_unstable_by(steps.len() * share / 4, f64::total_cmp).1;
        (quartile(1), quartile(3))
    };
    let ((lower, upper), (shorter, longer)) = (quartiles(&mut within), quartiles(&mut between));
    let unevenness = if even { 3.0 } else { 2.0 };
    shorter >= 4.0 * upper && (upper >= unevenness * lower || (even && longer <= 1.5 * shorter))
}

/// Whether steps of less than `limit` lie within bursts that are all alike: the same number of rows, at the same interval, and too
/// fast for a sensor's own. Without the unit that cannot be told.
fn are_even_bursts(runs: &[Vec<(usize, f64)>], limit: f64, per_second: Option<f64>) -> bool {
    let (Some(per_second), (fastest, longest)) = (per_second, EVEN_BURST) else { return false };
    let (mut sizes, mut periods) = (Vec::new(), Vec::new());
    for run in runs {
        let first_rows: Vec<usize> = (1..run.len()).filter(|row| run[*row].1 - run[row - 1].1 >= limit).collect();
        for pair in first_rows.windows(2) {
            sizes.push((pair[1] - pair[0]) as f64);
            periods.push(run[pair[1]].1 - run[pair[0]].1);
        }
    }
    if sizes.len() < FEWEST_BURSTS {
        return false;
    }
    let alike = |values: &mut [f64]| {
        let mut at = |tenths: usize| *values.select_nth_unstable_by(values.len() * tenths / 10, f64::total_cmp).1;
        let (low, high) = (at(1), at(8));
        (high <= 1.1 * low).then_some(high)
    };
    let (Some(size), Some(period)) = (alike(&mut sizes), alike(&mut periods)) else { return false };
    let mut within: Vec<f64> = steps_of(runs).filter(|step| *step < limit).collect();
    let within = lower_median(&mut within).unwrap_or(f64::INFINITY);
    within <= fastest * per_second && period <= longest * per_second && within * size <= period / 4.0
}

/// Median, over the places of all runs, of the time per row in the next `span` readings. `None` where hardly a run
/// is so long.
///
/// A clock whose rows share ticks, `span` of them at most, has one long step in `span` or more. Steps longer than half as many
/// are gaps, and count as no more than that.
fn time_per_row(runs: &[Vec<(usize, f64)>], span: usize) -> Option<f64> {
    let mut steps: Vec<f64> = steps_of(runs).collect();
    let n_long = (steps.len() / (2 * span)).max(1);
    let shortest_gap = steps.len().checked_sub(n_long + 1)?;
    let longest = *steps.select_nth_unstable_by(shortest_gap, f64::total_cmp).1;
    let n_places: usize = runs.iter().map(|run| run.len().saturating_sub(span)).sum();
    if n_places < SPAN / 2 {
        return None;
    }
    // Every place counts in short data, a few thousand in long.
    let stride = n_places / 4096 + 1;
    let spans = runs.iter().flat_map(|run| {
        let places = (0..run.len().saturating_sub(span)).step_by(stride);
        places.map(|at| {
            let rows = &run[at..=at + span];
            let time: f64 = rows.windows(2).map(|pair| (pair[1].1 - pair[0].1).clamp(0.0, longest)).sum();
            time / (rows[span].0 - rows[0].0) as f64
        })
    });
    lower_median(&mut spans.collect::<Vec<_>>())
}

/// The steps between readings that do not lead back.
fn steps_of(runs: &[Vec<(usize, f64)>]) -> impl Iterator<Item = f64> {
    runs.iter().flat_map(|run| run.windows(2).map(|pair| pair[1].1 - pair[0].1)).filter(|step| *step >= 0.0)
}

/// The median; of an even number of values the lower of the middle two, so that it is always one of them.
pub(super) fn lower_median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}
