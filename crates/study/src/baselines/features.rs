//! Features of a window, in time and in frequency, of each channel and of the magnitude of each group of three.

use rayon::prelude::*;
use realfft::RealFftPlanner;

use super::oriented;
use crate::statistics::{mean, quantile};

/// Bands of the spectrum in Hz: changes of posture, steps, running, shaking. An unknown rate is taken as
/// [`USUAL_RATE_HZ`].
const BANDS: [(f64, f64); 4] = [(0.0, 0.7), (0.7, 2.0), (2.0, 4.0), (4.0, f64::INFINITY)];
/// The rate that is assumed if it is unknown.
const USUAL_RATE_HZ: f64 = 20.0;
/// Number of features of a series in time.
const TIME_FEATURES: usize = 11;
/// Number of features of the spectrum of a series.
const SPECTRUM_FEATURES: usize = 6;

/// Which features a classical model reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeatureSet {
    /// Those of each channel, and of the magnitude of each group of three; see [`Features`].
    #[default]
    Basic,
    /// Those, and of each group of three also features that hold however the sensor is turned: of the movement along gravity,
    /// across it and along its main axis there, of its strength and its jerk; the spread in three directions, the rhythm.
    Oriented,
}

impl FeatureSet {
    /// All sets.
    pub const ALL: [Self; 2] = [Self::Basic, Self::Oriented];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Oriented => "oriented",
        }
    }

    /// The set of this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Number of features of windows of `channels` channels.
    pub fn count(self, channels: usize) -> usize {
        let (groups, of_series) = (channels / 3, TIME_FEATURES + SPECTRUM_FEATURES);
        let basic = groups * 3 + (channels + groups) * of_series;
        match self {
            Self::Basic => basic,
            Self::Oriented => basic + groups * oriented::count(of_series),
        }
    }
}

/// Features of windows.
///
/// Those of [`FeatureSet::Basic`]: for each channel, and for the magnitude √(x² + y² + z²) of each group of three channels: mean, standard deviation,
/// minimum, maximum, median, interquartile range, root mean square (all in the sensor's unit), mean absolute difference of
/// neighbours (unit per sample), crossings of the mean per sample, skewness and excess kurtosis; and of the spectrum without
/// its mean the share of the energy in four bands, the dominant frequency in Hz, and the entropy from 0 to 1. For each group
/// of three channels also the three correlations.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    set: FeatureSet,
    /// One row per window.
    rows: Vec<Vec<f64>>,
}

impl Features {
    /// The basic features of `windows` (n, window, channels), with the values of the sensors, at `rate_hz` samples per second.
    ///
    /// # Panics
    /// If the window has no sample or no channel.
    pub fn new(windows: &[f32], window: usize, channels: usize, rate_hz: Option<f64>) -> Self {
        Self::of(FeatureSet::Basic, windows, window, channels, rate_hz)
    }

    /// Like [`Features::new`], with the features of `set`.
    ///
    /// # Panics
    /// As [`Features::new`].
    pub fn of(set: FeatureSet, windows: &[f32], window: usize, channels: usize, rate_hz: Option<f64>) -> Self {
        assert!(window > 0 && channels > 0, "a window has samples and channels");
        let rate_hz = rate_hz.unwrap_or(USUAL_RATE_HZ);
        let spectrum = Spectrum::new(window, rate_hz);
        let rows =
            windows.par_chunks_exact(window * channels).map(|values| row(set, values, channels, rate_hz, &spectrum));
        Self { set, rows: rows.collect() }
    }

    /// Which features these are.
    pub fn set(&self) -> FeatureSet {
        self.set
    }

    /// Number of windows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The features of window `idx`.
    pub(crate) fn row(&self, idx: u32) -> &[f64] {
        &self.rows[idx as usize]
    }
}

/// Mean of each feature, and the factor that brings it to a deviation of 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FeatureScaler {
    pub mean: Vec<f64>,
    /// 0 for a feature that is constant, which is then 0.
    pub scale: Vec<f64>,
}

