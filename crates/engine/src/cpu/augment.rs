//! Reads the windows of a tile as [`super::gather`] does, and varies each as [`Augmentation`] says.
//!
//! The arithmetic is in f32 at any float, so that every engine trains on the same values. Sine, cosine and logarithm are
//! series of sums and products, the same as in `kernels/part/augment.wgsl`: those of a GPU may be wrong in the fourth digit.

use std::array;
use std::f32::consts::{LN_2, PI, SQRT_2, TAU};
use std::ops::Range;

use crate::{Augmentation, TrainingPlan};
use triax_model::Scaler;
use triax_model::random::{augment_address, philox4x32, philox4x32_lanes, unit_f32, word_below};

use super::Float;
use super::gather::standardise;
use super::row::{Row, TILE};

/// Independent draws: the layers of [`augment_address`].
const TIME_AND_FACTOR: u32 = 0;
const AXES: u32 = 1;
const NOISE: u32 = 2;
const MIX: u32 = 3;

/// How the windows of one training step of one model are varied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Augment {
    strengths: Augmentation,
    seed: u64,
    /// Steps taken since the start of training.
    step: u64,
    /// Windows in the batch.
    batch: usize,
}

/// The window that another is mixed with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partner {
    /// Window of the batch.
    pub window: usize,
    /// Its share in the mix; the rest is the window's own.
    pub share: f32,
}

/// The draws for one window.
struct Variation {
    shift: f32,
    /// Amplitude of the time warp, in samples, and its phase, in turns.
    sway: f32,
    phase: f32,
    /// Sine at the middle of the window, which the warp does not move.
    middle: f32,
    factor: f32,
    /// The order of the axes, and the matrix that is applied after it: `y[i] = Σ turn[i][j] · x[order[j]]`.
    order: [usize; 3],
    turn: [[f32; 3]; 3],
}

impl Augment {
    /// The augmentation of a step of `plan` on a batch of `batch` windows; none if the plan does not augment.
    pub fn for_step(plan: &TrainingPlan, step: u64, batch: usize) -> Option<Self> {
        let strengths = plan.augmentation;
        (!strengths.is_none()).then_some(Self { strengths, seed: plan.seed, step, batch })
    }

    /// Whether windows are mixed with one another.
    pub fn mixes(&self) -> bool {
        self.strengths.mix > 0.0
    }

    /// The partner of window `window` of the batch: one of the others, each as likely; itself if there is no other.
    pub fn partner(&self, window: usize) -> Partner {
        let [distance, share, ..] = self.words(window, MIX);
        let distance = 1 + word_below(distance, self.batch as u32 - 1) as usize;
        Partner { window: (window + distance) % self.batch, share: self.strengths.mix * unit_f32(share) }
    }

