//! Discriminator rejection sampling. Azadi, Olsson, Darrell, Goodfellow, Odena, 2019 (arXiv 1810.06758).
//!
//! A proposal x with log ratio D(x) = log p_real / p_generated is accepted with probability sigmoid(F), F = D - M - log(1 - exp(D - M -
//! epsilon)) - gamma (equation 8); M is the largest log ratio and gamma sets how many are accepted.
//!
//! What differs from the paper:
//! 1. M and gamma come from proposals of fixed seeds before the first image, and stay: the paper raises M and takes gamma anew with
//!    every batch, which makes an image depend on those drawn before it. A proposal above M counts as M.
//! 2. A seed has proposals of its own, at most `tries`; where none is accepted its best is taken. How often is said beside
//!    the number.
//! 3. `KeepTraining` trains the whole copy of the discriminator by cross-entropy. So a score of the hinge or of a Wasserstein critic
//!    becomes a log ratio too, for which the paper trains a further layer on frozen features.

use std::cell::Cell;

use anyhow::Context;
use documented::DocumentedFields;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::{Acceptance as Accepted, Sampler, SamplerEntry, Sampling};
use crate::config::{Range, Section};
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::linalg::quantile;
use crate::models::{Draws, GenerativeModel, KeptDiscriminator, table};
use crate::random::Random;
use crate::shutdown;

/// Proposals of the calibration at a time.
const BATCH: usize = 32;
/// The largest log ratio: a probability is kept between 1e-14 and 1 - 1e-14, as in the code of MH-GAN's authors.
const LARGEST: f64 = 32.236_191_301_916_64;

/// The registry's entry.
pub(super) const SAMPLER: SamplerEntry = SamplerEntry {
    name: "rejection",
    about: "proposals accepted by the discriminator's log ratio (Azadi et al. 2019)",
    fits: |model| model.keep_training().is_some(),
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[
        Range::between("steps", "steps", 0.0, 1e9).hint("set 0 to take the discriminator as it is"),
        Range::between("burn_in", "images", 2.0, 1e8),
        Range::between("percentile", "percent", 1.0, 99.999)
            .hint("a percentile is of 100: set 80, not 0.8"),
        Range::between("gamma", "", -1000.0, 1000.0),
        Range::between("epsilon", "", 1e-14, 1.0),
        Range::between("tries", "proposals", 1.0, 1e6),
    ]),
    keep_training: |settings| steps(settings),
    build: |sampling| Ok(Box::new(Rejecting::new(sampling)?)),
};

/// Where gamma comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GammaFrom {
    Percentile,
    Number,
}

/// The settings of `samplers.rejection`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Steps for which a copy of the discriminator is trained further while the generator stands still; 0 takes it as it is.
    steps: u64,
    /// Proposals that M and gamma are found on.
    burn_in: u64,
    /// Where gamma comes from: the `percentile` of F, or the `number` below.
    gamma_from: GammaFrom,
    /// The percentile of F without gamma that becomes gamma: a proposal there is accepted every second time.
    percentile: f64,
    /// Gamma itself, where it is a number.
    gamma: f64,
    /// Epsilon of equation 8.
    epsilon: f64,
    /// Most proposals for an image; its best is taken where none is accepted.
    tries: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: 1000,
            burn_in: 10_000,
            gamma_from: GammaFrom::Percentile,
            percentile: 95.0,
            gamma: 0.0,
            epsilon: 1e-8,
            tries: 100,
        }
    }
}

fn steps(settings: &Table) -> u64 {
    let steps = settings.get("steps").and_then(toml::Value::as_integer);
    steps.map_or(Settings::default().steps, |steps| steps.max(0) as u64)
}

