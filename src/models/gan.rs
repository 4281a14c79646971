//! A generative adversarial network, put together from players, a prior, a game and terms; and its training step.

use std::cell::OnceCell;

use anyhow::Context;
use burn::tensor::{Device, Tensor, TensorData};
use burn_optim::{GradientsAccumulator, GradientsParams};

use super::draws::Draws;
use super::game::Game;
use super::kept_discriminator::{Kept, KeptDiscriminator};
use super::learned_prior::LatentSource;
use super::player::Player;
use super::prior::Prior;
use super::round::{DiscriminatorNetwork, GeneratorNetwork, Round};
use super::terms::{BalancedConsistency, LatentConsistency, Term};
use super::{
    Assessment, Batch, Blueprint, Discriminator, GenerativeModel, Latents, Scalar, StepScalars,
    to_images,
};
use crate::device::{tensor, values};
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::nn::plain_generator::PlainGenerator;
use crate::nn::record::EachPart;
use crate::random::Random;

/// How real and generated images pass the discriminator in its step. The gradient is the same; memory is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    /// One backward pass of the whole loss.
    Joint,
    /// A backward pass of the loss on real images, then one of the loss on generated images with all terms.
    Separate,
}

/// A generator and a discriminator with what they are trained by.
pub struct Gan<G, D> {
    generator: Player<G>,
    discriminator: Player<D>,
    latents: LatentSource,
    game: Box<dyn Game>,
    terms: Vec<Box<dyn Term<G, D>>>,
    passes: Passes,
    /// Discriminator steps for one generator step.
    critic_steps: u64,
    /// How many classes images are made from; 0 for a system without.
    classes: usize,
    device: Device,
}

impl<G: GeneratorNetwork, D: DiscriminatorNetwork> Gan<G, D> {
    /// Untrained networks that play `game`, with the run's optimiser, prior and terms of consistency, and the classes of the task
    /// where the run has any.
    pub fn new(
        blueprint: &Blueprint<'_>,
        generator: G,
        discriminator: D,
        game: impl Game + 'static,
    ) -> Self {
        let run = blueprint.run;
        let files = ["generator.bpk", "generator_optimiser.bpk"];
        let mut generator = Player::new(generator, run, files);
        if run.backbone.ema_decay > 0.0 {
            generator = generator.with_average(run.backbone.ema_decay, "generator_average.bpk");
        }
        // The file's name is from before systems with logits were told from critics.
        let files = ["critic.bpk", "critic_optimiser.bpk"];
        let mut terms: Vec<Box<dyn Term<G, D>>> = Vec::new();
        if let Some(settings) = run.bcr.clone() {
            terms.push(Box::new(BalancedConsistency { settings }));
        }
        if let Some(settings) = run.zcr.clone() {
            terms.push(Box::new(LatentConsistency::new(settings)));
        }
        Self {
            generator,
            discriminator: Player::new(discriminator, run, files),
            latents: LatentSource::new(blueprint),
            game: Box::new(game),
            terms,
            passes: Passes::Joint,
            critic_steps: run.optimiser.critic_steps as u64,
            classes: run.classes.len(),
            device: blueprint.device.clone(),
        }
    }

    /// With another addend of the losses, or rule for the weights.
    #[must_use]
    pub fn with_term(mut self, term: impl Term<G, D> + 'static) -> Self {
        self.terms.push(Box::new(term));
        self
    }

    /// With real and generated images in mini-batches and backward passes of their own.
    #[must_use]
    pub fn with_separate_passes(mut self) -> Self {
        self.passes = Passes::Separate;
        self
    }

    /// With every entry of both players' gradients clipped to [-`bound`, `bound`].
    #[must_use]
    pub fn with_gradient_clipping(mut self, bound: f64) -> Self {
        self.generator = self.generator.with_gradient_clipping(bound);
        self.discriminator = self.discriminator.with_gradient_clipping(bound);
        self
    }

    fn to_latents(&self, latents: Vec<f32>, device: &Device) -> Tensor<2> {
        let dimension = self.latents.dimension();
        let shape = [latents.len() / dimension, dimension];
        Tensor::from_data(TensorData::new(latents, shape), device)
    }
}

