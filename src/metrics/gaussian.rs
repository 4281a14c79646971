//! The Gaussian fitted to features: all that the Fréchet distance needs of a set of images.

use std::borrow::Cow;
use std::mem;

use faer::Mat;

use crate::error::{Result, refuse};
use crate::features::{Features, Statistics};
use crate::linalg::{
    Moments, ROWS_AT_A_TIME, Root, Rows, Value, centred, nuclear_norm_of_product, root,
    trace_sqrt_product,
};

use super::fid::{DDOF, Frechet};
use super::{Metric, Score, same_reason};

/// By how much of the trace eigenvalues of a covariance may be negative by rounding: statistics are kept in f32 too.
const INDEFINITE: f64 = 1e-3;

/// A metric that needs no more of each side than the Gaussian fitted to its features.
pub trait GaussianMetric: Metric {
    /// The numbers that [`Metric::compute`] gives for the features that were fitted, bit for bit.
    ///
    /// Each side has as many images as the metric needs at least.
    fn compare(&self, generated: &GaussianSide, real: &GaussianSide) -> Result<Vec<Score>>;
}

/// What a [`GaussianMetric`] needs of one side of a comparison.
pub struct GaussianSide {
    /// How many images; none if that is not known, of statistics that were made elsewhere.
    pub images: Option<usize>,
    /// How many features an image has.
    pub features: usize,
    gaussian: Result<Gaussian>,
}

impl GaussianSide {
    /// Fits the Gaussian to the features of `what`, which arrive in blocks of any size. Memory is for a few blocks and a few
    /// matrices of features by features.
    ///
    /// Refuses features that are not finite. That there are too few images is left to whatever compares them.
    pub fn of(what: &str, blocks: impl Iterator<Item = Result<Features>>) -> Result<Self> {
        let mut fit = Fit::default();
        for block in blocks {
            let block = block?;
            block.check_finite(what, fit.rows)?;
            fit.add(&block);
        }
        Ok(Self {
            images: Some(fit.rows),
            features: fit.columns,
            gaussian: fit.finish(DDOF),
        })
    }

    /// The Gaussian that another tool fitted.
    ///
    /// # Errors
    /// Refuses a covariance with negative eigenvalues beyond rounding: it is none.
    pub fn of_statistics(statistics: &Statistics) -> Result<Self> {
        let (mean, covariance) = (statistics.mean.clone(), statistics.covariance.clone());
        let gaussian = Gaussian::of_covariance(None, mean, covariance)?;
        if let Covariance::Rows(rows) = &gaussian.covariance
            && rows.squared_norm_l2() > (1.0 + INDEFINITE) * gaussian.trace
        {
            return Err(refuse(
                "the covariance of the statistics has negative eigenvalues: it is none",
                "write the covariance of the features as `numpy.cov(features, rowvar=False)` gives it, in f64",
            ));
        }
        Ok(Self {
            images: None,
            features: gaussian.features(),
            gaussian: Ok(gaussian),
        })
    }

    /// Its mean, and its covariance row by row: what other tools read.
    ///
    /// # Errors
    /// There are too few images for a covariance.
    pub fn statistics(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        let gaussian = self.gaussian()?;
        let covariance = match &gaussian.covariance {
            Covariance::FullRank { whole, .. } => whole.clone(),
            Covariance::Rows(rows) => rows.transpose() * rows,
        };
        let features = self.features;
        let places = (0..features * features).map(|place| (place / features, place % features));
        Ok((
            gaussian.mean.clone(),
            places
                .map(|(row, column)| covariance[(row.min(column), row.max(column))])
                .collect(),
        ))
    }

    pub(super) fn gaussian(&self) -> Result<&Gaussian> {
        self.gaussian.as_ref().map_err(same_reason)
    }
}

/// What becomes a [`Gaussian`]: the same one, bit for bit, as [`Gaussian::of`] makes of all rows at once.
#[derive(Default)]
struct Fit {
    rows: usize,
    columns: usize,
    /// The last rows, which no moments were taken of yet.
    held: Vec<f32>,
    /// Those of the rows before: none as long as there are no more rows than columns.
    moments: Option<Moments>,
}

impl Fit {
    fn add(&mut self, block: &Features) {
        self.rows += block.rows;
        self.columns = block.columns;
        // A block before which nothing is held is not copied.
        let mut held = mem::take(&mut self.held);
        let values = if held.is_empty() {
            Cow::Borrowed(&block.values)
        } else {
            held.extend_from_slice(&block.values);
            Cow::Owned(held)
        };
        if self.moments.is_none() && self.rows <= self.columns {
            self.held = values.into_owned();
            return;
        }
        let columns = self.columns;
        let moments = self.moments.get_or_insert_with(|| Moments::new(columns));
        let rows = self.rows - moments.count();
        let whole = rows - rows % ROWS_AT_A_TIME;
        let (taken, held) = values.split_at(whole * columns);
        moments.add(Rows::new(whole, columns, taken));
        self.held = held.to_vec();
    }

    fn finish(self, ddof: usize) -> Result<Gaussian> {
        if self.rows <= ddof {
            return Err(refuse(
                format!("no covariance of {} images", self.rows),
                "give more images",
            ));
        }
        let held = |rows| Rows::new(rows, self.columns, &self.held);
        let Some(mut moments) = self.moments else {
            return Ok(Gaussian::of_rows(held(self.rows), ddof));
        };
        moments.add(held(self.rows - moments.count()));
        Gaussian::of_moments(&moments, ddof)
    }
}

