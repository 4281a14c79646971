"""Writes data.json: what PyTorch computes where `tests/it/siamese.rs` runs the parts of the MFT-SNN.

Run with Python 3.11 or later, PyTorch 2.15 and NumPy (the versions used stand in data.json):

    python tests/golden/siamese/make.py

Parameters and inputs come from a formula that both sides evaluate (`wave` in `recorded.py`), so data.json holds outputs
and gradients only, of large tensors every n-th entry with the sum and the sum of squares of all. Everything is computed
in float64 from inputs rounded to float32.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from recorded import GRADIENT_ENTRIES, INPUT, LOSS, record, wave, write  # noqa: E402

# torchvision's normalisation of RGB in [0, 1].
MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float32).double()[None, :, None, None]
DEVIATION = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float32).double()[None, :, None, None]


def convolutions(shapes, first, scale):
    """3 x 3 layers whose parameters stand at places `first`, `first` + 1, ... of the formula."""
    layers = nn.ModuleList(nn.Conv2d(*shape, 3, padding=1) for shape in shapes).double()
    for place, parameter in enumerate(layers.parameters()):
        with torch.no_grad():
            parameter.copy_(wave(parameter.shape, first + place, scale))
    return layers


def encode(layers, images):
    """The first three convolutions of VGG-16; the image is halved before the third."""
    maps = ((images + 1) / 2 - MEAN) / DEVIATION
    for place, layer in enumerate(layers):
        if place == 2:
            maps = F.max_pool2d(maps, 2)
        maps = F.relu(layer(maps))
    return maps


def decode(layers, maps):
    """Their mirror image, 16 feature maps wide; the image is doubled after the first."""
    maps = maps / (maps.square().mean((1, 2, 3), keepdim=True) + 1e-6).sqrt()
    for place, layer in enumerate(layers):
        maps = layer(maps)
        if place < 2:
            maps = F.relu(maps)
        if place == 0:
            maps = F.interpolate(maps, scale_factor=2, mode="nearest")
    return torch.tanh(maps)


def contrastive(left, right, similar, margin):
    """Hadsell et al. 2006, equation 4, on the distance of unit vectors, with 1 for similar."""
    left, right = (F.normalize(rows, dim=1, eps=1e-6) for rows in (left, right))
    distance = (left - right).square().sum(1).clamp_min(1e-12).sqrt()
    pull, push = distance.square(), F.relu(margin - distance).square()
    return (similar * pull + (1 - similar) * push).mean() / 2


ENCODER = [(3, 64), (64, 64), (64, 128)]
DECODER = [(128, 16), (16, 16), (16, 3)]
LABELS = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0]).double()


def loss():
    left, right = (wave((5, 7), INPUT + place, 0.5, 0.5).requires_grad_() for place in (0, 1))
    value = contrastive(left, right, LABELS, 1.0)
    value.backward()
    record("contrastive loss", "value", value.reshape(1))
    record("contrastive loss", "left gradient", left.grad)
    record("contrastive loss", "right gradient", right.grad)


def siamese():
    """The gradient of the contrastive loss by the last two convolutions of three; the first is frozen."""
    layers = convolutions(ENCODER, 0, 0.1)
    layers[0].requires_grad_(False)
    anchors, partners = (wave((5, 3, 8, 8), INPUT + place, 0.9) for place in (0, 1))
    embeddings = [encode(layers, images).mean((2, 3)) for images in (anchors, partners)]
    value = contrastive(*embeddings, LABELS, 1.0)
    value.backward()
    record("siamese", "embeddings", torch.cat(embeddings))
    record("siamese", "value", value.reshape(1))
    for place, layer in enumerate(layers[1:], 1):
        record("siamese", f"weight {place}", layer.weight.grad, GRADIENT_ENTRIES)
        record("siamese", f"bias {place}", layer.bias.grad, GRADIENT_ENTRIES)


def reconstruction():
    """The gradient of the reconstruction error by all layers of both halves."""
    encoder, decoder = convolutions(ENCODER, 0, 0.1), convolutions(DECODER, 6, 0.2)
    images = wave((4, 3, 8, 8), INPUT, 0.9)
    images_again = decode(decoder, encode(encoder, images))
    value = F.mse_loss(images_again, images)
    value.backward()
    record("reconstruction", "output", images_again)
    record("reconstruction", "value", value.reshape(1))
    for half, layers in (("encoder", encoder), ("decoder", decoder)):
        for place, layer in enumerate(layers):
            record("reconstruction", f"{half} weight {place}", layer.weight.grad, GRADIENT_ENTRIES)
            record("reconstruction", f"{half} bias {place}", layer.bias.grad, GRADIENT_ENTRIES)


def optimiser(case, build, rate, magnitude):
    """Three steps of a layer; recorded: how far it moved, in learning rates."""
    layer = nn.Linear(5, 3).double()
    with torch.no_grad():
        for place, parameter in enumerate(layer.parameters()):
            parameter.copy_(wave(parameter.shape, place, 0.001))
    start = [parameter.detach().clone() for parameter in layer.parameters()]
    optimiser = build(layer.parameters())
    for step in range(3):
        optimiser.zero_grad()
        output = layer(wave((4, 5), INPUT + step))
        (output * wave((4, 3), LOSS + step, magnitude)).sum().backward()
        optimiser.step()
        for name, parameter, before in zip(("weight", "bias"), layer.parameters(), start):
            record(case, f"{name} after {step + 1}", (parameter - before) / rate)


loss()
siamese()
reconstruction()
# So small that the epsilons of 1e-8 and 1e-10 show.
optimiser("similarity optimiser", lambda tensors: torch.optim.Adam(tensors, lr=5e-4), 5e-4, 1e-7)
optimiser("reconstruction optimiser", lambda tensors: torch.optim.Adagrad(tensors, lr=1e-3), 1e-3, 1e-9)
write(HERE)
