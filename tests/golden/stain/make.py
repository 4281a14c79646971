"""Makes `patch.png` and what other programs make of it: `macenko.png` and `reinhard.png`, and the numbers in `data.json`.

    python make.py        (numpy, pillow and torchstain; their versions are written into the file)

`patch.png` is drawn by a formula: two stains in changing concentrations, other ones than the published, with glass in a corner.
Macenko's method is that of torchstain, which follows the authors' MATLAB program, and is written out again here from the paper;
both must agree. torchstain cuts off the fraction of a level, histogen rounds it: they differ by at most 1. Reinhard's method is
written out here from the paper, with the statistics of tissue alone.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image
from torchstain.numpy.normalizers import NumpyMacenkoNormalizer

HERE = Path(__file__).parent
SIZE, LIGHT, BETA, ALPHA = 48, 240, 0.15, 1
PUBLISHED = np.array([[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]])
STRENGTHS = np.array([1.9705, 1.0308])
MEANS = np.array([8.74108109, -0.12440419, 0.0444982])
DEVIATIONS = np.array([0.6135447, 0.10989545, 0.0286032])


def patch():
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(float)
    haematoxylin = 0.9 + 0.8 * np.sin(x / 3) * np.cos(y / 4)
    eosin = 0.7 + 0.5 * np.cos(x / 5 + y / 7)
    stains = np.array([[0.65, 0.29], [0.70, 0.82], [0.29, 0.49]])
    density = haematoxylin[..., None] * stains[:, 0] + eosin[..., None] * stains[:, 1]
    density += 0.03 * np.sin(7 * x + 11 * y)[..., None] * [1, -1, 0.5]
    density[(x < 12) & (y < 12)] = 0.02
    return np.clip(np.round(LIGHT * np.exp(-density)), 0, 255).astype(np.uint8)


def stains_of(image):
    density = -np.log((image.reshape(-1, 3).astype(float) + 1) / LIGHT)
    tissue = density[(density >= BETA).all(axis=1)]
    _, vectors = np.linalg.eigh(np.cov(tissue.T))
    plane = vectors[:, 1:]
    plane = plane * np.where(tissue.mean(axis=0) @ plane < 0, -1, 1)
    places = tissue @ plane
    angles = np.arctan2(places[:, 1], places[:, 0])
    ends = np.percentile(angles, [ALPHA, 100 - ALPHA])
    low, high = (plane @ [np.cos(angle), np.sin(angle)] for angle in ends)
    stains = np.array([low, high] if low[0] > high[0] else [high, low]).T
    amounts = np.linalg.lstsq(stains, density.T, rcond=None)[0]
    return stains, amounts, np.percentile(amounts, 99, axis=1)


def macenko(image):
    stains, amounts, strengths = stains_of(image)
    density = PUBLISHED @ (amounts * (STRENGTHS / strengths)[:, None])
    return np.minimum(LIGHT * np.exp(-density), 255).T.reshape(image.shape), stains, strengths


def reinhard(image):
    cones = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
    rotate = np.diag(1 / np.sqrt([3, 6, 2])) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])
    pixels = image.reshape(-1, 3).astype(float)
    tissue = (-np.log((pixels + 1) / LIGHT) >= BETA).any(axis=1)
    opponent = np.log(np.maximum(pixels @ cones.T, 1)) @ rotate.T
    means, deviations = opponent[tissue].mean(axis=0), opponent[tissue].std(axis=0)
    moved = (opponent - means) / deviations * DEVIATIONS + MEANS
    colours = np.exp(moved @ np.linalg.inv(rotate).T) @ np.linalg.inv(cones).T
    colours = np.where(tissue[:, None], colours, pixels)
    return np.clip(np.round(colours), 0, 255).reshape(image.shape), means, deviations


image = patch()
ours, stains, strengths = macenko(image)
theirs, _, _ = NumpyMacenkoNormalizer().normalize(image, Io=LIGHT, alpha=ALPHA, beta=BETA)
assert np.abs(np.floor(ours) - theirs).max() <= 1, "torchstain and the paper agree"
changed, means, deviations = reinhard(image)
for name, pixels in [("patch", image), ("macenko", theirs), ("reinhard", changed)]:
    Image.fromarray(pixels.astype(np.uint8)).save(HERE / f"{name}.png", optimize=True)
data = {
    "versions": {"numpy": np.__version__, "torchstain": version("torchstain")},
    "stains": stains.T.tolist(),
    "strengths": strengths.tolist(),
    "means": means.tolist(),
    "deviations": deviations.tolist(),
}
(HERE / "data.json").write_text(json.dumps(data, indent=1) + "\n")
