//! Improved DCGAN: the base GAN of arXiv 2409.20340, section 2.4, after Salimans, Goodfellow, Zaremba, Cheung, Radford,
//! Chen: Improved Techniques for Training GANs, 2016 (arXiv 1606.03498).
//!
//! What it adds to DCGAN:
//! 1. One-sided label smoothing (Salimans et al., section 3.4): real images have the target 0.9, generated ones 0.
//! 2. Real and generated images pass in separate mini-batches, each with its own backward pass; the gradients are added and
//!    one optimiser step taken. (Our `dcgan` also normalises them separately, as Radford's code did; so this alone
//!    changes nothing but rounding.)
//! 3. Every entry of every gradient is clipped to [-0.1, 0.1] (arXiv 2409.20340, section 3.3.2), for both players.
//!
//! What differs from Salimans et al.: feature matching, minibatch discrimination, historical averaging and virtual batch
//! normalisation are left out, as arXiv 2409.20340 does not use them.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::game::CrossEntropy;
use super::gan::Gan;
use super::networks::backbone;
use super::{Blueprint, Model, table};
use crate::config::{Range, Section};
use crate::error::Result;
use crate::nn::dcgan::{Critic, CriticNorm, Generator};

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "improved-dcgan",
    paper: "Salimans et al. 2016, arXiv 1606.03498, as in arXiv 2409.20340, section 2.4",
    reads: &["improved-dcgan"],
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[
        Range::between("real_label", "probability", 0.0, 1.0),
        Range::above("clip_value", "", 0.0),
    ]),
    build: |blueprint| Ok(Box::new(improved_dcgan(blueprint)?)),
    ..Model::ADVERSARIAL
};

/// The settings of `models.improved-dcgan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Target of real images.
    real_label: f64,
    /// Bound of every entry of a gradient.
    clip_value: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            real_label: 0.9,
            clip_value: 0.1,
        }
    }
}

/// The system, which `rl-eo` adds its reward to.
pub(super) fn improved_dcgan(blueprint: &Blueprint<'_>) -> Result<Gan<Generator, Critic>> {
    let settings: Settings = blueprint.run.settings("improved-dcgan")?;
    let (generator, critic) = backbone(blueprint, CriticNorm::Batch);
    let game = CrossEntropy {
        real_label: settings.real_label,
    };
    let gan = Gan::new(blueprint, generator, critic, game);
    Ok(gan
        .with_separate_passes()
        .with_gradient_clipping(settings.clip_value))
}
