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

use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use crate::features::PerceptualDistance;
use crate::images::Images;
use crate::random::{Random, Stream};

use super::{Direction, ScoreDefinition};

/// Pairs or ways that are decoded together: bounds memory, changes no number.
const BATCH: usize = 16;
/// The share of pairs left out at either end.
const TRIMMED: f64 = 0.01;
/// Vectors closer to parallel than this are interpolated on a straight line.
const COLLINEAR: f64 = 1e-7;

/// What path lengths depend on: `evaluation.path_length` of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PathSettings {
    /// Pairs of latents that `ppl` is the mean over.
    pub samples: usize,
    /// The step of `ppl`, as a share of the way between two latents.
    pub epsilon: f64,
    /// Where on the way the step of `ppl` is taken.
    pub place: Place,
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
            place: Place::End,
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
pub enum Place {
    /// At its start, t = 0.
    End,
    /// Anywhere, t uniform in [0, 1).
    Full,
}

/// The way between two latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// A straight line.
    Lerp,
    /// The arc between their directions, lengths in between: torch-fidelity's `slerp_any`. It stays where latents from
    /// N(0, 1) lie.
    Slerp,
}

impl Interpolation {
    /// The point at `t` of the way from `a` (0) to `b` (1).
    pub fn at(self, a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
        let (start, end) = match self {
            Self::Lerp => (1.0 - t, t),
            Self::Slerp => arc(a, b, t).unwrap_or((1.0 - t, t)),
        };
        let pairs = a.iter().zip(b);
        pairs
            .map(|(&a, &b)| (start * f64::from(a) + end * f64::from(b)) as f32)
            .collect()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lerp => "lerp",
            Self::Slerp => "slerp_any",
        }
    }
}

/// The shares of `a` and `b` on the arc between them; none where they have no angle to speak of.
fn arc(a: &[f32], b: &[f32], t: f64) -> Option<(f64, f64)> {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths <= 0.0 {
        return None;
    }
    let cosine = dot(a, b) / lengths;
    if cosine.abs() > 1.0 - COLLINEAR {
        return None;
    }
    let angle = cosine.acos();
    let share = |t: f64| (t * angle).sin() / angle.sin();
    Some((share(1.0 - t), share(t)))
}

/// A latent space as a path length sees it; the prior is N(0, 1) in every entry.
pub struct LatentSpace<'a> {
    /// Length of a latent vector.
    pub dimension: usize,
    /// `count` x `dimension` latent values to `count` images.
    pub decode: &'a dyn Fn(&[f32]) -> Result<Images>,
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
            Place::End => "t = 0",
            Place::Full => "t ~ U(0, 1)",
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
    /// Refuses settings that make no sense, and a length that is not finite. Does not depend on batches or threads.
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
    at_least("samples", settings.samples, 1)?;
    let epsilon = settings.epsilon;
    if !(epsilon > 0.0 && epsilon <= 1.0) {
        return Err(refuse(
            format!("`evaluation.path_length.epsilon` is {epsilon}"),
            "set it above 0 and to at most 1, for example to 1e-4",
        ));
    }
    let mut distances = Vec::with_capacity(settings.samples);
    for first in (0..settings.samples).step_by(BATCH) {
        let batch = first..settings.samples.min(first + BATCH);
        let latents: Vec<f32> = batch
            .flat_map(|sample| {
                let mut stream = Random::new(settings.seed).at(sample as u64).stream("ppl");
                let (from, to) = two_latents(&mut stream, space.dimension);
                let t = match settings.place {
                    Place::End => 0.0,
                    Place::Full => stream.uniform(),
                };
                let way = settings.interpolation;
                [way.at(&from, &to, t), way.at(&from, &to, t + epsilon)].concat()
            })
            .collect();
        let embedded = distance.embed(&(space.decode)(&latents)?)?;
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
    at_least("paths", settings.paths, 1)?;
    at_least("steps", settings.steps, 1)?;
    let mut lengths = Vec::with_capacity(settings.paths);
    for path in 0..settings.paths {
        let mut stream = Random::new(settings.seed)
            .at(path as u64)
            .stream("ppl-path");
        let (from, to) = two_latents(&mut stream, space.dimension);
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
            for embedded in distance.embed(&(space.decode)(&latents)?)? {
                length += last.map_or(0.0, |last| squared(&last, &embedded));
                last = Some(embedded);
            }
        }
        lengths.push(length);
    }
    Ok(mean_and_deviation(&lengths))
}

