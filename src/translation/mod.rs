//! Paired models: networks that turn an image into another, or into a mask of its classes. Pretrained without labels, fine-tuned
//! with few.
//!
//! Kazimi, Ruzaeva, Sandfeld: Self-Supervised Learning with Generative Adversarial Networks for Electron Microscopy, 2024 (arXiv
//! 2402.18286). A [`TranslationTask`] says what input and target are, [`Corruption`]s what is done to the input, a [`Backbone`] which
//! network, a [`Start`] where its weights come from; [`Translator`] is one step of the training of any of them, and
//! [`TranslatorRunConfig`] what names a run. The loop over the steps is `experiment::translation`, which also writes the ledger.
//!
//! ("Transfer" in this project is the evaluation on the slides of another hospital; what is learned here is translation.)

mod backbone;
mod config;
mod corruption;
mod learner;
mod loss;
mod start;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use crate::images::{Images, Pixels};
use crate::nn::record::EachPart;
use crate::random::Random;

pub use backbone::Backbone;
pub use config::{
    Adversary, Pretraining, Start, TranslationConfig, TranslatorRunConfig, TranslatorTrainingConfig,
};
pub use corruption::{Corruption, corrupt};
pub use loss::MaskLoss;
pub use start::{NamedTensor, StartReport};

/// What is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TranslationTask {
    /// A corrupted patch becomes the patch: the pretraining.
    Restore,
    /// A patch becomes its mask.
    Segment,
    /// A noisy patch becomes the patch.
    Denoise,
    /// A patch of lower resolution becomes the patch.
    SuperResolve,
}

impl TranslationTask {
    /// Its name in settings and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Segment => "segment",
            Self::Denoise => "denoise",
            Self::SuperResolve => "super-resolve",
        }
    }

    /// Whether its targets are masks.
    pub fn has_masks(self) -> bool {
        self == Self::Segment
    }

    /// The score that decides: the first column of its tables, and its learning curves.
    pub fn main_score(self) -> &'static str {
        if self.has_masks() { "dice" } else { "l1" }
    }

    /// Refuses corruptions that make another task of it.
    ///
    /// # Errors
    /// As said.
    fn check(self, corruptions: &[Corruption]) -> Result<()> {
        let has = |is_it: fn(&Corruption) -> bool| corruptions.iter().any(is_it);
        let (is_right, what) = match self {
            Self::Segment => (true, ""),
            Self::Restore => (
                has(|one| !matches!(one, Corruption::Flip | Corruption::Turn)),
                "something to restore: noise, `blur`, `cut-out` or `down-up`",
            ),
            Self::Denoise => (
                has(|one| {
                    matches!(
                        one,
                        Corruption::Gaussian { .. } | Corruption::Poisson { .. }
                    )
                }),
                "noise: `gaussian` or `poisson`",
            ),
            Self::SuperResolve => (
                has(|one| matches!(one, Corruption::DownUp { .. })),
                "a lower resolution: `down-up`",
            ),
        };
        if is_right {
            return Ok(());
        }
        Err(refuse(
            format!("the task `{}` has no corruption that fits it", self.name()),
            format!("add {what}"),
        ))
    }
}

/// What a step sees.
#[derive(Clone, Debug, PartialEq)]
pub struct PairBatch {
    /// What the network is given.
    pub inputs: Images,
    /// What it should make of it: images, or masks, a channel of class numbers.
    pub targets: Images,
}

/// A paired model in training, or trained.
pub trait Translator: Send {
    /// One step on pairs; `random` stands at the step. Returns named numbers, `training_loss` first.
    ///
    /// # Errors
    /// Refuses images of another size; the device lost a tensor.
    fn step(&mut self, batch: &PairBatch, random: Random) -> Result<Vec<(&'static str, f64)>>;

    /// What it makes of images: images of the same channels, or masks, a byte a pixel. An image gives the same whatever its batch.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn translate(&self, images: &Images) -> Result<Pixels>;

    /// The tensors of its network by name: what another one starts from.
    ///
    /// # Errors
    /// The device lost one.
    fn tensors(&self) -> Result<Vec<NamedTensor>>;

    /// Takes over all tensors of `source` but those of the last layer where their shape differs or `fresh_head` says so.
    ///
    /// # Errors
    /// Refuses tensors that do not fit.
    fn start_from(&mut self, source: &[NamedTensor], fresh_head: bool) -> Result<StartReport>;

    /// Shows `each` all that the next step depends on.
    ///
    /// # Errors
    /// Those of `each`.
    fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()>;
}

/// The model of `run` with random weights.
///
/// # Errors
/// As [`check`].
pub fn build(run: &TranslatorRunConfig, device: &Device) -> Result<Box<dyn Translator>> {
    check(run)?;
    Ok(Backbone::build(run, device))
}

/// Refuses settings of a run that do not fit its images or one another.
///
/// # Errors
/// As said.
pub fn check(run: &TranslatorRunConfig) -> Result<()> {
    run.backbone.check(run.image_size)?;
    run.task.check(&run.corruptions)?;
    for corruption in &run.corruptions {
        corruption.check("corruptions", run.image_size)?;
    }
    if let Some(adversary) = &run.adversary {
        adversary.check(run.image_size)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
