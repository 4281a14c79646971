//! The model's own way, as its paper draws images.

use toml::Table;

use super::{Sampler, SamplerEntry};
use crate::config::Section;
use crate::error::Result;
use crate::images::Images;
use crate::models::{Draws, GenerativeModel};

/// The registry's entry.
pub(super) const SAMPLER: SamplerEntry = SamplerEntry {
    name: "plain",
    about: "the model's own way: one pass from the prior, or ancestral sampling from noise",
    fits: |_| true,
    settings: Table::new,
    section: Section::EMPTY,
    keep_training: |_| 0,
    build: |sampling| Ok(Box::new(Plain(sampling.model))),
};

pub(super) struct Plain<'a>(pub(super) &'a dyn GenerativeModel);

impl Sampler for Plain<'_> {
    fn sample(&self, draws: &Draws<'_>) -> Result<Images> {
        self.0.sample(draws)
    }
}
