//! What is done to an image before a network restores it: a list in the settings, drawn for each image from its own stream.
//!
//! Seed 004 (arXiv 2402.18286) names noise, flips and rotations and no amounts; the kinds and amounts here are ours. Flips and turns
//! change target and mask too: a network that undid them would not restore, it would rotate.

use serde::{Deserialize, Serialize};

use crate::data::{Symmetry, turn};
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::random::{Random, Stream};

/// One change of an image. Amounts are drawn uniformly from `low` to `high`; intensities are in [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Corruption {
    /// Adds independent normal noise with a standard deviation from `low` to `high`.
    Gaussian {
        /// Least standard deviation, 0 to 1.
        low: f64,
        /// Largest standard deviation, 0 to 1.
        high: f64,
    },
    /// Shot noise: an intensity x becomes a draw from Poisson(n x) / n, with n photons at full intensity.
    Poisson {
        /// Fewest photons, above 0.
        low: f64,
        /// Most photons.
        high: f64,
    },
    /// Blurs by a Gaussian whose standard deviation is from `low` to `high` pixels, edges repeated.
    Blur {
        /// Least standard deviation in pixels.
        low: f64,
        /// Largest standard deviation in pixels, at most 16.
        high: f64,
    },
    /// Paints a square mid-grey whose side is from `low` to `high` of the image's.
    CutOut {
        /// Smallest fraction of the side.
        low: f64,
        /// Largest fraction of the side, at most 1.
        high: f64,
    },
    /// Averages squares of `factor` x `factor` pixels, and enlarges the result bilinearly.
    DownUp {
        /// How many times smaller, 2 or more; it must divide the size.
        factor: usize,
    },
    /// Mirrors half of the images, target included.
    Flip,
    /// Turns by a multiple of 90 degrees, target included.
    Turn,
}

