"""Writes data.json: what PyTorch computes where `tests/it/golden.rs` runs histogen's layers, networks and optimiser.

Run with Python 3.11 or later, PyTorch 2.15, NumPy and safetensors (the version used stands in data.json):

    python tests/golden/layers/make.py

Parameters and inputs come from a formula that both sides evaluate (`wave` in `recorded.py`), so data.json holds outputs
and gradients only, of large tensors every n-th entry with the sum and the sum of squares of all. Everything is computed
in float64 from inputs rounded to float32. The VGG-16 cases read ../shared/weights beside the checkout.
"""

import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from recorded import GRADIENT_ENTRIES, INPUT, LOSS, record, wave, write  # noqa: E402

WEIGHTS = HERE.parents[3] / "shared" / "weights" / "vgg16_imagenet_conv.safetensors"
# The order of a layer's own tensors in histogen's structs.
ORDER = ["weight", "weight_orig", "bias", "running_mean", "running_var", "weight_u", "weight_v"]


def own_tensors(network):
    """(layer, name, tensor) of all parameters and buffers in the order in which Burn visits histogen's modules."""
    for layer in network.modules():
        own = dict(layer.named_parameters(recurse=False)) | dict(layer.named_buffers(recurse=False))
        own.pop("num_batches_tracked", None)
        for name in sorted(own.keys() & set(ORDER), key=ORDER.index):
            yield layer, name, own[name]


def fill(network, scale):
    """Gives every tensor its formula: scales around 1, variances positive, all others around 0."""
    network.double()
    for place, (layer, name, tensor) in enumerate(own_tensors(network)):
        if isinstance(layer, (nn.BatchNorm2d, nn.GroupNorm)) and name == "weight":
            values = wave(tensor.shape, place, 0.3, 1.0)
        elif name == "running_var":
            values = wave(tensor.shape, place, 0.5, 1.0)
        else:
            values = wave(tensor.shape, place, scale)
        with torch.no_grad():
            tensor.copy_(values)
    return network


def record_gradients(case, network):
    """By each trained tensor; `None` is zero."""
    for place, (_, _, tensor) in enumerate(own_tensors(network)):
        if isinstance(tensor, nn.Parameter):
            gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            record(case, f"gradient {place}", gradient, GRADIENT_ENTRIES)


def record_buffers(case, network, suffix=""):
    for place, (_, _, tensor) in enumerate(own_tensors(network)):
        if not isinstance(tensor, nn.Parameter):
            record(case, f"buffer {place}{suffix}", tensor)


def record_backward(case, function, variable):
    """The output of a function, and the gradient of its weighted sum by its variable."""
    variable.requires_grad_()
    output = function(variable)
    record(case, "output", output)
    (output * wave(output.shape, LOSS)).sum().backward()
    record(case, "input gradient", variable.grad)


def record_network(case, network, variable, scale, forward=None):
    fill(network, scale)
    record_backward(case, forward or network, variable)
    record_gradients(case, network)


# Layers ------------------------------------------------------------------------------------------------------------

SAME = dict(kernel_size=3, stride=1, padding=1)
HALVE = dict(kernel_size=4, stride=2, padding=1)


