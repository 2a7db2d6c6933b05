#!/usr/bin/env python3
"""Trains two versions of a fraud model with scikit-learn, and writes the labelled data that a release is judged by.

    target/mlserver/venv/bin/python examples/mlserver/train.py target/mlserver/models

v1.2 is a logistic regression; v1.3 a random forest, which has seen this year's bursts of small payments. The seeds are
fixed: every run makes the same models and the same lines.
"""

import json
import pathlib
import sys

import joblib
import numpy
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

# amount (log10), abroad, at night, risk of the merchant, payments in the last hour (log), age of the card (log10)
FEATURES = 6
TRAINING = 4000
LABELLED = 1000


def transactions(rng, rows):
    """Features of card payments, and whether each turned out to be fraud."""
    suspicious = rng.random(rows) < 0.35
    x = numpy.column_stack([
        numpy.log10(1 + numpy.exp(rng.normal(numpy.where(suspicious, 5.2, 3.6), 1.1))),
        rng.random(rows) < numpy.where(suspicious, 0.5, 0.06),
        rng.random(rows) < numpy.where(suspicious, 0.35, 0.05),
        numpy.where(suspicious, rng.beta(2, 4, rows), rng.beta(1, 25, rows)),
        numpy.log1p(rng.exponential(numpy.where(suspicious, 3.3, 0.5))),
        numpy.log10(1 + rng.exponential(numpy.where(suspicious, 150, 900))),
    ]).astype(float)
    amount, abroad, night, risk, burst, age = x.T
    # Bursts of small payments are this year's pattern: no straight line through the features tells it.
    linear = -4.9 + 0.6 * amount + 1.6 * abroad + 0.5 * night + 3.0 * risk - 0.7 * age + 2.6 * burst * (amount < 2.0)
    fraud = rng.random(rows) < 1 / (1 + numpy.exp(-1.8 * linear))
    return x, fraud.astype(int)


def write(model, version, folder):
    """One folder per version, as MLServer reads it."""
    folder = folder / version
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    settings = {
        "name": "fraud",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": version},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings, indent=2) + "\n")


def question(row):
    """One request of the Open Inference protocol; the answer's second column is the probability of fraud."""
    return {
        "inputs": [{"name": "x", "shape": [1, FEATURES], "datatype": "FP64", "data": [round(v, 6) for v in row]}],
        "outputs": [{"name": "predict_proba"}],
    }


def main(folder):
    rng = numpy.random.default_rng(42)
    x, fraud = transactions(rng, TRAINING)
    write(LogisticRegression(max_iter=1000).fit(x, fraud), "v1.2", folder)
    write(RandomForestClassifier(n_estimators=60, min_samples_leaf=5, random_state=42).fit(x, fraud), "v1.3", folder)
    rows, labels = transactions(rng, LABELLED)
    with open(folder / "labelled.jsonl", "w", encoding="utf-8") as lines:
        for row, label in zip(rows.tolist(), labels.tolist()):
            lines.write(json.dumps({"input": question(row), "label": bool(label)}) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
