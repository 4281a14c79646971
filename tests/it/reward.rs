//! Design point 1: equation 5 of arXiv 2409.20340 as printed has no gradient; the other couplings have one.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, Tensor, TensorData};
use histogen::device;
use histogen::models::terms::{expected_reward, generator_reward, soft_labels};
use histogen::models::{self, GenerativeModel, Scalars, StepScalars, loss};
use histogen::nn::conv::Upsampling;
use histogen::nn::dcgan::{Critic, CriticNorm, Generator, ImageShape};
use histogen::nn::parameters::Parameters;
use histogen::nn::vgg::Vgg16;
use histogen::random::Random;
use histogen::reward::{Coupling, cosine};

use crate::differences::{ToDouble, check_gradient, gradients};
use crate::mathematics::{critic, images};
use crate::toy;

const STEPS: u64 = 20;

fn trained(model: &str, pairs: &[&str]) -> (Box<dyn GenerativeModel>, Scalars) {
    let images = toy::images(64, 0);
    let mut model = models::build(
        &toy::run(model, pairs),
        Path::new("reward models"),
        &device::cpu(),
    )
    .expect("a model");
    let mut last = Scalars::new();
    for position in 0..STEPS {
        let batch = toy::batch(&images, 8, position);
        last = model
            .step(&batch, Random::new(1).at(position))
            .and_then(StepScalars::read)
            .expect("a step");
    }
    (model, last)
}

fn weights(model: &mut dyn GenerativeModel) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    models::save(model, folder.path()).expect("saved");
    ["generator.bpk", "critic.bpk"]
        .iter()
        .map(|name| std::fs::read(folder.path().join(name)).expect("a file"))
        .collect()
}

fn scalar(scalars: &Scalars, name: &str) -> f64 {
    scalars
        .iter()
        .find(|(known, _)| *known == name)
        .expect("the scalar is logged")
        .1
}

#[test]
fn the_literal_reward_trains_improved_dcgan_bit_for_bit() {
    let (mut base, base_scalars) = trained("improved-dcgan", &[]);
    let base_weights = weights(base.as_mut());
    for weight in ["0.0", "0.3", "1.0"] {
        let pair = format!("reward.weight={weight}");
        let (mut rewarded, scalars) = trained("rl-eo", &["reward.coupling=literal", &pair]);
        assert!(
            weights(rewarded.as_mut()) == base_weights,
            "weight {weight} changes the training"
        );
        let difference = scalar(&base_scalars, "critic_loss") - scalar(&scalars, "critic_loss");
        let reward = scalar(&scalars, "reward");
        assert!(
            (difference - reward).abs() < 1e-12,
            "{difference} is not the reward {reward}"
        );
        assert!(
            weight == "0.0" || reward > 0.01,
            "the reported loss does not differ"
        );
    }
}

#[test]
fn every_other_coupling_changes_the_training() {
    let base_weights = weights(trained("improved-dcgan", &[]).0.as_mut());
    let mut seen = vec![base_weights];
    for coupling in ["expected-reward", "soft-label", "loss-scale", "generator"] {
        let pair = format!("reward.coupling={coupling}");
        let (mut rewarded, scalars) = trained("rl-eo", &[&pair]);
        let similarity = scalar(&scalars, "similarity");
        assert!(
            (0.0..=1.0).contains(&similarity),
            "{coupling}: similarity {similarity}"
        );
        let found = weights(rewarded.as_mut());
        assert!(
            !seen.contains(&found),
            "{coupling} trains as another form does"
        );
        seen.push(found);
    }
}

#[test]
fn no_weight_at_all_is_improved_dcgan_for_every_coupling_in_the_critic() {
    let base_weights = weights(trained("improved-dcgan", &[]).0.as_mut());
    for coupling in ["expected-reward", "soft-label", "loss-scale"] {
        let pair = format!("reward.coupling={coupling}");
        let (mut rewarded, _) = trained("rl-eo", &["reward.weight=0.0", &pair]);
        assert!(weights(rewarded.as_mut()) == base_weights, "{coupling}");
    }
}

#[test]
fn the_similarity_of_a_class_is_that_to_its_images() {
    let (_, last) = trained("rl-eo", &["reward.coupling=literal"]);
    let of_class = |class: &str| scalar(&last, &format!("similarity.{class}"));
    let (left, top, all) = (
        of_class("left"),
        of_class("top"),
        scalar(&last, "similarity"),
    );
    // The toy batch has eight images of two classes: the mean of all lies between those of the classes.
    assert!(
        left.min(top) < all && all < left.max(top),
        "{left}, {top}, {all}"
    );
}

