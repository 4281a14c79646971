//! The settings of paired models, and what names the run of one. Defaults: section "Methods" of arXiv 2402.18286 where it says something.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::{Backbone, Corruption, MaskLoss, TranslationTask};
use crate::device::{DeviceKind, Precision};
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::nn::patch_gan::PatchGan;

/// What a network's first weights are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Random ones of the run's seed.
    Random,
    /// Those of the run of the same seed and backbone that `translation.pretraining` describes; the last layer is random where it
    /// is of another shape or purpose.
    Pretrained,
}

impl Start {
    /// Its word in settings and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Pretrained => "pretrained",
        }
    }
}

/// How a paired model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct TranslatorTrainingConfig {
    /// Optimisation steps.
    pub steps: usize,
    /// Images in a step; a training set that is smaller is shown more than once in one.
    pub batch: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Decay of Adam's first moment: 0.5 in Pix2Pix, 0.9 by custom without a discriminator.
    pub beta1: f64,
    /// Probability of dropout in the three innermost layers on the way up of `pix2pix-unet`; other networks have none.
    pub dropout: f64,
}

impl Default for TranslatorTrainingConfig {
    fn default() -> Self {
        Self {
            steps: 2000,
            batch: 128,
            learning_rate: 2e-4,
            beta1: 0.9,
            dropout: 0.0,
        }
    }
}

/// The discriminator of the pretraining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct Adversary {
    /// Convolutions of PatchGAN that halve the image, 1 to 4: receptive fields of 16, 34, 70 and 142 pixels. 0 trains without a
    /// discriminator, by L1 alone.
    pub layers: usize,
    /// Feature maps of its first layer.
    pub width: usize,
    /// Weight of the L1 loss beside the adversarial one; 100 in Pix2Pix.
    pub l1_weight: f64,
}

impl Default for Adversary {
    fn default() -> Self {
        Self {
            layers: 3,
            width: 64,
            l1_weight: 100.0,
        }
    }
}

impl Adversary {
    /// Refuses images that are too small for it.
    ///
    /// # Errors
    /// As said.
    pub fn check(&self, size: usize) -> Result<()> {
        if self.layers == 0 || PatchGan::output_size(self.layers, size).is_some() {
            return Ok(());
        }
        Err(refuse(
            format!(
                "PatchGAN of {} layers has no place left on images of {size} x {size}",
                self.layers
            ),
            "lower `translation.pretraining.adversary.layers`: 1 takes images from 16 pixels on, 2 from 24, 3 from 32, 4 from 48",
        ))
    }
}

/// The training that a pretrained start comes from: unlabelled patches are corrupted and restored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct Pretraining {
    /// Numbers of unlabelled training patches, a row each of the task `restore`; 0 takes all. A pretrained start comes from the last.
    pub patches: Vec<usize>,
    /// What is done to a patch before it is restored, in this order.
    pub corruptions: Vec<Corruption>,
    /// How it is trained.
    pub training: TranslatorTrainingConfig,
    /// The discriminator.
    pub adversary: Adversary,
}

impl Default for Pretraining {
    fn default() -> Self {
        Self {
            patches: vec![0],
            corruptions: vec![
                Corruption::Flip,
                Corruption::Turn,
                Corruption::Gaussian {
                    low: 0.02,
                    high: 0.2,
                },
            ],
            training: TranslatorTrainingConfig {
                beta1: 0.5,
                ..TranslatorTrainingConfig::default()
            },
            adversary: Adversary::default(),
        }
    }
}

/// Paired models: pretraining and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct TranslationConfig {
    /// What is learned: `restore` (the pretraining itself, by its own settings), `segment`, `denoise` or `super-resolve`.
    pub task: TranslationTask,
    /// What they start from: `random`, `pretrained`, or both.
    pub starts: Vec<Start>,
    /// Numbers of training patches with labels, a row each; 0 takes all. Draws of one seed are nested.
    pub patches: Vec<usize>,
    /// The loss of masks: `cross-entropy` or `dice`.
    pub loss: MaskLoss,
    /// Steps between measurements on held-out patches: the points of learning curves. 0 measures the end alone.
    pub evaluate_every: usize,
    /// Held-out patches that are measured; all where there are fewer.
    pub evaluation_patches: usize,
    /// The networks, a row each.
    pub backbones: Vec<Backbone>,
    /// What is done to a patch before the network sees it, in this order. The task `restore` takes those of the pretraining.
    pub corruptions: Vec<Corruption>,
    /// How the task is trained.
    pub training: TranslatorTrainingConfig,
    /// What the pretrained start comes from.
    pub pretraining: Pretraining,
}

impl Default for TranslationConfig {
    fn default() -> Self {
        Self {
            task: TranslationTask::Restore,
            backbones: Vec::new(),
            starts: vec![Start::Random],
            patches: vec![0],
            corruptions: Vec::new(),
            loss: MaskLoss::CrossEntropy,
            evaluate_every: 100,
            evaluation_patches: 1000,
            training: TranslatorTrainingConfig::default(),
            pretraining: Pretraining::default(),
        }
    }
}

/// Everything that determines the weights of one paired model, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslatorRunConfig {
    /// The training seed.
    pub seed: u64,
    /// What is learned.
    pub task: TranslationTask,
    /// The content hash of the patches.
    pub data_hash: String,
    /// The SHA-256 of the masks; empty where the task has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub masks_hash: String,
    /// The classes of the masks, the background first; empty where the task has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Height and width of the images.
    pub image_size: usize,
    /// Channels of the images.
    pub channels: usize,
    /// Training patches.
    pub patches: usize,
    /// Optimisation steps.
    pub steps: u64,
    /// Images in a step.
    pub batch: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Decay of Adam's first moment.
    pub beta1: f64,
    /// Probability of dropout.
    pub dropout: f64,
    /// The kind of device: each rounds in its own way.
    pub device: DeviceKind,
    /// What its layers multiply in.
    pub precision: Precision,
    /// The loss of masks, where the task has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<MaskLoss>,
    /// The run that its first weights come from; empty for random ones.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub start: String,
    /// The network.
    pub backbone: Backbone,
    /// What is done to a patch before the network sees it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corruptions: Vec<Corruption>,
    /// The discriminator, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adversary: Option<Adversary>,
}

impl TranslatorRunConfig {
    /// Channels of the result: those of an image, or one a class of the masks.
    pub fn outputs(&self) -> usize {
        match self.classes.len() {
            0 => self.channels,
            classes => classes,
        }
    }

    /// The configuration as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a run configuration has string keys only")
    }

    /// Twelve hexadecimal digits that name the run: equal settings, equal weights.
    pub fn hash(&self) -> String {
        sha256(self.to_toml())[..12].to_owned()
    }
}
