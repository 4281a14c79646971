//! CN-LSGAN. Nie, Xiao, Huang, Lv: Time-Frequency Analysis and Target Recognition of HRRP Based on CN-LSGAN, STFT, and CNN, 2021
//! (Complexity, 6664530): least squares with a gradient penalty and a pull of generated images to real ones. The weights are those
//! of a report on MNIST that takes it up (lambda 1 = 0.01, lambda 2 = 0.001).
//!
//! What differs from the paper:
//! 1. The backbone is DCGAN's, shared by all systems, without normalisation in the discriminator, as the penalty asks.
//! 2. There the generator denoises, so that (G(z), x) is a pair. Here z and x are independent, and the pull is to the mean image;
//!    `pull_pairing` says which real image goes with which generated one.
//! 3. The losses have no factor 1/2, unlike LSGAN's: an added term weighs half as much beside them.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::game::LeastSquares;
use super::gan::Gan;
use super::networks::backbone;
use super::terms::{GradientPenalty, Pairing, Pull};
use super::{Model, table};
use crate::config::{Optimiser, Range, Section};
use crate::nn::dcgan::CriticNorm;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "cn-lsgan",
    paper: "Nie et al. 2021, Complexity, 6664530",
    // The report on MNIST: learning rate 4e-4.
    canonical: Optimiser {
        learning_rate: 4e-4,
        ..Optimiser::DCGAN
    },
    reads: &["cn-lsgan"],
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[
        Range::at_least("penalty", "", 0.0),
        Range::at_least("pull", "", 0.0),
    ]),
    build: |blueprint| {
        let settings: Settings = blueprint.run.settings("cn-lsgan")?;
        let (generator, critic) = backbone(blueprint, CriticNorm::None);
        let gan = Gan::new(blueprint, generator, critic, LeastSquares { factor: 1.0 })
            .with_term(GradientPenalty {
                weight: settings.penalty,
            })
            .with_term(Pull {
                weight: settings.pull,
                pairing: settings.pull_pairing,
            });
        Ok(Box::new(gan))
    },
    ..Model::ADVERSARIAL
};

/// The settings of `models.cn-lsgan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Weight of the gradient penalty, lambda 1 in the paper.
    penalty: f64,
    /// Weight of the pull of generated images to real ones, lambda 2 in the paper.
    pull: f64,
    /// Which real images a generated one is pulled to: that of its place in the `batch`, or all alike (`none`).
    pull_pairing: Pairing,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            penalty: 0.01,
            pull: 0.001,
            pull_pairing: Pairing::Batch,
        }
    }
}
