"""Whether histogen's Python module, PyTorch and NumPy slow one another in one process, with threads of their own each.

    python benches/peers/threads.py [--images 64] [--rounds 5] [--threads 2]

A process times one of the three by itself; another has all three loaded and at work by turns (PyTorch's and NumPy's threads come from
OpenMP and OpenBLAS, histogen's from a pool of its own, and each keeps them while another computes). Prints the median seconds of each alone
and together, and their ratio. Needs the module histogen, torch and NumPy.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

PARTS = {
    "histogen": (
        "import histogen; histogen.set_threads(threads)",
        'histogen.fid(images, other, features="vgg16-random")',
    ),
    "torch": (
        "import torch; torch.set_num_threads(threads); layer = torch.nn.Conv2d(64, 64, 3); maps = torch.rand(32, 64, 64, 64)",
        "torch.no_grad()(layer)(maps)",
    ),
    "numpy": ("matrix = np.random.default_rng(0).random((1500, 1500))", "matrix @ matrix"),
}

PROGRAM = """
import json, sys, time
import numpy as np
parts, count, threads = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
draws = np.random.default_rng(0)
images, other = (draws.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8) for _ in range(2))
for start, _ in parts.values():
    exec(start)
seconds = {name: [] for name in parts}
for turn in range(4):
    for name, (_, work) in parts.items():
        begin = time.perf_counter()
        for _ in range(1 if name == "histogen" else 8):
            eval(work)
        if turn > 0:
            seconds[name].append(time.perf_counter() - begin)
print(json.dumps({name: sorted(times)[1] for name, times in seconds.items()}))
"""


def run(parts, arguments):
    threads = str(arguments.threads)
    command = [sys.executable, "-c", PROGRAM, json.dumps(parts), str(arguments.images), threads]
    environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return json.loads(output.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=64, help="images a side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    alone, together = {name: [] for name in PARTS}, {name: [] for name in PARTS}
    for _ in range(arguments.rounds):
        for name, part in PARTS.items():
            alone[name].append(run({name: part}, arguments)[name])
        for name, seconds in run(PARTS, arguments).items():
            together[name].append(seconds)
    print("| | alone, s | together, s | ratio |\n| --- | ---: | ---: | ---: |")
    for name in PARTS:
        first, second = statistics.median(alone[name]), statistics.median(together[name])
        ratios = [after / before for before, after in zip(alone[name], together[name])]
        print(f"| {name} | {first:.3f} | {second:.3f} | **{second / first:.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) |")


main()
