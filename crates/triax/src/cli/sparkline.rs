//! The curves of a run, each as a line of text.

use std::io::{self, Write};

use triax_trainer::EpochRecord;

/// The most characters of a curve. With more epochs, a character shows the mean of neighbours.
const WIDTH: usize = 44;
/// Characters from the lowest value to the highest.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Writes the curves of loss and accuracy, with training and validation on the same scale, and an empty line. Writes nothing
/// for a single epoch.
pub fn curves(out: &mut dyn Write, history: &[EpochRecord]) -> io::Result<()> {
    if history.len() < 2 {
        return Ok(());
    }
    let values = |figure: fn(&EpochRecord) -> Option<f64>| history.iter().filter_map(figure).collect::<Vec<f64>>();
    let pairs = [
        [("loss", values(|epoch| Some(epoch.loss))), ("val_loss", values(|epoch| epoch.val_loss))],
        [("accuracy", values(|epoch| Some(epoch.accuracy))), ("val_accuracy", values(|epoch| epoch.val_accuracy))],
    ];
    for pair in &pairs {
        let both = pair.iter().flat_map(|(_, values)| values.iter().copied());
        let (low, high) = both.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        for (name, values) in pair.iter().filter(|(_, values)| values.len() > 1) {
            let (first, last) = (values[0], values[values.len() - 1]);
            writeln!(out, "{name:12}  {:>8}  {}  {}", figure(first), line(values, low, high), figure(last))?;
        }
    }
    writeln!(out)
}

/// A number in at most eight characters.
fn figure(value: f64) -> String {
    if value.abs() < 1000.0 { format!("{value:.4}") } else { format!("{value:.2e}") }
}

/// `values` on the scale from `low` to `high`, a character for each value or for the mean of neighbours.
fn line(values: &[f64], low: f64, high: f64) -> String {
    let n = values.len().min(WIDTH);
    let end = |idx: usize| idx * values.len() / n;
    let mean = |idx: usize| {
        let some = &values[end(idx)..end(idx + 1)];
        some.iter().sum::<f64>() / some.len() as f64
    };
    let level = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        LEVELS[((share * LEVELS.len() as f64) as usize).min(LEVELS.len() - 1)]
    };
    (0..n).map(|idx| level(mean(idx))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(n: usize) -> Vec<EpochRecord> {
        let epoch = |epoch: usize| EpochRecord {
            epoch,
            loss: 1234.5 / epoch as f64,
            accuracy: 1.0 - 0.5 / epoch as f64,
            val_loss: Some(2.0),
            val_accuracy: None,
            val_macro_f1: None,
            learning_rate: 0.001,
            seconds: 0.1,
        };
        (1..=n).map(epoch).collect()
    }

    fn written(n: usize) -> Vec<String> {
        let mut text = Vec::new();
        curves(&mut text, &epochs(n)).unwrap();
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn curves_of_any_length_keep_within_80_columns() {
        assert!(written(0).is_empty() && written(1).is_empty());
        for n in [2, 10, WIDTH - 1, WIDTH, WIDTH + 1, 1000] {
            let lines = written(n);
            assert_eq!(lines.len(), 4, "loss, its validation, accuracy, and a line without anything: {lines:?}");
            assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
        }
    }

    #[test]
    fn a_curve_rises_from_the_least_to_the_most() {
        assert_eq!(line(&[0.0, 0.5, 1.0], 0.0, 1.0), "▁▅█");
        assert_eq!(line(&[2.0, 2.0], 2.0, 2.0), "▅▅");
        let long = line(&(0..440).map(f64::from).collect::<Vec<_>>(), 0.0, 439.0);
        assert_eq!((long.chars().next(), long.chars().last(), long.chars().count()), (Some('▁'), Some('█'), WIDTH));
    }
}