    /// As [`super::gather::gather`], for up to [`TILE`] windows of the batch. `window` gives the values of each.
    pub fn gather<'a, F: Float>(
        &self,
        window: impl Fn(usize) -> &'a [f32],
        windows: Range<usize>,
        scaler: Option<&Scaler>,
        channels: usize,
        x: &mut [Row<F>],
    ) {
        let first = windows.start;
        x.fill(Row::ZERO);
        for (w, own) in windows.enumerate().take(TILE) {
            self.vary(own, window(own), channels, |i, value| x[i].0[w] = F::from_f32(value));
            if self.mixes() {
                let Partner { window: other, share } = self.partner(own);
                self.vary(other, window(other), channels, |i, value| {
                    let own = x[i].0[w].to_f32();
                    x[i].0[w] = F::from_f32(own + share * (value - own));
                });
            }
        }
        standardise(scaler, channels, x);
        if self.strengths.jitter > 0.0 {
            pulp::Arch::new().dispatch(|| self.add_noise(first, x));
        }
    }

    /// Four words for window `window` of the batch.
    fn words(&self, window: usize, layer: u32) -> [u32; 4] {
        let (key, [a, b, c]) = augment_address(self.seed, self.step, layer);
        philox4x32([window as u32, a, b, c], key)
    }

    /// The draws for window `window` of the batch, which has `samples` samples.
    fn draw(&self, window: usize, samples: usize) -> Variation {
        let Augmentation { shift, time_warp, permute_channels, flip_axes, .. } = self.strengths;
        let [moved, warped, phase, scaled] = self.words(window, TIME_AND_FACTOR);
        let [angle, height, azimuth, order] = self.words(window, AXES);
        let phase = unit_f32(phase);
        let order = if permute_channels { word_below(order, 6) as usize } else { 0 };
        let turn = self.strengths.largest_turn() * symmetric(angle);
        // The lowest bits, which the fractions made of these words do not use.
        let signs = [angle, height, azimuth].map(|word| if flip_axes && word & 1 == 1 { -1.0 } else { 1.0 });
        let turn = rotation(turn, symmetric(height), unit_f32(azimuth));
        Variation {
            shift: word_below(moved, 2 * shift + 1) as f32 - shift as f32,
            sway: time_warp * symmetric(warped) * samples as f32 / PI,
            phase,
            middle: sine_and_cosine(phase + 0.25)[0],
            factor: 1.0 + self.strengths.largest_scaling() * symmetric(scaled),
            order: [order / 2, (order / 2 + 1 + order % 2) % 3, (order / 2 + 2 - order % 2) % 3],
            turn: turn.map(|row| array::from_fn(|axis| row[axis] * signs[axis])),
        }
    }

    /// Calls `put` with the index and the value of each value of window `window` of the batch, before the mix, the
    /// scaler and the noise.
    #[inline(always)]
    fn vary(&self, window: usize, values: &[f32], channels: usize, mut put: impl FnMut(usize, f32)) {
        let samples = values.len() / channels;
        let variation = self.draw(window, samples);
        let (resamples, turns) = (self.strengths.resamples(), self.strengths.turns());
        for t in 0..samples {
            let at = if resamples { variation.time(t, samples) } else { t as f32 };
            let before = at as usize;
            let (share, after) = (at - before as f32, (before + 1).min(samples - 1));
            let read = |c: usize| {
                let (a, b) = (values[before * channels + c], values[after * channels + c]);
                a + share * (b - a)
            };
            let axes = if turns { channels - self.strengths.scalars } else { 0 };
            for triple in (0..axes).step_by(3) {
                let v = variation.order.map(|axis| read(triple + axis));
                for (i, row) in variation.turn.iter().enumerate() {
                    let turned = row[0] * v[0] + row[1] * v[1] + row[2] * v[2];
                    put(t * channels + triple + i, turned * variation.factor);
                }
            }
            (axes..channels).for_each(|c| put(t * channels + c, read(c) * variation.factor));
        }
    }

    /// Adds `jitter` · a standard normal number to each value: four at a time of all windows, by Box and Muller, each pair
    /// of words giving a pair of numbers.
    #[inline(always)]
    fn add_noise<F: Float>(&self, first: usize, x: &mut [Row<F>]) {
        let (key, address) = augment_address(self.seed, self.step, NOISE);
        let quads = x.len().div_ceil(4);
        for (quad, x) in x.chunks_mut(4).enumerate() {
            let block = array::from_fn(|w| ((first + w) * quads + quad) as u32);
            let [a, b, c] = address.map(|word| [word; TILE]);
            let words = philox4x32_lanes([block, a, b, c], key);
            let mut noise = [[0.0; TILE]; 4];
            for pair in 0..2 {
                for w in 0..TILE {
                    let radius = (-2.0 * logarithm(1.0 - unit_f32(words[2 * pair][w]))).sqrt();
                    let [sine, cosine] = sine_and_cosine(unit_f32(words[2 * pair + 1][w]));
                    noise[2 * pair][w] = self.strengths.jitter * radius * cosine;
                    noise[2 * pair + 1][w] = self.strengths.jitter * radius * sine;
                }
            }
            for (x, noise) in x.iter_mut().zip(noise) {
                x.0.iter_mut().zip(noise).for_each(|(x, noise)| *x = F::from_f32(x.to_f32() + noise));
            }
        }
    }
}

