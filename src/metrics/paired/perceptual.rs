//! LPIPS of each image and its target (Zhang et al. 2018, arXiv 1801.03924).

use super::{ImagePairs, OVER_PAIRS, PairedMetric, PairedScore};
use crate::error::Result;
use crate::metrics::{Direction, ScoreDefinition};

/// Pairs that are embedded at a time: bounds memory.
const BLOCK: usize = 16;

/// The perceptual distance of `evaluation.perceptual`; left out where none is given.
#[derive(Clone, Copy, Debug)]
pub struct Lpips;

impl PairedMetric for Lpips {
    fn name(&self) -> &'static str {
        "lpips"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "lpips",
            title: "LPIPS",
            direction: Direction::Lower,
            spread: OVER_PAIRS,
        }]
    }

    fn fits(&self, pairs: &ImagePairs<'_>) -> bool {
        pairs.distance.is_some()
    }

    fn settings(&self, pairs: &ImagePairs<'_>) -> Vec<(&'static str, String)> {
        let distance = pairs.distance.into_iter();
        distance
            .flat_map(|distance| {
                [
                    ("distance", distance.describe_for(pairs.outputs.channels)),
                    ("weights", distance.hash()),
                ]
            })
            .collect()
    }

    fn compute(&self, pairs: &ImagePairs<'_>) -> Result<Vec<PairedScore>> {
        let Some(distance) = pairs.distance else {
            return Ok(Vec::new());
        };
        let mut values = Vec::with_capacity(pairs.outputs.count);
        let all: Vec<usize> = (0..pairs.outputs.count).collect();
        for block in all.chunks(BLOCK) {
            let outputs = distance.embed(&pairs.outputs.select(block).to_images())?;
            let targets = distance.embed(&pairs.targets.select(block).to_images())?;
            values.extend(outputs.iter().zip(&targets).map(|(output, target)| {
                let entries = output.iter().zip(target);
                entries.map(|(a, b)| (a - b).powi(2)).sum::<f64>()
            }));
        }
        Ok(vec![PairedScore::mean("lpips", &values)])
    }
}
