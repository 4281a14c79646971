"""Writes data.json: what SciPy and rliable compute from a few sets of numbers, one a seed.

Run with Python 3.11 or later, SciPy 1.10 or later and rliable 1.0 or later (the versions used stand in data.json):

    python tests/golden/statistics/make.py

SciPy gives the t intervals, the trimmed means, and the exact test of signs; rliable the interquartile mean and the
probability of improvement. Holm's correction is the formula of Holm (1979) in NumPy. Bootstraps depend on the generator of
random numbers, so of rliable's only an interval of many resamples is kept, which ours must come close to.
"""

import importlib.metadata
import json
import platform
from pathlib import Path

import numpy as np
from rliable import library, metrics
from scipy import stats

HERE = Path(__file__).resolve().parent

SAMPLES = {
    "three": [44.04, 51.26, 47.5],
    "five": [0.2095, 0.0468, 0.3242, 0.3838, 0.1],
    "ten": [57.4, 70.0, 51.2, 203.5, 44.0, 290.0, 376.5, 61.1, 58.9, 49.7],
    "ties": [1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0],
}
# The same seeds of two systems.
PAIRS = {
    "three": ([44.04, 51.26, 47.5], [57.45, 60.1, 49.9]),
    "five": ([0.2095, 0.0468, 0.3242, 0.3838, 0.1], [0.25, 0.03, 0.4, 0.5, 0.11]),
    "ties": ([1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0], [2.0, 2.0, 3.0, 3.0, 1.0, 4.0, 6.0]),
    "ten": (
        [57.4, 70.0, 51.2, 203.5, 44.0, 290.0, 376.5, 61.1, 58.9, 49.7],
        [60.2, 68.8, 59.9, 220.1, 47.3, 301.0, 370.2, 72.4, 59.3, 55.5],
    ),
}
P_VALUES = [[0.01, 0.04, 0.03, 0.005], [0.25, 0.25, 0.5], [0.5, 0.9], [0.02]]
RESAMPLES = 50_000


def column(values):
    return np.array(values, dtype=np.float64).reshape(-1, 1)


def interval_of_mean(values):
    mean, error = np.mean(values), stats.sem(values)
    return list(stats.t.interval(0.95, len(values) - 1, loc=mean, scale=error))


def of_sample(values):
    scores = {"it": column(values)}
    aggregate = lambda scores: np.array([metrics.aggregate_iqm(scores)])
    points, intervals = library.get_interval_estimates(
        scores, aggregate, reps=RESAMPLES, random_state=np.random.RandomState(0)
    )
    return {
        "values": values,
        "mean": float(np.mean(values)),
        "deviation": float(np.std(values, ddof=1)),
        "interval": interval_of_mean(values),
        "interquartile_mean": float(points["it"][0]),
        "bootstrap": [float(bound) for bound in intervals["it"][:, 0]],
    }


def of_pair(left, right):
    differences = np.subtract(left, right)
    test = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    # rliable counts higher scores as better, our lower ones: its first argument is the right one.
    improvement = lambda x, y: metrics.probability_of_improvement(x, y)
    return {
        "left": left,
        "right": right,
        "mean": float(differences.mean()),
        "interval": interval_of_mean(differences),
        "p": float(test.pvalue),
        "improvement_where_lower_is_better": float(improvement(column(right), column(left))),
        "improvement_where_higher_is_better": float(improvement(column(left), column(right))),
    }


def holm(p_values):
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, (len(p_values) - rank) * p_values[place])
        adjusted[place] = min(1.0, largest)
    return {"p": p_values, "adjusted": list(adjusted)}


data = {
    "versions": {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("numpy", "scipy", "rliable")},
    },
    "samples": {name: of_sample(values) for name, values in SAMPLES.items()},
    "pairs": {name: of_pair(*pair) for name, pair in PAIRS.items()},
    "holm": [holm(p_values) for p_values in P_VALUES],
}
(HERE / "data.json").write_text(json.dumps(data, indent=1) + "\n")
