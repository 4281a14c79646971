//! DDPM. Ho, Jain, Abbeel: Denoising Diffusion Probabilistic Models, 2020 (arXiv 2006.11239). Its own sampler
//! is [`super::diffusion::ancestral`]; others are in [`crate::samplers`].
//!
//! What differs from the paper:
//! 1. The decay of the average of the weights starts low and rises to its value ([`Player::with_average`]).
//! 2. The learning rate has no warm-up and gradients are not clipped by norm, so that the optimiser is every system's.
//! 3. No horizontal flips: no system augments its real images.
//! 4. The width is `models.ddpm.width`, as the adversarial backbone's does not carry over.

use std::ops::Bound::{Excluded, Included};

use burn::tensor::{Device, Tensor, TensorData};
use documented::DocumentedFields;
use serde::{Deserialize, Serialize};
use toml::Value;

use super::diffusion::{self, Denoiser, NoiseSchedule};
use super::player::Player;
use super::{Batch, Blueprint, Draws, GenerativeModel, Model, StepScalars, table};
use crate::config::{Alias, Optimiser, Range, RunConfig, Section};
use crate::device::tensor;
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::nn::record::EachPart;
use crate::nn::unet::{UNet, UNetShape};
use crate::random::Random;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "ddpm",
    paper: "Ho et al. 2020, arXiv 2006.11239",
    // Appendix B: Adam 2e-4 with the standard decays.
    canonical: Optimiser {
        beta1: 0.9,
        ..Optimiser::DCGAN
    },
    reads: &["ddpm"],
    fits,
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[
        Range::between("timesteps", "levels", 2.0, 1e6),
        Range::new("beta_start", "", (Excluded(0.0), Excluded(1.0))),
        Range::new("beta_end", "", (Excluded(0.0), Excluded(1.0))),
        Range::new("ema_decay", "", (Included(0.0), Excluded(1.0))),
        Range::between("width", "feature maps", 4.0, 4096.0),
        Range::between("multipliers", "", 1.0, 1024.0),
        Range::between("blocks", "blocks", 1.0, 1024.0),
        Range::between("attention", "pixels", 1.0, 4096.0),
    ]),
    // How images are drawn is no part of a run.
    renamed: &[
        Alias {
            old: "models.ddpm.sampler",
            new: "evaluation.samplers",
            value: |value| Value::Array(vec![value]),
        },
        Alias {
            old: "models.ddpm.sampling_steps",
            new: "samplers.ddim.steps",
            value: std::convert::identity,
        },
    ],
    build: |blueprint| Ok(Box::new(Ddpm::new(blueprint)?)),
    ..Model::DEFAULT
};

/// The settings of `models.ddpm`. Defaults: appendix B of the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// T, the number of noise levels.
    timesteps: usize,
    /// Variance added at the first level.
    beta_start: f64,
    /// Variance added at the last level.
    beta_end: f64,
    /// Decay of the average of the weights.
    ema_decay: f64,
    /// Feature maps at full size, an even number.
    width: usize,
    /// Feature maps at each level, as multiples of `width`.
    multipliers: Vec<usize>,
    /// Residual blocks per level.
    blocks: usize,
    /// Heights of the feature maps with self-attention.
    attention: Vec<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timesteps: 1000,
            beta_start: 1e-4,
            beta_end: 0.02,
            ema_decay: 0.9999,
            width: 128,
            multipliers: vec![1, 2, 2, 2],
            blocks: 2,
            attention: vec![16],
        }
    }
}

/// Refuses settings that no network can have, and images that cannot be halved as often as they say.
fn fits(run: &RunConfig) -> Result<()> {
    let settings: Settings = run.settings("ddpm")?;
    let halvings = settings.multipliers.len().saturating_sub(1);
    let size = run.image_size;
    let problem = if settings.multipliers.is_empty() {
        Some(("multipliers", "give at least one level".to_owned()))
    } else if !size.is_multiple_of(1 << halvings) {
        Some((
            "multipliers",
            format!("images of {size} x {size} cannot be halved {halvings} times"),
        ))
    } else if !settings.width.is_multiple_of(2) {
        Some(("width", "set an even number".to_owned()))
    } else {
        None
    };
    match problem {
        None => Ok(()),
        Some((key, hint)) => Err(refuse(format!("`models.ddpm.{key}` does not fit"), hint)),
    }
}

struct Ddpm {
    network: Player<UNet>,
    schedule: NoiseSchedule,
    /// Channels, height and width of an image.
    shape: [usize; 3],
    device: Device,
}

impl Ddpm {
    fn new(blueprint: &Blueprint<'_>) -> Result<Self> {
        let run = blueprint.run;
        let settings: Settings = run.settings("ddpm")?;
        let (size, channels) = (run.image_size, run.channels);
        let shape = UNetShape {
            size,
            channels,
            width: settings.width,
            multipliers: settings.multipliers,
            blocks: settings.blocks,
            attention: settings.attention,
        };
        let network = UNet::new(&blueprint.parameters("unet"), &shape);
        Ok(Self {
            network: Player::new(network, run, ["network.bpk", "optimiser.bpk"])
                .with_average(settings.ema_decay, "average.bpk"),
            schedule: NoiseSchedule::linear(
                settings.timesteps,
                settings.beta_start,
                settings.beta_end,
            ),
            shape: [channels, size, size],
            device: blueprint.device.clone(),
        })
    }
}

impl GenerativeModel for Ddpm {
    /// Algorithm 1 of the paper: |noise - network(sqrt(signal) x + sqrt(1 - signal) noise, t)|^2 at a random t per image.
    fn step(&mut self, batch: &Batch, random: Random) -> Result<StepScalars> {
        // Noisy images, each at a level of its own.
        let count = batch.images.count;
        let mut stream = random.stream("timesteps");
        let times: Vec<usize> = (0..count)
            .map(|_| stream.below(self.schedule.levels()))
            .collect();
        let [channels, height, width] = self.shape;
        let shape = [count, channels, height, width];
        let noise = random.stream("noise").normals(shape.iter().product());
        let noise = Tensor::<4>::from_data(TensorData::new(noise, shape), &self.device);
        let column = |variance: &dyn Fn(f64) -> f64| {
            let values: Vec<f32> = times
                .iter()
                .map(|&t| variance(self.schedule.signal[t]).sqrt() as f32)
                .collect();
            Tensor::<4>::from_data(TensorData::new(values, [count, 1, 1, 1]), &self.device)
        };
        let noisy = tensor(&batch.images, &self.device) * column(&|signal| signal)
            + noise.clone() * column(&|signal| 1.0 - signal);

        // The loss. Per image first: one sum over everything would depend on the number of threads.
        let error = self.network.network.forward(noisy, &times) - noise;
        let errors: Tensor<2> = (error.clone() * error)
            .reshape([count as i32, -1])
            .mean_dim(1);
        let value = self.network.minimise(&errors.mean(), random);
        Ok(StepScalars::of("noise_loss", value))
    }

    fn sample(&self, draws: &Draws<'_>) -> Result<Images> {
        diffusion::ancestral(self, draws)
    }

    fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()> {
        self.network.parts(each)
    }

    fn denoiser(&self) -> Option<&dyn Denoiser> {
        Some(self)
    }
}

impl Denoiser for Ddpm {
    fn schedule(&self) -> &NoiseSchedule {
        &self.schedule
    }

    fn predict(&self, images: Tensor<4>, level: usize) -> Tensor<4> {
        let levels = vec![level; images.dims()[0]];
        self.network.drawn_from().forward(images, &levels)
    }

    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn device(&self) -> Device {
        self.device.clone().without_autodiff()
    }
}
