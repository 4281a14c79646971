"""Makes `samples.png` from the sample grids of a report: a row a system, the first images of its grid.

    histogen reproduce table1 --data path/to/slides
    python docs/samples.py reports/table1/samples docs/samples.png        (Pillow)
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIZE, GAP, SHOWN, LABEL = 64, 2, 12, 190

folder, out = Path(sys.argv[1]), sys.argv[2]
names = ["real", "dcgan-s0", "improved-dcgan-s0", "sngan-s0", "wgan-gp-s0", "lsgan-s0", "ddpm-s0"]
names += ["rl-eo-expected-reward-s0"]
picture = Image.new("RGB", (LABEL + SHOWN * (SIZE + GAP), len(names) * (SIZE + GAP)), "white")
draw, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
for row, name in enumerate(names):
    top = row * (SIZE + GAP)
    label = name.removesuffix("-s0").replace("rl-eo-expected-reward", "rl-eo (expected reward)")
    draw.text((4, top + SIZE // 2 - 9), label, "black", font)
    grid = Image.open(folder / f"{name}.png")
    columns = (grid.width - GAP) // (SIZE + GAP)
    for index in range(SHOWN):
        left, upper = (GAP + (index % columns) * (SIZE + GAP), GAP + (index // columns) * (SIZE + GAP))
        picture.paste(grid.crop((left, upper, left + SIZE, upper + SIZE)), (LABEL + index * (SIZE + GAP), top))
picture.quantize(128).save(out, optimize=True)
