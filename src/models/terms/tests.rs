//! The gradients of terms against finite differences, by networks that are linear.

use std::cell::OnceCell;

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};

use super::{Addend, BalancedConsistency, ClassLoss, LatentConsistency, Pairing, Pull, Term};
use crate::config::{Bcr, ImageTransform, Zcr};
use crate::data::{Batch, Symmetry};
use crate::device::{cpu, number, tensor, values};
use crate::images::Images;
use crate::models::round::{DiscriminatorNetwork, GeneratorNetwork, Round, Verdict};
use crate::nn::parameters::Parameters;
use crate::random::Random;

const COUNT: usize = 6;
const LATENT: usize = 3;
const SIZE: usize = 4;
const PIXELS: usize = SIZE * SIZE;
const CLASSES: usize = 2;

/// z A, as one grey image.
#[derive(Module, Debug)]
struct LinearGenerator {
    weight: Param<Tensor<2>>,
}

impl GeneratorNetwork for LinearGenerator {
    fn forward_training(&mut self, latents: Tensor<2>, classes: &[usize]) -> Tensor<4> {
        self.forward(latents, classes)
    }

    fn forward(&self, latents: Tensor<2>, _classes: &[usize]) -> Tensor<4> {
        let count = latents.dims()[0];
        let images = latents.matmul(self.weight.val());
        images.reshape([count, 1, SIZE, SIZE])
    }
}

/// A score and a logit for each class, all linear in the pixels.
#[derive(Module, Debug)]
struct LinearDiscriminator {
    weight: Param<Tensor<2>>,
}

impl DiscriminatorNetwork for LinearDiscriminator {
    fn assess(&self, images: Tensor<4>) -> Verdict {
        let rows = images.flatten::<2>(1, 3).matmul(self.weight.val());
        let score = rows.clone().narrow(1, 0, 1).squeeze_dim(1);
        Verdict {
            score,
            classes: Some(rows.narrow(1, 1, CLASSES)),
        }
    }

    fn normalises_by_batch(&self) -> bool {
        false
    }
}

/// Both networks with one entry of one of them moved by `by`.
fn networks(of_generator: bool, entry: usize, by: f32) -> (LinearGenerator, LinearDiscriminator) {
    let parameters = |name: &str, shape: [usize; 2], moved: bool| {
        let mut numbers = Random::new(7).stream(name).normals(shape[0] * shape[1]);
        for number in &mut numbers {
            *number *= 0.3;
        }
        if moved {
            numbers[entry] += by;
        }
        Parameters::new(name, Random::new(0), &cpu()).given("weight", shape, numbers)
    };
    let generator = LinearGenerator {
        weight: parameters("generator", [LATENT, PIXELS], of_generator),
    };
    let discriminator = LinearDiscriminator {
        weight: parameters("discriminator", [PIXELS, 1 + CLASSES], !of_generator),
    };
    (generator, discriminator)
}

fn batch(count: usize) -> Batch {
    let numbers = Random::new(1).stream("images").normals(count * PIXELS);
    Batch {
        images: Images::new(count, 1, SIZE, numbers),
        patches: (0..count).collect(),
        symmetries: vec![Symmetry::default(); count],
        classes: (0..count).map(|image| image % CLASSES).collect(),
        class_names: ["a", "b"].map(String::from).into(),
        inputs: None,
    }
}

type AnyTerm = Box<dyn Term<LinearGenerator, LinearDiscriminator>>;

