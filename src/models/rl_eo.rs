//! RL-EO GAN, the proposed system. Mustafa: Enhancing GANs with Contrastive Learning-Based Multistage Progressive
//! Finetuning SNN and RL-Based External Optimization (arXiv 2409.20340), sections 2.3 and 2.4.
//!
//! Improved DCGAN whose critic's loss takes a reward from a frozen external reward model: reward = w * mean(s_i), with s_i the
//! similarity of the i-th real and the i-th generated image of the batch (equation 4).
//!
//! What differs from the paper: equation 5 subtracts the reward from the critic's loss. The reward does not depend on the
//! critic, so its gradient is zero and the `literal` form trains exactly as improved DCGAN does. It is kept as printed, and
//! other forms are offered under names of their own, see
//! [`Coupling`](crate::reward::Coupling) and [`RewardTerm`].

use anyhow::Context;

use super::improved_dcgan::improved_dcgan;
use super::terms::RewardTerm;
use super::{Model, Needs};

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "rl-eo",
    paper: "Mustafa 2024, arXiv 2409.20340",
    reads: &["improved-dcgan"],
    needs: Needs {
        reward: true,
        ..Needs::NOTHING
    },
    build: |blueprint| {
        let reward = blueprint.run.reward.clone();
        let reward = reward.context("a run of `rl-eo` has a reward")?;
        let reward = RewardTerm::new(reward, blueprint.reward_models.to_owned());
        Ok(Box::new(improved_dcgan(blueprint)?.with_term(reward)))
    },
    ..Model::ADVERSARIAL
};