def layers():
    image = lambda *shape: wave(shape, INPUT)
    record_network("conv same", nn.Conv2d(3, 5, **SAME), image(2, 3, 6, 7), 0.3)
    record_network("conv halve", nn.Conv2d(3, 5, **HALVE, bias=False), image(2, 3, 8, 6), 0.3)
    record_network("conv whole", nn.Conv2d(3, 5, 4), image(2, 3, 4, 4), 0.3)
    record_network("transposed halve", nn.ConvTranspose2d(4, 3, **HALVE), image(2, 4, 3, 5), 0.3)
    record_network("transposed whole", nn.ConvTranspose2d(6, 5, 4, bias=False), image(2, 6, 1, 1), 0.3)
    record_network("linear", nn.Linear(7, 5), image(3, 7), 0.3)
    record_backward("leaky relu", nn.LeakyReLU(0.2), image(2, 3, 4, 4))
    record_backward("nearest doubling", nn.Upsample(scale_factor=2, mode="nearest"), image(2, 3, 3, 4))
    for channels in (6, 12, 40):
        case = f"group norm {channels}"
        record_network(case, nn.GroupNorm(groups(channels), channels), image(2, channels, 3, 4), 0.3)
    record_network("attention", Attention(8), image(2, 8, 3, 5), 0.6)

    norm = nn.BatchNorm2d(3, eps=1e-5, momentum=0.1)
    record_network("batch norm training", norm, wave((4, 3, 3, 5), INPUT, 2.0, 0.5), 0.3)
    record_buffers("batch norm training", norm, " after 1")
    norm(wave((4, 3, 3, 5), INPUT + 1, 2.0, 0.5))
    record_buffers("batch norm training", norm, " after 2")
    record_network("batch norm evaluation", nn.BatchNorm2d(3).eval(), image(4, 3, 3, 5), 0.3)

    # With u given: one power iteration, then W / sigma, as in Miyato et al. (torch.nn.utils.parametrizations has the
    # two halves of the iteration the other way round).
    layer = fill(nn.utils.spectral_norm(nn.Conv2d(3, 4, **HALVE), n_power_iterations=1), 0.3)
    layer(image(1, 3, 4, 4))
    record("spectral norm", "weight", layer.weight)
    (layer.weight * wave(layer.weight.shape, LOSS)).sum().backward()
    record_gradients("spectral norm", layer)
    record_buffers("spectral norm", layer)


def groups(channels):
    """histogen's number of groups: at most 32, at least 4 channels in each."""
    fitting = [n for n in range(1, min(channels, 32) + 1) if channels % n == 0 and channels // n >= 4]
    return max(fitting, default=1)


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.GroupNorm(groups(channels), channels)
        self.query, self.key, self.value, self.project = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, maps):
        rows = lambda layer: layer(self.norm(maps)).flatten(2).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(rows(self.query), rows(self.key), rows(self.value))
        return maps + self.project(mixed.transpose(1, 2).reshape(maps.shape))


# Networks ----------------------------------------------------------------------------------------------------------


class Generator(nn.Module):
    """DCGAN's for 32 x 32: latent -> 4w x 4 x 4 -> 2w x 8 x 8 -> w x 16 x 16 -> 3 x 32 x 32."""

    def __init__(self, latent, width):
        super().__init__()
        self.project = nn.ConvTranspose2d(latent, 4 * width, 4, bias=False)
        self.project_norm = nn.BatchNorm2d(4 * width)
        steps = [(4 * width, 2 * width), (2 * width, width)]
        self.doublings = nn.ModuleList(nn.ConvTranspose2d(*step, **HALVE, bias=False) for step in steps)
        self.norms = nn.ModuleList(nn.BatchNorm2d(step[1]) for step in steps)
        self.to_image = nn.ConvTranspose2d(width, 3, **HALVE, bias=False)

    def forward(self, latents):
        maps = F.relu(self.project_norm(self.project(latents[:, :, None, None])))
        for doubling, norm in zip(self.doublings, self.norms):
            maps = F.relu(norm(doubling(maps)))
        return torch.tanh(self.to_image(maps))


