//! One step of an adversarial system as its parts see it: the networks, the images, and what the discriminator says of them.

use std::cell::OnceCell;

use burn::module::Module;
use burn::tensor::Tensor;

use super::Batch;
use crate::error::Result;
use crate::nn::plain_generator::PlainGenerator;
use crate::random::Random;

/// Latent vectors, and classes where there are any, to images.
pub trait GeneratorNetwork: Module + Send {
    /// [n, latent] and a class an image -> [n, channels, size, size] in [-1, 1], as in training: normalising by the batch
    /// and updating running statistics. Without classes `classes` is empty.
    fn forward_training(&mut self, latents: Tensor<2>, classes: &[usize]) -> Tensor<4>;

    /// The same for samples: an image does not depend on its batch.
    fn forward(&self, latents: Tensor<2>, classes: &[usize]) -> Tensor<4>;

    /// The numbers of [`Self::forward`] for other frameworks, if it is made of layers that these have.
    fn plain(&self) -> Option<Result<PlainGenerator>> {
        None
    }
}

/// Images to scores, and to logits of classes where there are any.
pub trait DiscriminatorNetwork: Module + Send + 'static {
    /// What it says of images [n, channels, size, size].
    fn assess(&self, images: Tensor<4>) -> Verdict;

    /// Whether an image's score depends on the images beside it.
    fn normalises_by_batch(&self) -> bool;

    /// The scores of [`Self::assess`], `[n]`, with running statistics updated where it normalises by the batch.
    fn score_training(&mut self, images: Tensor<4>) -> Tensor<1> {
        self.assess(images).score
    }

    /// Scores that do not depend on the images beside each, `[n]`: by running statistics where [`Self::assess`] normalises by the
    /// batch.
    fn score_alone(&self, images: Tensor<4>) -> Tensor<1> {
        self.assess(images).score
    }
}

/// What a discriminator says of images.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// A logit of real against generated, or the unbounded score of a critic: `[n]`.
    pub score: Tensor<1>,
    /// Logits of the classes, [n, classes], of a discriminator that classifies.
    pub classes: Option<Tensor<2>>,
}

/// What both players of one step see. Each forward pass of the discriminator is computed once, when it is first asked for.
pub struct Round<'a, G, D> {
    /// The real images' batch.
    pub batch: &'a Batch,
    /// The streams of the step.
    pub random: Random,
    /// The generator as the step began.
    pub generator: &'a G,
    /// The discriminator as it is: with constant weights while the generator moves.
    pub discriminator: &'a D,
    /// Real images, [n, channels, size, size].
    pub real: &'a Tensor<4>,
    /// Generated images, as many; with the generator's gradient while the generator moves, constants before.
    pub generated: Tensor<4>,
    /// The latent vectors they were made from, [n, latent].
    pub latents: &'a Tensor<2>,
    /// The classes they were made from; empty without classes.
    pub classes: &'a [usize],
    /// See [`Self::on_real`].
    pub(super) real_verdict: OnceCell<Verdict>,
    /// See [`Self::on_generated`].
    pub(super) generated_verdict: OnceCell<Verdict>,
}

impl<G, D: DiscriminatorNetwork> Round<'_, G, D> {
    /// What the discriminator says of the real images.
    pub fn on_real(&self) -> &Verdict {
        self.real_verdict
            .get_or_init(|| self.discriminator.assess(self.real.clone()))
    }

    /// What it says of the generated ones.
    pub fn on_generated(&self) -> &Verdict {
        self.generated_verdict
            .get_or_init(|| self.discriminator.assess(self.generated.clone()))
    }
}