impl Corruption {
    /// Refuses amounts out of range, with the path of the setting that has them.
    ///
    /// # Errors
    /// As said.
    pub fn check(&self, setting: &str, size: usize) -> Result<()> {
        let (name, range) = match self {
            Self::Gaussian { low, high } => ("gaussian", Some((*low, *high, 0.0, 1.0))),
            Self::Poisson { low, high } => ("poisson", Some((*low, *high, 1e-3, 1e9))),
            Self::Blur { low, high } => ("blur", Some((*low, *high, 0.0, 16.0))),
            Self::CutOut { low, high } => ("cut-out", Some((*low, *high, 0.0, 1.0))),
            Self::DownUp { factor } if *factor < 2 || !size.is_multiple_of(*factor) => {
                return Err(refuse(
                    format!(
                        "`{setting}` has `down-up` by {factor}, which does not divide {size} pixels"
                    ),
                    "set a factor of 2 or more that divides `data.patch_size`",
                ));
            }
            Self::DownUp { .. } | Self::Flip | Self::Turn => return Ok(()),
        };
        match range {
            Some((low, high, least, most)) if !(least <= low && low <= high && high <= most) => {
                Err(refuse(
                    format!("`{setting}` has `{name}` from {low} to {high}"),
                    format!("set {least} <= low <= high <= {most}"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Whether it changes the place of pixels, and so the target too.
    fn is_geometric(&self) -> bool {
        matches!(self, Self::Flip | Self::Turn)
    }

    /// Which symmetry a geometric one takes.
    fn symmetry(&self, stream: &mut Stream) -> Symmetry {
        Symmetry::new(match self {
            Self::Flip => 4 * stream.below(2),
            _ => stream.below(4),
        })
    }

    /// Changes one image: `channels` planes of `size` x `size`, values in [0, 1].
    fn apply(&self, image: &mut [f32], size: usize, stream: &mut Stream) {
        match *self {
            Self::Gaussian { low, high } => {
                let sigma = stream.between(low, high) as f32;
                let normals = stream.normals(image.len());
                for (value, normal) in image.iter_mut().zip(normals) {
                    *value += sigma * normal;
                }
            }
            Self::Poisson { low, high } => {
                let photons = stream.between(low, high);
                for value in image.iter_mut() {
                    let mean = photons * f64::from(value.max(0.0));
                    *value = (stream.poisson(mean) / photons) as f32;
                }
            }
            Self::Blur { low, high } => blur(image, size, stream.between(low, high)),
            Self::CutOut { low, high } => {
                let side = (stream.between(low, high) * size as f64).round() as usize;
                let (left, top) = (stream.below(size - side + 1), stream.below(size - side + 1));
                for plane in image.chunks_exact_mut(size * size) {
                    for line in plane.chunks_exact_mut(size).skip(top).take(side) {
                        line[left..left + side].fill(0.5);
                    }
                }
            }
            Self::DownUp { factor } => down_up(image, size, factor),
            Self::Flip | Self::Turn => {}
        }
    }
}

/// Corrupts `inputs` in the order of `corruptions`; `targets`, images or maps of classes, are turned and mirrored along. Image i draws
/// from the stream `corruption` of `streams[i]`, so that it does not depend on its batch. Inputs stay in [-1, 1].
pub fn corrupt(
    corruptions: &[Corruption],
    inputs: &mut Images,
    targets: &mut Images,
    streams: &[Random],
) {
    let (size, length) = (inputs.size, inputs.channels * inputs.size * inputs.size);
    let mut streams: Vec<Stream> = streams
        .iter()
        .map(|random| random.stream("corruption"))
        .collect();
    for corruption in corruptions {
        if corruption.is_geometric() {
            let symmetries: Vec<Symmetry> = streams
                .iter_mut()
                .map(|stream| corruption.symmetry(stream))
                .collect();
            turn(inputs, &symmetries);
            turn(targets, &symmetries);
            continue;
        }
        let images = inputs.values.chunks_exact_mut(length);
        for (image, stream) in images.zip(&mut streams) {
            for value in image.iter_mut() {
                *value = (*value + 1.0) / 2.0;
            }
            corruption.apply(image, size, stream);
            for value in image.iter_mut() {
                *value = 2.0 * value.clamp(0.0, 1.0) - 1.0;
            }
        }
    }
}

/// Convolution with a Gaussian, cut at three standard deviations, along rows, then along columns; edges are repeated.
fn blur(image: &mut [f32], size: usize, sigma: f64) {
    let reach = (3.0 * sigma).ceil() as isize;
    if reach == 0 {
        return;
    }
    let weights: Vec<f64> = (-reach..=reach)
        .map(|offset| (-0.5 * (offset as f64 / sigma).powi(2)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    for plane in image.chunks_exact_mut(size * size) {
        for step in [1, size] {
            let source = plane.to_vec();
            for (place, value) in plane.iter_mut().enumerate() {
                let along = (place / step % size).cast_signed();
                let first = place - along.cast_unsigned() * step;
                let at = |offset: isize| {
                    let along = (along + offset).clamp(0, size.cast_signed() - 1);
                    f64::from(source[first + along.cast_unsigned() * step])
                };
                let offsets = (-reach..=reach).zip(&weights);
                let total: f64 = offsets.map(|(offset, weight)| weight * at(offset)).sum();
                *value = (total / sum) as f32;
            }
        }
    }
}

/// Means of squares, enlarged bilinearly (centres of pixels aligned, edges repeated).
fn down_up(image: &mut [f32], size: usize, factor: usize) {
    let small = size / factor;
    let area = (factor * factor) as f32;
    for plane in image.chunks_exact_mut(size * size) {
        let mut means = vec![0.0f32; small * small];
        for (place, value) in plane.iter().enumerate() {
            means[place / size / factor * small + place % size / factor] += value / area;
        }
        let split = |place: usize| {
            let at = (place as f32 + 0.5) / factor as f32 - 0.5;
            let at = at.clamp(0.0, (small - 1) as f32);
            let low = at as usize;
            (low, (low + 1).min(small - 1), at - low as f32)
        };
        for (place, value) in plane.iter_mut().enumerate() {
            let ((left, right, across), (top, bottom, down)) =
                (split(place % size), split(place / size));
            let row = |row: usize| {
                let (from, to) = (means[row * small + left], means[row * small + right]);
                from + (to - from) * across
            };
            *value = row(top) + (row(bottom) - row(top)) * down;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(count: usize, size: usize, value: impl Fn(usize) -> f32) -> Images {
        let values = (0..count * size * size).map(value).collect();
        Images::new(count, 1, size, values)
    }

    /// The values in [0, 1] of one image that was corrupted, and its target.
    fn corrupted(
        corruption: Corruption,
        size: usize,
        value: impl Fn(usize) -> f32,
    ) -> [Vec<f32>; 2] {
        let (mut inputs, mut targets) = (image(1, size, &value), image(1, size, &value));
        corrupt(&[corruption], &mut inputs, &mut targets, &[Random::new(3)]);
        [inputs, targets].map(|images| {
            images
                .values
                .iter()
                .map(|value| (value + 1.0) / 2.0)
                .collect()
        })
    }

    fn moments(values: &[f32]) -> (f64, f64) {
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
        let squares = values
            .iter()
            .map(|value| (f64::from(*value) - mean).powi(2));
        (mean, squares.sum::<f64>() / values.len() as f64)
    }

    #[test]
    fn noise_has_the_variance_that_is_asked_for() {
        let gaussian = Corruption::Gaussian {
            low: 0.1,
            high: 0.1,
        };
        let (mean, variance) = moments(&corrupted(gaussian, 64, |_| 0.0)[0]);
        assert!(
            (mean - 0.5).abs() < 0.01 && (variance - 0.01).abs() < 0.001,
            "{mean} {variance}"
        );
        // Intensity 0.25, so the variance of Poisson(n x) / n is x / n.
        let poisson = Corruption::Poisson {
            low: 50.0,
            high: 50.0,
        };
        let (mean, variance) = moments(&corrupted(poisson, 64, |_| -0.5)[0]);
        assert!(
            (mean - 0.25).abs() < 0.01 && (variance - 0.005).abs() < 0.0005,
            "{mean} {variance}"
        );
    }

    #[test]
    fn a_blur_keeps_the_mean_and_makes_of_a_point_its_kernel() {
        let point = |place: usize| if place == 32 * 64 + 32 { 1.0 } else { -1.0 };
        let found = &corrupted(
            Corruption::Blur {
                low: 2.0,
                high: 2.0,
            },
            64,
            point,
        )[0];
        assert!((found.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        let centre = 1.0 / (std::f32::consts::TAU * 4.0);
        assert!((found[32 * 64 + 32] / centre - 1.0).abs() < 0.01);
    }

    #[test]
    fn what_is_smaller_and_enlarged_again_keeps_even_places_and_lines() {
        let flat = &corrupted(Corruption::DownUp { factor: 4 }, 16, |_| 0.2)[0];
        assert!(flat.iter().all(|value| (value - 0.6).abs() < 1e-6));
        let line = |place: usize| (place % 16) as f32 / 16.0 - 0.5;
        let found = &corrupted(Corruption::DownUp { factor: 2 }, 16, line)[0];
        for (place, value) in found.iter().enumerate() {
            if (1..15).contains(&(place % 16)) {
                assert!((2.0 * value - 1.0 - line(place)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_cut_out_is_one_grey_square() {
        let [input, target] = corrupted(
            Corruption::CutOut {
                low: 0.25,
                high: 0.25,
            },
            16,
            |_| 1.0,
        );
        assert_eq!(input.iter().filter(|value| **value == 0.5).count(), 16);
        assert!(target.iter().all(|value| *value == 1.0));
    }

    #[test]
    fn what_turns_an_image_turns_its_target() {
        for corruption in [Corruption::Flip, Corruption::Turn] {
            let mut seen = Vec::new();
            for seed in 0..16 {
                let value = |place: usize| place as f32 / 16.0 - 0.5;
                let (mut inputs, mut targets) = (image(1, 4, value), image(1, 4, value));
                corrupt(
                    &[corruption.clone()],
                    &mut inputs,
                    &mut targets,
                    &[Random::new(seed)],
                );
                assert_eq!(inputs, targets);
                if !seen.contains(&inputs.values) {
                    seen.push(inputs.values);
                }
            }
            assert_eq!(
                seen.len(),
                if corruption == Corruption::Flip { 2 } else { 4 }
            );
        }
    }

    #[test]
    fn an_image_is_corrupted_alike_whatever_its_batch() {
        let corruptions = [
            Corruption::Turn,
            Corruption::Gaussian {
                low: 0.0,
                high: 0.3,
            },
            Corruption::CutOut {
                low: 0.1,
                high: 0.5,
            },
        ];
        let value = |place: usize| (place % 64) as f32 / 64.0;
        let randoms = [Random::new(1).at(7), Random::new(1).at(8)];
        let (mut both, mut targets) = (image(2, 8, value), image(2, 8, value));
        corrupt(&corruptions, &mut both, &mut targets, &randoms);
        let (mut second, mut target) = (image(1, 8, value), image(1, 8, value));
        corrupt(&corruptions, &mut second, &mut target, &randoms[1..]);
        assert_eq!(both.image(1), second.values);
        assert_eq!(targets.image(1), target.values);
        assert_ne!(both.image(0), both.image(1));
    }

    #[test]
    fn amounts_out_of_range_are_refused() {
        let refusal = |corruption: Corruption| {
            let error = corruption.check("translation.corruptions", 64).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            refusal(Corruption::Gaussian {
                low: 0.2,
                high: 0.1
            }),
            "`translation.corruptions` has `gaussian` from 0.2 to 0.1"
        );
        assert_eq!(
            refusal(Corruption::DownUp { factor: 3 }),
            "`translation.corruptions` has `down-up` by 3, which does not divide 64 pixels"
        );
        assert!(
            Corruption::Poisson {
                low: 0.0,
                high: 1.0
            }
            .check("x", 64)
            .is_err()
        );
        assert!(Corruption::DownUp { factor: 4 }.check("x", 64).is_ok());
    }
}
