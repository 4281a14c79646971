//! The backbone that all adversarial systems share, as players see it.

use burn::tensor::Tensor;

use super::Blueprint;
use super::round::{DiscriminatorNetwork, GeneratorNetwork, Verdict};
use crate::config::RunConfig;
use crate::error::{Result, refuse};
use crate::nn::dcgan::{Critic, CriticNorm, Generator, ImageShape, Pyramid};
use crate::nn::plain_generator::PlainGenerator;

impl GeneratorNetwork for Generator {
    fn forward_training(&mut self, latents: Tensor<2>, _classes: &[usize]) -> Tensor<4> {
        Generator::forward_training(self, latents)
    }

    fn forward(&self, latents: Tensor<2>, _classes: &[usize]) -> Tensor<4> {
        Generator::forward(self, latents)
    }

    fn plain(&self) -> Option<Result<PlainGenerator>> {
        Some(Generator::plain(self))
    }
}

impl DiscriminatorNetwork for Critic {
    fn assess(&self, images: Tensor<4>) -> Verdict {
        Verdict {
            score: self.forward(images),
            classes: None,
        }
    }

    fn normalises_by_batch(&self) -> bool {
        Critic::normalises_by_batch(self)
    }

    fn score_training(&mut self, images: Tensor<4>) -> Tensor<1> {
        self.forward_training(images)
    }

    fn score_alone(&self, images: Tensor<4>) -> Tensor<1> {
        self.forward_alone(images)
    }
}

/// The untrained generator and critic of a run: equal for all systems with its seed, but for the critic's norm.
pub fn backbone(blueprint: &Blueprint<'_>, norm: CriticNorm) -> (Generator, Critic) {
    let run = blueprint.run;
    let (backbone, image) = (&run.backbone, image_shape(run));
    let [generator, critic] = ["generator", "critic"].map(|name| blueprint.parameters(name));
    let (latent, width) = (backbone.latent, backbone.generator_width);
    (
        Generator::new(&generator, image, latent, width, backbone.upsampling),
        Critic::new(&critic, image, backbone.critic_width, norm),
    )
}

/// The shape of a run's images.
pub fn image_shape(run: &RunConfig) -> ImageShape {
    ImageShape {
        size: run.image_size,
        channels: run.channels,
    }
}

/// Refuses images whose size the backbone cannot halve down to its smallest feature map.
///
/// # Errors
/// The size is not 4, 5, 6 or 7 times a power of two, or below 8.
pub fn fits_backbone(run: &RunConfig) -> Result<()> {
    match Pyramid::of(run.image_size) {
        Some(_) => Ok(()),
        None => Err(refuse(
            format!(
                "`{}` has no network for images of {size} x {size}",
                run.model,
                size = run.image_size
            ),
            "set `data.patch_size` to 4, 5, 6 or 7 times a power of two, for example 28, 32, 64, 96, 128 or 256",
        )),
    }
}
