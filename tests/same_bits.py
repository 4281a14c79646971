"""Compares what two builds of the program train: every model at the profile `smoke`, checkpoint by checkpoint, file by file.

    python3 tests/same_bits.py BEFORE AFTER        two programs; without them the models of `table1` by target/release/histogen
                                                   with 1 and with 2 threads

Prints a line a model, and every file that differs. Exit code 1 if any does. Manifests are left out, as they name the run and
the program. Ledgers are compared by their steps' numbers.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/histogen"


def train(program, model, out, threads):
    """Trains one model from nothing and returns its run's folder."""
    command = [program, "train", "table1", "--profile", "smoke", "--model", model, "--out", out]
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=out, env=environment)
    if done.returncode != 0:
        sys.exit(f"{program}: {model}: {done.stderr}")
    return Path(out) / done.stdout.strip().splitlines()[-1]


def state(run):
    """Every file of the run's checkpoints and pictures, and the numbers of its steps."""
    files = {}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run)
        is_state = name.parts[0] in ("checkpoints", "samples") and name.name != "manifest.toml"
        if path.is_file() and is_state:
            files[str(name)] = path.read_bytes()
    for line in (run / "ledger.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "step":
            files[f"step {event['step']}"] = event["scalars"]
    return files


def main():
    sides = [(os.path.abspath(program), 2) for program in sys.argv[1:3]]
    sides = sides if len(sides) == 2 else [(str(PROGRAM), 1), (str(PROGRAM), 2)]
    listed = subprocess.run([sides[0][0], "list", "models"], capture_output=True, text=True)
    models = [line.split()[0] for line in listed.stdout.splitlines() if not line.startswith(" ")]
    differing = 0
    for model in models:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            runs = [train(*side[:1], model, out, side[1]) for side, out in zip(sides, (one, other))]
            before, after = map(state, runs)
        names = sorted(before.keys() | after.keys())
        different = [name for name in names if before.get(name) != after.get(name)]
        differing += len(different)
        same_name = "" if runs[0].name == runs[1].name else f", other name: {runs[0].name}, {runs[1].name}"
        print(f"{model:16} {len(names)} files and steps, {len(different)} differ{same_name}")
        for name in different:
            print(f"    {name}")
    sys.exit(1 if differing else 0)


main()
