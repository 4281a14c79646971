"""Weights of the FID Inception-v3 by a formula, which `tests/it/inception.rs` evaluates too: no download is needed.

The tensors are those of shapes.json, in torch-fidelity's names.

Entry i of the tensor called `name` is u = bits / 2^23 - 1 in [-1, 1), where bits are the upper 24 of the 64 bits that
SplitMix64 makes of FNV-1a(name) + (i + 1) * 0x9E3779B97F4A7C15; then, in float64 and rounded to float32,

    convolutions   u sqrt(6 / fan in)      so that activations stay of order 1
    bn.weight      1 + 0.2 u
    running_var    1 + 0.5 u
    fc.weight      u sqrt(3 / 2048)
    all others     0.2 u
"""

import json
from pathlib import Path

import numpy as np


def uniform(name, count):
    """`count` numbers in [-1, 1)."""
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = ((start ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z += np.uint64(start)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def values(name, shape):
    """The tensor called `name`, as an array."""
    u = uniform(name, int(np.prod(shape)))
    if name == "fc.weight":
        u *= np.sqrt(3 / shape[1])
    elif name.endswith("conv.weight"):
        u *= np.sqrt(6 / np.prod(shape[1:]))
    elif name.endswith("bn.weight"):
        u = 1 + 0.2 * u
    elif name.endswith("running_var"):
        u = 1 + 0.5 * u
    else:
        u *= 0.2
    return u.astype(np.float32).reshape(shape)


def weights():
    """All tensors by name."""
    shapes = json.loads(Path(__file__).with_name("shapes.json").read_text())
    return {name: values(name, shape) for name, shape in shapes.items()}


def write(path):
    """Writes the weights to `path` as torch-fidelity reads them (`.pth`)."""
    import torch

    torch.save({name: torch.from_numpy(array) for name, array in weights().items()}, path)
