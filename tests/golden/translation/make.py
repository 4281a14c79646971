"""Writes data.json: what PyTorch computes where `tests/it/translation/networks.rs` runs the networks of paired models.

Run with Python 3.11 or later, PyTorch 2.15 and NumPy (the versions used stand in data.json):

    python tests/golden/translation/make.py

Parameters and inputs come from the formula of `recorded.py`, in the order in which the networks here list their layers. Everything is
computed in float64 from inputs rounded to float32; recorded are outputs and the gradient of their weighted sum by the input.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from recorded import INPUT, LOSS, record, wave, write  # noqa: E402


def norm(maps):
    return F.instance_norm(maps)


class PatchGan(nn.Module):
    def __init__(self, channels, width, layers):
        super().__init__()
        outputs = [width * 2 ** min(layer, 3) for layer in range(layers + 1)] + [1]
        inputs = [channels] + outputs[:-1]
        strides = [2] * layers + [1, 1]
        self.layers = nn.ModuleList(
            nn.Conv2d(i, o, 4, stride, 1) for i, o, stride in zip(inputs, outputs, strides, strict=True)
        )

    def forward(self, maps):
        for place, layer in enumerate(self.layers):
            maps = layer(maps)
            if 0 < place < len(self.layers) - 1:
                maps = norm(maps)
            if place < len(self.layers) - 1:
                maps = F.leaky_relu(maps, 0.2)
        return maps


class Pix2PixUnet(nn.Module):
    def __init__(self, channels, outputs, width, levels):
        super().__init__()
        maps = [width * 2 ** min(level, 3) for level in range(levels)]
        self.down = nn.ModuleList(nn.Conv2d(i, o, 4, 2, 1) for i, o in zip([channels] + maps[:-1], maps, strict=True))
        up = []
        for level in reversed(range(levels)):
            sides = 1 if level == levels - 1 else 2
            up.append(nn.ConvTranspose2d(sides * maps[level], outputs if level == 0 else maps[level - 1], 4, 2, 1))
        self.up = nn.ModuleList(up)

    def forward(self, maps):
        skips = []
        for level, layer in enumerate(self.down):
            maps = layer(F.leaky_relu(maps, 0.2) if level else maps)
            if 0 < level < len(self.down) - 1:
                maps = norm(maps)
            skips.append(maps)
        skips.pop()
        for layer in self.up:
            maps = layer(F.relu(maps))
            if skips:
                maps = torch.cat([skips.pop(), norm(maps)], 1)
        return maps


class UnetBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps):
        inner = norm(self.second(F.relu(norm(self.first(maps)))))
        return F.relu(inner + self.shortcut(maps))


class ResidualUnet(nn.Module):
    def __init__(self, channels, outputs, width, levels):
        super().__init__()
        maps = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(UnetBlock(i, o) for i, o in zip([channels] + maps[:-1], maps, strict=True))
        self.up = nn.ModuleList(
            UnetBlock(maps[level] + maps[level + 1], maps[level]) for level in reversed(range(levels - 1))
        )
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, maps):
        skips = []
        for level, block in enumerate(self.down):
            if level:
                skips.append(maps)
                maps = F.max_pool2d(maps, 2)
            maps = block(maps)
        for block in self.up:
            maps = block(torch.cat([skips.pop(), F.interpolate(maps, scale_factor=2, mode="nearest")], 1))
        return self.head(maps)


def conv(inputs, outputs, kernel=3, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class HrBlock(nn.Module):
    def __init__(self, inputs, inside=None):
        super().__init__()
        if inside is None:
            self.layers, self.shortcut = nn.ModuleList([conv(inputs, inputs), conv(inputs, inputs)]), None
        else:
            self.layers = nn.ModuleList([conv(inputs, inside, 1), conv(inside, inside), conv(inside, 4 * inside, 1)])
            self.shortcut = conv(inputs, 4 * inside, 1) if inputs != 4 * inside else None

    def forward(self, maps):
        inner = maps
        for place, layer in enumerate(self.layers):
            inner = norm(layer(inner))
            if place < len(self.layers) - 1:
                inner = F.relu(inner)
        return F.relu(inner + (norm(self.shortcut(maps)) if self.shortcut else maps))


class Way(nn.Module):
    def __init__(self, width, source, target):
        super().__init__()
        self.factor = 1
        if source > target:
            self.factor = 2 ** (source - target)
            layers = [conv(width * 2**source, width * 2**target, 1)]
        else:
            layers = []
            for branch in range(source, target):
                last = branch == target - 1
                layers.append(conv(width * 2**source, width * 2 ** (target if last else source), 3, 2))
        self.layers = nn.ModuleList(layers)

    def forward(self, maps):
        for place, layer in enumerate(self.layers):
            maps = norm(layer(maps))
            if place < len(self.layers) - 1:
                maps = F.relu(maps)
        return larger(maps, self.factor)


def larger(maps, factor):
    if factor == 1:
        return maps
    return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)


class Exchange(nn.Module):
    def __init__(self, width, branches, blocks):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.ModuleList(HrBlock(width * 2**branch) for _ in range(blocks)) for branch in range(branches)
        )
        self.ways = nn.ModuleList(
            nn.ModuleList(Way(width, source, target) if source != target else nn.Identity() for source in range(branches))
            for target in range(branches)
        )

    def forward(self, maps):
        inner = []
        for branch, blocks in zip(maps, self.branches, strict=True):
            for block in blocks:
                branch = block(branch)
            inner.append(branch)
        return [F.relu(sum(way(branch) for way, branch in zip(ways, inner, strict=True))) for ways in self.ways]


class HrNet(nn.Module):
    def __init__(self, channels, outputs, width, modules, blocks, stem, stride):
        super().__init__()
        wide, branches = 4 * stem, len(modules) + 1
        self.stem = nn.ModuleList([conv(channels, stem, 3, stride), conv(stem, stem, 3, stride)])
        self.first = nn.ModuleList(HrBlock(stem if place == 0 else wide, stem) for place in range(blocks))
        self.finest = conv(wide, width)
        self.coarser = nn.ModuleList(
            conv(wide if branch == 1 else width * 2 ** (branch - 1), width * 2**branch, 3, 2)
            for branch in range(1, branches)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(Exchange(width, stage + 2, blocks) for _ in range(count)) for stage, count in enumerate(modules)
        )
        maps = sum(width * 2**branch for branch in range(branches))
        self.joined = conv(maps, maps, 1)
        self.head = nn.Conv2d(maps, outputs, 1)
        self.factor = stride * stride

    def forward(self, maps):
        for layer in self.stem:
            maps = F.relu(norm(layer(maps)))
        for block in self.first:
            maps = block(maps)
        coarsest, branches = maps, [F.relu(norm(self.finest(maps)))]
        for coarser, modules in zip(self.coarser, self.stages, strict=True):
            branches.append(F.relu(norm(coarser(coarsest))))
            for module in modules:
                branches = module(branches)
            coarsest = branches[-1]
        joined = torch.cat([larger(maps, 2**branch) for branch, maps in enumerate(branches)], 1)
        return larger(self.head(F.relu(norm(self.joined(joined)))), self.factor)


def case(name, network, shape):
    network.double()
    place = 0
    for layer in network.modules():
        own = dict(layer.named_parameters(recurse=False))
        for tensor in (own[key] for key in ("weight", "bias") if key in own):
            with torch.no_grad():
                tensor.copy_(wave(tensor.shape, place, 0.15))
            place += 1
    images = wave(shape, INPUT).requires_grad_()
    output = network(images)
    record(name, "output", output)
    (output * wave(output.shape, LOSS)).sum().backward()
    record(name, "input gradient", images.grad)


case("patch-gan", PatchGan(6, 4, 2), (2, 6, 32, 32))
case("pix2pix-unet", Pix2PixUnet(3, 2, 4, 4), (2, 3, 32, 32))
for levels in (2, 3, 4):
    case(f"unet {levels}", ResidualUnet(3, 2, 4, levels), (2, 3, 24, 24))
case("hrnet", HrNet(3, 3, 3, [1, 2, 1], 2, 4, 1), (2, 3, 32, 32))
case("hrnet stride 2", HrNet(3, 2, 3, [1, 1], 1, 4, 2), (1, 3, 64, 64))
write(HERE)
