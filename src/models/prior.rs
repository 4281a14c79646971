//! The distribution that latent vectors are drawn from, in plain numbers.

use std::f64::consts::TAU as TURN;

use crate::config::{LatentPrior, MixtureConfig, MixtureMeans, SigmaIs, Truncation, TruncationLaw};
use crate::random::{Random, Stream};

/// A prior over latent vectors: noise, normal or truncated, and where it is laid about the means of a mixture. One that
/// learns is the state of a training (`learned_prior.rs`) and becomes one of these to be drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Prior {
    dimension: usize,
    noise: Noise,
    mixture: Option<Mixture>,
}

/// The law of each entry of the noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// N(0, 1).
    Normal,
    /// Kept near 0.
    Truncated {
        /// In which way.
        law: TruncationLaw,
        /// The threshold.
        tau: f64,
    },
}

impl Noise {
    /// `count` entries.
    pub fn draw(self, count: usize, stream: &mut Stream) -> Vec<f32> {
        let Self::Truncated { law, tau } = self else {
            return stream.normals(count);
        };
        let within = |bound: f64, stream: &mut Stream| {
            loop {
                let entry = stream.normal();
                if entry.abs() <= bound {
                    break entry;
                }
            }
        };
        match law {
            TruncationLaw::Clip => {
                let bound = tau as f32;
                let entries = stream.normals(count).into_iter();
                entries.map(|entry| entry.clamp(-bound, bound)).collect()
            }
            TruncationLaw::Resample => (0..count).map(|_| within(tau, stream) as f32).collect(),
            TruncationLaw::Scaled => (0..count)
                .map(|_| (tau * within(2.0, stream)) as f32)
                .collect(),
            TruncationLaw::Variance => (0..count)
                .map(|_| (tau.sqrt() * stream.normal()) as f32)
                .collect(),
        }
    }
}

/// A mixture of normal distributions, all as likely: z = A_k e + mu_k, with k uniform and e the noise (Ben-Yosef and Weinshall
/// 2018, arXiv 1808.10356).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// mu_k, components x dimension.
    pub means: Vec<f32>,
    /// The A_k.
    pub factors: Factors,
}

/// What a mixture multiplies noise by.
#[derive(Clone, Debug, PartialEq)]
pub enum Factors {
    /// One number, the deviation of every entry in every component.
    Deviation(f32),
    /// A matrix a component, components x dimension x dimension.
    Matrices(Vec<f32>),
}

impl Mixture {
    /// As the settings have it before any learning. Uniform means are drawn from the stream `prior.means` of `random`.
    pub fn new(config: &MixtureConfig, dimension: usize, random: Random) -> Self {
        let components = config.components;
        let means = match config.means {
            MixtureMeans::Circle => (0..components)
                .flat_map(|component| {
                    let angle = TURN * component as f64 / components as f64;
                    let (sine, cosine) = angle.sin_cos();
                    let on_circle = [cosine, sine].map(|at| (config.spread * at) as f32);
                    let rest = std::iter::repeat_n(0.0, dimension.saturating_sub(2));
                    on_circle.into_iter().chain(rest)
                })
                .collect(),
            MixtureMeans::Uniform => {
                let mut stream = random.stream("prior.means");
                (0..components * dimension)
                    .map(|_| stream.between(-config.spread, config.spread) as f32)
                    .collect()
            }
        };
        let deviation = match config.sigma_is {
            SigmaIs::Std => config.sigma,
            SigmaIs::Variance => config.sigma.sqrt(),
        };
        Self {
            means,
            factors: Factors::Deviation(deviation as f32),
        }
    }

    /// The component of each of `count` vectors. One component takes no number of the stream, so that it draws as a prior
    /// without a mixture.
    fn choose(&self, count: usize, dimension: usize, stream: &mut Stream) -> Vec<usize> {
        let components = self.means.len() / dimension;
        match components {
            1 => vec![0; count],
            _ => (0..count).map(|_| stream.below(components)).collect(),
        }
    }

    /// `noise` of each vector about the mean of its component.
    fn place(&self, noise: &[f32], components: &[usize], dimension: usize) -> Vec<f32> {
        let vectors = noise.chunks_exact(dimension).zip(components);
        let placed = vectors.flat_map(|(noise, &component)| {
            let means = &self.means[component * dimension..][..dimension];
            means.iter().enumerate().map(move |(entry, &mean)| {
                let about = match &self.factors {
                    Factors::Deviation(deviation) => {
                        f64::from(*deviation) * f64::from(noise[entry])
                    }
                    Factors::Matrices(matrices) => {
                        let row = (component * dimension + entry) * dimension;
                        let row = matrices[row..][..dimension].iter().zip(noise);
                        row.map(|(a, e)| f64::from(*a) * f64::from(*e)).sum()
                    }
                };
                (f64::from(mean) + about) as f32
            })
        });
        placed.collect()
    }
}

impl Prior {
    /// N(0, 1) in each of `dimension` entries.
    pub fn normal(dimension: usize) -> Self {
        Self {
            dimension,
            noise: Noise::Normal,
            mixture: None,
        }
    }

    /// That of the settings, before any learning, with latent vectors of length `dimension`.
    pub fn new(config: &LatentPrior, dimension: usize, random: Random) -> Self {
        let normal = Self::normal(dimension);
        match config {
            LatentPrior::Normal => normal,
            LatentPrior::Truncated(Truncation { law, tau, .. }) => normal.truncated(*law, *tau),
            LatentPrior::Mixture(mixture) => {
                normal.with_mixture(Mixture::new(mixture, dimension, random))
            }
        }
    }

    /// The same with its noise truncated: of a mixture each component is, and a truncation that it had is replaced.
    #[must_use]
    pub fn truncated(self, law: TruncationLaw, tau: f64) -> Self {
        Self {
            noise: Noise::Truncated { law, tau },
            ..self
        }
    }

    /// The same with its noise laid about the means of a mixture.
    #[must_use]
    pub fn with_mixture(self, mixture: Mixture) -> Self {
        Self {
            mixture: Some(mixture),
            ..self
        }
    }

    /// Length of a latent vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The mixture, if it is one.
    pub fn mixture(&self) -> Option<&Mixture> {
        self.mixture.as_ref()
    }

    /// The law of the noise's entries.
    pub fn noise(&self) -> Noise {
        self.noise
    }

    /// The threshold, if it is truncated.
    pub fn tau(&self) -> Option<f64> {
        match self.noise {
            Noise::Normal => None,
            Noise::Truncated { tau, .. } => Some(tau),
        }
    }

    /// The noise of `count` latent vectors, `count` x dimension, and the component of each; none without a mixture.
    pub fn draw_parts(&self, count: usize, stream: &mut Stream) -> (Vec<f32>, Vec<usize>) {
        let noise = self.noise.draw(count * self.dimension, stream);
        let mixture = self.mixture.as_ref();
        let components = mixture.map(|mixture| mixture.choose(count, self.dimension, stream));
        (noise, components.unwrap_or_default())
    }

    /// `count` latent vectors, one after the other: `count` x dimension numbers.
    pub fn draw(&self, count: usize, stream: &mut Stream) -> Vec<f32> {
        let (noise, components) = self.draw_parts(count, stream);
        match &self.mixture {
            None => noise,
            Some(mixture) => mixture.place(&noise, &components, self.dimension),
        }
    }

    /// The latent vector of the image that a seed gives.
    pub fn latent(&self, seed: u64) -> Vec<f32> {
        self.draw(1, &mut Random::new(seed).stream("sample"))
    }
}

#[cfg(test)]
mod tests;
