//! DCGAN. Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
//! Networks, 2016 (arXiv 1511.06434).
//!
//! What differs from the paper:
//! 1. The latent prior is N(0, 1), not uniform, as in every implementation since and in arXiv 2409.20340.
//! 2. The critic has no biases beside batch normalisation (they would have no effect) nor in its first and last layer
//!    (as in the reference implementation in PyTorch's examples).

use toml::Table;

use super::adversarial::{Adversarial, Players};
use super::{Batch, Model, Scalars, loss};
use crate::config::Optimiser;
use crate::error::Result;
use crate::nn::dcgan::CriticNorm;
use crate::random::Random;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "dcgan",
    paper: "Radford et al. 2016, arXiv 1511.06434",
    canonical: Optimiser::DCGAN,
    reads: &[],
    rewarded: false,
    settings: Table::new,
    build: |blueprint| {
        Ok(Box::new(Dcgan(Players::new(
            blueprint,
            CriticNorm::Batch,
            None,
        ))))
    },
};

struct Dcgan(Players);

impl Adversarial for Dcgan {
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
                loss::minimax_critic(critic.forward(real), critic.forward(fake)).into()
            },
            loss::non_saturating_generator,
        ))
    }
}