impl FeatureScaler {
    /// The scaler that brings each feature to mean 0 and deviation 1 over the windows at `train`.
    pub fn fit(features: &Features, train: &[u32]) -> Self {
        let n_features = train.first().map_or(0, |&idx| features.row(idx).len());
        let (mean, scale) = (0..n_features)
            .map(|feature| {
                let values: Vec<f64> = train.iter().map(|&idx| features.row(idx)[feature]).collect();
                let (mean, deviation) = (mean(&values), deviation(&values));
                (mean, if deviation > 1e-9 * (1.0 + mean.abs()) { 1.0 / deviation } else { 0.0 })
            })
            .unzip();
        Self { mean, scale }
    }

    /// `row`, standardised.
    pub fn apply(&self, row: &[f64]) -> Vec<f64> {
        row.iter().zip(&self.mean).zip(&self.scale).map(|((value, mean), scale)| (value - mean) * scale).collect()
    }
}

/// The features of one window, of which `values` are (window, channels).
fn row(set: FeatureSet, values: &[f32], channels: usize, rate_hz: f64, spectrum: &Spectrum) -> Vec<f64> {
    let series: Vec<Vec<f64>> = (0..channels)
        .map(|channel| values.iter().skip(channel).step_by(channels).map(|&value| f64::from(value)).collect())
        .collect();
    let mut row = Vec::with_capacity(set.count(channels));
    for axes in series.chunks_exact(3) {
        row.extend([(0, 1), (0, 2), (1, 2)].map(|(a, b)| correlation(&axes[a], &axes[b])));
    }
    let magnitude = |axes: &[Vec<f64>]| -> Vec<f64> {
        (0..axes[0].len()).map(|t| axes.iter().map(|axis| axis[t].powi(2)).sum::<f64>().sqrt()).collect()
    };
    let magnitudes: Vec<Vec<f64>> = series.chunks_exact(3).map(magnitude).collect();
    for one in series.iter().chain(&magnitudes) {
        row.extend(time_features(one));
        row.extend(spectrum.features(one));
    }
    if set == FeatureSet::Oriented {
        row.extend(series.chunks_exact(3).flat_map(|axes| oriented::features(axes, rate_hz, spectrum)));
    }
    row
}

/// Features of one series in time.
pub(super) fn time_features(x: &[f64]) -> [f64; TIME_FEATURES] {
    let n = x.len() as f64;
    let (mean, deviation) = (mean(x), deviation(x));
    let mut sorted = x.to_vec();
    sorted.sort_by(f64::total_cmp);
    let moment = |power: i32| match deviation > 1e-9 * (1.0 + mean.abs()) {
        true => x.iter().map(|value| ((value - mean) / deviation).powi(power)).sum::<f64>() / n,
        false => 0.0,
    };
    let steps = x.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum::<f64>();
    let crossings = x.windows(2).filter(|pair| (pair[0] > mean) != (pair[1] > mean)).count();
    [
        mean,
        deviation,
        sorted[0],
        sorted[sorted.len() - 1],
        quantile(&sorted, 0.5),
        quantile(&sorted, 0.75) - quantile(&sorted, 0.25),
        (x.iter().map(|value| value * value).sum::<f64>() / n).sqrt(),
        steps / (n - 1.0).max(1.0),
        crossings as f64 / n,
        moment(3),
        if moment(2) > 0.0 { moment(4) - 3.0 } else { 0.0 },
    ]
}

/// Spectra of series of one length.
pub(super) struct Spectrum {
    transform: std::sync::Arc<dyn realfft::RealToComplex<f64>>,
    /// Frequency of a bin.
    hz: f64,
}

impl Spectrum {
    pub fn new(window: usize, rate_hz: f64) -> Self {
        Self { transform: RealFftPlanner::new().plan_fft_forward(window), hz: rate_hz / window as f64 }
    }