/// One step: the discriminator moves, then, after every `optimiser.critic_steps` of its steps, the generator does, by the
/// same generated images.
///
/// # Errors
/// Those of the terms; soft labels in a game that has none.
pub fn gan_step<G: GeneratorNetwork, D: DiscriminatorNetwork>(
    gan: &mut Gan<G, D>,
    batch: &Batch,
    random: Random,
) -> Result<StepScalars> {
    // Rules for the discriminator's weights.
    for term in &mut gan.terms {
        term.constrain(&mut gan.discriminator.network);
    }

    // Real images, and as many generated ones.
    let count = batch.images.count;
    let real = tensor(&batch.images, &gan.device);
    let latents = gan.latents.draw(count, random, &gan.device)?;
    let classes = random_classes(gan.classes, count, random);
    let generated = gan
        .generator
        .network
        .forward_training(latents.clone(), &classes);

    // The discriminator's step.
    let round = Round {
        batch,
        random,
        generator: &gan.generator.network,
        discriminator: &gan.discriminator.network,
        real: &real,
        generated: generated.clone().detach(),
        latents: &latents,
        classes: &classes,
        real_verdict: OnceCell::new(),
        generated_verdict: OnceCell::new(),
    };
    let mut of_terms = StepScalars::default();
    for term in &mut gan.terms {
        of_terms.extend(term.prepare(&round)?);
    }
    let loss = discriminator_loss(gan.game.as_ref(), &gan.terms, gan.passes, &round)?;
    drop(round);
    gan.discriminator.step(loss.gradients, random);
    for term in &mut gan.terms {
        term.constrain_after(&mut gan.discriminator.network);
    }
    let mut scalars = StepScalars::of("critic_loss", loss.value);
    scalars.extend(loss.scalars);
    scalars.extend(of_terms);

    // The generator's step.
    let moves = (random.position() + 1).is_multiple_of(gan.critic_steps);
    if moves {
        let round = Round {
            batch,
            random,
            generator: &gan.generator.network,
            discriminator: &gan.discriminator.constant(),
            real: &real,
            generated,
            latents: &latents,
            classes: &classes,
            real_verdict: OnceCell::new(),
            generated_verdict: OnceCell::new(),
        };
        let mut loss = gan.game.generator(round.on_generated().score.clone());
        for term in &gan.terms {
            let addend = term.generator(&round)?;
            if let Some(addend) = addend.loss {
                loss = loss + addend;
            }
            scalars.extend(addend.scalars);
        }
        drop(round);
        scalars.push("generator_loss", &loss);
        let mut gradients = loss.backward();
        let own = GradientsParams::from_module(&mut gradients, &gan.generator.network);
        gan.generator.step(own, random);
        scalars.extend(gan.latents.learn(&mut gradients, random)?);
    }
    let players = moves.then_some((&gan.generator, &gan.discriminator));
    scalars.extend(gan.latents.search(players, &classes, random, &gan.device)?);
    Ok(scalars)
}

/// The discriminator's loss: its value, its gradient, and what of it goes into the ledger.
struct DiscriminatorLoss {
    value: Scalar,
    gradients: GradientsParams,
    scalars: StepScalars,
}

