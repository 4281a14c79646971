"""How a DCGAN step grows with batch, width and threads, here and in PyTorch eager: draws `benches/growth.png`.

    python benches/growth.py      needs PyTorch and matplotlib in the Python that runs it; takes about ten minutes

Every point is the median of three steps after one that warms up; the two programs take turns. The points are printed too.
"""

import statistics
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from race import HERE, ask, binary

BATCHES, WIDTHS, THREADS = [16, 32, 64, 128, 256], [32, 64, 96, 128], [1, 2]
BATCH, WIDTH = 64, 64
COLOURS = {"histogen": "#0072b2", "PyTorch": "#d55e00"}
LINES = {1: "--", 2: "-"}


def main():
    programs = {"histogen": [binary("steps")], "PyTorch": [sys.executable, str(HERE / "peers/train_steps.py")]}
    points = {}
    shapes = [(batch, WIDTH) for batch in BATCHES] + [(BATCH, width) for width in WIDTHS if width != WIDTH]
    print("| batch | width | threads | program | step, ms | peak memory, MiB |\n| --- | --- | --- | --- | --- | --- |")
    for batch, width in shapes:
        for threads in THREADS:
            for name, program in programs.items():
                call = ["--model", "dcgan", "--batch", batch, "--width", width, "--threads", threads, "--steps", 3]
                said = ask(program + [str(argument) for argument in call])
                point = statistics.median(said["milliseconds"]), said["peak_kib"] / 1024
                points[batch, width, threads, name] = point
                print(f"| {batch} | {width} | {threads} | {name} | {point[0]:.0f} | {point[1]:.0f} |", flush=True)

    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for name, colour in COLOURS.items():
        for threads, line in LINES.items():
            style = dict(color=colour, linestyle=line, marker="o", markersize=4)
            label = f"{name}, {threads} thread" + "s" * (threads > 1)
            by_batch = [points[batch, WIDTH, threads, name] for batch in BATCHES]
            by_width = [points[BATCH, width, threads, name] for width in WIDTHS]
            axes[0].plot(BATCHES, [time / 1e3 for time, _ in by_batch], label=label, **style)
            axes[1].plot(WIDTHS, [time / 1e3 for time, _ in by_width], label=label, **style)
            if threads == 2:
                axes[2].plot(BATCHES, [memory for _, memory in by_batch], label=label, **style)
    titles = [f"Step against batch, width {WIDTH}", f"Step against width, batch {BATCH}", f"Memory against batch, width {WIDTH}"]
    labels = [("images in a batch", "seconds"), ("feature maps (width)", "seconds"), ("images in a batch", "peak MiB")]
    ticks = [BATCHES, WIDTHS, BATCHES]
    for axis, title, (x, y), places in zip(axes, titles, labels, ticks):
        axis.set(title=title, xlabel=x, ylabel=y, xscale="log", yscale="log")
        axis.set_xticks(places, [str(place) for place in places])
        axis.minorticks_off()
        low, high = axis.get_ylim()
        marks = [m * 10**e for e in range(-3, 5) for m in (1, 2, 5) if low <= m * 10**e <= high]
        axis.set_yticks(marks, [f"{mark:g}" for mark in marks])
        axis.grid(True, alpha=0.3)
    axes[0].legend(frameon=False)
    figure.savefig(HERE / "growth.png", dpi=110)


if __name__ == "__main__":
    main()
