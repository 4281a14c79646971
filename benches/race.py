"""Races histogen against PyTorch: training steps and sampling of every system, and reading batches, alternating, two threads
each.

    python benches/race.py [--quick]      needs PyTorch in the Python that runs it; prints a table in Markdown
    python benches/race.py --batches 8 16 32 --modes eager channels-last compile
    python benches/race.py --batches 8 16 32 --avx2     both sides without AVX-512

Ratios are our time over theirs, the median over rounds with the smallest and largest round; below 1 we are faster. The last
column is the share of the matrix-product peak that our step reaches, for systems whose work is known.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
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


def binary(name, without_avx512=False):
    """Builds a benchmark and returns its path."""
    command = ["cargo", "bench", "--bench", name, "--no-run", "--message-format=json"]
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


def race(ours, theirs, rounds):
    """Times both by turns. Returns ratios, both medians in ms, both peaks in MiB, and both versions."""
    times, peaks, versions = ([], []), ([], []), ["", ""]
    for _ in range(rounds):
        for side, command in enumerate((ours, theirs)):
            said = ask(command)
            times[side].append(statistics.median(said["milliseconds"]))
            peaks[side].append(said["peak_kib"] / 1024)
            versions[side] = said["version"]
    ratios = [our / their for our, their in zip(*times)]
    return ratios, [statistics.median(side) for side in times], [max(side) for side in peaks], versions


def digits(times):
    return 2 if min(times) < 10 else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller batches and fewer rounds: about five minutes")
    parser.add_argument("--systems", nargs="*", default=SYSTEMS)
    parser.add_argument("--batches", type=int, nargs="*", help="steps of these batches alone, in place of all jobs")
    parser.add_argument("--modes", nargs="*", default=["eager"], help="of PyTorch: eager, channels-last, compile")
    parser.add_argument("--avx2", action="store_true", help="hold both sides to AVX2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, help="how often each side runs (5, quick 2)")
    arguments = parser.parse_args()
    rounds, steps = (2, 2) if arguments.quick else (5, 3)
    rounds = arguments.rounds or rounds
    program = binary("steps", arguments.avx2)
    if arguments.avx2:
        os.environ |= PEER_WITHOUT_AVX512
    peak = peak_gflops(arguments.threads)
    rows, versions = [], []

    def enter(job, system, width, batch, outcome, share=""):
        ratios, times, peaks, _ = outcome
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
        call = [str(argument) for argument in shape + work]
        for mode in arguments.modes:
            theirs = [sys.executable, str(HERE / "peers/train_steps.py"), *call, "--mode", mode]
            outcome = race([program, *call], theirs, rounds)
            share, versions = "", outcome[3]
            if job == "step" and system == "dcgan":
                share = f"{STEP_GFLOP * batch / (outcome[1][0] / 1e3) / peak:.0%}"
            enter(job if mode == "eager" else f"{job}, {mode}", system, width, batch, outcome, share)
    if arguments.systems == SYSTEMS and not arguments.batches:
        call = ["--store", str(HERE.parent / store()), "--batch", "128"]
        theirs = [sys.executable, str(HERE / "peers/data_loader.py"), *call]
        enter("read", "batches of a store", "", 128, race([binary("batches"), *call], theirs, rounds))
    held = ", both sides held to AVX2" if arguments.avx2 else ""
    print(f"{' against '.join(versions)}; {processor()}{held}, {arguments.threads} threads, "
          f"matrix-product peak {peak:.0f} GFLOP/s; {rounds} rounds by turns.\n")
    print("| job | system | width | batch | ours, ms | PyTorch, ms | ratio | peak memory, MiB | share of peak |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
