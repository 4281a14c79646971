//! Improved DCGAN: the base GAN of arXiv 2409.20340, section 2.4, after Salimans, Goodfellow, Zaremba, Cheung, Radford,
//! Chen: Improved Techniques for Training GANs, 2016 (arXiv 1606.03498).
//!
//! What it adds to DCGAN:
//! 1. One-sided label smoothing (Salimans et al., section 3.4): real images have the target 0.9, generated ones 0.
//! 2. Real and generated images pass in separate mini-batches, each with its own backward pass; the gradients are added and
//!    one optimiser step taken. (Our `dcgan` also normalises them separately, as Radford's code did; so this alone
//!    changes nothing but rounding.)
//! 3. Every entry of every gradient is clipped to [-0.1, 0.1] (arXiv 2409.20340, section 3.3.2), for both players.
//!
//! What differs from Salimans et al.: feature matching, minibatch discrimination, historical averaging and virtual batch
//! normalisation are left out, as arXiv 2409.20340 does not use them.

use burn::tensor::Tensor;
use burn_optim::{GradientsAccumulator, GradientsParams};
use serde::{Deserialize, Serialize};

use super::adversarial::{Adversarial, Players};
use super::{Batch, Blueprint, Model, Scalars, loss, table};
use crate::config::Optimiser;
use crate::device::number;
use crate::error::Result;
use crate::nn::dcgan::CriticNorm;
use crate::random::Random;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "improved-dcgan",
    paper: "Salimans et al. 2016, arXiv 1606.03498, as in arXiv 2409.20340, section 2.4",
    canonical: Optimiser::DCGAN,
    reads: &["improved-dcgan"],
    rewarded: false,
    settings: || table(&Settings::default()),
    build: |blueprint| Ok(Box::new(ImprovedDcgan::new(blueprint)?)),
};

/// The settings of `models.improved-dcgan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// Target of real images.
    real_label: f64,
    /// Bound of every entry of a gradient.
    clip_value: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            real_label: 0.9,
            clip_value: 0.1,
        }
    }
}

/// The system, and the parts of its step that `rl-eo` puts together in its own way.
pub(super) struct ImprovedDcgan {
    pub(super) players: Players,
    real_label: f64,
}

impl ImprovedDcgan {
    pub(super) fn new(blueprint: &Blueprint<'_>) -> Result<Self> {
        let settings: Settings = blueprint.run.settings("improved-dcgan")?;
        let clip = Some(settings.clip_value as f32);
        Ok(Self {
            players: Players::new(blueprint, CriticNorm::Batch, clip),
            real_label: settings.real_label,
        })
    }

    /// Two backward passes and one step of the critic, both losses times `scale`; returns the loss before the step.
    pub(super) fn step_critic(
        &mut self,
        real: Tensor<4>,
        fake: Tensor<4>,
        random: Random,
        scale: f64,
        fake_loss: impl FnOnce(Tensor<1>) -> Tensor<1>,
    ) -> f64 {
        let critic = &self.players.critic;
        let mut sum = GradientsAccumulator::new();
        let mut accumulate = |loss: Tensor<1>| {
            let gradients = loss.mul_scalar(scale).backward();
            sum.accumulate(critic, GradientsParams::from_grads(gradients, critic));
        };
        let real_loss = loss::cross_entropy(critic.forward(real), self.real_label);
        let real_value = number(&real_loss);
        accumulate(real_loss);
        let fake_loss = fake_loss(critic.forward(fake));
        let fake_value = number(&fake_loss);
        accumulate(fake_loss);
        let gradients = sum.grads();
        self.players.move_critic(gradients, random);
        scale * (real_value + fake_value)
    }
}

impl Adversarial for ImprovedDcgan {
    fn players(&self) -> &Players {
        &self.players
    }

    fn players_mut(&mut self) -> &mut Players {
        &mut self.players
    }

    fn step(&mut self, batch: &Batch, random: Random) -> Result<Scalars> {
        let real = self.players.real(batch);
        let fake = self.players.generate(batch.images.count, random);
        let detached = fake.clone().detach();
        let loss = self.step_critic(real, detached, random, 1.0, |fake| {
            loss::cross_entropy(fake, 0.0)
        });
        let mut scalars = vec![("critic_loss".into(), loss)];
        if self.players.is_generators_turn(random) {
            let scores = self.players.critic_without_gradient().forward(fake);
            let loss = loss::non_saturating_generator(scores);
            scalars.push((
                "generator_loss".into(),
                self.players.move_generator(&loss, random),
            ));
        }
        Ok(scalars)
    }
}
