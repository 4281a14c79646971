//! DCGAN. Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
//! Networks, 2016 (arXiv 1511.06434).
//!
//! What differs from the paper:
//! 1. The latent prior is N(0, 1), not uniform, as in every implementation since and in arXiv 2409.20340.
//! 2. The critic has no biases beside batch normalisation (they would have no effect) nor in its first and last layer
//!    (as in the reference implementation in PyTorch's examples).

use super::Model;
use super::game::CrossEntropy;
use super::gan::Gan;
use super::networks::backbone;
use crate::nn::dcgan::CriticNorm;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "dcgan",
    paper: "Radford et al. 2016, arXiv 1511.06434",
    build: |blueprint| {
        let (generator, critic) = backbone(blueprint, CriticNorm::Batch);
        let game = CrossEntropy::default();
        Ok(Box::new(Gan::new(blueprint, generator, critic, game)))
    },
    ..Model::ADVERSARIAL
};
