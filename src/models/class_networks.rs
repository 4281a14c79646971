//! The backbone with classes: labels into the generator, and a class head on the critic's body.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

use super::Blueprint;
use super::networks::image_shape;
use super::round::{DiscriminatorNetwork, GeneratorNetwork, Verdict};
use super::terms::TangentNetwork;
use crate::error::Result;
use crate::nn::conv::WeightInit;
use crate::nn::dcgan::{Critic, CriticNorm, Generator, WEIGHT_DEVIATION};
use crate::nn::linear::Linear;
use crate::nn::plain_generator::PlainGenerator;

/// The untrained generator and discriminator of a run with classes. The discriminator normalises nothing, so that what it says
/// of an image depends on that image alone.
pub(super) fn class_backbone(blueprint: &Blueprint<'_>) -> (ClassGenerator, ClassDiscriminator) {
    let run = blueprint.run;
    let (image, backbone, classes) = (image_shape(run), &run.backbone, run.classes.len());
    let [generator, critic] = ["generator", "critic"].map(|name| blueprint.parameters(name));
    let (latent, width) = (backbone.latent + classes, backbone.generator_width);
    let body = Critic::new(&critic, image, backbone.critic_width, CriticNorm::None);
    let init = WeightInit::Normal(WEIGHT_DEVIATION);
    let head = &critic.within("class_head");
    (
        ClassGenerator {
            inner: Generator::new(&generator, image, latent, width, backbone.upsampling),
            classes,
        },
        ClassDiscriminator {
            head: Linear::new(head, body.feature_count(), classes, init),
            body,
        },
    )
}

/// A generator whose latent vector is followed by the class, one-hot (as in the code of arXiv 2201.09120).
#[derive(Module, Debug)]
pub(super) struct ClassGenerator {
    inner: Generator,
    classes: usize,
}

impl ClassGenerator {
    /// [n, latent] and a class each -> [n, latent + classes].
    fn conditioned(&self, latents: Tensor<2>, classes: &[usize]) -> Tensor<2> {
        let mut one_hot = vec![0.0f32; classes.len() * self.classes];
        for (row, &class) in classes.iter().enumerate() {
            one_hot[row * self.classes + class] = 1.0;
        }
        let one_hot = TensorData::new(one_hot, [classes.len(), self.classes]);
        let one_hot = Tensor::from_data(one_hot, &latents.device());
        Tensor::cat(vec![latents, one_hot], 1)
    }
}

impl GeneratorNetwork for ClassGenerator {
    fn forward_training(&mut self, latents: Tensor<2>, classes: &[usize]) -> Tensor<4> {
        let latents = self.conditioned(latents, classes);
        self.inner.forward_training(latents)
    }

    fn forward(&self, latents: Tensor<2>, classes: &[usize]) -> Tensor<4> {
        self.inner.forward(self.conditioned(latents, classes))
    }

    fn plain(&self) -> Option<Result<PlainGenerator>> {
        let plain = self.inner.plain().map(|plain| PlainGenerator {
            latent: plain.latent - self.classes,
            classes: self.classes,
            ..plain
        });
        Some(plain)
    }
}

/// A critic with a second head, which gives the logits of the classes.
#[derive(Module, Debug)]
pub(super) struct ClassDiscriminator {
    body: Critic,
    head: Linear,
}

impl DiscriminatorNetwork for ClassDiscriminator {
    fn assess(&self, images: Tensor<4>) -> Verdict {
        let features = self.body.features(images);
        Verdict {
            score: self.body.score(features.clone()),
            classes: Some(self.head.forward(features.flatten(1, 3))),
        }
    }

    fn normalises_by_batch(&self) -> bool {
        self.body.normalises_by_batch()
    }
}

/// Of the score alone: a penalty leaves the class head out.
impl TangentNetwork for ClassDiscriminator {
    fn forward_with_tangent(
        &self,
        images: Tensor<4>,
        tangents: Tensor<4>,
    ) -> (Tensor<1>, Tensor<1>) {
        self.body.forward_with_tangent(images, tangents)
    }
}
