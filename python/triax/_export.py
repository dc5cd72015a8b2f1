"""Trained networks as files for other places."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from triax import _triax
from triax._classifier import TriaxClassifier
from triax._notices import warn
from triax._predictor import Predictor, load
from triax._studies import saved


def export(
    model: TriaxClassifier | Predictor | str | os.PathLike[str],
    *,
    to: str,
    out: str | os.PathLike[str],
    scores: str = "network",
    member: str | None = None,
    data: Any = None,
    channels: list[str] | None = None,
) -> dict[str, Any]:
    """Write a trained network as a file of another format, as ``triax export`` does.

    The file takes windows as the sensor gave them. Before it is written, it is read back, and its own arithmetic runs.

    Parameters
    ----------
    model : TriaxClassifier, Predictor or path
        A network that is trained; or the folder of a run or of a study, or a weight file.
    to : str
        The format: ``"html"``, ``"safetensors"`` and others, as ``triax export --help`` lists them.
    out : path
        The file. An older one is replaced.
    scores : {"network", "softmax"}
        Whether a softmax follows the scores of the network.
    member : str, optional
        Which network of a study, as ``FOLD:SEED``. By default all of them together, where the format can hold that.
    data : path, or tuple of arrays ``(X, y)``, optional
        What to check the file with. By default the recordings of the run or study, else windows that are made up.
    channels : list of str, optional
        Name of each channel of the array `X`; by default those of the network.

    Returns
    -------
    dict
        What was found: the number of windows `n_windows` and what they are, `judged`; the `largest_difference` of a score
        from Triax's, beside the `largest_score`; the share of windows of the `same_class`.

    Raises
    ------
    OSError
        If a file cannot be read or written.
    ValueError
        If the format cannot hold the network.
    """
    if scores not in ("network", "softmax"):
        raise ValueError(f"scores is {scores!r}; it is 'network' or 'softmax'")
    compiled = _compiled(model)
    with tempfile.TemporaryDirectory(prefix="triax-export-") as folder:
        if isinstance(data, tuple):
            data = saved(*data, None, channels or compiled.channels, Path(folder) / "arrays")
        where = None if data is None else os.fspath(data)
        bytes, check, notices = compiled.export(to, scores == "softmax", member, where)
    _triax.write(os.fspath(out), bytes)
    warn(notices)
    return check


def _compiled(model: TriaxClassifier | Predictor | str | os.PathLike[str]) -> _triax.Predictor:
    if isinstance(model, Predictor):
        return model._compiled
    if isinstance(model, TriaxClassifier):
        check_is_fitted(model)
        return _triax.Predictor.from_bytes(model.weights_, "cpu")
    return load(model)._compiled
