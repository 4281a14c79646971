"""Writes data.json: Gaussian MMD (CMMD's formula), Vendi score and feature likelihood divergence of the features that
`tests/it/divergences.rs` gives histogen, computed in float64 from the definitions, by NumPy and by PyTorch's own Adam and
automatic differentiation.

    python tests/golden/divergences/make.py          needs NumPy and PyTorch

Features come from the integer arithmetic of `../metrics/make.py` (`noise`, `smooth`), so data.json holds results only.
"""

import json
from pathlib import Path

import numpy as np
import torch

MASK = np.uint64(0xFFFFFFFF)


def noise(rows, columns, place):
    i = np.arange(rows, dtype=np.uint64)[:, None]
    j = np.arange(columns, dtype=np.uint64)[None, :]
    h = (i * np.uint64(73856093) ^ j * np.uint64(19349663) ^ np.uint64(place * 83492791)) & MASK
    for _ in range(2):
        h ^= h >> np.uint64(16)
        h = h * np.uint64(0x45D9F3B) & MASK
    return h ^ (h >> np.uint64(16))


def smooth(rows, columns, place):
    levels = (noise(rows, columns + 3, place) >> np.uint64(24)).astype(np.float64)
    return sum(levels[:, shift : shift + columns] for shift in range(4)) / 512


def moved(features):
    return 1.0625 * features + 0.03125


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def cmmd(x, y, sigma=10, scale=1000):
    """Jayasumana et al. 2024: the V-statistic of exp(-|x - y|^2 / (2 sigma^2)) on rows of length 1."""
    x, y = unit(x), unit(y)

    def mean(a, b):
        squared = ((a[:, None] - b[None]) ** 2).sum(-1)
        return np.exp(-squared / (2 * sigma**2)).mean()

    return scale * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def vendi(x):
    """Friedman and Dieng 2023 on products of rows of length 1."""
    x = unit(x)
    values = np.linalg.eigvalsh(x @ x.T / len(x))
    values = values[values > 0]
    return np.exp(-(values * np.log(values)).sum())


def likelihood(centres, fit, held_out):
    """Jiralerspong et al. 2023: the mean negative log likelihood, a feature, of held-out rows under the fitted mixture."""
    centres, fit, held_out = (torch.from_numpy(x) for x in (centres, fit, held_out))
    mean, deviation = held_out.mean(0), held_out.std(0)
    centres, fit, held_out = ((x - mean) / deviation for x in (centres, fit, held_out))
    size = centres.shape[1]

    def logs(rows, around, log_variances, shrink=1.0):
        squared = shrink**2 * ((rows[:, None] - around[None]) ** 2).sum(-1)
        top = -size / 2 * (log_variances + np.log(2 * np.pi)) - np.log(len(around))
        return top - squared / (2 * log_variances.exp())

    nearest = ((fit[:, None] - centres[None]) ** 2).sum(-1).min(0).values
    log_variances = ((nearest + 1e-3) / size).log().requires_grad_()
    of_mean = torch.zeros((), dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([log_variances, of_mean], lr=0.5)
    for _ in range(50):
        adam.zero_grad()
        everything = [logs(fit, centres, log_variances), logs(fit, fit.mean(0, keepdim=True), of_mean, 0.9)]
        (-torch.logsumexp(torch.cat(everything, 1), 1).mean() / size).backward()
        adam.step()
        with torch.no_grad():
            log_variances.clamp_(-40, 20)
    with torch.no_grad():
        return float(-torch.logsumexp(logs(held_out, centres, log_variances), 1).mean() / size)


def results(real, generated):
    real, generated = (np.asarray(side, np.float32).astype(np.float64) for side in (real, generated))
    half = len(real) // 2
    fit, held_out = real[:half], real[half:]
    split = min(len(generated), half // 2)
    likelihoods = [likelihood(generated, fit, held_out), likelihood(fit[:split], fit[split:], held_out)]
    copies = fit.copy()
    return {
        "shape": [len(real), len(generated), real.shape[1]],
        "cmmd": cmmd(generated, real),
        "vendi": [vendi(generated), vendi(real)],
        "likelihoods": likelihoods,
        "fld": 100 * (likelihoods[0] - likelihoods[1]),
        "likelihood of copies": likelihood(copies, fit, held_out),
    }


cases = {
    "many rows": (smooth(300, 40, 1), moved(smooth(280, 40, 2))),
    "fewer rows than columns": (smooth(60, 100, 3), moved(smooth(50, 100, 4))),
}
data = {
    "made by": "tests/golden/divergences/make.py",
    "versions": {"numpy": np.__version__, "torch": torch.__version__},
    "cases": {name: results(*sides) for name, sides in cases.items()},
}
(Path(__file__).resolve().parent / "data.json").write_text(json.dumps(data, indent=1) + "\n")
