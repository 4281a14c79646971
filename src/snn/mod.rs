//! Similarity of images as an external judge sees it: what `rl-eo` takes its reward from.
//!
//! The paper's judge is the MFT-SNN (arXiv 2409.20340, section 2.1). Its training belongs here; until then the judge is
//! the convolutional part of VGG-16, the network that the MFT-SNN starts from.

mod similarity;

pub use similarity::{Similarity, cosine};

use std::path::PathBuf;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use similarity::VggSimilarity;

/// Where the reward enters the training of `rl-eo`. Only the first form is printed in the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coupling {
    /// Equation 5 as printed: subtracted from the critic's reported loss. It has no gradient.
    Literal,
    /// The critic as a policy: minus w mean(D(G(z_i)) s_i) in the critic's loss.
    ExpectedReward,
    /// Generated sample i has the target w s_i instead of 0.
    SoftLabel,
    /// The critic's loss times 1 - reward.
    LossScale,
    /// Minus w mean(s_i) in the generator's loss, with its gradient. The paper argues against it (section 2.3.1).
    Generator,
}

/// The external reward of `rl-eo`: `weight` * mean(similarity), equation 4 of arXiv 2409.20340.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardConfig {
    /// w of equation 4.
    pub weight: f64,
    /// Where the reward enters.
    pub coupling: Coupling,
    /// The judge: `vgg16-random` (fixed seed, no file) or `vgg16` (weights from `weights`).
    pub similarity: String,
    /// Safetensors file of `vgg16`.
    pub weights: PathBuf,
    /// Convolutions of VGG-16 that are used, 1 to 13.
    pub layers: usize,
    /// Height and width at which the judge looks; the patches are averaged down to it.
    pub image_size: usize,
}

impl Default for RewardConfig {
    fn default() -> Self {
        Self {
            weight: 0.3,
            coupling: Coupling::Literal,
            similarity: "vgg16-random".into(),
            weights: PathBuf::new(),
            layers: 13,
            image_size: 64,
        }
    }
}

/// The judges there are.
pub const SIMILARITIES: &[&str] = &["vgg16-random", "vgg16"];

/// The judge that `config` names, for images of `size` x `size`.
///
/// Fails for an unknown name, for a size that does not divide the patches, and for weights that do not fit.
pub fn similarity(
    config: &RewardConfig,
    size: usize,
    device: &Device,
) -> Result<Box<dyn Similarity>> {
    if !(1..=crate::nn::vgg::LAYERS).contains(&config.layers) {
        return Err(refuse(
            format!("`reward.layers` is {}", config.layers),
            "VGG-16 has 13 convolutions: set 1 to 13",
        ));
    }
    if config.image_size == 0 || !size.is_multiple_of(config.image_size) {
        return Err(refuse(
            format!(
                "`reward.image_size` is {}, which does not divide patches of {size}",
                config.image_size
            ),
            format!("set {size}, or a half or a quarter of it"),
        ));
    }
    Ok(Box::new(VggSimilarity::new(
        config,
        size / config.image_size,
        device,
    )?))
}
