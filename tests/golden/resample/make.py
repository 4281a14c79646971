"""Pixels of Pillow's BILINEAR, which `src/data/resample.rs` must give. Writes data.json.

Run with Pillow 13.0 and NumPy 2.4: python make.py
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image


def picture(width, height):
    """As `picture` in the test: every pixel another."""
    x = np.arange(width, dtype=np.uint64)[None, :, None]
    y = np.arange(height, dtype=np.uint64)[:, None, None]
    channel = np.arange(3, dtype=np.uint64)[None, None, :]
    mask = np.uint64(0xFFFFFFFF)
    value = ((x * np.uint64(2654435761)) & mask) ^ ((y * np.uint64(40503)) & mask) ^ (channel * np.uint64(977))
    return ((value * np.uint64(2246822519) & mask) >> np.uint64(24)).astype(np.uint8)


cases = []
for width, height, factor in [(40, 30, 2.0), (61, 47, 1.5), (97, 60, 2.75), (70, 33, 1.0625)]:
    # Pillow holds a box in single precision: factors whose multiples are exact in it.
    columns, rows = int(width / factor), int(height / factor)
    image = Image.fromarray(picture(width, height))
    box = (0, 0, columns * factor, rows * factor)
    small = image.resize((columns, rows), Image.Resampling.BILINEAR, box=box)
    cases.append({
        "width": width, "height": height, "factor": factor, "columns": columns, "rows": rows,
        "pixels": np.asarray(small).ravel().tolist(),
    })
Path(__file__).with_name("data.json").write_text(json.dumps(cases) + "\n")
