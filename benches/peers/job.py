"""The reference job as every peer gets it, and how a peer reports.

7,552 windows of 120 samples in 3 channels, six classes, batches of 32, squared hinge, Adam, dropout 0.1, a new order each
epoch. Windows, labels and initial weights come from Triax's own generator, written again here in numpy: `triax bench`
draws the same bits, and compare.py checks that it did.
"""

import argparse
import hashlib
import json
import resource
import sys
import time

import numpy as np

N_WINDOWS, WINDOW, CHANNELS, CLASSES = 7552, 120, 3, 6
BATCH = 32
DROPOUT = 0.1
LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-7
SEED = 0

# (name, shape, fan-in, fan-out); fans of 0 stand for a bias, which starts at zero.
PARAMETERS = [
    ("conv1.kernel", (3, 3, 32), 9, 96),
    ("conv1.bias", (32,), 0, 0),
    ("conv2.kernel", (3, 32, 64), 96, 192),
    ("conv2.bias", (64,), 0, 0),
    ("dense1.kernel", (896, 120), 896, 120),
    ("dense1.bias", (120,), 0, 0),
    ("dense2.kernel", (120, 6), 120, 6),
    ("dense2.bias", (6,), 0, 0),
]

# Purposes of `triax_model::random::Purpose`.
INITIALISE, SYNTHESISE = 1, 5


def uniform(purpose, index, n):
    """The first `n` draws of a stream of `triax_model::random`: Philox4x32-10, 24 bits each, in [0, 1)."""
    low = np.uint64(0xFFFF_FFFF)
    c0 = np.arange((n + 3) // 4, dtype=np.uint64)
    c1, c2, c3 = (np.full_like(c0, word) for word in (index, 0, purpose))
    k0, k1 = SEED & 0xFFFF_FFFF, SEED >> 32
    for _ in range(10):
        p0, p1 = np.uint64(0xD251_1F53) * c0, np.uint64(0xCD9E_8D57) * c2
        high0, high1 = p0 >> np.uint64(32), p1 >> np.uint64(32)
        c0, c1, c2, c3 = high1 ^ c1 ^ np.uint64(k0), p1 & low, high0 ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E37_79B9) & 0xFFFF_FFFF, (k1 + 0xBB67_AE85) & 0xFFFF_FFFF
    words = np.stack([c0, c1, c2, c3], axis=1).reshape(-1)[:n]
    return (words >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)


def windows_and_labels():
    """Windows (n, window, channels) of unit-variance noise, and labels 0, 1, .. 5, 0, 1, ..

    A window's class shows in one channel's mean, faintly enough that there is something left to learn in every epoch.
    """
    values = np.sqrt(np.float32(3)) * (2 * uniform(SYNTHESISE, 0, N_WINDOWS * WINDOW * CHANNELS) - 1)
    windows = values.reshape(N_WINDOWS, WINDOW, CHANNELS)
    labels = (np.arange(N_WINDOWS) % CLASSES).astype(np.uint32)
    for label in range(CLASSES):
        shift = np.float32(0.1 if label < CHANNELS else -0.1)
        windows[label::CLASSES, :, label % CHANNELS] += shift
    return windows, labels


def digest(windows, labels):
    """SHA-256 of the data, little-endian."""
    return hashlib.sha256(windows.astype("<f4").tobytes() + labels.astype("<u4").tobytes()).hexdigest()


def initial_weights():
    """Name to array, as `Weights::glorot_uniform` draws them from seed 0."""
    weights = {}
    for index, (name, shape, fan_in, fan_out) in enumerate(PARAMETERS):
        values = np.zeros(shape, np.float32)
        if fan_in + fan_out > 0:
            limit = np.float32(np.sqrt(6.0 / (fan_in + fan_out)))
            values = (limit * (2 * uniform(INITIALISE, index, values.size) - 1)).reshape(shape)
        weights[name] = values
    return weights


def one_hot(labels):
    """Labels as 0/1 rows, (n, classes)."""
    return np.eye(CLASSES, dtype=np.float32)[labels]


def main(run):
    """Reads the arguments common to all peers, calls `run(mode, n_epochs)` and prints its report as JSON.

    `run` gives a dictionary: `epochs` (seconds of each timed epoch, after at least one that was not timed), `first_loss`
    (of the first batch under the initial weights, without dropout), `last_loss`, `last_accuracy`, `versions`,
    and `settings` (what was chosen for speed).
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="")
    parser.add_argument("--epochs", type=int, required=True)
    args = parser.parse_args()
    report = run(args.mode, args.epochs)
    # Kilobytes on Linux, bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps(report | {"peak_bytes": peak}))


def timed(epoch, n_epochs):
    """Seconds of each of `n_epochs` calls, and the last (loss, accuracy). `epoch` returns when its work is done."""
    seconds, result = [], None
    for _ in range(n_epochs):
        start = time.perf_counter()
        result = epoch()
        seconds.append(time.perf_counter() - start)
    return seconds, result
