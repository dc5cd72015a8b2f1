//! When each row was taken: rows without a stamp of their own are spread between those that have one.

use super::pace::Pace;
use super::walk::Placed;

/// Rows are spread up to the next stamp only if that leaves each at most this many nominal intervals; otherwise samples are
/// missing as well, and the rows follow each other at the nominal interval.
const SPREAD: f64 = 1.5;

/// Seconds between rows, at least: a little more than makes two stamps the same.
const APART: f64 = 1.05e-5;

/// Rows without a stamp that are waited out, at least, before they are given times at the nominal interval.
const PATIENCE: usize = 4096;

/// Gives times to the rows of one clock, as they come out of a [`Walk`](super::Walk).
pub struct Spread {
    pace: Pace,
    /// The last stamp, until the next one shows how far its rows reach.
    from: Option<f64>,
    /// Whether that stamp is the first of its recording.
    opening: bool,
    /// Rows since that stamp, its own among them.
    rows: Vec<(usize, bool)>,
    /// The last time given in this recording.
    given: f64,
}

impl Spread {
    /// Rows of a clock of this pace.
    pub fn new(pace: Pace) -> Self {
        Self { pace, from: None, opening: true, rows: Vec::new(), given: f64::NEG_INFINITY }
    }

    /// Takes a row, and hands `out` those whose times are now known: row, whether a recording starts there, and seconds.
    /// Within a recording times increase strictly.
    pub fn push(&mut self, placed: Placed, out: &mut impl FnMut(usize, bool, f64)) {
        if placed.starts {
            self.end(out);
        }
        if let Some(stamp) = placed.stamp {
            self.give(Some(stamp), out);
            self.from = Some(stamp);
        } else if self.rows.len() >= PATIENCE.max(4 * self.pace.rows_per_tick()) && self.from.is_some() {
            self.give(None, out);
            self.from = Some(self.given + self.pace.interval);
        }
        self.rows.push((placed.row, placed.starts));
    }

    /// Hands `out` the rows that are left. The next row starts a recording.
    pub fn end(&mut self, out: &mut impl FnMut(usize, bool, f64)) {
        self.give(None, out);
        (self.from, self.opening, self.given) = (None, true, f64::NEG_INFINITY);
    }

    fn give(&mut self, until: Option<f64>, out: &mut impl FnMut(usize, bool, f64)) {
        let n = self.rows.len() as f64;
        let Pace { interval, stride, .. } = self.pace;
        let (start, step) = match (self.from, until) {
            // A recording whose first stamps are missing, and one without any.
            (None, Some(until)) => (until - n * interval, interval),
            (None, None) => (0.0, interval),
            (Some(from), None) => (from, interval),
            (Some(from), Some(until)) => {
                let each = (until - from) / n;
                if each <= SPREAD * interval {
                    (from, each)
                } else if self.opening && self.pace.shared && until - from <= SPREAD * stride {
                    (until - n * interval, interval)
                } else {
                    (from, interval)
                }
            }
        };
        for (at, (row, starts)) in self.rows.drain(..).enumerate() {
            // An interval below the resolution of any clock must still advance it.
            self.given = (start + step * at as f64).max(self.given + APART);
            out(row, starts, self.given);
        }
        self.opening &= self.from.is_none();
    }
}