    /// Shares of the bands, dominant frequency and entropy; all 0 for a constant series.
    pub fn features(&self, x: &[f64]) -> [f64; SPECTRUM_FEATURES] {
        let mean = mean(x);
        let mut input: Vec<f64> = x.iter().map(|value| value - mean).collect();
        let mut output = self.transform.make_output_vec();
        self.transform.process(&mut input, &mut output).expect("buffers of the lengths that were planned");
        // Bin 0 is the mean, which is 0 but for rounding.
        let energy: Vec<f64> = output.iter().skip(1).map(|bin| bin.norm_sqr()).collect();
        let total: f64 = energy.iter().sum();
        if total <= 1e-9 * (1.0 + mean * mean) {
            return [0.0; SPECTRUM_FEATURES];
        }
        let frequency = |bin: usize| (bin + 1) as f64 * self.hz;
        let band = |(low, high): (f64, f64)| {
            let within = |(bin, _): &(usize, &f64)| (low..high).contains(&frequency(*bin));
            energy.iter().enumerate().filter(within).map(|(_, energy)| energy).sum::<f64>() / total
        };
        let strongest = (0..energy.len()).fold(0, |best, bin| if energy[bin] > energy[best] { bin } else { best });
        let shares = energy.iter().map(|energy| energy / total).filter(|share| *share > 0.0);
        let entropy = shares.map(|share| -share * share.ln()).sum::<f64>() / (energy.len().max(2) as f64).ln();
        let [a, b, c, d] = BANDS.map(band);
        [a, b, c, d, frequency(strongest), entropy]
    }
}

/// Population standard deviation.
fn deviation(x: &[f64]) -> f64 {
    let mean = mean(x);
    (x.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / x.len().max(1) as f64).sqrt()
}

/// Pearson's correlation; 0 if one of the series is constant.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let ((mean_a, mean_b), scale) = ((mean(a), mean(b)), deviation(a) * deviation(b));
    if scale <= 1e-12 {
        return 0.0;
    }
    a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>() / a.len() as f64 / scale
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use triax_testing::golden;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        window: usize,
        channels: usize,
        rate_hz: f64,
        windows: Vec<f32>,
        features: Vec<Vec<f64>>,
        oriented: Vec<Vec<f64>>,
    }

    #[test]
    fn features_are_those_of_numpy_and_scipy() {
        let Golden { window, channels, rate_hz, windows, features, oriented } =
            golden(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/baselines/features.json"));
        let with_oriented = features.iter().zip(&oriented).map(|(basic, more)| [&basic[..], more].concat()).collect();
        for (set, wanted) in [(FeatureSet::Basic, features.clone()), (FeatureSet::Oriented, with_oriented)] {
            let found = Features::of(set, &windows, window, channels, Some(rate_hz));
            assert_eq!((found.len(), found.rows[0].len()), (wanted.len(), set.count(channels)));
            for (found, wanted) in found.rows.iter().zip(&wanted) {
                assert_eq!(found.len(), wanted.len());
                for (feature, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                    assert!(
                        (found - wanted).abs() < 1e-9 * (1.0 + wanted.abs()),
                        "{set:?} feature {feature}: {found} is not {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn windows_at_rest_have_finite_features() {
        let is_finite = |found: &Features| found.rows.iter().flatten().all(|feature| feature.is_finite());
        for value in [0.0_f32, 9.81, -1e6] {
            let found = Features::of(FeatureSet::Oriented, &[value; 2 * 16 * 3], 16, 3, None);
            assert!(is_finite(&found), "{found:?}");
        }
        let single = Features::of(FeatureSet::Oriented, &[1.0, 2.0, 0.5], 1, 3, None);
        assert!(is_finite(&single), "{single:?}");
    }

    #[test]
    fn a_constant_feature_is_0() {
        let features = Features { set: FeatureSet::Basic, rows: vec![vec![3.0, 1.0], vec![3.0, 2.0], vec![4.0, 3.0]] };
        let scaler = FeatureScaler::fit(&features, &[0, 1]);
        let rows = [0, 1, 2].map(|idx| scaler.apply(features.row(idx)));
        assert_eq!(rows, [[0.0, -1.0], [0.0, 1.0], [0.0, 3.0]]);
    }
}
