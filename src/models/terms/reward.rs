//! The reward of RL-EO GAN: the similarity of generated to real images, as an external, frozen reward model sees it
//! (arXiv 2409.20340, sections 2.3 and 2.4).

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use anyhow::Context;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData};

use super::{Addend, Term};
use crate::data::{Batch, Symmetry};
use crate::device::{number, tensor, values};
use crate::error::Result;
use crate::models::StepScalars;
use crate::models::round::{DiscriminatorNetwork, Round};
use crate::reward::{Coupling, Reward, RewardModel, load_reward_model};

/// reward = w mean(s_i), with s_i the similarity of the i-th real and the i-th generated image (equation 4), in the loss
/// that its [`Coupling`] names.
pub struct RewardTerm {
    reward: Reward,
    /// Loaded at the first step: drawing samples needs none.
    model: Option<Box<dyn RewardModel>>,
    /// Folder of the reward models' files.
    files: PathBuf,
    /// Embeddings of real images by their patch and its symmetry: the reward model is frozen, so each is computed once.
    real_embeddings: HashMap<(usize, Symmetry), Vec<f32>>,
    /// What this step's images have; none at a step without a reward.
    step: Option<Similarities>,
}

/// The similarities of one step.
struct Similarities {
    /// Embeddings of the real images, [n, d].
    real: Tensor<2>,
    /// s_i, `[n]`, constants.
    each: Tensor<1>,
    /// Their mean.
    mean: f64,
}

impl RewardTerm {
    /// The reward by the reward model whose file lies in `files`.
    pub fn new(reward: Reward, files: PathBuf) -> Self {
        Self {
            reward,
            model: None,
            files,
            real_embeddings: HashMap::new(),
            step: None,
        }
    }

    /// Equation 4; 0 at a step without.
    fn value(&self) -> f64 {
        let step = self.step.as_ref();
        step.map_or(0.0, |step| self.reward.weight * step.mean)
    }

    fn model(&self) -> Result<&dyn RewardModel> {
        self.model
            .as_deref()
            .context("the reward model is loaded before it is asked")
    }

    /// Embeddings of the real images, [n, d].
    fn embed_real(&mut self, batch: &Batch, real: &Tensor<4>) -> Result<Tensor<2>> {
        if self.model.is_none() {
            let description = &self.reward.model;
            let size = batch.images.size;
            self.model = Some(load_reward_model(
                description,
                size,
                &self.files,
                &real.device(),
            )?);
        }

        // Images that were not seen yet.
        let patches = batch.patches.iter().copied();
        let keys: Vec<_> = patches.zip(batch.symmetries.iter().copied()).collect();
        let unseen: Vec<usize> = (0..keys.len())
            .filter(|&index| !self.real_embeddings.contains_key(&keys[index]))
            .collect();
        if !unseen.is_empty() {
            let images = batch.images.select(&unseen);
            let embeddings = self.model()?.embed(tensor(&images, &real.device()));
            let [_, dimension] = embeddings.dims();
            let embeddings = values(embeddings)?;
            for (&index, row) in unseen.iter().zip(embeddings.chunks_exact(dimension)) {
                self.real_embeddings.insert(keys[index], row.to_vec());
            }
        }

        // All of the batch.
        let rows: Vec<f32> = keys
            .iter()
            .flat_map(|key| &self.real_embeddings[key])
            .copied()
            .collect();
        let shape = [keys.len(), rows.len() / keys.len()];
        let rows = TensorData::new(rows, shape);
        Ok(Tensor::from_data(rows, &real.device()))
    }
}

impl<G: Send, D: DiscriminatorNetwork> Term<G, D> for RewardTerm {
    fn prepare(&mut self, round: &Round<'_, G, D>) -> Result<StepScalars> {
        self.step = None;
        if !round.random.position().is_multiple_of(self.reward.every) {
            return Ok(StepScalars::default());
        }
        // No graph is kept: neither the reward model's weights nor these images have a gradient.
        let real = self.embed_real(round.batch, round.real)?;
        let model = self.model()?;
        let generated = model.embed(round.generated.clone());
        let each = model
            .compare(real.clone(), generated, round.random)
            .detach();
        let mean = number(&each.clone().mean());
        let of_classes = by_class(&values(each.clone())?, round.batch);
        self.step = Some(Similarities { real, each, mean });
        let mut scalars = StepScalars::of("similarity", mean);
        scalars.push("reward", self.value());
        for (class, mean) in of_classes {
            scalars.push(format!("similarity.{class}"), mean);
        }
        Ok(scalars)
    }

    fn discriminator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let (weight, mut addend) = (self.reward.weight, Addend::default());
        match (self.reward.coupling, &self.step) {
            (Coupling::Literal, _) => addend.constant = -self.value(), // equation 5
            (Coupling::ExpectedReward, Some(step)) => {
                let scores = round.on_generated().score.clone();
                addend.loss = Some(expected_reward(scores, step.each.clone(), weight));
            }
            _ => {}
        }
        Ok(addend)
    }

    fn generator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let (Coupling::Generator, Some(step)) = (self.reward.coupling, &self.step) else {
            return Ok(Addend::default());
        };
        let model = self.model()?;
        let generated = model.embed(round.generated.clone());
        let similarity = model.compare(step.real.clone(), generated, round.random);
        Ok(Addend {
            loss: Some(generator_reward(similarity, self.reward.weight)),
            ..Addend::default()
        })
    }

    fn targets(&self) -> Option<Tensor<1>> {
        let step = self.step.as_ref()?;
        let is_soft = self.reward.coupling == Coupling::SoftLabel;
        is_soft.then(|| soft_labels(step.each.clone(), self.reward.weight))
    }

    fn scale(&self) -> Option<f64> {
        (self.reward.coupling == Coupling::LossScale).then(|| 1.0 - self.value())
    }
}

/// `expected-reward`: minus w mean(D(G(z_i)) s_i), the discriminator as a policy that earns s_i when it rates generated
/// image i as real. `scores` are its logits and `similarity` the s_i, both `[n]`.
pub fn expected_reward(scores: Tensor<1>, similarity: Tensor<1>, weight: f64) -> Tensor<1> {
    (sigmoid(scores) * similarity).mean().mul_scalar(-weight)
}

/// `soft-label`: the target w s_i of generated image i.
pub fn soft_labels(similarity: Tensor<1>, weight: f64) -> Tensor<1> {
    similarity.mul_scalar(weight)
}

/// `generator`: minus w mean(s_i) in the generator's loss, with the gradient of the similarity.
pub fn generator_reward(similarity: Tensor<1>, weight: f64) -> Tensor<1> {
    similarity.mean().mul_scalar(-weight)
}

/// The mean similarity to the real images of each class: figures 4 and 5 of the paper show one class each.
fn by_class<'a>(similarity: &[f32], batch: &'a Batch) -> BTreeMap<&'a str, f64> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (&class, similarity) in batch.classes.iter().zip(similarity) {
        let (sum, count) = sums.entry(&batch.class_names[class]).or_default();
        *sum += f64::from(*similarity);
        *count += 1.0;
    }
    let means = sums.into_iter();
    means
        .map(|(class, (sum, count))| (class, sum / count))
        .collect()
}
