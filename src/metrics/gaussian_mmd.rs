//! The squared maximum mean discrepancy of features under a Gaussian kernel: the formula of CMMD.
//!
//! Jayasumana et al., *Rethinking FID: Towards a Better Evaluation Metric for Image Generation* (2024, arXiv 2401.09603),
//! section 4 and their code: k(x, y) = exp(-|x - y|^2 / (2 sigma^2)) with sigma = 10 on features of length 1, times 1000. All
//! pairs are counted, those of an image with itself too (a V-statistic), so it is at least 0, and 0 for equal sets; unlike the
//! unbiased estimate of KID it is biased upwards by about 1 / n.
//!
//! Its authors call it CMMD on features of one CLIP network, and their numbers compare with no others: `cmmd` is refused on other
//! features. On any features it is `mmd-gaussian` here.

use rayon::prelude::*;

use crate::error::{Result, refuse};
use crate::features::{CLIP_NAME, Features};
use crate::linalg::{Matrix, multiply, tiles};

use super::unit_rows::{check_directions, unit_rows};
use super::{Comparison, Direction, Metric, MetricSettings, Score, ScoreDefinition, check};

/// The width of the kernel.
const SIGMA: f64 = 10.0;
/// What the distance is multiplied with.
const SCALE: f64 = 1000.0;
/// Rows of a side that are looked at together.
const PANEL: usize = 1024;
/// Rows that one thread takes at a time.
const SHARE: usize = 64;

/// Distance under a Gaussian kernel between the features of generated and real images.
#[derive(Clone, Copy, Debug)]
pub struct GaussianMmd {
    /// Its one score, and its own name.
    score: &'static ScoreDefinition,
    /// The one extractor whose features it is defined on; none for any.
    extractor: Option<&'static str>,
}

impl GaussianMmd {
    /// On any features.
    pub const ANY: Self = Self {
        score: &definition("mmd-gaussian", "Gaussian MMD"),
        extractor: None,
    };
    /// On the features that its authors define it on.
    pub const CMMD: Self = Self {
        score: &definition("cmmd", "CMMD"),
        extractor: Some(CLIP_NAME),
    };
}

const fn definition(name: &'static str, title: &'static str) -> ScoreDefinition {
    ScoreDefinition {
        name,
        title,
        direction: Direction::Lower,
        spread: "",
    }
}

impl Metric for GaussianMmd {
    fn name(&self) -> &'static str {
        self.score.name
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        std::slice::from_ref(self.score)
    }

    fn minimum_images(&self, _: &MetricSettings) -> usize {
        1
    }

    fn settings(&self, _: &MetricSettings) -> Vec<(&'static str, String)> {
        vec![
            ("estimator", "all pairs".to_owned()),
            ("features", "of length 1".to_owned()),
            ("scale", SCALE.to_string()),
            ("sigma", SIGMA.to_string()),
        ]
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        check(self, comparison)?;
        let (generated, real) = (comparison.generated, comparison.real);
        check_directions(self.name(), generated, Some(real))?;
        let value = gaussian_mmd(generated, real);
        Ok(vec![Score::new(self.name(), value)])
    }

    fn check_extractor(&self, extractor: Option<&str>) -> Result<()> {
        let Some(own) = self.extractor.filter(|own| extractor != Some(own)) else {
            return Ok(());
        };
        let found = match extractor {
            Some(name) => format!("these are of `{name}`"),
            None => "what made these is not known".to_owned(),
        };
        Err(refuse(
            format!(
                "`{}` is defined on features of `{own}`, and {found}",
                self.name()
            ),
            format!(
                "take `--features {own}`, or `{}`: the same formula on any features",
                Self::ANY.name()
            ),
        ))
    }
}

/// 1000 times the squared distance of two sets of features, of which each has an image and none a row of zeros.
pub fn gaussian_mmd(x: &Features, y: &Features) -> f64 {
    let squared = mean(x, None) + mean(y, None) - 2.0 * mean(x, Some(y));
    SCALE * squared.max(0.0)
}

/// The mean of k(x, y) - 1 over all pairs of one set, or of two: kernels lie so near 1 that it is better left out.
fn mean(x: &Features, other: Option<&Features>) -> f64 {
    let (y, within) = (other.unwrap_or(x), other.is_none());
    let mut sum = 0.0;
    for (number, panel) in tiles(x.rows, PANEL).into_iter().enumerate() {
        let left = unit_rows(x, panel);
        for (other, panel) in tiles(y.rows, PANEL).into_iter().enumerate() {
            if within && other > number {
                continue; // seen from the other side
            }
            let pairs = if within && other < number { 2.0 } else { 1.0 };
            sum += pairs * sum_of(&left, &unit_rows(y, panel), x.columns);
        }
    }
    sum / (x.rows as f64 * y.rows as f64)
}

/// The sum of k(x, y) - 1 over the rows of two panels.
fn sum_of(left: &[f64], right: &[f64], columns: usize) -> f64 {
    let width = right.len() / columns;
    let shares = left.par_chunks(SHARE * columns);
    let sums: Vec<f64> = shares
        .map_init(Vec::new, |products, share| {
            let rows = share.len() / columns;
            products.resize(rows * width, 0.0);
            let size = [rows, width, columns];
            let (left, right) = (
                Matrix::rows(share, columns),
                Matrix::columns(right, columns),
            );
            multiply(size, products, width, left, right, false);
            // |x - y|^2 = 2 - 2 x.y
            let kernel = |product: &f64| ((product - 1.0) / (SIGMA * SIGMA)).exp_m1();
            products.iter().map(kernel).sum()
        })
        .collect();
    sums.iter().sum()
}
