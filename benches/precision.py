"""Losses of trainings in several precisions side by side: draws `benches/precision.png` and prints a table.

    python benches/precision.py --histogen PROGRAM      needs matplotlib, and a program built for the devices that are named
    python benches/precision.py --curves f32=cpu f32-wgpu=wgpu --models dcgan --steps 300
    python benches/precision.py --on-cpu STORE          without a GPU, on the patches in STORE: bf16 as Burn emulates it, which is slow

A curve is NAME=DEVICE[,PRECISION], trained once for every seed: a line is the mean over the last 25 steps and over seeds, a band the
lowest and the highest seed. The table has the mean loss of the last tenth of all steps, and how far it is from that of the first
curve, in standard deviations of that curve's seeds: a precision that learns as well stays within a few.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import race

ROOT = Path(__file__).resolve().parents[1]
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]
WINDOW = 25


def losses(arguments, model, curve, seed):
    """Trains, or finds trained, and returns the losses by name, one number a step."""
    name, _, place = curve.partition("=")
    device, _, precision = place.partition(",")
    if arguments.on_cpu:
        command = [arguments.histogen, "--store", arguments.on_cpu, "--model", model, "--seed", str(seed), "--profile", arguments.profile]
        command += ["--steps", str(arguments.steps)] + ["--bf16"] * (precision == "bf16")
        command += [part for pair in arguments.set for part in ("--set", pair)]
        return columns(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    out = arguments.out / name
    command = [arguments.histogen, "train", "table1", "--model", model, "--seed", str(seed), "--profile", arguments.profile]
    command += ["--device", device, "--out", str(out), "--set", f"training.steps={arguments.steps}"]
    command += ["--precision", precision] * bool(precision) + [part for pair in arguments.set for part in ("--set", pair)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    return columns((out / run / "ledger.jsonl").read_text())


def columns(ledger):
    """The losses in a ledger's lines, by name."""
    lines = [json.loads(line) for line in ledger.splitlines()]
    steps = [line["scalars"] for line in lines if line["event"] == "step"]
    return {key: np.array([step[key] for step in steps]) for key in steps[0] if "loss" in key}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", nargs="+", help="f32=wgpu TF32=cuda bf16=cuda,bf16, on the CPU f32=cpu bf16=cpu,bf16")
    parser.add_argument("--on-cpu", metavar="STORE", help="train on the CPU, by `cargo bench --bench precision`")
    parser.add_argument("--models", nargs="+", default=["dcgan", "ddpm"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--set", nargs="*", default=[], help="settings, KEY=VALUE")
    parser.add_argument("--out", type=Path, default=ROOT / "target/precision", help="where runs are kept")
    parser.add_argument("--picture", type=Path, default=ROOT / "benches/precision.png")
    parser.add_argument("--histogen", default=str(ROOT / "target/release/histogen"))
    arguments = parser.parse_args()
    if arguments.on_cpu:
        arguments.histogen = race.binary("precision")
    arguments.curves = arguments.curves or (["f32=cpu", "bf16=cpu,bf16"] if arguments.on_cpu else ["f32=wgpu", "TF32=cuda", "bf16=cuda,bf16"])
    found = {}
    for model in arguments.models:
        for curve in arguments.curves:
            seeds = [losses(arguments, model, curve, seed) for seed in arguments.seeds]
            for key in seeds[0]:
                found.setdefault((model, key), {})[curve.partition("=")[0]] = np.stack([seed[key] for seed in seeds])
            print(f"{model}, {curve}: trained", file=sys.stderr, flush=True)

    figure, axes = plt.subplots(1, len(found), figsize=(4.5 * len(found), 3.6), layout="constrained", squeeze=False)
    print("| model | loss | precision | last tenth | from the first, in its deviations |\n| --- | --- | --- | ---: | ---: |")
    for axis, ((model, key), curves) in zip(axes[0], found.items()):
        first = None
        for (name, seeds), colour in zip(curves.items(), itertools.cycle(COLOURS)):
            smooth = np.stack([np.convolve(seed, np.ones(WINDOW) / WINDOW, "valid") for seed in seeds])
            places = np.arange(WINDOW, seeds.shape[1] + 1)
            axis.plot(places, smooth.mean(0), color=colour, label=name, linewidth=1.2)
            axis.fill_between(places, smooth.min(0), smooth.max(0), color=colour, alpha=0.2, linewidth=0)
            last = seeds[:, -max(1, seeds.shape[1] // 10) :].mean(1).tolist()
            mean = statistics.mean(last)
            first = first or (mean, statistics.stdev(last) if len(last) > 1 else float("nan"))
            print(f"| {model} | {key} | {name} | {mean:.4f} | {(mean - first[0]) / first[1]:+.1f} |")
        axis.set(title=f"{model}: {key.replace('_', ' ')}", xlabel="step")
        axis.grid(True, alpha=0.3)
    axes[0][0].legend(frameon=False)
    figure.savefig(arguments.picture, dpi=110)


if __name__ == "__main__":
    main()
