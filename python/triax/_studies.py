"""Studies and audits."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from triax import _triax
from triax._notices import warn
from triax._predictor import Predictor, load
from triax._progress import progress
from triax._settings import as_json, vary_as_json


class Study:
    """The results of a study: those in its folder. `study` makes it, and `Study(path)` reads one that is finished.

    Attributes
    ----------
    path : Path
        The folder, in the form of ``triax study``: the command line goes on with it, predicts with it and audits it.
    summary : dict
        Everything that the report shows, as in ``summary.json``: `competitors` with their figures, `comparisons` of pairs over
        subjects, `caveats`.
    """

    def __init__(self, path: str | os.PathLike[str], *, _keep: Any = None) -> None:
        self.path = Path(path)
        self.summary: dict[str, Any] = json.loads((self.path / "summary.json").read_text(encoding="utf-8"))
        # The temporary folder lives as long as this object.
        self._keep = _keep

    def __repr__(self) -> str:
        best = self.best
        figure = best["macro_f1"]["mean"]
        return (
            f"<triax.Study of {self.summary['n_trainings']} trainings in {self.path}: best is {best['name']} with a macro-F1 of "
            f"{figure:.3f} over subjects>"
        )

    @property
    def best(self) -> dict[str, Any]:
        """The setting with the best macro-F1, and its figures."""
        return next(one for one in self.summary["competitors"] if one["kind"] == "network")

    @property
    def results(self) -> Any:
        """A row for each training: setting, fold, seed and figures. A pandas DataFrame, or without pandas a dict of arrays."""
        return _table(self.path / "results.csv")

    @property
    def subjects(self) -> Any:
        """A row for each subject in each training. A pandas DataFrame, or without pandas a dict of arrays."""
        return _table(self.path / "subjects.csv")

    @property
    def history(self) -> Any:
        """A row for each epoch of each training. A pandas DataFrame, or without pandas a dict of arrays."""
        return _table(self.path / "history.csv")

    def report(self, path: str | os.PathLike[str] | None = None) -> str | Path:
        """Return the report as HTML, the same as that of the command line, or write it into the file `path` and return that."""
        html = (self.path / "report.html").read_text(encoding="utf-8")
        if path is None:
            return html
        path = Path(path)
        _triax.write(path, html.encode())
        return path

    def predictor(self, setting: str | None = None, device: str = "cpu") -> Predictor:
        """Return the networks of a setting, which predict together: by default those of the best."""
        return load(self.path, setting=setting, device=device)


class Audit:
    """What leaks from training into validation. `audit` makes it.

    Attributes
    ----------
    leaks : bool
        Whether validation figures will be too good.
    is_open : bool
        Whether something could not be excluded.
    findings : list of dict
        What was looked for: its `name`, `verdict` and `words`, with figures.
    facts : dict
        Everything, as ``triax data audit --json`` has it.
    """

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.leaks: bool = facts["leaks"]
        self.is_open: bool = facts["not_excluded"]
        self.findings: list[dict[str, Any]] = facts["findings"]

    def __str__(self) -> str:
        lines = [f"{finding['verdict']}: {finding['words']}" for finding in self.findings]
        return "\n".join([f"{self.facts['audited']}.", *lines])

    def __repr__(self) -> str:
        verdict = "leaks" if self.leaks else "something could not be excluded" if self.is_open else "nothing leaks"
        return f"<triax.Audit of {self.facts['data']}: {verdict}>"


def study(
    X: ArrayLike | str | os.PathLike[str],
    y: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    *,
    vary: Mapping[str, Iterable[Any]] | None = None,
    folds: str | None = None,
    seeds: int = 5,
    baselines: bool = True,
    channels: Iterable[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    verbose: int = 0,
    **settings: Any,
) -> Study:
    """Compare settings on people that no network has trained on, as ``triax study`` does.

    Parameters
    ----------
    X : array-like (n, window, channels), or path
        Windows in the sensor's units; or recordings as `read` takes them, which need no `y` and `groups`.
    y : array-like (n,)
        Class of each window.
    groups : array-like (n,), optional
        Subject of each window.
    vary : mapping, optional
        Settings that vary, each with a list of its values: ``{"loss": ["hinge", "squared_hinge"]}``. All combinations are
        trained.
    folds : str, optional
        ``"loso"`` leaves one subject out after the other, ``"group-5"`` five groups of them; ``"random-5"`` says nothing of
        unseen people. By default the most honest that the data allows.
    seeds : int
        Trainings of each setting and fold.
    baselines : bool
        Whether classical methods are trained on the same folds.
    channels : list of str, optional
        Name of each channel of an array; of recordings, the channels to read.
    out : path, optional
        The folder of the study. If it holds the same study, the latter goes on where it stopped. Windows that are given as
        arrays are saved beside it, as ``OUT.windows.npz``. By default, a temporary folder that lives as long as the result.
    verbose : int
        1 shows a progress bar, if tqdm is installed.
    **settings
        Settings of the command line that all trainings share, such as ``epochs=20`` or ``seed=1``.

    Returns
    -------
    Study

    Raises
    ------
    OSError
        If a file cannot be read or written.
    ValueError
        If settings or data are invalid.

    Notes
    -----
    Ctrl-C stops the study. What is trained is kept, and the same call with the same `out` goes on.
    """
    keep = None
    if out is None:
        keep = tempfile.TemporaryDirectory(prefix="triax-study-")
        out = Path(keep.name) / "study"
    out = Path(out)
    settings["data"] = _data(X, y, groups, channels, out)
    if _is_path(X) and channels is not None:
        settings["channels"] = list(channels)
    with progress(verbose, "study") as show:
        notices = _triax.study(as_json(settings), vary_as_json(vary or {}), folds, seeds, baselines, out, show)
    warn(notices)
    return Study(out, _keep=keep)


def audit(
    X: ArrayLike | str | os.PathLike[str],
    y: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    *,
    folds: str | None = None,
    gap: bool = False,
    channels: Iterable[str] | None = None,
    **settings: Any,
) -> Audit:
    """Look for what leaks from training into validation, as ``triax data audit`` does.

    Parameters
    ----------
    X : array-like (n, window, channels), or path
        Windows in the sensor's units; recordings as `read` takes them; or the folder of a run or of a study.
    y, groups : array-like (n,), optional
        Class and subject of each window.
    folds : str, optional
        Folds as in `study`. By default, the split of a single training.
    gap : bool
        Whether to measure how much random folds flatter, with up to ten trainings.
    channels : list of str, optional
        Name of each channel of an array; of recordings, the channels to read.
    **settings
        Settings of the command line.

    Returns
    -------
    Audit
    """
    if _is_path(X):
        own = _triax.audit_of(os.fspath(X), gap)
        if own is not None:
            return Audit(json.loads(own))
    with tempfile.TemporaryDirectory(prefix="triax-audit-") as folder:
        settings["data"] = _data(X, y, groups, channels, Path(folder) / "arrays")
        if _is_path(X) and channels is not None:
            settings["channels"] = list(channels)
        return Audit(json.loads(_triax.audit(as_json(settings), folds, gap)))


def _is_path(X: Any) -> bool:
    return isinstance(X, (str, os.PathLike))


def _data(X: Any, y: Any, groups: Any, channels: Any, out: Path) -> str:
    """Return the path of the data: `X` itself, or the file beside `out` into which the arrays are saved."""
    if _is_path(X):
        if y is not None or groups is not None:
            raise ValueError("recordings say themselves who does what: leave y and groups out")
        return os.fspath(X)
    return saved(X, y, groups, channels, out)


def saved(X: Any, y: Any, groups: Any, channels: Any, out: Path) -> str:
    """Save arrays beside `out`, in the form that the library reads, and return the path.

    Raises
    ------
    ValueError
        If the arrays do not fit together, or others are there already.
    """
    if y is None:
        raise ValueError("y is missing: the class of each window")
    arrays = _arrays(X, y, groups, channels)
    path = out.with_name(f"{out.name}.windows.npz")
    if path.exists():
        with np.load(path) as there:
            same = set(there.files) == set(arrays) and all(np.array_equal(there[name], arrays[name]) for name in arrays)
        if not same:
            raise ValueError(f"{path} holds other windows: name another out")
        return str(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez(partial, **arrays)
    partial.replace(path)
    return str(path)


def _arrays(X: Any, y: Any, groups: Any, channels: Any) -> dict[str, NDArray[Any]]:
    """Return the arrays under the names by which the library knows them."""
    X = check_array(X, dtype=np.float32, allow_nd=True)
    if X.ndim != 3:
        raise ValueError(f"Found array with dim {X.ndim}; windows are (n, window, channels)")
    check_consistent_length(X, y, groups)
    names = [str(channel) for channel in (range(X.shape[2]) if channels is None else channels)]
    arrays = {"X": X, "y": column_or_1d(y).astype(str), "channels": np.asarray(names)}
    if groups is not None:
        arrays["subjects"] = column_or_1d(groups).astype(str)
    return arrays


def _table(path: Path) -> Any:
    """Return the table in a CSV file: as a DataFrame, or without pandas as a dict of arrays."""
    try:
        import pandas
    except ImportError:
        pass
    else:
        return pandas.read_csv(path)
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return {name: _column([row[at] for row in rows]) for at, name in enumerate(header)}


def _column(texts: list[str]) -> NDArray[Any]:
    """Return a column as whole numbers, numbers or texts, whatever all of it is."""
    for kind in (int, float):
        try:
            return np.asarray([kind(text) if text or kind is int else np.nan for text in texts])
        except ValueError:
            pass
    return np.asarray(texts)
