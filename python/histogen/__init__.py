"""Scores, features and trainings of generative models of histopathology patches.

The numbers are those of the program ``histogen``: the same code, the same settings, the same protocols.

Examples
--------
>>> import numpy as np
>>> import histogen
>>> rng = np.random.default_rng(0)
>>> real = rng.integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)
>>> score = histogen.fid(real, real, features="pixels")
>>> round(float(score), 6)
0.0
>>> score.protocol["images"]
64
"""

from __future__ import annotations

from histogen._histogen import __version__, set_threads
from histogen._runs import Run, runs, train
from histogen._scores import (
    HistogenWarning,
    Score,
    Scores,
    authpct,
    density_coverage,
    evaluate,
    extract,
    fid,
    kid,
    precision_recall,
    write_statistics,
)

__all__ = [
    "HistogenWarning",
    "Run",
    "Score",
    "Scores",
    "__version__",
    "authpct",
    "density_coverage",
    "evaluate",
    "extract",
    "fid",
    "kid",
    "precision_recall",
    "runs",
    "set_threads",
    "train",
    "write_statistics",
]
