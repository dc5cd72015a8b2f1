//! Gravity as an accelerometer measures it, and the unit that its size tells.

use crate::Corpus;

/// Rows over which the mean of an accelerometer is gravity: movements cancel out, and the sensor is held in one way.
const MOST_ROWS: usize = 128;

/// The mean is gravity where its length is within this share of the median in at least half of the stretches.
const STEADY: f64 = 0.1;

/// Share by which sensors, and the ways in which they are worn, differ.
const SAME_UNIT: f64 = 0.1;

/// Gravity on earth in each unit of acceleration.
const UNITS: [(&str, f64); 3] = [("m/s²", 9.806_65), ("g", 1.0), ("mg", 1000.0)];

/// The unit in which gravity is `gravity`, and how much it is exactly; `None` where it is that of no unit.
pub fn unit_of_gravity(gravity: f64) -> Option<(&'static str, f64)> {
    UNITS.into_iter().find(|(_, exact)| (gravity / exact - 1.0).abs() <= SAME_UNIT)
}

impl Corpus {
    /// Gravity in each group of three channels: the median length of the mean vector over stretches of `window` rows, and of
    /// 128 at most. `None` where this length is not steady, as in a gyroscope or where gravity was taken out.
    pub fn gravity(&self, window: usize) -> Vec<Option<f64>> {
        let recordings = self.recordings.iter().map(|recording| recording.values.as_slice());
        gravity(recordings, self.channels.len(), window)
    }
}

/// As [`Corpus::gravity`], for `windows` (n_windows, window, channels) that were cut from recordings.
pub fn gravity_of_windows(windows: &[f32], window: usize, channels: usize) -> Vec<Option<f64>> {
    gravity(windows.chunks_exact((window * channels).max(1)), channels, window)
}

/// Gravity in each group of three channels of `recordings`, each (row, channel).
fn gravity<'a>(
    recordings: impl Iterator<Item = &'a [f32]> + Clone,
    n_channels: usize,
    window: usize,
) -> Vec<Option<f64>> {
    let n_rows = window.clamp(1, MOST_ROWS);
    let stretches = || recordings.clone().flat_map(|values| values.chunks_exact(n_rows * n_channels.max(1)));
    let length = |stretch: &[f32], first: usize| {
        let mean = |channel: usize| {
            stretch.iter().skip(channel).step_by(n_channels).map(|&value| f64::from(value)).sum::<f64>() / n_rows as f64
        };
        (first..first + 3).map(|channel| mean(channel).powi(2)).sum::<f64>().sqrt()
    };
    let triples = (0..n_channels / 3).map(|triple| 3 * triple);
    triples.map(|first| steady(stretches().map(|stretch| length(stretch, first)).collect())).collect()
}

/// The median of `lengths`, if at least half of them are near it.
fn steady(mut lengths: Vec<f64>) -> Option<f64> {
    let middle = lengths.len().checked_sub(1)? / 2;
    let median = *lengths.select_nth_unstable_by(middle, f64::total_cmp).1;
    let near = lengths.iter().filter(|length| (**length / median - 1.0).abs() <= STEADY).count();
    (median > 0.0 && median.is_finite() && 2 * near >= lengths.len()).then_some(median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_corpora::corpus_of;

    /// Twelve recordings, each with an accelerometer held in its own way, a gyroscope, and acceleration without gravity.
    fn corpus(unit: f64) -> Corpus {
        let mut corpus = corpus_of(&[("a", 0, 200); 12], 10);
        for (held, recording) in corpus.recordings.iter_mut().enumerate() {
            let (up, around) = (held as f64 / 3.0 - 2.0, held as f64);
            let row = |row: usize| {
                let swing = (row as f64 * std::f64::consts::TAU / 10.0).sin();
                let down = [up.cos() * around.cos(), up.cos() * around.sin(), up.sin()];
                let accelerometer = down.map(|axis| unit * (axis + 0.6 * swing));
                let gyroscope = [0.3 * (held % 5) as f64 + swing, 0.1 * held as f64, 2.0 * swing];
                let linear = [unit * swing, -unit * swing, 0.02 * around];
                accelerometer.into_iter().chain(gyroscope).chain(linear).chain([70.0]).map(|value| value as f32)
            };
            recording.values = (0..200).flat_map(row).collect();
        }
        corpus
    }

    #[test]
    fn gravity_is_found_however_the_sensor_is_held() {
        for (name, unit) in UNITS {
            let found = corpus(unit).gravity(100);
            assert_eq!(found.len(), 3);
            let gravity = found[0].unwrap();
            assert!((gravity / unit - 1.0).abs() < 0.03, "{gravity} {name}");
            assert_eq!(unit_of_gravity(gravity), Some((name, unit)));
            assert_eq!(found[1..], [None, None], "a gyroscope, and acceleration without gravity");
        }
    }

    #[test]
    fn what_is_too_short_or_still_has_no_gravity() {
        assert_eq!(corpus(1.0).gravity(500).len(), 3);
        let mut short = corpus_of(&[("a", 0, 20)], 3);
        assert_eq!(short.gravity(40), [None]);
        short.recordings[0].values.fill(0.0);
        assert_eq!(short.gravity(10), [None]);
        assert_eq!(corpus_of(&[("a", 0, 20)], 2).gravity(10), []);
        assert_eq!([0.0, 2.0, 5.0, 64.0, f64::NAN].map(unit_of_gravity), [None; 5]);
    }
}
