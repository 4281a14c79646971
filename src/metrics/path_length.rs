//! Perceptual path length: how much images change when the latent vector that they are decoded from moves a little.
//!
//! `ppl` is Karras, Laine, Aila: *A Style-Based Generator Architecture for Generative Adversarial Networks* (2019,
//! arXiv 1812.04948), section 4.1, eq. 2, in the latent space Z: the perceptual distance of the images at t and at t +
//! epsilon on the way between two random latents, over epsilon^2, averaged over random pairs without the lowest and the
//! highest percent (as NumPy's `percentile` with `lower` and `higher` has them). Images are compared as floats: bytes
//! hide a step of 1e-4. As in torch-fidelity t is 0 and the way is straight unless the settings say otherwise; NVIDIA's
//! own slerp gives a vector of unit length, which only generators that normalise their latents can take.
//!
//! `ppl-path` takes arXiv 2409.20340 at its word (section 4.1: "the sum of these perceptual distances along the
//! interpolation path"): the sum over equal steps of a straight way between two random latents, averaged over ways.
//!
//! A short path alone is no merit: a generator that always shows the same image has length zero.

mod interpolation;

use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use crate::features::PerceptualDistance;
use crate::images::Images;
use crate::random::{Random, Stream};

pub use self::interpolation::Interpolation;
use super::{Direction, ScoreDefinition};

/// Pairs or ways that are decoded together: bounds memory, changes no number.
const BATCH: usize = 16;
/// The fraction of pairs left out at either end.
const TRIMMED: f64 = 0.01;

/// What path lengths depend on: `evaluation.path_length` of an experiment, which checks the ranges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, documented::DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct PathSettings {
    /// Pairs of latents that `ppl` is the mean over.
    pub samples: usize,
    /// The step of `ppl`, as a fraction of the way between two latents.
    pub epsilon: f64,
    /// Where on the way the step of `ppl` is taken.
    pub place: PathSampling,
    /// The way between two latents of `ppl`.
    pub interpolation: Interpolation,
    /// Ways that `ppl-path` is the mean over.
    pub paths: usize,
    /// Steps of a way of `ppl-path`.
    pub steps: usize,
    /// Seed of the latents.
    pub seed: u64,
}

impl Default for PathSettings {
    fn default() -> Self {
        Self {
            samples: 10_000,
            epsilon: 1e-4,
            place: PathSampling::End,
            interpolation: Interpolation::Lerp,
            paths: 1000,
            steps: 10,
            seed: 2020,
        }
    }
}

/// Where on the way between two latents a step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathSampling {
    /// At its start, t = 0.
    End,
    /// Anywhere, t uniform in [0, 1).
    Full,
}

/// A latent space as a path length sees it.
pub struct LatentSpace<'a> {
    /// A latent vector from its prior.
    pub draw: &'a dyn Fn(&mut Stream) -> Vec<f32>,
    /// How many classes its images are made of; 0 for a space without. Path p keeps to class p modulo this.
    pub classes: usize,
    /// What decodes them.
    pub decode: &'a Decode<'a>,
}

/// Latent vectors, one after the other, and a class for each (none without classes) to images.
pub type Decode<'a> = dyn Fn(&[f32], &[usize]) -> Result<Images> + 'a;

impl LatentSpace<'_> {
    /// The images of latent vectors, each on one of `paths`.
    fn images(&self, latents: &[f32], paths: impl Iterator<Item = usize>) -> Result<Images> {
        let classes: Vec<usize> = match self.classes {
            0 => Vec::new(),
            classes => paths.map(|path| path % classes).collect(),
        };
        (self.decode)(latents, &classes)
    }
}

