//! Differences of pixels: the mean absolute one, and the peak signal-to-noise ratio.

use super::{ImagePairs, OVER_PAIRS, PairedMetric, PairedScore};
use crate::error::Result;
use crate::metrics::{Direction, ScoreDefinition};

/// The mean absolute difference of intensities in [0, 1], over pixels and channels.
#[derive(Clone, Copy, Debug)]
pub struct L1;

impl PairedMetric for L1 {
    fn name(&self) -> &'static str {
        "l1"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "l1",
            title: "L1",
            direction: Direction::Lower,
            spread: OVER_PAIRS,
        }]
    }

    fn fits(&self, pairs: &ImagePairs<'_>) -> bool {
        !pairs.is_masks()
    }

    fn settings(&self, _: &ImagePairs<'_>) -> Vec<(&'static str, String)> {
        vec![("intensities", "0 to 1".to_owned())]
    }

    fn compute(&self, pairs: &ImagePairs<'_>) -> Result<Vec<PairedScore>> {
        let of_pair = |(output, target): (&[u8], &[u8])| {
            let differences = output.iter().zip(target);
            let sum: u64 = differences.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            sum as f64 / (255.0 * output.len() as f64)
        };
        let values: Vec<f64> = pairs.each().map(of_pair).collect();
        Ok(vec![PairedScore::mean("l1", &values)])
    }
}

/// Peak signal-to-noise ratio in decibels: 10 log10(255^2 / mean squared difference), a mean over images.
#[derive(Clone, Copy, Debug)]
pub struct Psnr;

impl PairedMetric for Psnr {
    fn name(&self) -> &'static str {
        "psnr"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "psnr",
            title: "PSNR (dB)",
            direction: Direction::Higher,
            spread: OVER_PAIRS,
        }]
    }

    fn fits(&self, pairs: &ImagePairs<'_>) -> bool {
        !pairs.is_masks()
    }

    fn settings(&self, _: &ImagePairs<'_>) -> Vec<(&'static str, String)> {
        vec![("peak", "255".to_owned())]
    }

    fn compute(&self, pairs: &ImagePairs<'_>) -> Result<Vec<PairedScore>> {
        let of_pair = |(output, target): (&[u8], &[u8])| {
            let differences = output.iter().zip(target);
            let sum: u64 = differences
                .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2))
                .sum();
            10.0 * (255f64.powi(2) * output.len() as f64 / sum as f64).log10()
        };
        let values: Vec<f64> = pairs.each().map(of_pair).collect();
        let infinite = values.iter().filter(|value| value.is_infinite()).count();
        Ok(vec![match infinite {
            0 => PairedScore::mean("psnr", &values),
            _ => PairedScore::absent(
                "psnr",
                format!("{infinite} images equal their targets, where it is infinite"),
            ),
        }])
    }
}
