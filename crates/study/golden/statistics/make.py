"""Golden values of SciPy for crates/study/src/statistics: `python make.py`, with the versions of requirements.txt."""

import json
from pathlib import Path

import numpy
import scipy
from scipy import stats

rng = numpy.random.default_rng(20261124)


def signed_rank(differences):
    nonzero = differences[differences != 0]
    ranks = stats.rankdata(abs(nonzero))
    plus, minus = ranks[nonzero > 0].sum(), ranks[nonzero < 0].sum()
    return {
        "differences": differences.tolist(),
        "p": float(stats.wilcoxon(differences).pvalue),
        "effect": float((plus - minus) / (plus + minus)),
    }


signed_ranks = []
for n in [2, 3, 5, 6, 8, 10, 16, 25, 36, 50, 51, 60]:
    for kind in ["continuous", "ties", "zeros", "shifted"]:
        values = rng.normal(size=n)
        if kind == "ties":
            values = numpy.round(values * 4) / 4 + 0.125
        if kind == "zeros":
            values[:: 3] = 0
        if kind == "shifted":
            values += 0.7
        if numpy.count_nonzero(values):
            signed_ranks.append(signed_rank(values))

holms = []
for n in [1, 2, 6, 12]:
    p = rng.uniform(size=n) ** 3
    order = numpy.argsort(p)
    # Holm (1979), as R's p.adjust has it.
    adjusted = numpy.minimum(1, numpy.maximum.accumulate((n - numpy.arange(n)) * p[order]))
    out = numpy.empty(n)
    out[order] = adjusted
    holms.append({"p": p.tolist(), "adjusted": out.tolist()})

bootstraps = []
for n, scale in [(8, 1.0), (16, 0.1), (51, 3.0)]:
    values = rng.gamma(2.0, scale, size=n)
    found = stats.bootstrap((values,), numpy.mean, n_resamples=200_000, method="percentile", random_state=rng)
    low, high = found.confidence_interval
    bootstraps.append({
        "values": values.tolist(),
        "mean": float(values.mean()),
        "deviation": float(values.std(ddof=1)),
        "low": float(low),
        "high": float(high),
    })

golden = {
    "made_by": f"numpy {numpy.__version__}, scipy {scipy.__version__}",
    "signed_rank": signed_ranks,
    "holm": holms,
    "bootstrap": bootstraps,
}
Path(__file__).with_name("scipy.json").write_text(json.dumps(golden, indent=1) + "\n")