/// A length of paths through a latent space.
pub struct PathLength {
    /// What it is called and how to read it.
    pub definition: ScoreDefinition,
    /// The part of the protocol that it depends on, by name.
    pub settings: fn(&PathSettings) -> Vec<(&'static str, String)>,
    /// How many pairs or ways it is the mean over.
    pub count: fn(&PathSettings) -> usize,
    compute: fn(&LatentSpace<'_>, &dyn PerceptualDistance, &PathSettings) -> Result<Length>,
}

/// A mean over paths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    /// The mean.
    pub mean: f64,
    /// The population standard deviation over the paths it is the mean of.
    pub deviation: f64,
}

/// Every path length there is.
pub const PATH_LENGTHS: &[&PathLength] = &[&PPL, &PPL_PATH];

const PPL: PathLength = PathLength {
    definition: ScoreDefinition {
        name: "ppl",
        title: "PPL",
        direction: Direction::Lower,
        spread: "standard deviation over pairs of latents",
    },
    settings: |settings| {
        let place = match settings.place {
            PathSampling::End => "t = 0",
            PathSampling::Full => "t ~ U(0, 1)",
        };
        vec![
            ("epsilon", settings.epsilon.to_string()),
            ("interpolation", settings.interpolation.name().to_owned()),
            ("place", place.to_owned()),
            ("seed", settings.seed.to_string()),
            ("trimmed", "1 % lower, 99 % higher".to_owned()),
        ]
    },
    count: |settings| settings.samples,
    compute: ppl,
};

const PPL_PATH: PathLength = PathLength {
    definition: ScoreDefinition {
        name: "ppl-path",
        title: "PPL (sum along a path)",
        direction: Direction::Lower,
        spread: "standard deviation over paths",
    },
    settings: |settings| {
        vec![
            ("interpolation", Interpolation::Lerp.name().to_owned()),
            ("seed", settings.seed.to_string()),
            ("steps", settings.steps.to_string()),
        ]
    },
    count: |settings| settings.paths,
    compute: ppl_path,
};

impl PathLength {
    /// The length in `space`, as `distance` sees it.
    ///
    /// Refuses a length that is not finite. Does not depend on batches or threads.
    pub fn compute(
        &self,
        space: &LatentSpace<'_>,
        distance: &dyn PerceptualDistance,
        settings: &PathSettings,
    ) -> Result<Length> {
        let length = (self.compute)(space, distance, settings)?;
        if length.mean.is_finite() && length.deviation.is_finite() {
            return Ok(length);
        }
        let name = self.definition.name;
        Err(refuse(
            format!("`{name}` comes out as {}", length.mean),
            "look at the images that the model decodes",
        ))
    }
}

fn ppl(
    space: &LatentSpace<'_>,
    distance: &dyn PerceptualDistance,
    settings: &PathSettings,
) -> Result<Length> {
    let epsilon = settings.epsilon;
    let mut distances = Vec::with_capacity(settings.samples);
    for first in (0..settings.samples).step_by(BATCH) {
        let batch = first..settings.samples.min(first + BATCH);
        let latents: Vec<f32> = batch
            .clone()
            .flat_map(|sample| {
                let mut stream = Random::new(settings.seed).at(sample as u64).stream("ppl");
                let (from, to) = ((space.draw)(&mut stream), (space.draw)(&mut stream));
                let t = match settings.place {
                    PathSampling::End => 0.0,
                    PathSampling::Full => stream.uniform(),
                };
                let way = settings.interpolation;
                [way.at(&from, &to, t), way.at(&from, &to, t + epsilon)].concat()
            })
            .collect();
        let pairs = batch.flat_map(|sample| [sample; 2]);
        let embedded = distance.embed(&space.images(&latents, pairs)?)?;
        distances.extend(
            embedded
                .chunks_exact(2)
                .map(|pair| squared(&pair[0], &pair[1])),
        );
    }
    for distance in &mut distances {
        *distance /= epsilon * epsilon;
    }
    Ok(mean_and_deviation(&trimmed(distances)))
}

fn ppl_path(
    space: &LatentSpace<'_>,
    distance: &dyn PerceptualDistance,
    settings: &PathSettings,
) -> Result<Length> {
    let mut lengths = Vec::with_capacity(settings.paths);
    for path in 0..settings.paths {
        let mut stream = Random::new(settings.seed)
            .at(path as u64)
            .stream("ppl-path");
        let (from, to) = ((space.draw)(&mut stream), (space.draw)(&mut stream));
        let mut last: Option<Vec<f64>> = None;
        let mut length = 0.0;
        let places: Vec<usize> = (0..=settings.steps).collect();
        for places in places.chunks(BATCH) {
            let latents: Vec<f32> = places
                .iter()
                .flat_map(|&place| {
                    let t = place as f64 / settings.steps as f64;
                    Interpolation::Lerp.at(&from, &to, t)
                })
                .collect();
            let images = space.images(&latents, places.iter().map(|_| path))?;
            for embedded in distance.embed(&images)? {
                length += last.map_or(0.0, |last| squared(&last, &embedded));
                last = Some(embedded);
            }
        }
        lengths.push(length);
    }
    Ok(mean_and_deviation(&lengths))
}

fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The values from the 1st percentile, rounded down to a value, to the 99th, rounded up to one.
fn trimmed(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let last = (values.len() - 1) as f64;
    let low = values[(TRIMMED * last).floor() as usize];
    let high = values[((1.0 - TRIMMED) * last).ceil() as usize];
    values.retain(|value| (low..=high).contains(value));
    values
}

fn mean_and_deviation(values: &[f64]) -> Length {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    Length {
        mean,
        deviation: (squares.sum::<f64>() / count).sqrt(),
    }
}

#[cfg(test)]
mod tests;
