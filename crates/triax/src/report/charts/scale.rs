//! A linear axis with round numbers.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// A linear axis.
pub struct Scale {
    ends: Range<f64>,
    ticks: Vec<f64>,
    unit: &'static str,
}

impl Scale {
    /// The axis from `low` to `high`, which is larger, with about `about` numbers at distances of 1, 2 or 5 times a power of
    /// ten.
    pub fn new(low: f64, high: f64, about: f64) -> Self {
        let raw = (high - low) / about;
        let decade = 10_f64.powf(raw.log10().floor());
        let apart = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * decade).into_iter().find(|&apart| apart >= raw * 0.999);
        let apart = apart.unwrap_or(decade);
        let first = (low / apart - 1e-9).ceil() as i64;
        let last = (high / apart + 1e-9).floor() as i64;
        let ticks = (first..=last).map(|tick| tick as f64 * apart).collect();
        Self { ends: low..high, ticks, unit: "" }
    }

    /// The axis of integers: the numbers are at least 1 apart.
    pub fn whole_numbers(low: f64, high: f64, about: f64) -> Self {
        Self::new(low, high, about.min(high - low))
    }

    /// The same axis with `unit` after its last number.
    pub fn with_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// The numbers on the axis.
    pub fn ticks(&self) -> &[f64] {
        &self.ticks
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.ends.start) / (self.ends.end - self.ends.start);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.ends.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    /// The number with as many decimals as its neighbours need to differ.
    fn format_ext(&self, value: &f64) -> String {
        let apart = self.ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        let decimals = if apart.is_finite() { (-apart.log10() - 1e-9).ceil().clamp(0.0, 6.0) as usize } else { 0 };
        // No minus before 0, and the typographic minus elsewhere.
        let number = if value.abs() < 1e-12 { 0.0 } else { *value };
        let text = format!("{number:.decimals$}").replace('-', "−");
        let is_last = self.ticks.last() == Some(value);
        if is_last && !self.unit.is_empty() { format!("{text} {}", self.unit) } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<String> {
        scale.ticks().iter().map(|tick| scale.format_ext(tick)).collect()
    }

    #[test]
    fn numbers_are_round_and_within_and_have_the_decimals_they_need() {
        assert_eq!(labels(&Scale::new(0.0, 1.0, 5.0)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Scale::new(0.0, 0.11, 4.0)), ["0.00", "0.05", "0.10"]);
        assert_eq!(labels(&Scale::new(-13.0, 22.0, 4.0)), ["−10", "0", "10", "20"]);
        assert_eq!(labels(&Scale::new(0.0, 6.1, 4.0).with_unit("s")), ["0", "2", "4", "6 s"]);
        assert_eq!(labels(&Scale::whole_numbers(1.0, 2.0, 8.0)), ["1", "2"]);
    }

    #[test]
    fn ends_of_any_size_have_few_numbers() {
        for (low, high) in [(0.0, 1e-9), (-3.4e38, 3.4e38), (1.0, 500.0), (99.99, 100.01)] {
            let n_ticks = Scale::new(low, high, 5.0).ticks().len();
            assert!((1..=12).contains(&n_ticks), "{n_ticks} from {low} to {high}");
        }
    }
}
