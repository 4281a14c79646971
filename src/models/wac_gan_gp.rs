//! WAC-GAN-GP, and with a truncated prior WAC-GAN-GPT. Dravid, Schiffers, Wu, Cossairt, Katsaggelos: Investigating the Potential of
//! Auxiliary-Classifier GANs for Image Classification in Low Data Regimes, 2022 (arXiv 2201.09120).
//!
//! AC-GAN whose source loss is the Wasserstein one with gradient penalty. WAC-GAN-GPT is this under `prior.kind = "truncated"`.
//!
//! What differs from the paper:
//! 1. Equation 3 as printed adds the penalty to what the critic maximises, which would reward it; here the critic minimises
//!    E D(G(z)) - E D(x) + lambda E (|grad D| - 1)^2 and the class loss.
//! 2. The backbone is DCGAN's, without normalisation in the critic: the authors' networks have batch normalisation beside the
//!    penalty, which is of single images, and end their class head in a softmax before the cross-entropy.
//! 3. The penalty is of the source score alone.
//! 4. Critic steps per generator step are not stated; `canonical` takes WGAN-GP's five.
//! 5. How tau is searched for is not stated beyond equation 4: `prior.truncated.rate` is a plain gradient step of it, by the
//!    critic's own class head, after each step of the generator.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::class_networks::class_backbone;
use super::game::Wasserstein;
use super::gan::Gan;
use super::terms::{ClassLoss, GradientPenalty};
use super::{Model, Needs, table};
use crate::config::{Optimiser, Range, Section};

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "wac-gan-gp",
    paper: "Dravid et al. 2022, arXiv 2201.09120",
    // The authors' code: Adam 2e-4, beta1 0.5, beta2 0.999.
    canonical: Optimiser {
        critic_steps: 5,
        ..Optimiser::DCGAN
    },
    reads: &["wac-gan-gp"],
    needs: Needs {
        classes: true,
        ..Needs::NOTHING
    },
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[
        Range::at_least("penalty", "", 0.0),
        Range::at_least("class_weight", "", 0.0),
    ]),
    build: |blueprint| {
        let settings: Settings = blueprint.run.settings("wac-gan-gp")?;
        let (generator, critic) = class_backbone(blueprint);
        let gan = Gan::new(blueprint, generator, critic, Wasserstein)
            .with_term(GradientPenalty {
                weight: settings.penalty,
            })
            .with_term(ClassLoss {
                weight: settings.class_weight,
                on_generated: settings.class_loss_on_fakes,
            });
        Ok(Box::new(gan))
    },
    ..Model::ADVERSARIAL
};

/// The settings of `models.wac-gan-gp`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Weight of the gradient penalty, lambda in the paper.
    penalty: f64,
    /// Weight of the class loss in both losses (an early version of the authors' code: 10).
    class_weight: f64,
    /// Whether the critic learns classes from generated images too (the paper) or from real ones alone.
    class_loss_on_fakes: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            penalty: 10.0,
            class_weight: 1.0,
            class_loss_on_fakes: true,
        }
    }
}
