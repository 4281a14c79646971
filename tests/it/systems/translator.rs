//! A paired translator: an image from the input beside it, by an L1 loss and a discriminator that sees the pair (Isola, Zhu,
//! Zhou, Efros: Image-to-Image Translation with Conditional Adversarial Networks, 2017, arXiv 1611.07004, in small).

use anyhow::Context;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use histogen::data::Batch;
use histogen::device::tensor;
use histogen::error::Result;
use histogen::images::Images;
use histogen::models::game::{CrossEntropy, Game};
use histogen::models::networks::{fits_backbone, image_shape};
use histogen::models::player::Player;
use histogen::models::{Draws, GenerativeModel, Model, Needs, StepScalars, loss, to_images};
use histogen::nn::activation::Activation;
use histogen::nn::conv::{Conv2d, WeightInit, Window};
use histogen::nn::dcgan::{Critic, CriticNorm, ImageShape};
use histogen::nn::record::EachPart;
use histogen::random::Random;

/// The weight of the L1 loss (section 6.2 of the paper: 100).
const L1: f64 = 100.0;

pub(super) static MODEL: Model = Model {
    name: "translator",
    paper: "Isola et al. 2017, arXiv 1611.07004",
    needs: Needs {
        input: true,
        ..Needs::NOTHING
    },
    fits: fits_backbone,
    build: |blueprint| {
        let run = blueprint.run;
        let input = run.input.as_ref().context("a translator has an input")?;
        let pair = ImageShape {
            channels: run.channels + input.channels,
            ..image_shape(run)
        };
        let parts = blueprint.parameters("generator");
        let ends = [
            (input.channels, run.backbone.generator_width),
            (run.backbone.generator_width, run.channels),
        ];
        let layers = ends
            .into_iter()
            .enumerate()
            .map(|(layer, (inputs, outputs))| {
                let part = parts.within(format!("layers.{layer}"));
                Conv2d::new(
                    &part,
                    inputs,
                    outputs,
                    Window::SAME,
                    WeightInit::Glorot,
                    true,
                )
            });
        let generator = ImageGenerator {
            layers: layers.collect(),
        };
        let width = run.backbone.critic_width;
        let parts = blueprint.parameters("discriminator");
        let discriminator = Critic::new(&parts, pair, width, CriticNorm::None);
        Ok(Box::new(Translator {
            generator: Player::new(generator, run, ["generator.bpk", "generator_optimiser.bpk"]),
            discriminator: Player::new(
                discriminator,
                run,
                ["discriminator.bpk", "discriminator_optimiser.bpk"],
            ),
            device: blueprint.device.clone(),
        }))
    },
    ..Model::DEFAULT
};

#[derive(Module, Debug)]
struct ImageGenerator {
    layers: Vec<Conv2d>,
}

impl ImageGenerator {
    fn forward(&self, inputs: Tensor<4>) -> Tensor<4> {
        let hidden = Activation::Relu.forward(self.layers[0].forward(inputs));
        Activation::Tanh.forward(self.layers[1].forward(hidden))
    }
}

struct Translator {
    generator: Player<ImageGenerator>,
    discriminator: Player<Critic>,
    device: Device,
}

impl GenerativeModel for Translator {
    fn step(&mut self, batch: &Batch, random: Random) -> Result<StepScalars> {
        let inputs = batch.inputs.as_ref().context("a batch of pairs")?;
        let (inputs, real) = (
            tensor(inputs, &self.device),
            tensor(&batch.images, &self.device),
        );
        let generated = self.generator.network.forward(inputs.clone());
        let pair = |images: Tensor<4>| Tensor::cat(vec![inputs.clone(), images], 1);

        let network = &self.discriminator.network;
        let loss = CrossEntropy::default().discriminator(
            network.forward(pair(real.clone())),
            network.forward(pair(generated.clone().detach())),
        );
        let of_discriminator = self.discriminator.minimise(&loss, random);

        let scores = self
            .discriminator
            .constant()
            .forward(pair(generated.clone()));
        let distance = (generated - real).abs().mean();
        let loss = loss::non_saturating_generator(scores) + distance.mul_scalar(L1);
        let mut scalars = StepScalars::of("critic_loss", of_discriminator);
        scalars.push("generator_loss", self.generator.minimise(&loss, random));
        Ok(scalars)
    }

    fn sample(&self, draws: &Draws<'_>) -> Result<Images> {
        let inputs = draws.inputs.context("inputs to translate")?;
        let inputs = tensor(inputs, &self.device.clone().without_autodiff());
        to_images(self.generator.network.valid().forward(inputs))
    }

    fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()> {
        self.generator.parts(each)?;
        self.discriminator.parts(each)
    }
}
