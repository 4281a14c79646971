//! A discriminator that is trained further while its generator stands still: `KeepTraining` of discriminator rejection sampling
//! (Azadi, Olsson, Darrell, Goodfellow, Odena 2019, arXiv 1810.06758, Algorithm 1).

use anyhow::Context;
use burn::tensor::{Device, Tensor};

use super::StepScalars;
use super::game::{CrossEntropy, Game};
use super::player::Player;
use super::round::DiscriminatorNetwork;
use crate::device::{tensor, values};
use crate::error::Result;
use crate::images::Images;
use crate::nn::record::EachPart;
use crate::random::Random;

/// A copy of a discriminator that learns by cross-entropy, whatever the game was: its score becomes log p_real / p_generated.
pub trait KeptDiscriminator {
    /// One step on real and as many generated images.
    ///
    /// # Errors
    /// The device lost a tensor.
    fn step(&mut self, real: &Images, generated: &Images, random: Random) -> Result<StepScalars>;

    /// log p_real(x) / p_generated(x) of each image, by itself.
    ///
    /// # Errors
    /// The device lost a tensor.
    fn log_ratios(&self, images: &Images) -> Result<Vec<f64>>;

    /// Shows `each` all that the next step depends on.
    ///
    /// # Errors
    /// Those of `each`.
    fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()>;
}

/// The copy of a player's network.
pub(super) struct Kept<D> {
    player: Player<D>,
    device: Device,
}

impl<D: DiscriminatorNetwork> Kept<D> {
    pub(super) fn of(discriminator: &Player<D>, device: &Device) -> Self {
        Self {
            player: discriminator.copy(["discriminator.bpk", "discriminator_optimiser.bpk"]),
            device: device.clone(),
        }
    }
}

impl<D: DiscriminatorNetwork> KeptDiscriminator for Kept<D> {
    /// Real and generated images pass together, so that a discriminator that normalises by the batch sees both by one statistic,
    /// which is the one that its running statistics keep.
    fn step(&mut self, real: &Images, generated: &Images, random: Random) -> Result<StepScalars> {
        let both = [real, generated].map(|images| tensor(images, &self.device));
        let scores = self
            .player
            .network
            .score_training(Tensor::cat(both.into(), 0));
        let of_real = scores.clone().narrow(0, 0, real.count);
        let of_generated = scores.narrow(0, real.count, generated.count);
        let loss = CrossEntropy::default().discriminator(of_real, of_generated);
        Ok(StepScalars::of(
            "critic_loss",
            self.player.minimise(&loss, random),
        ))
    }

    fn log_ratios(&self, images: &Images) -> Result<Vec<f64>> {
        let device = self.device.clone().without_autodiff();
        let network = self.player.network.valid();
        let scores = values(network.score_alone(tensor(images, &device)));
        let scores = scores.context("scores of the discriminator")?;
        Ok(scores.into_iter().map(f64::from).collect())
    }

    fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()> {
        self.player.parts(each)
    }
}
