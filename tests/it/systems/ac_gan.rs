//! AC-GAN. Odena, Olah, Shlens: Conditional Image Synthesis with Auxiliary Classifier GANs, 2017 (arXiv 1610.09585), on the
//! backbone of all adversarial systems: the class joins the latent vector, and the discriminator has a second head.

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use histogen::device::number;
use histogen::error::Result;
use histogen::models::game::CrossEntropy;
use histogen::models::gan::Gan;
use histogen::models::networks::{fits_backbone, image_shape};
use histogen::models::round::{DiscriminatorNetwork, GeneratorNetwork, Round, Verdict};
use histogen::models::terms::{Addend, Term};
use histogen::models::{Model, Needs};
use histogen::nn::conv::WeightInit;
use histogen::nn::dcgan::{Critic, CriticNorm, Generator, WEIGHT_DEVIATION};
use histogen::nn::linear::Linear;

pub(super) static MODEL: Model = Model {
    name: "ac-gan",
    paper: "Odena et al. 2017, arXiv 1610.09585",
    needs: Needs {
        classes: true,
        ..Needs::NOTHING
    },
    fits: fits_backbone,
    build: |blueprint| {
        let run = blueprint.run;
        let (image, classes, width) = (
            image_shape(run),
            run.classes.len(),
            run.backbone.critic_width,
        );
        let parts = blueprint.parameters("generator");
        let generator = ClassGenerator {
            inner: Generator::new(
                &parts,
                image,
                run.backbone.latent + classes,
                run.backbone.generator_width,
            ),
            classes,
        };
        let parts = blueprint.parameters("critic");
        let body = Critic::new(&parts, image, width, CriticNorm::None);
        let init = WeightInit::Normal(WEIGHT_DEVIATION);
        let features = body.feature_count();
        let discriminator = ClassDiscriminator {
            head: Linear::new(&parts.within("class_head"), features, classes, init),
            body,
        };
        let game = CrossEntropy::default();
        let gan = Gan::new(blueprint, generator, discriminator, game);
        Ok(Box::new(gan.with_term(ClassLoss)))
    },
    ..Model::DEFAULT
};

#[derive(Module, Debug)]
struct ClassGenerator {
    inner: Generator,
    classes: usize,
}

impl ClassGenerator {
    /// [n, latent] and a class each -> [n, latent + classes].
    fn conditioned(&self, latents: Tensor<2>, classes: &[usize]) -> Tensor<2> {
        let one_hot = one_hot(classes, self.classes, &latents);
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
}

#[derive(Module, Debug)]
struct ClassDiscriminator {
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

/// The cross-entropy of the classes of real and of generated images, which both players lower.
struct ClassLoss;

impl<G, D: DiscriminatorNetwork> Term<G, D> for ClassLoss {
    fn discriminator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let loss = cross_entropy(round.on_real(), &round.batch.classes)
            + cross_entropy(round.on_generated(), round.classes);
        Ok(Addend {
            scalars: vec![("class_loss".into(), number(&loss))],
            loss: Some(loss),
            constant: 0.0,
        })
    }

    fn generator(&self, round: &Round<'_, G, D>) -> Result<Option<Tensor<1>>> {
        Ok(Some(cross_entropy(round.on_generated(), round.classes)))
    }
}

fn cross_entropy(verdict: &Verdict, classes: &[usize]) -> Tensor<1> {
    let logits = verdict
        .classes
        .clone()
        .expect("the discriminator classifies");
    let indices: Vec<i64> = classes.iter().map(|&class| class as i64).collect();
    let indices = TensorData::new(indices, [classes.len(), 1]);
    let indices = Tensor::<2, Int>::from_data(indices, &logits.device());
    log_softmax(logits, 1).gather(1, indices).mean().neg()
}

fn one_hot(classes: &[usize], of: usize, like: &Tensor<2>) -> Tensor<2> {
    let mut values = vec![0.0f32; classes.len() * of];
    for (row, &class) in classes.iter().enumerate() {
        values[row * of + class] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [classes.len(), of]), &like.device())
}
