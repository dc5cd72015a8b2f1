"""Classical features of windows in time and frequency, of each channel and of the magnitude of each sensor."""

import numpy as np

# Bands of the spectrum in Hz: changes of posture, steps, running, shaking.
BANDS = ((0.0, 0.7), (0.7, 2.0), (2.0, 4.0), (4.0, np.inf))


def features_of(windows, rate_hz):
    """Features (n, features) of `windows` (n, window, channels) in the sensor's units, at `rate_hz` samples a second.

    Of each channel, and of the magnitude of each group of three channels: eleven in time, six of the spectrum. Of each group
    also the three correlations of its axes.
    """
    series = windows.astype(np.float64).transpose(0, 2, 1)
    groups = [series[:, first : first + 3] for first in range(0, series.shape[1] - 2, 3)]
    magnitudes = [np.sqrt((axes**2).sum(axis=1, keepdims=True)) for axes in groups]
    columns = [_correlation(axes[:, a], axes[:, b]) for axes in groups for a, b in ((0, 1), (0, 2), (1, 2))]
    every = np.concatenate([series, *magnitudes], axis=1)
    per_series = np.stack(_in_time(every) + _of_spectrum(every, rate_hz), axis=2)
    return np.column_stack([*columns, per_series.reshape(len(windows), -1)])


def _in_time(x):
    """Features (n, series) each, of `x` (n, series, window)."""
    mean, deviation = x.mean(axis=2), x.std(axis=2)
    low, median, high = np.quantile(x, [0.25, 0.5, 0.75], axis=2)
    above = x > mean[:, :, None]
    moves = deviation > 1e-9 * (1 + abs(mean))
    standard = (x - mean[:, :, None]) * np.where(moves, 1 / np.where(moves, deviation, 1), 0)[:, :, None]
    return [
        mean,
        deviation,
        x.min(axis=2),
        x.max(axis=2),
        median,
        high - low,
        np.sqrt((x**2).mean(axis=2)),
        abs(np.diff(x, axis=2)).mean(axis=2) if x.shape[2] > 1 else np.zeros_like(mean),
        (above[:, :, 1:] != above[:, :, :-1]).sum(axis=2) / x.shape[2],
        (standard**3).mean(axis=2),
        np.where(moves, (standard**4).mean(axis=2) - 3, 0),
    ]


def _of_spectrum(x, rate_hz):
    """Shares of the energy in the bands, dominant frequency in Hz, and entropy from 0 to 1; 0 for a series at rest."""
    mean = x.mean(axis=2, keepdims=True)
    energy = abs(np.fft.rfft(x - mean, axis=2)[:, :, 1:]) ** 2
    frequency = np.fft.rfftfreq(x.shape[2], 1 / rate_hz)[1:]
    total = energy.sum(axis=2)
    moves = total > 1e-9 * (1 + mean[:, :, 0] ** 2)
    share = energy / np.where(moves, total, 1)[:, :, None]
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=2) / np.log(max(len(frequency), 2))
    found = [share[:, :, (frequency >= low) & (frequency < high)].sum(axis=2) for low, high in BANDS]
    found += [frequency[energy.argmax(axis=2)], entropy]
    return [np.where(moves, feature, 0) for feature in found]


def _correlation(a, b):
    """Pearson's correlation (n,) of `a` and `b` (n, window); 0 where one of them is at rest."""
    scale = a.std(axis=1) * b.std(axis=1)
    both = ((a - a.mean(axis=1, keepdims=True)) * (b - b.mean(axis=1, keepdims=True))).mean(axis=1)
    return np.where(scale > 1e-12, both / np.where(scale > 1e-12, scale, 1), 0)
