//! Discriminator rejection sampling. Azadi, Olsson, Darrell, Goodfellow, Odena, 2019 (arXiv 1810.06758), with the bound and
//! gamma from a calibration over fixed seeds, so that an image depends on its own seed alone.

use anyhow::Context;
use documented::DocumentedFields;
use histogen::config::{Range, Section};
use histogen::error::Result;
use histogen::images::Images;
use histogen::models::{Discriminator, Draws, GenerativeModel, table};
use histogen::random::Random;
use histogen::samplers::{Sampler, SamplerEntry};
use serde::{Deserialize, Serialize};

pub(super) static SAMPLER: SamplerEntry = SamplerEntry {
    name: "rejection",
    about: "proposals accepted by the discriminator's log ratio",
    fits: |model| {
        let score = model
            .discriminator()
            .map(|discriminator| discriminator.log_ratio(0.0));
        score.flatten().is_some()
    },
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[
        Range::at_least("tries", "proposals", 1.0),
        Range::at_least("calibration", "images", 1.0),
    ]),
    build: |sampling| {
        let Settings { tries, calibration } = sampling.settings()?;
        let discriminator = sampling.model.discriminator();
        let mut sampler = Rejecting {
            model: sampling.model,
            discriminator: discriminator.context("the model has a discriminator")?,
            tries,
            bound: 0.0,
            gamma: 0.0,
        };
        // The bound of the log ratio, and gamma so that an image of median ratio is accepted every second time.
        let seeds: Vec<u64> = (0..calibration)
            .map(|seed| proposal(u64::MAX, seed))
            .collect();
        let classes: Vec<usize> = (0..seeds.len())
            .map(|index| index % sampling.classes.max(1))
            .collect();
        let images = sampling.model.sample(&Draws {
            seeds: &seeds,
            classes: &classes,
            inputs: None,
        })?;
        let mut ratios = sampler.log_ratios(&images)?;
        ratios.sort_by(f64::total_cmp);
        sampler.bound = ratios[ratios.len() - 1];
        sampler.gamma = sampler.excess(ratios[ratios.len() / 2]);
        Ok(Box::new(sampler))
    },
};

#[derive(Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Proposals for an image; the last is taken where none is accepted.
    tries: u64,
    /// Seeds of the calibration.
    calibration: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tries: 4,
            calibration: 16,
        }
    }
}

struct Rejecting<'a> {
    model: &'a dyn GenerativeModel,
    discriminator: &'a dyn Discriminator,
    tries: u64,
    bound: f64,
    gamma: f64,
}

impl Rejecting<'_> {
    fn log_ratios(&self, images: &Images) -> Result<Vec<f64>> {
        let scores = self.discriminator.assess(images)?.scores.into_iter();
        let ratios = scores.map(|score| self.discriminator.log_ratio(f64::from(score)));
        Ok(ratios.map(|ratio| ratio.expect("it fits")).collect())
    }

    /// F of the paper without gamma (equation 8), below the bound.
    fn excess(&self, ratio: f64) -> f64 {
        let below = (ratio - self.bound - 1e-6).min(-1e-6);
        below - (-below.exp_m1()).ln()
    }

    fn accepts(&self, ratio: f64, seed: u64) -> bool {
        let f = self.excess(ratio) - self.gamma;
        Random::new(seed).stream("rejection").uniform() <= 1.0 / (1.0 + (-f).exp())
    }
}

/// The seed of the proposal number `number` for the image of `seed`.
fn proposal(seed: u64, number: u64) -> u64 {
    let mut stream = Random::new(seed).at(number).stream("proposal");
    (stream.uniform() * 2f64.powi(53)) as u64
}

impl Sampler for Rejecting<'_> {
    fn sample(&self, draws: &Draws<'_>) -> Result<Images> {
        let mut accepted = Vec::new();
        for (index, &seed) in draws.seeds.iter().enumerate() {
            let class = draws.classes.get(index..=index).unwrap_or(&[]);
            for number in 0..self.tries {
                let seed = proposal(seed, number);
                let images = self.model.sample(&Draws {
                    seeds: &[seed],
                    classes: class,
                    inputs: None,
                })?;
                let ratio = self.log_ratios(&images)?[0];
                if number + 1 == self.tries || self.accepts(ratio, seed) {
                    accepted.push(images);
                    break;
                }
            }
        }
        let (channels, size) = (accepted[0].channels, accepted[0].size);
        let values = accepted.iter().flat_map(|images| images.values.clone());
        Ok(Images::new(
            accepted.len(),
            channels,
            size,
            values.collect(),
        ))
    }
}