/// What the term adds to the loss of a player, and the gradient of that by the player's weight; none where it adds nothing.
fn of_player(
    term: &mut AnyTerm,
    networks: &(LinearGenerator, LinearDiscriminator),
    generator_moves: bool,
    count: usize,
) -> Option<(f64, Vec<f32>)> {
    let (generator, discriminator) = networks;
    let batch = batch(count);
    let real = tensor(&batch.images, &cpu());
    let latents = Random::new(2).stream("latents").normals(count * LATENT);
    let latents = Tensor::<2>::from_data(TensorData::new(latents, [count, LATENT]), &cpu());
    let generated = generator.forward(latents.clone(), &[]);
    let classes: Vec<usize> = (0..count).map(|image| (image / 2) % CLASSES).collect();
    let constant = discriminator.clone().no_grad();
    let round = |generator_moves: bool| Round {
        batch: &batch,
        random: Random::new(3).at(5),
        generator,
        discriminator: if generator_moves {
            &constant
        } else {
            discriminator
        },
        real: &real,
        generated: if generator_moves {
            generated.clone()
        } else {
            generated.clone().detach()
        },
        latents: &latents,
        classes: &classes,
        real_verdict: OnceCell::new(),
        generated_verdict: OnceCell::new(),
    };
    term.prepare(&round(false)).unwrap();
    let round = round(generator_moves);
    let Addend { loss, .. } = if generator_moves {
        term.generator(&round).unwrap()
    } else {
        term.discriminator(&round).unwrap()
    };
    let loss = loss?;
    let weight = if generator_moves {
        generator.weight.val()
    } else {
        discriminator.weight.val()
    };
    let slopes = weight.grad(&loss.backward())?;
    Some((number(&loss), values(slopes).unwrap()))
}

fn terms() -> Vec<(&'static str, AnyTerm)> {
    let bcr = Bcr {
        classes: false,
        real: 10.0,
        fake: 4.0,
        transform: ImageTransform::Flip,
    };
    let zcr = Zcr {
        discriminator: 5.0,
        generator: 0.5,
        sigma: 0.3,
    };
    let class_loss = ClassLoss {
        weight: 2.0,
        on_generated: true,
    };
    let pull = |pairing| Pull {
        weight: 0.7,
        pairing,
    };
    vec![
        ("class loss", Box::new(class_loss)),
        ("bCR", Box::new(BalancedConsistency { settings: bcr })),
        ("zCR", Box::new(LatentConsistency::new(zcr))),
        ("pull", Box::new(pull(Pairing::Batch))),
        ("pull to all", Box::new(pull(Pairing::None))),
    ]
}

#[test]
fn every_term_s_gradient_is_the_finite_difference() {
    let mut compared = 0;
    for (name, mut term) in terms() {
        for generator_moves in [false, true] {
            let here = networks(generator_moves, 0, 0.0);
            let Some((_, slopes)) = of_player(&mut term, &here, generator_moves, COUNT) else {
                continue;
            };
            for entry in [0, 7, 20] {
                let mut at = |by: f32| {
                    let moved = networks(generator_moves, entry, by);
                    of_player(&mut term, &moved, generator_moves, COUNT)
                        .unwrap()
                        .0
                };
                let difference = (at(0.01) - at(-0.01)) / 0.02;
                let slope = f64::from(slopes[entry]);
                let tolerance = 2e-3 * (1.0 + slope.abs());
                assert!(
                    (slope - difference).abs() < tolerance,
                    "{name}, generator {generator_moves}, entry {entry}: {slope}, expected {difference}"
                );
                compared += 1;
            }
        }
    }
    assert_eq!(
        compared,
        3 * (2 + 1 + 2 + 1 + 1),
        "both losses have the class loss and zCR"
    );
}

/// Of a linear generator A the mean over images of |G(z) - G(z + dz)|^2 is sigma^2 |A|^2 in expectation.
#[test]
fn latent_consistency_of_a_linear_generator_is_known() {
    let settings = Zcr {
        discriminator: 0.0,
        generator: 1.0,
        sigma: 0.03,
    };
    let mut term: AnyTerm = Box::new(LatentConsistency::new(settings));
    let networks = networks(true, 0, 0.0);
    let weight = values(networks.0.weight.val()).unwrap();
    let squared: f64 = weight.iter().map(|a| f64::from(*a).powi(2)).sum();
    let (loss, _) = of_player(&mut term, &networks, true, 4000).unwrap();
    let expected = -0.03f64.powi(2) * squared / PIXELS as f64;
    assert!(
        (loss / expected - 1.0).abs() < 0.06,
        "{loss}, expected {expected}"
    );
}
