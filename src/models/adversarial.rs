//! What the adversarial systems share: two networks, two optimisers, and the order of a step.
//!
//! A system's own file says which losses it takes and how its critic is normalised; nothing here knows a system by name.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use burn_optim::grad_clipping::GradientClipping;
use burn_optim::{AdamConfig, GradientsParams, ModuleOptimizer};

use super::{Batch, Blueprint, GenerativeModel, Latents, Scalars};
use crate::config::Optimiser;
use crate::device::{number, tensor, values};
use crate::error::Result;
use crate::images::Images;
use crate::nn::dcgan::{Critic, CriticNorm, Generator};
use crate::nn::parameters::Parameters;
use crate::nn::record::{load_module, load_optimiser, save_module, save_optimiser};
use crate::random::Random;

/// The files of a checkpoint.
const GENERATOR: &str = "generator.bpk";
const CRITIC: &str = "critic.bpk";
const GENERATOR_OPTIMISER: &str = "generator_optimiser.bpk";
const CRITIC_OPTIMISER: &str = "critic_optimiser.bpk";

/// A generator and a critic with their optimisers.
pub(super) struct Players {
    pub(super) generator: Generator,
    pub(super) critic: Critic,
    generator_optimiser: ModuleOptimizer,
    critic_optimiser: ModuleOptimizer,
    optimiser: Optimiser,
    steps: usize,
    latent: usize,
    size: usize,
    device: Device,
}

/// A critic's loss and what else of it is worth a line in the ledger.
pub(super) struct CriticLoss {
    pub(super) total: Tensor<1>,
    pub(super) parts: Scalars,
}

impl From<Tensor<1>> for CriticLoss {
    fn from(total: Tensor<1>) -> Self {
        Self {
            total,
            parts: Vec::new(),
        }
    }
}

impl Players {
    /// Untrained players. `clip` bounds every entry of every gradient.
    pub(super) fn new(blueprint: &Blueprint<'_>, norm: CriticNorm, clip: Option<f32>) -> Self {
        let run = blueprint.run;
        let (backbone, size) = (&run.backbone, run.image_size);
        let network = |name: &str| Parameters::new(name, blueprint.random(), blueprint.device);
        let parameters = &network("generator");
        let generator = Generator::new(parameters, size, backbone.latent, backbone.generator_width);
        let critic = Critic::new(&network("critic"), size, backbone.critic_width, norm);
        let optimiser = || {
            let adam = adam(&run.optimiser);
            match clip {
                Some(bound) => adam.with_grad_clipping(GradientClipping::Value(bound)),
                None => adam,
            }
        };
        Self {
            generator,
            critic,
            generator_optimiser: optimiser(),
            critic_optimiser: optimiser(),
            optimiser: run.optimiser,
            steps: run.steps,
            latent: backbone.latent,
            size,
            device: blueprint.device.clone(),
        }
    }

    /// One critic step and, if it is the generator's turn, one generator step on the same generated images.
    ///
    /// `critic_loss` gets the critic, the real and the generated images; `generator_loss` the updated critic's scores of
    /// the generated images.
    pub(super) fn alternate(
        &mut self,
        batch: &Batch,
        random: Random,
        critic_loss: impl FnOnce(&Critic, Tensor<4>, Tensor<4>) -> CriticLoss,
        generator_loss: impl FnOnce(Tensor<1>) -> Tensor<1>,
    ) -> Scalars {
        let real = self.real(batch);
        let fake = self.generate(batch.images.count, random);
        let CriticLoss { total, parts } = critic_loss(&self.critic, real, fake.clone().detach());
        let mut scalars = vec![("critic_loss".into(), number(&total))];
        scalars.extend(parts);
        let gradients = GradientsParams::from_grads(total.backward(), &self.critic);
        self.move_critic(gradients, random);
        if self.is_generators_turn(random) {
            let loss = generator_loss(self.critic_without_gradient().forward(fake));
            scalars.push(("generator_loss".into(), self.move_generator(&loss, random)));
        }
        scalars
    }

    /// The real images of a batch, [n, 3, size, size].
    pub(super) fn real(&self, batch: &Batch) -> Tensor<4> {
        tensor(&batch.images, &self.device)
    }

