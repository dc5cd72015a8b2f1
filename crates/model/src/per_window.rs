//! Normalisation of each window by itself. It removes the strength of a movement, or the orientation of
//! the sensor.

use std::fmt;
use std::str::FromStr;

/// A normalisation that depends on the window alone: a part of its [`Preparation`](crate::Preparation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerWindow {
    /// Each channel gets mean 0 and deviation 1; a constant channel becomes 0.
    Standardise,
    /// Each group of three channels is rotated so that its mean points along the third axis. The mean of an accelerometer is
    /// gravity. The rotation is the shortest one; it is smooth in the mean except where the mean points the opposite way,
    /// where it is half a turn about the first axis. A group whose mean is 0 has no direction and stays as it is.
    AlignGravity,
}

impl PerWindow {
    /// Normalises `values` (n_windows, window, channels).
    ///
    /// # Errors
    /// A sentence, where gravity is to be aligned in channels that are not a whole number of groups of three.
    pub fn apply(self, values: &mut [f32], window: usize, channels: usize) -> Result<(), String> {
        self.check(channels)?;
        let normalise = match self {
            Self::Standardise => standardise,
            Self::AlignGravity => align,
        };
        values.chunks_exact_mut(window * channels).for_each(|x| normalise(x, channels));
        Ok(())
    }

    /// Checks that windows have a number of channels that it takes.
    pub(crate) fn check(self, channels: usize) -> Result<(), String> {
        if self == Self::AlignGravity && !channels.is_multiple_of(3) {
            return Err(format!(
                "gravity is aligned in groups of three channels (the axes of a sensor), and there are {channels}"
            ));
        }
        Ok(())
    }
}

impl fmt::Display for PerWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standardise => "window",
            Self::AlignGravity => "gravity",
        })
    }
}

impl FromStr for PerWindow {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "window" => Ok(Self::Standardise),
            "gravity" => Ok(Self::AlignGravity),
            _ => Err(format!("`{name}` is no way to normalise a window that this Triax knows: window, gravity")),
        }
    }
}

/// Mean of channel `c`.
fn mean(x: &[f32], channels: usize, c: usize) -> f64 {
    let n = x.len() / channels;
    x.iter().skip(c).step_by(channels).map(|&value| f64::from(value)).sum::<f64>() / n as f64
}

fn standardise(x: &mut [f32], channels: usize) {
    let n = (x.len() / channels) as f64;
    for c in 0..channels {
        let mean = mean(x, channels, c);
        let squares = x.iter().skip(c).step_by(channels).map(|&value| (f64::from(value) - mean).powi(2));
        let deviation = (squares.sum::<f64>() / n).sqrt();
        // The rounding errors of a constant channel in f32 are no signal.
        let is_constant = deviation <= mean.abs() * f64::from(f32::EPSILON);
        let scale = if is_constant { 0.0 } else { deviation.recip() };
        for value in x.iter_mut().skip(c).step_by(channels) {
            *value = ((f64::from(*value) - mean) * scale) as f32;
        }
    }
}

fn align(x: &mut [f32], channels: usize) {
    for first in (0..channels).step_by(3) {
        let down = [0, 1, 2].map(|axis| mean(x, channels, first + axis));
        let length = down.iter().map(|v| v * v).sum::<f64>().sqrt();
        if length == 0.0 {
            continue;
        }
        let turn = to_third_axis(down.map(|v| v / length));
        for row in x.chunks_exact_mut(channels) {
            let v = [0, 1, 2].map(|axis| f64::from(row[first + axis]));
            for (axis, turn) in turn.iter().enumerate() {
                row[first + axis] = turn.iter().zip(v).map(|(r, v)| r * v).sum::<f64>() as f32;
            }
        }
    }
}

