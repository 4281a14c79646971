//! Ways to draw from a trained model. How an image was drawn is part of a number's protocol and of no run: another sampler
//! measures again and trains nothing.
//!
//! Adding one is one new file and one line in [`SAMPLERS`].

mod ancestral;
mod ddim;
mod plain;
mod rejection;
mod truncated;

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;
use toml::{Table, Value};

use crate::config::Section;
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::models::{Draws, GenerativeModel, KeptDiscriminator};
use crate::registry::{Named, Registry};

/// A way to draw from one model.
pub trait Sampler {
    /// One image per entry of `draws`, values in [-1, 1]. An entry gives the same image whatever the batch.
    ///
    /// # Errors
    /// Those of [`GenerativeModel::sample`].
    fn sample(&self, draws: &Draws<'_>) -> Result<Images>;

    /// How many proposals were accepted for the images drawn so far, of a sampler that refuses some.
    fn acceptance(&self) -> Option<Acceptance> {
        None
    }

    /// What a reader of a number must know of the images drawn so far, in a clause; empty if nothing.
    fn note(&self) -> String {
        String::new()
    }
}

/// How many proposals a sampler accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Images that were drawn.
    pub images: u64,
    /// Proposals for them.
    pub proposals: u64,
    /// Images none of whose proposals was accepted.
    pub fallbacks: u64,
}

impl Acceptance {
    /// Accepted proposals over all, 0 to 1.
    pub fn rate(&self) -> f64 {
        (self.images - self.fallbacks) as f64 / self.proposals as f64
    }

    /// Images without an accepted proposal over all, 0 to 1.
    pub fn fallback_rate(&self) -> f64 {
        self.fallbacks as f64 / self.images as f64
    }
}

/// What a sampler is built from.
pub struct Sampling<'a> {
    /// The model to draw from.
    pub model: &'a dyn GenerativeModel,
    /// The sampler's settings.
    pub settings: &'a Table,
    /// How many classes the model makes images of; 0 or 1 for a task without.
    pub classes: usize,
    /// A copy of the model's discriminator that was trained further, where the entry asks for one.
    pub kept: Option<&'a dyn KeptDiscriminator>,
}

impl Sampling<'_> {
    /// The settings as the struct that the sampler's file defines.
    ///
    /// # Errors
    /// A key is unknown, or a value of the wrong type.
    pub fn settings<T: for<'de> Deserialize<'de>>(&self) -> Result<T> {
        T::deserialize(Value::Table(self.settings.clone())).map_err(|error| {
            refuse(
                format!("settings of the sampler: {}", error.message()),
                "`histogen list samplers` shows them and their defaults",
            )
        })
    }
}

/// One entry of the registry.
pub struct SamplerEntry {
    /// The name in settings and protocols.
    pub name: &'static str,
    /// What it is, in a line, and where it is from.
    pub about: &'static str,
    /// Whether it can draw from a model.
    pub fits: fn(&dyn GenerativeModel) -> bool,
    /// Its settings and their defaults.
    pub settings: fn() -> Table,
    /// What they are, and the ranges of the numbers among them.
    pub section: Section,
    /// For how many steps a copy of the model's discriminator is to be trained further first; 0 for samplers without one.
    pub keep_training: fn(&Table) -> u64,
    /// Builds it for a model that it fits.
    pub build: for<'a> fn(&Sampling<'a>) -> Result<Box<dyn Sampler + 'a>>,
}

impl Named for SamplerEntry {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// All samplers.
pub static SAMPLERS: Registry<SamplerEntry> = Registry::new(
    "sampler",
    &[
        &plain::SAMPLER,
        &truncated::SAMPLER,
        &rejection::SAMPLER,
        &ancestral::SAMPLER,
        &ddim::SAMPLER,
    ],
);

/// Every sampler's settings with their defaults, by sampler: the `samplers` section of a configuration.
pub fn settings() -> BTreeMap<String, Table> {
    let samplers = SAMPLERS.all().into_iter();
    samplers
        .map(|sampler| (sampler.name.to_owned(), (sampler.settings)()))
        .collect()
}

/// The samplers of an evaluation, by name and with their settings: a model is drawn from by the first that fits it, or else
/// plainly.
#[derive(Clone, Default)]
pub struct Samplers(Vec<(&'static SamplerEntry, Table)>);

impl Samplers {
    /// Those called `names`, with the settings that `settings` has of each.
    ///
    /// # Errors
    /// A name is unknown.
    pub fn new(names: &[String], settings: &BTreeMap<String, Table>) -> Result<Self> {
        let known = names.iter().map(|name| {
            let entry = SAMPLERS.find(name)?;
            let settings = settings.get(name).cloned();
            Ok((entry, settings.unwrap_or_else(entry.settings)))
        });
        Ok(Self(known.collect::<Result<_>>()?))
    }

    /// Whether one of them fits `model`.
    pub fn fits(&self, model: &dyn GenerativeModel) -> bool {
        self.fitting(model).is_some()
    }

    fn fitting(&self, model: &dyn GenerativeModel) -> Option<&(&'static SamplerEntry, Table)> {
        self.0.iter().find(|(entry, _)| (entry.fits)(model))
    }

    /// Those among them that need nothing trained: what grids of a training are drawn by.
    #[must_use]
    pub fn without_training(&self) -> Self {
        let all = self.0.iter();
        let kept = all.filter(|(entry, settings)| (entry.keep_training)(settings) == 0);
        Self(kept.cloned().collect())
    }

    /// Whether any of them needs something trained first.
    pub fn trains(&self) -> bool {
        let mut all = self.0.iter();
        all.any(|(entry, settings)| (entry.keep_training)(settings) > 0)
    }

    /// For how many steps a copy of the discriminator of `model` is to be trained further before images are drawn; 0 for none.
    pub fn keep_training(&self, model: &dyn GenerativeModel) -> u64 {
        let fitting = self.fitting(model);
        fitting.map_or(0, |(entry, settings)| (entry.keep_training)(settings))
    }

    /// The one that draws from `model`, which makes images of `classes` classes; `kept` is the copy of its discriminator that
    /// [`Self::keep_training`] asks for.
    ///
    /// # Errors
    /// Its settings are out of range; what it needs of the model cannot be computed.
    pub fn of<'a>(
        &'a self,
        model: &'a dyn GenerativeModel,
        classes: usize,
        kept: Option<&'a dyn KeptDiscriminator>,
    ) -> Result<Box<dyn Sampler + 'a>> {
        let Some((entry, settings)) = self.fitting(model) else {
            return Ok(Box::new(plain::Plain(model)));
        };
        (entry.build)(&Sampling {
            model,
            settings,
            classes,
            kept,
        })
        .with_context(|| format!("sampler `{}`", entry.name))
    }

    /// The samplers and their settings as protocols have them; empty for plain ones alone.
    pub fn describe(&self) -> String {
        let described = self
            .0
            .iter()
            .filter(|(entry, _)| entry.name != plain::SAMPLER.name);
        let described = described.map(|(entry, settings)| {
            let pairs: Vec<String> = settings
                .iter()
                .map(|(key, value)| format!("{key} = {value}"))
                .collect();
            match pairs.len() {
                0 => entry.name.to_owned(),
                _ => format!("{} ({})", entry.name, pairs.join(", ")),
            }
        });
        described.collect::<Vec<_>>().join(", ")
    }
}
