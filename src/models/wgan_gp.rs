//! WGAN-GP. Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville: Improved Training of Wasserstein GANs, 2017
//! (arXiv 1704.00028).
//!
//! What differs from the paper:
//! 1. The backbone is DCGAN's, shared by all systems, with biases and without normalisation in the critic (the paper's
//!    section 4 advises against batch normalisation there; its ResNets have layer normalisation instead).
//! 2. The gradient of the penalty is computed by forward-over-reverse differentiation, see [`gradient_penalty`]: the same
//!    number, by another road.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::adversarial::{Adversarial, CriticLoss, Players};
use super::{Batch, Model, Scalars, loss, table};
use crate::config::Optimiser;
use crate::device::number;
use crate::error::Result;
use crate::nn::dcgan::{Critic, CriticNorm};
use crate::random::Random;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "wgan-gp",
    paper: "Gulrajani et al. 2017, arXiv 1704.00028",
    // Algorithm 1: Adam 1e-4, beta1 0, beta2 0.9, five critic steps.
    canonical: Optimiser {
        learning_rate: 1e-4,
        beta1: 0.0,
        beta2: 0.9,
        critic_steps: 5,
        ..Optimiser::DCGAN
    },
    reads: &["wgan-gp"],
    rewarded: false,
    settings: || table(&Settings::default()),
    build: |blueprint| {
        Ok(Box::new(WganGp {
            players: Players::new(blueprint, CriticNorm::None, None),
            settings: blueprint.run.settings("wgan-gp")?,
        }))
    },
};

/// The settings of `models.wgan-gp`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Weight of the gradient penalty, lambda in the paper.
    penalty: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { penalty: 10.0 }
    }
}

struct WganGp {
    players: Players,
    settings: Settings,
}

impl Adversarial for WganGp {
    fn players(&self) -> &Players {
        &self.players
    }

    fn players_mut(&mut self) -> &mut Players {
        &mut self.players
    }

    fn step(&mut self, batch: &Batch, random: Random) -> Result<Scalars> {
        let weight = self.settings.penalty;
        let mut stream = random.stream("interpolation");
        let shares: Vec<f32> = (0..batch.images.count)
            .map(|_| stream.uniform() as f32)
            .collect();
        Ok(self.players.alternate(
            batch,
            random,
            |critic, real, fake| {
                let between = interpolate(real.clone(), fake.clone(), shares);
                let penalty = gradient_penalty(critic, between);
                let distance = loss::wasserstein_critic(critic.forward(real), critic.forward(fake));
                CriticLoss {
                    parts: vec![
                        ("wasserstein_estimate".into(), -number(&distance)),
                        ("gradient_penalty".into(), number(&penalty)),
                    ],
                    total: distance + penalty.mul_scalar(weight),
                }
            },
            loss::wasserstein_generator,
        ))
    }
}

/// u x + (1 - u) G(z) with one share u per image (Algorithm 1, line 6).
fn interpolate(real: Tensor<4>, fake: Tensor<4>, shares: Vec<f32>) -> Tensor<4> {
    let shape = [shares.len(), 1, 1, 1];
    let shares = Tensor::<4>::from_data(TensorData::new(shares, shape), &real.device());
    fake.clone() + (real - fake) * shares
}

/// mean((|grad_x D(x)| - 1)^2) over images (section 4, equation 3), exact in value and in the gradient by the weights.
///
/// Automatic differentiation is first-order here. So the input gradient g is computed first, with the weights as
/// constants; along its direction v = g / |g|, held constant, the directional derivative J = D'(x; v) equals |g|, and
/// because v moves only at right angles to itself, dJ/dweights = d|g|/dweights. J comes from
/// [`Critic::forward_with_tangent`], whose gradient by the weights needs one backward pass.
pub fn gradient_penalty(critic: &Critic, images: Tensor<4>) -> Tensor<1> {
    let direction = unit_gradient(critic, &images);
    let (_, slope) = critic.forward_with_tangent(images.detach(), direction);
    let excess = slope.sub_scalar(1.0); // [n]
    (excess.clone() * excess).mean()
}

/// The gradient of the critic by each image, at unit length, without a graph.
fn unit_gradient(critic: &Critic, images: &Tensor<4>) -> Tensor<4> {
    let images = images.clone().detach().require_grad();
    let score = critic.clone().no_grad().forward(images.clone()).sum();
    let gradient = images
        .grad(&score.backward())
        .expect("the score depends on the images");
    let [count, ..] = gradient.dims();
    let flat: Tensor<2> = gradient.clone().reshape([count as i32, -1]);
    let length = flat.powf_scalar(2.0).sum_dim(1).sqrt().clamp_min(1e-12); // [n, 1]
    let direction = gradient / length.reshape([count, 1, 1, 1]);
    Tensor::from_inner(direction)
}
