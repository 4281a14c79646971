//! RL-EO GAN, the proposed system. Mustafa: Enhancing GANs with Contrastive Learning-Based Multistage Progressive
//! Finetuning SNN and RL-Based External Optimization (arXiv 2409.20340), sections 2.3 and 2.4.
//!
//! Improved DCGAN whose critic's loss takes a reward from a frozen external judge: reward = w * mean(s_i), with s_i the
//! similarity of the i-th real and the i-th generated image of the batch (equation 4).
//!
//! What differs from the paper: equation 5 subtracts the reward from the critic's loss. The reward does not depend on the
//! critic, so its gradient is zero and the `literal` form trains exactly as improved DCGAN does. It is kept as printed, and
//! other forms are offered under names of their own, see [`Coupling`] and [`super::coupling`].

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use anyhow::Context;
use burn::tensor::{Tensor, TensorData};
use toml::Table;

use super::adversarial::{Adversarial, Players};
use super::improved_dcgan::ImprovedDcgan;
use super::{Batch, Model, Scalars, coupling, loss};
use crate::config::Optimiser;
use crate::device::{number, tensor, values};
use crate::error::Result;
use crate::images::Images;
use crate::random::Random;
use crate::snn::{Coupling, Reward, Similarity, judge as judge_of};

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
        let reward = run
            .reward
            .clone()
            .context("a run of `rl-eo` has a reward")?;
        Ok(Box::new(RlEo {
            base: ImprovedDcgan::new(blueprint)?,
            reward,
            judge: None,
            judges: blueprint.judges.to_owned(),
            real_embeddings: HashMap::new(),
        }))
    },
};

struct RlEo {
    base: ImprovedDcgan,
    reward: Reward,
    /// Loaded at the first step: drawing samples needs none.
    judge: Option<Box<dyn Similarity>>,
    judges: PathBuf,
    /// Embeddings of real patches by their place in the store: the judge is frozen, so each is computed once.
    real_embeddings: HashMap<usize, Vec<f32>>,
}

impl RlEo {
    /// The judge's view of the real images, [n, d].
    fn embed_real(&mut self, batch: &Batch, real: &Tensor<4>) -> Result<Tensor<2>> {
        if self.judge.is_none() {
            let judge = &self.reward.judge;
            self.judge = Some(judge_of(
                judge,
                batch.images.size,
                &self.judges,
                &real.device(),
            )?);
        }
        let unseen: Vec<usize> = (0..batch.patches.len())
            .filter(|&place| !self.real_embeddings.contains_key(&batch.patches[place]))
            .collect();
        if !unseen.is_empty() {
            let image = |&place: &usize| batch.images.image(place);
            let pixels = unseen.iter().flat_map(image).copied().collect();
            let (channels, size) = (batch.images.channels, batch.images.size);
            let images = Images::new(unseen.len(), channels, size, pixels);
            let embeddings = self.judge()?.embed(tensor(&images, &real.device()));
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
    fn judge(&self) -> Result<&dyn Similarity> {
        self.judge
            .as_deref()
            .context("the judge is loaded before it is asked")
    }
}

/// The mean similarity to the real images of each class: figures 4 and 5 of the paper show one class each.
fn by_class(similarity: &[f32], classes: &[usize]) -> BTreeMap<usize, f64> {
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (&class, similarity) in classes.iter().zip(similarity) {
        let (sum, count) = sums.entry(class).or_default();
        *sum += f64::from(*similarity);
        *count += 1.0;
    }
    let means = sums.into_iter();
    means
        .map(|(class, (sum, count))| (class, sum / count))
        .collect()
}

impl Adversarial for RlEo {
    fn players(&self) -> &Players {
        &self.base.players
    }

    fn players_mut(&mut self) -> &mut Players {
        &mut self.base.players
    }

    fn step(&mut self, batch: &Batch, random: Random) -> Result<Scalars> {
        let (form, weight) = (self.reward.coupling, self.reward.weight);
        let real = self.base.players.real(batch);
        let fake = self.base.players.generate(batch.images.count, random);
        let detached = fake.clone().detach();

        // No graph is kept for the judge's view: neither its weights nor these images have a gradient.
        let mut similarity = None;
        if random.position().is_multiple_of(self.reward.every) {
            let real_embeddings = self.embed_real(batch, &real)?;
            let judge = self.judge()?;
            let seen = judge.embed(detached.clone());
            similarity = Some(
                judge
                    .compare(real_embeddings.clone(), seen, random)
                    .detach(),
            );
        }
        let mean = similarity
            .as_ref()
            .map(|similarity| number(&similarity.clone().mean()));
        let of_classes = match &similarity {
            Some(similarity) => by_class(&values(similarity.clone())?, &batch.classes),
            None => BTreeMap::new(),
        };
        let reward = weight * mean.unwrap_or(0.0); // equation 4

        let loss = self.base.step_critic(
            real.clone(),
            detached,
            random,
            coupling::critic_scale(form, reward),
            |scores| {
                let similarity = similarity.unwrap_or_else(|| scores.zeros_like());
                coupling::critic_loss(form, scores, similarity, weight)
            },
        );
        let reported = match form {
            Coupling::Literal => loss - reward, // equation 5
            _ => loss,
        };
        let mut scalars = vec![("critic_loss".into(), reported)];
        if let Some(mean) = mean {
            scalars.extend([("similarity".into(), mean), ("reward".into(), reward)]);
            let of_classes = of_classes.into_iter();
            scalars.extend(of_classes.map(|(class, mean)| {
                let class = &batch.class_names[class];
                (format!("similarity.{class}").into(), mean)
            }));
        }
        if self.base.players.is_generators_turn(random) {
            let critic = self.base.players.critic_without_gradient();
            let mut loss = loss::non_saturating_generator(critic.forward(fake.clone()));
            if form == Coupling::Generator {
                let real_embeddings = self.embed_real(batch, &real)?;
                let judge = self.judge()?;
                let similarity = judge.compare(real_embeddings, judge.embed(fake), random);
                loss = loss + coupling::generator_term(similarity, weight);
            }
            scalars.push((
                "generator_loss".into(),
                self.base.players.move_generator(&loss, random),
            ));
        }
        Ok(scalars)
    }
}
