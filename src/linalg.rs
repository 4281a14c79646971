//! The linear algebra under the metrics: moments, traces of matrix square roots, products and distances of rows.
//!
//! Statistics are f64. Products of f32 features are f32 where their rounding is bounded and what it can change is
//! computed again, or where it averages out; each use says which. Work is shared out in pieces of fixed size: results do
//! not depend on how many threads there are. Decompositions are symmetric or singular-value ones, never a general matrix
//! square root, so nothing imaginary can arise.

mod moments;
mod product;
mod quantile;

use std::ops::Range;

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{
    LltRegularization, cholesky_in_place, cholesky_in_place_scratch,
};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::error::{Result, refuse};

pub use moments::{Moments, ROWS_AT_A_TIME, centred};
pub use product::{LONGEST_SUM, Matrix, STRIP, Tile, Transposed, UNCOPIED, multiply};
pub use quantile::quantile;

/// Partial sums of a squared distance, so that it can be computed with vector instructions.
const LANES: usize = 8;
/// Rows that one thread centres at a time.
const SHARED_ROWS: usize = 16;
/// The pieces that a decomposition is cut into, on however many threads they are then computed.
const SHARES: usize = 4;

/// A fraction of a variance that may be all rounding.
const LEFT_OVER: f64 = 1e-10;

/// A number that features are kept in: f32 in files and memory, f64 where a closed form is checked.
pub trait Value: Copy + Default + Into<f64> + Send + Sync + 'static {
    /// Half the distance from 1 to the next number: the largest relative error of one rounding. A sum of d products, in
    /// any order, is off by at most about d times this times the sum of their magnitudes (Higham, *Accuracy and
    /// Stability of Numerical Algorithms*, section 3.1).
    const ROUNDOFF: f64;
    /// The smallest number that has all its digits.
    const SMALLEST: f64;

    /// The nearest number of this type.
    fn round(value: f64) -> Self;
}

impl Value for f32 {
    const ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;
    const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

    fn round(value: f64) -> Self {
        value as Self
    }
}

impl Value for f64 {
    const ROUNDOFF: f64 = f64::EPSILON / 2.0;
    const SMALLEST: f64 = f64::MIN_POSITIVE;

    fn round(value: f64) -> Self {
        value
    }
}

/// A matrix seen row by row, one row an image, without owning it.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    /// How many rows.
    pub rows: usize,
    /// How many columns.
    pub columns: usize,
    values: &'a [T],
}

impl<'a, T: Value> Rows<'a, T> {
    /// Looks at `values`, whose length must be `rows * columns`, row by row.
    pub fn new(rows: usize, columns: usize, values: &'a [T]) -> Self {
        assert_eq!(
            values.len(),
            rows * columns,
            "values of a {rows} x {columns} matrix"
        );
        Self {
            rows,
            columns,
            values,
        }
    }

    /// Row `index`.
    pub fn row(self, index: usize) -> &'a [T] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    /// The rows at `range`.
    pub fn part(self, range: Range<usize>) -> Self {
        let values = &self.values[range.start * self.columns..range.end * self.columns];
        Self::new(range.len(), self.columns, values)
    }

    /// The mean row.
    pub fn mean(self) -> Vec<f64> {
        let mut mean = vec![0.0; self.columns];
        for index in 0..self.rows {
            for (sum, &value) in mean.iter_mut().zip(self.row(index)) {
                *sum += value.into();
            }
        }
        for sum in &mut mean {
            *sum /= self.rows as f64;
        }
        mean
    }
}

/// 0 .. `count` in ranges of `size`, the last one shorter.
pub fn tiles(count: usize, size: usize) -> Vec<Range<usize>> {
    (0..count)
        .step_by(size)
        .map(|start| start..count.min(start + size))
        .collect()
}

/// A shift and a scale under which rows lie around zero, the largest entry about 1.
///
/// Products of f32 then neither overflow nor lose the digits that a common mean would take. The scale is a power of two:
/// scaling back is exact.
#[derive(Clone, Debug)]
pub struct Centring {
    centre: Vec<f64>,
    scale: f64,
}

