//! Values and scalers that know what validates.

use std::collections::BTreeSet;

use triax_model::Scaler;

use super::{Checks, Finding, leak, note, sound};
use crate::Recording;
use crate::scale::{fit_scaler, fit_to_recordings};

/// The scaler of a training, and the windows of that training.
#[derive(Clone, Copy, Debug)]
pub struct ScalerInUse<'a> {
    /// The scaler.
    pub scaler: &'a Scaler,
    /// All windows (n_windows, window, channels), before the scaler.
    pub values: &'a [f32],
    /// The number of their channels.
    pub channels: usize,
    /// Indices of the training windows.
    pub train: &'a [u32],
    /// Indices of the validation windows.
    pub valid: &'a [u32],
}

/// How far means may be from 0, and deviations from 1, in data that counts as standardised. A library that sums a million
/// rows in f32 stays below it; one window more or less makes a far larger difference.
const ROUNDING: f32 = 1e-3;
/// The training part counts as not standardised where it is this many times as far from mean 0 and deviation 1 as all of the
/// data.
const CLEARLY: f32 = 10.0;
/// The least distance of all of the data that `CLEARLY` multiplies.
const NOTHING: f32 = 1e-6;

impl Checks<'_> {
    /// Whether the values came standardised over training and validation together. Then means and deviations of all
    /// recordings are 0 and 1 to rounding, and those of the training part are not.
    pub(super) fn preprocessing(&self) -> Finding {
        let check = "preprocessing";
        let recordings: Vec<&Recording> = self.corpus.recordings.iter().collect();
        // Each channel by itself, or all values together as `(X - X.mean()) / X.std()` does.
        for (channels, each) in [(self.corpus.channels.len(), "Each channel has"), (1, "All values together have")] {
            let off_in_all = off_standard(&fit_to_recordings(&recordings, channels));
            if off_in_all > ROUNDING {
                continue;
            }
            let off_in_training = |(train, _): &(&[u32], &[u32])| {
                let trained: BTreeSet<u32> = train.iter().map(|&idx| self.origin(idx).recording).collect();
                let trained: Vec<&Recording> = trained.into_iter().map(|idx| recordings[idx as usize]).collect();
                off_standard(&fit_to_recordings(&trained, channels))
            };
            let off_in_training = self.folds.iter().map(off_in_training).fold(0.0, f32::max);
            return match off_in_training > CLEARLY * off_in_all.max(NOTHING) {
                true => leak(
                    check,
                    format!(
                        "{each} mean 0 and deviation 1 over all of the data, and not over the training part, which is off \
                         by up to {off_in_training:.4}: whoever standardised the data used what validates."
                    ),
                ),
                false => note(
                    check,
                    "The values came standardised, over the training part or each by itself: the two look alike here.",
                ),
            };
        }
        sound(check, "The values did not come standardised over training and validation together.")
    }
}

/// Whether each scaler was fitted to the training windows of its fold alone.
pub(super) fn scaler(window: usize, scalers: &[ScalerInUse<'_>]) -> Finding {
    let check = "scaler";
    let (mut n_with_validation, mut n_foreign) = (0, 0);
    for used in scalers {
        let is_fitted_to =
            |windows: &[u32]| is_same(used.scaler, &fit_scaler(used.values, windows, window, used.channels));
        if is_fitted_to(used.train) {
            continue;
        }
        if is_fitted_to(&[used.train, used.valid].concat()) {
            n_with_validation += 1;
        } else {
            n_foreign += 1;
        }
    }
    match (n_with_validation, n_foreign) {
        (0, 0) if scalers.is_empty() => sound(check, "No scaler is fitted."),
        (0, 0) => sound(check, "Each scaler was fitted to the training windows alone."),
        (n, 0) => {
            leak(check, format!("{} fitted to training and validation together.", scalers_were(n, scalers.len())))
        }
        (_, _) => leak(
            check,
            format!(
                "{} fitted to other windows than those trained on.",
                scalers_were(n_with_validation + n_foreign, scalers.len())
            ),
        ),
    }
}

fn scalers_were(n: usize, all: usize) -> String {
    if all == 1 { "The scaler was".to_owned() } else { format!("{n} of {all} scalers were") }
}

/// Whether two scalers are equal up to rounding. One window more or less in ten thousand makes a larger difference.
fn is_same(a: &Scaler, b: &Scaler) -> bool {
    let near = |c: usize| {
        let bound = 1e-5 * (b.scale[c] + b.mean[c].abs());
        (a.mean[c] - b.mean[c]).abs() <= bound && (a.scale[c] - b.scale[c]).abs() <= bound
    };
    a.fits(b.mean.len()).is_ok() && (0..b.mean.len()).all(near)
}

/// The largest distance of a scaler's means from 0 and of its scales from 1.
fn off_standard(scaler: &Scaler) -> f32 {
    let means = scaler.mean.iter().map(|mean| mean.abs());
    means.chain(scaler.scale.iter().map(|scale| (scale - 1.0).abs())).fold(0.0, f32::max)
}