/// The shortest rotation of unit vector (a, b, c) to (0, 0, 1): `R = I + K + K²/(1 + c)`, where `K` is the cross product with
/// their common normal (b, −a, 0).
fn to_third_axis([a, b, c]: [f64; 3]) -> [[f64; 3]; 3] {
    if c < -1.0 + 1e-12 {
        return [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]];
    }
    let h = (1.0 + c).recip();
    [[1.0 - a * a * h, -a * b * h, -a], [-a * b * h, 1.0 - b * b * h, -b], [a, b, c]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six channels: gravity in some direction with a movement, and a sensor whose mean is 0.
    fn window(down: [f32; 3]) -> Vec<f32> {
        let row = |t: usize| {
            let sway = [0.7, -0.3, 0.2].map(|s: f32| s * (t as f32 * 0.9).sin());
            let spin = if t.is_multiple_of(2) { 0.5 } else { -0.5 };
            [down[0] + sway[0], down[1] + sway[1], down[2] + sway[2], spin, -spin, 2.0 * spin]
        };
        (0..40).flat_map(row).collect()
    }

    #[test]
    fn gravity_points_along_the_third_axis_and_lengths_stay() {
        for down in [[0.0, 9.8, 0.0], [-9.8, 0.0, 0.0], [3.0, -4.0, 5.0], [0.0, 0.0, 9.8], [0.1, 0.2, -9.8]] {
            let before = window(down);
            let mut after = before.clone();
            PerWindow::AlignGravity.apply(&mut after, 40, 6).unwrap();
            let means = [0, 1, 2].map(|c| mean(&after, 6, c));
            let length = [0, 1, 2].map(|c| mean(&before, 6, c).powi(2)).iter().sum::<f64>().sqrt();
            assert!(means[0].abs() < 1e-5 && means[1].abs() < 1e-5 && (means[2] - length).abs() < 1e-5, "{means:?}");
            for (before, after) in before.chunks_exact(6).zip(after.chunks_exact(6)) {
                let square = |v: &[f32]| v[..3].iter().map(|v| v * v).sum::<f32>();
                assert!((square(before) - square(after)).abs() < 1e-4 * square(before));
                assert_eq!(before[3..], after[3..], "a mean of 0 has no direction");
            }
        }
    }

    #[test]
    fn the_turn_is_a_rotation_and_smooth() {
        let mut last: Option<[[f64; 3]; 3]> = None;
        for n in 0..=1_000 {
            let (height, around) = (1.0 - 1.9 * f64::from(n) / 1_000.0, f64::from(n) / 50.0);
            let level = (1.0 - height * height).sqrt();
            let turn = to_third_axis([level * around.cos(), level * around.sin(), height]);
            for i in 0..3 {
                for j in 0..3 {
                    let dot: f64 = (0..3).map(|k| turn[i][k] * turn[j][k]).sum();
                    assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12);
                }
            }
            if let Some(last) = last {
                let step = turn.as_flattened().iter().zip(last.as_flattened()).map(|(a, b)| (a - b).abs());
                assert!(step.fold(0.0, f64::max) < 0.15, "a jump at {n}");
            }
            last = Some(turn);
        }
    }

    #[test]
    fn upside_down_is_turned_over() {
        let mut values = vec![0.0, 0.0, -9.0, 0.0, 2.0, -11.0, 0.0, -2.0, -10.0];
        PerWindow::AlignGravity.apply(&mut values, 3, 3).unwrap();
        assert_eq!(values, [0.0, 0.0, 9.0, 0.0, -2.0, 11.0, 0.0, 2.0, 10.0]);
    }

    #[test]
    fn each_channel_of_each_window_has_mean_0_and_deviation_1() {
        // numpy 2.4.6: x = np.array([1., 2., 4., 9.]); (x - x.mean()) / x.std() -> [-0.97332853, -0.64888569, 0., 1.62221421]
        let mut values = vec![1.0, 0.1, 2.0, 0.1, 4.0, 0.1, 9.0, 0.1];
        values.extend(values.clone().iter().map(|value| 100.0 + 7.0 * value));
        PerWindow::Standardise.apply(&mut values, 4, 2).unwrap();
        for window in values.chunks_exact(8) {
            for (row, truth) in window.chunks_exact(2).zip([-0.973_328_5, -0.648_885_7, 0.0, 1.622_214_2_f32]) {
                assert!((row[0] - truth).abs() < 2e-5, "{window:?}");
                assert_eq!(row[1], 0.0, "a constant channel");
            }
        }
    }

    #[test]
    fn channels_that_are_no_triples_have_no_gravity() {
        assert!(PerWindow::AlignGravity.apply(&mut [0.0; 8], 4, 2).unwrap_err().contains("there are 2"));
    }

    #[test]
    fn names_come_back() {
        for way in [PerWindow::Standardise, PerWindow::AlignGravity] {
            assert_eq!(way.to_string().parse(), Ok(way));
        }
        assert!("standard".parse::<PerWindow>().is_err());
    }
}
