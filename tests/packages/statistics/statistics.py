"""Writes statistics.json: what scikit-learn, statsmodels and SciPy say about made-up predictions.

    pip install numpy==2.* scipy==1.* scikit-learn==1.* statsmodels==0.15.*
    python tests/packages/statistics/statistics.py && deno fmt tests/packages/statistics
"""

import json
from pathlib import Path

import numpy as np
import scipy
import sklearn
import statsmodels
from scipy.stats import bootstrap
from sklearn.calibration import calibration_curve
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    log_loss,
    mean_absolute_error,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)
from statsmodels.stats.proportion import proportion_confint

rng = np.random.default_rng(2021)


def classification(n, classes, skill):
    truth = rng.integers(classes, size=n)
    logits = rng.normal(size=(n, classes)) + skill * np.eye(classes)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probabilities = np.round(probabilities, 6)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    prediction = probabilities.argmax(axis=1)
    train = np.minimum(rng.integers(classes, size=2 * n), rng.integers(classes, size=2 * n))
    guess = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(train), 1)), train)
    return {
        "classes": classes,
        "train": train.tolist(),
        "truth": truth.tolist(),
        "prediction": prediction.tolist(),
        "probabilities": probabilities.tolist(),
        "accuracy": accuracy_score(truth, prediction),
        "crossEntropy": log_loss(truth, probabilities, labels=range(classes)),
        "confusion": confusion_matrix(truth, prediction, labels=range(classes)).tolist(),
        "guess": accuracy_score(truth, guess.predict(np.zeros((n, 1)))),
        "perClass": [
            {"precision": p, "recall": r, "f1": f, "count": int(c)}
            for p, r, f, c in zip(
                *precision_recall_fscore_support(
                    truth, prediction, labels=range(classes), zero_division=0
                )
            )
        ],
    }


def ranking(n):
    """Two classes, scores of few digits so that some are equal, and some at the bins' borders."""
    rng = np.random.default_rng(7)
    truth = rng.integers(2, size=n)
    scores = np.round(1 / (1 + np.exp(-rng.normal(1.6 * (truth - 0.5), 1.3))), 2)
    false_positives, true_positives, _ = roc_curve(truth, scores, drop_intermediate=False)
    true, said = calibration_curve(truth, scores, n_bins=10, strategy="uniform")
    # Borders as calibration_curve puts them; here each score has two digits, so to be exact:
    hundredths = np.round(100 * scores).astype(int)
    bins = np.clip((hundredths + 9) // 10 - 1, 0, 9)
    counts = np.bincount(bins, minlength=10)
    return {
        "truth": truth.tolist(),
        "scores": scores.tolist(),
        "roc": [[float(x), float(y)] for x, y in zip(false_positives, true_positives)],
        "auc": roc_auc_score(truth, scores),
        "brier": brier_score_loss(truth, scores),
        "said": said.tolist(),
        "true": true.tolist(),
        "counts": counts.tolist(),
        "ece": float((counts[counts > 0] * np.abs(said - true)).sum() / n),
    }


def groups(n):
    """Right or wrong, and years off, of women and men of different ages."""
    rng = np.random.default_rng(11)
    age, gender = rng.integers(0, 85, size=n), rng.integers(2, size=n)
    hits = (rng.random(n) < 0.6 + 0.3 * gender).astype(int)
    signed = np.round(rng.normal(3 - age / 10, 6), 3)
    found = []
    for g in (0, 1):
        for start, end in [(0, 999)] + [(start, start + 19) for start in range(0, 100, 20)]:
            members = (gender == g) & (age >= start) & (age <= end)
            if not members.any():
                continue
            low, high = proportion_confint(hits[members].sum(), members.sum(), 0.05, "wilson")
            found.append(
                {
                    "gender": g,
                    **({} if end == 999 else {"from": start, "to": end}),
                    "count": int(members.sum()),
                    "accuracy": accuracy_score(np.ones(members.sum()), hits[members]),
                    "interval": [float(low), float(high)],
                    "mae": mean_absolute_error(np.zeros(members.sum()), signed[members]),
                    "bias": float(signed[members].mean()),
                }
            )
    return {
        "age": age.tolist(),
        "gender": gender.tolist(),
        "hits": hits.tolist(),
        "signed": signed.tolist(),
        "groups": found,
    }


def ages(n):
    truth = np.clip(np.round(rng.normal(38, 16, n)), 0, 100)
    prediction = np.round(10 + 0.7 * truth + rng.normal(0, 8, n), 3)
    train = np.clip(np.round(rng.normal(36, 15, 2 * n)), 0, 100)
    guess = DummyRegressor(strategy="median").fit(np.zeros((len(train), 1)), train)
    errors = np.abs(prediction - truth)
    interval = bootstrap(
        (errors,), np.mean, n_resamples=100_000, method="percentile", batch=1000, rng=rng
    ).confidence_interval
    bands = []
    for start in range(0, 110, 10):
        members = (truth >= start) & (truth < start + 10)
        if members.any():
            bands.append(
                {
                    "from": start,
                    "to": start + 9,
                    "count": int(members.sum()),
                    "mae": mean_absolute_error(truth[members], prediction[members]),
                    "bias": float(np.mean(prediction[members] - truth[members])),
                    "guessMae": mean_absolute_error(
                        truth[members], guess.predict(np.zeros((members.sum(), 1)))
                    ),
                }
            )
    # The mean of a group of pictures for each person, people drawn with replacement.
    person = rng.integers(n // 6, size=n)
    groups = [errors[person == p] for p in np.unique(person)]
    sums, counts = np.array([g.sum() for g in groups]), np.array([len(g) for g in groups])
    drawn = rng.integers(len(groups), size=(100_000, len(groups)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return {
        "train": train.tolist(),
        "truth": truth.tolist(),
        "prediction": prediction.tolist(),
        "person": person.tolist(),
        "mae": mean_absolute_error(truth, prediction),
        "median": float(np.median(train)),
        "guess": mean_absolute_error(truth, guess.predict(np.zeros((n, 1)))),
        "bootstrap": [float(interval.low), float(interval.high)],
        "bootstrapPeople": np.percentile(means, [2.5, 97.5]).tolist(),
        "bands": bands,
    }


wilson = [
    {"right": k, "n": n, "interval": [float(x) for x in proportion_confint(k, n, 0.05, "wilson")]}
    for k, n in [(0, 10), (1, 10), (5, 10), (10, 10), (76, 80), (104, 200), (18_000, 20_000), (1, 1)]
]

Path(__file__).with_suffix(".json").write_text(
    json.dumps(
        {
            "versions": {
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "scikit-learn": sklearn.__version__,
                "statsmodels": statsmodels.__version__,
            },
            "gender": classification(150, 2, 1.5),
            "groups": classification(120, 8, 1.0),
            "ages": ages(180),
            "wilson": wilson,
            "ranking": ranking(160),
            "people": groups(140),
        }
    )
    + "\n"
)
