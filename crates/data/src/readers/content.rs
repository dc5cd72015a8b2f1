//! Columns whose content shows that they are no sensor's: texts, counters and clocks, and what describes a recording or
//! tells its class.

use std::collections::HashMap;

use crate::Repair;

/// Rises that a column needs before it counts as a counter or clock.
const MIN_RISES: usize = 20;
/// Mean number of rows in a run below which nothing is said of what happens within runs.
const MIN_RUN: usize = 8;
/// Most different values of a column that tells the class.
const MAX_VALUES: usize = 64;
/// Share of the rows beyond the most frequent class whose class a column may mistake and still determine it: labels that are
/// late by a few rows do.
const MISTAKES: f64 = 0.05;

/// Share of the rows in which a column may differ from the row before it and still be steady: what describes a recording changes
/// at its ends only, or a few rows late.
const CHANGES: f64 = 0.05;
/// Most different values of a column that is steady but not constant within recordings, and no sensor.
const FEW_VALUES: usize = 8;

/// Why a column is no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoChannel {
    /// It holds texts.
    Text,
    /// It holds nothing.
    Empty,
    /// It never falls, or never rises.
    Monotone,
    /// Its value tells the class.
    TellsClass,
    /// It never changes within a recording, and differs between them.
    Describes,
}

impl NoChannel {
    /// The reason in a few words.
    pub fn why(self) -> &'static str {
        match self {
            Self::Text => "holding text",
            Self::Empty => "holding nothing",
            Self::Monotone => "rising or falling all the time, as a clock",
            Self::TellsClass => "determining the class",
            Self::Describes => "being constant within each recording",
        }
    }
}

/// A stretch of rows with one class.
#[derive(Clone, Copy)]
pub(crate) struct Stretch {
    pub start: usize,
    pub end: usize,
    pub class: u32,
}

/// Looks at column `column` of `values` (row, column), which are NaN where `faults` says what was there instead.
pub(crate) fn judge(
    values: &[f32],
    n_columns: usize,
    column: usize,
    stretches: &[Stretch],
    n_faults: impl Fn(Repair) -> usize,
) -> Option<NoChannel> {
    let all = || values.iter().skip(column).step_by(n_columns).copied();
    let n_values = all().filter(|value| !value.is_nan()).count();
    let n_texts = n_faults(Repair::NotANumber);
    if n_texts > n_values {
        return Some(NoChannel::Text);
    }
    if n_values == 0 {
        return Some(NoChannel::Empty);
    }
    let mut changes = Changes::default();
    for stretch in stretches {
        let own = values[stretch.start * n_columns..stretch.end * n_columns].iter().skip(column).step_by(n_columns);
        changes.add(own.copied().filter(|value| !value.is_nan()));
    }
    let is_long = stretches.len() * MIN_RUN <= n_values;
    let n_changes = changes.n_rises + changes.n_falls;
    let is_steady = n_changes as f64 <= CHANGES * n_values as f64;
    if is_steady && tells_class(values, n_columns, column, stretches) {
        return Some(NoChannel::TellsClass);
    }
    if is_long && changes.n_rises.max(changes.n_falls) >= MIN_RISES && changes.n_rises.min(changes.n_falls) == 0 {
        return Some(NoChannel::Monotone);
    }
    if is_long && changes.differs && (n_changes == 0 || is_steady && has_few_values(values, n_columns, column)) {
        return Some(NoChannel::Describes);
    }
    None
}

/// How a column changes within stretches.
#[derive(Default)]
struct Changes {
    n_rises: usize,
    n_falls: usize,
    /// Whether two stretches begin with different values.
    differs: bool,
    first: Option<f32>,
}

impl Changes {
    fn add(&mut self, mut values: impl Iterator<Item = f32>) {
        let Some(mut last) = values.next() else { return };
        self.differs |= self.first.is_some_and(|first| first != last);
        self.first.get_or_insert(last);
        for value in values {
            self.n_rises += usize::from(value > last);
            self.n_falls += usize::from(value < last);
            last = value;
        }
    }
}

