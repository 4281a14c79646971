//! Reinhard et al., "Color transfer between images", IEEE Computer Graphics and Applications 2001, of tissue alone.
//!
//! In the paper's space l-alpha-beta, the logarithms of cone responses decorrelated, each channel of a pixel of tissue gets the mean
//! and the standard deviation of the target. A pixel is tissue where some channel has an optical density of 0.15 or more against
//! 240; others are glass and stay as they are, for their colour says nothing of the stain.

use super::FEWEST;
use crate::images::RGB;

/// Largest value of all channels of a pixel that is tissue: 240 exp(-0.15) - 1, as for Macenko's method.
const GLASS: f64 = 205.57;
/// From RGB to cone responses (equation 4 of the paper).
const TO_CONES: [[f64; RGB]; RGB] = [
    [0.3811, 0.5783, 0.0402],
    [0.1967, 0.7244, 0.0782],
    [0.0241, 0.1288, 0.8444],
];
/// Smaller spreads are not stretched: one colour stays one colour.
const LEAST_SPREAD: f64 = 1e-6;

/// Mean and standard deviation of the tissue's l, alpha and beta, with natural logarithms of responses to bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Colours {
    /// The means.
    pub means: [f64; RGB],
    /// The standard deviations.
    pub deviations: [f64; RGB],
}

impl Colours {
    /// Those of a region of TCGA-A2-A3XS-DX1 (Amgad et al. 2019), the target of HistomicsTK.
    pub const PUBLISHED: Self = Self {
        means: [8.741_081_09, -0.124_404_19, 0.044_498_2],
        deviations: [0.613_544_7, 0.109_895_45, 0.028_603_2],
    };

    /// Those of `pixels`; none where there is hardly any tissue.
    pub(super) fn fit(pixels: &[[u8; RGB]]) -> Option<Self> {
        let tissue: Vec<[f64; RGB]> = pixels
            .iter()
            .filter(|pixel| is_tissue(**pixel))
            .map(|&pixel| to_opponent(pixel))
            .collect();
        if tissue.len() < FEWEST {
            return None;
        }
        let means = std::array::from_fn(|axis| super::mean(tissue.iter().map(|pixel| pixel[axis])));
        let deviations = std::array::from_fn(|axis| {
            let squares = tissue
                .iter()
                .map(|pixel| (pixel[axis] - means[axis]).powi(2));
            super::mean(squares).sqrt()
        });
        Some(Self { means, deviations })
    }

    /// What gives tissue with these colours those of `target`.
    pub(super) fn towards(&self, target: &Self) -> impl Fn([u8; RGB]) -> [u8; RGB] + Sync + use<> {
        let (from, to, inverse) = (*self, *target, inverse(TO_CONES));
        let factors: [f64; RGB] = std::array::from_fn(|axis| {
            if from.deviations[axis] > LEAST_SPREAD {
                to.deviations[axis] / from.deviations[axis]
            } else {
                1.0
            }
        });
        move |pixel| {
            if !is_tissue(pixel) {
                return pixel;
            }
            let found = to_opponent(pixel);
            let moved = std::array::from_fn(|axis| {
                (found[axis] - from.means[axis]) * factors[axis] + to.means[axis]
            });
            let colour = times(inverse, from_opponent(moved).map(f64::exp));
            colour.map(|value| value.round().clamp(0.0, 255.0) as u8)
        }
    }
}

fn is_tissue(pixel: [u8; RGB]) -> bool {
    pixel.iter().any(|&value| f64::from(value) <= GLASS)
}

/// l, alpha and beta of a pixel. A response under 1 counts as 1, so that black has a logarithm.
fn to_opponent(pixel: [u8; RGB]) -> [f64; RGB] {
    let [long, medium, short] =
        times(TO_CONES, pixel.map(f64::from)).map(|value| value.max(1.0).ln());
    [
        (long + medium + short) / 3f64.sqrt(),
        (long + medium - 2.0 * short) / 6f64.sqrt(),
        (long - medium) / 2f64.sqrt(),
    ]
}

/// The logarithms of the cone responses.
fn from_opponent([l, alpha, beta]: [f64; RGB]) -> [f64; RGB] {
    let (l, alpha, beta) = (l / 3f64.sqrt(), alpha / 6f64.sqrt(), beta / 2f64.sqrt());
    [l + alpha + beta, l + alpha - beta, l - 2.0 * alpha]
}

fn times(matrix: [[f64; RGB]; RGB], vector: [f64; RGB]) -> [f64; RGB] {
    matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
}

/// The inverse of a matrix, by cofactors.
fn inverse(m: [[f64; RGB]; RGB]) -> [[f64; RGB]; RGB] {
    let cofactor = |row: usize, column: usize| {
        let [r, s] = [(row + 1) % RGB, (row + 2) % RGB];
        let [c, d] = [(column + 1) % RGB, (column + 2) % RGB];
        m[r][c] * m[s][d] - m[r][d] * m[s][c]
    };
    let determinant: f64 = (0..RGB)
        .map(|column| m[0][column] * cofactor(0, column))
        .sum();
    std::array::from_fn(|row| std::array::from_fn(|column| cofactor(column, row) / determinant))
}