    /// `count` generated images from this step's latents, with the generator's gradient.
    pub(super) fn generate(&mut self, count: usize, random: Random) -> Tensor<4> {
        let latents = random.stream("latents").normals(count * self.latent);
        let shape = [count, self.latent];
        let latents = Tensor::from_data(TensorData::new(latents, shape), &self.device);
        self.generator.forward_training(latents)
    }

    /// Whether the generator moves at this step: after every `critic_steps` critic steps.
    pub(super) fn is_generators_turn(&self, random: Random) -> bool {
        (random.position() + 1).is_multiple_of(self.optimiser.critic_steps as u64)
    }

    /// The critic with its weights as constants, so that the generator's step does not compute their gradient.
    pub(super) fn critic_without_gradient(&self) -> Critic {
        self.critic.clone().no_grad()
    }

    pub(super) fn move_critic(&mut self, gradients: GradientsParams, random: Random) {
        let critic = self.critic.clone();
        let rate = self.learning_rate(random);
        self.critic = self.critic_optimiser.step(rate, critic, gradients);
    }

    /// Moves the generator down the gradient of `loss`, and returns its value.
    pub(super) fn move_generator(&mut self, loss: &Tensor<1>, random: Random) -> f64 {
        let value = number(loss);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.generator);
        let generator = self.generator.clone();
        let rate = self.learning_rate(random);
        self.generator = self.generator_optimiser.step(rate, generator, gradients);
        value
    }

    /// The learning rate of the step at which `random` stands.
    fn learning_rate(&self, random: Random) -> f64 {
        self.optimiser
            .learning_rate_at(random.position(), self.steps)
    }
}

/// An adversarial system: players and a step. The rest of [`GenerativeModel`] follows.
pub(super) trait Adversarial: Send {
    fn players(&self) -> &Players;
    fn players_mut(&mut self) -> &mut Players;
    fn step(&mut self, batch: &Batch, random: Random) -> Result<Scalars>;
}

impl<T: Adversarial> GenerativeModel for T {
    fn step(&mut self, batch: &Batch, random: Random) -> Result<Scalars> {
        Adversarial::step(self, batch, random)
    }

    fn sample(&self, seeds: &[u64]) -> Result<Images> {
        let latent = self.players().latent;
        let latents: Vec<f32> = seeds
            .iter()
            .flat_map(|&seed| Random::new(seed).stream("sample").normals(latent))
            .collect();
        self.players().decode(&latents)
    }

    fn latents(&self) -> Option<&dyn Latents> {
        Some(self.players())
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let players = self.players();
        save_module(&players.generator, &folder.join(GENERATOR))?;
        save_module(&players.critic, &folder.join(CRITIC))?;
        save_optimiser(
            &players.generator_optimiser,
            &folder.join(GENERATOR_OPTIMISER),
        )?;
        save_optimiser(&players.critic_optimiser, &folder.join(CRITIC_OPTIMISER))
    }

    fn load(&mut self, folder: &Path) -> Result<()> {
        let players = self.players_mut();
        players.generator = load_module(&players.generator, &folder.join(GENERATOR))?;
        players.critic = load_module(&players.critic, &folder.join(CRITIC))?;
        players.generator_optimiser = load_optimiser(
            &players.generator_optimiser,
            &folder.join(GENERATOR_OPTIMISER),
        )?;
        players.critic_optimiser =
            load_optimiser(&players.critic_optimiser, &folder.join(CRITIC_OPTIMISER))?;
        Ok(())
    }
}

impl Latents for Players {
    fn dimension(&self) -> usize {
        self.latent
    }

    fn decode(&self, latents: &[f32]) -> Result<Images> {
        let count = latents.len() / self.latent;
        let device = self.device.clone().without_autodiff();
        let latents = TensorData::new(latents.to_vec(), [count, self.latent]);
        let images = self
            .generator
            .valid()
            .forward(Tensor::from_data(latents, &device));
        to_images(images, self.size)
    }
}

/// Adam with the run's settings.
pub(super) fn adam(optimiser: &Optimiser) -> ModuleOptimizer {
    AdamConfig::new()
        .with_beta_1(optimiser.beta1 as f32)
        .with_beta_2(optimiser.beta2 as f32)
        .with_epsilon(optimiser.epsilon as f32)
        .init()
}

/// A tensor [n, 3, size, size] as images.
pub(super) fn to_images(tensor: Tensor<4>, size: usize) -> Result<Images> {
    let count = tensor.dims()[0];
    Ok(Images::new(count, size, values(tensor)?))
}
