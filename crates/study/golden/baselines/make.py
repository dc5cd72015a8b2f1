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


golden = {
    "made_by": f"numpy {numpy.__version__}, scipy {scipy.__version__}",
    "window": WINDOW,
    "channels": CHANNELS,
    "rate_hz": RATE,
    "windows": [float(value) for value in windows.ravel()],
    "features": [[float(f) for f in of_window(window)] for window in windows],
}
Path(__file__).with_name("features.json").write_text(json.dumps(golden) + "\n")
