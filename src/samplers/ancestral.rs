//! Ancestral sampling. Ho, Jain, Abbeel: Denoising Diffusion Probabilistic Models, 2020 (arXiv 2006.11239), Algorithm 2.

use anyhow::Context;
use toml::Table;

use super::{Sampler, SamplerEntry};
use crate::config::Section;
use crate::error::Result;
use crate::images::Images;
use crate::models::Draws;
use crate::models::diffusion::{self, Denoiser};

/// The registry's entry.
pub(super) const SAMPLER: SamplerEntry = SamplerEntry {
    name: "ancestral",
    about: "every noise level of a diffusion model, with noise of variance beta (Ho et al. 2020, Algorithm 2)",
    fits: |model| model.denoiser().is_some(),
    settings: Table::new,
    section: Section::EMPTY,
    keep_training: |_| 0,
    build: |sampling| {
        let denoiser = sampling.model.denoiser();
        let denoiser = denoiser.context("the model predicts no noise")?;
        Ok(Box::new(Ancestral(denoiser)))
    },
};

struct Ancestral<'a>(&'a dyn Denoiser);

impl Sampler for Ancestral<'_> {
    fn sample(&self, draws: &Draws<'_>) -> Result<Images> {
        diffusion::ancestral(self.0, draws)
    }
}
