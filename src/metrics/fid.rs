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
//! Beside the features themselves this takes memory for a few matrices of features by features, whatever the number of
//! images.

use faer::Mat;

use crate::error::Result;
use crate::linalg::{
    Moments, Root, Rows, Value, centred, nuclear_norm_of_product, root, trace_sqrt_product,
};

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

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        check(self, comparison)?;
        let generated = Gaussian::of(Rows::from(comparison.generated), DDOF)?;
        let distance = generated.distance(comparison.real_gaussian()?)?.distance();
        Ok(vec![Score {
            warning: rank_warning("fid", comparison),
            ..Score::new("fid", distance)
        }])
    }
}

/// What to say where a covariance cannot have full rank, because there are no more images than features.
pub(super) fn rank_warning(score: &str, comparison: &Comparison<'_>) -> String {
    let images = comparison.generated.rows.min(comparison.real.rows);
    let features = comparison.real.columns;
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

/// A Gaussian fitted to rows.
pub(super) struct Gaussian {
    mean: Vec<f64>,
    /// Tr S.
    trace: f64,
    covariance: Covariance,
}

/// A covariance S.
enum Covariance {
    /// S, and L with L L^T = S.
    FullRank { whole: Mat<f64>, root: Mat<f64> },
    /// F with F^T F = S and no more rows than columns.
    Rows(Mat<f64>),
}

impl Gaussian {
    /// The Gaussian of more than `ddof` rows.
    ///
    /// No more rows than columns make a covariance that lacks rank; they are themselves, centred, its exact and smaller
    /// form.
    pub(super) fn of<T: Value>(rows: Rows<'_, T>, ddof: usize) -> Result<Self> {
        if rows.rows <= rows.columns {
            Ok(Self::of_rows(rows, ddof))
        } else {
            Self::of_moments(&Moments::of(rows), ddof)
        }
    }

    fn of_rows<T: Value>(rows: Rows<'_, T>, ddof: usize) -> Self {
        let scaled = centred(rows, ((rows.rows - ddof) as f64).sqrt());
        Self {
            mean: rows.mean(),
            trace: scaled.squared_norm_l2(),
            covariance: Covariance::Rows(scaled),
        }
    }

    fn of_moments(moments: &Moments, ddof: usize) -> Result<Self> {
        let whole = moments.covariance(ddof);
        Ok(Self {
            mean: moments.mean().to_vec(),
            trace: whole.diagonal().column_vector().iter().sum(),
            covariance: match root(whole.as_ref())? {
                Root::Cholesky(root) => Covariance::FullRank { whole, root },
                Root::Rows(rows) => Covariance::Rows(rows),
            },
        })
    }

    /// The Fréchet distance to `other`.
    ///
    /// Tr sqrt(S1 S2) is the sum of the singular values of A B^T for any A^T A = S1 and B^T B = S2. Where both
    /// covariances have full rank, the eigenvalues of a symmetric matrix give it in a third of the time; where one lacks
    /// rank, they would turn what should be zero into the square root of a rounding.
    pub(super) fn distance(&self, other: &Self) -> Result<Frechet> {
        use Covariance::{FullRank, Rows};
        let roots = match (&self.covariance, &other.covariance) {
            (FullRank { root, .. }, FullRank { whole, .. }) => {
                trace_sqrt_product(root.as_ref(), whole.as_ref())?
            }
            (Rows(a), Rows(b)) => nuclear_norm_of_product(a.as_ref(), b.as_ref())?,
            (Rows(a), FullRank { root, .. }) | (FullRank { root, .. }, Rows(a)) => {
                nuclear_norm_of_product(a.as_ref(), root.transpose())?
            }
        };
        let squares = self
            .mean
            .iter()
            .zip(&other.mean)
            .map(|(x, y)| (x - y) * (x - y));
        Ok(Frechet {
            mean: squares.sum(),
            trace: self.trace + other.trace - 2.0 * roots,
        })
    }
}
