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

use crate::error::Result;
use crate::features::Features;
use crate::linalg::{Moments, Rows, Value, centred, nuclear_norm_of_product, trace_sqrt_product};

use super::{Direction, Metric, MetricSettings, Score, ScoreDefinition, check};

/// The literature's divisor of the covariance is n - 1.
const DDOF: usize = 1;

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
        }]
    }

    fn minimum_images(&self, _: &MetricSettings) -> usize {
        DDOF + 1
    }

    fn settings(&self, _: &MetricSettings) -> Vec<(&'static str, String)> {
        vec![("ddof", DDOF.to_string())]
    }

    fn compute(
        &self,
        generated: &Features,
        real: &Features,
        settings: &MetricSettings,
    ) -> Result<Vec<Score>> {
        check(self, generated, real, settings)?;
        let distance = frechet(generated.into(), real.into(), DDOF)?.distance();
        Ok(vec![Score::new("fid", distance)])
    }
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

/// The Fréchet distance of two sets of rows, by whichever route is cheaper: [`frechet_of_rows`] where both have fewer
/// rows than columns, else [`frechet_of_moments`]. Both must have more than `ddof` rows.
pub fn frechet<T: Value>(x: Rows<'_, T>, y: Rows<'_, T>, ddof: usize) -> Result<Frechet> {
    if x.rows.max(y.rows) < x.columns {
        frechet_of_rows(x, y, ddof)
    } else {
        frechet_of_moments(&Moments::of(x), &Moments::of(y), ddof)
    }
}

/// The Fréchet distance from moments: two eigenvalue problems of the size of a row.
pub fn frechet_of_moments(x: &Moments, y: &Moments, ddof: usize) -> Result<Frechet> {
    let (s1, s2) = (x.covariance(ddof), y.covariance(ddof));
    let traces = trace(&s1) + trace(&s2);
    let root = trace_sqrt_product(s1.as_ref(), s2.as_ref())?;
    Ok(Frechet {
        mean: squared_difference(x.mean(), y.mean()),
        trace: traces - 2.0 * root,
    })
}

/// The Fréchet distance without covariances: one singular value problem of the numbers of rows.
pub fn frechet_of_rows<T: Value>(x: Rows<'_, T>, y: Rows<'_, T>, ddof: usize) -> Result<Frechet> {
    let scaled = |rows: Rows<'_, T>| centred(rows, ((rows.rows - ddof) as f64).sqrt());
    let (a, b) = (scaled(x), scaled(y));
    let root = nuclear_norm_of_product(a.as_ref(), b.as_ref())?;
    Ok(Frechet {
        mean: squared_difference(&x.mean(), &y.mean()),
        trace: a.squared_norm_l2() + b.squared_norm_l2() - 2.0 * root,
    })
}

fn trace(matrix: &faer::Mat<f64>) -> f64 {
    matrix.diagonal().column_vector().iter().sum()
}

fn squared_difference(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}
