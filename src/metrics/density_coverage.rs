//! Density and coverage: precision and recall that one outlier cannot inflate.
//!
//! Naeem et al., *Reliable Fidelity and Diversity Metrics for Generative Models* (2020, arXiv 2002.09797), section 3,
//! eq. 3 and 4. Only real images have balls, which reach to the k-th nearest other real image, surface excluded (`<`,
//! as in the authors' code). Density is the number of balls a generated image is in, over k, on average: 1 for equal
//! distributions, with no upper limit. Coverage is the fraction of balls that hold a generated image: 1 - 1 / 2^k for
//! equal distributions.

use crate::error::Result;

use super::neighbours::Inside;
use super::{Comparison, Direction, Metric, MetricSettings, Score, ScoreDefinition, check};

/// Density and coverage.
#[derive(Clone, Copy, Debug)]
pub struct DensityCoverage;

impl Metric for DensityCoverage {
    fn name(&self) -> &'static str {
        "density-coverage"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[
            ScoreDefinition {
                name: "density",
                title: "Density",
                direction: Direction::Higher,
                spread: "",
            },
            ScoreDefinition {
                name: "coverage",
                title: "Coverage",
                direction: Direction::Higher,
                spread: "",
            },
        ]
    }

    fn minimum_images(&self, settings: &MetricSettings) -> usize {
        settings.density_neighbours + 1
    }

    fn settings(&self, settings: &MetricSettings) -> Vec<(&'static str, String)> {
        vec![
            ("boundary", "<".to_owned()),
            ("k", settings.density_neighbours.to_string()),
        ]
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        let k = comparison.settings.density_neighbours;
        check(self, comparison)?;
        let (density, coverage) = density_and_coverage(&comparison.density(), k);
        Ok(vec![
            Score::new("density", density),
            Score::new("coverage", coverage),
        ])
    }
}

/// Density and coverage of generated images in the balls of real ones, which reach to their `k`-th neighbours.
pub(super) fn density_and_coverage(inside: &Inside, k: usize) -> (f64, f64) {
    let held: u64 = inside.of_ball.iter().copied().map(u64::from).sum();
    let covered = inside.of_ball.iter().filter(|&&images| images > 0).count();
    let density = held as f64 / (k * inside.of_image.len()) as f64;
    (density, covered as f64 / inside.of_ball.len() as f64)
}
