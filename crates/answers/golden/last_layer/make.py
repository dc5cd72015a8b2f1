"""Golden values of NumPy for crates/answers/src/last_layer: `python make.py`, with the version of requirements.txt."""

import json
from pathlib import Path

import numpy

rng = numpy.random.default_rng(20261126)
MARGIN = 2.0
EVEN_PART = 0.1


def wanted(scores, labels):
    """By how much each score should change, window by window."""
    recorded = sorted(set(labels))
    changes = numpy.zeros_like(scores)
    for change, row, own in zip(changes, scores, labels):
        rivals = [c for c in recorded if c != own]
        change[own] = max([0.0] + [(row[c] + MARGIN - row[own]) / 2 for c in rivals])
        for c in rivals:
            change[c] = min(0.0, row[own] + change[own] - MARGIN - row[c])
    return changes


def case(n_features, classes, counts, strength, n_directions=None):
    labels = numpy.repeat(numpy.arange(classes), counts)
    rng.shuffle(labels)
    kernel = rng.normal(size=(n_features, classes)).astype(numpy.float32)
    bias = rng.normal(size=classes).astype(numpy.float32)
    features = numpy.maximum(rng.normal(size=(len(labels), n_features)), 0).astype(numpy.float32)
    x, w = features.astype(float), 1.0 / numpy.asarray(counts, float)[labels]
    size = numpy.sqrt(numpy.average((x**2).sum(1), weights=w))
    metric, trained = numpy.eye(n_features), None
    if n_directions is not None:
        # What the network was trained on: second moments with these directions, and the same in all others.
        squares = numpy.arange(n_directions, 0, -1) * 2.0
        units = numpy.linalg.qr(rng.normal(size=(n_features, n_directions)))[0]
        directions = (units * numpy.sqrt(squares)).T.astype(numpy.float32)
        mean_square = float(squares.sum() + 0.3 * (n_features - n_directions))
        moments = units @ numpy.diag(squares - 0.3) @ units.T + 0.3 * numpy.eye(n_features)
        metric = (1 - EVEN_PART) * moments * n_features / mean_square + EVEN_PART * numpy.eye(n_features)
        size = numpy.sqrt(mean_square)
        trained = {"mean_square": mean_square, "directions": directions.tolist()}
    rows = numpy.c_[x, numpy.full(len(x), size)]
    targets = wanted(x @ kernel.astype(float) + bias, labels)
    # The pull as rows of its own, and least squares by a singular value decomposition: no equation in common with Rust.
    pull = numpy.eye(n_features + 1)
    pull[:-1, :-1] = numpy.linalg.cholesky(metric).T
    pull *= numpy.sqrt(strength * 2 * size**2)
    root = numpy.sqrt(w)[:, None]
    left = numpy.r_[root * rows, pull]
    right = numpy.r_[root * targets, numpy.zeros((n_features + 1, classes))]
    change = numpy.linalg.lstsq(left, right, rcond=None)[0]
    return {
        "features": features.ravel().tolist(),
        "labels": labels.tolist(),
        "kernel": kernel.ravel().tolist(),
        "bias": bias.tolist(),
        "strength": strength,
        "trained": trained,
        "refitted_kernel": (kernel + change[:-1]).ravel().tolist(),
        "refitted_bias": (bias + change[-1] * size).tolist(),
    }


cases = [
    case(5, 3, [2, 1, 1], 0.01),
    case(5, 3, [12, 3, 7], 0.002),
    case(4, 2, [0, 6], 0.1),
    case(7, 5, [4, 0, 2, 3, 0], 0.05),
    case(1, 2, [3, 3], 1.0),
    case(6, 3, [1, 2, 1], 0.01, n_directions=2),
    case(6, 3, [9, 0, 14], 0.005, n_directions=3),
    case(2, 3, [4, 4, 4], 0.01, n_directions=2),
]
Path(__file__).with_name("numpy.json").write_text(json.dumps({"cases": cases}) + "\n")
