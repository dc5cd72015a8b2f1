"""Golden values for temperatures, smoothed probabilities and segment-wise F1, in numpy float64.

Run: python over_time.py > over_time.json
"""

import itertools
import json

import numpy as np

rng = np.random.default_rng(14)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def temperature(n, classes, scale):
    labels = rng.integers(0, classes, n)
    scores = rng.normal(size=(n, classes)) * scale
    scores[np.arange(n), labels] += scale
    scores = scores.astype(np.float32).astype(np.float64)
    # Each label is taken to be right but for one more window of an unknown class.
    targets = np.eye(classes)[labels] * (1 - 1 / (n + 1)) + 1 / (n + 1) / classes

    def loss(t):
        return -np.mean(np.sum(targets * np.log(softmax(scores / t)), axis=1))

    # Golden section on the logarithm.
    low, high, golden = np.log(1e-2), np.log(1e2), (np.sqrt(5) - 1) / 2
    for _ in range(200):
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if loss(np.exp(a)) < loss(np.exp(b)) else (a, high)
    t = float(np.exp((low + high) / 2))

    def log_loss(t):
        return float(-np.mean(np.log(softmax(scores / t)[np.arange(n), labels])))

    return {
        "classes": classes,
        "scores": scores.ravel().tolist(),
        "labels": labels.tolist(),
        "temperature": t,
        "before": log_loss(1.0),
        "after": log_loss(t),
    }


def sequence(n, classes, window, step, rejected_share):
    durations = rng.uniform(50, 500, classes)
    following = rng.uniform(0.1, 1, (classes, classes))
    np.fill_diagonal(following, 0)
    following /= following.sum(axis=1, keepdims=True)
    priors = rng.dirichlet(np.full(classes, 5.0))
    probabilities = rng.dirichlet(np.ones(classes), n)
    rejected = rng.random(n) < 0.4
    # The share of changes to each activity: the left eigenvector of 1.
    values, vectors = np.linalg.eig(following.T)
    changes = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    changes /= changes.sum()
    shares = changes * durations / (changes * durations).sum()
    unknown = 0.0 if rejected_share is None else 1 / classes
    rates = (1 - unknown) * following / durations[:, None]
    start = shares
    likelihoods = probabilities / priors
    if rejected_share is not None:
        leaving = np.full((1, classes), 1 / classes / durations.mean())
        rates = np.block([[rates, (unknown / durations)[:, None]], [leaving, np.zeros((1, 1))]])
        start = np.append(shares, 1 / classes) / (1 + 1 / classes)
        known = np.where(rejected, rejected_share, 1 - rejected_share)
        likelihoods = np.column_stack([likelihoods * known[:, None], np.full(n, 0.5)])
    likelihoods = likelihoods ** min(1.0, step / window)
    states = len(start)
    # The exponential of the rates, by their eigenvectors.
    values, vectors = np.linalg.eig(rates - np.diag(rates.sum(axis=1)))
    transitions = np.real(vectors @ np.diag(np.exp(values * step)) @ np.linalg.inv(vectors))

    def posterior(n_known, at):
        total = np.zeros(states)
        for path in itertools.product(range(states), repeat=n_known):
            p = start[path[0]] * likelihoods[0, path[0]]
            for t in range(1, n_known):
                p *= transitions[path[t - 1], path[t]] * likelihoods[t, path[t]]
            total[path[at]] += p
        return (total / total.sum()).tolist()

    return {
        "durations": durations.tolist(),
        "next": following.tolist(),
        "priors": priors.tolist(),
        "window": window,
        "step": step,
        "rejected_share": rejected_share,
        "probabilities": probabilities.tolist(),
        "rejected": rejected.tolist(),
        "shares": shares.tolist(),
        "smoothed": [posterior(n, t) for t in range(n)],
        "lagged": [posterior(min(n, t + 3), t) for t in range(n)],
    }


def f1(actual, found, least):
    """Segmental F1 of two label arrays, one label a sample."""

    def runs(labels):
        ends = np.flatnonzero(np.diff(labels)) + 1
        starts = np.concatenate([[0], ends])
        return [(labels[a], a, b) for a, b in zip(starts, np.concatenate([ends, [len(labels)]]))]

    true, guessed = runs(actual), runs(found)
    used, hits = set(), 0
    for state, a, b in guessed:
        ious = [
            max(0, min(b, d) - max(a, c)) / (max(b, d) - min(a, c)) if other == state else 0.0 for other, c, d in true
        ]
        best = int(np.argmax(ious))
        if ious[best] >= least and best not in used:
            used.add(best)
            hits += 1
    return 2 * hits / (len(true) + len(guessed))


def pairs(labels):
    return [[int(label), 1] for label in labels]


def case():
    n = 60
    actual = np.repeat(rng.integers(0, 3, 6), 10)
    found = np.where(rng.random(n) < 0.15, rng.integers(0, 3, n), np.roll(actual, rng.integers(-4, 5)))
    return {"actual": pairs(actual), "found": pairs(found), "f1": [f1(actual, found, least) for least in OVERLAPS]}


OVERLAPS = [0.1, 0.25, 0.5]
print(
    json.dumps(
        {
            "temperatures": [temperature(40, 3, 3.0), temperature(30, 4, 0.7)],
            "sequences": [sequence(7, 3, 100, 100, None), sequence(6, 3, 120, 50, None), sequence(6, 3, 120, 60, 0.05)],
            "overlaps": OVERLAPS,
            "segments": [case() for _ in range(20)],
        }
    )
)
