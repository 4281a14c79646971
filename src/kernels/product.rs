//! Products of matrices of f32, one thread each, whose sums do not depend on how many columns are computed at once.
//!
//! The product is the `gemm` crate's (70 to 100 GFLOP/s on one AVX-512 core at the shapes of convolutions). Left to
//! itself it cuts long sums at places that depend on the size of the product; here they are cut every
//! [`LONGEST_SUM`] terms, so an image's result has the same bits whatever the batch it comes in.

use std::ops::Range;

use crate::linalg::{self, LONGEST_SUM, Matrix};

/// The pieces, of about equal length and at most [`LONGEST_SUM`], of a sum of `terms` terms.
pub(in crate::kernels) fn pieces(terms: usize) -> impl Iterator<Item = Range<usize>> {
    let length = terms.div_ceil(terms.div_ceil(LONGEST_SUM).max(1)).max(1);
    (0..terms)
        .step_by(length)
        .map(move |start| start..(start + length).min(terms))
}

/// The width of the runs that `count` rows or columns are cut into, about `most`. No run is a single one: products with vectors sum
/// in another order.
pub(in crate::kernels) fn width_of_runs(count: usize, most: usize) -> usize {
    if count <= most {
        return count;
    }
    (most.max(2)..=count)
        .find(|width| count % width != 1)
        .expect("at the latest all of them are one run")
}

/// [`linalg::multiply`] of a sum that is one of [`pieces`].
pub(in crate::kernels) fn multiply(
    size: [usize; 3],
    target: &mut [f32],
    target_stride: usize,
    left: Matrix<'_, f32>,
    right: Matrix<'_, f32>,
    accumulate: bool,
) {
    assert!(size[2] <= LONGEST_SUM, "a sum is cut in pieces");
    linalg::multiply(size, target, target_stride, left, right, accumulate);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_run_is_a_single_one() {
        for count in 2..200 {
            for most in 1..70 {
                let width = width_of_runs(count, most);
                assert!(
                    width >= most.min(count) && width <= count,
                    "{count}, {most}"
                );
                assert!(width > 1 && count % width != 1, "{count}, {most}: {width}");
            }
        }
    }
}
