#!/usr/bin/env python3
"""Sweeps on a Slurm of this machine, disturbed at random, beside the same experiment undisturbed: every byte is compared.

    cargo build --release
    python3 tests/cluster.py --slurm ../shared/slurm              # about fifteen minutes on two cores
    python3 tests/cluster.py --slurm ../shared/slurm --kills 5 --seed 7

Four systems (the one with a reward model among them) x two seeds at `smoke`, over two nodes of one processor each.

  warned   every training is warned as before its time limit, by SIGUSR1 to its script, and so requeued at least once
  limited  nobody disturbs: Slurm's own shortest time limit, a minute, warns and requeues
  killed   `--kills` at random over the sweep: SIGKILL to a training, `scontrol requeue` of its job, or SIGKILL to its slurmd, which
           is started again half a minute later. What Slurm does not requeue is submitted again

Compared with `reproduce` of the same experiment: every file of every run byte for byte (of ledgers what tells neither of processes
nor of time), and the tables. Each ledger must have every step once. Exit code 1 if anything differs. Needs Python 3.10, and the
scripts `start` and `stop` of the Slurm in the folder `--slurm`.
"""

import argparse
import difflib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SYSTEMS = '[{name="dcgan"},{name="lsgan"},{name="wgan-gp"},{name="rl-eo"}]'
TABLES = ["table1", "table2", "table3", "table4"]


