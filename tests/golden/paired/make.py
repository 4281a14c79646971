"""Writes data.json: L1, PSNR and SSIM of two images by scikit-image, for `src/metrics/paired/tests.rs`.

Run with Python 3.11 or later, NumPy and scikit-image (the versions used stand in data.json):

    python tests/golden/paired/make.py

The images come from a formula in whole numbers that both sides evaluate.
"""

import json
from pathlib import Path

import numpy as np
import skimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def images(size, channels):
    i = np.arange(size * size * channels)
    first = (i * i // 7 + 11 * i // 3) % 256
    second = np.clip(first + i * 7 % 31 - 15, 0, 255)
    return [image.astype(np.uint8).reshape(size, size, channels) for image in (first, second)]


cases = []
for size, channels in [(11, 1), (24, 1), (24, 3), (40, 3)]:
    output, target = images(size, channels)
    cases.append(
        {
            "size": size,
            "channels": channels,
            "l1": float(np.abs(output.astype(float) - target.astype(float)).mean() / 255),
            "psnr": float(peak_signal_noise_ratio(target, output, data_range=255)),
            "ssim": float(
                structural_similarity(
                    output,
                    target,
                    data_range=255,
                    channel_axis=2,
                    gaussian_weights=True,
                    sigma=1.5,
                    use_sample_covariance=False,
                )
            ),
        }
    )
versions = {"scikit-image": skimage.__version__, "numpy": np.__version__}
data = {"made by": "tests/golden/paired/make.py", "versions": versions, "cases": cases}
path = Path(__file__).resolve().parent / "data.json"
path.write_text(json.dumps(data, indent=1) + "\n")
print(json.dumps(cases))
