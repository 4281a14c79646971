"""Makes `data.json`: what the schedulers of diffusers draw by a denoiser in closed form, from given noise.

    python make.py        (diffusers and torch, in float64; their versions are written into the file)

`noise.json` beside it has the noise that histogen's streams give two seeds: the first images, and the noise of each level
that ancestral sampling passes. A test compares it with the streams. The denoiser, the schedule and the levels are spelt
again in `tests/it/samplers.rs`.
"""

import json
from pathlib import Path

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.schedulers import scheduling_ddpm

HERE = Path(__file__).parent
LEVELS, BETA_START, BETA_END = 8, 0.001, 0.3
DDIM_STEPS = 4

torch.set_default_dtype(torch.float64)
noise = {
    name: torch.tensor(values, dtype=torch.float64)
    for name, values in json.loads((HERE / "noise.json").read_text()).items()
}


def denoiser(images, level):
    return torch.sin(2 * images) + 0.1 * level


def settings():
    return dict(
        num_train_timesteps=LEVELS,
        beta_start=BETA_START,
        beta_end=BETA_END,
        beta_schedule="linear",
        prediction_type="epsilon",
        clip_sample=True,
        clip_sample_range=1.0,
    )


def in_double(scheduler):
    """The scheduler's tables in float64: it computes them in float32."""
    betas = torch.linspace(BETA_START, BETA_END, LEVELS, dtype=torch.float64)
    scheduler.betas = betas
    scheduler.alphas = 1 - betas
    scheduler.alphas_cumprod = torch.cumprod(1 - betas, dim=0)
    return scheduler


def ancestral():
    scheduler = in_double(DDPMScheduler(variance_type="fixed_large", **settings()))
    scheduler.set_timesteps(LEVELS)
    images = noise["start"]
    for level in scheduler.timesteps.tolist():
        # The scheduler draws its own noise otherwise.
        scheduling_ddpm.randn_tensor = lambda *_, **__: noise[f"level {level}"]
        images = scheduler.step(denoiser(images, level), level, images).prev_sample
    return images


def ddim():
    scheduler = in_double(
        DDIMScheduler(timestep_spacing="trailing", set_alpha_to_one=True, **settings())
    )
    scheduler.set_timesteps(DDIM_STEPS)
    images = noise["start"]
    for level in scheduler.timesteps.tolist():
        # The noise that belongs to the clipped image, as in the authors' code.
        step = scheduler.step(
            denoiser(images, level), level, images, eta=0.0, use_clipped_model_output=True
        )
        images = step.prev_sample
    return images


data = {
    "versions": {"diffusers": diffusers.__version__, "torch": torch.__version__},
    "ancestral": ancestral().flatten().tolist(),
    "ddim": ddim().flatten().tolist(),
}
(HERE / "data.json").write_text(json.dumps(data, indent=1) + "\n")
