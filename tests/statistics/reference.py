"""Random data, and what SciPy, scikit-learn and NumPy make of it: one JSON document on stdout.

The seed is fixed: the numbers are the same in every run, so that a failure can be looked at again.
"""

import json
import math

import numpy as np
from scipy import optimize, stats
from sklearn import metrics

SEED = 20_240_611
random = np.random.default_rng(SEED)


def numbers(values):
    return [float(value) for value in values]


def classes(count, positive):
    """Truth and prediction over so many classes, some of them rare."""
    size = int(random.integers(20, 400))
    weights = random.dirichlet(np.ones(count))
    truth = random.choice(count, size, p=weights)
    predicted = np.where(random.random(size) < 0.7, truth, random.choice(count, size))
    if positive is not None:
        truth[0] = positive
        how = {"labels": [positive], "average": "macro"}
    else:
        how = {"average": "macro"}
    return {
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "positive": positive,
        "accuracy": metrics.accuracy_score(truth, predicted),
        "precision": metrics.precision_score(truth, predicted, zero_division=0, **how),
        "recall": metrics.recall_score(truth, predicted, zero_division=0, **how),
        "f1": metrics.f1_score(truth, predicted, zero_division=0, **how),
    }


def ranking(decimals):
    """Scores rounded to so few decimals that many are equal."""
    size = int(random.integers(10, 500))
    truth = random.random(size) < 0.3
    truth[:2] = [True, False]
    scores = np.round(random.normal(0.4 + 0.2 * truth, 0.3), decimals)
    return {
        "truth": truth.tolist(),
        "scores": numbers(scores),
        "auc": metrics.roc_auc_score(truth, scores),
    }


def errors():
    size = int(random.integers(1, 300))
    truth = random.normal(10, 5, size)
    predicted = truth + random.standard_t(3, size)
    return {
        "truth": numbers(truth),
        "predicted": numbers(predicted),
        "mae": metrics.mean_absolute_error(truth, predicted),
        "rmse": metrics.root_mean_squared_error(truth, predicted),
    }


def quantiles():
    values = np.sort(random.normal(size=int(random.integers(1, 60))))
    share = float(random.random())
    return {"sorted": numbers(values), "share": share, "quantile": float(np.quantile(values, share))}


def wilson(successes, samples, confidence):
    interval = stats.binomtest(successes, samples).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def likeliest(one, other, margin):
    """The p-value of Farrington and Manning, its constrained shares found by maximising the likelihood."""
    (x, n), (y, m) = one, other

    def unlikely(low):
        high = low + margin
        return -(stats.binom.logpmf(x, n, low) + stats.binom.logpmf(y, m, high))

    found = optimize.minimize_scalar(
        unlikely, bounds=(0.0, 1.0 - margin), method="bounded", options={"xatol": 1e-13}
    )
    low = found.x
    high = low + margin
    deviation = math.sqrt(low * (1 - low) / n + high * (1 - high) / m)
    return float(stats.norm.cdf((x / n - y / m + margin) / deviation))


def proportions():
    n, m = (int(random.integers(40, 5000)) for _ in range(2))
    share = float(random.choice([0.5, 0.9, 0.97]))
    x, y = (int(random.binomial(size, share)) for size in (n, m))
    confidence = float(random.choice([0.9, 0.95, 0.99]))
    (p, q), (low1, high1), (low2, high2) = (
        (x / n, y / m),
        wilson(x, n, confidence),
        wilson(y, m, confidence),
    )
    margin = float(random.choice([0.005, 0.01, 0.05]))
    table = [[n - x, x], [m - y, y]]
    if stats.contingency.expected_freq(table).min() < 5:
        none = float(stats.fisher_exact(table, alternative="greater").pvalue)
    else:
        pooled = stats.chi2_contingency(table, correction=False)
        none = float(stats.norm.cdf(math.copysign(math.sqrt(pooled.statistic), p - q)))
    return {
        "one": [x, n],
        "other": [y, m],
        "confidence": confidence,
        "wilson": [low1, high1],
        # Newcombe's interval from SciPy's two of Wilson's.
        "difference": [
            p - q - math.hypot(p - low1, high2 - q),
            p - q + math.hypot(high1 - p, q - low2),
        ],
        "margin": margin,
        "p_with_margin": likeliest((x, n), (y, m), margin),
        "p_without": none,
    }


def rare():
    """Few failures: where Fisher's exact test is the one that counts."""
    n, m = (int(random.integers(20, 3000)) for _ in range(2))
    x, y = (size - int(min(size, random.poisson(2))) for size in (n, m))
    if x + y == n + m:
        x -= 1
    table = [[n - x, x], [m - y, y]]
    if stats.contingency.expected_freq(table).min() >= 5:
        return rare()
    return {
        "one": [x, n],
        "other": [y, m],
        "p": float(stats.fisher_exact(table, alternative="greater").pvalue),
    }


