"""Settings: named and understood as on the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from triax import _triax


class Setting(NamedTuple):
    """A setting of the command line."""

    group: str
    """Heading under which the command line lists it."""
    help: str
    """What it does."""
    default: Any
    """Its value where none is given, and where no preset gives one."""


SETTINGS: dict[str, Setting] = {
    name: Setting(group, help, json.loads(default)) for name, group, help, default in _triax.settings()
}
"""Every setting of the command line by its name, with its default."""


def as_json(settings: Mapping[str, Any]) -> str:
    """Return `settings` as a JSON object, without those that are None."""
    return json.dumps({name: _value(name, value) for name, value in settings.items() if value is not None})


def vary_as_json(vary: Mapping[str, Iterable[Any]]) -> str:
    """Return the values of each setting that varies as a JSON object of lists."""
    for name, values in vary.items():
        if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
            raise ValueError(f"vary: the values of {name!r} are {values!r}; write a list of them")
    return json.dumps({name: [_value(name, value) for value in values] for name, values in vary.items()})


def _value(name: str, value: Any) -> Any:
    """Return `value` in the form that the library reads."""
    if name == "convs" and _is_block(value):
        value = [value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return [f"{key}={_value('', item)}" for key, item in value.items()]
    if isinstance(value, (list, tuple, np.ndarray)):
        if name == "convs":
            return [":".join(str(size) for size in block) if _is_block(block) else _value("", block) for block in value]
        return [_value("", item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"`{name}` is {value!r}, of which no setting can be made")


def _is_block(value: Any) -> bool:
    """Whether `value` is one convolution block: filters, kernel and stride, and what else belongs to it."""
    return isinstance(value, (list, tuple)) and len(value) > 0 and isinstance(value[0], (int, np.integer))
