"""Makes `data.json`: the nearest rows of a set to some queries, by a sort of all of them in NumPy.

    python make.py        (numpy; its version is written into the file)

Set and queries are given by a formula that `tests/it/retrieve.rs` spells again: whole numbers over 16, so that products are exact,
and rows that repeat, so that there are ties, which are in the order of the set.
"""

import json
from pathlib import Path

import numpy as np

ROWS, COLUMNS, QUERIES, K = 1300, 12, 7, 20


def features(rows, shift):
    row, column = np.mgrid[0:rows, 0:COLUMNS]
    return ((row * 37 + column * 101 + row * column * 13 + shift) % 251 - 100) / 16


rows, queries = features(ROWS, 0), features(QUERIES, 5)
queries[0] = rows[700]
products = queries @ rows.T
lengths = np.sqrt((queries**2).sum(axis=1)[:, None] * (rows**2).sum(axis=1))
distances = ((queries[:, None] - rows) ** 2).sum(axis=2)
data = {
    "version": np.__version__,
    "cosine": np.argsort(-products / lengths, axis=1, kind="stable")[:, :K].tolist(),
    "euclidean": np.argsort(distances, axis=1, kind="stable")[:, :K].tolist(),
}
(Path(__file__).parent / "data.json").write_text(json.dumps(data) + "\n")
