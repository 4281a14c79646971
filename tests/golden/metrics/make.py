"""Writes data.json: what torch-fidelity and prdc compute from the features that `tests/it/golden_metrics.rs` gives histogen.

Run with Python 3.11 or later, NumPy, PyTorch, torch-fidelity 0.4.0 and prdc 0.2 (the versions used stand in data.json):

    python tests/golden/metrics/make.py

Features come from integer arithmetic that both sides do exactly (`noise` below), so data.json holds results only. The
references compute in float64, from the same float32 features.
"""

import contextlib
import importlib.metadata
import io
import json
import platform
from pathlib import Path

import numpy as np
import prdc
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kernel_mmd, kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

HERE = Path(__file__).resolve().parent
MASK = np.uint64(0xFFFFFFFF)


def noise(rows, columns, place):
    """Entry (i, j) is a hash of i, j and place in 32 bits."""
    i = np.arange(rows, dtype=np.uint64)[:, None]
    j = np.arange(columns, dtype=np.uint64)[None, :]
    h = (i * np.uint64(73856093) ^ j * np.uint64(19349663) ^ np.uint64(place * 83492791)) & MASK
    for _ in range(2):
        h ^= h >> np.uint64(16)
        h = h * np.uint64(0x45D9F3B) & MASK
    return h ^ (h >> np.uint64(16))


def smooth(rows, columns, place):
    """Correlated columns: entry j is the sum of four neighbouring ones in 0 .. 255, over 512."""
    levels = (noise(rows, columns + 3, place) >> np.uint64(24)).astype(np.float64)
    return sum(levels[:, shift : shift + columns] for shift in range(4)) / 512


def grid(rows, columns, place):
    """Numbers 0 to 3, so that many distances are equal; the last fifth of the rows repeats the first."""
    values = (noise(rows, columns, place) >> np.uint64(30)).astype(np.float64)
    values[-(rows // 5) :] = values[: rows // 5]
    return values


def moved(features):
    """A little wider, and shifted."""
    return 1.0625 * features + 0.03125


def dead(features):
    """With a feature that is always the same."""
    features[:, 3] = 1.0
    return features


def half_narrow(features):
    """Every other row without the number 3."""
    features[::2] = np.minimum(features[::2], 2.0)
    return features


# Name, real features, generated features.
cases = {
    "many rows": (smooth(300, 40, 1), moved(smooth(280, 40, 2))),
    "a dead feature": (smooth(300, 40, 1), dead(moved(smooth(280, 40, 2)))),
    "fewer rows than columns": (smooth(60, 100, 3), moved(smooth(50, 100, 4))),
    "fewer rows on one side": (smooth(300, 100, 3), moved(smooth(50, 100, 4))),
    "ties": (grid(2000, 64, 5), half_narrow(grid(2000, 64, 6))),
}


def authentic(real, fake):
    """The percentage of generated rows further from the nearest real row than that is from its own nearest."""

    def squared(a, b):
        return (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T

    within = squared(real, real)
    np.fill_diagonal(within, np.inf)
    across = squared(fake, real)
    nearest = across.argmin(1)
    return float(100 * (across.min(1) > within.min(1)[nearest]).mean())


def results(real, fake):
    real, fake = (np.asarray(side, np.float32).astype(np.float64) for side in (real, fake))
    x, y = torch.from_numpy(fake), torch.from_numpy(real)
    fid = fid_statistics_to_metric(fid_features_to_statistics(x), fid_features_to_statistics(y), False)
    found = {"shape": [len(real), len(fake), real.shape[1]], "fid": fid["frechet_inception_distance"]}
    size = min(len(real), len(fake))
    options = dict(kid_subsets=1, kid_subset_size=size, verbose=False, rng_seed=2020)
    found["kid of all"] = kid_features_to_metric(x[:size], y[:size], **options)["kernel_inception_distance_mean"]
    # Two subsets of torch-fidelity's own choice.
    random = np.random.RandomState(2020)
    subsets = []
    for _ in range(2):
        mine, other = (random.choice(len(side), 40, replace=False) for side in (fake, real))
        estimate = kernel_mmd(fake[mine], real[other], kid_kernel="poly")
        subsets.append({"generated": mine.tolist(), "real": other.tolist(), "kid": float(estimate)})
    found["kid of subsets"] = subsets
    neighbours = prc_features_to_metric(x, y, verbose=False)
    found |= {name: neighbours[name] for name in ("precision", "recall", "f_score")}
    with contextlib.redirect_stdout(io.StringIO()):
        balls = prdc.compute_prdc(real, fake, nearest_k=5)
    found |= {name: float(balls[name]) for name in ("density", "coverage")}
    found["authpct"] = authentic(real, fake)
    return found


versions = {name: importlib.metadata.version(name) for name in ("numpy", "torch", "torch-fidelity", "prdc", "scikit-learn")}
data = {
    "made by": "tests/golden/metrics/make.py",
    "versions": {"python": platform.python_version()} | versions,
    "cases": {name: results(*sides) for name, sides in cases.items()},
}
(HERE / "data.json").write_text(json.dumps(data, indent=1) + "\n")
