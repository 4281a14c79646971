//! Mean and covariance of features that arrive in batches.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, Par};

use super::{Rows, Value, centred, share_columns, tiles};

/// Rows taken at a time.
const TILE: usize = 512;

/// Count, mean and scatter of rows that arrive in batches; memory is quadratic in the columns and independent of the
/// rows.
///
/// Batches are centred on their own mean and merged pairwise (Chan, Golub and `LeVeque` 1979), which loses no digits to
/// a large common mean. Any partition into batches gives the same moments up to rounding.
#[derive(Clone, Debug)]
pub struct Moments {
    count: usize,
    mean: Vec<f64>,
    /// sum of (x - mean)(x - mean)^T; only the lower triangle is kept up to date.
    scatter: Mat<f64>,
}

impl Moments {
    /// The moments of no rows yet, each of `columns` values.
    pub fn new(columns: usize) -> Self {
        Self {
            count: 0,
            mean: vec![0.0; columns],
            scatter: Mat::zeros(columns, columns),
        }
    }

    /// The moments of `rows`.
    pub fn of<'a, T: Value + 'a>(rows: impl Into<Rows<'a, T>>) -> Self {
        let rows = rows.into();
        let mut moments = Self::new(rows.columns);
        moments.add(rows);
        moments
    }

    /// Takes in a batch, which must have as many columns.
    pub fn add<'a, T: Value + 'a>(&mut self, rows: impl Into<Rows<'a, T>>) {
        let rows = rows.into();
        assert_eq!(rows.columns, self.mean.len(), "columns of a batch");
        for range in tiles(rows.rows, TILE) {
            let tile = rows.tile(range);
            let view = Rows::new(tile.rows, tile.columns, &tile.values);
            let (mean, centred) = (view.mean(), centred(view, 1.0));
            self.combine(tile.rows, &mean, |first, mut columns| {
                let lower = centred.subcols(first, centred.ncols() - first);
                let across = lower.subcols(0, columns.ncols());
                matmul(
                    columns.as_mut(),
                    Accum::Add,
                    lower.transpose(),
                    across,
                    1.0,
                    Par::Seq,
                );
            });
        }
    }

    /// Takes in the rows that `other` has seen, which must have as many columns.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(other.mean.len(), self.mean.len(), "columns of moments");
        if other.count > 0 {
            self.combine(other.count, &other.mean, |first, mut columns| {
                let added = other.scatter.get(first.., first..first + columns.ncols());
                columns += added;
            });
        }
    }

    /// Joins `count` rows of another `mean`; `add_scatter` adds their scatter to the columns from `first` on, of which
    /// it is given the rows from `first` on.
    fn combine(
        &mut self,
        count: usize,
        mean: &[f64],
        add_scatter: impl Fn(usize, MatMut<'_, f64>) + Sync,
    ) {
        let (before, added) = (self.count as f64, count as f64);
        let total = before + added;
        let shift: Vec<f64> = mean.iter().zip(&self.mean).map(|(b, a)| b - a).collect();
        let weight = before * added / total;
        let columns = self.mean.len();
        share_columns(self.scatter.as_mut(), |first, block| {
            let mut block = block.subrows_mut(first, columns - first);
            add_scatter(first, block.as_mut());
            for column in 0..block.ncols() {
                let scaled = weight * shift[first + column];
                for row in 0..block.nrows() {
                    block[(row, column)] += scaled * shift[first + row];
                }
            }
        });
        for (mean, shift) in self.mean.iter_mut().zip(&shift) {
            *mean += shift * added / total;
        }
        self.count += count;
    }

    /// How many rows were taken in.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean row.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The covariance, scatter / (count - `ddof`): `ddof` 1 is the unbiased one. `count` must exceed `ddof`.
    pub fn covariance(&self, ddof: usize) -> Mat<f64> {
        assert!(self.count > ddof, "covariance of {} rows", self.count);
        let scale = (self.count - ddof) as f64;
        let columns = self.mean.len();
        Mat::from_fn(columns, columns, |row, column| {
            self.scatter[(row.max(column), row.min(column))] / scale
        })
    }
}

#[cfg(test)]
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

    /// Covariances of `rows` by the definition.
    fn covariance(rows: Rows<'_, f64>, ddof: usize) -> Mat<f64> {
        let centred = centred(rows, 1.0);
        let scatter = centred.transpose() * &centred;
        let scale = (rows.rows - ddof) as f64;
        Mat::from_fn(rows.columns, rows.columns, |i, j| scatter[(i, j)] / scale)
    }

    #[test]
    fn moments_are_those_of_the_definition_for_any_partition() {
        let (rows, columns) = (1300, 70);
        let values: Vec<f64> = normals(rows * columns, "values")
            .iter()
            .map(|x| x + 100.0)
            .collect();
        let all = Rows::new(rows, columns, &values);
        let expected = covariance(all, 1);
        for batch in [1, 7, 512, 1300] {
            let mut moments = Moments::new(columns);
            for range in tiles(rows, batch) {
                let part = &values[range.start * columns..range.end * columns];
                moments.add(Rows::new(range.len(), columns, part));
            }
            assert_eq!(moments.count(), rows);
            let covariance = moments.covariance(1);
            for i in 0..columns {
                assert_near(moments.mean()[i], all.mean()[i], 1e-11);
                for j in 0..columns {
                    assert_near(covariance[(i, j)], expected[(i, j)], 1e-11);
                }
            }
        }
    }

    #[test]
    fn merged_moments_are_the_moments_of_all() {
        let values = normals(50 * 4, "values");
        let (first, second) = values.split_at(20 * 4);
        let mut merged = Moments::new(4);
        merged.merge(&Moments::of(Rows::new(20, 4, first)));
        merged.merge(&Moments::new(4));
        merged.merge(&Moments::of(Rows::new(30, 4, second)));
        let all = Moments::of(Rows::new(50, 4, &values));
        for i in 0..4 {
            assert_near(merged.mean()[i], all.mean()[i], 1e-14);
            for j in 0..4 {
                assert_near(
                    merged.covariance(0)[(i, j)],
                    all.covariance(0)[(i, j)],
                    1e-14,
                );
            }
        }
    }

    #[test]
    fn a_large_common_mean_costs_no_digits() {
        let values = [1e9, 1e9 + 1.0, 1e9 + 2.0];
        let moments = Moments::of(Rows::new(3, 1, &values));
        assert_near(moments.covariance(1)[(0, 0)], 1.0, 1e-12);
    }
}