/// A Gaussian fitted to rows.
pub(super) struct Gaussian {
    /// How many, where that is known.
    images: Option<usize>,
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

    pub(super) fn of_rows<T: Value>(rows: Rows<'_, T>, ddof: usize) -> Self {
        let scaled = centred(rows, ((rows.rows - ddof) as f64).sqrt());
        Self {
            images: Some(rows.rows),
            mean: rows.mean(),
            trace: scaled.squared_norm_l2(),
            covariance: Covariance::Rows(scaled),
        }
    }

    pub(super) fn of_moments(moments: &Moments, ddof: usize) -> Result<Self> {
        let mean = moments.mean().to_vec();
        Self::of_covariance(Some(moments.count()), mean, moments.covariance(ddof))
    }

    fn of_covariance(images: Option<usize>, mean: Vec<f64>, whole: Mat<f64>) -> Result<Self> {
        Ok(Self {
            images,
            mean,
            trace: whole.diagonal().column_vector().iter().sum(),
            covariance: match root(whole.as_ref())? {
                Root::Cholesky(root) => Covariance::FullRank { whole, root },
                Root::Rows(rows) => Covariance::Rows(rows),
            },
        })
    }

    /// How many images it was fitted to, where that is known.
    pub(super) fn images(&self) -> Option<usize> {
        self.images
    }

    /// How many features it has.
    pub(super) fn features(&self) -> usize {
        self.mean.len()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn features(rows: usize, columns: usize, name: &str) -> Features {
        let values = Random::new(4).stream(name).normals(rows * columns);
        Features::new(rows, columns, values)
    }

    /// `features` in blocks of `size` rows.
    fn blocks(features: &Features, size: usize) -> impl Iterator<Item = Result<Features>> {
        (0..features.rows).step_by(size).map(move |first| {
            let rows: Vec<usize> = (first..features.rows.min(first + size)).collect();
            Ok(features.select(&rows))
        })
    }

    #[test]
    fn blocks_of_any_size_give_the_bits_of_all_rows_at_once() {
        let columns = 24;
        let real = features(500, columns, "real");
        let real = Gaussian::of(Rows::from(&real), DDOF).unwrap();
        for rows in [2, columns - 1, columns, columns + 1, 1024, 2500] {
            let all = features(rows, columns, "generated");
            let at_once = Gaussian::of(Rows::from(&all), DDOF).unwrap();
            let expected = at_once.distance(&real).unwrap();
            for size in [1, 7, columns, 1000, 1024, 2500] {
                let side = GaussianSide::of("the images", blocks(&all, size)).unwrap();
                assert_eq!((side.images, side.features), (Some(rows), columns));
                let found = side.gaussian().unwrap().distance(&real).unwrap();
                assert_eq!(found, expected, "{rows} rows in blocks of {size}");
            }
        }
    }

    #[test]
    fn no_more_rows_are_held_than_a_block_and_the_next_moments_take() {
        let (block, columns) = (100, 150);
        let mut fit = Fit::default();
        for _ in 0..60 {
            fit.add(&Features::new(block, columns, vec![0.5; block * columns]));
            assert!(fit.held.len() < (ROWS_AT_A_TIME + block) * columns);
        }
        assert_eq!(fit.moments.unwrap().count(), 5 * ROWS_AT_A_TIME);
    }

    #[test]
    fn a_feature_that_is_not_finite_is_named_by_its_place_among_all() {
        let mut all = features(50, 3, "generated");
        all.values[40 * 3 + 2] = f32::INFINITY;
        let error = GaussianSide::of("the images", blocks(&all, 7))
            .err()
            .unwrap();
        let expected = "feature 2 of image 40 of the images is not finite";
        assert_eq!(error.to_string(), expected);
    }
    /// What is written and read again is the Gaussian that was fitted, of full rank or not.
    #[test]
    fn statistics_of_a_gaussian_are_that_gaussian() {
        let real = Gaussian::of(Rows::from(&features(300, 12, "real")), DDOF).unwrap();
        for rows in [8, 200] {
            let side = GaussianSide::of("x", blocks(&features(rows, 12, "x"), 50)).unwrap();
            let (mean, covariance) = side.statistics().unwrap();
            let statistics = Statistics {
                covariance: Mat::from_fn(12, 12, |row, column| covariance[row * 12 + column]),
                mean,
                hash: String::new(),
            };
            let again = GaussianSide::of_statistics(&statistics).unwrap();
            assert_eq!((again.images, again.features), (None, 12));
            let [found, expected] = [&again, &side].map(|side| {
                let gaussian = side.gaussian().unwrap();
                gaussian.distance(&real).unwrap().distance()
            });
            assert!(
                (found / expected - 1.0).abs() < 1e-9,
                "{found}, expected {expected}"
            );
        }
    }

    #[test]
    fn a_covariance_that_is_none_is_refused() {
        let statistics = |covariance: [[f64; 2]; 2]| Statistics {
            mean: vec![0.0; 2],
            covariance: Mat::from_fn(2, 2, |row, column| covariance[row][column]),
            hash: String::new(),
        };
        let error = GaussianSide::of_statistics(&statistics([[1.0, 2.0], [2.0, 1.0]])).err();
        assert_eq!(
            error.unwrap().to_string(),
            "the covariance of the statistics has negative eigenvalues: it is none"
        );
        assert!(GaussianSide::of_statistics(&statistics([[1.0, 1.0], [1.0, 1.0]])).is_ok());
    }
}