class Critic(nn.Module):
    """DCGAN's for 16 x 16: 3 -> w x 8 x 8 -> 2w x 4 x 4 -> 1."""

    def __init__(self, width, norm):
        super().__init__()
        layer = lambda *shape, **window: nn.Conv2d(*shape, **window, bias=norm != "batch")
        if norm == "spectral":
            layer = lambda *shape, **window: nn.utils.spectral_norm(nn.Conv2d(*shape, **window))
        steps = [(3, width), (width, 2 * width)]
        self.convolutions = nn.ModuleList(layer(*step, **HALVE) for step in steps)
        self.norms = nn.ModuleList([nn.BatchNorm2d(2 * width)] if norm == "batch" else [])
        self.head = layer(2 * width, 1, kernel_size=4)

    def forward(self, images):
        maps = F.leaky_relu(self.convolutions[0](images), 0.2)
        maps = self.convolutions[1](maps)
        for norm in self.norms:
            maps = norm(maps)
        return self.head(F.leaky_relu(maps, 0.2)).flatten()


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, time, attention):
        super().__init__()
        self.first_norm = nn.GroupNorm(groups(inputs), inputs)
        self.first = nn.Conv2d(inputs, outputs, **SAME)
        self.time = nn.Linear(time, outputs)
        self.second_norm = nn.GroupNorm(groups(outputs), outputs)
        self.second = nn.Conv2d(outputs, outputs, **SAME)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.attention = Attention(outputs) if attention else nn.Identity()

    def forward(self, maps, time):
        inner = self.first(F.silu(self.first_norm(maps))) + self.time(time)[:, :, None, None]
        inner = self.second(F.silu(self.second_norm(inner)))
        return self.attention(self.shortcut(maps) + inner)


class UNet(nn.Module):
    """Ho et al.'s with two levels of one block (two on the way up), attention at the lower one, 2w channels there."""

    def __init__(self, w):
        super().__init__()
        block = lambda inputs, outputs, attention=False: ResidualBlock(inputs, outputs, 4 * w, attention)
        self.width = w
        self.time_first, self.time_second = nn.Linear(w, 4 * w), nn.Linear(4 * w, 4 * w)
        self.first = nn.Conv2d(3, w, **SAME)
        self.down = nn.ModuleList([block(w, w), block(w, 2 * w, True)])
        self.halving = nn.Conv2d(w, w, kernel_size=3, stride=2, padding=1)
        self.middle = nn.ModuleList([block(2 * w, 2 * w, True), block(2 * w, 2 * w)])
        up = [block(4 * w, 2 * w, True), block(3 * w, 2 * w, True), block(3 * w, w), block(2 * w, w)]
        self.up = nn.ModuleList(up)
        self.doubling = nn.Conv2d(2 * w, 2 * w, **SAME)
        self.last_norm = nn.GroupNorm(groups(w), w)
        self.last = nn.Conv2d(w, 3, **SAME)

    def forward(self, images, times):
        half = self.width // 2
        angles = times[:, None] * torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half, dtype=torch.float64))
        encoded = torch.cat([angles.sin(), angles.cos()], 1).float().double()
        time = F.silu(self.time_second(F.silu(self.time_first(encoded))))
        upper = self.first(images)
        upper_block = self.down[0](upper, time)
        lower = self.halving(upper_block)
        lower_block = self.down[1](lower, time)
        maps = self.middle[1](self.middle[0](lower_block, time), time)
        maps = self.up[0](torch.cat([maps, lower_block], 1), time)
        maps = self.up[1](torch.cat([maps, lower], 1), time)
        maps = self.doubling(F.interpolate(maps, scale_factor=2, mode="nearest"))
        maps = self.up[2](torch.cat([maps, upper_block], 1), time)
        maps = self.up[3](torch.cat([maps, upper], 1), time)
        return self.last(F.silu(self.last_norm(maps)))


def networks():
    generator = Generator(latent=6, width=4)
    record_network("generator training", generator, wave((3, 6), INPUT), 0.3)
    record_buffers("generator training", generator)
    record_network("generator evaluation", Generator(latent=6, width=4).eval(), wave((3, 6), INPUT), 0.3)
    for norm in ("batch", "none", "spectral"):
        record_network(f"critic {norm}", Critic(4, norm), wave((3, 3, 16, 16), INPUT), 0.3)

    unet = UNet(8)
    times = torch.tensor([3, 999], dtype=torch.float64)
    record_network("unet", unet, wave((2, 3, 8, 8), INPUT), 0.15, lambda images: unet(images, times))


