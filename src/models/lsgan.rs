//! LSGAN. Mao, Li, Xie, Lau, Wang, Smolley: Least Squares Generative Adversarial Networks, 2017 (arXiv 1611.04076).
//!
//! What differs from the paper:
//! 1. The backbone is DCGAN's, shared by all systems, in place of the paper's own 112 x 112 architecture.
//! 2. The scores are the critic's raw output, and the losses have the factor 1/2 (equation 9 with a = 0, b = c = 1).

use toml::Table;

use super::adversarial::{Adversarial, Players};
use super::{Batch, Model, Scalars, loss};
use crate::config::Optimiser;
use crate::error::Result;
use crate::nn::dcgan::CriticNorm;
use crate::random::Random;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "lsgan",
    paper: "Mao et al. 2017, arXiv 1611.04076",
    // Section 4.1: Adam, beta1 0.5, learning rate 1e-3 for scenes.
    canonical: Optimiser {
        learning_rate: 1e-3,
        ..Optimiser::DCGAN
    },
    reads: &[],
    rewarded: false,
    settings: Table::new,
    build: |blueprint| {
        Ok(Box::new(Lsgan(Players::new(
            blueprint,
            CriticNorm::Batch,
            None,
        ))))
    },
};

struct Lsgan(Players);

impl Adversarial for Lsgan {
    fn players(&self) -> &Players {
        &self.0
    }

    fn players_mut(&mut self) -> &mut Players {
        &mut self.0
    }

    fn step(&mut self, batch: &Batch, random: Random) -> Result<Scalars> {
        Ok(self.0.alternate(
            batch,
            random,
            |critic, real, fake| {
                loss::least_squares_critic(critic.forward(real), critic.forward(fake)).into()
            },
            loss::least_squares_generator,
        ))
    }
}