impl Centring {
    /// The one for the rows of all `sets`, which have as many columns.
    pub fn of<T: Value>(sets: &[Rows<'_, T>]) -> Self {
        let columns = sets.first().map_or(0, |set| set.columns);
        let rows: usize = sets.iter().map(|set| set.rows).sum();
        let mut centre = vec![0.0; columns];
        for set in sets.iter().filter(|set| set.rows > 0) {
            for (sum, mean) in centre.iter_mut().zip(set.mean()) {
                *sum += mean * set.rows as f64 / rows as f64;
            }
        }
        let reach = |set: &Rows<'_, T>| {
            let farthest = |row: &[T]| {
                let distances = row.iter().zip(&centre).map(|(&value, c)| {
                    let value: f64 = value.into();
                    (value - c).abs()
                });
                distances.fold(0.0, f64::max)
            };
            let rows = set.values.par_chunks(columns.max(1));
            rows.map(farthest).reduce(|| 0.0, f64::max)
        };
        let largest = sets.iter().map(reach).fold(0.0, f64::max);
        let scale = if largest > 0.0 {
            (-largest.log2().ceil()).exp2()
        } else {
            1.0
        };
        Self { centre, scale }
    }

    /// Fills a tile with the rows at `index(0)` to `index(count - 1)`, each x turned into scale (x - centre) and rounded.
    pub fn fill<T: Value>(
        &self,
        tile: &mut Tile<T>,
        rows: Rows<'_, T>,
        count: usize,
        index: impl Fn(usize) -> usize + Sync,
    ) {
        let columns = rows.columns;
        tile.rows = count;
        tile.columns = columns;
        tile.values.resize(count * columns, T::round(0.0));
        let shares = tile.values.par_chunks_mut((columns * SHARED_ROWS).max(1));
        shares.enumerate().for_each(|(share, values)| {
            for (place, values) in values.chunks_exact_mut(columns).enumerate() {
                let row = rows.row(index(share * SHARED_ROWS + place));
                for ((value, &original), centre) in values.iter_mut().zip(row).zip(&self.centre) {
                    let original: f64 = original.into();
                    *value = T::round((original - centre) * self.scale);
                }
            }
        });
    }

    /// What a squared length of [`Self::fill`]'s rows is of the original's.
    pub fn squared_scale(&self) -> f64 {
        self.scale * self.scale
    }

    /// c . x - |c|^2 / 2 for a row x and the centre c: two of them make up what centring takes from x . y.
    pub fn taken<T: Value>(&self, row: &[T]) -> f64 {
        let terms = row.iter().zip(&self.centre);
        terms
            .map(|(&value, c)| {
                let value: f64 = value.into();
                c * (value - c / 2.0)
            })
            .sum()
    }
}

