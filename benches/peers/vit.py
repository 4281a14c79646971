"""Races a vision transformer of histogen against timm's on PyTorch eager, by turns, with the same random weights.

    cargo bench --bench vit --no-run
    python benches/peers/vit.py [--extractor dinov2-vits14] [--batch 16] [--rounds 3] [--threads 2]

Needs PyTorch, timm and safetensors. Both are given a batch of normalised images of 224 x 224; reading and resizing are left
out. Prints milliseconds of a pass (the median over rounds, with the smallest and the largest), and their ratio: below 1 we are
faster.
"""

import argparse
import json
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
# timm's names, and the grid of the published positions.
MODELS = {
    "dinov2-vits14": ("vit_small_patch14_dinov2", 37),
    "dinov2-vitb14": ("vit_base_patch14_dinov2", 37),
    "dinov2-vitl14": ("vit_large_patch14_dinov2", 37),
    "uni": ("vit_large_patch16_224", 14),
}

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--extractor", choices=MODELS, default="dinov2-vits14")
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)


def binary():
    """Builds the benchmark and returns its path."""
    command = ["cargo", "bench", "--bench", "vit", "--no-run", "--message-format=json"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
    artifacts = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return next(a["executable"] for a in artifacts if a.get("executable") and a["target"]["name"] == "vit")


def theirs(model, images):
    times = []
    with torch.inference_mode():
        model(images)
        for _ in range(arguments.steps):
            start = time.perf_counter()
            model(images)
            times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def ours(program, weights):
    command = [program, "--extractor", arguments.extractor, "--weights", weights]
    for name in ("batch", "steps", "threads"):
        command += [f"--{name}", str(getattr(arguments, name))]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    said = json.loads(output)
    return statistics.median(said["milliseconds"]), said["peak_kib"] / 1024


def shown(times):
    return f"{statistics.median(times):.0f} ms ({min(times):.0f} to {max(times):.0f})"


def main():
    program = binary()
    name, grid = MODELS[arguments.extractor]
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, img_size=224, num_classes=0, init_values=1e-5).eval()
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    state["pos_embed"] = 0.02 * torch.randn(1, 1 + grid * grid, model.embed_dim)
    images = torch.randn(arguments.batch, 3, 224, 224)
    mine, other, peak = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder) / "weights.safetensors")
        save_file(state, weights)
        for _ in range(arguments.rounds):
            milliseconds, peak = ours(program, weights)
            mine.append(milliseconds)
            other.append(theirs(model, images))
    ratios = [a / b for a, b in zip(mine, other)]
    print(f"{arguments.extractor}, {arguments.batch} images, {arguments.threads} threads, {platform.machine()}; torch "
          f"{torch.__version__}, timm {timm.__version__}; {arguments.rounds} rounds by turns")
    print(f"histogen {shown(mine)}, peak memory {peak:.0f} MiB")
    print(f"timm     {shown(other)}")
    print(f"ratio    {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


main()
