//! One clock: what stamps mean, whoever reads them.
//!
//! | file | question |
//! |---|---|
//! | `name` | Which columns are a clock, and which unit do their names tell? |
//! | `stamp` | What does a field say? |
//! | `pace` | What is a clock like: its unit, its ticks, its nominal interval? |
//! | `walk` | Which row follows which, and where does a recording start? |
//! | `spread` | When was a row taken that has no stamp of its own? |
//! | `batch`, `live` | The same for whole files, and for rows as they come. |
//!
//! A *clock* is that of one subject in one file: phones in one data set run at different rates and count from different
//! starts. A *run* is a stretch of rows of one file, subject and activity. Within a run
//! - a stamp equal to the one before, empty, zero where the clock is elsewhere, beyond any clock or away from its
//!   neighbours is *missing*: the row keeps its place, and is spaced evenly up to the next stamp, or follows at the
//!   nominal interval where rows are missing too;
//! - rows that share a tick (stamps cut to seconds, bursts) are spread evenly over it;
//! - a row that is late by a few places (in a file by up to 64) is put where it belongs, and a file whose newest row comes first is turned round;
//! - a recording ends where time leads back, or where more than [`GAP`] nominal intervals pass from one row to the next.

mod batch;
mod live;
mod name;
mod pace;
mod spread;
mod stamp;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use batch::{Clock, Run, resolve};
pub use live::LiveClock;
pub use name::{NamedClock, Rank, clock_columns, clock_name};
pub use pace::{KnownBy, Pace, Unit};
pub use spread::Spread;
pub use stamp::{Stamp, stamp};
pub use walk::{Disorder, GAP, Mend, Placed, Walk};

use pace::{NoUnit, Shape};

/// Why the times of rows cannot be known. Whoever knows the rows adds the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeError {
    /// The row, in the order in which rows came.
    pub row: usize,
    /// The cause.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl From<Disorder> for TimeError {
    fn from(found: Disorder) -> Self {
        let Disorder { row, faults, n_rows } = found;
        let problem =
            format!("time leads back or leaps {faults} times within {n_rows} rows, so the rows are in no order");
        let remedy = "Sort the rows by time within each subject; give recordings that were made at the same time, as those of \
                      two sensors, a file or a subject each";
        Self { row, problem, remedy: remedy.to_owned() }
    }
}

/// The error about rows whose newest comes first, where they cannot be turned round.
fn newest_first(row: usize) -> TimeError {
    let problem = "time runs backwards from row to row: the newest row comes first".to_owned();
    TimeError {
        row,
        problem,
        remedy: "Send the oldest row first; a file is turned round when it is read whole".to_owned(),
    }
}

/// The error about a clock of these runs, whose first row is `row` and whose unit cannot be known: because of the order of its
/// rows, if they are in none.
fn no_unit(row: usize, runs: &[&[f64]], shape: &Shape, cause: &NoUnit) -> TimeError {
    if let Some(disorder) = Disorder::of_stamps(runs, row) {
        return disorder.into();
    }
    let (interval, magnitude) = shape.figures();
    match cause {
        NoUnit::Contradiction(unit) => TimeError {
            row,
            problem: format!(
                "the clock is said to count {}, which its stamps contradict: they are about {}, {} apart",
                unit.name(),
                short(magnitude),
                short(interval)
            ),
            remedy: format!(
                "Name the column after its true unit (`timestamp_s`, `_ms`, `_us` or `_ns`), in the file or with `--map {}`",
                "NAME=timestamp_ms"
            ),
        },
        NoUnit::Open(fitting) => {
            let guess = |unit: &Unit| format!("{} ({} Hz)", unit.name(), short(unit.per_second() / interval));
            let fits: Vec<String> = fitting.iter().map(guess).collect();
            let which = if fits.is_empty() { "no unit".to_owned() } else { fits.join(" as well as ") };
            let first = fitting.first().unwrap_or(&Unit::Seconds).sign();
            let second = fitting.get(1).unwrap_or(&Unit::Milliseconds).sign();
            TimeError {
                row,
                problem: format!("the unit of the clock is unknown: rows {} apart fit {which}", short(interval)),
                remedy: format!(
                    "Name the column `timestamp_{first}` or `timestamp_{second}`, in the file or with `--map \
                     NAME=timestamp_{second}`"
                ),
            }
        }
    }
}

/// A number with four digits, for messages.
fn short(number: f64) -> String {
    let digits = 3 - number.abs().max(f64::MIN_POSITIVE).log10().floor() as i32;
    match digits {
        -3..=6 => {
            let scale = 10_f64.powi(digits);
            ((number * scale).round() / scale).to_string()
        }
        _ => format!("{number:.3e}"),
    }
}
