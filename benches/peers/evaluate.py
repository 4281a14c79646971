"""histogen's `evaluate` beside torch-fidelity: the same two folders, the same weights, both programs in turn.

    python benches/peers/evaluate.py path/to/slides --folder target/peers

`path/to/slides` has a sub-folder `benign` and one `malignant` of images; 64 x 64 patches are cut from each. The weights of
the network come from the formula of `tests/golden/inception/formula.py`, so nothing is downloaded. Every run is a process
of its own and computes all features; its numbers and times go to `results.jsonl` in the folder, from which the summary is
printed. Needs torch, torch-fidelity, NumPy and Pillow, and histogen built with `cargo build --release`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SIZE = 64
PEER = """
import json, sys, time
import torch, torch_fidelity
torch.set_num_threads(int(sys.argv[4]))
start = time.perf_counter()
metrics = torch_fidelity.calculate_metrics(
    input1=sys.argv[1], input2=sys.argv[2],
    feature_extractor="inception-v3-compat", feature_extractor_weights_path=sys.argv[3],
    fid=True, kid=True, prc=True, kid_subset_size=min(1000, int(sys.argv[5])),
    cuda=sys.argv[6] != "cpu", cache=False, batch_size=32, verbose=False,
)
metrics["inside"] = time.perf_counter() - start
metrics["versions"] = f"torch-fidelity {torch_fidelity.__version__}, torch {torch.__version__}"
print(json.dumps(metrics))
"""


def patches(slides, count, folder):
    """Cuts `count` patches on tissue, drawn with a fixed seed from the grids of all images in `slides`."""
    places = []
    for path in sorted(path for path in slides.iterdir() if path.is_file()):
        image = np.asarray(Image.open(path).convert("RGB"))
        for y in range(0, image.shape[0] - SIZE + 1, SIZE):
            for x in range(0, image.shape[1] - SIZE + 1, SIZE):
                patch = image[y : y + SIZE, x : x + SIZE].astype(np.int64)
                tissue = (patch.max(2) - patch.min(2) > 20) & (patch.mean(2) < 235)
                if tissue.mean() >= 0.5:
                    places.append((path.stem, x, y, image[y : y + SIZE, x : x + SIZE]))
    assert len(places) >= count, f"{slides} has {len(places)} patches, {count} are asked for"
    chosen = np.random.default_rng(0).choice(len(places), count, replace=False)
    folder.mkdir(parents=True)
    for number, place in enumerate(sorted(chosen)):
        stem, x, y, patch = places[place]
        Image.fromarray(patch).save(folder / f"{number:05d}_{stem}_{x}_{y}.png")


def prepare(arguments):
    folder = arguments.folder
    for name in ["benign", "malignant"]:
        target = folder / f"{name}-{arguments.images}"
        if not target.exists():
            patches(arguments.slides / name, arguments.images, target)
    weights = folder / "weights.pth"
    if not weights.exists():
        sys.path.insert(0, str(ROOT / "tests/golden/inception"))
        import formula

        formula.write(weights)
    return [str(folder / f"{name}-{arguments.images}") for name in ["benign", "malignant"]] + [str(weights)]


def ours(arguments, first, second, weights):
    with tempfile.TemporaryDirectory() as out:  # No features from an earlier run.
        command = [arguments.histogen, "evaluate", first, second, "--features", "inception-v3", "--weights", weights]
        command += ["--metrics", "fid,kid,precision", "--json", "--out", out, "--device", arguments.device]
        command += ["--set", f"evaluation.metrics.kid_subset_size={min(1000, arguments.images)}"]
        environment = os.environ | {"RAYON_NUM_THREADS": str(arguments.threads)}
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    scores = {score["name"]: score["value"] for score in json.loads(output)}
    version = subprocess.run([arguments.histogen, "--version"], check=True, capture_output=True, text=True).stdout
    return {name: scores[name] for name in ["fid", "kid", "precision"]} | {"versions": version.strip()}


def theirs(arguments, first, second, weights):
    command = [sys.executable, "-c", PEER, first, second, weights, str(arguments.threads), str(arguments.images)]
    command.append(arguments.device)
    environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads)}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    found = json.loads(output.splitlines()[-1])
    return {
        "fid": found["frechet_inception_distance"],
        "kid": found["kernel_inception_distance_mean"],
        "precision": found["precision"],
        "inside": found["inside"],
        "versions": found["versions"],
    }


def processor_seconds():
    """Of all programs run so far: what a busy machine does not change much."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


PROGRAMS = {"histogen": ours, "torch-fidelity": theirs}


def summary(results, images):
    runs = {name: [run for run in results if run["program"] == name] for name in PROGRAMS}
    if not all(runs.values()):
        return
    print(f"\n{images} against {images} patches of {SIZE} x {SIZE}")
    for name, found in runs.items():
        times = ", ".join(f"{run['seconds']:.1f}" for run in found)
        processor = ", ".join(f"{run['processor']:.1f}" for run in found)
        print(f"{name:15} {times} s, {processor} s of processors   ({found[-1]['versions']})")
    inside = ", ".join(f"{run['inside']:.1f}" for run in runs["torch-fidelity"])
    print(f"{'':15} {inside} s without starting Python")
    for metric in ["fid", "kid", "precision"]:
        first, second = (runs[name][-1][metric] for name in PROGRAMS)
        relative = abs(first - second) / max(abs(second), 1e-12)
        print(f"{metric:10} {first:.9g}   torch-fidelity {second:.9g}   relative difference {relative:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="where patches, weights and results are kept")
    parser.add_argument("--images", type=int, default=1000, help="patches a side")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program; 0 prints the summary only")
    parser.add_argument("--programs", default=",".join(PROGRAMS), help="which to run, separated by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for both programs on one card")
    parser.add_argument("--histogen", default=str(ROOT / "target/release/histogen"))
    arguments = parser.parse_args()
    inputs = prepare(arguments)
    path = arguments.folder / f"results-{arguments.images}.jsonl"
    for _ in range(arguments.rounds):
        for name in arguments.programs.split(","):
            start, processor = time.perf_counter(), processor_seconds()
            found = PROGRAMS[name](arguments, *inputs)
            found |= {"program": name, "seconds": time.perf_counter() - start}
            found |= {"processor": processor_seconds() - processor}
            print(json.dumps(found), flush=True)
            with path.open("a") as file:
                file.write(json.dumps(found) + "\n")
    if path.exists():
        summary([json.loads(line) for line in path.read_text().splitlines()], arguments.images)


main()
