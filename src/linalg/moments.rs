//! Mean and covariance of features that arrive in batches.

use std::mem;

use faer::{Mat, MatRef};
use rayon::prelude::*;

use super::product::{LONGEST_SUM, Matrix, multiply};
use super::{Rows, Value, tiles};
use crate::wide::wide;

/// Rows that [`Moments::add`] takes at a time: batches of a multiple of them give the bits of one batch of all.
pub const ROWS_AT_A_TIME: usize = 1024;
/// Columns of a panel: as many as the `gemm` crate keeps in registers with AVX-512, twice those with AVX2, so that it reads a panel
/// in the order it lies in.
const PANEL: usize = 24;
/// Rows of the scatter that one thread computes at a time: [`LONGEST_SUM`] rows of their panels stay in the second cache while all
/// panels to their right pass by.
const BAND: usize = 6 * PANEL;

/// Count, mean and scatter of rows that arrive in batches; memory is quadratic in the columns and independent of the
/// rows.
///
/// Batches are centred on their own mean and merged pairwise (Chan, Golub and `LeVeque` 1979), which loses no digits to
/// a large common mean. Any partition into batches gives the same moments up to rounding.
#[derive(Clone, Debug)]
pub struct Moments {
    count: usize,
    mean: Vec<f64>,
    /// sum of (x - mean)(x - mean)^T in bands of [`BAND`] rows, each in tiles of [`PANEL`] columns, [rows, columns]; only the upper
    /// triangle is kept up to date.
    scatter: Vec<f64>,
    /// Room for the centred rows of a batch in panels, whatever they were last.
    room: Vec<f64>,
}

