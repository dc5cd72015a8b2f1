"""The curves of a training as an inline SVG."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 320, 160, 48, 8, 24, 24
COLOURS = ("#0072b2", "#d55e00")
"""Training and validation, which people with any colour vision can tell apart."""


def curves(history: Mapping[str, np.ndarray]) -> str:
    """Return HTML with a chart of the loss and one of the accuracy over epochs, each for training and validation.

    Parameters
    ----------
    history : mapping
        Figures of each epoch, as in `TriaxClassifier.history_`.
    """
    charts = [_chart(title, history[name], history.get(f"val_{name}")) for title, name in (("Loss", "loss"), ("Accuracy", "accuracy"))]
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(charts)}</div>'


def _chart(title: str, training: np.ndarray, validation: np.ndarray | None) -> str:
    lines = [("training", training)] + ([] if validation is None else [("validation", validation)])
    values = np.concatenate([line for _, line in lines])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if high == low:
        low, high = low - 0.5, high + 0.5
    n_epochs = len(training)

    def place(epoch: int, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (epoch / max(n_epochs - 1, 1))
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * ((value - low) / (high - low))
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="11" fill="currentColor"><title>{escape(title)} over {n_epochs} epochs</title>',
        f'<text x="{LEFT}" y="14" font-weight="bold">{escape(title)}</text>',
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="currentColor" stroke-opacity="0.4"/>',
        f'<text x="{LEFT - 4}" y="{TOP + 4}" text-anchor="end">{high:.3g}</text>',
        f'<text x="{LEFT - 4}" y="{HEIGHT - BOTTOM}" text-anchor="end">{low:.3g}</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 8}">1</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">epoch {n_epochs}</text>',
    ]
    for number, ((name, line), colour) in enumerate(zip(lines, COLOURS)):
        points = " ".join(place(epoch, value) for epoch, value in enumerate(line) if np.isfinite(value))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT - 70 * (len(lines) - 1 - number)}" y="14" text-anchor="end" fill="{colour}">{name}</text>')
    return "".join(parts) + "</svg>"