impl Variation {
    /// The time at which sample `t` of `samples` is read.
    #[inline(always)]
    fn time(&self, t: usize, samples: usize) -> f32 {
        let [sine, _] = sine_and_cosine(t as f32 * (0.5 / samples as f32) + self.phase);
        (t as f32 + self.shift + self.sway * (sine - self.middle)).clamp(0.0, (samples - 1) as f32)
    }
}

/// A word as a number in [-1, 1).
fn symmetric(word: u32) -> f32 {
    2.0 * unit_f32(word) - 1.0
}

/// Rotation by `turn` (in whole turns) about the axis of this height above the equator, in [-1, 1), and azimuth, in turns:
/// both uniform, every direction is as likely (Archimedes). `R = I + sin·K + (1 − cos)·K²` (Rodrigues).
fn rotation(turn: f32, height: f32, azimuth: f32) -> [[f32; 3]; 3] {
    let [sine, cosine] = sine_and_cosine(turn);
    let [north, east] = sine_and_cosine(azimuth);
    let level = (1.0 - height * height).max(0.0).sqrt();
    let [x, y, z] = [level * east, level * north, height];
    let (rest, [sx, sy, sz]) = (1.0 - cosine, [sine * x, sine * y, sine * z]);
    [
        [1.0 - rest * (y * y + z * z), rest * x * y - sz, rest * x * z + sy],
        [rest * x * y + sz, 1.0 - rest * (x * x + z * z), rest * y * z - sx],
        [rest * x * z - sy, rest * y * z + sx, 1.0 - rest * (x * x + y * y)],
    ]
}

/// Sine and cosine of an angle in whole turns, to 1e-7: their series, up to an eighth of a turn from the nearest quarter.
#[inline(always)]
fn sine_and_cosine(turns: f32) -> [f32; 2] {
    let quarter = (4.0 * turns + 0.5).floor();
    let angle = (turns - 0.25 * quarter) * TAU;
    let square = angle * angle;
    let odd = 1.0 / 120.0 + square * (-1.0 / 5040.0 + square * (1.0 / 362_880.0));
    let sine = angle + angle * square * (-1.0 / 6.0 + square * odd);
    let even = 1.0 / 24.0 + square * (-1.0 / 720.0 + square * (1.0 / 40_320.0));
    let cosine = 1.0 + square * (-0.5 + square * even);
    let quarter = quarter as i32;
    let [s, c] = if quarter & 1 == 0 { [sine, cosine] } else { [cosine, -sine] };
    if quarter & 2 == 0 { [s, c] } else { [-s, -c] }
}