def vgg():
    with safe_open(WEIGHTS, "pt") as file:
        weights = {name: file.get_tensor(name).double() for name in file.keys()}
        triple = lambda key: torch.tensor([float(x) for x in file.metadata()[key].split(",")]).double()[:, None, None]
        mean, deviation = triple("mean"), triple("std")
    # torchvision's configuration D: channels of each convolution, M for max-pooling.
    layout = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]
    maps = ((wave((2, 3, 64, 64), INPUT, 0.9) + 1) / 2 - mean) / deviation
    place, layers = 0, 0
    for entry in layout:
        if entry == "M":
            maps = F.max_pool2d(maps, 2)
            place += 1
            continue
        maps = F.conv2d(maps, weights[f"features.{place}.weight"], weights[f"features.{place}.bias"], padding=1)
        maps = F.relu(maps)
        place, layers = place + 2, layers + 1
        if layers in (7, 13):
            record(f"vgg16 {layers}", "maps", maps)
            record(f"vgg16 {layers}", "embedding", maps.mean((2, 3)))


# Training ----------------------------------------------------------------------------------------------------------


def losses():
    scores = lambda place: wave((5,), place, 3.0).requires_grad_()
    logits = F.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(5).double(), torch.zeros(5).double()
    each = wave((5,), INPUT + 2, 0.5, 0.5)
    functions = {
        "minimax critic": lambda real, fake: logits(real, ones) + logits(fake, zeros),
        "non-saturating generator": lambda real, fake: logits(fake, ones),
        "least-squares critic": lambda real, fake: (F.mse_loss(real, ones) + F.mse_loss(fake, zeros)) / 2,
        "least-squares generator": lambda real, fake: F.mse_loss(fake, ones) / 2,
        "hinge critic": lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        "wasserstein critic": lambda real, fake: fake.mean() - real.mean(),
        "wasserstein generator": lambda real, fake: -fake.mean(),
        "soft label": lambda real, fake: logits(real, 0.9 * ones),
        "label of each": lambda real, fake: logits(real, each),
    }
    for name, function in functions.items():
        real, fake = scores(INPUT), scores(INPUT + 1)
        value = function(real, fake)
        value.backward()
        record(f"loss {name}", "value", value.reshape(1))
        for side, tensor in (("real", real), ("fake", fake)):
            gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            record(f"loss {name}", f"{side} gradient", gradient)


def optimiser(case, magnitude, clip):
    """Three steps of a layer whose gradients change; recorded: how far it moved, in learning rates."""
    layer = fill(nn.Linear(5, 3), 0.001)  # small, so that float32 resolves a step
    start = [parameter.detach().clone() for parameter in layer.parameters()]
    adam = torch.optim.Adam(layer.parameters(), lr=2e-4, betas=(0.5, 0.999), eps=1e-8)
    for step in range(3):
        adam.zero_grad()
        output = layer(wave((4, 5), INPUT + step))
        (output * wave((4, 3), LOSS + step, magnitude)).sum().backward()
        if clip is not None:
            nn.utils.clip_grad_value_(layer.parameters(), clip)
        adam.step()
        for name, parameter, before in zip(("weight", "bias"), layer.parameters(), start):
            record(case, f"{name} after {step + 1}", (parameter - before) / 2e-4)


def penalty():
    """WGAN-GP's penalty (section 4, equation 3 of arXiv 1704.00028) by differentiating twice."""
    critic = fill(Critic(4, "none"), 0.3)
    images = wave((3, 3, 16, 16), INPUT).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    value = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    value.backward()
    record("gradient penalty", "value", value.reshape(1))
    record_gradients("gradient penalty", critic)


layers()
networks()
vgg()
losses()
optimiser("adam", 1e-6, None)  # so small that the epsilon of 1e-8 shows
optimiser("adam clipped", 0.1, 0.1)
penalty()
write(HERE)
