"""Races histogen against PyTorch: training steps and sampling of every system, and reading batches, alternating, two threads
each.

    python benches/race.py [--quick]      needs PyTorch in the Python that runs it; prints a table in Markdown
    python benches/race.py --batches 8 16 32 --modes eager channels-last compile
    python benches/race.py --batches 8 16 32 --avx2     both sides without AVX-512
    python benches/race.py --device cuda --modes eager channels-last compile graphs      on one card; --bf16 for both sides in bf16

Ratios are our time over theirs, the median over rounds with the smallest and largest round; below 1 we are faster. The last
column is the share of the matrix-product peak that our step reaches, for systems whose work is known; of a GPU it is the seconds
from opening the device to the end of the first step, ours and theirs. On `cuda` memory is what the whole card has in use more than
before, by `nvidia-smi`, so nothing else may run there; elsewhere it is that of the process.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
# Floating-point operations of a training step per image at width 64 (a multiply-add is two): all passes of both players, by
# the definition of a convolution. Winograd's needs fewer, so the share may exceed 100 %.
STEP_GFLOP = 2.5
# What keeps PyTorch's libraries from AVX-512. Of ours it is how the benchmark is built.
PEER_WITHOUT_AVX512 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
SYSTEMS = ["dcgan", "improved-dcgan", "sngan", "wgan-gp", "lsgan", "ddpm", "rl-eo"]


def ask(command):
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE.parent)
    return json.loads(output.stdout.strip().splitlines()[-1])


def binary(name, without_avx512=False, device="cpu"):
    """Builds a benchmark and returns its path."""
    command = ["cargo", "bench", "--bench", name, "--no-run", "--message-format=json"]
    if device != "cpu":
        command += ["--features", device.split(":")[0], "--target-dir", "target/gpu"]
    if without_avx512:
        command += ["--no-default-features", "--target-dir", "target/avx2"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent).stdout
    artifacts = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return next(a["executable"] for a in artifacts if a.get("executable") and a["target"]["name"] == name)


def store():
    """A patch store of phantom slides, made once; returns its folder."""
    command = ["cargo", "run", "--release", "--quiet", "--", "data", "phantom", "--profile", "paper", "--out", "target/race"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent).stdout
    return next(line.split(maxsplit=1)[1] for line in output.splitlines() if line.startswith("store "))


def peak_gflops(threads):
    """Of a large f32 matrix product, by PyTorch's library."""
    import torch

    torch.set_num_threads(threads)
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    best = 0.0
    for _ in range(8):
        start = time.perf_counter()
        a @ b
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
    return best


