"""Trained networks that predict."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import ArrayLike, NDArray

from triax import _triax
from triax._notices import warn

PROBABILISTIC = "categorical_crossentropy"
"""The loss whose scores are logits: softmax makes probabilities of them."""


class Predictor:
    """One trained network, or those of a study, which predict together. `load` makes it.

    Attributes
    ----------
    classes_ : ndarray of str, (n_classes,)
        Name of each class.
    channels : list of str or None
        Name of each channel, in the order in which windows have them.
    window : int
        Samples of a window.
    rate_hz : float or None
        Samples a second in training, if known.
    loss : str or None
        The loss by which the networks were trained.
    temperature : float
        What scores are divided by before their softmax, so that probabilities are right as often as they say: fitted to windows
        held out of training; 1 where there were none.
    n_networks : int
        How many there are.
    """

    def __init__(self, compiled: _triax.Predictor) -> None:
        self._compiled = compiled
        self.classes_: NDArray[np.str_] = np.asarray(compiled.classes)
        self.class_names: list[str] = compiled.class_names
        self.channels: list[str] | None = compiled.channels
        self.window: int = compiled.shape[0]
        self.rate_hz: float | None = compiled.rate_hz
        self.loss: str | None = compiled.loss
        self.temperature: float = compiled.temperature
        self.n_networks: int = compiled.n_networks

    def __repr__(self) -> str:
        networks = "network" if self.n_networks == 1 else f"{self.n_networks} networks"
        channels = self._compiled.shape[1]
        return f"<triax.Predictor: {networks}, windows ({self.window}, {channels}), classes {', '.join(self.classes_)}>"

    def scores(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the scores of windows. Of networks that predict together they are combined.

        Parameters
        ----------
        X : array-like, (n, window, channels)
            Windows in the sensor's units, with the channels in the order of `channels`. A contiguous array of float32 is read
            where it lies.

        Returns
        -------
        ndarray of float32, (n, n_classes)
        """
        X = np.ascontiguousarray(X, dtype=np.float32)
        if X.ndim != 3:
            raise ValueError(f"X has {X.ndim} dimensions; windows are (n, window, channels)")
        return finite(self._compiled.scores(X))

    def predict(self, X: ArrayLike) -> NDArray[np.str_]:
        """Return the name of the class of each window; `X` as in `scores`."""
        return self.classes_[self.scores(X).argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities (n, n_classes) of windows: the softmax of scores by `temperature`. `X` as in `scores`.

        Raises
        ------
        ValueError
            If the networks were trained by a hinge loss, whose scores are no logarithms of probabilities.
        """
        if self.loss != PROBABILISTIC:
            raise ValueError(f"scores of the loss {self.loss} are no probabilities; those of {PROBABILISTIC} are")
        return softmax(self.scores(X), self.temperature)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network into a weight file, which `load` and the command line read.

        Raises
        ------
        ValueError
            If there are several networks.
        """
        weights = self._compiled.to_bytes()
        if weights is None:
            raise ValueError(f"there are {self.n_networks} networks, and a weight file holds one")
        _triax.write(os.fspath(path), weights)


def load(
    path: str | os.PathLike[str],
    *,
    weights: str = "last",
    setting: str | None = None,
    device: str = "cpu",
) -> Predictor:
    """Load the network of a run folder or of a weight file, or the networks that a study has kept, to predict with.

    Parameters
    ----------
    path : path
        A run folder, a study folder or a weight file (``.safetensors``).
    weights : {"last", "best"}
        Of a run: those that it ended with, or those of the epoch with the lowest validation loss.
    setting : str, optional
        Of a study: the setting whose networks predict. By default, the one with the best macro-F1.
    device : str
        ``"cpu"``, ``"gpu"``, ``"gpu:N"``, or ``"auto"`` for a GPU where there are many windows.

    Returns
    -------
    Predictor

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If it is none of these, or is not finished.
    """
    compiled = _triax.load(os.fspath(path), weights, setting, device)
    warn(compiled.notices)
    return Predictor(compiled)


def softmax(scores: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Return the softmax of each row divided by the temperature."""
    powers = np.exp((scores.astype(np.float64) - scores.max(axis=1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def finite(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `scores`, all of which are finite.

    Raises
    ------
    ValueError
        If one is not.
    """
    if not np.isfinite(scores).all():
        window = int(np.argwhere(~np.isfinite(scores))[0, 0])
        raise ValueError(
            f"window {window} (from 0) gets a score that is not finite: its values are out of all proportion to those that the "
            "network was trained on"
        )
    return scores