def kolmogorov(sizes, shift, decimals):
    one = np.round(random.normal(0, 1, sizes[0]), decimals)
    other = np.round(random.normal(shift, 1, sizes[1]), decimals)
    exact = sizes[0] * sizes[1] <= 1_000_000
    found = stats.ks_2samp(one, other, method="exact" if exact else "asymp")
    p = found.pvalue
    if not exact:
        # ks_2samp's "asymp" takes the one-sample distribution of a rounded size; the limit itself is kstwobign.
        n, m = sizes
        p = stats.kstwobign.sf(found.statistic * math.sqrt(n * m / (n + m)))
    return {
        "one": numbers(one),
        "other": numbers(other),
        "statistic": float(found.statistic),
        "p": float(p),
    }


def categories():
    count = int(random.integers(2, 12))
    weights = random.dirichlet(np.ones(count) * 3)
    one = random.multinomial(int(random.integers(50, 2000)), weights)
    other = random.multinomial(int(random.integers(50, 2000)), random.dirichlet(1 + weights * 200))
    seen = (one + other) > 0
    found = stats.chi2_contingency([one[seen], other[seen]], correction=False)
    return {
        "one": one.tolist(),
        "other": other.tolist(),
        "statistic": float(found.statistic),
        "p": float(found.pvalue),
    }


def psi():
    """By NumPy's quantiles and SciPy's relative entropy, both ways: that is the index."""
    reference = random.gamma(2, 1, int(random.integers(200, 2000)))
    current = random.gamma(2.3, 1, int(random.integers(200, 2000)))
    bins = int(random.integers(3, 20))
    edges = np.quantile(reference, np.arange(1, bins) / bins)
    expected, actual = (
        np.bincount(np.searchsorted(edges, sample, side="left"), minlength=bins) / sample.size
        for sample in (reference, current)
    )
    expected, actual = (np.maximum(shares, 1e-4) for shares in (expected, actual))
    index = stats.entropy(actual, expected) + stats.entropy(expected, actual)
    plain = float(np.sum((actual - expected) * np.log(actual / expected)))
    # entropy() makes both sum to one, which they do unless a bin is empty.
    if (actual > 1e-4).all():
        assert abs(index - plain) < 1e-12
    return {"reference": numbers(reference), "current": numbers(current), "bins": bins, "psi": plain}


def resampled():
    """The interval of a paired difference of accuracies: of the same kind, from other random numbers."""
    size = int(random.integers(150, 600))
    staged = random.random(size) < 0.85
    live = np.where(random.random(size) < 0.8, staged, random.random(size) < 0.8)

    def difference(one, other, axis=-1):
        return np.mean(one, axis=axis) - np.mean(other, axis=axis)

    found = stats.bootstrap(
        (staged.astype(float), live.astype(float)),
        difference,
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        confidence_level=0.95,
        method="percentile",
        random_state=SEED,
    ).confidence_interval
    return {
        "staged": staged.tolist(),
        "live": live.tolist(),
        "interval": [float(found.low), float(found.high)],
    }


def alike():
    words = np.array("a card was stolen in the city and used abroad twice".split())
    one, other = (random.choice(words, int(random.integers(1, 40))) for _ in range(2))
    lengths = np.zeros((len(one) + 1, len(other) + 1), dtype=int)
    for i, word in enumerate(one):
        for j, candidate in enumerate(other):
            lengths[i + 1, j + 1] = (
                lengths[i, j] + 1
                if word == candidate
                else max(lengths[i, j + 1], lengths[i + 1, j])
            )
    longest = int(lengths[-1, -1])
    precision, recall = longest / len(one), longest / len(other)
    f_measure = stats.hmean([precision, recall]) if longest else 0.0
    vectors = random.normal(size=(2, 384))
    from scipy.spatial import distance

    return {
        "one": " ".join(one),
        "other": " ".join(other),
        "rouge_l": float(f_measure),
        "vectors": [numbers(vector) for vector in vectors],
        "cosine": float(1 - distance.cosine(*vectors)),
    }


print(
    json.dumps(
        {
            "classes": [classes(2, 1) for _ in range(20)]
            + [classes(int(random.integers(2, 7)), None) for _ in range(20)],
            "ranking": [ranking(decimals) for decimals in [0, 1, 2, 8] * 5],
            "errors": [errors() for _ in range(20)],
            "quantiles": [quantiles() for _ in range(50)],
            "proportions": [proportions() for _ in range(60)],
            "rare": [rare() for _ in range(60)],
            "kolmogorov": [
                kolmogorov((int(random.integers(2, 90)), int(random.integers(2, 90))), shift, 8)
                for shift in [0, 0.3, 1, 4] * 5
            ]
            + [
                kolmogorov((300, 211), 0.5, 1),
                kolmogorov((1000, 1000), 0.2, 8),
                kolmogorov((1100, 950), 0.0, 8),
                kolmogorov((3000, 2500), 0.02, 8),
                kolmogorov((3000, 2500), 0.1, 2),
            ],
            "categories": [categories() for _ in range(40)],
            "psi": [psi() for _ in range(20)],
            "resampled": [resampled() for _ in range(4)],
            "alike": [alike() for _ in range(20)],
        }
    )
)
