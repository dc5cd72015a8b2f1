"""Recordings in the formats that the command line reads, as arrays."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triax import _triax
from triax._notices import warn
from triax._settings import as_json


@dataclass(frozen=True)
class Recording:
    """An uninterrupted stretch of samples of one subject doing one activity."""

    subject: str
    """Who was recorded; empty if the source does not say."""
    activity: str
    """What was done: one of `Recordings.classes`; empty if nothing was labelled."""
    values: NDArray[np.float32]
    """Samples (rows, channels) in the sensor's units. It looks into the memory of the library, and cannot be written to."""
    times: NDArray[np.float64] | None
    """Time of each row in seconds on the source's own clock, if known; likewise."""
    source: str
    """Where it begins: ``file:line``, or ``array[index]``."""
    part: str | None
    """``"train"`` or ``"valid"`` where the source comes split."""


class Windows(NamedTuple):
    """Windows of equal length, as `TriaxClassifier.fit` takes them."""

    X: NDArray[np.float32]
    """Samples (n, window, channels) in the sensor's units. It cannot be written to; copy it to change it."""
    y: NDArray[np.str_]
    """Activity (n,) of each."""
    groups: NDArray[np.str_]
    """Subject (n,) of each."""


class Recordings(Sequence[Recording]):
    """All recordings of one source. `read` makes it.

    Attributes
    ----------
    name : str
        Name for display.
    channels : list of str
        Name of each channel.
    classes : list of str
        Each activity, in the order of the classes.
    class_names : list of str
        Each activity for display.
    rate_hz : float or None
        Samples a second, if known.
    window : int or None
        Samples of a window, if the source came in windows. Each recording is one then.
    fingerprint : str
        SHA-256 of values, labels and subjects.
    """

    def __init__(self, compiled: _triax.Corpus) -> None:
        self._compiled = compiled
        self.name: str = compiled.name
        self.channels: list[str] = compiled.channels
        self.classes: list[str] = compiled.classes
        self.class_names: list[str] = compiled.class_names
        self.rate_hz: float | None = compiled.rate_hz
        self.window: int | None = compiled.window
        self.fingerprint: str = compiled.fingerprint

    def __len__(self) -> int:
        return self._compiled.n_recordings

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return [self[one] for one in range(*idx.indices(len(self)))]
        at = idx + len(self) if idx < 0 else idx
        if not 0 <= at < len(self):
            raise IndexError(f"recording {idx} of {len(self)}")
        subject, label, source, part = self._compiled.facts(at)
        values, times = self._compiled.values(at)
        return Recording(subject, self.classes[label] if self.classes else "", values, times, source, part)

    def __repr__(self) -> str:
        return (
            f"<triax.Recordings {self.name}: {len(self)} recordings of {len(self.subjects)} subjects, "
            f"channels {', '.join(self.channels)}, activities {', '.join(self.classes)}>"
        )

    @property
    def subjects(self) -> list[str]:
        """The subjects, each once, in the order of first appearance; without those that are unknown."""
        subjects = (self._compiled.facts(idx)[0] for idx in range(len(self)))
        return list(dict.fromkeys(subject for subject in subjects if subject))

    def windows(self, window: int | str | None = None, step: int | str | None = None) -> Windows:
        """Cut all recordings into windows, none of which crosses from one recording into the next.

        Parameters
        ----------
        window : int or str, optional
            Length in samples, or in seconds such as ``"6s"``. By default 120 samples, or as the source is windowed already.
        step : int or str, optional
            From one window to the next: samples, seconds, or a share of the window such as ``"50%"``. By default 60 samples.

        Returns
        -------
        Windows
            ``X, y, groups``.

        Raises
        ------
        ValueError
            If no recording is long enough, or seconds are given where the rate is unknown.
        """
        cut = self._compiled.cut(as_json({"window": window, "step": step}))
        warn(cut.notices)
        subjects = np.asarray([self._compiled.facts(idx)[0] for idx in range(len(self))])
        labels = cut.labels()
        y = np.asarray(self.classes)[labels] if self.classes else np.full(len(labels), "")
        return Windows(cut.values(), y, subjects[cut.recordings()])


def read(path: str | os.PathLike[str] = "synthetic", *, seed: int = 0, **settings: Any) -> Recordings:
    """Read recordings as the command line does: the format is detected, and what was mended or guessed is warned of.

    Parameters
    ----------
    path : path
        A folder, a file or a zip; or ``"synthetic"`` for the built-in set.
    seed : int
        Seed of the built-in set.
    **settings
        Settings of the group *Data* of the command line, among them `format`, `channels` (a list of names), `activities`
        (those to keep, in the order of their classes), `rate` (resample to so many samples a second), `columns` and `map`
        (``{"person": "subject"}`` reads the column `person` as the subjects). `triax.SETTINGS` lists them with what they do.

    Returns
    -------
    Recordings

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If it is no data that Triax reads. The message names the file, the line and the remedy.
    """
    try:
        compiled = _triax.read(as_json({"data": os.fspath(path), "seed": seed, **settings}))
    except ValueError as problem:
        if os.fspath(path) == "synthetic" or os.path.exists(path):
            raise
        raise FileNotFoundError(errno.ENOENT, str(problem)) from None
    warn(compiled.notices)
    return Recordings(compiled)
