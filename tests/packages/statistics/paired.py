"""Writes paired.json: what SciPy and statsmodels say about made-up pairs of models.

    pip install numpy==2.* scipy==1.* statsmodels==0.15.*
    python tests/packages/statistics/paired.py
"""

import json
from pathlib import Path

import numpy as np
import scipy
import statsmodels
from scipy.stats import bootstrap, norm, wilcoxon
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(2021)


def hits(n, skill_a, skill_b, shared):
    """Right and wrong of two classifiers that agree on `shared` of the pictures."""
    a = (rng.random(n) < skill_a).astype(int)
    b = np.where(rng.random(n) < shared, a, rng.random(n) < skill_b).astype(int)
    table = [[np.sum((a == x) & (b == y)) for y in (1, 0)] for x in (1, 0)]
    return {"a": a.tolist(), "b": b.tolist(), "mcnemar": mcnemar(table, exact=True).pvalue}


def counts(only_a, only_b):
    return {
        "onlyA": only_a,
        "onlyB": only_b,
        "mcnemar": mcnemar([[100, only_a], [only_b, 50]], exact=True).pvalue,
    }


def errors(n, gain, digits):
    """Absolute errors of two models in years; rounded ones have ties and zeros."""
    a = np.abs(rng.normal(0, 10, n))
    b = np.round(np.abs(a + rng.normal(gain, 4, n)), digits)
    a = np.round(a, digits)
    differences = np.round(a - b, 9)
    interval = bootstrap(
        (differences,), np.mean, n_resamples=100_000, method="percentile", batch=1000, rng=rng
    ).confidence_interval
    return {
        "a": a.tolist(),
        "b": b.tolist(),
        "differences": differences.tolist(),
        "difference": float(differences.mean()),
        "interval": [float(interval.low), float(interval.high)],
        "wilcoxon": float(wilcoxon(differences, method="asymptotic").pvalue),
    }


ps = [[0.01, 0.04, 0.03], [0.2], [0.5, 0.9, 0.001, 0.02], [0.03, 0.03]]

Path(__file__).with_suffix(".json").write_text(
    json.dumps(
        {
            "versions": {
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "statsmodels": statsmodels.__version__,
            },
            "hits": [hits(60, 0.7, 0.6, 0.5), hits(200, 0.9, 0.6, 0.3), hits(50, 0.8, 0.8, 1)],
            "counts": [counts(a, b) for a, b in [(5, 12), (0, 7), (40, 41), (900, 1200), (3000, 2500)]],
            "errors": [errors(80, 0, 3), errors(150, 1, 1), errors(120, 0.5, 0)],
            "normal": [[z, float(2 * norm.sf(z))] for z in (0, 0.1, 1, 1.96, 2.7, 2.9, 5, 8, 20)],
            "holm": [
                {"p": p, "corrected": multipletests(p, method="holm")[1].tolist()} for p in ps
            ],
        }
    )
    + "\n"
)