/// Natural logarithm of a normal positive number, to some 1e-7: of the mantissa, between √½ and √2, by the series of
/// `2·artanh((m − 1)/(m + 1))`.
#[inline(always)]
fn logarithm(value: f32) -> f32 {
    let bits = value.to_bits();
    let (exponent, mantissa) = ((bits >> 23) as i32 - 127, f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000));
    let is_upper = mantissa > SQRT_2;
    let (exponent, mantissa) = if is_upper { (exponent + 1, 0.5 * mantissa) } else { (exponent, mantissa) };
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = 1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0 + square * (1.0 / 9.0)));
    exponent as f32 * LN_2 + 2.0 * s * (1.0 + square * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_cosine_and_logarithm_are_those_of_f64() {
        for n in -2_000..=2_000 {
            let turns = n as f32 / 997.0;
            let [sine, cosine] = sine_and_cosine(turns).map(f64::from);
            let angle = std::f64::consts::TAU * f64::from(turns);
            // The angle itself is rounded to 1e-7 of two turns.
            assert!((sine - angle.sin()).abs() < 4e-7 && (cosine - angle.cos()).abs() < 4e-7, "{turns} turns");
        }
        assert_eq!(sine_and_cosine(0.0), [0.0, 1.0]);
        for bits in (1..=1_u32 << 24).step_by(4_099).chain([1, 2, 3, (1 << 24) - 1, 1 << 24]) {
            let value = bits as f32 / 16_777_216.0;
            let truth = f64::from(value).ln();
            let error = (f64::from(logarithm(value)) - truth).abs();
            assert!(error <= 3e-7 * truth.abs(), "ln {value}: off by {error}");
        }
    }

    /// Noise of deviation 0.5 on (value − mean) / scale: the same noise with a scaler and without.
    #[test]
    fn noise_comes_after_the_scaler_and_is_normal() {
        let augmentation = Augmentation { jitter: 0.5, ..Augmentation::default() };
        let augment = Augment { strengths: augmentation, seed: 3, step: 9, batch: 48 };
        let values: Vec<f32> = (0..600).map(|i| (i % 17) as f32).collect();
        let gathered = |scaler: Option<&Scaler>| {
            let mut x = vec![Row::<f64>::ZERO; 600];
            augment.gather(|_| &values[..], 32..48, scaler, 3, &mut x);
            x
        };
        let scaler = Scaler { mean: vec![1.0, 2.0, 3.0], scale: vec![2.0, 4.0, 8.0] };
        let (raw, scaled) = (gathered(None), gathered(Some(&scaler)));
        let mut squares = 0.0;
        for (i, (raw, scaled)) in raw.iter().zip(&scaled).enumerate() {
            for w in 0..TILE {
                let noise = raw.0[w] - f64::from(values[i]);
                let standardised = f64::from((values[i] - scaler.mean[i % 3]) / scaler.scale[i % 3]);
                assert!((scaled.0[w] - standardised - noise).abs() < 4e-6, "value {i} of window {w}");
                squares += noise * noise;
            }
        }
        let deviation = (squares / (600 * TILE) as f64).sqrt();
        // Five standard errors of a deviation over 9 600 draws.
        assert!((deviation - 0.5).abs() < 5.0 * 0.5 / (2.0 * 9_600.0_f64).sqrt(), "{deviation}");
    }

    /// Nine windows have eight others each.
    #[test]
    fn partners_and_shares_are_uniform() {
        let strengths = Augmentation { mix: 0.4, ..Augmentation::default() };
        let (mut counts, mut shares) = ([[0_u32; 9]; 9], Vec::new());
        for step in 0..4_000 {
            let augment = Augment { strengths, seed: 5, step, batch: 9 };
            for (window, counts) in counts.iter_mut().enumerate() {
                let partner = augment.partner(window);
                counts[partner.window] += 1;
                shares.push(f64::from(partner.share));
            }
        }
        for (window, counts) in counts.iter().enumerate() {
            for (other, &count) in counts.iter().enumerate() {
                // Five standard deviations of a binomial(4 000, 1/8).
                let is_near = (f64::from(count) - 500.0).abs() < 105.0;
                assert!(if other == window { count == 0 } else { is_near }, "{window} with {other}: {count} times");
            }
        }
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let least_and_most = shares.iter().fold((1.0_f64, 0.0_f64), |(a, b), &share| (a.min(share), b.max(share)));
        // Five standard errors of the mean of 36 000 numbers that are uniform over 0.4; they come near both ends.
        assert!((mean - 0.2).abs() < 5.0 * 0.4 / (12.0 * 36_000.0_f64).sqrt(), "{mean}");
        assert!(least_and_most.0 < 0.001 && (0.399..0.4).contains(&least_and_most.1), "{least_and_most:?}");
        assert_eq!(Augment { strengths, seed: 5, step: 0, batch: 1 }.partner(0).window, 0);
    }

    #[test]
    fn a_rotation_is_orthogonal_and_none_is_the_identity() {
        let mut stream = triax_model::random::Stream::new(1, triax_model::random::Purpose::Synthesise, 0);
        for _ in 0..200 {
            let turn = rotation(stream.uniform() - 0.5, 2.0 * stream.uniform() - 1.0, stream.uniform());
            for i in 0..3 {
                for j in 0..3 {
                    let dot: f32 = (0..3).map(|k| turn[i][k] * turn[j][k]).sum();
                    assert!((dot - f32::from(i == j)).abs() < 2e-6, "{turn:?}");
                }
            }
        }
        assert_eq!(rotation(0.0, 0.3, 0.7), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    }
}
