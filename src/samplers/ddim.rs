//! DDIM. Song, Meng, Ermon: Denoising Diffusion Implicit Models, 2021 (arXiv 2010.02502), with eta = 0.

use anyhow::Context;
use burn::tensor::Tensor;
use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::{Sampler, SamplerEntry};
use crate::config::{Range, Section};
use crate::error::Result;
use crate::images::Images;
use crate::models::diffusion::{Denoiser, ReverseStep, reverse};
use crate::models::{Draws, table};

/// The registry's entry.
pub(super) const SAMPLER: SamplerEntry = SamplerEntry {
    name: "ddim",
    about: "few noise levels of a diffusion model, without noise (Song et al. 2021, eta = 0)",
    fits: |model| model.denoiser().is_some(),
    settings: || table(&Settings::default()),
    section: Section::of::<Settings>(&[Range::between("steps", "levels", 1.0, 1e6)]),
    keep_training: |_| 0,
    build: |sampling| {
        let Settings { steps } = sampling.settings()?;
        let denoiser = sampling.model.denoiser();
        let denoiser = denoiser.context("the model predicts no noise")?;
        let levels = visited(denoiser.schedule().levels(), steps);
        Ok(Box::new(Ddim { denoiser, levels }))
    },
};

/// The settings of `samplers.ddim`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// How many noise levels are visited; all of them where the model has fewer.
    steps: usize,
}

impl Default for Settings {
    /// The least that Song et al. report as close to the full process (table 1: 50).
    fn default() -> Self {
        Self { steps: 50 }
    }
}

struct Ddim<'a> {
    denoiser: &'a dyn Denoiser,
    levels: Vec<usize>,
}

impl Sampler for Ddim<'_> {
    fn sample(&self, draws: &Draws<'_>) -> Result<Images> {
        reverse(self.denoiser, draws, &self.levels, &step)
    }
}

/// `steps` of `levels` levels, evenly spaced, from the noisiest down.
fn visited(levels: usize, steps: usize) -> Vec<usize> {
    let steps = steps.min(levels);
    (0..steps)
        .rev()
        .map(|step| ((step + 1) * levels).div_ceil(steps) - 1)
        .collect()
}

/// Equation 12 with sigma = 0.
fn step(step: ReverseStep<'_>) -> Tensor<4> {
    let (signal, next_signal) = (
        step.schedule.signal[step.level],
        step.schedule.signal[step.next],
    );
    let direction = (step.images - step.clean.clone().mul_scalar(signal.sqrt()))
        .div_scalar((1.0 - signal).sqrt());
    step.clean.mul_scalar(next_signal.sqrt()) + direction.mul_scalar((1.0 - next_signal).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_spread_evenly_and_begin_with_the_noisiest() {
        assert_eq!(visited(1000, 4), [999, 749, 499, 249]);
        assert_eq!(visited(10, 3), [9, 6, 3]);
        assert_eq!(visited(3, 50), [2, 1, 0]);
    }
}
