//! One step of the training of any paired model: L1 or a loss of masks, Adam, and the game with PatchGAN where there is one.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use burn_optim::{GradientsParams, ModuleOptimizer};

use super::backbone::Body;
use super::loss::{MaskLoss, l1, patch_discriminator, patch_generator};
use super::start::{NamedTensor, StartReport, started, tensors};
use super::{PairBatch, Translator, TranslatorRunConfig};
use crate::device::{batches, number, tensor, values};
use crate::error::{Result, refuse};
use crate::images::{GREY, Images, Pixels};
use crate::kernels::together;
use crate::nn::activation::Activation::Tanh;
use crate::nn::adam::adam;
use crate::nn::dropout::Dropout;
use crate::nn::parameters::Parameters;
use crate::nn::patch_gan::PatchGan;
use crate::nn::record::{EachPart, NetworkPart};
use crate::random::Random;

const NETWORK: &str = "network.bpk";
const OPTIMISER: &str = "optimiser.bpk";
const DISCRIMINATOR: &str = "discriminator.bpk";
const DISCRIMINATOR_OPTIMISER: &str = "discriminator_optimiser.bpk";

/// Images in a forward pass: bounds memory, changes no number.
const BATCH: usize = 32;

/// Any network as a paired model.
pub(super) struct Learner<N> {
    network: N,
    adam: ModuleOptimizer,
    opponent: Option<Opponent>,
    run: TranslatorRunConfig,
    device: Device,
}

/// The discriminator of Pix2Pix.
struct Opponent {
    network: PatchGan,
    adam: ModuleOptimizer,
    l1_weight: f64,
}

impl<N: Body> Learner<N> {
    pub(super) fn new(network: N, run: &TranslatorRunConfig, device: &Device) -> Self {
        let adam = || adam([run.beta1, 0.999], 1e-8, None);
        let opponent = run.adversary.as_ref().map(|settings| {
            let parameters = &Parameters::new("discriminator", Random::new(run.seed), device)
                .with_precision(run.precision);
            let channels = run.channels + run.outputs();
            Opponent {
                network: PatchGan::new(parameters, channels, settings.width, settings.layers),
                adam: adam(),
                l1_weight: settings.l1_weight,
            }
        });
        Self {
            network,
            adam: adam(),
            opponent,
            run: run.clone(),
            device: device.clone(),
        }
    }

    fn check(&self, images: &Images) -> Result<()> {
        let (size, channels) = (self.run.image_size, self.run.channels);
        if (images.size, images.channels) == (size, channels) {
            return Ok(());
        }
        Err(refuse(
            format!(
                "images of {0} x {0} x {1} for a paired model of {size} x {size} x {channels}",
                images.size, images.channels
            ),
            "give it images of the size that it was trained on",
        ))
    }

    /// The step of a network whose targets are masks.
    fn mask_loss(&self, loss: MaskLoss, outputs: Tensor<4>, targets: &Images) -> Tensor<1> {
        let (classes, area) = (self.run.classes.len(), targets.size * targets.size);
        let mut chosen = vec![0.0f32; targets.count * classes * area];
        for (image, masks) in chosen
            .chunks_exact_mut(classes * area)
            .zip(targets.values.chunks_exact(area))
        {
            for (place, class) in masks.iter().enumerate() {
                image[*class as usize * area + place] = 1.0;
            }
        }
        let shape = [targets.count, classes, targets.size, targets.size];
        let chosen = Tensor::from_data(TensorData::new(chosen, shape), &self.device);
        loss.of(outputs, chosen)
    }
}

impl<N: Body> Translator for Learner<N> {
    fn step(&mut self, batch: &PairBatch, random: Random) -> Result<Vec<(&'static str, f64)>> {
        self.check(&batch.inputs)?;
        let rate = self.run.learning_rate;
        let dropout = (self.run.dropout > 0.0).then_some(Dropout {
            rate: self.run.dropout,
            random,
        });
        let inputs = tensor(&batch.inputs, &self.device);
        let outputs = self.network.forward(inputs.clone(), dropout);
        let mut scalars = Vec::new();
        let loss = if let Some(loss) = self.run.loss {
            self.mask_loss(loss, outputs, &batch.targets)
        } else {
            let outputs = Tanh.forward(outputs);
            let targets = tensor(&batch.targets, &self.device);
            let difference = l1(outputs.clone(), targets.clone());
            // In units of intensity from 0 to 1, as the score has it.
            scalars.push(("training_l1", number(&difference) / 2.0));
            match &mut self.opponent {
                None => difference,
                Some(opponent) => {
                    // The discriminator's step, then the generator's, by the same images.
                    let pair = |images: Tensor<4>| Tensor::cat(vec![inputs.clone(), images], 1);
                    let real = opponent.network.forward(pair(targets));
                    let translated = opponent.network.forward(pair(outputs.clone().detach()));
                    let own = patch_discriminator(real, translated);
                    scalars.push(("discriminator_loss", number(&own)));
                    let gradients = GradientsParams::from_grads(own.backward(), &opponent.network);
                    let network = opponent.network.clone();
                    opponent.network = together(|| opponent.adam.step(rate, network, gradients));
                    let constant = opponent.network.clone().no_grad();
                    let game = patch_generator(constant.forward(pair(outputs)));
                    scalars.push(("adversarial_loss", number(&game)));
                    game + difference.mul_scalar(opponent.l1_weight)
                }
            }
        };
        scalars.insert(0, ("training_loss", number(&loss)));
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        self.network = together(|| self.adam.step(rate, self.network.clone(), gradients));
        Ok(scalars)
    }

    fn translate(&self, images: &Images) -> Result<Pixels> {
        self.check(images)?;
        let network = self.network.valid();
        let device = self.device.clone().without_autodiff();
        let (size, outputs) = (images.size, self.run.outputs());
        let area = size * size;
        let mut bytes = Vec::with_capacity(images.count * area * self.run.channels);
        for batch in batches(images, BATCH, &device) {
            let count = batch.dims()[0];
            let maps = network.forward(batch, None);
            if self.run.loss.is_none() {
                let found = values(Tanh.forward(maps))?;
                bytes.extend(Images::new(count, outputs, size, found).quantise().bytes);
                continue;
            }
            // The class with the largest logit, the first of equal ones.
            for image in values(maps)?.chunks_exact(outputs * area) {
                bytes.extend((0..area).map(|place| {
                    let logit = |class: usize| image[class * area + place];
                    let best = (1..outputs).fold(0, |best, class| {
                        if logit(class) > logit(best) {
                            class
                        } else {
                            best
                        }
                    });
                    best as u8
                }));
            }
        }
        let channels = if self.run.loss.is_some() {
            GREY
        } else {
            outputs
        };
        Ok(Pixels::new(images.count, size, channels, bytes))
    }

    fn tensors(&self) -> Result<Vec<NamedTensor>> {
        tensors(&self.network)
    }

    fn start_from(&mut self, source: &[NamedTensor], fresh_head: bool) -> Result<StartReport> {
        let head = self.network.head();
        let (network, report) = started(self.network.clone(), source, &head, fresh_head)?;
        self.network = network;
        Ok(report)
    }

    fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()> {
        each(NETWORK, &mut NetworkPart(&mut self.network))?;
        each(OPTIMISER, &mut self.adam)?;
        if let Some(opponent) = &mut self.opponent {
            each(DISCRIMINATOR, &mut NetworkPart(&mut opponent.network))?;
            each(DISCRIMINATOR_OPTIMISER, &mut opponent.adam)?;
        }
        Ok(())
    }
}
