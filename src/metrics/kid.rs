//! Kernel inception distance: the squared maximum mean discrepancy of features under a cubic polynomial kernel.
//!
//! Bińkowski et al., *Demystifying MMD GANs* (2018, arXiv 1801.01401), section 4: k(x, y) = (x . y / d + 1)^3 for d
//! features, the unbiased estimator, the mean over random subsets. As in torch-fidelity, subsets are drawn without
//! replacement from both sides independently, the cross term is the mean over all m^2 pairs, and the spread is the
//! population standard deviation over subsets. Subsets overlap, so that spread is not a standard error.
//!
//! The estimator is unbiased and can therefore be negative.

use std::ops::Range;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::error::Result;
use crate::features::Features;
use crate::linalg::{Rows, Value, tiles};
use crate::random::Random;

use super::{Direction, Metric, MetricSettings, Score, ScoreDefinition, check, check_setting};

/// Rows of one block of the kernel matrix.
const TILE: usize = 128;

/// Kernel distance between the features of generated and real images.
#[derive(Clone, Copy, Debug)]
pub struct Kid;

impl Metric for Kid {
    fn name(&self) -> &'static str {
        "kid"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "kid",
            title: "KID",
            direction: Direction::Lower,
        }]
    }

    fn minimum_images(&self, settings: &MetricSettings) -> usize {
        settings.kid_subset_size
    }

    fn too_few_hint(&self) -> &'static str {
        "give it more images, or lower `evaluation.metrics.kid_subset_size` in every evaluation to be compared"
    }

    fn settings(&self, settings: &MetricSettings) -> Vec<(&'static str, String)> {
        vec![
            ("estimator", "unbiased".to_owned()),
            ("kernel", "(x.y/d + 1)^3".to_owned()),
            ("seed", settings.seed.to_string()),
            ("subset_size", settings.kid_subset_size.to_string()),
            ("subsets", settings.kid_subsets.to_string()),
        ]
    }

    fn compute(
        &self,
        generated: &Features,
        real: &Features,
        settings: &MetricSettings,
    ) -> Result<Vec<Score>> {
        check_setting("kid_subsets", settings.kid_subsets, 1)?;
        check_setting("kid_subset_size", settings.kid_subset_size, 2)?;
        check(self, generated, real, settings)?;
        Ok(vec![over_subsets(generated, real, settings)])
    }
}

/// The mean over random subsets, or the one estimate there is where a subset is everything.
fn over_subsets(generated: &Features, real: &Features, settings: &MetricSettings) -> Score {
    let size = settings.kid_subset_size;
    if generated.rows == size && real.rows == size {
        return Score::new("kid", kid_unbiased(generated.into(), real.into()));
    }
    let estimates: Vec<f64> = (0..settings.kid_subsets)
        .into_par_iter()
        .map(|subset| {
            let random = Random::new(settings.seed).at(subset as u64);
            let choose = |features: &Features, name| {
                features.select(&random.stream(name).choose(features.rows, size))
            };
            let generated = choose(generated, "kid generated");
            let real = choose(real, "kid real");
            kid_unbiased(Rows::from(&generated), Rows::from(&real))
        })
        .collect();
    let count = estimates.len() as f64;
    let mean = estimates.iter().sum::<f64>() / count;
    let variance = estimates
        .iter()
        .map(|kid| (kid - mean).powi(2))
        .sum::<f64>()
        / count;
    Score {
        name: "kid",
        value: mean,
        spread: Some(variance.sqrt()),
    }
}

/// The unbiased estimate from all rows of both sides, of which each must have two or more.
pub fn kid_unbiased<T: Value>(x: Rows<'_, T>, y: Rows<'_, T>) -> f64 {
    let within = |rows: Rows<'_, T>| {
        let pairs = rows.rows * (rows.rows - 1);
        2.0 * kernel_sum_below_diagonal(rows) / pairs as f64
    };
    within(x) + within(y) - 2.0 * kernel_mean(x, y)
}

/// The biased estimate from all rows of both sides: a squared distance, at least 0, and 0 for equal sets of rows.
pub fn kid_biased<T: Value>(x: Rows<'_, T>, y: Rows<'_, T>) -> f64 {
    kernel_mean(x, x) + kernel_mean(y, y) - 2.0 * kernel_mean(x, y)
}

fn kernel(product: f64, columns: usize) -> f64 {
    (product / columns as f64 + 1.0).powi(3)
}

/// The mean of k(x, y) over all pairs.
fn kernel_mean<T: Value>(x: Rows<'_, T>, y: Rows<'_, T>) -> f64 {
    kernel_sum(x, y, |_| 0..y.rows) / (x.rows * y.rows) as f64
}

/// The sum of `k(x_i, x_j)` over i > j.
fn kernel_sum_below_diagonal<T: Value>(x: Rows<'_, T>) -> f64 {
    kernel_sum(x, x, |row| 0..row)
}

/// The sum of `k(x_i, y_j)` over all i, and the j in `columns(i)`, which must start at 0 and not shrink as i grows.
fn kernel_sum<T: Value>(
    x: Rows<'_, T>,
    y: Rows<'_, T>,
    columns: impl Fn(usize) -> Range<usize> + Sync,
) -> f64 {
    let sums: Vec<f64> = tiles(x.rows, TILE)
        .into_par_iter()
        .map(|rows| {
            let left = x.tile(rows.clone());
            let reach = columns(rows.end - 1).end;
            let mut sum = 0.0;
            for others in tiles(reach, TILE) {
                let products = left.products(&y.tile(others.clone()));
                for (row, products) in rows.clone().zip(products.chunks_exact(others.len())) {
                    let counted = columns(row).end.saturating_sub(others.start);
                    let counted = &products[..counted.min(others.len())];
                    sum += counted
                        .iter()
                        .map(|&product| kernel(product, x.columns))
                        .sum::<f64>();
                }
            }
            sum
        })
        .collect();
    sums.iter().sum()
}
