//! Diffusion: how much noise each level has, and the way back from noise to images.

use burn::tensor::{Device, Tensor, TensorData};

use super::{Draws, to_images};
use crate::error::Result;
use crate::images::Images;
use crate::random::Random;
use crate::shutdown;

/// How much of the image and how much noise there is at each level.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSchedule {
    /// beta_t, the variance added at level t, counted from 0.
    pub beta: Vec<f64>,
    /// The product of 1 - beta up to and including t, the paper's alpha-bar.
    pub signal: Vec<f64>,
}

impl NoiseSchedule {
    /// beta rises linearly from `start` to `end` (Ho et al. 2020, section 4).
    pub fn linear(levels: usize, start: f64, end: f64) -> Self {
        let last = (levels.max(2) - 1) as f64;
        let beta: Vec<f64> = (0..levels)
            .map(|level| start + (end - start) * level as f64 / last)
            .collect();
        let signal = beta
            .iter()
            .scan(1.0, |product, beta| {
                *product *= 1.0 - beta;
                Some(*product)
            })
            .collect();
        Self { beta, signal }
    }

    /// How many levels there are, T in the paper.
    pub fn levels(&self) -> usize {
        self.beta.len()
    }
}

/// A model that predicts the noise in images.
pub trait Denoiser {
    /// Its noise schedule.
    fn schedule(&self) -> &NoiseSchedule;

    /// The noise in `images`, [n, channels, size, size], that stand at `level`.
    fn predict(&self, images: Tensor<4>, level: usize) -> Tensor<4>;

    /// Channels, height and width of an image.
    fn shape(&self) -> [usize; 3];

    /// Where it computes, without automatic differentiation.
    fn device(&self) -> Device;
}

/// One step of a reverse process, from images at `level` to `next`.
pub struct ReverseStep<'a> {
    /// The noise schedule.
    pub schedule: &'a NoiseSchedule,
    /// Where the images are.
    pub level: usize,
    /// The level they go to, below it.
    pub next: usize,
    /// The images at `level`.
    pub images: Tensor<4>,
    /// The image that the predicted noise implies, clipped to [-1, 1].
    pub clean: Tensor<4>,
    /// Draws N(0, 1) for every entry, of the images' own seeds.
    pub noise: &'a dyn Fn() -> Tensor<4>,
}

/// Goes from noise at the first of `levels` down through the others, by `step`, and from the last to the clean image. All
/// randomness of an image comes from its seed.
///
/// # Errors
/// A signal asked the program to stop; the device lost the images.
pub fn reverse(
    denoiser: &dyn Denoiser,
    draws: &Draws<'_>,
    levels: &[usize],
    step: &dyn Fn(ReverseStep<'_>) -> Tensor<4>,
) -> Result<Images> {
    let [channels, height, width] = denoiser.shape();
    let (device, schedule) = (denoiser.device(), denoiser.schedule());
    let shape = [draws.seeds.len(), channels, height, width];
    let noise = |name: &str, level: usize| {
        let of_seed = |&seed: &u64| {
            let mut stream = Random::new(seed).at(level as u64).stream(name);
            stream.normals(channels * height * width)
        };
        let values: Vec<f32> = draws.seeds.iter().flat_map(of_seed).collect();
        Tensor::<4>::from_data(TensorData::new(values, shape), &device)
    };
    let mut images = noise("sample", 0);
    for (index, &level) in levels.iter().enumerate() {
        shutdown::check()?; // a thousand levels take minutes
        let predicted = denoiser.predict(images.clone(), level);
        let signal = schedule.signal[level];
        // Kept in range as in the authors' code.
        let clean = (images.clone() - predicted.mul_scalar((1.0 - signal).sqrt()))
            .div_scalar(signal.sqrt())
            .clamp(-1.0, 1.0);
        images = match levels.get(index + 1) {
            None => clean,
            Some(&next) => step(ReverseStep {
                schedule,
                level,
                next,
                images,
                clean,
                noise: &|| noise("sample/noise", level),
            }),
        };
    }
    to_images(images)
}

/// Ancestral sampling through every level (Ho et al. 2020, Algorithm 2).
///
/// # Errors
/// Those of [`reverse`].
pub fn ancestral(denoiser: &dyn Denoiser, draws: &Draws<'_>) -> Result<Images> {
    let levels: Vec<usize> = (0..denoiser.schedule().levels()).rev().collect();
    reverse(denoiser, draws, &levels, &ancestral_step)
}

/// A draw from the posterior: equations 6 and 7, with the variance beta (section 3.2).
fn ancestral_step(step: ReverseStep<'_>) -> Tensor<4> {
    let beta = step.schedule.beta[step.level];
    let (of_clean, of_noisy) = posterior_mean(step.schedule, step.level);
    step.clean.mul_scalar(of_clean)
        + step.images.mul_scalar(of_noisy)
        + (step.noise)().mul_scalar(beta.sqrt())
}

/// The weights of the clean and of the noisy image in the mean of the posterior at `level` - 1 (equation 7).
fn posterior_mean(schedule: &NoiseSchedule, level: usize) -> (f64, f64) {
    let (beta, signal) = (schedule.beta[level], schedule.signal[level]);
    let next_signal = schedule.signal[level - 1];
    (
        next_signal.sqrt() * beta / (1.0 - signal),
        (1.0 - beta).sqrt() * (1.0 - next_signal) / (1.0 - signal),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linear_schedule_has_the_known_constants() {
        let schedule = NoiseSchedule::linear(1000, 1e-4, 0.02);
        for (level, expected) in [
            (0, 0.9999),
            (499, 0.078_587_242_882),
            (999, 4.035_829_765e-5),
        ] {
            let found = schedule.signal[level];
            assert!((found / expected - 1.0).abs() < 1e-9, "{level}: {found}");
        }
    }

    #[test]
    fn the_posterior_keeps_the_marginal() {
        // Ho et al., equations 4, 6 and 7: mixing a clean and a noisy image and adding the posterior's variance gives the
        // next level's signal and noise.
        let schedule = NoiseSchedule::linear(1000, 1e-4, 0.02);
        for level in [1, 10, 500, 999] {
            let (signal, next) = (schedule.signal[level], schedule.signal[level - 1]);
            let (of_clean, of_noisy) = posterior_mean(&schedule, level);
            let mean = of_clean + of_noisy * signal.sqrt();
            assert!((mean - next.sqrt()).abs() < 1e-12);
            let posterior = schedule.beta[level] * (1.0 - next) / (1.0 - signal);
            let variance = of_noisy.powi(2) * (1.0 - signal) + posterior;
            assert!((variance - (1.0 - next)).abs() < 1e-12);
        }
    }
}
