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
                *value = f32::midpoint(*value, 1.0);
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
mod tests;