#[test]
fn a_thinned_literal_reward_is_reported_at_its_steps_and_trains_the_same() {
    let base_weights = weights(trained("improved-dcgan", &[]).0.as_mut());
    let (mut rewarded, last) = trained("rl-eo", &["reward.every=4"]);
    assert!(weights(rewarded.as_mut()) == base_weights);
    // The last step is number 19, counted from 0.
    assert!(last.iter().all(|(name, _)| *name != "reward"), "{last:?}");
    let (_, last) = trained("rl-eo", &["reward.every=4", "reward.coupling=soft-label"]);
    assert!(last.iter().any(|(name, _)| *name == "reward"), "{last:?}");
}

const WEIGHT: f64 = 0.7;

fn similarities() -> Tensor<1> {
    let values = TensorData::from([0.9f64, 0.2, 0.6]);
    Tensor::from_data(values, (&device::cpu(), DType::F64))
}

/// The critic's whole loss as `rl-eo` has it.
fn critic_loss(form: Coupling, critic: &Critic) -> Tensor<1> {
    let pictures = images(6, &device::cpu()).cast(DType::F64);
    let scores = critic.forward(pictures);
    let (real, fake) = (scores.clone().narrow(0, 0, 3), scores.narrow(0, 3, 3));
    let reward = WEIGHT * similarities().mean().into_scalar::<f64>();
    let base = loss::cross_entropy(fake.clone(), 0.0);
    let (of_fake, scale) = match form {
        Coupling::Literal | Coupling::Generator => (base, 1.0),
        Coupling::LossScale => (base, 1.0 - reward),
        Coupling::ExpectedReward => (base + expected_reward(fake, similarities(), WEIGHT), 1.0),
        Coupling::SoftLabel => {
            let targets = soft_labels(similarities(), WEIGHT);
            (loss::cross_entropy_each(fake, targets), 1.0)
        }
    };
    (loss::cross_entropy(real, 0.9) + of_fake).mul_scalar(scale)
}

/// Largest difference of a gradient from central differences, relative to the largest entry.
const TOLERANCE: f64 = 1e-5;

const COUPLINGS: [Coupling; 5] = [
    Coupling::Literal,
    Coupling::ExpectedReward,
    Coupling::SoftLabel,
    Coupling::LossScale,
    Coupling::Generator,
];

#[test]
fn the_gradient_by_the_critic_is_that_of_central_differences() {
    let critic = critic(CriticNorm::None, 2).map(&mut ToDouble);
    for form in COUPLINGS {
        let value = |critic: &Critic| critic_loss(form, critic);
        check_gradient(&format!("{form:?}"), &critic, TOLERANCE, value);
    }
}

#[test]
fn the_gradient_by_the_generator_is_that_of_central_differences() {
    let parameters = |name: &str| Parameters::new(name, Random::new(3), &device::cpu());
    let image = ImageShape {
        size: 16,
        channels: 3,
    };
    let generator = Generator::new(
        &parameters("generator"),
        image,
        4,
        2,
        Upsampling::Transposed,
    )
    .map(&mut ToDouble);
    let critic = critic(CriticNorm::None, 2).map(&mut ToDouble).no_grad();
    let model = Vgg16::random(2, &device::cpu())
        .map(&mut ToDouble)
        .no_grad();
    let latents = Random::new(4).stream("latents").normals(3 * 4);
    let latents = Tensor::<2>::from_data(TensorData::new(latents, [3, 4]), &device::cpu());
    let latents = latents.cast(DType::F64);
    let real = model.embed(images(3, &device::cpu()).cast(DType::F64));
    let value = |generator: &Generator, rewarded: bool| {
        let fake = generator.clone().forward_training(latents.clone());
        let loss = loss::non_saturating_generator(critic.forward(fake.clone()));
        let similarity = cosine(real.clone(), model.embed(fake));
        if rewarded {
            loss + generator_reward(similarity, WEIGHT)
        } else {
            loss
        }
    };
    for (what, rewarded) in [("with the reward", true), ("without", false)] {
        let value = |generator: &Generator| value(generator, rewarded);
        check_gradient(what, &generator, TOLERANCE, value);
    }
    let (with, _) = gradients(&generator, &value(&generator, true));
    let (without, _) = gradients(&generator, &value(&generator, false));
    assert!(with != without, "the reward has a gradient");
}
