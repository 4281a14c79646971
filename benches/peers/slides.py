"""Patches from a large pyramid: histogen beside OpenSlide in Python, the same patches of the same file, by turns.

    python benches/peers/slides.py path/to/images --folder target/slides [--side 40000] [--rounds 3]

`path/to/images` has PNG images of tissue; from them and from empty glass a tiled JPEG pyramid of `--side` squared is put together
with libvips, once. Patches of 256 x 256 on a grid at full resolution, half of them tissue at least, are written one after the other
to a file. The peer is a script as a careful user would write it: openslide-python, Pillow and NumPy, with 1 and with 2 threads
(OpenSlide lets go of Python's lock while it reads); the quicker of the two counts. With `--import`, `histogen data import` cuts the
same grid in place of the benchmark: its own mask, splits, hashes and checks included.

Needs pyvips (Debian: libvips-tools), openslide-python (Debian: libopenslide0), Pillow and NumPy.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
MASK = 64.0


def pyramid(images, folder, side):
    """The path of the pyramid, made if it is not there: cells of 1024 with an image, two of three; the rest is glass."""
    import pyvips

    path = folder / f"pyramid-{side}.tif"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(images.rglob("*.png"))[:16]
    cells, number = [], 0
    for cell in range(24):
        image = pyvips.Image.black(1024, 1024, bands=3) + [243, 242, 244]
        if cell % 3:
            tissue = pyvips.Image.new_from_file(str(names[number % len(names)])).extract_band(0, n=3)
            image = image.insert(tissue, 64 + 16 * (cell % 4), 32 + 40 * (cell % 5))
            number += 1
        cells.append(image.crop(0, 0, 1024, 1024).cast("uchar"))
    mosaic = pyvips.Image.arrayjoin(cells, across=6).copy_memory()
    whole = mosaic.replicate(side // mosaic.width + 1, side // mosaic.height + 1).crop(0, 0, side, side)
    unfinished = folder / "unfinished.tif"
    whole.copy(interpretation="srgb", xres=4000, yres=4000).tiffsave(
        str(unfinished), tile=True, tile_width=256, tile_height=256, pyramid=True, compression="jpeg", Q=80, bigtiff=True
    )
    return unfinished.rename(path)


def on_tissue(slide, size):
    """The corners of the patches at least half of whose pixels are coloured and not white, row by row."""
    level = max(level for level, downsample in enumerate(slide.level_downsamples) if downsample <= MASK)
    picture = np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level]).convert("RGB")).astype(np.int32)
    tissue = (picture.max(2) - picture.min(2) > 20) & (picture.sum(2) < 3 * 235)
    downsample = slide.level_downsamples[level]
    side = max(int(size / downsample), 1)
    width, height = slide.dimensions
    for y in range(0, height // size * size, size):
        for x in range(0, width // size * size, size):
            left, top = int(x / downsample), int(y / downsample)
            if tissue[top : top + side, left : left + side].mean() >= 0.5:
                yield x, y


def peer(path, size, threads, out):
    import openslide

    start = time.perf_counter()
    with openslide.OpenSlide(path) as slide:
        places = list(on_tissue(slide, size))
        patches = np.memmap(out, np.uint8, "w+", shape=(len(places), size, size, 3))

        def cut(number):
            patches[number] = np.asarray(slide.read_region(places[number], 0, (size, size)).convert("RGB"))

        if threads == 1:
            for number in range(len(places)):
                cut(number)
        else:
            with ThreadPoolExecutor(threads) as pool:
                for _ in pool.map(cut, range(len(places))):
                    pass
        patches.flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    version = f"openslide-python {openslide.__version__}, OpenSlide {openslide.__library_version__}"
    print(json.dumps({"milliseconds": [1e3 * (time.perf_counter() - start)], "peak_kib": peak, "version": version}))


def benchmark():
    """Builds the benchmark and returns its path."""
    command = ["cargo", "bench", "--bench", "slides", "--no-run", "--message-format=json"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
    artifacts = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return next(a["executable"] for a in artifacts if a.get("executable") and a["target"]["name"] == "slides")


def said(command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def imported(program, path, size, folder):
    """`histogen data import` of a folder that has the slide alone, into a folder of its own."""
    source, out = folder / f"source-{path.stem}", folder / "imported"
    source.mkdir(exist_ok=True)
    if not (source / path.name).exists():
        (source / path.name).hardlink_to(path)
    shutil.rmtree(out, ignore_errors=True)
    settings = {"data.patch_size": size, "data.stride": size, "data.held_out": 0, "data.maximum_patches": 0}
    command = [program, "data", "import", source, "--out", out, *(f"--set={name}={value}" for name, value in settings.items())]
    start = time.perf_counter()
    # GNU time tells the most memory of this one process.
    timed = subprocess.run(["/usr/bin/time", "-f", "%M", *map(str, command)], capture_output=True, text=True)
    if timed.returncode:
        sys.exit(timed.stderr)
    milliseconds = 1e3 * (time.perf_counter() - start)
    patches = next(out.rglob("patches.npy")).stat().st_size // (3 * size * size)
    return {"milliseconds": [milliseconds], "peak_kib": int(timed.stderr.split()[-1]), "version": "histogen data import"}, patches


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--folder", type=Path, default=ROOT / "target/slides")
    parser.add_argument("--side", type=int, default=40_000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--import", dest="program", type=Path, help="a histogen whose `data import` is timed")
    arguments = parser.parse_args()
    size = arguments.size
    path = pyramid(arguments.images, arguments.folder, arguments.side)
    ours = None if arguments.program else benchmark()
    outs = [arguments.folder / name for name in ("ours.raw", "theirs.raw")]
    rates, peaks, versions, counts = ([], []), ([], []), ["", ""], [0, 0]
    for _ in range(arguments.rounds):
        if arguments.program:
            mine, counts[0] = imported(arguments.program.resolve(), path, size, arguments.folder)
        else:
            mine = said([ours, "--slide", path, "--size", str(size), "--threads", "2", "--out", outs[0]])
            counts[0] = outs[0].stat().st_size // (3 * size * size)
        itself = [sys.executable, __file__, "--peer", path, str(size)]
        runs = [said([*itself, str(threads), outs[1]]) for threads in (1, 2)]
        counts[1] = outs[1].stat().st_size // (3 * size * size)
        theirs = min(runs, key=lambda run: run["milliseconds"][0])
        for side, run in enumerate((mine, theirs)):
            rates[side].append(1e3 * counts[side] / run["milliseconds"][0])
            peaks[side].append(run["peak_kib"] / 1024)
            versions[side] = run["version"]
    # Masks are made from JPEG, which decoders round differently: a patch or two may be on the other side of the threshold.
    if not arguments.program:
        assert abs(counts[0] - counts[1]) <= 0.01 * counts[1], f"{counts[0]} and {counts[1]} patches"
    ratios = [our / their for our, their in zip(*rates)]
    print(f"{versions[0]} against {versions[1]}; {path.name}, {path.stat().st_size >> 20} MiB, patches of {size} x {size}, {arguments.rounds} rounds\n")
    print("| | patches | patches/s | peak memory, MiB |\n| --- | --- | --- | --- |")
    for side, name in enumerate(("ours", "OpenSlide in Python")):
        print(f"| {name} | {counts[side]} | {statistics.median(rates[side]):.0f} | {max(peaks[side]):.0f} |")
    print(f"\n{statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        main()
