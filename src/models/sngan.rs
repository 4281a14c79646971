//! SNGAN. Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks, 2018
//! (arXiv 1802.05957).
//!
//! What differs from the paper:
//! 1. The critic is DCGAN's, shared by all systems, in place of the paper's 3 x 3 / 4 x 4 standard CNN and its ResNet.
//! 2. The loss is the hinge (equations 16 and 17), which the paper uses for its ResNets; `loss = "minimax"` gives the loss
//!    of its standard CNNs.
//! 3. The power iteration runs once per critic update (Algorithm 1), not once per forward pass.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::game::{CrossEntropy, Hinge};
use super::gan::Gan;
use super::networks::backbone;
use super::terms::SpectralNormalisation;
use super::{Model, table};
use crate::config::{Optimiser, Range, Section};
use crate::nn::dcgan::CriticNorm;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "sngan",
    paper: "Miyato et al. 2018, arXiv 1802.05957",
    // Section 4.2: Adam 2e-4, beta1 0, beta2 0.9, five critic steps.
    canonical: Optimiser {
        beta1: 0.0,
        beta2: 0.9,
        critic_steps: 5,
        ..Optimiser::DCGAN
    },
    reads: &["sngan"],
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[Range::between(
        "power_iterations",
        "iterations",
        1.0,
        1000.0,
    )]),
    build: |blueprint| {
        let settings: Settings = blueprint.run.settings("sngan")?;
        let (generator, critic) = backbone(blueprint, CriticNorm::Spectral);
        let gan = match settings.loss {
            SnganLoss::Hinge => Gan::new(blueprint, generator, critic, Hinge),
            SnganLoss::Minimax => Gan::new(blueprint, generator, critic, CrossEntropy::default()),
        };
        Ok(Box::new(gan.with_term(SpectralNormalisation {
            power_iterations: settings.power_iterations,
        })))
    },
    ..Model::ADVERSARIAL
};

/// The settings of `models.sngan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// `hinge` or `minimax`.
    loss: SnganLoss,
    /// Power iterations per critic step (the paper: 1).
    power_iterations: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SnganLoss {
    Hinge,
    Minimax,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            loss: SnganLoss::Hinge,
            power_iterations: 1,
        }
    }
}
