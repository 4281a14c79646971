"""histogen's Python module beside clean-fid and torch-fidelity: two arrays in memory to their FID.

    python benches/peers/arrays.py --folder target/peers --images 1000

The images are smooth noise of 64 x 64, drawn with a fixed seed. The weights of the network come from the formula of
`tests/golden/inception/formula.py`, so nothing is downloaded; clean-fid, whose own network is a file of TorchScript that must be, runs
torch-fidelity's network of the same weights behind its own resizing (Pillow's bicubic), as its mode "clean" does. Every run is a
process of its own; its seconds count from its start, so importing PyTorch is part of them. histogen uses `inception-v3-clean` against
clean-fid and `inception-v3` against torch-fidelity. Needs the module histogen, torch, torch-fidelity, clean-fid, NumPy and Pillow.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZE = 64

ARRAYS = f"""
import json, resource, sys, time
import numpy as np
count, weights, threads = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def images(seed, tint):
    draws = np.random.default_rng(seed)
    coarse = draws.integers(0, 256, (count, {SIZE} // 8, {SIZE} // 8, 3)).astype(np.float32)
    images = np.empty((count, {SIZE}, {SIZE}, 3), np.uint8)
    for start in range(0, count, 100):  # all at once would be most of the memory that is measured
        part = coarse[start : start + 100].repeat(8, 1).repeat(8, 2)
        part += draws.normal(0, 20, part.shape).astype(np.float32)
        images[start : start + 100] = np.clip(part * tint, 0, 255)
    return images

sides = [images(0, 1.0), images(1, 0.8)]
start = time.perf_counter()
"""

END = """
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"fid": fid, "inside": time.perf_counter() - start, "memory": most / 1024, "versions": versions}))
"""

HISTOGEN = """
import histogen
histogen.set_threads(threads)
fid = float(histogen.fid(*sides, features=FEATURES, weights=weights))
versions = f"histogen {histogen.__version__}"
"""

NETWORK = """
import torch, torch_fidelity
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
torch.set_num_threads(threads)
torch.set_grad_enabled(False)
"""

TORCH_FIDELITY = NETWORK + """
class Side(torch.utils.data.Dataset):
    def __init__(self, images):
        self.images = images
    def __len__(self):
        return len(self.images)
    def __getitem__(self, place):
        return torch.from_numpy(self.images[place].transpose(2, 0, 1).copy())

found = torch_fidelity.calculate_metrics(
    input1=Side(sides[0]), input2=Side(sides[1]), fid=True, cuda=False, cache=False, batch_size=32, verbose=False,
    feature_extractor="inception-v3-compat", feature_extractor_weights_path=weights,
)
fid = found["frechet_inception_distance"]
versions = f"torch-fidelity {torch_fidelity.__version__}, torch {torch.__version__}"
"""

CLEAN_FID = NETWORK + """
import importlib.metadata
from cleanfid.fid import frechet_distance
from cleanfid.resize import build_resizer

network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=weights)
resize = build_resizer("clean")

def maps(x):
    # Its forward pass from the resized images on.
    for name in ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2",
                 "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7a", "Mixed_7b",
                 "Mixed_7c"]:
        x = getattr(network, name)(x)
    return x.mean((2, 3))

def statistics_of(images):
    features = []
    for start in range(0, len(images), 32):
        batch = np.stack([resize(image) for image in images[start : start + 32]])
        batch = (torch.from_numpy(batch).permute(0, 3, 1, 2) - 128) / 128
        features.append(maps(batch).numpy())
    features = np.concatenate(features)
    return features.mean(0), np.cov(features, rowvar=False)

fid = float(frechet_distance(*statistics_of(sides[0]), *statistics_of(sides[1])))
versions = f"clean-fid {importlib.metadata.version('clean-fid')}, torch {torch.__version__}"
"""

PROGRAMS = {
    "histogen, clean": HISTOGEN.replace("FEATURES", '"inception-v3-clean"'),
    "clean-fid": CLEAN_FID,
    "histogen": HISTOGEN.replace("FEATURES", '"inception-v3"'),
    "torch-fidelity": TORCH_FIDELITY,
}


def run(name, arguments, weights):
    command = [sys.executable, "-c", ARRAYS + PROGRAMS[name] + END, str(arguments.images), str(weights), str(arguments.threads)]
    environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads)}
    start, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    seconds, now = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return json.loads(output.splitlines()[-1]) | {"program": name, "seconds": seconds, "processor": processor}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the weights are kept")
    parser.add_argument("--images", type=int, default=1000, help="images a side")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--programs", default=";".join(PROGRAMS), help="which to run, separated by semicolons")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    weights = arguments.folder / "weights.pth"
    if not weights.exists():
        sys.path.insert(0, str(ROOT / "tests/golden/inception"))
        import formula

        arguments.folder.mkdir(parents=True, exist_ok=True)
        formula.write(weights)
    runs = {name: [] for name in arguments.programs.split(";")}
    for _ in range(arguments.rounds):
        for name, found in runs.items():
            found.append(run(name, arguments, weights))
            print(json.dumps(found[-1]), flush=True)
    print(f"\n{arguments.images} against {arguments.images} arrays of {SIZE} x {SIZE} x 3, {arguments.threads} threads")
    for name, found in runs.items():
        median = {key: statistics.median(one[key] for one in found) for key in ["seconds", "processor", "memory"]}
        print(
            f"{name:16} {median['seconds']:7.1f} s {median['processor']:7.1f} s of processors {median['memory']:6.0f} MiB   "
            f"FID {found[-1]['fid']:.9g}   ({found[-1]['versions']})"
        )


main()
