//! RL-EO GAN, the proposed system. Mustafa: Enhancing GANs with Contrastive Learning-Based Multistage Progressive
//! Finetuning SNN and RL-Based External Optimization (arXiv 2409.20340), sections 2.3 and 2.4.
//!
//! Improved DCGAN whose critic's loss takes a reward from a frozen external judge: reward = w * mean(s_i), with s_i the
//! similarity of the i-th real and the i-th generated image of the batch (equation 4).
//!
//! What differs from the paper:
//! 1. Equation 5 subtracts the reward from the critic's loss. The reward does not depend on the critic, so its gradient is
//!    zero and the `literal` form trains exactly as improved DCGAN does. It is kept as printed, and other forms are
//!    offered under names of their own, see [`Coupling`].
//! 2. The judge is VGG-16 without finetuning until the MFT-SNN of section 2.1 is trained.

use std::collections::HashMap;

use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData};
use toml::Table;

use super::adversarial::{Adversarial, Players, number, tensor};
use super::improved_dcgan::ImprovedDcgan;
use super::{Batch, Model, Scalars, loss};
use crate::config::Optimiser;
use crate::device::values;
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::random::Random;
use crate::snn::{Coupling, RewardConfig, Similarity, cosine, similarity};

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "rl-eo",
    paper: "Mustafa 2024, arXiv 2409.20340",
    canonical: Optimiser::DCGAN,
    reads: &["improved-dcgan"],
    rewarded: true,
    settings: Table::new,
    build: |blueprint| {
        let run = blueprint.run;
        let reward = run.reward.clone().unwrap_or_default();
        if !reward.weight.is_finite() || reward.weight < 0.0 {
            return Err(refuse(
                format!("`reward.weight` is {}", reward.weight),
                "set a finite number, at least 0; the paper's is 0.3",
            ));
        }
        Ok(Box::new(RlEo {
            base: ImprovedDcgan::new(blueprint)?,
            judge: similarity(&reward, run.image_size, blueprint.device)?,
            real_embeddings: HashMap::new(),
            reward,
        }))
    },
};

struct RlEo {
    base: ImprovedDcgan,
    judge: Box<dyn Similarity>,
    reward: RewardConfig,
    /// Embeddings of real patches by their place in the store: the judge is frozen, so each is computed once.
    real_embeddings: HashMap<usize, Vec<f32>>,
}

impl RlEo {
    /// The judge's view of the real images, [n, d].
    fn embed_real(&mut self, batch: &Batch, real: &Tensor<4>) -> Result<Tensor<2>> {
        let unseen: Vec<usize> = (0..batch.patches.len())
            .filter(|&place| !self.real_embeddings.contains_key(&batch.patches[place]))
            .collect();
        if !unseen.is_empty() {
            let length = 3 * batch.images.size * batch.images.size;
            let image = |place: &usize| &batch.images.values[place * length..(place + 1) * length];
            let pixels = unseen.iter().flat_map(image).copied().collect();
            let images = Images::new(unseen.len(), batch.images.size, pixels);
            let embeddings = self.judge.embed(tensor(&images, &real.device()));
            let [_, dimension] = embeddings.dims();
            let embeddings = values(embeddings)?;
            for (&place, row) in unseen.iter().zip(embeddings.chunks_exact(dimension)) {
                self.real_embeddings
                    .insert(batch.patches[place], row.to_vec());
            }
        }
        let rows: Vec<f32> = batch
            .patches
            .iter()
            .flat_map(|patch| &self.real_embeddings[patch])
            .copied()
            .collect();
        let shape = [batch.patches.len(), rows.len() / batch.patches.len()];
        Ok(Tensor::from_data(
            TensorData::new(rows, shape),
            &real.device(),
        ))
    }
}

impl Adversarial for RlEo {
    fn players(&self) -> &Players {
        &self.base.players
    }

    fn players_mut(&mut self) -> &mut Players {
        &mut self.base.players
    }

    fn step(&mut self, batch: &Batch, random: Random) -> Result<Scalars> {
        let real = self.base.players.real(batch);
        let fake = self.base.players.generate(batch.images.count, random);
        let detached = fake.clone().detach();

        let real_embeddings = self.embed_real(batch, &real)?;
        let similarity =
            cosine(real_embeddings.clone(), self.judge.embed(detached.clone())).detach(); // [n]
        let mean_similarity = number(&similarity.clone().mean());
        let weight = self.reward.weight;
        let reward = weight * mean_similarity; // equation 4

        let scale = match self.reward.coupling {
            Coupling::LossScale => 1.0 - reward,
            _ => 1.0,
        };
        let loss =
            self.base
                .step_critic(real, detached, scale, |scores| match self.reward.coupling {
                    Coupling::SoftLabel => {
                        loss::cross_entropy_each(scores, similarity.mul_scalar(weight))
                    }
                    Coupling::ExpectedReward => {
                        let earned = (sigmoid(scores.clone()) * similarity)
                            .mean()
                            .mul_scalar(weight);
                        loss::cross_entropy(scores, 0.0) - earned
                    }
                    _ => loss::cross_entropy(scores, 0.0),
                });
        let reported = match self.reward.coupling {
            Coupling::Literal => loss - reward, // equation 5
            _ => loss,
        };
        let mut scalars = vec![
            ("critic_loss", reported),
            ("similarity", mean_similarity),
            ("reward", reward),
        ];
        if self.base.players.is_generators_turn(random) {
            let scores = self
                .base
                .players
                .critic_without_gradient()
                .forward(fake.clone());
            let mut loss = loss::non_saturating_generator(scores);
            if self.reward.coupling == Coupling::Generator {
                let similarity = cosine(real_embeddings, self.judge.embed(fake));
                loss = loss - similarity.mean().mul_scalar(weight);
            }
            scalars.push(("generator_loss", self.base.players.move_generator(&loss)));
        }
        Ok(scalars)
    }
}
