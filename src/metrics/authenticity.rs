//! Memorisation: how many generated images are further from every training image than that is from the others.
//!
//! Alaa et al., *How Faithful is your Synthetic Data?* (2022, arXiv 2102.08921), as Stein et al. (2023,
//! arXiv 2306.04675) compute it: a generated image is authentic if it is further from its nearest training image than
//! that is from its own nearest other training image. The score is the percentage of authentic ones; copies of training
//! images lower it.
//!
//! It speaks of memorisation only where the real side is what the model was trained on. Measured against held-out images
//! it says how close the generated ones lie to those.

use crate::error::Result;
use crate::features::Features;
use crate::linalg::Rows;

use super::neighbours::Neighbours;
use super::{Comparison, Direction, Metric, MetricSettings, Score, ScoreDefinition, check};

/// The percentage of authentic images.
#[derive(Clone, Copy, Debug)]
pub struct Authenticity;

impl Metric for Authenticity {
    fn name(&self) -> &'static str {
        "authpct"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "authpct",
            title: "AuthPct",
            direction: Direction::Higher,
            spread: "",
        }]
    }

    fn minimum_images(&self, _: &MetricSettings) -> usize {
        2
    }

    fn settings(&self, _: &MetricSettings) -> Vec<(&'static str, String)> {
        vec![("authentic", "d(x, t) > d(t, t')".to_owned())]
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        check(self, comparison)?;
        let closest = closest(comparison.generated, comparison.real);
        let radii = comparison.real_neighbours().squared_radii(1);
        let authentic = closest
            .iter()
            .filter(|closest| closest.squared_distance > radii[closest.real])
            .count();
        let fraction = authentic as f64 / closest.len() as f64;
        Ok(vec![Score::new("authpct", 100.0 * fraction)])
    }
}

/// The real image nearest to a generated one in feature space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Closest {
    /// Its index; the first of several at the same distance.
    pub real: usize,
    /// How far it is, squared.
    pub squared_distance: f64,
}

/// The nearest real image of every generated one. There must be a real image, and both must have as many features.
pub fn closest(generated: &Features, real: &Features) -> Vec<Closest> {
    let neighbours = Neighbours::across(Rows::from(generated), real.into());
    let closest = |(squared_distance, real)| Closest {
        real,
        squared_distance,
    };
    neighbours.nearest().map(closest).collect()
}