impl Moments {
    /// The moments of no rows yet, each of `columns` values.
    pub fn new(columns: usize) -> Self {
        Self {
            count: 0,
            mean: vec![0.0; columns],
            scatter: vec![0.0; columns * columns],
            room: Vec::new(),
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
        let columns = self.mean.len();
        assert_eq!(rows.columns, columns, "columns of a batch");
        for range in tiles(rows.rows, ROWS_AT_A_TIME) {
            let tile = rows.part(range);
            let mut mean = vec![0.0; columns];
            let mut room = mem::take(&mut self.room);
            room.resize(room.len().max(tile.rows * columns), 0.0);
            let panels = &mut room[..tile.rows * columns];
            centre_panels(tile, &mut mean, panels);
            self.combine(tile.rows, &mean, |first, share| {
                add_products(tile.rows, columns, first, panels, share);
            });
            self.room = room;
        }
    }

    /// Takes in the rows that `other` has seen, which must have as many columns.
    pub fn merge(&mut self, other: &Self) {
        let columns = self.mean.len();
        assert_eq!(other.mean.len(), columns, "columns of moments");
        if other.count > 0 {
            self.combine(other.count, &other.mean, |first, share| {
                let added = &other.scatter[first * columns..][..share.len()];
                for (sum, added) in share.iter_mut().zip(added) {
                    *sum += added;
                }
            });
        }
    }

    /// Joins `count` rows of another `mean`; `add_scatter` adds their scatter to the rows of the scatter from `first` on,
    /// of which it need not touch the columns before `first`.
    fn combine(
        &mut self,
        count: usize,
        mean: &[f64],
        add_scatter: impl Fn(usize, &mut [f64]) + Sync,
    ) {
        let (before, added) = (self.count as f64, count as f64);
        let total = before + added;
        let shift: Vec<f64> = mean.iter().zip(&self.mean).map(|(b, a)| b - a).collect();
        let weight = before * added / total;
        let columns = self.mean.len();
        let bands = self.scatter.par_chunks_mut((BAND * columns).max(1));
        let bands = bands.with_max_len(1).enumerate();
        bands.for_each(|(number, band)| {
            let first = number * BAND;
            add_scatter(first, band);
            if before > 0.0 {
                add_shifts(columns, first, weight, &shift, band);
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
            self.scatter[place(columns, row.min(column), row.max(column))] / scale
        })
    }
}

/// Where an entry of the scatter lies.
fn place(columns: usize, row: usize, column: usize) -> usize {
    let (first, start) = (row / BAND * BAND, column / PANEL * PANEL);
    let height = BAND.min(columns - first);
    let width = PANEL.min(columns - start);
    first * columns + start * height + (row - first) * width + (column - start)
}

/// Writes the mean of the rows, and the rows less their mean in panels, one after the other: [rows, [`PANEL`] columns], the last
/// narrower.
fn centre_panels<T: Value>(rows: Rows<'_, T>, mean: &mut [f64], panels: &mut [f64]) {
    let panels = panels.par_chunks_mut((rows.rows * BAND).max(1));
    let means = mean.par_chunks_mut(BAND);
    panels
        .zip(means)
        .enumerate()
        .for_each(|(number, (panels, mean))| centre_band(rows, number * BAND, mean, panels));
}

wide! {
    /// Writes the mean of the columns from `first` on, as many as `mean` is long, and these less their mean in panels.
    fn centre_band<T: Value>(rows: Rows<'_, T>, first: usize, mean: &mut [f64], panels: &mut [f64]) {
        let columns = first..first + mean.len();
        for index in 0..rows.rows {
            for (sum, &value) in mean.iter_mut().zip(&rows.row(index)[columns.clone()]) {
                *sum += value.into();
            }
        }
        for sum in &mut *mean {
            *sum /= rows.rows as f64;
        }
        for index in 0..rows.rows {
            let row = rows.row(index)[columns.clone()].chunks(PANEL);
            let panels = panels.chunks_mut(rows.rows * PANEL);
            for ((row, mean), panel) in row.zip(mean.chunks(PANEL)).zip(panels) {
                let target = &mut panel[index * row.len()..][..row.len()];
                for ((target, &value), mean) in target.iter_mut().zip(row).zip(mean) {
                    *target = value.into() - mean;
                }
            }
        }
    }
}

wide! {
    /// Adds `weight` times the products of `shift` with itself to the band of the scatter from row `first` on.
    fn add_shifts(columns: usize, first: usize, weight: f64, shift: &[f64], band: &mut [f64]) {
        let shift = &shift[first..];
        let panels = shift.chunks(PANEL);
        for (tile, across) in tiles_of(columns, first, band).zip(panels) {
            let rows = tile.chunks_exact_mut(across.len());
            for (row, down) in rows.zip(shift) {
                let scaled = weight * down;
                for (sum, across) in row.iter_mut().zip(across) {
                    *sum += scaled * across;
                }
            }
        }
    }
}

/// The tiles of the band of the scatter from row `first` on, from that of its diagonal on.
fn tiles_of(columns: usize, first: usize, band: &mut [f64]) -> impl Iterator<Item = &mut [f64]> {
    let height = band.len() / columns;
    band.chunks_mut(height * PANEL).skip(first / PANEL)
}

/// Adds the products of panels to the band of the scatter from row `first` on.
fn add_products(rows: usize, columns: usize, first: usize, panels: &[f64], band: &mut [f64]) {
    let height = band.len() / columns;
    let right = &panels[first * rows..];
    let left = &right[..height * rows];
    for terms in tiles(rows, LONGEST_SUM) {
        let targets = tiles_of(columns, first, band);
        let right = right.chunks(rows * PANEL);
        for (number, (tile, right)) in targets.zip(right).enumerate() {
            let width = right.len() / rows;
            let right = Matrix::rows(&right[terms.start * width..], width);
            // The panels of the band up to the one on the diagonal.
            let left = left.chunks(rows * PANEL).take(number + 1);
            for (left, target) in left.zip(tile.chunks_mut(PANEL * width)) {
                let height = left.len() / rows;
                let left = Matrix::columns(&left[terms.start * height..], height);
                multiply(
                    [height, width, terms.len()],
                    target,
                    width,
                    left,
                    right,
                    true,
                );
            }
        }
    }
}

/// The rows less their mean, divided by `scale`.
pub fn centred<T: Value>(rows: Rows<'_, T>, scale: f64) -> Mat<f64> {
    let mean = rows.mean();
    let mut centred = vec![0.0; rows.rows * rows.columns];
    let targets = centred.par_chunks_mut(rows.columns.max(1));
    targets.enumerate().for_each(|(index, target)| {
        for ((target, &value), mean) in target.iter_mut().zip(rows.row(index)).zip(&mean) {
            *target = (value.into() - mean) / scale;
        }
    });
    MatRef::from_row_major_slice(&centred, rows.rows, rows.columns).to_owned()
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
