//! Macenko et al., "A method for normalizing histology slides for quantitative analysis", ISBI 2009.
//!
//! Light is absorbed by Beer and Lambert's law, so the optical density -ln((v + 1) / 240) of a pixel is a sum of those of its stains,
//! each times its concentration. The two stains are the extreme directions (the 1st and the 99th percentile of the angle) of the
//! densities of tissue in the plane of their two principal components; haematoxylin is the one that absorbs more red. A slide's
//! strength of a stain is the 99th percentile of its concentrations.

use faer::Mat;

use super::FEWEST;
use crate::error::{Result, refuse};
use crate::images::RGB;
use crate::linalg::{eigenvalues, quantile};

/// The light that passes glass, Io in the paper.
const LIGHT: f64 = 240.0;
/// Optical density below which a channel of a pixel counts as glass, beta in the paper.
const BETA: f64 = 0.15;
/// Percent of the angles beyond either stain, alpha in the paper.
const ALPHA: f64 = 1.0;
/// Percentile of the concentrations that is a stain's strength.
const STRONGEST: f64 = 99.0;
/// Two stains have at least this angle between them, in degrees; haematoxylin and eosin have about 20. Less is noise around one.
const LEAST_ANGLE: f64 = 3.0;

/// Two stains, haematoxylin first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stains {
    /// The directions of their optical densities in RGB, of length 1.
    pub directions: [[f64; RGB]; 2],
    /// How strong each is.
    pub strengths: [f64; 2],
}

impl Stains {
    /// The reference that the authors' program has.
    pub const PUBLISHED: Self = Self {
        directions: [[0.5626, 0.7201, 0.4062], [0.2159, 0.8012, 0.5581]],
        strengths: [1.9705, 1.0308],
    };

    /// The stains of `pixels`; none where there is hardly any tissue.
    ///
    /// # Errors
    /// Refuses tissue with one stain only.
    pub(super) fn fit(pixels: &[[u8; RGB]]) -> Result<Option<Self>> {
        let densities = densities();
        let density = |pixel: &[u8; RGB]| pixel.map(|value| densities[usize::from(value)]);
        let all: Vec<[f64; RGB]> = pixels.iter().map(density).collect();
        let is_tissue = |density: &&[f64; RGB]| density.iter().all(|&value| value >= BETA);
        let tissue: Vec<[f64; RGB]> = all.iter().filter(is_tissue).copied().collect();
        if tissue.len() < FEWEST {
            return Ok(None);
        }
        let plane = plane(&tissue)?;
        // The extreme angles.
        let mut angles: Vec<f64> = tissue
            .iter()
            .map(|&density| dot(plane[1], density).atan2(dot(plane[0], density)))
            .collect();
        angles.sort_by(f64::total_cmp);
        let ends = [ALPHA, 100.0 - ALPHA].map(|percent| quantile(&angles, percent / 100.0));
        if (ends[1] - ends[0]).to_degrees() < LEAST_ANGLE {
            return Err(one_stain());
        }
        let [low, high] = ends.map(|angle| {
            let (sine, cosine) = angle.sin_cos();
            std::array::from_fn(|channel| cosine * plane[0][channel] + sine * plane[1][channel])
        });
        let directions: [[f64; RGB]; 2] = if low[0] > high[0] {
            [low, high]
        } else {
            [high, low]
        };
        // How strong each stain is.
        let unmixing = unmixing(&directions);
        let strengths = unmixing.map(|row| {
            let mut amounts: Vec<f64> = all.iter().map(|&density| dot(row, density)).collect();
            amounts.sort_by(f64::total_cmp);
            quantile(&amounts, STRONGEST / 100.0)
        });
        if strengths.iter().any(|&strength| strength <= BETA / 10.0) {
            return Err(one_stain());
        }
        Ok(Some(Self {
            directions,
            strengths,
        }))
    }

    /// What gives pixels with these stains those of `target`, in the same concentrations but for the strengths.
    pub(super) fn towards(&self, target: &Self) -> impl Fn([u8; RGB]) -> [u8; RGB] + Sync + use<> {
        let densities = densities();
        let unmixing = unmixing(&self.directions);
        let factors: [f64; 2] =
            std::array::from_fn(|stain| target.strengths[stain] / self.strengths[stain]);
        let directions = target.directions;
        move |pixel| {
            let density = pixel.map(|value| densities[usize::from(value)]);
            let amounts: [f64; 2] =
                std::array::from_fn(|stain| factors[stain] * dot(unmixing[stain], density));
            std::array::from_fn(|channel| {
                let density =
                    amounts[0] * directions[0][channel] + amounts[1] * directions[1][channel];
                (LIGHT * (-density).exp()).round().clamp(0.0, 255.0) as u8
            })
        }
    }
}

fn one_stain() -> anyhow::Error {
    refuse(
        "its tissue shows one stain only",
        "take more of the slide, or another method",
    )
}

/// The optical density of each byte.
fn densities() -> [f64; 256] {
    std::array::from_fn(|value| -((value as f64 + 1.0) / LIGHT).ln())
}

/// Two axes of the plane of the two principal components of densities, the first one along their mean. Densities are positive, so
/// no angle to that is near the cut of atan2, whatever signs the components have.
fn plane(tissue: &[[f64; RGB]]) -> Result<[[f64; RGB]; 2]> {
    let count = tissue.len() as f64;
    let means: [f64; RGB] =
        std::array::from_fn(|channel| super::mean(tissue.iter().map(|density| density[channel])));
    let covariance = Mat::from_fn(RGB, RGB, |row, column| {
        let products = tissue
            .iter()
            .map(|density| (density[row] - means[row]) * (density[column] - means[column]));
        products.sum::<f64>() / (count - 1.0)
    });
    let mut vectors = Mat::zeros(RGB, RGB);
    // Their eigenvalues are in ascending order.
    eigenvalues(covariance.as_ref(), Some(vectors.as_mut()))?;
    let [one, other] = [RGB - 1, RGB - 2]
        .map(|column| -> [f64; RGB] { std::array::from_fn(|row| vectors[(row, column)]) });
    let (x, y) = (dot(one, means), dot(other, means));
    let length = x.hypot(y);
    if length <= 0.0 {
        return Err(one_stain());
    }
    let (x, y) = (x / length, y / length);
    Ok([
        std::array::from_fn(|channel| x * one[channel] + y * other[channel]),
        std::array::from_fn(|channel| x * other[channel] - y * one[channel]),
    ])
}

/// The pseudo-inverse of the matrix whose columns are two directions, row by row: least-squares concentrations.
fn unmixing(directions: &[[f64; RGB]; 2]) -> [[f64; RGB]; 2] {
    let [one, other] = *directions;
    let (a, b, c) = (dot(one, one), dot(one, other), dot(other, other));
    let determinant = a * c - b * b;
    [
        std::array::from_fn(|channel| (c * one[channel] - b * other[channel]) / determinant),
        std::array::from_fn(|channel| (a * other[channel] - b * one[channel]) / determinant),
    ]
}

fn dot(left: [f64; RGB], right: [f64; RGB]) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}
