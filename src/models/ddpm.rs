//! DDPM. Ho, Jain, Abbeel: Denoising Diffusion Probabilistic Models, 2020 (arXiv 2006.11239); its faster sampler is DDIM,
//! Song, Meng, Ermon: Denoising Diffusion Implicit Models, 2021 (arXiv 2010.02502).
//!
//! What differs from the paper:
//! 1. The decay of the average of the weights starts low and rises to its value, min(decay, (1 + n) / (10 + n)) after n
//!    steps, so that short trainings are not judged by their first weights.
//! 2. The learning rate has no warm-up and gradients are not clipped by norm, so that the optimiser is every system's.
//! 3. No horizontal flips: no system augments its real images.
//! 4. The width is `models.ddpm.width`, as the adversarial backbone's does not carry over.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use burn_optim::{GradientsParams, ModuleOptimizer};
use serde::{Deserialize, Serialize};

use super::adversarial::{adam, to_images};
use super::{Batch, Blueprint, GenerativeModel, Model, Scalars, table};
use crate::config::Optimiser;
use crate::device::{number, tensor};
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::nn::ema;
use crate::nn::parameters::Parameters;
use crate::nn::record::{load_module, load_optimiser, save_module, save_optimiser};
use crate::nn::unet::{UNet, UNetShape};
use crate::random::Random;
use crate::stop;

/// The registry's entry.
pub(super) const MODEL: Model = Model {
    name: "ddpm",
    paper: "Ho et al. 2020, arXiv 2006.11239",
    // Appendix B: Adam 2e-4 with the standard decays.
    canonical: Optimiser {
        beta1: 0.9,
        ..Optimiser::DCGAN
    },
    reads: &["ddpm"],
    rewarded: false,
    settings: || table(&Settings::default()),
    build: |blueprint| Ok(Box::new(Ddpm::new(blueprint)?)),
};

/// How images are drawn from the trained network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sampler {
    /// Ho et al., Algorithm 2: every step, with noise of variance beta.
    Ancestral,
    /// Song et al., equation 12 with eta = 0: `sampling_steps` steps, deterministic.
    Ddim,
}

/// The settings of `models.ddpm`. Defaults: appendix B of the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// T, the number of noise levels.
    timesteps: usize,
    /// Variance added at the first level.
    beta_start: f64,
    /// Variance added at the last level.
    beta_end: f64,
    /// Decay of the average of the weights.
    ema_decay: f64,
    /// `ancestral` or `ddim`.
    sampler: Sampler,
    /// Steps of the DDIM sampler.
    sampling_steps: usize,
    /// Feature maps at full size.
    width: usize,
    /// Feature maps at each level, as multiples of `width`.
    multipliers: Vec<usize>,
    /// Residual blocks per level.
    blocks: usize,
    /// Heights of the feature maps with self-attention.
    attention: Vec<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timesteps: 1000,
            beta_start: 1e-4,
            beta_end: 0.02,
            ema_decay: 0.9999,
            sampler: Sampler::Ancestral,
            sampling_steps: 50,
            width: 128,
            multipliers: vec![1, 2, 2, 2],
            blocks: 2,
            attention: vec![16],
        }
    }
}

/// The linear schedule: how much of the image and how much noise there is at each level.
#[derive(Clone, Debug, PartialEq)]
struct Schedule {
    /// beta_t
    beta: Vec<f64>,
    /// The product of 1 - beta up to and including t, the paper's alpha-bar.
    signal: Vec<f64>,
}

