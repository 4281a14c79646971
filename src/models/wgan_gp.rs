//! WGAN-GP. Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville: Improved Training of Wasserstein GANs, 2017
//! (arXiv 1704.00028).
//!
//! What differs from the paper:
//! 1. The backbone is DCGAN's, shared by all systems, with biases and without normalisation in the critic (the paper's
//!    section 4 advises against batch normalisation there; its ResNets have layer normalisation instead).
//! 2. The gradient of the penalty is computed by forward-over-reverse differentiation, see [`super::terms::gradient_penalty`]: the same
//!    number, by another road.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::game::Wasserstein;
use super::gan::Gan;
use super::networks::backbone;
use super::terms::GradientPenalty;
use super::{Model, table};
use crate::config::{Optimiser, Range, Section};
use crate::nn::dcgan::CriticNorm;

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
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[Range::at_least("penalty", "", 0.0)]),
    build: |blueprint| {
        let settings: Settings = blueprint.run.settings("wgan-gp")?;
        let (generator, critic) = backbone(blueprint, CriticNorm::None);
        let gan = Gan::new(blueprint, generator, critic, Wasserstein);
        Ok(Box::new(gan.with_term(GradientPenalty {
            weight: settings.penalty,
        })))
    },
    ..Model::ADVERSARIAL
};

/// The settings of `models.wgan-gp`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
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
