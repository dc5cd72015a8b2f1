//! Channels that are computed from the axes of a sensor, window by window.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Seconds of each of the two moving averages of the low-pass. Together they let half of the power of 0.32 Hz pass, and next to
/// nothing of 0.8 Hz and above: gravity, and not the movements of a body. (Anguita et al., 2013, take gravity below 0.3 Hz.)
pub const LOW_PASS_S: f64 = 1.0;

/// The largest number of samples of a moving average that is taken in earnest: no window has so many.
const MOST_LOW_PASS: usize = 1 << 24;
/// The largest number of groups of channels.
const MOST_GROUPS: usize = 1 << 16;

/// What is computed of each group of three channels, the axes (x, y, z) of a sensor.
///
/// The first four are vectors: they have three channels a group, and turn as the sensor is turned. The others have one, which
/// does not change when the sensor is turned or mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Derived {
    /// The axes as they are.
    Raw,
    /// Their low-pass: two centred moving averages after each other, shorter at the ends of the window. Of an accelerometer, this is
    /// gravity.
    Gravity,
    /// The axes without [`Derived::Gravity`]: linear acceleration.
    Linear,
    /// The difference to the sample before; the first sample repeats that of the second.
    Jerk,
    /// The length √(x² + y² + z²).
    Norm,
    /// The component along gravity (Mizell, 2003), which is positive where an accelerometer at rest points; 0 where gravity is 0.
    Vertical,
    /// The length of what is left without [`Derived::Vertical`].
    Horizontal,
}

impl Derived {
    /// All of them, in the order of their channels.
    pub const ALL: [Self; 7] =
        [Self::Raw, Self::Gravity, Self::Linear, Self::Jerk, Self::Norm, Self::Vertical, Self::Horizontal];

    /// Its name in settings and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Gravity => "gravity",
            Self::Linear => "linear",
            Self::Jerk => "jerk",
            Self::Norm => "norm",
            Self::Vertical => "vertical",
            Self::Horizontal => "horizontal",
        }
    }

    /// Whether it has three channels a group, which turn with the sensor.
    pub fn is_vector(self) -> bool {
        self <= Self::Jerk
    }

    /// Whether it needs the low-pass.
    pub fn needs_low_pass(self) -> bool {
        matches!(self, Self::Gravity | Self::Linear) || self.needs_down()
    }

    /// Whether it needs the direction of gravity.
    pub fn needs_down(self) -> bool {
        matches!(self, Self::Vertical | Self::Horizontal)
    }

    /// How many channels it has for each group.
    pub fn channels(self) -> usize {
        if self.is_vector() { 3 } else { 1 }
    }
}

