"""Writes paired.json: what SciPy and statsmodels say about made-up pairs of models.

    pip install numpy==2.* scipy==1.* statsmodels==0.15.*
    python tests/packages/statistics/paired.py
"""

import json
from pathlib import Path

import numpy as np
import scipy
import statsmodels
import statsmodels.api as sm
from scipy.stats import bootstrap, norm, t, ttest_ind, wilcoxon
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


def covariances(scores, people):
    """Covariances of the means of all models over images, or people by statsmodels' clusters."""
    if people is None:
        return np.cov(scores) / scores.shape[1]

    def variance(values):
        fit = sm.OLS(values, np.ones(len(values))).fit(
            cov_type="cluster", cov_kwds={"groups": people, "use_correction": True}
        )
        return fit.cov_params()[0, 0]

    return np.array([[(variance(x + y) - variance(x - y)) / 4 for y in scores] for x in scores])


def settings(n, seeds, spread, own, repeat=1, digits=0):
    """Scores of models of two settings; Obuchowski's and Rockette's covariances, Hillis' test."""
    people = None if repeat == 1 else np.arange(n) // repeat
    faces = rng.normal(0, 1, n) if people is None else rng.normal(0, 1, n)[people] * 0.7
    groups = []
    for k, shift in zip(seeds, (0, 0.2)):
        of_setting = rng.normal(0, own, n)
        noise = rng.normal(0, 0.5, (k, n)) + rng.normal(shift, spread, (k, 1))
        groups.append(np.round(np.abs(faces + of_setting + noise), digits))
    a, b = groups
    cov = covariances(np.concatenate(groups), people)
    i, j = np.arange(len(a)), len(a) + np.arange(len(b))
    within = [
        (cov[np.ix_(x, x)].sum() - np.trace(cov[np.ix_(x, x)])) / (len(x) * (len(x) - 1))
        for x in (i, j)
    ]
    images = max(0, sum(within) - 2 * cov[np.ix_(i, j)].mean())
    parts = [x.mean(axis=1).var(ddof=1) / len(x) for x in groups]
    variance = sum(parts) + images
    df = variance**2 / sum(part**2 / (len(x) - 1) for part, x in zip(parts, groups))
    difference = a.mean() - b.mean()
    half = t.ppf(0.975, df) * np.sqrt(variance)
    return {
        "a": a.tolist(),
        "b": b.tolist(),
        "people": None if people is None else people.tolist(),
        "difference": difference,
        "interval": [difference - half, difference + half],
        "p": 2 * t.sf(abs(difference) / np.sqrt(variance), df),
        # Without variance of the images, the test is Welch's of the means of the seeds.
        "welch": ttest_ind(a.mean(axis=1), b.mean(axis=1), equal_var=False).pvalue if images == 0 else None,
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
            "settings": [
                settings(20, (3, 3), 0.1, 0.6),
                settings(26, (3, 4), 0.1, 0),
                settings(20, (3, 3), 0.1, 0),
                settings(24, (4, 3), 0.1, 0.5, repeat=3),
            ],
            "student": [
                [x, df, float(2 * t.sf(x, df))]
                for x, df in [(0.5, 2), (12.7, 1), (2.776, 4), (3, 2.5), (40, 3), (8, 1e5), (1.96, 1e6)]
            ],
            "normal": [[z, float(2 * norm.sf(z))] for z in (0, 0.1, 1, 1.96, 2.7, 2.9, 5, 8, 20)],
            "holm": [
                {"p": p, "corrected": multipletests(p, method="holm")[1].tolist()} for p in ps
            ],
        }
    )
    + "\n"
)
