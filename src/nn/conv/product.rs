//! Products of matrices of f32, one thread each, whose sums do not depend on how many columns are computed at once.
//!
//! The product is the `gemm` crate's (70 to 100 GFLOP/s on one AVX-512 core at the shapes of convolutions). Left to
//! itself it cuts long sums at places that depend on the size of the product; here they are cut every
//! [`LONGEST_SUM`] terms, so an image's result has the same bits whatever the batch it comes in.

use std::ops::Range;

/// Most terms that one call of the `gemm` crate sums: it never cuts a sum this short.
const LONGEST_SUM: usize = 512;

/// A matrix inside a slice, with its rows and columns at any distance.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Matrix<'a> {
    pub(in crate::nn) values: &'a [f32],
    pub(in crate::nn) row_stride: usize,
    pub(in crate::nn) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix whose rows lie `row_stride` apart and are contiguous.
    pub(in crate::nn) fn rows(values: &'a [f32], row_stride: usize) -> Self {
        Self {
            values,
            row_stride,
            column_stride: 1,
        }
    }

    /// A matrix whose columns lie `column_stride` apart and are contiguous.
    pub(in crate::nn) fn columns(values: &'a [f32], column_stride: usize) -> Self {
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

/// The pieces, of about equal length and at most [`LONGEST_SUM`], of a sum of `terms` terms.
pub(in crate::nn) fn pieces(terms: usize) -> impl Iterator<Item = Range<usize>> {
    let length = terms.div_ceil(terms.div_ceil(LONGEST_SUM).max(1)).max(1);
    (0..terms)
        .step_by(length)
        .map(move |start| start..(start + length).min(terms))
}

/// `target` = `left` times `right`, or `target` + that if `accumulate`.
///
/// `size` is [rows, columns, terms]: target [rows, columns] with rows `target_stride` apart, left [rows, terms], right
/// [terms, columns]. The sum must be one of [`pieces`].
pub(in crate::nn) fn multiply(
    size: [usize; 3],
    target: &mut [f32],
    target_stride: usize,
    left: Matrix<'_>,
    right: Matrix<'_>,
    accumulate: bool,
) {
    let [rows, columns, terms] = size;
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(0 < terms && terms <= LONGEST_SUM, "a sum is cut in pieces");
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
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