/// |x - y|^2 by differences: exactly zero for equal rows, and the same number whichever comes first.
pub fn squared_distance<T: Value>(x: &[T], y: &[T]) -> f64 {
    let squared = |(&x, &y): (&T, &T)| {
        let difference: f64 = x.into() - y.into();
        difference * difference
    };
    let (x_lanes, y_lanes) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest: f64 = x_lanes
        .remainder()
        .iter()
        .zip(y_lanes.remainder())
        .map(squared)
        .sum();
    let mut sums = [0.0; LANES];
    for (x, y) in x_lanes.zip(y_lanes) {
        for (sum, pair) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += squared(pair);
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// A covariance S taken apart.
pub enum Root {
    /// L with L L^T = S, zero above its diagonal: S has full rank.
    Cholesky(Mat<f64>),
    /// F with F^T F = S, with as many rows as S has rank.
    Rows(Mat<f64>),
}

/// The root of a covariance: its Cholesky factor, or where it lacks rank its eigenvectors times the square roots of its
/// eigenvalues, without those that are zero but for rounding (less than numpy.linalg.matrix_rank counts).
pub fn root(covariance: MatRef<'_, f64>) -> Result<Root> {
    let dimension = covariance.nrows();
    let mut matrix = covariance.to_owned();
    let scratch = cholesky_in_place_scratch::<f64>(dimension, shares(), faer::prelude::default());
    let cholesky = cholesky_in_place(
        matrix.as_mut(),
        LltRegularization::default(),
        shares(),
        MemStack::new(&mut MemBuffer::new(scratch)),
        faer::prelude::default(),
    );
    let rounding = dimension as f64 * f64::EPSILON;
    let variances = covariance.diagonal().column_vector().iter();
    let largest = variances.copied().fold(0.0, f64::max);
    // A squared pivot is what is left of a column's variance when those before it are known.
    let is_left = |column: usize| {
        let left = matrix[(column, column)].powi(2);
        left > LEFT_OVER * covariance[(column, column)] && left > rounding * largest
    };
    if cholesky.is_ok() && (0..dimension).all(is_left) {
        for column in 1..dimension {
            matrix.col_mut(column).subrows_mut(0, column).fill(0.0);
        }
        return Ok(Root::Cholesky(matrix));
    }
    let variances = eigenvalues(covariance, Some(matrix.as_mut()))?;
    let largest = variances.iter().copied().fold(0.0, f64::max);
    let nothing = rounding * largest;
    let kept: Vec<usize> = (0..dimension)
        .filter(|&column| variances[column] > nothing)
        .collect();
    Ok(Root::Rows(Mat::from_fn(
        kept.len(),
        dimension,
        |row, column| matrix[(column, kept[row])] * variances[kept[row]].sqrt(),
    )))
}

/// Tr sqrt(S1 S2) of two covariances, the first given by L with L L^T = S1: the sum of the square roots of the eigenvalues
/// of L^T S2 L.
///
/// That matrix is symmetric and has the eigenvalues of S1 S2; those that rounding makes negative count as zero.
pub fn trace_sqrt_product(root: MatRef<'_, f64>, s2: MatRef<'_, f64>) -> Result<f64> {
    let dimension = s2.nrows();
    let whole = BlockStructure::Rectangular;
    let lower = BlockStructure::TriangularLower;
    let mut right = Mat::zeros(dimension, dimension);
    triangular::matmul(
        right.as_mut(),
        whole,
        Accum::Replace,
        s2,
        whole,
        root,
        lower,
        1.0,
        shares(),
    );
    // The lower half is all that the eigenvalues are computed from.
    let mut product = Mat::zeros(dimension, dimension);
    triangular::matmul(
        product.as_mut(),
        lower,
        Accum::Replace,
        root.transpose(),
        lower.transpose(),
        right.as_ref(),
        whole,
        1.0,
        shares(),
    );
    let values = eigenvalues(product.as_ref(), None)?;
    Ok(values.iter().map(|value| value.max(0.0).sqrt()).sum())
}

/// The sum of the singular values of A B^T, for A (n1 x d) and B (n2 x d).
///
/// Where A^T A = S1 and B^T B = S2 this is Tr sqrt(S1 S2), since A B^T (A B^T)^T has the non-zero eigenvalues of
/// S1 S2: for n < d the same number from a smaller matrix, and exact for covariances that lack rank.
pub fn nuclear_norm_of_product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Result<f64> {
    let mut product = Mat::zeros(a.nrows(), b.nrows());
    matmul(
        product.as_mut(),
        Accum::Replace,
        a,
        b.transpose(),
        1.0,
        shares(),
    );
    let (rows, columns) = product.shape();
    let mut values = Diag::zeros(rows.min(columns));
    let no = ComputeSvdVectors::No;
    let scratch = svd_scratch::<f64>(rows, columns, no, no, shares(), faer::prelude::default());
    awake(|| {
        svd(
            product.as_ref(),
            values.as_mut(),
            None,
            None,
            shares(),
            MemStack::new(&mut MemBuffer::new(scratch)),
            faer::prelude::default(),
        )
    })
    .map_err(|_| not_converged())?;
    Ok(values.column_vector().iter().sum())
}

/// The eigenvalues of a symmetric matrix, from its lower half, and into `vectors` its eigenvectors.
pub fn eigenvalues(matrix: MatRef<'_, f64>, vectors: Option<MatMut<'_, f64>>) -> Result<Vec<f64>> {
    let compute = if vectors.is_some() {
        ComputeEigenvectors::Yes
    } else {
        ComputeEigenvectors::No
    };
    let dimension = matrix.nrows();
    let mut values = Diag::zeros(dimension);
    let scratch =
        self_adjoint_evd_scratch::<f64>(dimension, compute, shares(), faer::prelude::default());
    awake(|| {
        self_adjoint_evd(
            matrix,
            values.as_mut(),
            vectors,
            shares(),
            MemStack::new(&mut MemBuffer::new(scratch)),
            faer::prelude::default(),
        )
    })
    .map_err(|_| not_converged())?;
    Ok(values.column_vector().iter().copied().collect())
}

fn not_converged() -> anyhow::Error {
    refuse(
        "the decomposition of a covariance does not converge",
        "look for features that are huge or not finite",
    )
}

/// The pieces that decompositions are cut into.
fn shares() -> Par {
    Par::rayon(SHARES)
}

/// What `work` gives, while the threads that faer hands its steps to wait for the next without going to sleep: a decomposition of a
/// matrix has some steps for each of its columns.
fn awake<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    spindle::with_lock(SHARES, work)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;
    use crate::random::Random;

    fn normals(count: usize, name: &str) -> Vec<f64> {
        let mut stream = Random::new(3).stream(name);
        (0..count).map(|_| stream.normal()).collect()
    }

    fn assert_near(value: f64, expected: f64, tolerance: f64) {
        let error = (value - expected).abs();
        assert!(
            error <= tolerance,
            "{value}, expected {expected}: off by {error:e}"
        );
    }

    #[test]
    fn traces_of_square_roots_in_closed_form() {
        let identity = Mat::<f64>::identity(64, 64);
        assert_near(
            trace_sqrt_product(identity.as_ref(), identity.as_ref()).unwrap(),
            64.0,
            0.0,
        );
        let diagonal =
            |scale: f64| Mat::from_fn(5, 5, |i, j| if i == j { scale * i as f64 } else { 0.0 });
        let (s1, s2) = (diagonal(4.0), diagonal(9.0));
        // The first is its own root: 16 i^2 and 9 i have the square roots 12 i^1.5.
        let expected: f64 = (0..5).map(|i| 12.0 * f64::from(i).powf(1.5)).sum();
        assert_near(
            trace_sqrt_product(s1.as_ref(), s2.as_ref()).unwrap(),
            expected,
            1e-12,
        );
        let a = Mat::from_fn(2, 3, |i, j| if i == j { 3.0 } else { 0.0 });
        assert_near(
            nuclear_norm_of_product(a.as_ref(), a.as_ref()).unwrap(),
            18.0,
            1e-14,
        );
    }

    #[test]
    fn distances_are_exact_for_equal_rows_and_symmetric() {
        let values = normals(2 * 21, "values");
        let (x, y) = values.split_at(21);
        assert_eq!(squared_distance(x, x), 0.0);
        assert_eq!(squared_distance(x, y), squared_distance(y, x));
        let expected: f64 = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
        assert_near(squared_distance(x, y), expected, 1e-12);
        assert_eq!(squared_distance(&[0.0f32, 3.0], &[4.0, 0.0]), 25.0);
    }

    /// Centred rows and what centring took from them: together the products of the rows themselves.
    #[test]
    fn products_of_centred_tiles_give_back_dot_products() {
        let values: Vec<f64> = normals(70 * 37, "values")
            .iter()
            .map(|value| 3.0 * value + 50.0)
            .collect();
        let rows = Rows::new(70, 37, &values);
        let centring = Centring::of(&[rows.part(0..10), rows.part(10..70)]);
        let (mut left, mut right, mut strips) = (Tile::default(), Tile::default(), Vec::new());
        centring.fill(&mut left, rows, 9, |place| place + 1);
        centring.fill(&mut right, rows, 60, |place| place + 10);
        right.transpose(&mut strips);
        let mut products = vec![0.0; 7 * 60];
        left.multiply(2..9, &strips[0], &mut products);
        for (row, products) in (3..10).zip(products.chunks_exact(60)) {
            for (other, product) in (10..70).zip(products) {
                let (x, y) = (rows.row(row), rows.row(other));
                let expected: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
                let found =
                    product / centring.squared_scale() + centring.taken(x) + centring.taken(y);
                assert_near(found, expected, 1e-10 * expected.abs());
            }
        }
        let largest = left.values.iter().chain(&right.values);
        let largest = largest.fold(0.0f64, |largest, value| largest.max(value.abs()));
        assert!((0.25..=1.0).contains(&largest), "{largest}");
    }

    #[test]
    fn a_covariance_is_its_root_squared_whether_or_not_it_has_full_rank() {
        let values = normals(50 * 20, "values");
        let full = Moments::of(Rows::new(50, 20, &values)).covariance(1);
        let few = Moments::of(Rows::new(8, 20, &values[..160])).covariance(1);
        let zero = Mat::<f64>::zeros(20, 20);
        for (covariance, rank) in [(full, 20), (few, 7), (zero, 0)] {
            let rows = match root(covariance.as_ref()).unwrap() {
                Root::Cholesky(root) => root.transpose().to_owned(),
                Root::Rows(rows) => rows,
            };
            assert_eq!(rows.shape(), (rank, 20));
            let again = rows.transpose() * &rows;
            for i in 0..20 {
                for j in 0..20 {
                    assert_near(again[(i, j)], covariance[(i, j)], 1e-14);
                }
            }
        }
    }

    #[test]
    fn tiles_cover_everything_once() {
        assert_eq!(tiles(5, 2), [0..2, 2..4, 4..5]);
        assert_eq!(tiles(0, 2), [] as [Range<usize>; 0]);
    }
}