def processor():
    """Its name and its widest instruction set, without which a ratio says little."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    flags = facts.get("flags", "").split()
    widest = next((name for name in ["avx512f", "avx2"] if name in flags), platform.machine())
    return f"{facts.get('model name', platform.machine())} ({widest})"


def card(device, query):
    """What `nvidia-smi` says of the card."""
    _, _, number = device.partition(":")
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits", f"--id={number or 0}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class CardMemory:
    """The most memory, in MiB, that a card has in use meanwhile, more than before: `peak`, which is None where there is no card."""

    def __init__(self, device):
        self.device, self.done, self.peak, self.thread = device, threading.Event(), None, None

    def used(self):
        return int(card(self.device, "memory.used"))

    def __enter__(self):
        if self.device.startswith("cuda"):
            self.before = self.most = self.used()
            self.thread = threading.Thread(target=self.watch)
            self.thread.start()
        return self

    def watch(self):
        while not self.done.wait(0.1):
            self.most = max(self.most, self.used())

    def __exit__(self, *_):
        if self.thread:
            self.done.set()
            self.thread.join()
            self.peak = self.most - self.before


def race(ours, theirs, rounds, device="cpu"):
    """Times both by turns. Returns ratios, both medians in ms, both peaks in MiB, both first steps in s, and both versions; why there
    are none where PyTorch fails (its compiler takes no gradient of a gradient)."""
    times, peaks, firsts, versions = ([], []), ([], []), ([], []), ["", ""]
    for _ in range(rounds):
        for side, command in enumerate((ours, theirs)):
            try:
                with CardMemory(device) as memory:
                    said = ask(command)
            except subprocess.CalledProcessError as error:
                if command is ours:
                    raise
                return (error.stderr.strip().splitlines() or ["it ended"])[-1]
            peaks[side].append(said["peak_kib"] / 1024 if memory.peak is None else memory.peak)
            times[side].append(statistics.median(said["milliseconds"]))
            firsts[side].append(said.get("first_step_s") or 0)
            versions[side] = said["version"]
    ratios = [our / their for our, their in zip(*times)]
    medians = [[statistics.median(side) for side in both] for both in (times, firsts)]
    return ratios, medians[0], [max(side) for side in peaks], medians[1], versions


def peer_device(device):
    """Where PyTorch computes what we compute on `device`: the same card; the CPU beside a device in software."""
    import torch

    kind, colon, number = device.partition(":")
    return f"cuda{colon}{number}" if kind != "cpu" and torch.cuda.is_available() else "cpu"


def digits(times):
    return 2 if min(times) < 10 else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller batches and fewer rounds: about five minutes")
    parser.add_argument("--systems", nargs="*", default=SYSTEMS)
    parser.add_argument("--batches", type=int, nargs="*", help="steps of these batches alone, in place of all jobs")
    parser.add_argument("--modes", nargs="*", default=["eager"], help="of PyTorch: eager, channels-last, compile, graphs")
    parser.add_argument("--device", default="cpu", help="cpu, wgpu[:n] or cuda[:n]; PyTorch computes on cuda where we compute on a GPU")
    parser.add_argument("--bf16", action="store_true", help="on a GPU: both sides in bf16 instead of TF32 (wgpu: f32)")
    parser.add_argument("--avx2", action="store_true", help="hold both sides to AVX2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, help="how often each side runs (5, quick 2)")
    arguments = parser.parse_args()
    rounds, steps = (2, 2) if arguments.quick else (5, 3)
    rounds = arguments.rounds or rounds
    device, on_gpu = arguments.device, arguments.device != "cpu"
    peer = peer_device(device)
    program = binary("steps", arguments.avx2, device)
    if arguments.avx2:
        os.environ |= PEER_WITHOUT_AVX512
    peak = 0 if on_gpu else peak_gflops(arguments.threads)
    rows, versions = [], []

    def enter(job, system, width, batch, outcome, share=""):
        ratios, times, peaks, firsts, _ = outcome
        if on_gpu:
            share = f"{firsts[0]:.1f} / {firsts[1]:.1f}"
        rows.append(
            f"| {job} | {system} | {width} | {batch} | {times[0]:.{digits(times)}f} | {times[1]:.{digits(times)}f} "
            f"| **{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {peaks[0]:.0f} / {peaks[1]:.0f} | {share} |"
        )
        print(rows[-1], file=sys.stderr, flush=True)

    jobs = []
    for system in arguments.systems:
        diffusion = system == "ddpm"
        width, batch = (128, 16) if diffusion else (64, 128)
        if arguments.quick:
            width, batch = (64, 4) if diffusion else (64, 32)
        jobs += [("step", system, width, batch) for batch in arguments.batches or [batch]]
        if not arguments.batches:
            jobs.append(("sample", system, width, 4 if diffusion else 1000))
    for job, system, width, batch in sorted(jobs, key=lambda job: job[0] == "sample"):
        shape = ["--model", system, "--width", width, "--batch", batch, "--threads", arguments.threads]
        # Short steps vary more.
        work = ["--sample", 1] if job == "sample" else ["--steps", max(steps, 96 // batch)]
        call = [str(argument) for argument in shape + work + ["--bf16"] * arguments.bf16]
        for mode in arguments.modes:
            theirs = [sys.executable, str(HERE / "peers/train_steps.py"), *call, "--device", peer, "--mode", mode]
            outcome = race([program, *call, "--device", device], theirs, rounds, device)
            if isinstance(outcome, str):
                print(f"{system}, {mode}: PyTorch fails: {outcome}", file=sys.stderr, flush=True)
                continue
            share, versions = "", outcome[-1]
            if job == "step" and system == "dcgan" and not on_gpu:
                share = f"{STEP_GFLOP * batch / (outcome[1][0] / 1e3) / peak:.0%}"
            enter(job if mode == "eager" else f"{job}, {mode}", system, width, batch, outcome, share)
    if arguments.systems == SYSTEMS and not arguments.batches and not on_gpu:
        call = ["--store", str(HERE.parent / store()), "--batch", "128"]
        theirs = [sys.executable, str(HERE / "peers/data_loader.py"), *call]
        enter("read", "batches of a store", "", 128, race([binary("batches"), *call], theirs, rounds))
    if on_gpu:
        single = "TF32" if device.startswith("cuda") else "f32"
        place = card(device, "name,driver_version") if device.startswith("cuda") else device
        place += f" in {'bf16' if arguments.bf16 else single} against {peer}"
    else:
        held = ", both sides held to AVX2" if arguments.avx2 else ""
        place = f"{processor()}{held}, {arguments.threads} threads, matrix-product peak {peak:.0f} GFLOP/s"
    last = "first step, s" if on_gpu else "share of peak"
    print(f"{' against '.join(versions)}; {place}; {rounds} rounds by turns.\n")
    print(f"| job | system | width | batch | ours, ms | PyTorch, ms | ratio | peak memory, MiB | {last} |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
