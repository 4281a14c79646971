//! The linear algebra under the metrics, in f64: moments, traces of matrix square roots, products and distances of
//! rows.
//!
//! Work is shared out in tiles of fixed size, and every number is computed by one thread in one order: results do not
//! depend on how many threads there are. Decompositions are symmetric or singular-value ones, never a general matrix
//! square root, so nothing imaginary can arise.

mod moments;

use std::ops::Range;

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::iter::ParallelIterator;

use crate::error::{Result, refuse};

pub use moments::Moments;

/// Columns of a product that one thread computes at a time.
const PRODUCT_TILE: usize = 64;
/// Partial sums of a squared distance, so that it can be computed with vector instructions.
const LANES: usize = 8;

/// A number that features are kept in: f32 in files and memory, f64 where a closed form is checked.
pub trait Value: Copy + Into<f64> + Send + Sync {}

impl Value for f32 {}
impl Value for f64 {}

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

    /// A copy of the rows at `range`, in f64.
    pub fn tile(self, range: Range<usize>) -> Tile {
        let values = &self.values[range.start * self.columns..range.end * self.columns];
        Tile {
            rows: range.len(),
            columns: self.columns,
            values: values.iter().map(|&value| value.into()).collect(),
        }
    }

    /// |x|^2 of every row.
    pub fn squared_norms(self) -> Vec<f64> {
        (0..self.rows)
            .map(|index| {
                self.row(index)
                    .iter()
                    .map(|&value| {
                        let value: f64 = value.into();
                        value * value
                    })
                    .sum()
            })
            .collect()
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

/// Some rows of a matrix, in f64.
#[derive(Clone, Debug)]
pub struct Tile {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Tile {
    fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.values, self.rows, self.columns)
    }

    /// x . y of every row x of this tile and every row y of `other`: `rows` x `other.rows`, row by row.
    pub fn products(&self, other: &Self) -> Vec<f64> {
        let mut products = vec![0.0; self.rows * other.rows];
        matmul(
            MatMut::from_row_major_slice_mut(&mut products, self.rows, other.rows),
            Accum::Replace,
            self.matrix(),
            other.matrix().transpose(),
            1.0,
            Par::Seq,
        );
        products
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

/// The rows less their mean, divided by `scale`.
pub fn centred<T: Value>(rows: Rows<'_, T>, scale: f64) -> Mat<f64> {
    let mean = rows.mean();
    Mat::from_fn(rows.rows, rows.columns, |row, column| {
        let value: f64 = rows.row(row)[column].into();
        (value - mean[column]) / scale
    })
}

/// Tr sqrt(S1 S2) of two covariances: the sum of the square roots of the eigenvalues of F^T S2 F, where S1 = F F^T.
///
/// That matrix is symmetric and has the eigenvalues of S1 S2; those that rounding makes negative count as zero.
pub fn trace_sqrt_product(s1: MatRef<'_, f64>, s2: MatRef<'_, f64>) -> Result<f64> {
    let dimension = s1.nrows();
    let mut factor = Mat::zeros(dimension, dimension);
    let variances = eigenvalues(s1, Some(factor.as_mut()))?;
    for (column, variance) in variances.iter().enumerate() {
        let deviation = variance.max(0.0).sqrt();
        factor
            .col_mut(column)
            .iter_mut()
            .for_each(|value| *value *= deviation);
    }
    let product = product(factor.transpose(), product(s2, factor.as_ref()).as_ref());
    let values = eigenvalues(product.as_ref(), None)?;
    Ok(values.iter().map(|value| value.max(0.0).sqrt()).sum())
}

/// The sum of the singular values of A B^T, for A (n1 x d) and B (n2 x d).
///
/// Where A^T A = S1 and B^T B = S2 this is Tr sqrt(S1 S2), since A B^T (A B^T)^T has the non-zero eigenvalues of
/// S1 S2: for n < d the same number from a smaller matrix, and exact for covariances that lack rank.
pub fn nuclear_norm_of_product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Result<f64> {
    let product = product(a, b.transpose());
    let (rows, columns) = product.shape();
    let mut values = Diag::zeros(rows.min(columns));
    let no = ComputeSvdVectors::No;
    let scratch = svd_scratch::<f64>(rows, columns, no, no, Par::Seq, faer::prelude::default());
    svd(
        product.as_ref(),
        values.as_mut(),
        None,
        None,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        faer::prelude::default(),
    )
    .map_err(|_| not_converged())?;
    Ok(values.column_vector().iter().sum())
}

/// The eigenvalues of a symmetric matrix, and into `vectors` its eigenvectors.
fn eigenvalues(matrix: MatRef<'_, f64>, vectors: Option<MatMut<'_, f64>>) -> Result<Vec<f64>> {
    let compute = if vectors.is_some() {
        ComputeEigenvectors::Yes
    } else {
        ComputeEigenvectors::No
    };
    let dimension = matrix.nrows();
    let mut values = Diag::zeros(dimension);
    let scratch =
        self_adjoint_evd_scratch::<f64>(dimension, compute, Par::Seq, faer::prelude::default());
    self_adjoint_evd(
        matrix,
        values.as_mut(),
        vectors,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        faer::prelude::default(),
    )
    .map_err(|_| not_converged())?;
    Ok(values.column_vector().iter().copied().collect())
}

fn not_converged() -> anyhow::Error {
    refuse(
        "the decomposition of a covariance does not converge",
        "look for features that are huge or not finite",
    )
}

/// The product of two matrices.
fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(left.nrows(), right.ncols());
    share_columns(product.as_mut(), |first, columns| {
        let right = right.subcols(first, columns.ncols());
        matmul(columns, Accum::Replace, left, right, 1.0, Par::Seq);
    });
    product
}

/// Calls `work` with the first column and the columns of every block of columns, on all threads.
fn share_columns(matrix: MatMut<'_, f64>, work: impl Fn(usize, MatMut<'_, f64>) + Sync) {
    use rayon::iter::IndexedParallelIterator;
    if matrix.ncols() > 0 {
        matrix
            .par_col_chunks_mut(PRODUCT_TILE)
            .enumerate()
            .for_each(|(block, columns)| work(block * PRODUCT_TILE, columns));
    }
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
        assert_near(
            trace_sqrt_product(s1.as_ref(), s2.as_ref()).unwrap(),
            60.0,
            1e-13,
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

    #[test]
    fn products_are_dot_products() {
        let values: Vec<f64> = (0..6).map(f64::from).collect();
        let rows = Rows::new(3, 2, &values);
        let products = rows.tile(0..2).products(&rows.tile(1..3));
        assert_eq!(products, [3.0, 5.0, 13.0, 23.0]);
    }

    #[test]
    fn tiles_cover_everything_once() {
        assert_eq!(tiles(5, 2), [0..2, 2..4, 4..5]);
        assert_eq!(tiles(0, 2), [] as [Range<usize>; 0]);
    }
}
