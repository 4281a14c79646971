//! Products of matrices by the `gemm` crate, one thread each, and the rows they are made of. The one place that calls it.
//!
//! The left matrix lies row by row and the right one transposed, tall times narrow: 200 GFLOP/s of f32 on two AVX-512
//! cores for 512 rows times [`STRIP`], against 130 for two matrices row by row and 80 for narrow times tall.

use std::ops::Range;

use rayon::prelude::*;

use super::{Value, tiles};

/// Rows of the right side of a product.
pub const STRIP: usize = 64;
/// Rows of a product up to which the `gemm` crate reads a right side of contiguous rows where it lies. More it multiplies with a copy.
pub const UNCOPIED: usize = 48;
/// Most terms of a sum that the `gemm` crate never cuts: the bits of longer ones depend on the size of the product.
pub const LONGEST_SUM: usize = 512;

/// Columns that are transposed at a time: what they are written to then stays in the nearest cache.
const TURNED: usize = 16;

/// A matrix inside a slice, with its rows and columns at any distance.
#[derive(Clone, Copy)]
pub struct Matrix<'a, T> {
    values: &'a [T],
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A matrix whose rows lie `row_stride` apart and are contiguous.
    pub fn rows(values: &'a [T], row_stride: usize) -> Self {
        Self {
            values,
            row_stride,
            column_stride: 1,
        }
    }

    /// A matrix whose columns lie `column_stride` apart and are contiguous.
    pub fn columns(values: &'a [T], column_stride: usize) -> Self {
        Self {
            values,
            row_stride: 1,
            column_stride,
        }
    }

    fn last(&self, rows: usize, columns: usize) -> usize {
        (rows - 1) * self.row_stride + (columns - 1) * self.column_stride
    }
}

/// `target` = `left` times `right`, or `target` + that if `accumulate`.
///
/// `size` is [rows, columns, terms]: target [rows, columns] with rows `target_stride` apart, left [rows, terms], right
/// [terms, columns].
pub fn multiply<T: Value>(
    size: [usize; 3],
    target: &mut [T],
    target_stride: usize,
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
    accumulate: bool,
) {
    let [rows, columns, terms] = size;
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(terms > 0, "a product has terms");
    assert!(
        columns <= target_stride || rows == 1,
        "rows of a product overlap"
    );
    assert!((rows - 1) * target_stride + columns <= target.len());
    assert!(left.last(rows, terms) < left.values.len());
    assert!(right.last(terms, columns) < right.values.len());
    #[expect(
        unsafe_code,
        reason = "the gemm crate takes raw pointers; the lengths are checked above"
    )]
    // SAFETY: the asserted last entries are the furthest that strides which are not negative can reach, and `target`
    // is borrowed mutably, so it does not overlap the others.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            terms,
            target.as_mut_ptr(),
            1,
            target_stride.cast_signed(),
            accumulate,
            left.values.as_ptr(),
            left.column_stride.cast_signed(),
            left.row_stride.cast_signed(),
            right.values.as_ptr(),
            right.column_stride.cast_signed(),
            right.row_stride.cast_signed(),
            T::round(1.0),
            T::round(1.0),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Some rows of a matrix, one after the other. One that is filled again keeps its memory: fresh pages would cost a tenth of
/// a product.
#[derive(Clone, Debug, Default)]
pub struct Tile<T> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) values: Vec<T>,
}

impl<T: Value> Tile<T> {
    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows, each with its values one after the other.
    pub fn each(&self) -> impl Iterator<Item = &[T]> {
        self.values.chunks_exact(self.columns.max(1))
    }

    /// Puts the rows into strips of [`STRIP`] rows, column after column.
    pub fn transpose(&self, strips: &mut Vec<Transposed<T>>) {
        let rows = tiles(self.rows, STRIP);
        strips.resize_with(rows.len(), Transposed::default);
        strips.par_iter_mut().zip(rows).for_each(|(strip, rows)| {
            strip.rows = rows.len();
            strip.columns = self.columns;
            strip
                .values
                .resize(rows.len() * self.columns, T::round(0.0));
            let values = &self.values[rows.start * self.columns..rows.end * self.columns];
            transpose(values, strip.rows, strip.columns, &mut strip.values);
        });
    }

    /// x . y of every row x of this tile at `range` and every row y of `other`, row by row into `products`.
    ///
    /// A sum is rounded as its terms in any order may round: see [`Value::ROUNDOFF`].
    pub fn multiply(&self, range: Range<usize>, other: &Transposed<T>, products: &mut [T]) {
        assert_eq!(self.columns, other.columns, "columns of two tiles");
        assert_eq!(
            products.len(),
            range.len() * other.rows,
            "products of two tiles"
        );
        if self.columns == 0 {
            products.fill(T::round(0.0));
            return;
        }
        let values = &self.values[range.start * self.columns..range.end * self.columns];
        let left = Matrix::rows(values, self.columns);
        let right = Matrix::rows(&other.values, other.rows);
        let size = [range.len(), other.rows, self.columns];
        multiply(size, products, other.rows, left, right, false);
    }
}

/// Some rows of a matrix as the right side of a product: column after column.
#[derive(Clone, Debug, Default)]
pub struct Transposed<T> {
    rows: usize,
    columns: usize,
    values: Vec<T>,
}

impl<T> Transposed<T> {
    /// How many rows there were.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// Puts `rows` x `columns` values given row by row into `transposed`, column by column.
fn transpose<T: Value>(values: &[T], rows: usize, columns: usize, transposed: &mut [T]) {
    for first in (0..columns).step_by(TURNED) {
        let turned = first..columns.min(first + TURNED);
        for row in 0..rows {
            let values = &values[row * columns..][turned.clone()];
            for (column, &value) in turned.clone().zip(values) {
                transposed[column * rows + row] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_moves_every_value() {
        let values = [0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0];
        let mut transposed = [0.0; 6];
        transpose(&values, 2, 3, &mut transposed);
        assert_eq!(transposed.map(|value| value as usize), [0, 3, 1, 4, 2, 5]);
    }
}
