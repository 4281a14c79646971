//! Fréchet inception distance: the Fréchet distance between two Gaussians fitted to the features.
//!
//! Heusel et al., *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium* (2017,
//! arXiv 1706.08500), section 4, eq. 6:
//!
//! d^2 = |m1 - m2|^2 + Tr(S1 + S2 - 2 sqrt(S1 S2))
//!
//! with the unbiased covariance (ddof 1), as in the authors' code. Unlike it, nothing is added to a singular
//! covariance: the trace is taken from symmetric or singular-value decompositions, which need no such offset. The
//! distance is biased upwards by about 1 / n, so numbers of different n do not compare.
//!
//! It needs a Gaussian of each side, and that takes memory for a few matrices of features by features, whatever the number of
//! images (`gaussian.rs`).

use crate::error::Result;
use crate::linalg::{Moments, Rows, Value};

use super::gaussian::{Gaussian, GaussianMetric, GaussianSide};
use super::{Comparison, Direction, Metric, MetricSettings, Score, ScoreDefinition, check};

/// The literature's divisor of the covariance is n - 1.
pub(super) const DDOF: usize = 1;

/// Fréchet distance between the features of generated and real images.
#[derive(Clone, Copy, Debug)]
pub struct Fid;

impl Metric for Fid {
    fn name(&self) -> &'static str {
        "fid"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "fid",
            title: "FID",
            direction: Direction::Lower,
            spread: "",
        }]
    }

    fn minimum_images(&self, _: &MetricSettings) -> usize {
        DDOF + 1
    }

    fn settings(&self, _: &MetricSettings) -> Vec<(&'static str, String)> {
        vec![("ddof", DDOF.to_string())]
    }

    fn has_interval(&self, images: usize, features: usize) -> bool {
        // A draw of no more images than features has a covariance of much lower rank than the images themselves.
        images > features
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        check(self, comparison)?;
        let generated = Gaussian::of(Rows::from(comparison.generated), DDOF)?;
        score(&generated, comparison.real_gaussian()?)
    }

    fn of_gaussians(&self) -> Option<&dyn GaussianMetric> {
        Some(self)
    }
}

impl GaussianMetric for Fid {
    fn compare(&self, generated: &GaussianSide, real: &GaussianSide) -> Result<Vec<Score>> {
        score(generated.gaussian()?, real.gaussian()?)
    }
}

fn score(generated: &Gaussian, real: &Gaussian) -> Result<Vec<Score>> {
    let known = [generated.images(), real.images()].into_iter().flatten();
    let warning = known
        .min()
        .map(|images| rank_warning("fid", images, real.features()));
    Ok(vec![Score {
        warning: warning.unwrap_or_default(),
        ..Score::new("fid", generated.distance(real)?.distance())
    }])
}

/// What to say where a covariance cannot have full rank, because there are no more `images` on a side than `features`.
pub(super) fn rank_warning(score: &str, images: usize, features: usize) -> String {
    if images > features {
        return String::new();
    }
    format!(
        "`{score}`: {images} images of {features} features give a covariance of rank {} at most; the distance is well \
         defined but biased upwards, and compares only with others of as many images",
        images - DDOF
    )
}

/// A squared Fréchet distance in its two parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frechet {
    /// |m1 - m2|^2.
    pub mean: f64,
    /// Tr(S1 + S2 - 2 sqrt(S1 S2)); at least 0 but for rounding.
    pub trace: f64,
}

impl Frechet {
    /// The squared distance, at least 0.
    pub fn distance(self) -> f64 {
        (self.mean + self.trace).max(0.0)
    }
}

/// The Fréchet distance of two sets of rows, each of more than `ddof`.
pub fn frechet<T: Value>(x: Rows<'_, T>, y: Rows<'_, T>, ddof: usize) -> Result<Frechet> {
    Gaussian::of(x, ddof)?.distance(&Gaussian::of(y, ddof)?)
}

/// The Fréchet distance from moments: decompositions of the size of a row.
pub fn frechet_of_moments(x: &Moments, y: &Moments, ddof: usize) -> Result<Frechet> {
    Gaussian::of_moments(x, ddof)?.distance(&Gaussian::of_moments(y, ddof)?)
}

/// The Fréchet distance without covariances: one singular value problem of the numbers of rows.
pub fn frechet_of_rows<T: Value>(x: Rows<'_, T>, y: Rows<'_, T>, ddof: usize) -> Result<Frechet> {
    Gaussian::of_rows(x, ddof).distance(&Gaussian::of_rows(y, ddof))
}
