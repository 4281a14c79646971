"""Races histogen's statistics against torch-fidelity's and prdc's on the same feature files, in turns.

    cargo build --release
    python benches/peers/feature_statistics.py [--images 10000] [--features 2048] [--rounds 3] [--threads 2]

Needs NumPy, PyTorch, torch-fidelity 0.4 and prdc 0.2. The features are random, correlated and cut at zero as those of a
network with ReLU are. histogen is timed as a process, start and reading of the files included (`evaluate A.npy B.npy`);
the others inside a running Python, the arrays in memory. Prints the versions, the median seconds of each and what both
found.
"""

import argparse
import contextlib
import importlib.metadata
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--images", type=int, default=10_000)
parser.add_argument("--features", type=int, default=2048)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
arguments = parser.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = str(arguments.threads)

import numpy as np  # noqa: E402 (the number of threads is read on import)
import prdc  # noqa: E402
import torch  # noqa: E402
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric  # noqa: E402
from torch_fidelity.metric_kid import kid_features_to_metric  # noqa: E402
from torch_fidelity.metric_prc import prc_features_to_metric  # noqa: E402

torch.set_num_threads(arguments.threads)
PROGRAM = Path(__file__).resolve().parents[2] / "target" / "release" / "histogen"


def features(seed, shift):
    random = np.random.default_rng(seed)
    latent = min(256, arguments.features)
    mixing = np.random.default_rng(0).standard_normal((latent, arguments.features), np.float32) / 16
    values = random.standard_normal((arguments.images, latent), np.float32) @ mixing
    values += 0.3 * random.standard_normal(values.shape, np.float32)
    return np.maximum(values + np.float32(shift), 0) / 2


def ours(folder, metrics):
    command = [PROGRAM, "evaluate", "generated.npy", "real.npy", "--json", "--metrics", metrics]
    if arguments.images < 1000:
        command += ["--set", f"evaluation.metrics.kid_subset_size={arguments.images}"]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - start
    return seconds, {score["name"]: score["value"] for score in json.loads(done.stdout)}


def spread(seconds):
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def theirs(function):
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        found = function()
    return time.perf_counter() - start, found


def main():
    generated, real = features(1, 0.02), features(2, 0.0)
    x, y = torch.from_numpy(generated), torch.from_numpy(real)
    subset = dict(kid_subsets=100, kid_subset_size=min(1000, arguments.images), rng_seed=2020)

    def fid():
        return fid_statistics_to_metric(fid_features_to_statistics(x), fid_features_to_statistics(y), False)

    def kid():
        return kid_features_to_metric(x, y, verbose=False, **subset)

    def precision_recall():
        return prc_features_to_metric(x, y, verbose=False)

    races = [
        ("FID", "fid", "torch-fidelity", fid),
        ("KID", "kid", "torch-fidelity", kid),
        ("precision, recall", "precision-recall", "torch-fidelity", precision_recall),
        (
            "FID, KID, precision, recall",
            "fid,kid,precision-recall",
            "torch-fidelity",
            lambda: fid() | kid() | precision_recall(),
        ),
        (
            "precision, recall, density, coverage",
            "precision-recall,density-coverage",
            "prdc",
            lambda: prdc.compute_prdc(real, generated, nearest_k=5),
        ),
    ]
    names = ("numpy", "torch", "torch-fidelity", "prdc", "scikit-learn")
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in names), file=sys.stderr)
    rows = [[name, metrics, peer, function, [], [], {}, {}] for name, metrics, peer, function in races]
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "generated.npy", generated)
        np.save(Path(folder) / "real.npy", real)
        for _ in range(arguments.rounds):
            for row in rows:
                seconds, found = ours(folder, row[1])
                row[4].append(seconds)
                row[6] = found
                seconds, found = theirs(row[3])
                row[5].append(seconds)
                row[7] = {name: float(value) for name, value in found.items()}
    shape = f"{arguments.images} x {arguments.features}, {arguments.threads} threads, {arguments.rounds} rounds"
    print(f"Seconds (median, smallest to largest; {shape})\n")
    print("| statistic | histogen | peer | | ratio |\n| --- | ---: | --- | ---: | ---: |")
    for name, _, peer, _, mine, other, _, _ in rows:
        ratio = statistics.median(mine) / statistics.median(other)
        print(f"| {name} | {spread(mine)} | {peer} | {spread(other)} | {ratio:.2f} |")
    print()
    for name, _, peer, _, _, _, mine, other in rows:
        print(f"{name}: histogen {mine}, {peer} {other}")


main()
