"""The progress of a training, in a terminal or in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

Epoch = tuple[int, float, "float | None"]
"""Number of an epoch, its training loss, and its validation loss if it has one."""

Progress = Callable[[int, int, "Epoch | None"], None]
"""Takes the steps that are done, those that there are, and the epoch that ended last."""


@contextmanager
def progress(verbose: int | bool, what: str) -> Iterator[Progress | None]:
    """Show a bar if `verbose`, by tqdm: as text in a terminal, as a widget in Jupyter.

    Raises
    ------
    ImportError
        If tqdm is not installed.
    """
    if not verbose:
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("verbose=1 shows a bar of the package tqdm: pip install tqdm, or leave verbose at 0") from None
    with tqdm(desc=what, unit=" steps", total=0) as bar:

        def show(steps: int, n_steps: int, epoch: Epoch | None) -> None:
            bar.total = n_steps
            if epoch is not None:
                number, loss, val_loss = epoch
                figures = {"epoch": number, "loss": f"{loss:.4f}"}
                if val_loss is not None:
                    figures["val_loss"] = f"{val_loss:.4f}"
                bar.set_postfix(figures, refresh=False)
            bar.update(steps - bar.n)

        yield show