impl Schedule {
    fn linear(timesteps: usize, start: f64, end: f64) -> Self {
        let last = (timesteps.max(2) - 1) as f64;
        let beta: Vec<f64> = (0..timesteps)
            .map(|t| start + (end - start) * t as f64 / last)
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
}

struct Ddpm {
    network: UNet,
    average: UNet,
    adam: ModuleOptimizer,
    optimiser: Optimiser,
    steps: usize,
    settings: Settings,
    schedule: Schedule,
    size: usize,
    device: Device,
}

impl Ddpm {
    fn new(blueprint: &Blueprint<'_>) -> Result<Self> {
        let run = blueprint.run;
        let settings: Settings = run.settings("ddpm")?;
        check(&settings, run.image_size)?;
        let shape = UNetShape {
            size: run.image_size,
            width: settings.width,
            multipliers: settings.multipliers.clone(),
            blocks: settings.blocks,
            attention: settings.attention.clone(),
        };
        let parameters = Parameters::new("unet", blueprint.random(), blueprint.device);
        let network = UNet::new(&parameters, &shape);
        Ok(Self {
            average: network.valid(),
            network,
            adam: adam(&run.optimiser),
            optimiser: run.optimiser,
            steps: run.steps,
            schedule: Schedule::linear(settings.timesteps, settings.beta_start, settings.beta_end),
            settings,
            size: run.image_size,
            device: blueprint.device.clone(),
        })
    }

    /// The levels a sampler visits, from the noisiest down.
    fn visited(&self) -> Vec<usize> {
        let levels = self.settings.timesteps;
        match self.settings.sampler {
            Sampler::Ancestral => (0..levels).rev().collect(),
            Sampler::Ddim => {
                let steps = self.settings.sampling_steps.min(levels);
                (0..steps)
                    .rev()
                    .map(|step| ((step + 1) * levels).div_ceil(steps) - 1)
                    .collect()
            }
        }
    }
}

/// Refuses settings that no network can have.
fn check(settings: &Settings, size: usize) -> Result<()> {
    let halvings = settings.multipliers.len().saturating_sub(1);
    let problem = if settings.multipliers.is_empty() || settings.multipliers.contains(&0) {
        Some((
            "multipliers",
            "give at least one level, each at least 1".to_owned(),
        ))
    } else if !size.is_multiple_of(1 << halvings) {
        Some((
            "multipliers",
            format!("patches of {size} cannot be halved {halvings} times"),
        ))
    } else if settings.width < 4 || !settings.width.is_multiple_of(2) {
        Some(("width", "set an even number, at least 4".to_owned()))
    } else if settings.timesteps < 2 || settings.sampling_steps == 0 {
        Some((
            "timesteps",
            "set at least 2 `timesteps` and 1 of `sampling_steps`".to_owned(),
        ))
    } else {
        None
    };
    match problem {
        None => Ok(()),
        Some((key, hint)) => Err(refuse(format!("`models.ddpm.{key}` does not fit"), hint)),
    }
}

impl GenerativeModel for Ddpm {
    /// Algorithm 1 of the paper: |noise - network(sqrt(signal) x + sqrt(1 - signal) noise, t)|^2 at a random t per image.
    fn step(&mut self, batch: &Batch, random: Random) -> Result<Scalars> {
        let count = batch.images.count;
        let mut stream = random.stream("timesteps");
        let times: Vec<usize> = (0..count)
            .map(|_| stream.below(self.settings.timesteps))
            .collect();
        let shape = [count, 3, self.size, self.size];
        let noise = random.stream("noise").normals(shape.iter().product());
        let noise = Tensor::<4>::from_data(TensorData::new(noise, shape), &self.device);
        let column = |share: &dyn Fn(f64) -> f64| {
            let values: Vec<f32> = times
                .iter()
                .map(|&t| share(self.schedule.signal[t]).sqrt() as f32)
                .collect();
            Tensor::<4>::from_data(TensorData::new(values, [count, 1, 1, 1]), &self.device)
        };
        let noisy = tensor(&batch.images, &self.device) * column(&|signal| signal)
            + noise.clone() * column(&|signal| 1.0 - signal);
        let error = self.network.forward(noisy, &times) - noise;
        // Per image first: one sum over everything would depend on the number of threads.
        let errors: Tensor<2> = (error.clone() * error)
            .reshape([count as i32, -1])
            .mean_dim(1);
        let loss = errors.mean();
        let value = number(&loss);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        let network = self.network.clone();
        let rate = self
            .optimiser
            .learning_rate_at(random.position(), self.steps);
        self.network = self.adam.step(rate, network, gradients);
        let steps = random.position() as f64;
        let decay = self.settings.ema_decay.min((1.0 + steps) / (10.0 + steps));
        self.average = ema::follow(self.average.clone(), &self.network, decay);
        Ok(vec![("noise_loss".into(), value)])
    }

