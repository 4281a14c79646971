#!/usr/bin/env python3
"""Kills short runs of every model at random moments, lets them go on, and compares every byte with undisturbed runs.

    cargo build --release
    python3 tests/soak.py                       # 200 kills, about six minutes on two cores
    python3 tests/soak.py --models ddpm,rl-eo --kills 40 --seed 7

Every kill is a SIGKILL or, one time in four, a SIGTERM or SIGINT, at a moment drawn uniformly from the time that the whole run
takes. A killed run is started again until it has taken its share of kills, then it is left to finish. What is compared: every
file of its folder (checkpoints with optimiser moments and manifests, sample grids, configuration) byte for byte, and of the
ledger every line but those that tell of processes, without its time. A run that finished before its share was used up is
compared and begun anew. Exit code 1 if anything differs or any process said what it should not. Needs nothing but Python 3.10.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

MODELS = ["dcgan", "improved-dcgan", "sngan", "wgan-gp", "lsgan", "ddpm", "rl-eo"]
SETTINGS = [
    "--profile", "smoke",
    "--set", "training.steps=120",
    "--set", "logging.checkpoint_every=7",
    "--set", "logging.samples_every=9",
]  # fmt: skip
# The exit code that each signal gives; a run that ended first gives 0.
CODES = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143, signal.SIGINT: 130}


@dataclass
class Tally:
    """What happened to one model."""

    kills: dict = field(default_factory=lambda: {each: 0 for each in CODES})
    resumed: int = 0
    runs: int = 0
    files: int = 0
    differences: list = field(default_factory=list)
    complaints: list = field(default_factory=list)


def trace(folder):
    """Every file under `folder` as bytes, the ledger without what tells of processes and without times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name in ("lock", "system.jsonl") or path.parent.name == "tracking":
            continue
        content = path.read_bytes()
        if path.name == "ledger.jsonl":
            kept = [line for line in content.splitlines() if not line.startswith((b'{"event":"start"', b'{"event":"end"'))]
            content = b"\n".join(re.sub(rb',"time":\d+}$', b"}", line) for line in kept)
        found[str(path.relative_to(folder))] = content
    return found


def traces(out):
    """The traces of all runs under the output folder `out`, the reward model's among them."""
    runs = [path for path in (out / "runs").iterdir() if (path / "config.toml").exists()]
    return {f"{run.name}/{name}": content for run in runs for name, content in trace(run).items()}


class Soak:
    def __init__(self, program, root, generator):
        self.program, self.root, self.generator = program, root, generator

    def start(self, model, out):
        command = [self.program, "train", "table1", "--model", model, "--out", str(out), *SETTINGS]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def finish(self, model, out, tally):
        process = self.start(model, out)
        _, errors = process.communicate()
        if process.returncode != 0:
            tally.complaints.append(f"exit code {process.returncode}: {errors.strip()}")
        tally.resumed += "goes on after step" in errors

    def compare(self, out, expected, tally):
        found = traces(out)
        tally.runs += 1
        tally.files += len(expected)
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                tally.differences.append(name)
        shutil.rmtree(out)

    def model(self, model, kills):
        tally = Tally()
        whole = self.root / model / "whole"
        self.finish(model, whole, Tally())  # with the patches to cut, which the clock leaves out
        cache = whole / "runs/cache"
        expected = traces(whole)
        begin = time.monotonic()
        timed = self.fresh(model, cache)
        self.finish(model, timed, tally)
        duration = time.monotonic() - begin
        self.compare(timed, expected, tally)

        out = self.fresh(model, cache)
        while sum(tally.kills.values()) < kills:
            # A handful of kills to a run: so early, late and repeated ones all occur.
            for _ in range(self.generator.randint(1, 8)):
                if sum(tally.kills.values()) == kills or not self.kill(model, out, duration, tally):
                    break
            self.finish(model, out, tally)
            self.compare(out, expected, tally)
            out = self.fresh(model, cache)
        return tally, duration

    def fresh(self, model, cache):
        """An output folder with the patches and nothing else."""
        out = self.root / model / "disturbed"
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(cache / "patches", out / "runs/cache/patches")
        return out

    def kill(self, model, out, duration, tally):
        """Starts, waits, kills. Whether the run was still going."""
        process = self.start(model, out)
        what = self.generator.choices(list(CODES), weights=[6, 1, 1])[0]
        try:
            _, errors = process.communicate(timeout=self.generator.uniform(0, duration))
        except subprocess.TimeoutExpired:
            process.send_signal(what)
            _, errors = process.communicate()
        tally.resumed += "goes on after step" in errors
        if process.returncode == 0:
            return False
        # A signal before the program listens ends it as the system does.
        if process.returncode not in (CODES[what], -what):
            tally.complaints.append(f"exit code {process.returncode} after {what.name}: {errors.strip()}")
        tally.kills[what] += 1
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default="target/release/histogen", help="the binary")
    parser.add_argument("--kills", type=int, default=200, help="how many in all")
    parser.add_argument("--models", default=",".join(MODELS), help="which, separated by commas")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    models = arguments.models.split(",")
    shares = [arguments.kills // len(models) + (place < arguments.kills % len(models)) for place in range(len(models))]
    failed = False
    total = 0
    begin = time.monotonic()
    print(f"{'model':16}{'one run':>8}{'KILL':>6}{'TERM':>6}{'INT':>6}{'resumed':>9}{'runs':>6}{'files':>7}{'differences':>13}")
    with tempfile.TemporaryDirectory() as root:
        soak = Soak(os.path.abspath(arguments.program), Path(root), random.Random(arguments.seed))
        for model, share in zip(models, shares):
            tally, duration = soak.model(model, share)
            total += sum(tally.kills.values())
            counts = "".join(f"{tally.kills[each]:6}" for each in CODES)
            print(
                f"{model:16}{duration:6.1f} s{counts}{tally.resumed:9}{tally.runs:6}{tally.files:7}{len(tally.differences):13}",
                flush=True,
            )
            for problem in tally.differences + tally.complaints:
                failed = True
                print(f"  {problem}", file=sys.stderr)
    verdict = "something differs" if failed else "no difference"
    print(f"{total} kills in {time.monotonic() - begin:.0f} s: {verdict}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
