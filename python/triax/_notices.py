"""What a user should know although nothing failed, as Python warnings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable


class TriaxWarning(UserWarning):
    """A reason to distrust a result."""


class TriaxNote(TriaxWarning):
    """Information: what was mended, left out or guessed. ``warnings.simplefilter("ignore", TriaxNote)`` hides it."""


def warn(notices: Iterable[tuple[bool, str]], stacklevel: int = 3) -> None:
    """Warn of each of `notices`: whether it is a warning, and its text."""
    for is_warning, text in notices:
        warnings.warn(text, TriaxWarning if is_warning else TriaxNote, stacklevel=stacklevel)
