//! WGAN. Arjovsky, Chintala, Bottou: Wasserstein GAN, 2017 (arXiv 1701.07875).
//!
//! What differs from the paper:
//! 1. The optimiser is the experiment's; the paper's RMSprop is `optimiser.protocol = "canonical"` (or
//!    `optimiser.method = "rmsprop"`).
//! 2. Critic steps are as many at every generator step: the authors' code takes 100 in the first 25 generator steps and at every
//!    500th.
//! 3. Scales and shifts of batch normalisation are not clipped unless asked: the authors' code clips them, which shrinks what they
//!    normalise to.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::game::Wasserstein;
use super::gan::Gan;
use super::networks::backbone;
use super::terms::{ClipWhen, WeightClipping};
use super::{Model, table};
use crate::config::{Method, Optimiser, Range, Section};
use crate::nn::dcgan::CriticNorm;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "wgan",
    paper: "Arjovsky et al. 2017, arXiv 1701.07875",
    // Algorithm 1: RMSprop 5e-5, five critic steps.
    canonical: Optimiser {
        method: Method::RmsProp,
        learning_rate: 5e-5,
        critic_steps: 5,
        ..Optimiser::DCGAN
    },
    reads: &["wgan"],
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[Range::above("clip", "", 0.0)]),
    build: |blueprint| {
        let settings: Settings = blueprint.run.settings("wgan")?;
        let (generator, critic) = backbone(blueprint, CriticNorm::Batch);
        let gan = Gan::new(blueprint, generator, critic, Wasserstein);
        Ok(Box::new(gan.with_term(WeightClipping {
            bound: settings.clip,
            when: settings.clip_when,
            normalisation: settings.clip_normalisation,
        })))
    },
    ..Model::ADVERSARIAL
};

/// The settings of `models.wgan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Bound of every weight of the critic, c in the paper.
    clip: f64,
    /// When weights are clipped: `after` each step of the critic (the paper) or `before` it (the authors' code).
    clip_when: ClipWhen,
    /// Whether scales and shifts of batch normalisation are clipped too.
    clip_normalisation: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clip: 0.01,
            clip_when: ClipWhen::After,
            clip_normalisation: false,
        }
    }
}
