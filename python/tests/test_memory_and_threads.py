"""Copies, the GIL, and Ctrl-C."""

import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings

import numpy as np
import pytest

import triax
from triax import TriaxClassifier


def peak_of(work):
    """The most bytes that Python and NumPy take at a time while `work` runs."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_predictions_read_windows_where_they_lie(windows, small):
    X, y, _ = windows
    classifier = TriaxClassifier(**small).fit(X, y)
    many = np.tile(X, (10, 1, 1))
    assert peak_of(lambda: classifier.decision_function(many)) < many.nbytes / 4
    assert peak_of(lambda: classifier.fit(many, np.tile(y, 10))) < many.nbytes / 4, "the copy is the library's own"
    assert peak_of(lambda: classifier.decision_function(many.astype(float))) > many.nbytes, "what would be seen of a copy"
    turned = np.asfortranarray(X)
    np.testing.assert_array_equal(classifier.decision_function(turned), classifier.decision_function(X))


def test_recordings_are_views_that_cannot_be_written_to():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", triax.TriaxNote)
        recordings = triax.read("synthetic")
    values = recordings[3].values
    assert np.shares_memory(values, recordings[3].values)
    before = values.copy()
    X = recordings.windows(step=600).X
    assert X.base is not None
    del recordings
    np.testing.assert_array_equal(values, before)
    for array in (values, X):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
        with pytest.raises(ValueError):
            array.setflags(write=True)


def test_other_threads_run_while_a_network_trains(windows):
    X, y, _ = windows
    ticks, over = [], threading.Event()

    def tick():
        while not over.wait(0.002):
            ticks.append(time.perf_counter())

    ticking = threading.Thread(target=tick)
    ticking.start()
    began = time.perf_counter()
    TriaxClassifier(epochs=40).fit(X, y)
    ended = time.perf_counter()
    over.set()
    ticking.join()
    meanwhile = [at for at in ticks if began < at < ended]
    # The GIL would let none through, whatever the machine.
    assert len(meanwhile) > 5


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np, triax

# A shell that starts the tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
{what}
X, y = np.random.default_rng(0).normal(size=(600, 60, 3)).astype("f4"), np.arange(600) % 3
groups = np.arange(600) % 10
classifier = triax.TriaxClassifier(epochs=1).fit(X, y)
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
began = time.perf_counter()
try:
    long()
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert (classifier.predict(X) == triax.TriaxClassifier(epochs=1).fit(X, y).predict(X)).all()
print("goes on")
"""


@pytest.mark.parametrize(
    "what",
    [
        "def long(): triax.TriaxClassifier(epochs=100_000).fit(X, y)",
        "def long(): triax.study(X, y, groups, folds='loso', seeds=1, epochs=100_000, device='cpu', baselines=False)",
    ],
    ids=["fit", "study"],
)
def test_ctrl_c_stops_and_the_interpreter_goes_on(what):
    script = INTERRUPTED.format(what=what)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["interrupted", "goes on"]


def test_what_a_progress_function_raises_stops_the_training(windows, monkeypatch):
    from contextlib import contextmanager

    class Failed(Exception):
        pass

    @contextmanager
    def failing(verbose, what):
        def show(steps, n_steps, epoch):
            raise Failed

        yield show

    X, y, _ = windows
    monkeypatch.setattr("triax._classifier.progress", failing)
    with pytest.raises(Failed):
        TriaxClassifier(epochs=100_000).fit(X, y)
