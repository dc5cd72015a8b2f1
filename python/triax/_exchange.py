"""Trained networks as files for other places, and from them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from triax import _triax
from triax._classifier import TriaxClassifier
from triax._notices import warn
from triax._predictor import Predictor
from triax._settings import as_json
from triax._studies import saved

EXPORT_FORMATS: dict[str, str] = dict(_triax.export_formats())
"""Every format of `export` by its name, with what it is."""


@dataclass(frozen=True)
class Exported:
    """A file that was exported, and what was found when its own arithmetic ran, beside the scores of Triax. `export` makes it."""

    path: Path
    """The file."""
    n_windows: int
    """Number of windows that it was checked with."""
    judged: str
    """What they are, in words."""
    largest_difference: float
    """The largest difference of a score."""
    largest_score: float
    """The largest score, without its sign."""
    same_class: float
    """The share of windows that get the same class."""
    accuracy: tuple[float, float] | None
    """Accuracy of Triax and of the file; None where the windows have no labels."""
    macro_f1: tuple[float, float] | None
    """Macro-F1 of Triax and of the file, likewise."""
    flash_bytes: int | None
    """Bytes of tables in the flash of a device, on top of which comes code; None where the format does not say it."""
    ram_bytes: int | None
    """Bytes of static buffers, likewise."""
    multiply_adds: int | None
    """Multiply-adds of a window, likewise."""


def export(
    model: TriaxClassifier | Predictor | str | os.PathLike[str],
    *,
    to: str,
    out: str | os.PathLike[str],
    scores: str = "network",
    prefix: str = "triax",
    golden: str | os.PathLike[str] | None = None,
    member: str | None = None,
    data: str | os.PathLike[str] | Sequence[ArrayLike] | None = None,
    channels: Iterable[str] | None = None,
    **tables: Any,
) -> Exported:
    """Write a trained network as a file of another format, as ``triax export`` does.

    The file takes windows as the sensor gave them: what normalises them is part of it. Before it is written, it is read back,
    and its own arithmetic runs.

    Parameters
    ----------
    model : TriaxClassifier, Predictor or path
        A network that is trained; or the folder of a run or of a study, or a weight file.
    to : str
        The format, such as ``"html"`` or ``"c-int8"``; `EXPORT_FORMATS` lists all.
    out : path
        The file. An older one is replaced.
    scores : {"network", "softmax"}
        Whether a softmax follows the scores of the network.
    prefix : str
        What the names in a C header begin with.
    golden : path, optional
        Folder for golden windows, to test programs with that use the file: ``inputs.npy`` and ``outputs.npy``, and
        ``golden.h`` with both as tables of C.
    member : str, optional
        Which network of a study, as ``"FOLD:SEED"``. By default all of them together, where the format can hold that.
    data : path, or arrays ``(X, y)`` or ``(X, y, groups)``, optional
        What to check the file with, and to calibrate one in integers: recordings as `read` takes them, or windows
        (n, window, channels) and the class of each. By default the recordings of the run or study, else windows that are made
        up.
    channels : list of str, optional
        Name of each channel of the array `X`; by default those of the network.
    **tables
        Settings that say what the tables in `data` mean: `columns`, `map`, `subject_from`, `fill`, `gap`, `rename`, `merge`.

    Returns
    -------
    Exported

    Raises
    ------
    OSError
        If a file cannot be read or written.
    ValueError
        If the format cannot hold the network.
    """
    if scores not in ("network", "softmax"):
        raise ValueError(f"scores is {scores!r}; it is 'network' or 'softmax'")
    compiled, notices = _compiled(model)
    with tempfile.TemporaryDirectory(prefix="triax-export-") as folder:
        if isinstance(data, (tuple, list)):
            if len(data) not in (2, 3):
                raise ValueError(f"data has {len(data)} parts; it is a path, or arrays (X, y)")
            X, y, groups = [*data, None][:3]
            data = saved(X, y, groups, channels or compiled.channels, Path(folder) / "arrays")
        where = None if data is None else os.fspath(data)
        exported = _triax.export(compiled, to, scores == "softmax", prefix, member, where, as_json(tables))
    _triax.write(os.fspath(out), exported.content)
    if golden is not None:
        os.makedirs(golden, exist_ok=True)
        for name, content in exported.golden:
            _triax.write(os.path.join(golden, name), content)
    warn([*notices, *exported.notices])
    return Exported(path=Path(out), **exported.figures)


def import_network(
    path: str | os.PathLike[str],
    *,
    classes: Iterable[str] = (),
    channels: Iterable[str] = (),
    rate: float | None = None,
    loss: str | None = None,
    mean: Iterable[float] = (),
    deviation: Iterable[float] = (),
    device: str = "cpu",
) -> Predictor:
    """Read a network that another program has trained, as ``triax import`` does.

    What is not given is taken from the file, or assumed and warned of. `Predictor.save` keeps the network as a weight file, and
    ``TriaxClassifier(init_weights=path)`` goes on training with its weights.

    Parameters
    ----------
    path : path
        The file: ``.keras``, ``.h5`` of a whole model, or ``.onnx``.
    classes : list of str, optional
        Name of each class, in the order of the scores.
    channels : list of str, optional
        Name of each channel, in the order of the input.
    rate : float, optional
        Samples a second.
    loss : str, optional
        The loss of the training, as `TriaxClassifier` names them.
    mean, deviation : list of float, optional
        Of each channel, where windows were standardised before they came to the network.
    device : str
        Where it is to predict: as in `load`.

    Returns
    -------
    Predictor

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the network has a layer that Triax does not have, which is named; or if an argument does not fit it.
    """
    compiled, notices = _triax.import_network(
        os.fspath(path),
        [str(name) for name in classes],
        [str(name) for name in channels],
        None if rate is None else float(rate),
        loss,
        [float(value) for value in mean],
        [float(value) for value in deviation],
        device,
    )
    warn(notices)
    return Predictor(compiled)


def _compiled(model: TriaxClassifier | Predictor | str | os.PathLike[str]) -> tuple[_triax.Predictor, list[tuple[bool, str]]]:
    """Return the networks of `model`, and the notices of reading them."""
    if isinstance(model, Predictor):
        return model._compiled, []
    if isinstance(model, TriaxClassifier):
        check_is_fitted(model)
        return model._predictor, []
    compiled = _triax.load(os.fspath(model), "last", None, "cpu")
    return compiled, compiled.notices
