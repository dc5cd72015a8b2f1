"""The compiled part of the package: arrays in, arrays out. What users meet is in the modules beside it."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__version__: str

_Notices = list[tuple[bool, str]]
_Progress = Callable[[int, int, tuple[int, float, float | None] | None], None]

class Fitted:
    weights: bytes
    history: list[dict[str, float]]
    device: str
    adapted: list[str]
    notices: _Notices

class Exported:
    content: bytes
    figures: dict[str, Any]
    golden: list[tuple[str, bytes]]
    notices: _Notices

class Predictor:
    shape: tuple[int, int]
    classes: list[str]
    class_names: list[str]
    channels: list[str] | None
    rate_hz: float | None
    step: int | None
    loss: str | None
    temperature: float
    n_networks: int
    notices: _Notices
    @staticmethod
    def from_bytes(bytes: bytes, device: str) -> Predictor: ...
    def scores(self, windows: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def to_bytes(self) -> bytes | None: ...

class Corpus:
    name: str
    channels: list[str]
    classes: list[str]
    class_names: list[str]
    rate_hz: float | None
    window: int | None
    fingerprint: str
    n_recordings: int
    notices: _Notices
    def facts(self, idx: int) -> tuple[str, int, str, str | None]: ...
    def values(self, idx: int) -> tuple[NDArray[np.float32], NDArray[np.float64] | None]: ...
    def cut(self, settings: str) -> Windows: ...

class Windows:
    notices: _Notices
    def values(self) -> NDArray[np.float32]: ...
    def labels(self) -> NDArray[np.uint32]: ...
    def recordings(self) -> NDArray[np.uint32]: ...

def settings() -> list[tuple[str, str, str, str]]: ...
def fit(
    settings: str,
    values: NDArray[np.float32],
    labels: NDArray[np.uint32],
    weights: NDArray[np.float32] | None,
    subjects: NDArray[np.uint32] | None,
    channels: list[str],
    classes: list[str],
    rate_hz: float | None,
    train: NDArray[np.uint32],
    valid: NDArray[np.uint32],
    progress: _Progress | None = None,
) -> Fitted: ...
def write(path: str | os.PathLike[str], bytes: bytes) -> None: ...
def load(path: str | os.PathLike[str], weights: str, setting: str | None, device: str) -> Predictor: ...
def export(
    predictor: Predictor, to: str, softmax: bool, prefix: str, member: str | None, data: str | None, tables: str
) -> Exported: ...
def export_formats() -> list[tuple[str, str]]: ...
def import_network(
    path: str | os.PathLike[str],
    classes: list[str],
    channels: list[str],
    rate: float | None,
    loss: str | None,
    mean: list[float],
    deviation: list[float],
    device: str,
) -> tuple[Predictor, _Notices]: ...
def read(settings: str) -> Corpus: ...
def study(
    settings: str,
    vary: str,
    folds: str | None,
    seeds: int,
    baselines: bool,
    out: str | os.PathLike[str],
    progress: _Progress | None = None,
) -> _Notices: ...
def audit(settings: str, folds: str | None, gap: bool) -> str: ...
def audit_of(path: str | os.PathLike[str], gap: bool) -> str | None: ...
