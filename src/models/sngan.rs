//! SNGAN. Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks, 2018
//! (arXiv 1802.05957).
//!
//! What differs from the paper:
//! 1. The critic is DCGAN's, shared by all systems, in place of the paper's 3 x 3 / 4 x 4 standard CNN and its ResNet.
//! 2. The loss is the hinge (equations 16 and 17), which the paper uses for its ResNets; `loss = "minimax"` gives the loss
//!    of its standard CNNs.
//! 3. The power iteration runs once per critic update (Algorithm 1), not once per forward pass.

use serde::{Deserialize, Serialize};

use super::adversarial::{Adversarial, Players};
use super::{Batch, Model, Scalars, loss, table};
use crate::config::Optimiser;
use crate::error::Result;
use crate::nn::dcgan::CriticNorm;
use crate::random::Random;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "sngan",
    paper: "Miyato et al. 2018, arXiv 1802.05957",
    // Section 4.2: Adam 2e-4, beta1 0, beta2 0.9, five critic steps.
    canonical: Optimiser {
        beta1: 0.0,
        beta2: 0.9,
        critic_steps: 5,
        ..Optimiser::DCGAN
    },
    reads: &["sngan"],
    rewarded: false,
    settings: || table(&Settings::default()),
    build: |blueprint| {
        Ok(Box::new(Sngan {
            players: Players::new(blueprint, CriticNorm::Spectral, None),
            settings: blueprint.run.settings("sngan")?,
        }))
    },
};

/// The settings of `models.sngan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// `hinge` or `minimax`.
    loss: SnganLoss,
    /// Power iterations per critic step (the paper: 1).
    power_iterations: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SnganLoss {
    Hinge,
    Minimax,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            loss: SnganLoss::Hinge,
            power_iterations: 1,
        }
    }
}

struct Sngan {
    players: Players,
    settings: Settings,
}

impl Adversarial for Sngan {
    fn players(&self) -> &Players {
        &self.players
    }

    fn players_mut(&mut self) -> &mut Players {
        &mut self.players
    }

    fn step(&mut self, batch: &Batch, random: Random) -> Result<Scalars> {
        for _ in 0..self.settings.power_iterations {
            self.players.critic.power_iterate();
        }
        let kind = self.settings.loss;
        Ok(self.players.alternate(
            batch,
            random,
            |critic, real, fake| {
                let (real, fake) = (critic.forward(real), critic.forward(fake));
                match kind {
                    SnganLoss::Hinge => loss::hinge_critic(real, fake).into(),
                    SnganLoss::Minimax => loss::minimax_critic(real, fake).into(),
                }
            },
            |fake| match kind {
                SnganLoss::Hinge => loss::wasserstein_generator(fake),
                SnganLoss::Minimax => loss::non_saturating_generator(fake),
            },
        ))
    }
}