/// Two latents from N(0, 1).
fn two_latents(stream: &mut Stream, dimension: usize) -> (Vec<f32>, Vec<f32>) {
    (stream.normals(dimension), stream.normals(dimension))
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

fn at_least(key: &str, value: usize, least: usize) -> Result<()> {
    if value < least {
        return Err(refuse(
            format!("`evaluation.path_length.{key}` is {value}"),
            format!("set it to at least {least}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f32; 4] = [1.0, 2.0, 3.0, 4.0];
    const B: [f32; 4] = [-2.0, 1.0, 0.5, 3.0];

    fn assert_near(value: f64, expected: f64, tolerance: f64) {
        let error = (value - expected).abs() / expected.abs();
        assert!(error <= tolerance, "{value}, expected {expected}");
    }

    #[test]
    fn interpolations_are_those_of_torch_fidelity() {
        let lerp = Interpolation::Lerp.at(&A, &B, 0.25);
        assert_eq!(lerp, [0.25, 1.75, 2.375, 3.75]);
        let expected = [
            0.230_297_314_5,
            1.867_932_989_0,
            2.520_431_811_5,
            4.017_333_650_0,
        ];
        let slerp = Interpolation::Slerp.at(&A, &B, 0.25);
        for (value, expected) in slerp.into_iter().zip(expected) {
            assert_near(f64::from(value), expected, 1e-7);
        }
    }

    #[test]
    fn both_ways_begin_and_end_where_they_should_and_agree_on_a_line() {
        let twice: Vec<f32> = A.iter().map(|value| 2.0 * value).collect();
        for way in [Interpolation::Lerp, Interpolation::Slerp] {
            assert_eq!(way.at(&A, &B, 0.0), A);
            assert_eq!(way.at(&A, &B, 1.0), B);
            let middle: Vec<f32> = A.iter().map(|value| 1.5 * value).collect();
            assert_eq!(way.at(&A, &twice, 0.5), middle);
            assert_eq!(way.at(&[0.0; 4], &A, 0.5), [0.5, 1.0, 1.5, 2.0]);
        }
    }

    #[test]
    fn a_percent_is_trimmed_at_either_end() {
        let kept = trimmed((1..=200).rev().map(f64::from).collect());
        assert_eq!((kept[0], kept.len()), (2.0, 198));
        assert_near(mean_and_deviation(&kept).mean, 100.5, 1e-15);
        assert_eq!(trimmed(vec![3.0]), [3.0]);
        assert_eq!(trimmed(vec![3.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
    }

    /// Sees pixels as they are.
    struct Pixelwise;

    impl PerceptualDistance for Pixelwise {
        fn describe(&self) -> String {
            "pixels".into()
        }

        fn hash(&self) -> String {
            "none".into()
        }

        fn embed(&self, images: &Images) -> Result<Vec<Vec<f64>>> {
            let images = images.values.chunks_exact(3);
            Ok(images
                .map(|image| image.iter().copied().map(f64::from).collect())
                .collect())
        }
    }

    /// Images of one pixel, 0.1 times the three latent values.
    fn linear(latents: &[f32]) -> Images {
        let values = latents.iter().map(|value| 0.1 * value).collect();
        Images::new(latents.len() / 3, 1, values)
    }

    fn length(path: &PathLength, settings: &PathSettings) -> f64 {
        let space = LatentSpace {
            dimension: 3,
            decode: &|latents| Ok(linear(latents)),
        };
        path.compute(&space, &Pixelwise, settings).unwrap().mean
    }

    #[test]
    fn a_linear_generator_has_lengths_in_closed_form() {
        // |0.1 (z1 - z0)|^2 of any step of a straight line, over its length squared; of n steps 1 / n of that.
        let settings = PathSettings {
            samples: 37,
            epsilon: 0.01,
            paths: 21,
            steps: 5,
            ..PathSettings::default()
        };
        let of_pairs = |name: &str, count: u64| -> Vec<f64> {
            (0..count)
                .map(|pair| {
                    let mut stream = Random::new(settings.seed).at(pair).stream(name);
                    let (a, b) = two_latents(&mut stream, 3);
                    let pairs = a.iter().zip(&b);
                    pairs.map(|(a, b)| (0.1 * f64::from(a - b)).powi(2)).sum()
                })
                .collect()
        };
        let pairs = of_pairs("ppl", 37);
        let expected = mean_and_deviation(&trimmed(pairs)).mean;
        for place in [Place::End, Place::Full] {
            let settings = PathSettings {
                place,
                ..settings.clone()
            };
            assert_near(length(&PPL, &settings), expected, 1e-4);
        }
        let expected = mean_and_deviation(&of_pairs("ppl-path", 21)).mean / 5.0;
        assert_near(length(&PPL_PATH, &settings), expected, 1e-5);
        // More steps than a batch holds, and pairs as before.
        let many = PathSettings {
            steps: 40,
            ..settings.clone()
        };
        assert_near(length(&PPL_PATH, &many), expected / 8.0, 1e-4);
        let slerp = PathSettings {
            interpolation: Interpolation::Slerp,
            ..settings
        };
        assert!((length(&PPL, &slerp) - length(&PPL, &settings)).abs() > 1e-3);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let space = LatentSpace {
            dimension: 3,
            decode: &|latents| Ok(linear(latents)),
        };
        let settings = PathSettings::default;
        let cases = [
            (
                &PPL,
                PathSettings {
                    samples: 0,
                    ..settings()
                },
                "samples` is 0",
            ),
            (
                &PPL,
                PathSettings {
                    epsilon: 0.0,
                    ..settings()
                },
                "epsilon` is 0",
            ),
            (
                &PPL_PATH,
                PathSettings {
                    paths: 0,
                    ..settings()
                },
                "paths` is 0",
            ),
            (
                &PPL_PATH,
                PathSettings {
                    steps: 0,
                    ..settings()
                },
                "steps` is 0",
            ),
        ];
        for (length, settings, message) in cases {
            let error = length.compute(&space, &Pixelwise, &settings).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`evaluation.path_length.{message}")
            );
        }
    }

    #[test]
    fn a_generator_that_decodes_no_numbers_has_no_length() {
        let nothing = |latents: &[f32]| {
            let values = vec![f32::NAN; latents.len()];
            Ok(Images::new(latents.len() / 3, 1, values))
        };
        let space = LatentSpace {
            dimension: 3,
            decode: &nothing,
        };
        let settings = PathSettings {
            samples: 2,
            ..PathSettings::default()
        };
        let error = PPL.compute(&space, &Pixelwise, &settings).unwrap_err();
        assert!(
            error.to_string().starts_with("`ppl` comes out as"),
            "{error}"
        );
    }
}
