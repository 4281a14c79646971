//! The sections of the models in the registry.

use std::ops::Bound::{Excluded, Included};

use super::{Range, Section};

/// Every model that has settings of its own.
pub const MODELS: &[(&str, Section)] = &[
    (
        "improved-dcgan",
        Section {
            names: &["real_label", "clip_value"],
            docs: &[
                "Target of real images.",
                "Bound of every entry of a gradient.",
            ],
            ranges: &[
                Range::between("real_label", "probability", 0.0, 1.0),
                Range::above("clip_value", "", 0.0),
            ],
        },
    ),
    (
        "sngan",
        Section {
            names: &["loss", "power_iterations"],
            docs: &[
                "`hinge` or `minimax`.",
                "Power iterations per critic step (the paper: 1).",
            ],
            ranges: &[Range::between(
                "power_iterations",
                "iterations",
                1.0,
                1000.0,
            )],
        },
    ),
    (
        "wgan-gp",
        Section {
            names: &["penalty"],
            docs: &["Weight of the gradient penalty, lambda in the paper."],
            ranges: &[Range::at_least("penalty", "", 0.0)],
        },
    ),
    (
        "ddpm",
        Section {
            names: &[
                "timesteps",
                "beta_start",
                "beta_end",
                "ema_decay",
                "sampler",
                "sampling_steps",
                "width",
                "multipliers",
                "blocks",
                "attention",
            ],
            docs: &[
                "T, the number of noise levels.",
                "Variance added at the first level.",
                "Variance added at the last level.",
                "Decay of the average of the weights.",
                "`ancestral` or `ddim`.",
                "Steps of the DDIM sampler.",
                "Feature maps at full size, an even number.",
                "Feature maps at each level, as multiples of `width`.",
                "Residual blocks per level.",
                "Heights of the feature maps with self-attention.",
            ],
            ranges: &[
                Range::between("timesteps", "levels", 2.0, 1e6),
                Range::new("beta_start", "", (Excluded(0.0), Excluded(1.0))),
                Range::new("beta_end", "", (Excluded(0.0), Excluded(1.0))),
                Range::new("ema_decay", "", (Included(0.0), Excluded(1.0))),
                Range::between("sampling_steps", "steps", 1.0, 1e6),
                Range::between("width", "feature maps", 4.0, 4096.0),
                Range::between("multipliers", "", 1.0, 1024.0),
                Range::between("blocks", "blocks", 1.0, 1024.0),
                Range::between("attention", "pixels", 1.0, 4096.0),
            ],
        },
    ),
];
