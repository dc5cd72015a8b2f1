"""How people are judged, and recipes compared over them: by the definitions of Triax's studies (docs/study.md)."""

import numpy as np
from scipy import stats
from sklearn.metrics import f1_score

RESAMPLES = 10_000


def macro_f1(truth, predicted):
    """Mean F1 of the classes that have windows in `truth` (n,)."""
    return float(f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0))


def estimate(values):
    """The mean of `values` (one a person) with its 95 % percentile bootstrap interval over people; one person has none."""
    values = np.asarray(values, dtype=float)
    found = {"mean": float(values.mean()), "n": len(values)}
    if len(values) > 1:
        drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
        low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
        found |= {"low": float(low), "high": float(high)}
    return found


def compared(of_one, of_other):
    """How much the macro-F1 of `of_one` is above that of `of_other`, both by person, with Wilcoxon's signed-rank test."""
    people = sorted(of_one)
    differences = np.asarray([of_one[person] - of_other[person] for person in people])
    p = float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
    return estimate(differences) | {"p": p}


def holm(p_values):
    """The p-values, corrected for all of them together (Holm, 1979)."""
    order = np.argsort(p_values)
    raised = np.maximum.accumulate([min(1.0, p_values[at] * (len(order) - rank)) for rank, at in enumerate(order)])
    corrected = np.empty(len(order))
    corrected[order] = raised
    return corrected.tolist()
