//! FID at infinitely many generated images, by extrapolation: the part of FID's bias that the number of generated images
//! causes is about proportional to its inverse.
//!
//! Chong and Forsyth, *Effectively Unbiased FID and Inception Score and where to find them* (2020, arXiv 1911.07023),
//! section 3, as Stein et al. (2023, arXiv 2306.04675) compute it: FID of [`SIZES`] random subsets of the generated
//! images, of sizes from a tenth of them (5,000 at most) to all, against all real ones; a line through FID over
//! 1 / size; its value at 0. The bias that the number of real images causes stays. The spread is the root mean square
//! distance of the points from the line: how far it can be trusted.

use crate::error::Result;
use crate::features::Features;
use crate::linalg::Rows;
use crate::random::Random;

use super::fid::{DDOF, rank_warning};
use super::gaussian::Gaussian;
use super::{Comparison, Direction, Metric, MetricSettings, Score, ScoreDefinition, check};

/// How many sizes of subsets.
const SIZES: usize = 15;
/// The smallest size is a tenth of the images, and no more than this.
const LARGEST_START: usize = 5000;

/// FID extrapolated to infinitely many generated images.
#[derive(Clone, Copy, Debug)]
pub struct FidInfinity;

impl Metric for FidInfinity {
    fn name(&self) -> &'static str {
        "fid-infinity"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "fid-infinity",
            title: "FID (n → ∞)",
            direction: Direction::Lower,
            spread: "distance from the fitted line",
        }]
    }

    fn minimum_images(&self, _: &MetricSettings) -> usize {
        SIZES + 1
    }

    fn settings(&self, settings: &MetricSettings) -> Vec<(&'static str, String)> {
        vec![
            ("ddof", DDOF.to_string()),
            ("seed", settings.seed.to_string()),
            ("sizes", SIZES.to_string()),
            ("start", format!("min({LARGEST_START}, n/10)")),
        ]
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        check(self, comparison)?;
        let generated = comparison.generated;
        let real = comparison.real_gaussian()?;
        let random = Random::new(comparison.settings.seed);
        let points = sizes(generated.rows)
            .into_iter()
            .enumerate()
            .map(|(place, size)| {
                let mut stream = random.at(place as u64).stream("fid-infinity");
                let subset: Features = generated.select(&stream.choose(generated.rows, size));
                let distance = Gaussian::of(Rows::from(&subset), DDOF)?.distance(real)?;
                Ok((1.0 / size as f64, distance.distance()))
            })
            .collect::<Result<Vec<(f64, f64)>>>()?;
        let (intercept, spread) = line(&points);
        Ok(vec![Score {
            spread: Some(spread),
            warning: rank_warning(
                "fid-infinity",
                generated.rows.min(comparison.real.rows),
                generated.columns,
            ),
            ..Score::new("fid-infinity", intercept)
        }])
    }
}

/// The sizes of subsets of `count` images, evenly spaced.
fn sizes(count: usize) -> Vec<usize> {
    let start = LARGEST_START.min((count / 10).max(2)) as f64;
    let step = (count as f64 - start) / (SIZES - 1) as f64;
    (0..SIZES)
        .map(|place| (start + step * place as f64) as usize)
        .collect()
}

/// The least-squares line through points: its value at 0, and the root mean square distance of the points from it.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean = |value: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / count;
    let (x, y) = (mean(&|point| point.0), mean(&|point| point.1));
    let slope = mean(&|point| (point.0 - x) * (point.1 - y)) / mean(&|point| (point.0 - x).powi(2));
    let residual = mean(&|point| (point.1 - y - slope * (point.0 - x)).powi(2));
    (y - slope * x, residual.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_literature() {
        let sizes = sizes(50_000);
        assert_eq!((sizes[0], sizes[1], sizes[14]), (5000, 8214, 50_000));
        assert_eq!(super::sizes(16)[..3], [2, 3, 4]);
        assert_eq!(super::sizes(400)[0], 40);
    }

    #[test]
    fn a_line_is_found_and_what_is_none_has_a_spread() {
        let points = [0.5, 0.25, 0.1, 0.05].map(|x| (x, 3.0 + 7.0 * x));
        let (intercept, spread) = line(&points);
        assert!((intercept - 3.0).abs() < 1e-14 && spread < 1e-14);
        // Three points on a tent one high: the line is flat at 1 / 3, the points are 1/3, 2/3 and 1/3 away.
        let (intercept, spread) = line(&[(0.0, 0.0), (1.0, 1.0), (2.0, 0.0)]);
        assert!((intercept - 1.0 / 3.0).abs() < 1e-15);
        assert!((spread - (6.0f64 / 27.0).sqrt()).abs() < 1e-15);
    }
}
