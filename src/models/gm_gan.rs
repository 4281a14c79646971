//! GM-GAN. Ben-Yosef, Weinshall: Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised
//! Clustering of Images, 2018 (arXiv 1808.10356): DCGAN whose latent vectors come from a mixture of normal distributions.
//!
//! `prior.mixture` has the mixture; `prior.mixture.learned = true` is the dynamic form, in which means and factors learn with the
//! generator, and the default the static one.
//!
//! What differs from the paper:
//! 1. The backbone is DCGAN's, shared by all systems.
//! 2. The default mixture is eight components of deviation 1 on a circle of radius 2, as in a report on MNIST that takes the
//!    system up; the paper's static means are uniform (`prior.mixture.means = "uniform"`).
//! 3. Dynamic factors A_k start at sigma I, so that the dynamic form starts as the static one; public code starts them at normal
//!    matrices, whose vectors are as much longer as the latent vector has entries.
//! 4. The supervised form, whose discriminator tells components, is left out.

use super::Model;
use super::game::CrossEntropy;
use super::gan::Gan;
use super::networks::backbone;
use crate::config::PriorKind;
use crate::nn::dcgan::CriticNorm;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "gm-gan",
    paper: "Ben-Yosef and Weinshall 2018, arXiv 1808.10356",
    prior: Some(PriorKind::Mixture),
    build: |blueprint| {
        let (generator, critic) = backbone(blueprint, CriticNorm::Batch);
        let game = CrossEntropy::default();
        Ok(Box::new(Gan::new(blueprint, generator, critic, game)))
    },
    ..Model::ADVERSARIAL
};