def trace(folder):
    """Every file under `folder` as bytes, the ledger without what tells of processes and without times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name in ("lock", "system.jsonl") or path.parent.name == "tracking":
            continue
        content = path.read_bytes()
        if path.name == "ledger.jsonl":
            kept = [line for line in content.splitlines() if not line.startswith((b'{"event":"start"', b'{"event":"end"'))]
            kept = [re.sub(rb'"drawing_seconds":[^,]*,', b"", line) for line in kept]
            content = b"\n".join(re.sub(rb',"time":\d+}$', b"}", line) for line in kept)
        found[str(path.relative_to(folder))] = content
    return found


def runs(out):
    """The folders of all runs under `out`."""
    if not (out / "runs").is_dir():
        return []
    return sorted(path for path in (out / "runs").iterdir() if (path / "config.toml").exists())


def results(out):
    """All that is compared."""
    found = {f"{run.name}/{name}": content for run in runs(out) for name, content in trace(run).items()}
    for table in TABLES:
        for ending in ("md", "csv", "tex"):
            path = out / f"reports/table1/{table}.{ending}"
            found[path.name] = path.read_bytes() if path.exists() else None
    return found


def events(run, kind):
    path = run / "ledger.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    lines = [json.loads(line) for line in lines if line.endswith("\n")]
    return [line for line in lines if line["event"] == kind]


def steps(run):
    path = run / "ledger.jsonl"
    return path.read_bytes().count(b'"event":"step"') if path.exists() else 0


class Stage:
    """A Slurm of two nodes."""

    def __init__(self, scripts, folder, port):
        self.scripts, self.folder = scripts, folder
        self.environment = os.environ | {
            "SLURM_STAGE": str(folder),
            "SLURM_STAGE_CPUS": "1",
            "SLURM_STAGE_PORT": str(port),
            "SLURM_CONF": str(folder / "slurm.conf"),
        }

    def __enter__(self):
        self.script("start")
        return self

    def __exit__(self, *_):
        self.script("stop")

    def script(self, name):
        environment = {name: value for name, value in self.environment.items() if name != "SLURM_CONF"}
        subprocess.run([self.scripts / name], env=environment, check=True, stdout=subprocess.DEVNULL)

    def slurm(self, *command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True).stdout

    def queue(self):
        """Every process that is queued or runs: (name, job and task, state, node)."""
        lines = self.slurm("squeue", "-h", "-r", "-o", "%j|%F_%K|%T|%N").splitlines()
        return [tuple(line.split("|")) for line in lines]


class Sweep:
    def __init__(self, program, stage, root, generator, options):
        self.program, self.stage, self.root, self.generator, self.options = program, stage, root, generator, options
        self.settings = ["--profile", "smoke", "--seeds", "0,1", "--set", f"systems={SYSTEMS}",
                         "--set", f"training.steps={options.steps}", "--set", "logging.checkpoint_every=50"]  # fmt: skip
        self.complaints = []

    def histogen(self, *arguments):
        done = subprocess.run([self.program, *arguments], env=self.stage.environment, capture_output=True, text=True)
        if done.returncode != 0:
            self.complaints.append(f"{' '.join(arguments[:2])}: exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout + done.stderr

    def undisturbed(self):
        out = self.root / "undisturbed"
        begin = time.monotonic()
        self.histogen("reproduce", "all", *self.settings, "--out", str(out))
        print(f"undisturbed: {time.monotonic() - begin:.0f} s, {len(runs(out))} runs", flush=True)
        return results(out)

    def submit(self, out, *more, time="10", warn="30"):
        resources = ["--cpus", "1", "--time", time, "--warn", warn]
        return self.histogen("submit", "table1", *self.settings, *resources, "--out", str(out), *more)

    def is_over(self, out):
        """Whether the report is made, and nothing is queued."""
        marks = list((out / "runs/experiments").glob("*/submitted"))
        return not marks and not self.stage.queue()

    def wait(self, out, disturb):
        """Until the sweep is over; what was left by a kill is submitted again."""
        begin = last = time.monotonic()
        while True:
            disturb(out)
            time.sleep(0.2)
            now = time.monotonic()
            if now - last > 15:
                last = now
                names = [name for name, *_ in self.stage.queue()]
                if not [name for name in names if not name.endswith("-report")]:
                    if self.is_over(out) and self.done(out):
                        return
                    self.submit(out)
            if now - begin > self.options.patience:
                self.complaints.append(f"not over after {self.options.patience} s: {self.stage.queue()}")
                return

    def done(self, out):
        found = self.submit(out, "--status")
        return sum(line.endswith(" done") for line in found.splitlines()) == 9

    def compare(self, name, out, expected):
        found = results(out)
        different = [key for key in sorted(found.keys() | expected.keys()) if found.get(key) != expected.get(key)]
        for run in runs(out):
            taken = [event["step"] for event in events(run, "step")]
            if taken != list(range(1, len(taken) + 1)):
                self.complaints.append(f"{name}: {run.name} has not every step once")
        restarts = [len(events(run, "start")) - 1 for run in runs(out)]
        print(f"{name}: restarts {restarts}, {len(expected)} files, {len(different)} differ", flush=True)
        how = {key: "is missing" if found.get(key) is None else "differs" for key in different}
        self.complaints += [f"{name}: {key} {how[key]}" for key in different]
        for key in different:
            if key.endswith(".md") and how[key] == "differs":
                lines = [text[key].decode().splitlines() for text in (expected, found)]
                self.complaints += difflib.unified_diff(*lines, "undisturbed", name, lineterm="", n=0)

    def job(self, run):
        """The Slurm job of who has a run open, and its process."""
        path = run / "owner"
        try:
            text = path.read_text()
        except OSError:
            return None
        return re.search('^job = "(.*)"', text, re.M)[1], int(re.search(r"^process = (\d+)", text, re.M)[1])

    def warned(self, expected):
        out, warned = self.root / "warned", set()

        def disturb(out):
            for run in runs(out):
                if run not in warned and steps(run) >= 3 and (found := self.job(run)):
                    # As slurmd does; `scancel --batch --signal=USR1` itself may wait a minute for a job that is being requeued.
                    try:
                        status = Path(f"/proc/{found[1]}/status").read_text()
                        os.kill(int(re.search(r"^PPid:\s*(\d+)", status, re.M)[1]), signal.SIGUSR1)
                    except OSError:
                        continue
                    warned.add(run)

        self.submit(out)
        self.wait(out, disturb)
        self.compare("warned", out, expected)
        # The reward model is trained in a moment.
        if any(len(events(run, "start")) < 2 for run in runs(out) if not run.name.startswith("snn-")):
            self.complaints.append("warned: a training was never restarted")

    def limited(self, expected):
        out = self.root / "limited"
        self.submit(out, time="1", warn="45")
        self.wait(out, lambda out: None)
        self.compare("limited", out, expected)

    def killed(self, expected):
        out, kills, dead = self.root / "killed", [], {}
        begin = time.monotonic()
        state = {"next": begin + 3}

        def disturb(out):
            now = time.monotonic()
            for node, since in list(dead.items()):
                if now - since > 30:
                    del dead[node]
                    self.stage.script("start")
            if len(kills) == self.options.kills or now < state["next"]:
                return
            running = [run for run in runs(out) if self.job(run)]
            if not running:
                return
            run = self.generator.choice(running)
            found = self.job(run)
            if not found:
                return
            job, process = found
            kind = self.generator.choices(["kill", "requeue", "node"], weights=[5, 3, 2])[0]
            if kind == "kill":
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    return
            elif kind == "requeue":
                self.stage.slurm("scontrol", "requeue", job)
            else:
                nodes = [node for _, task, state, node in self.stage.queue() if task == job and state == "RUNNING"]
                if not nodes or dead:
                    return
                daemon = int((self.stage.folder / f"slurmd-{nodes[0]}.pid").read_text())
                os.kill(daemon, signal.SIGKILL)
                dead[nodes[0]] = now
            kills.append(kind)
            state["next"] = now + self.generator.uniform(1, 12)

        self.submit(out)
        self.wait(out, disturb)
        print(f"killed: {' '.join(f'{kills.count(kind)} {kind}' for kind in ('kill', 'requeue', 'node'))}", flush=True)
        self.compare("killed", out, expected)
        if len(kills) < self.options.kills:
            self.complaints.append(f"killed: only {len(kills)} kills before the sweep was over")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slurm", type=Path, required=True, help="folder of the scripts start and stop")
    parser.add_argument("--program", default="target/release/histogen")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=18300)
    parser.add_argument("--patience", type=float, default=1200, help="seconds for one sweep")
    parser.add_argument("--only", choices=["warned", "limited", "killed"])
    options = parser.parse_args()
    program = str(Path(options.program).resolve())
    with tempfile.TemporaryDirectory() as root, Stage(options.slurm.resolve(), Path(root) / "stage", options.port) as stage:
        sweep = Sweep(program, stage, Path(root), random.Random(options.seed), options)
        expected = sweep.undisturbed()
        for name in ["warned", "limited", "killed"]:
            if options.only in (None, name):
                begin = time.monotonic()
                getattr(sweep, name)(expected)
                print(f"{name}: {time.monotonic() - begin:.0f} s", flush=True)
    for complaint in sweep.complaints:
        print(complaint)
    print("every byte is the same" if not sweep.complaints else f"{len(sweep.complaints)} complaints")
    return bool(sweep.complaints)


if __name__ == "__main__":
    sys.exit(main())
