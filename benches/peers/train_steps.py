"""Training steps of the seven systems in PyTorch, as a careful user of it would write them: eager, with channels last,
compiled, or compiled into CUDA graphs.

Prints one JSON line: milliseconds of every timed step, peak memory, version. Same networks, batch, losses and optimiser as
`steps.rs` beside this folder; both take random images, as only time is compared.

    python train_steps.py --model dcgan --batch 128 --width 64 --steps 5 --threads 2
"""

import argparse
import copy
import json
import math
import resource
import time

import torch
import torch.nn.functional as F
from torch import nn

LATENT = 100
SIZE = 64


def generator(width):
    layers = [nn.ConvTranspose2d(LATENT, 8 * width, 4, 1, 0, bias=False), nn.BatchNorm2d(8 * width), nn.ReLU(True)]
    for times in (8, 4, 2):
        layers += [
            nn.ConvTranspose2d(times * width, times * width // 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(times * width // 2),
            nn.ReLU(True),
        ]
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())


def critic(width, norm):
    bias = norm != "batch"
    wrap = nn.utils.parametrizations.spectral_norm if norm == "spectral" else lambda layer: layer
    layers = [wrap(nn.Conv2d(3, width, 4, 2, 1, bias=bias)), nn.LeakyReLU(0.2, True)]
    for times in (1, 2, 4):
        layers.append(wrap(nn.Conv2d(times * width, 2 * times * width, 4, 2, 1, bias=bias)))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(2 * times * width))
        layers.append(nn.LeakyReLU(0.2, True))
    return nn.Sequential(*layers, wrap(nn.Conv2d(8 * width, 1, 4, 1, 0, bias=bias)), nn.Flatten(0))


class Adversarial:
    """Two networks and two optimisers; a subclass says which losses."""

    norm = "batch"

    def __init__(self, width):
        self.generator, self.critic = generator(width), critic(width, self.norm)
        settings = dict(lr=2e-4, betas=(0.5, 0.999))
        self.generator_optimiser = torch.optim.Adam(self.generator.parameters(), **settings)
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), **settings)

    def fake(self, count):
        return self.generator(torch.randn(count, LATENT, 1, 1))

    def step(self, real):
        fake = self.fake(len(real))
        self.critic_optimiser.zero_grad()
        self.critic_loss(real, fake.detach())
        self.clip(self.critic)
        self.critic_optimiser.step()
        # The critic's own gradients are not wanted in the generator's step.
        self.critic.requires_grad_(False)
        self.generator_optimiser.zero_grad()
        self.generator_loss(self.critic(fake)).backward()
        self.clip(self.generator)
        self.generator_optimiser.step()
        self.critic.requires_grad_(True)

    def generator_loss(self, scores):
        return F.softplus(-scores).mean()

    def clip(self, network):
        pass

    def sample(self, count):
        self.generator.eval()
        with torch.inference_mode():
            return self.generator(torch.randn(count, LATENT, 1, 1))


class Dcgan(Adversarial):
    def critic_loss(self, real, fake):
        (F.softplus(-self.critic(real)).mean() + F.softplus(self.critic(fake)).mean()).backward()


class ImprovedDcgan(Adversarial):
    def critic_loss(self, real, fake):
        scores = self.critic(real)
        F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, 0.9)).backward()
        F.softplus(self.critic(fake)).mean().backward()

    def clip(self, network):
        nn.utils.clip_grad_value_(network.parameters(), 0.1)


class RlEo(ImprovedDcgan):
    """The reward is the mean cosine of VGG-16 features; those of real images are known from an earlier step."""

    def __init__(self, width):
        super().__init__(width)
        layers, inputs = [], 3
        for outputs in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512):
            if outputs:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(True)]
                inputs = outputs
            else:
                layers.append(nn.MaxPool2d(2))
        self.reward_model, self.known = nn.Sequential(*layers).requires_grad_(False), None

    def embed(self, images):
        with torch.inference_mode():
            return self.reward_model(images).mean((2, 3))

    def critic_loss(self, real, fake):
        if self.known is None:
            self.known = self.embed(real)
        reward = 0.3 * F.cosine_similarity(self.known, self.embed(fake)).mean()
        super().critic_loss(real, fake)
        self.reported = reward.item()