/// Where log ratios come from.
enum LogRatios<'a> {
    /// A copy of the discriminator that was trained further.
    Kept(&'a dyn KeptDiscriminator),
    /// The model's discriminator as it is.
    Own(&'a dyn GenerativeModel),
}

impl<'a> LogRatios<'a> {
    fn of(sampling: &Sampling<'a>, steps: u64) -> Result<Self> {
        if steps > 0 {
            return sampling.kept.map(Self::Kept).ok_or_else(|| {
                refuse(
                    "rejection wants the discriminator trained further, which takes the run's real images",
                    "draw within an experiment (`histogen reproduce`), or set `samplers.rejection.steps` to 0",
                )
            });
        }
        let Some(discriminator) = sampling.model.discriminator() else {
            return Err(refuse(
                "the discriminator normalises by the batch: its score of an image depends on the images beside it",
                "set `samplers.rejection.steps` above 0, for example to 1000: what is trained further has statistics of its own",
            ));
        };
        if discriminator.log_ratio(0.0).is_none() {
            return Err(refuse(
                "the discriminator's score is no log ratio: it was trained by the hinge or as a Wasserstein critic",
                "set `samplers.rejection.steps` above 0, for example to 1000: what is trained further learns by cross-entropy",
            ));
        }
        Ok(Self::Own(sampling.model))
    }

    fn of_images(&self, images: &Images) -> Result<Vec<f64>> {
        let ratios = match self {
            Self::Kept(kept) => kept.log_ratios(images)?,
            Self::Own(model) => {
                let discriminator = model.discriminator().context("a discriminator")?;
                let scores = discriminator.assess(images)?.scores.into_iter();
                let ratios = scores.map(|score| discriminator.log_ratio(f64::from(score)));
                ratios.collect::<Option<_>>().context("a log ratio")?
            }
        };
        let bounded = ratios
            .into_iter()
            .map(|ratio| ratio.clamp(-LARGEST, LARGEST));
        Ok(bounded.collect())
    }
}

/// What a log ratio is accepted by.
#[derive(Clone, Copy, Debug)]
struct Acceptance {
    /// M.
    bound: f64,
    gamma: f64,
    epsilon: f64,
}

impl Acceptance {
    /// That of the burn-in's log ratios.
    fn calibrated(ratios: &[f64], settings: &Settings) -> Self {
        let bound = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut acceptance = Self {
            bound,
            gamma: 0.0,
            epsilon: settings.epsilon,
        };
        acceptance.gamma = match settings.gamma_from {
            GammaFrom::Number => settings.gamma,
            GammaFrom::Percentile => {
                let logits = ratios.iter().map(|&ratio| acceptance.logit(ratio));
                let mut logits: Vec<f64> = logits.collect();
                logits.sort_by(f64::total_cmp);
                quantile(&logits, settings.percentile / 100.0)
            }
        };
        acceptance
    }

    /// F of equation 8.
    fn logit(&self, ratio: f64) -> f64 {
        let below = ratio.min(self.bound) - self.bound;
        below - (-(below - self.epsilon).exp_m1()).ln() - self.gamma
    }

    fn probability(&self, ratio: f64) -> f64 {
        1.0 / (1.0 + (-self.logit(ratio)).exp())
    }
}

struct Rejecting<'a> {
    model: &'a dyn GenerativeModel,
    log_ratios: LogRatios<'a>,
    acceptance: Acceptance,
    tries: u64,
    /// Images drawn, proposals made for them, and images that none was accepted for.
    drawn: Cell<u64>,
    proposals: Cell<u64>,
    fallbacks: Cell<u64>,
}

impl<'a> Rejecting<'a> {
    fn new(sampling: &Sampling<'a>) -> Result<Self> {
        let settings: Settings = sampling.settings()?;
        let log_ratios = LogRatios::of(sampling, settings.steps)?;
        // The log ratios of fixed proposals, classes in turn.
        let seeds: Vec<u64> = (0..settings.burn_in)
            .map(|number| proposal(u64::MAX, number))
            .collect();
        let classes: Vec<usize> = (0..seeds.len())
            .map(|index| index % sampling.classes.max(1))
            .collect();
        let mut ratios = Vec::with_capacity(seeds.len());
        for (seeds, classes) in seeds.chunks(BATCH).zip(classes.chunks(BATCH)) {
            shutdown::check()?;
            let images = sampling.model.sample(&Draws {
                seeds,
                classes,
                inputs: None,
            })?;
            ratios.extend(log_ratios.of_images(&images)?);
        }
        Ok(Self {
            model: sampling.model,
            log_ratios,
            acceptance: Acceptance::calibrated(&ratios, &settings),
            tries: settings.tries,
            drawn: Cell::new(0),
            proposals: Cell::new(0),
            fallbacks: Cell::new(0),
        })
    }
}

