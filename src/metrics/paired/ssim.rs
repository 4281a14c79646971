//! Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004).
//!
//! Their section III: moments under an 11 x 11 Gaussian window of standard deviation 1.5, C1 = (0.01 L)^2, C2 = (0.03 L)^2 with L = 255,
//! the mean over all places where the window lies within the image. Colour images get the mean over channels. scikit-image's
//! `structural_similarity` with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False` is the same.

use super::{ImagePairs, OVER_PAIRS, PairedMetric, PairedScore};
use crate::error::{Result, refuse};
use crate::metrics::{Direction, ScoreDefinition};

/// Height and width of the window in pixels.
pub const WINDOW: usize = 11;
/// Its standard deviation in pixels.
const SIGMA: f64 = 1.5;
/// The constants that keep quotients finite.
const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

/// Structural similarity, a mean over images.
#[derive(Clone, Copy, Debug)]
pub struct Ssim;

impl PairedMetric for Ssim {
    fn name(&self) -> &'static str {
        "ssim"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "ssim",
            title: "SSIM",
            direction: Direction::Higher,
            spread: OVER_PAIRS,
        }]
    }

    fn fits(&self, pairs: &ImagePairs<'_>) -> bool {
        !pairs.is_masks()
    }

    fn settings(&self, _: &ImagePairs<'_>) -> Vec<(&'static str, String)> {
        vec![(
            "window",
            format!("{WINDOW} x {WINDOW}, Gaussian, sigma {SIGMA}"),
        )]
    }

    fn compute(&self, pairs: &ImagePairs<'_>) -> Result<Vec<PairedScore>> {
        let (size, channels) = (pairs.outputs.size, pairs.outputs.channels);
        if size < WINDOW {
            return Err(refuse(
                format!(
                    "SSIM has a window of {WINDOW} x {WINDOW}, the images have {size} x {size}"
                ),
                "take larger images",
            ));
        }
        let values: Vec<f64> = pairs
            .each()
            .map(|(output, target)| ssim(output, target, size, channels))
            .collect();
        Ok(vec![PairedScore::mean("ssim", &values)])
    }
}

/// The structural similarity of two images of `size` x `size` x `channels` bytes, `size` at least [`WINDOW`]: -1 to 1, 1 of equal ones.
pub fn ssim(output: &[u8], target: &[u8], size: usize, channels: usize) -> f64 {
    let window = window();
    let of_channel = |channel: usize| {
        let plane = |image: &[u8]| -> Vec<f64> {
            let values = image[channel..].iter().step_by(channels);
            values.map(|&value| f64::from(value)).collect()
        };
        let (x, y) = (plane(output), plane(target));
        let product =
            |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
        let mean = |values: &[f64]| filtered(values, size, &window);
        let (mx, my) = (mean(&x), mean(&y));
        let (xx, yy, xy) = (
            mean(&product(&x, &x)),
            mean(&product(&y, &y)),
            mean(&product(&x, &y)),
        );
        let places = (0..mx.len()).map(|place| {
            let (a, b) = (mx[place], my[place]);
            let (vx, vy, covariance) = (xx[place] - a * a, yy[place] - b * b, xy[place] - a * b);
            ((2.0 * a * b + C1) * (2.0 * covariance + C2)) / ((a * a + b * b + C1) * (vx + vy + C2))
        });
        places.sum::<f64>() / mx.len() as f64
    };
    (0..channels).map(of_channel).sum::<f64>() / channels as f64
}

/// The window along one axis; its entries sum to 1.
fn window() -> [f64; WINDOW] {
    let middle = (WINDOW / 2) as f64;
    let mut window = [0.0; WINDOW];
    for (place, weight) in window.iter_mut().enumerate() {
        *weight = (-0.5 * ((place as f64 - middle) / SIGMA).powi(2)).exp();
    }
    let sum: f64 = window.iter().sum();
    window.map(|weight| weight / sum)
}

/// The mean of a plane under the window at every place where that lies within it.
fn filtered(plane: &[f64], size: usize, window: &[f64; WINDOW]) -> Vec<f64> {
    let inner = size - WINDOW + 1;
    // Along rows, then along columns.
    let mut rows = vec![0.0; size * inner];
    for (row, line) in rows.chunks_exact_mut(inner).enumerate() {
        for (column, value) in line.iter_mut().enumerate() {
            let source = &plane[row * size + column..][..WINDOW];
            *value = source.iter().zip(window).map(|(a, b)| a * b).sum();
        }
    }
    let mut result = vec![0.0; inner * inner];
    for (place, value) in result.iter_mut().enumerate() {
        let (row, column) = (place / inner, place % inner);
        let weights = window.iter().enumerate();
        *value = weights
            .map(|(offset, weight)| weight * rows[(row + offset) * inner + column])
            .sum();
    }
    result
}
