//! Products of matrices by the `gemm` crate, one thread each, and the tiles of rows they are made of.
//!
//! The left matrix lies row by row and the right one transposed, which is three times as fast as two matrices row by row
//! (200 GFLOP/s of f32 on two AVX-512 cores, from tiles of 64 rows on).

use super::Value;

/// Columns that are transposed at a time: a strip of a tile then stays in the nearest cache.
const STRIP: usize = 16;

/// A matrix inside a slice, with its rows and columns at any distance.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    pub(super) values: &'a [T],
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<T> Matrix<'_, T> {
    fn last(&self, rows: usize, columns: usize) -> usize {
        (rows - 1) * self.row_stride + (columns - 1) * self.column_stride
    }
}

/// `target` = `left` times `right`, or `target` + that if `accumulate`.
///
/// `size` is [rows, columns, terms]: target [rows, columns] with rows `target_stride` apart, left [rows, terms], right
/// [terms, columns].
pub(super) fn multiply<T: Value>(
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

/// Some rows of a matrix, one after the other.
#[derive(Clone, Debug)]
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

    /// The same values, column after column.
    pub fn transposed(&self) -> Transposed<T> {
        Transposed {
            rows: self.rows,
            columns: self.columns,
            values: transpose(&self.values, self.rows, self.columns),
        }
    }

    /// x . y of every row x of this tile and every row y of `other`: `rows` x `other.rows`, row by row.
    ///
    /// A sum is rounded as its terms in any order may round: see [`Value::ROUNDOFF`].
    pub fn products(&self, other: &Transposed<T>) -> Vec<T> {
        assert_eq!(self.columns, other.columns, "columns of two tiles");
        let mut products = vec![T::round(0.0); self.rows * other.rows];
        if self.columns > 0 {
            multiply(
                [self.rows, other.rows, self.columns],
                &mut products,
                other.rows,
                Matrix {
                    values: &self.values,
                    row_stride: self.columns,
                    column_stride: 1,
                },
                Matrix {
                    values: &other.values,
                    row_stride: other.rows,
                    column_stride: 1,
                },
                false,
            );
        }
        products
    }
}

/// Some rows of a matrix as the right side of a product: column after column.
#[derive(Clone, Debug)]
pub struct Transposed<T> {
    rows: usize,
    columns: usize,
    values: Vec<T>,
}

impl<T> Transposed<T> {
    /// How many rows the tile had.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// A matrix of `rows` x `columns` values row by row, column by column.
pub fn transpose<T: Value>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    let mut transposed = vec![T::round(0.0); values.len()];
    for first in (0..columns).step_by(STRIP) {
        let strip = first..columns.min(first + STRIP);
        for row in 0..rows {
            let values = &values[row * columns..][strip.clone()];
            for (column, &value) in strip.clone().zip(values) {
                transposed[column * rows + row] = value;
            }
        }
    }
    transposed
}
