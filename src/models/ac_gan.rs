//! AC-GAN. Odena, Olah, Shlens: Conditional Image Synthesis with Auxiliary Classifier GANs, 2017 (arXiv 1610.09585).
//!
//! What differs from the paper:
//! 1. The backbone is DCGAN's, shared by all systems, and its discriminator has no batch normalisation, dropout or noise: what it
//!    says of an image depends on that image alone, as accuracy and rejection sampling need.
//! 2. The class joins the latent vector as a one-hot vector behind it (the code of arXiv 2201.09120); the paper's generator is
//!    given it in its text alone.
//! 3. Classes of generated images are drawn uniformly, not taken from the real batch (as in the public implementations).
//! 4. The generator's loss is the non-saturating one.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::class_networks::class_backbone;
use super::game::CrossEntropy;
use super::gan::Gan;
use super::terms::ClassLoss;
use super::{Model, Needs, table};
use crate::config::{Range, Section};

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "ac-gan",
    paper: "Odena et al. 2017, arXiv 1610.09585",
    reads: &["ac-gan"],
    needs: Needs {
        classes: true,
        ..Needs::NOTHING
    },
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[Range::at_least("class_weight", "", 0.0)]),
    build: |blueprint| {
        let settings: Settings = blueprint.run.settings("ac-gan")?;
        let (generator, discriminator) = class_backbone(blueprint);
        let gan = Gan::new(blueprint, generator, discriminator, CrossEntropy::default());
        Ok(Box::new(gan.with_term(ClassLoss {
            weight: settings.class_weight,
            on_generated: settings.class_loss_on_fakes,
        })))
    },
    ..Model::ADVERSARIAL
};

/// The settings of `models.ac-gan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Weight of the class loss in both losses.
    class_weight: f64,
    /// Whether the discriminator learns classes from generated images too (the paper) or from real ones alone.
    class_loss_on_fakes: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            class_weight: 1.0,
            class_loss_on_fakes: true,
        }
    }
}
