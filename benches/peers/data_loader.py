"""Reads batches of training patches in PyTorch, as a careful user of it would write it.

The patches are those of a patch store of histogen: `patches.npy` mapped into memory, whole batches picked by a sampler, so that
no collation goes image by image. Both with worker processes and without; the quicker of the two counts. Prints one JSON line.

    python data_loader.py --store FOLDER --batch 128 --batches 400
"""

import argparse
import csv
import json
import resource
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler


class Patches(Dataset):
    """Whole batches by their indices: [n, 3, size, size] in [-1, 1]."""

    def __init__(self, store):
        with open(store / "patches.csv", newline="") as file:
            self.members = np.array([i for i, row in enumerate(csv.DictReader(file)) if row["split"] == "train"])
        self.path, self.patches = store / "patches.npy", None

    def __len__(self):
        return len(self.members)

    def __getitem__(self, indices):
        if self.patches is None:  # opened by each worker for itself
            self.patches = np.load(self.path, mmap_mode="r")
        images = torch.from_numpy(self.patches[self.members[indices]])
        return images.permute(0, 3, 1, 2).to(torch.float32).div_(127.5).sub_(1).contiguous()


def milliseconds(patches, batch, batches, workers):
    sampler = BatchSampler(RandomSampler(patches), batch, drop_last=True)
    loader = DataLoader(patches, sampler=sampler, batch_size=None, num_workers=workers, persistent_workers=workers > 0)

    def endless():
        while True:
            yield from loader

    stream = endless()
    total = next(stream)[0, 0, 0, 0].item()  # the first warms up
    start = time.perf_counter()
    for _ in range(batches):
        total += next(stream)[0, 0, 0, 0].item()
    assert np.isfinite(total)
    return 1e3 * (time.perf_counter() - start) / batches


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.manual_seed(0)
    patches = Patches(arguments.store)
    times = {n: milliseconds(patches, arguments.batch, arguments.batches, n) for n in arguments.workers}
    best = min(times, key=times.get)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if best:
        peak += best * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    version = f"PyTorch {torch.__version__}"
    print(json.dumps({"milliseconds": [times[best]], "peak_kib": peak, "version": version, "by_workers": times}))


if __name__ == "__main__":
    main()
