"""Several trainings at once on one device: steps a second of all together, and the memory of a card.

    python benches/together.py --device cuda      needs a program built for that device; --model sngan --jobs 1 2 4 8

Each row trains so many seeds from nothing, each in a process of its own with its share of the cores, as `--jobs` does. Steps are counted
from when all of them train until the first is done, by the times in their ledgers, so neither the start of processes nor the compiling
of kernels counts. A GPU's ledger gets 25 steps at a time, so of 500 a rate is off by up to 5 %.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from race import CardMemory

ROOT = Path(__file__).resolve().parents[1]
# All processes are at full speed by then.
WARM_UP = 10


def together(arguments, jobs):
    """Steps a second of `jobs` trainings at once, and the peak memory of the card in MiB."""
    with tempfile.TemporaryDirectory() as out:
        command = [arguments.histogen, "train", "table1", "--model", arguments.model, "--profile", arguments.profile, "--out", out]
        command += ["--device", arguments.device, "--set", f"training.steps={arguments.steps}"]
        command += [part for pair in arguments.set for part in ("--set", pair)]
        environment = os.environ | {"RAYON_NUM_THREADS": str(max(1, os.cpu_count() // jobs))}
        with CardMemory(arguments.device) as memory:
            trainings = [
                subprocess.Popen([*command, "--seed", str(seed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
                for seed in range(jobs)
            ]
            assert not any([training.wait() for training in trainings]), "a training failed"
        times = []
        for path in sorted(Path(out).glob(f"runs/{arguments.model}-s*/ledger.jsonl")):
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            times.append([line["time"] for line in lines if line["event"] == "step"])
    assert len(times) == jobs, f"{len(times)} of {jobs} trainings"
    start, end = max(times[job][WARM_UP] for job in range(jobs)), min(each[-1] for each in times)
    steps = sum(start < time <= end for each in times for time in each)
    return steps / (end - start) * 1e3, memory.peak


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, wgpu[:n] or cuda[:n]")
    parser.add_argument("--model", default="dcgan")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--set", nargs="*", default=[], help="settings, KEY=VALUE")
    parser.add_argument("--histogen", default=str(ROOT / "target/release/histogen"))
    arguments = parser.parse_args()
    print("| trainings at once | steps a second, all together | of one alone | memory of the card, MiB |\n| ---: | ---: | ---: | ---: |")
    alone = None
    for jobs in arguments.jobs:
        rate, memory = together(arguments, jobs)
        alone = alone or rate
        print(f"| {jobs} | {rate:.1f} | {rate / alone:.2f} | {memory or ''} |", flush=True)


if __name__ == "__main__":
    main()