    fn sample(&self, seeds: &[u64]) -> Result<Images> {
        let shape = [seeds.len(), 3, self.size, self.size];
        let device = self.device.clone().without_autodiff();
        let noise = |name: &str, level: usize| {
            let values: Vec<f32> = seeds
                .iter()
                .flat_map(|&seed| {
                    let random = Random::new(seed).at(level as u64);
                    random.stream(name).normals(3 * self.size * self.size)
                })
                .collect();
            Tensor::<4>::from_data(TensorData::new(values, shape), &device)
        };
        let levels = self.visited();
        let mut images = noise("sample", 0);
        for (place, &level) in levels.iter().enumerate() {
            stop::check()?; // a thousand levels take minutes
            let predicted = self
                .average
                .forward(images.clone(), &vec![level; seeds.len()]);
            let signal = self.schedule.signal[level];
            // The image that the prediction implies, kept in range as in the authors' code.
            let clean = (images.clone() - predicted.mul_scalar((1.0 - signal).sqrt()))
                .div_scalar(signal.sqrt())
                .clamp(-1.0, 1.0);
            let Some(&next) = levels.get(place + 1) else {
                images = clean;
                break;
            };
            let next_signal = self.schedule.signal[next];
            images = match self.settings.sampler {
                Sampler::Ancestral => {
                    // Equations 6 and 7; the variance is beta (section 3.2).
                    let beta = self.schedule.beta[level];
                    let of_clean = next_signal.sqrt() * beta / (1.0 - signal);
                    let of_noisy = (1.0 - beta).sqrt() * (1.0 - next_signal) / (1.0 - signal);
                    clean.mul_scalar(of_clean)
                        + images.mul_scalar(of_noisy)
                        + noise("sample/noise", level).mul_scalar(beta.sqrt())
                }
                Sampler::Ddim => {
                    let direction = (images - clean.clone().mul_scalar(signal.sqrt()))
                        .div_scalar((1.0 - signal).sqrt());
                    clean.mul_scalar(next_signal.sqrt())
                        + direction.mul_scalar((1.0 - next_signal).sqrt())
                }
            };
        }
        to_images(images, self.size)
    }

    fn save(&self, folder: &Path) -> Result<()> {
        save_module(&self.network, &folder.join("network.bpk"))?;
        save_module(&self.average, &folder.join("average.bpk"))?;
        save_optimiser(&self.adam, &folder.join("optimiser.bpk"))
    }

    fn load(&mut self, folder: &Path) -> Result<()> {
        self.network = load_module(&self.network, &folder.join("network.bpk"))?;
        self.average = load_module(&self.average, &folder.join("average.bpk"))?;
        self.adam = load_optimiser(&self.adam, &folder.join("optimiser.bpk"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linear_schedule_has_the_known_constants() {
        let schedule = Schedule::linear(1000, 1e-4, 0.02);
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
        let schedule = Schedule::linear(1000, 1e-4, 0.02);
        for level in [1, 10, 500, 999] {
            let (signal, next) = (schedule.signal[level], schedule.signal[level - 1]);
            let beta = schedule.beta[level];
            let of_clean = next.sqrt() * beta / (1.0 - signal);
            let of_noisy = (1.0 - beta).sqrt() * (1.0 - next) / (1.0 - signal);
            let mean = of_clean + of_noisy * signal.sqrt();
            assert!((mean - next.sqrt()).abs() < 1e-12);
            let posterior = beta * (1.0 - next) / (1.0 - signal);
            let variance = of_noisy.powi(2) * (1.0 - signal) + posterior;
            assert!((variance - (1.0 - next)).abs() < 1e-12);
        }
    }
}