/// The seed of the proposal number `number` for the image of `seed`.
fn proposal(seed: u64, number: u64) -> u64 {
    let mut stream = Random::new(seed).at(number).stream("proposal");
    (stream.uniform() * 2f64.powi(53)) as u64
}

/// The best proposal for an image so far.
struct Best {
    ratio: f64,
    values: Vec<f32>,
    accepted: bool,
}

impl Sampler for Rejecting<'_> {
    fn sample(&self, draws: &Draws<'_>) -> Result<Images> {
        let mut found: Vec<Option<Best>> = draws.seeds.iter().map(|_| None).collect();
        let (mut size, mut channels) = (0, 0);
        for number in 0..self.tries {
            let is_open = |&place: &usize| !found[place].as_ref().is_some_and(|best| best.accepted);
            let open: Vec<usize> = (0..draws.seeds.len()).filter(is_open).collect();
            if open.is_empty() {
                break;
            }
            shutdown::check()?;
            // The next proposal of every image that has none yet.
            let seeds: Vec<u64> = open
                .iter()
                .map(|&place| proposal(draws.seeds[place], number))
                .collect();
            let of_open = |place: &usize| draws.classes.get(*place).copied();
            let classes: Vec<usize> = open.iter().filter_map(of_open).collect();
            let images = self.model.sample(&Draws {
                seeds: &seeds,
                classes: &classes,
                inputs: None,
            })?;
            (size, channels) = (images.size, images.channels);
            let ratios = self.log_ratios.of_images(&images)?;
            let each = images.values.chunks_exact(channels * size * size);
            for ((&place, values), ratio) in open.iter().zip(each).zip(ratios) {
                let random = Random::new(draws.seeds[place]).at(number);
                let chance = random.stream("rejection").uniform();
                let accepted = chance <= self.acceptance.probability(ratio);
                let best = &mut found[place];
                if accepted || best.as_ref().is_none_or(|best| ratio > best.ratio) {
                    let values = values.to_vec();
                    *best = Some(Best {
                        ratio,
                        values,
                        accepted,
                    });
                }
            }
            self.proposals.set(self.proposals.get() + open.len() as u64);
        }
        let found: Vec<Best> = found.into_iter().flatten().collect();
        let fallbacks = found.iter().filter(|best| !best.accepted).count();
        self.fallbacks.set(self.fallbacks.get() + fallbacks as u64);
        self.drawn.set(self.drawn.get() + found.len() as u64);
        let values = found.into_iter().flat_map(|best| best.values);
        Ok(Images::new(
            draws.seeds.len(),
            channels,
            size,
            values.collect(),
        ))
    }

    fn acceptance(&self) -> Option<Accepted> {
        let accepted = Accepted {
            images: self.drawn.get(),
            proposals: self.proposals.get(),
            fallbacks: self.fallbacks.get(),
        };
        (accepted.proposals > 0).then_some(accepted)
    }

    fn note(&self) -> String {
        let Some(accepted) = self.acceptance() else {
            return String::new();
        };
        format!(
            "rejection accepted {:.1} % of the proposals; {} of {} images are the best of {} that were all refused",
            100.0 * accepted.rate(),
            accepted.fallbacks,
            accepted.images,
            self.tries
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATIOS: [f64; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];

    fn acceptance(gamma: f64, epsilon: f64) -> Acceptance {
        Acceptance {
            bound: 2.5,
            gamma,
            epsilon,
        }
    }

    fn probabilities(acceptance: Acceptance) -> Vec<f64> {
        RATIOS
            .iter()
            .map(|&ratio| acceptance.probability(ratio))
            .collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{found}, expected {expected}"
            );
        }
    }

    /// Without gamma and epsilon p = exp(D - M): rejection sampling. Closed forms in f64.
    #[test]
    fn without_gamma_it_is_rejection_sampling() {
        let plain = acceptance(0.0, 1e-8);
        let logits: Vec<f64> = RATIOS.iter().map(|&ratio| plain.logit(ratio)).collect();
        close(
            &logits,
            &[-4.488_829, -3.469_337, -2.414_350, -1.247_518, 0.432_752],
        );
        let exact: Vec<f64> = RATIOS.iter().map(|ratio| (ratio - 2.5).exp()).collect();
        close(&probabilities(plain), &exact);
        close(
            &exact,
            &[0.011_109, 0.030_197, 0.082_085, 0.223_130, 0.606_531],
        );
    }

    #[test]
    fn gamma_by_percentile_accepts_what_lies_there_every_second_time() {
        let logits: Vec<f64> = RATIOS
            .iter()
            .map(|&ratio| acceptance(0.0, 1e-8).logit(ratio))
            .collect();
        for (percent, gamma, expected) in [
            (
                50.0,
                -2.414_350,
                [0.111_602, 0.258_268, 0.5, 0.762_572, 0.945_169],
            ),
            (
                80.0,
                -0.911_464,
                [0.027_189, 0.071_899, 0.181_995, 0.416_768, 0.793_182],
            ),
        ] {
            let found = quantile(&logits, percent / 100.0);
            close(&[found], &[gamma]);
            close(&probabilities(acceptance(found, 1e-8)), &expected);
        }
        let found = quantile(&logits, 0.95);
        let rates = probabilities(acceptance(found, 1e-8));
        close(
            &[found, rates[0], rates[4]],
            &[0.096_698, 0.010_095, 0.583_232],
        );
        close(&[rates.iter().sum::<f64>() / 5.0], &[0.180_545]);
        // What a percentile of 0.8 would do, and does not: it is refused.
        let slip = probabilities(acceptance(quantile(&logits, 0.8 / 100.0), 1e-8));
        close(&[slip.iter().sum::<f64>() / 5.0], &[0.811_825]);
    }

    #[test]
    fn at_the_bound_it_is_finite_and_above_it_no_more() {
        for (epsilon, expected) in [(1e-8, 18.42), (1e-6, 13.82), (1e-3, 6.91)] {
            let acceptance = acceptance(0.0, epsilon);
            assert!((acceptance.logit(2.5) - expected).abs() < 0.01);
            assert!((acceptance.logit(9.0) - acceptance.logit(2.5)).abs() < 1e-12);
        }
        let settings = Settings::default();
        let rates = |shift: f64| {
            let ratios: Vec<f64> = RATIOS.iter().map(|ratio| ratio + shift).collect();
            let found = Acceptance::calibrated(&ratios, &settings);
            ratios
                .iter()
                .map(|&ratio| found.probability(ratio))
                .collect::<Vec<_>>()
        };
        close(&rates(3.0), &rates(0.0));
        assert!(rates(0.0).is_sorted());
    }

    /// Proposals from N(0, 4) for N(0, 1): the ratio is 2 exp(-3 x^2 / 8), M = log 2, the rate 1/2, the variance of what is accepted 1.
    #[test]
    fn a_known_ratio_makes_the_wanted_distribution() {
        let exact = Acceptance {
            bound: 2.0f64.ln(),
            gamma: 0.0,
            epsilon: 1e-12,
        };
        let mut stream = Random::new(0).stream("test");
        let mut accepted = Vec::new();
        for _ in 0..100_000 {
            let x = 2.0 * stream.normal();
            let ratio = 2.0f64.ln() - 3.0 * x * x / 8.0;
            if stream.uniform() <= exact.probability(ratio) {
                accepted.push(x);
            }
        }
        let count = accepted.len() as f64;
        assert!((count / 100_000.0 - 0.5).abs() < 0.01, "{count}");
        let variance = accepted.iter().map(|x| x * x).sum::<f64>() / count;
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }
}