impl FromStr for Derived {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{name}` is no channel that can be derived: {names}")
        })
    }
}

/// What is derived from the groups of three channels of a window, in which order.
///
/// The channels of the result: for each kind in the order of [`Derived::ALL`], those of each group. So vectors come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    kinds: Vec<Derived>,
    groups: usize,
    low_pass: usize,
    down: Vec<usize>,
}

impl Derivation {
    /// The derivation of `kinds` from `channels` channels.
    ///
    /// `rate_hz`, samples a second, gives the low-pass its length. `gravity` says for each group of three whether gravity is in it,
    /// and is asked only where its direction matters. That of a group without gravity, such as a gyroscope, is that of the last
    /// group before it that has some, or else of the first one after it: the sensors of a device follow each other, and each
    /// device begins with its accelerometer.
    ///
    /// # Errors
    /// A sentence with the remedy: nothing to derive, a kind twice, channels that are no groups of three, a rate that is needed and unknown,
    /// no gravity where its direction is needed.
    pub fn new(
        kinds: &[Derived],
        channels: usize,
        rate_hz: Option<f64>,
        gravity: impl FnOnce() -> Vec<bool>,
    ) -> Result<Self, String> {
        let mut kinds = kinds.to_vec();
        kinds.sort_unstable();
        if channels == 0 || !channels.is_multiple_of(3) {
            return Err(format!(
                "channels are derived from groups of three (the axes of a sensor), and there are {channels}: choose the axes \
                 with `channels`"
            ));
        }
        let groups = channels / 3;
        let low_pass = match (kinds.iter().find(|kind| kind.needs_low_pass()), rate_hz) {
            (None, _) => 0,
            (Some(_), Some(rate)) if rate.is_finite() && rate > 0.0 => {
                // Odd, so that it is centred on a sample.
                let half = (LOW_PASS_S * rate / 2.0).round().clamp(1.0, (MOST_LOW_PASS / 2 - 1) as f64);
                2 * half as usize + 1
            }
            (Some(kind), _) => {
                return Err(format!(
                    "`{}` needs a low-pass of {LOW_PASS_S} s, and the rate of the data is unknown",
                    kind.name()
                ));
            }
        };
        let down = match kinds.iter().find(|kind| kind.needs_down()) {
            None => Vec::new(),
            Some(kind) => {
                let has_gravity = gravity();
                let is_in = |group: &usize| has_gravity.get(*group) == Some(&true);
                let first = (0..groups).find(is_in).ok_or_else(|| {
                    format!(
                        "`{}` needs the direction of gravity, and gravity is in no three channels: leave vertical and \
                         horizontal out, or take recordings of an accelerometer",
                        kind.name()
                    )
                })?;
                (0..groups).map(|group| (0..=group).rev().find(is_in).unwrap_or(first)).collect()
            }
        };
        Self { kinds, groups, low_pass, down }.checked()
    }

    /// Itself, if its parts fit each other.
    fn checked(self) -> Result<Self, String> {
        let Self { kinds, groups, low_pass, down } = &self;
        if kinds.is_empty() {
            return Err("nothing is derived".to_owned());
        }
        if let Some(twice) = kinds.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(format!("`{}` is there twice, or not in its place", twice[1].name()));
        }
        if !(1..=MOST_GROUPS).contains(groups) {
            return Err(format!("{groups} groups of channels; there are 1 to {MOST_GROUPS}"));
        }
        let needs_low_pass = kinds.iter().any(|kind| kind.needs_low_pass());
        if (needs_low_pass != (*low_pass > 0)) || *low_pass > MOST_LOW_PASS || (*low_pass > 0 && low_pass % 2 == 0) {
            return Err(format!("a low-pass of {low_pass} samples does not suit it"));
        }
        let needs_down = kinds.iter().any(|kind| kind.needs_down());
        let n_down = if needs_down { *groups } else { 0 };
        if down.len() != n_down || down.iter().any(|group| group >= groups) {
            return Err("the groups that gravity is taken from do not suit it".to_owned());
        }
        Ok(self)
    }

    /// What is derived, in the order of [`Derived::ALL`].
    pub fn kinds(&self) -> &[Derived] {
        &self.kinds
    }

    /// The number of groups of three channels.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Samples of each of the two moving averages of the low-pass, an odd number; 0 where nothing needs it.
    pub fn low_pass(&self) -> usize {
        self.low_pass
    }

    /// For each group, the group whose gravity tells where down is; empty where nothing needs it.
    pub fn down(&self) -> &[usize] {
        &self.down
    }

    /// The number of channels that it reads.
    pub fn channels_in(&self) -> usize {
        3 * self.groups
    }

    /// The number of channels that it gives.
    pub fn channels_out(&self) -> usize {
        self.groups * self.kinds.iter().map(|kind| kind.channels()).sum::<usize>()
    }

    /// How many of the last channels are no axes of a vector.
    pub fn scalars(&self) -> usize {
        self.groups * self.kinds.iter().filter(|kind| !kind.is_vector()).count()
    }

    /// Names of its channels, from those that it reads: `jerk x`, `norm x y z`.
    pub fn names(&self, channels: &[String]) -> Vec<String> {
        let of_kind = |kind: &Derived| -> Vec<String> {
            match kind {
                Derived::Raw => channels.to_vec(),
                kind if kind.is_vector() => channels.iter().map(|name| format!("{} {name}", kind.name())).collect(),
                kind => channels.chunks_exact(3).map(|axes| format!("{} {}", kind.name(), axes.join(" "))).collect(),
            }
        };
        self.kinds.iter().flat_map(of_kind).collect()
    }

    /// Writes the channels of a window to `out` (window, channels out). Vectors are derived from `axes`, scalars from `raw`, which
    /// are the same window (window, channels in) turned or not.
    pub(crate) fn apply(&self, raw: &[f32], axes: &[f32], out: &mut [f32]) {
        let (n_in, n_out) = (self.channels_in(), self.channels_out());
        let samples = raw.len() / n_in;
        let needs_slow_axes = self.kinds.iter().any(|kind| matches!(kind, Derived::Gravity | Derived::Linear));
        let slow_axes = if needs_slow_axes { slow(axes, n_in, self.low_pass) } else { Vec::new() };
        let slow_raw = if self.down.is_empty() { Vec::new() } else { slow(raw, n_in, self.low_pass) };
        for (t, out) in out.chunks_exact_mut(n_out).enumerate() {
            let row = t * n_in..(t + 1) * n_in;
            let mut rest = &mut out[..];
            for kind in &self.kinds {
                let (place, after) = rest.split_at_mut(self.groups * kind.channels());
                rest = after;
                match kind {
                    Derived::Raw => place.copy_from_slice(&axes[row.clone()]),
                    Derived::Gravity => fill(place, row.clone(), |i| slow_axes[i]),
                    Derived::Linear => fill(place, row.clone(), |i| f64::from(axes[i]) - slow_axes[i]),
                    Derived::Jerk => {
                        // The first sample repeats the second; a window of one sample does not move.
                        let later = row.start.max(n_in.min(raw.len() - n_in));
                        let earlier = later.saturating_sub(n_in);
                        let difference = |i: usize| f64::from(axes[later + i]) - f64::from(axes[earlier + i]);
                        fill(place, 0..n_in, difference);
                    }
                    Derived::Norm => fill(place, 0..self.groups, |group| length(vector(raw, t * n_in + 3 * group))),
                    Derived::Vertical | Derived::Horizontal => {
                        let along = |group: usize| {
                            let v = vector(raw, t * n_in + 3 * group);
                            let start = t * n_in + 3 * self.down[group];
                            split_at_gravity(v, [0, 1, 2].map(|axis| slow_raw[start + axis]))
                        };
                        let is_vertical = *kind == Derived::Vertical;
                        fill(place, 0..self.groups, |group| if is_vertical { along(group).0 } else { along(group).1 });
                    }
                }
            }
        }
        debug_assert!(samples * n_out == out.len(), "whole windows");
    }
}

/// `derive:raw,norm:groups=2`, with `:low_pass=21` and `:down=0,0` where they are needed.
impl fmt::Display for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        write!(f, "derive:{}:groups={}", names.join(","), self.groups)?;
        if self.low_pass > 0 {
            write!(f, ":low_pass={}", self.low_pass)?;
        }
        if !self.down.is_empty() {
            let down: Vec<String> = self.down.iter().map(ToString::to_string).collect();
            write!(f, ":down={}", down.join(","))?;
        }
        Ok(())
    }
}

impl FromStr for Derivation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no derivation of channels that this Triax knows");
        let mut fields = text.split(':');
        if fields.next() != Some("derive") {
            return Err(wrong());
        }
        let kinds = fields.next().ok_or_else(wrong)?.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let mut derivation = Self { kinds, groups: 0, low_pass: 0, down: Vec::new() };
        for field in fields {
            let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
            match field.split_once('=').ok_or_else(wrong)? {
                ("groups", n) => derivation.groups = number(n)?,
                ("low_pass", n) => derivation.low_pass = number(n)?,
                ("down", list) => derivation.down = list.split(',').map(number).collect::<Result<_, _>>()?,
                _ => return Err(wrong()),
            }
        }
        derivation.checked().map_err(|problem| format!("`{text}`: {problem}"))
    }
}

fn fill(place: &mut [f32], indices: Range<usize>, value: impl Fn(usize) -> f64) {
    place.iter_mut().zip(indices).for_each(|(place, i)| *place = value(i) as f32);
}

fn vector(values: &[f32], start: usize) -> [f64; 3] {
    [0, 1, 2].map(|axis| f64::from(values[start + axis]))
}

fn length(v: [f64; 3]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The component of `v` along `gravity`, and the length of the rest.
fn split_at_gravity(v: [f64; 3], gravity: [f64; 3]) -> (f64, f64) {
    let size = length(gravity);
    let unit = gravity.map(|g| if size > 0.0 { g / size } else { 0.0 });
    let along = v.iter().zip(unit).map(|(v, unit)| v * unit).sum::<f64>();
    (along, length([0, 1, 2].map(|axis| v[axis] - along * unit[axis])))
}

/// The low-pass of each channel of `x` (window, channels). Means are of differences from the first sample, so that a constant channel
/// stays what it is.
fn slow(x: &[f32], channels: usize, size: usize) -> Vec<f64> {
    let mut slow = vec![0.0; x.len()];
    for c in 0..channels {
        let first = f64::from(x[c]);
        let column: Vec<f64> = x.iter().skip(c).step_by(channels).map(|&value| f64::from(value) - first).collect();
        let twice = moving_average(&moving_average(&column, size), size);
        slow.iter_mut().skip(c).step_by(channels).zip(twice).for_each(|(slow, mean)| *slow = first + mean);
    }
    slow
}

/// The mean over up to `size / 2` samples to each side, as far as there are some.
fn moving_average(x: &[f64], size: usize) -> Vec<f64> {
    let (n, half) = (x.len(), size / 2);
    let mut sums = Vec::with_capacity(n + 1);
    sums.push(0.0);
    sums.extend(x.iter().scan(0.0, |sum, value| {
        *sum += value;
        Some(*sum)
    }));
    (0..n)
        .map(|t| {
            let (start, end) = (t.saturating_sub(half), (t + half + 1).min(n));
            (sums[end] - sums[start]) / (end - start) as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sensors, an accelerometer and a gyroscope, of 12 samples.
    fn window() -> Vec<f32> {
        let row = |t: i32| {
            let swing = (f64::from(t) * 1.3).sin() as f32;
            [3.0 + swing, -4.0 + 0.5 * swing, 8.0 - swing * swing, 0.1 * t as f32, swing, -0.5]
        };
        (0..12).flat_map(row).collect()
    }

    fn derived(kinds: &[Derived], window: &[f32]) -> (Derivation, Vec<f32>) {
        let derivation = Derivation::new(kinds, 6, Some(5.0), || vec![true, false]).unwrap();
        let mut out = vec![0.0; window.len() / 6 * derivation.channels_out()];
        derivation.apply(window, window, &mut out);
        (derivation, out)
    }

    #[test]
    fn channels_are_those_that_numpy_computes() {
        // numpy 2.4.6, with t = np.arange(12); s = np.sin(1.3 * t).astype('f4'); x = np.stack([3 + s, -4 + .5 * s, 8 - s * s,
        // np.float32(.1) * t.astype('f4'), s, -.5 + 0 * s], 1).astype('f8');
        // ma = lambda x, h: np.stack([x[max(0, i - h):i + h + 1].mean(0) for i in range(12)]); g = ma(ma(x, 3), 3)
        let kinds = [Derived::Gravity, Derived::Linear, Derived::Norm, Derived::Vertical, Derived::Horizontal];
        let (derivation, found) = derived(&kinds, &window());
        assert_eq!((derivation.low_pass(), derivation.channels_out()), (7, 18));
        // d = g[:, :3] / np.linalg.norm(g[:, :3], axis=1, keepdims=True); v = x.reshape(12, 2, 3); vertical = (v * d[:, None]).sum(2)
        let rows = [
            (
                0,
                [
                    3.090_025, -3.954_988, 7.544_818, 0.225, 0.090_025, -0.5, -0.090_025, -0.045_012, 0.455_182,
                    -0.225, -0.090_025, 0.0, 9.433_981, 0.5, 9.429_637, -0.416_302, 0.286_262, 0.276_934,
                ],
            ),
            (
                5,
                [
                    3.031_756, -3.984_122, 7.511_48, 0.507_143, 0.031_756, -0.5, 0.183_364, 0.091_682, 0.442_243,
                    -0.007_143, 0.183_364, 0.0, 9.420_711, 0.739_105, 9.416_135, -0.343_073, 0.293_593, 0.654_658,
                ],
            ),
        ];
        for (t, expected) in rows {
            let found = &found[t * 18..][..18];
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b as f32).abs() < 3e-6), "{t}: {found:?}");
        }
    }

    #[test]
    fn vectors_come_first_and_have_names() {
        let (derivation, out) = derived(&[Derived::Norm, Derived::Jerk, Derived::Raw], &window());
        let names = ["ax", "ay", "az", "gx", "gy", "gz"].map(str::to_owned);
        let expected = [
            "ax",
            "ay",
            "az",
            "gx",
            "gy",
            "gz",
            "jerk ax",
            "jerk ay",
            "jerk az",
            "jerk gx",
            "jerk gy",
            "jerk gz",
            "norm ax ay az",
            "norm gx gy gz",
        ];
        assert_eq!(derivation.names(&names), expected);
        assert_eq!((derivation.channels_out(), derivation.scalars()), (14, 2));
        assert_eq!(out[14..20], window()[6..12], "the raw values of the second sample");
        assert_eq!(out[6..12], out[20..26], "the first sample repeats the difference of the second");
        assert_eq!(out[20], window()[6] - window()[0]);
    }

    #[test]
    fn scalars_do_not_change_when_all_sensors_are_turned_or_mirrored() {
        let kinds = [Derived::Norm, Derived::Vertical, Derived::Horizontal];
        let before = derived(&kinds, &window()).1;
        let mut turned = window();
        for v in turned.chunks_exact_mut(3) {
            // (0.6, 0.8) about the third axis, then x and z change places.
            (v[0], v[1], v[2]) = (v[2], 0.8 * v[0] + 0.6 * v[1], 0.6 * v[0] - 0.8 * v[1]);
        }
        let after = derived(&kinds, &turned).1;
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 2e-6), "{before:?}\n{after:?}");
    }

    #[test]
    fn a_constant_channel_has_no_linear_part() {
        let still: Vec<f32> = [0.1, -7.3, 9.81, 0.0, 0.3, 1e-3].repeat(12);
        let out = derived(&[Derived::Linear, Derived::Jerk], &still).1;
        assert!(out.iter().all(|value| *value == 0.0), "{out:?}");
    }

    #[test]
    fn gravity_is_that_of_the_group_before_that_has_some() {
        let down = |has: &[bool]| {
            let has = has.to_vec();
            let kinds = [Derived::Vertical];
            Derivation::new(&kinds, 3 * has.len(), Some(20.0), || has).map(|derivation| derivation.down().to_vec())
        };
        assert_eq!(down(&[true, false, true, false]).unwrap(), [0, 0, 2, 2]);
        assert_eq!(down(&[false, false, true]).unwrap(), [2, 2, 2]);
        assert!(down(&[false, false]).unwrap_err().contains("no three channels"));
    }

    #[test]
    fn what_cannot_be_derived_is_refused() {
        let new = |kinds: &[Derived], channels, rate| Derivation::new(kinds, channels, rate, || vec![true]);
        assert!(new(&[Derived::Norm], 4, None).unwrap_err().contains("there are 4"));
        assert!(new(&[Derived::Norm, Derived::Norm], 3, None).unwrap_err().contains("twice"));
        assert!(new(&[], 3, None).is_err());
        assert!(new(&[Derived::Linear], 3, None).unwrap_err().contains("rate"));
        assert_eq!(new(&[Derived::Linear], 3, Some(20.0)).unwrap().low_pass(), 21);
        assert_eq!(new(&[Derived::Linear], 3, Some(0.1)).unwrap().low_pass(), 3);
        assert!("norms".parse::<Derived>().unwrap_err().contains("horizontal"));
    }

    #[test]
    fn texts_come_back_and_others_are_refused() {
        for text in [
            "derive:raw:groups=2",
            "derive:raw,jerk,norm:groups=3",
            "derive:gravity:groups=1:low_pass=21",
            "derive:raw,vertical,horizontal:groups=2:low_pass=5:down=0,0",
        ] {
            assert_eq!(text.parse::<Derivation>().unwrap().to_string(), text);
        }
        for text in [
            "derive:norm",
            "derive:norm,raw:groups=1",
            "derive:norm:groups=0",
            "derive:norm:groups=99999999",
            "derive:norm:groups=1:low_pass=3",
            "derive:linear:groups=1",
            "derive:linear:groups=1:low_pass=4",
            "derive:vertical:groups=1:low_pass=3",
            "derive:vertical:groups=1:low_pass=3:down=1",
            "derive:norm:groups=1:fast",
            "derive::groups=1",
            "norm",
        ] {
            assert!(text.parse::<Derivation>().is_err(), "{text}");
        }
    }
}
