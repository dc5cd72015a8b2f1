"""Golden values of NumPy and SciPy for crates/study/src/baselines: `python make.py`, with the versions of requirements.txt."""

import json
from pathlib import Path

import numpy
import scipy
from scipy import stats

WINDOW, CHANNELS, RATE = 50, 4, 20.0
BANDS = [(0, 0.7), (0.7, 2), (2, 4), (4, numpy.inf)]

rng = numpy.random.default_rng(20261124)
t = numpy.arange(WINDOW)[None, :, None]
swing = numpy.sin(t * rng.uniform(0.1, 2.5, (5, 1, CHANNELS)) + rng.uniform(0, 6, (5, 1, CHANNELS)))
windows = (swing * rng.uniform(0.2, 5, (5, 1, CHANNELS)) + rng.normal(size=(5, WINDOW, CHANNELS))).astype(numpy.float32)


def of_series(x):
    low, median, high = numpy.quantile(x, [0.25, 0.5, 0.75])
    above = x > x.mean()
    energy = abs(numpy.fft.rfft(x - x.mean())[1:]) ** 2
    frequency = numpy.fft.rfftfreq(len(x), 1 / RATE)[1:]
    share = energy / energy.sum()
    return [
        x.mean(), x.std(), x.min(), x.max(), median, high - low, numpy.sqrt((x**2).mean()), abs(numpy.diff(x)).mean(),
        (above[1:] != above[:-1]).sum() / len(x), stats.skew(x), stats.kurtosis(x),
        *(share[(frequency >= a) & (frequency < b)].sum() for a, b in BANDS),
        frequency[energy.argmax()], stats.entropy(share) / numpy.log(len(share)),
    ]


def of_window(window):
    x = window.astype(numpy.float64).T
    r = numpy.corrcoef(x[:3])
    series = [*x, numpy.sqrt((x[:3] ** 2).sum(0))]
    return [r[0, 1], r[0, 2], r[1, 2], *(float(f) for one in series for f in of_series(one))]


def rhythm(x):
    x = x - x.mean()
    correlation = numpy.correlate(x, x, "full")[len(x) - 1 :] / (x**2).sum()
    lags = numpy.arange(round(0.3 * RATE), min(round(2 * RATE) + 1, len(x)))
    best = lags[correlation[lags].argmax()]
    return [correlation[best], best / RATE]


def oriented(window):
    x = window[:, :3].astype(numpy.float64).T
    gravity = x.mean(1)
    up = gravity / numpy.linalg.norm(gravity)
    moved = x - gravity[:, None]
    vertical = up @ moved
    across = moved - numpy.outer(up, vertical)
    main = numpy.linalg.eigh(numpy.cov(across)).eigenvectors[:, -1] @ across
    jerk = numpy.linalg.norm(numpy.diff(x), axis=0) * RATE
    horizontal = numpy.linalg.norm(across, axis=0)
    series = [vertical, horizontal, numpy.linalg.norm(moved, axis=0), main * numpy.sign(stats.skew(main)), [*jerk, jerk[-1]]]
    deviations = numpy.linalg.svd(moved, compute_uv=False)[::-1] / numpy.sqrt(x.shape[1])
    return [
        *(float(f) for one in series for f in of_series(numpy.asarray(one))),
        *deviations, *deviations / deviations.sum(), numpy.linalg.norm(gravity), *rhythm(numpy.linalg.norm(x, axis=0)),
        *rhythm(vertical), numpy.corrcoef(vertical, horizontal)[0, 1],
    ]


golden = {
    "made_by": f"numpy {numpy.__version__}, scipy {scipy.__version__}",
    "window": WINDOW,
    "channels": CHANNELS,
    "rate_hz": RATE,
    "windows": [float(value) for value in windows.ravel()],
    "features": [[float(f) for f in of_window(window)] for window in windows],
    "oriented": [[float(f) for f in oriented(window)] for window in windows],
}
Path(__file__).with_name("features.json").write_text(json.dumps(golden) + "\n")