fn discriminator_loss<G, D: DiscriminatorNetwork>(
    game: &dyn Game,
    terms: &[Box<dyn Term<G, D>>],
    passes: Passes,
    round: &Round<'_, G, D>,
) -> Result<DiscriminatorLoss> {
    let network = round.discriminator;
    let scale = terms
        .iter()
        .filter_map(|term| term.scale())
        .reduce(|a, b| a * b);
    let gradients_of = |loss: Tensor<1>| {
        let loss = match scale {
            None => loss,
            Some(scale) => loss.mul_scalar(scale),
        };
        GradientsParams::from_grads(loss.backward(), network)
    };
    // The loss on generated images, and the addends of the terms.
    let targets = terms.iter().find_map(|term| term.targets());
    let on_generated = |scores: Tensor<1>| match targets.clone() {
        None => Ok(game.generated(scores)),
        Some(targets) => game.soft_labels(scores, targets).ok_or_else(|| {
            refuse(
                format!("the game `{}` has no soft labels", game.name()),
                "take another coupling of the reward",
            )
        }),
    };
    let mut scalars = StepScalars::default();
    let mut constant = 0.0;
    let mut with_terms = |mut loss: Tensor<1>, scalars: &mut StepScalars| -> Result<Tensor<1>> {
        for term in terms {
            let addend = term.discriminator(round)?;
            if let Some(addend) = addend.loss {
                loss = loss + addend;
            }
            constant += addend.constant;
            scalars.extend(addend.scalars);
        }
        Ok(loss)
    };
    // Losses and gradient, in one pass or in two.
    let (losses, gradients) = match passes {
        Passes::Joint => {
            let real = round.on_real().score.clone();
            let generated = round.on_generated().score.clone();
            let loss = match targets {
                None => game.discriminator(real, generated),
                Some(_) => game.real(real) + on_generated(generated)?,
            };
            scalars.extend(game.scalars(&loss));
            let loss = with_terms(loss, &mut scalars)?;
            (vec![loss.clone().detach()], gradients_of(loss))
        }
        Passes::Separate => {
            let mut sum = GradientsAccumulator::new();
            let real = game.real(network.assess(round.real.clone()).score);
            let mut losses = vec![real.clone().detach()];
            sum.accumulate(network, gradients_of(real));
            let generated = on_generated(round.on_generated().score.clone())?;
            let generated = with_terms(generated, &mut scalars)?;
            losses.push(generated.clone().detach());
            sum.accumulate(network, gradients_of(generated));
            (losses, sum.grads())
        }
    };
    Ok(DiscriminatorLoss {
        value: Scalar::OnDevice {
            losses,
            factor: scale.unwrap_or(1.0),
            constant,
        },
        gradients,
        scalars,
    })
}

/// The classes of a step's generated images, uniform over the classes (as in the public implementations of AC-GAN); none
/// for a system without.
fn random_classes(classes: usize, count: usize, random: Random) -> Vec<usize> {
    let mut stream = random.stream("classes");
    let images = if classes == 0 { 0 } else { count };
    (0..images).map(|_| stream.below(classes)).collect()
}

impl<G: GeneratorNetwork, D: DiscriminatorNetwork> GenerativeModel for Gan<G, D> {
    fn step(&mut self, batch: &Batch, random: Random) -> Result<StepScalars> {
        gan_step(self, batch, random)
    }

    fn sample(&self, draws: &Draws<'_>) -> Result<Images> {
        let (seeds, prior) = (draws.seeds.iter(), self.latents.prior()?);
        let latents: Vec<f32> = seeds.flat_map(|&seed| prior.latent(seed)).collect();
        self.decode(&latents, draws.classes)
    }

    fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()> {
        self.generator.parts(each)?;
        self.discriminator.parts(each)?;
        self.latents.parts(each)
    }

    fn latents(&self) -> Option<&dyn Latents> {
        Some(self)
    }

    /// None where an image's score depends on its batch.
    fn discriminator(&self) -> Option<&dyn Discriminator> {
        (!self.discriminator.network.normalises_by_batch()).then_some(self)
    }

    fn keep_training(&self) -> Option<Box<dyn KeptDiscriminator>> {
        Some(Box::new(Kept::of(&self.discriminator, &self.device)))
    }
}

impl<G: GeneratorNetwork, D: DiscriminatorNetwork> Latents for Gan<G, D> {
    fn prior(&self) -> Result<Prior> {
        self.latents.prior()
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn decode(&self, latents: &[f32], classes: &[usize]) -> Result<Images> {
        let device = self.device.clone().without_autodiff();
        let latents = self.to_latents(latents.to_vec(), &device);
        let classes = if self.classes == 0 { &[] } else { classes };
        let network = self.generator.drawn_from();
        to_images(network.forward(latents, classes))
    }

    fn plain_generator(&self) -> Option<Result<PlainGenerator>> {
        self.generator.drawn_from().plain()
    }
}

impl<G: GeneratorNetwork, D: DiscriminatorNetwork> Discriminator for Gan<G, D> {
    fn assess(&self, images: &Images) -> Result<Assessment> {
        let device = self.device.clone().without_autodiff();
        let network = self.discriminator.network.valid();
        let verdict = network.assess(tensor(images, &device));
        let scores = values(verdict.score).context("scores of the discriminator")?;
        let classes = verdict.classes.map(values).transpose()?;
        Ok(Assessment { scores, classes })
    }

    fn log_ratio(&self, score: f64) -> Option<f64> {
        self.game.log_ratio(score)
    }
}