/// Whether a column has a handful of values, as flags and numbers of sessions do. A slow sensor has more.
fn has_few_values(values: &[f32], n_columns: usize, column: usize) -> bool {
    let mut seen: Vec<f32> = Vec::new();
    for value in values.iter().skip(column).step_by(n_columns).filter(|value| !value.is_nan()) {
        if !seen.contains(value) {
            seen.push(*value);
            if seen.len() > FEW_VALUES {
                return false;
            }
        }
    }
    true
}

/// Whether the values of a column, of which there are few, tell the class of nearly every row.
fn tells_class(values: &[f32], n_columns: usize, column: usize, stretches: &[Stretch]) -> bool {
    // Rows of each class, for each value.
    let mut counts: HashMap<u32, HashMap<u32, usize>> = HashMap::new();
    let mut per_class: HashMap<u32, usize> = HashMap::new();
    for stretch in stretches {
        let own = values[stretch.start * n_columns..stretch.end * n_columns].iter().skip(column).step_by(n_columns);
        for value in own.filter(|value| !value.is_nan()) {
            *counts.entry(value.to_bits()).or_default().entry(stretch.class).or_default() += 1;
            // Most columns have more values than this after as many rows.
            if counts.len() > MAX_VALUES {
                return false;
            }
            *per_class.entry(stretch.class).or_default() += 1;
        }
    }
    let n_rows: usize = per_class.values().sum();
    let n_told: usize = counts.values().filter_map(|classes| classes.values().max()).sum();
    let n_usual = per_class.values().copied().max().unwrap_or(0);
    let (n_mistaken, n_others) = (n_rows - n_told, n_rows - n_usual);
    n_rows >= MAX_VALUES && n_others > 0 && n_mistaken as f64 <= MISTAKES * n_others as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six stretches of 40 rows: classes 0, 1, 2, 0, 1, 2.
    fn stretches() -> Vec<Stretch> {
        (0..6).map(|n| Stretch { start: 40 * n, end: 40 * (n + 1), class: n as u32 % 3 }).collect()
    }

    fn judged(value: impl Fn(usize) -> f32) -> Option<NoChannel> {
        let values: Vec<f32> = (0..240).flat_map(|row| [0.5, value(row)]).collect();
        judge(&values, 2, 1, &stretches(), |_| 0)
    }

    #[test]
    fn what_is_no_sensor_is_found() {
        let wave = |row: usize| ((row * row * 7919) % 1000) as f32;
        assert_eq!(judged(wave), None);
        assert_eq!(judged(|row| row as f32), Some(NoChannel::Monotone), "a row index");
        assert_eq!(judged(|row| (row % 40) as f32 / 20.0), Some(NoChannel::Monotone), "seconds of each recording");
        assert_eq!(judged(|row| -(row as f32)), Some(NoChannel::Monotone), "a countdown");
        assert_eq!(judged(|row| ((row / 40) % 3) as f32), Some(NoChannel::TellsClass), "a label");
        assert_eq!(judged(|row| (((row + 1) / 40) % 3) as f32), Some(NoChannel::TellsClass), "a late label");
        assert_eq!(judged(|row| (row / 120) as f32), Some(NoChannel::Describes), "a session");
        assert_eq!(judged(|row| f32::from(u8::from((row / 40) % 3 == 1))), Some(NoChannel::Describes), "one-hot");
        let late = |row: usize| f32::from(u8::from(((row + 1) / 40) % 3 == 1));
        assert_eq!(judged(late), Some(NoChannel::Describes), "one-hot, a row late");
        assert_eq!(judged(|row| ((row / 40) % 3 * 8 + row % 2) as f32), None, "postures of a coarse sensor");
        assert_eq!(judged(|_| f32::NAN), Some(NoChannel::Empty));
        assert_eq!(judged(|_| 1.0), None, "a constant channel is only useless");
        assert_eq!(judged(|row| if row % 5 == 0 { wave(row) } else { f32::NAN }), None, "a slow sensor");
        assert_eq!(judge(&[f32::NAN; 240], 1, 0, &stretches(), |_| 240), Some(NoChannel::Text));
    }
}
