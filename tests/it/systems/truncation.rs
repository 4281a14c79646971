//! Truncation of the latent prior by clipping: z = sgn(z) min(|z|, tau) (arXiv 2201.09120, equation 6).

use anyhow::Context;
use documented::DocumentedFields;
use histogen::config::{Range, Section};
use histogen::error::Result;
use histogen::images::Images;
use histogen::models::{Draws, Latents, table};
use histogen::samplers::{Sampler, SamplerEntry};
use serde::{Deserialize, Serialize};

pub(super) static SAMPLER: SamplerEntry = SamplerEntry {
    name: "truncated",
    about: "latent vectors clipped to [-tau, tau]",
    fits: |model| model.latents().is_some(),
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[Range::above("tau", "", 0.0)]),
    build: |sampling| {
        let Settings { tau } = sampling.settings()?;
        let latents = sampling.model.latents();
        let latents = latents.context("the model has a latent space")?;
        Ok(Box::new(Truncated { latents, tau }))
    },
};

#[derive(Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// The largest entry of a latent vector.
    tau: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tau: 0.5 }
    }
}

struct Truncated<'a> {
    latents: &'a dyn Latents,
    tau: f32,
}

impl Sampler for Truncated<'_> {
    fn sample(&self, draws: &Draws<'_>) -> Result<Images> {
        let entries = draws
            .seeds
            .iter()
            .flat_map(|&seed| self.latents.latent(seed));
        let clipped: Vec<f32> = entries
            .map(|entry| entry.clamp(-self.tau, self.tau))
            .collect();
        self.latents.decode(&clipped, draws.classes)
    }
}
