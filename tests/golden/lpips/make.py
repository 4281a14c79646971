"""Writes data.json: the activations and LPIPS distances that the package `lpips` computes where `tests/it/lpips.rs` runs
histogen's.

Run with Python 3.11 or later, PyTorch, torchvision, lpips 0.1.4 and safetensors (the versions used stand in data.json):

    python tests/golden/lpips/make.py

Weights and images come from integer arithmetic that both sides do exactly (`noise` below), so no download is needed. The
case `trained` reads ../shared/weights beside the checkout.
"""

import importlib.metadata
import json
import math
import platform
from pathlib import Path

import lpips
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parents[3] / "shared" / "weights"
MASK = np.uint64(0xFFFFFFFF)
# Places in the formula: tensors count from 0, layer by layer, weight before bias; then the heads and the images.
HEADS, IMAGES = 100, 200
# Sizes of the images; each pair is an image and itself moved a little or a lot.
SIZES = [16, 32, 64]
MOVES = [0.01, 1.0]


def noise(shape, place):
    """Entry i is a hash of i and place, in [-1, 1)."""
    i = np.arange(math.prod(shape), dtype=np.uint64)
    h = (i * np.uint64(73856093) ^ np.uint64(place * 83492791)) & MASK
    for _ in range(2):
        h ^= h >> np.uint64(16)
        h = h * np.uint64(0x45D9F3B) & MASK
    h ^= h >> np.uint64(16)
    values = (h >> np.uint64(8)).astype(np.float64) / 2**23 - 1
    return torch.from_numpy(values).reshape(shape)


def network(heads):
    model = lpips.LPIPS(pretrained=False, net="vgg", pnet_rand=True, lpips=True, verbose=False).double()
    layers = [module for module in model.net.modules() if isinstance(module, torch.nn.Conv2d)]
    for layer, convolution in enumerate(layers):
        fan_in = convolution.weight[0].numel()
        with torch.no_grad():
            # A power of two, so that the product is exact in float32.
            scale = 2.0 ** math.floor(math.log2(math.sqrt(6 / fan_in)))
            convolution.weight.copy_(noise(convolution.weight.shape, 2 * layer) * scale)
            convolution.bias.copy_(noise(convolution.bias.shape, 2 * layer + 1) / 8)
    for layer, head in enumerate(model.lins):
        weight = head.model[-1].weight
        with torch.no_grad():
            weight.copy_(heads(weight.shape, layer))
    return model.eval()


def trained():
    model = network(lambda shape, layer: torch.ones(shape))
    path = WEIGHTS / "vgg16_imagenet_conv.safetensors"
    tensors = load_file(path)
    modules = {name.rsplit(".", 1)[-1]: module for name, module in model.net.named_modules()}
    for name, values in tensors.items():
        place, kind = name.split(".")[1:]
        with torch.no_grad():
            getattr(modules[place], kind).copy_(values)
    for name, values in load_file(WEIGHTS / "lpips_v0.1_vgg_linear.safetensors").items():
        with torch.no_grad():
            model.lins[int(name[3])].model[-1].weight.copy_(values)
    # The network's own normalisation, of RGB in [0, 1], in the form of the package, of values in [-1, 1].
    metadata = safe_open(path, "pt").metadata()
    mean, deviation = (torch.tensor(json.loads(f"[{metadata[key].strip('[]()')}]")) for key in ("mean", "std"))
    model.scaling_layer.shift.copy_((2 * mean - 1)[None, :, None, None])
    model.scaling_layer.scale.copy_((2 * deviation)[None, :, None, None])
    return model


def distances(model):
    found = []
    for size in SIZES:
        for move in MOVES:
            image = noise((1, 3, size, size), IMAGES + size)
            other = noise((1, 3, size, size), IMAGES + size + 1)
            moved = (image + move * (other - image)).float().double()
            with torch.no_grad():
                found.append(model(image, moved).item())
    return found


def layers(model):
    """16 entries of each of the five layers that are compared, for an image of the largest size."""
    size = max(SIZES)
    image = noise((1, 3, size, size), IMAGES + size).float().double()
    with torch.no_grad():
        maps = [tensor.flatten() for tensor in model.net(model.scaling_layer(image))]
    # One less than a sixteenth: or it would see a few channels only.
    strides = [len(flat) // 16 - 1 for flat in maps]
    return [
        {"stride": stride, "values": [float(f"{value:.9g}") for value in flat[::stride][:16].tolist()]}
        for flat, stride in zip(maps, strides)
    ]


torch.manual_seed(0)
weighted = network(lambda shape, layer: (noise(shape, HEADS + layer) + 1) / 2)
cases = {
    "weighted": distances(weighted),
    "all alike": distances(network(lambda shape, layer: torch.ones(shape, dtype=torch.float64))),
}
if WEIGHTS.exists():
    cases["trained"] = distances(trained())
versions = {name: importlib.metadata.version(name) for name in ("numpy", "torch", "torchvision", "lpips")}
data = {
    "made by": "tests/golden/lpips/make.py",
    "versions": {"python": platform.python_version()} | versions,
    "sizes": SIZES,
    "moves": MOVES,
    "cases": cases,
    "layers": layers(weighted),
}
(HERE / "data.json").write_text(json.dumps(data, indent=1) + "\n")