class Sngan(Adversarial):
    norm = "spectral"

    def critic_loss(self, real, fake):
        (F.relu(1 - self.critic(real)).mean() + F.relu(1 + self.critic(fake)).mean()).backward()

    def generator_loss(self, scores):
        return -scores.mean()


class WganGp(Adversarial):
    norm = "none"

    def critic_loss(self, real, fake):
        share = torch.rand(len(real), 1, 1, 1)
        between = (share * real + (1 - share) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        (self.critic(fake).mean() - self.critic(real).mean() + 10 * penalty).backward()

    def generator_loss(self, scores):
        return -scores.mean()


class Lsgan(Adversarial):
    def critic_loss(self, real, fake):
        (0.5 * ((self.critic(real) - 1) ** 2).mean() + 0.5 * (self.critic(fake) ** 2).mean()).backward()

    def generator_loss(self, scores):
        return 0.5 * ((scores - 1) ** 2).mean()


def groups(channels):
    return next(n for n in range(min(channels, 32), 0, -1) if channels % n == 0 and (channels // n >= 4 or n == 1))


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.GroupNorm(groups(channels), channels)
        self.input = nn.Conv2d(channels, 3 * channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, maps):
        n, c, h, w = maps.shape
        query, key, value = self.input(self.norm(maps)).reshape(n, 3, c, h * w).transpose(2, 3).unbind(1)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return maps + self.project(mixed.transpose(1, 2).reshape(n, c, h, w))


class Block(nn.Module):
    def __init__(self, inputs, outputs, time, attention):
        super().__init__()
        self.first_norm = nn.GroupNorm(groups(inputs), inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(time, outputs)
        self.second_norm = nn.GroupNorm(groups(outputs), outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.attention = Attention(outputs) if attention else nn.Identity()

    def forward(self, maps, time):
        inner = self.first(F.silu(self.first_norm(maps))) + self.time(time)[:, :, None, None]
        inner = self.second(F.silu(self.second_norm(inner)))
        return self.attention(self.shortcut(maps) + inner)


class UNet(nn.Module):
    """Ho et al. 2020, appendix B; the shape of `nn/unet.rs`."""

    def __init__(self, width, multipliers, blocks, attention):
        super().__init__()
        self.width, time = width, 4 * width
        self.time = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time), nn.SiLU())
        self.first = nn.Conv2d(3, width, 3, padding=1)
        attends = lambda level: SIZE >> level in attention
        skips, current = [width], width
        self.down, self.halvings = nn.ModuleList(), nn.ModuleList()
        for level, times in enumerate(multipliers):
            row = nn.ModuleList()
            for _ in range(blocks):
                row.append(Block(current, width * times, time, attends(level)))
                current = width * times
                skips.append(current)
            self.down.append(row)
            if level + 1 < len(multipliers):
                self.halvings.append(nn.Conv2d(current, current, 3, 2, 1))
                skips.append(current)
        self.middle = nn.ModuleList([Block(current, current, time, True), Block(current, current, time, False)])
        self.up, self.doublings = nn.ModuleList(), nn.ModuleList()
        for level, times in reversed(list(enumerate(multipliers))):
            row = nn.ModuleList()
            for _ in range(blocks + 1):
                row.append(Block(current + skips.pop(), width * times, time, attends(level)))
                current = width * times
            self.up.append(row)
            if level:
                self.doublings.append(nn.Conv2d(current, current, 3, padding=1))
        self.last_norm = nn.GroupNorm(groups(current), current)
        self.last = nn.Conv2d(current, 3, 3, padding=1)

    def forward(self, maps, times):
        half = self.width // 2
        angle = times[:, None] * torch.exp(torch.arange(half) * (-math.log(10_000) / (half - 1)))
        time = self.time(torch.cat([angle.sin(), angle.cos()], 1))
        maps = self.first(maps)
        skips = [maps]
        for level, row in enumerate(self.down):
            for block in row:
                maps = block(maps, time)
                skips.append(maps)
            if level < len(self.halvings):
                maps = self.halvings[level](maps)
                skips.append(maps)
        for block in self.middle:
            maps = block(maps, time)
        for level, row in enumerate(self.up):
            for block in row:
                maps = block(torch.cat([maps, skips.pop()], 1), time)
            if level < len(self.doublings):
                maps = self.doublings[level](F.interpolate(maps, scale_factor=2.0, mode="nearest"))
        return self.last(F.silu(self.last_norm(maps)))


class Ddpm:
    """The noise loss and an average of the weights."""

    def __init__(self, width):
        self.network = UNet(width, [1, 2, 2, 2], 2, [16])
        self.average = copy.deepcopy(self.network)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=2e-4, betas=(0.9, 0.999))
        self.signal = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)

    def step(self, real):
        times = torch.randint(1000, (len(real),))
        noise = torch.randn_like(real)
        signal = self.signal[times].float()[:, None, None, None]
        noisy = signal.sqrt() * real + (1 - signal).sqrt() * noise
        self.optimiser.zero_grad()
        F.mse_loss(self.network(noisy, times.float()), noise).backward()
        self.optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1e-4)

    def sample(self, count, steps=50):
        """DDIM with eta = 0."""
        maps = torch.randn(count, 3, SIZE, SIZE)
        levels = [-(-(step + 1) * 1000 // steps) - 1 for step in reversed(range(steps))]
        with torch.inference_mode():
            for place, level in enumerate(levels):
                noise = self.average(maps, torch.full((count,), float(level)))
                signal = self.signal[level].item()
                clean = ((maps - math.sqrt(1 - signal) * noise) / math.sqrt(signal)).clamp(-1, 1)
                if place + 1 == len(levels):
                    return clean
                following = self.signal[levels[place + 1]].item()
                direction = (maps - math.sqrt(signal) * clean) / math.sqrt(1 - signal)
                maps = math.sqrt(following) * clean + math.sqrt(1 - following) * direction


MODELS = {
    "dcgan": Dcgan,
    "improved-dcgan": ImprovedDcgan,
    "sngan": Sngan,
    "wgan-gp": WganGp,
    "lsgan": Lsgan,
    "ddpm": Ddpm,
    "rl-eo": RlEo,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sample", type=int, default=0, help="time this many batches of samples instead")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--mode", choices=["eager", "channels-last", "compile", "graphs"], default="eager")
    parser.add_argument("--strict", action="store_true", help="on a GPU: f32 products without TF32")
    parser.add_argument("--bf16", action="store_true", help="on a GPU: autocast to bf16")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    start = time.perf_counter()
    torch.set_default_device(arguments.device)
    on_gpu = arguments.device != "cpu"
    torch.backends.cudnn.benchmark = on_gpu
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = not arguments.strict
    wait = torch.cuda.synchronize if on_gpu else lambda: None
    model = MODELS[arguments.model](arguments.width)
    real = torch.rand(arguments.batch, 3, SIZE, SIZE) * 2 - 1
    for network in vars(model).values():
        if isinstance(network, nn.Module):
            if arguments.mode == "channels-last":
                network.to(memory_format=torch.channels_last)
            elif arguments.mode == "compile":
                network.compile()
            elif arguments.mode == "graphs":  # compiled, and replayed as CUDA graphs
                network.compile(mode="reduce-overhead")
    if arguments.mode == "channels-last":
        real = real.contiguous(memory_format=torch.channels_last)
    times, first_step = [], None
    for _ in range(1 + (arguments.sample or arguments.steps)):  # the first warms up
        begin = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16, enabled=arguments.bf16):
            if arguments.sample:
                model.sample(arguments.batch)
            else:
                model.step(real)
        wait()
        times.append(1e3 * (time.perf_counter() - begin))
        first_step = first_step or time.perf_counter() - start
    result = {
        "milliseconds": times[1:],
        "first_step_s": first_step,
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "version": f"PyTorch {torch.__version__}",
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
