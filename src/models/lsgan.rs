//! LSGAN. Mao, Li, Xie, Lau, Wang, Smolley: Least Squares Generative Adversarial Networks, 2017 (arXiv 1611.04076).
//!
//! What differs from the paper:
//! 1. The backbone is DCGAN's, shared by all systems, in place of the paper's own 112 x 112 architecture.
//! 2. The scores are the critic's raw output, and the losses have the factor 1/2 (equation 9 with a = 0, b = c = 1).

use super::Model;
use super::game::LeastSquares;
use super::gan::Gan;
use super::networks::backbone;
use crate::config::Optimiser;
use crate::nn::dcgan::CriticNorm;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "lsgan",
    paper: "Mao et al. 2017, arXiv 1611.04076",
    // Section 4.1: Adam, beta1 0.5, learning rate 1e-3 for scenes.
    canonical: Optimiser {
        learning_rate: 1e-3,
        ..Optimiser::DCGAN
    },
    build: |blueprint| {
        let (generator, critic) = backbone(blueprint, CriticNorm::Batch);
        Ok(Box::new(Gan::new(
            blueprint,
            generator,
            critic,
            LeastSquares::default(),
        )))
    },
    ..Model::ADVERSARIAL
};
