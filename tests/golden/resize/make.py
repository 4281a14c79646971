"""Writes data.json: what torch-fidelity, pytorch-fid and clean-fid make of an image, for `tests/it/resize.rs`.

Each is the tool's own code: torch-fidelity's `interpolate_bilinear_2d_like_tensorflow1x`, PyTorch's `interpolate` as
pytorch-fid and clean-fid call it, clean-fid's `make_resizer("PIL", False, "bicubic", ...)`. Versions stand in data.json.

    python tests/golden/resize/make.py
"""

import json
from pathlib import Path

import numpy as np
import PIL
import torch
import torch_fidelity
from cleanfid.resize import make_resizer
from torch.nn.functional import interpolate
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

# From, to, and every which value is kept.
CASES = [(7, 12, 1), (13, 5, 1), (64, 299, 997), (300, 299, 997), (512, 299, 997)]


def image(size):
    """Byte i of the image is (37 i^2 + 11 i + i / 13) mod 256, rows of pixels, channels last."""
    i = np.arange(size * size * 3, dtype=np.int64)
    return ((37 * i * i + 11 * i + i // 13) % 256).astype(np.uint8).reshape(size, size, 3)


def resized(pixels, size):
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    bicubic = make_resizer("PIL", False, "bicubic", (size, size))(pixels)
    return {
        "bilinear_tensorflow": interpolate_bilinear_2d_like_tensorflow1x(
            planes, size=(size, size), align_corners=False
        )[0],
        "bilinear_half_pixel": interpolate(
            planes, size=(size, size), mode="bilinear", align_corners=False
        )[0],
        "bicubic_antialiased": torch.from_numpy(bicubic).permute(2, 0, 1),
    }


def main():
    cases = []
    for start, size, stride in CASES:
        ways = resized(image(start), size)
        values = {
            way: [float(value) for value in planes.flatten()[::stride].numpy()]
            for way, planes in ways.items()
        }
        cases.append({"from": start, "to": size, "stride": stride, "values": values})
    versions = {
        "torch": torch.__version__,
        "torch-fidelity": torch_fidelity.__version__,
        "clean-fid": "0.1.35",
        "pillow": PIL.__version__,
        "numpy": np.__version__,
    }
    path = Path(__file__).with_name("data.json")
    path.write_text(json.dumps({"versions": versions, "cases": cases}) + "\n")


main()
