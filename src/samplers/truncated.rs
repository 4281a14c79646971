//! Truncation of the latent prior while drawing (Brock, Donahue, Simonyan: Large Scale GAN Training for High Fidelity Natural Image
//! Synthesis, 2019, arXiv 1809.11096, section 3.1), in any of the laws that go by this name.

use anyhow::Context;
use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::{Sampler, SamplerEntry};
use crate::config::{Section, TAU, TruncationLaw};
use crate::error::Result;
use crate::images::Images;
use crate::models::prior::Prior;
use crate::models::{Draws, Latents, table};

/// The registry's entry.
pub(super) const SAMPLER: SamplerEntry = SamplerEntry {
    name: "truncated",
    about: "latent vectors kept near the mode of the prior (Brock et al. 2019)",
    fits: |model| model.latents().is_some(),
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[TAU]),
    keep_training: |_| 0,
    build: |sampling| {
        let Settings { law, tau } = sampling.settings()?;
        let latents = sampling.model.latents();
        let latents = latents.context("the model has a latent space")?;
        let prior = latents.prior()?.truncated(law, tau);
        Ok(Box::new(Truncated { latents, prior }))
    },
};

/// The settings of `samplers.truncated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// `clip`, `resample`, `scaled` or `variance`, as `prior.truncated.law`.
    law: TruncationLaw,
    /// The threshold; of a mixture each component has it, and one of the training is replaced.
    tau: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            law: TruncationLaw::Resample,
            tau: 1.0,
        }
    }
}

struct Truncated<'a> {
    latents: &'a dyn Latents,
    prior: Prior,
}

impl Sampler for Truncated<'_> {
    fn sample(&self, draws: &Draws<'_>) -> Result<Images> {
        let seeds = draws.seeds.iter();
        let latents: Vec<f32> = seeds.flat_map(|&seed| self.prior.latent(seed)).collect();
        self.latents.decode(&latents, draws.classes)
    }
}
