"""Writes intervals.json: what SciPy, statsmodels, scikit-learn and confidenceinterval say of how far
chance could have moved the metrics of statistics.json.

    pip install numpy==2.* scipy==1.* scikit-learn==1.* statsmodels==0.15.* confidenceinterval==1.0.5
    python tests/packages/statistics/intervals.py && deno fmt tests/packages/statistics
"""

import json
from importlib.metadata import version
from pathlib import Path

import confidenceinterval
import numpy as np
from scipy.stats import bootstrap
from sklearn.metrics import f1_score, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

here = Path(__file__).parent
statistics = json.loads((here / "statistics.json").read_text())
rng = np.random.default_rng(1927)


def of_mean(values, resamples=100_000):
    interval = bootstrap(
        (values,), np.mean, n_resamples=resamples, method="percentile", batch=1000, rng=rng
    ).confidence_interval
    return [float(interval.low), float(interval.high)]


def wilson(right):
    return [float(x) for x in proportion_confint(right.sum(), len(right), 0.05, "wilson")]


def area():
    truth, scores = (np.array(statistics["ranking"][key]) for key in ("truth", "scores"))
    pictures = bootstrap(
        (truth, scores),
        roc_auc_score,
        paired=True,
        vectorized=False,
        n_resamples=20_000,
        method="percentile",
        rng=rng,
    ).confidence_interval
    # Somebody is a man or a woman in all pictures, so people are numbered within a class.
    person = 2 * rng.integers(len(truth) // 8, size=len(truth)) + truth
    groups = [np.flatnonzero(person == p) for p in np.unique(person)]
    areas = []
    for _ in range(20_000):
        rows = np.concatenate([groups[g] for g in rng.integers(len(groups), size=len(groups))])
        areas.append(roc_auc_score(truth[rows], scores[rows]))
    _, delong = confidenceinterval.roc_auc_score(truth.tolist(), scores.tolist())
    return {
        "person": person.tolist(),
        "bootstrap": [float(pictures.low), float(pictures.high)],
        "bootstrapPeople": np.percentile(areas, [2.5, 97.5]).tolist(),
        "delong": [float(x) for x in delong],
    }


def calibrated():
    truth, scores = (np.array(statistics["ranking"][key]) for key in ("truth", "scores"))
    hundredths = np.round(100 * scores).astype(int)
    bins = np.clip((hundredths + 9) // 10 - 1, 0, 9)
    return {
        "brier": of_mean((scores - truth) ** 2),
        "bins": [wilson(truth[bins == b]) for b in range(10)],
    }


def of_classes(name):
    truth, said = (np.array(statistics[name][key]) for key in ("truth", "prediction"))
    found = []
    for c in range(statistics[name]["classes"]):
        f1 = bootstrap(
            (truth == c, said == c),
            f1_score,
            paired=True,
            vectorized=False,
            n_resamples=5_000,
            method="percentile",
            rng=rng,
        ).confidence_interval
        found.append(
            {
                "precision": wilson(truth[said == c] == c),
                "recall": wilson(said[truth == c] == c),
                "f1": [float(f1.low), float(f1.high)],
            }
        )
    return found


def by_age():
    truth, said = (np.array(statistics["ages"][key]) for key in ("truth", "prediction"))
    found = []
    for band in statistics["ages"]["bands"]:
        signed = (said - truth)[(truth >= band["from"]) & (truth <= band["to"])]
        enough = len(signed) >= 5
        found.append(
            {
                "mae": of_mean(np.abs(signed)) if enough else None,
                "bias": of_mean(signed) if enough else None,
            }
        )
    return found


packages = ["numpy", "scipy", "scikit-learn", "statsmodels", "confidenceinterval"]
Path(__file__).with_suffix(".json").write_text(
    json.dumps(
        {
            "versions": {name: version(name) for name in packages},
            "auc": area(),
            "calibration": calibrated(),
            "gender": of_classes("gender"),
            "groups": of_classes("groups"),
            "bands": by_age(),
        }
    )
    + "\n"
)
