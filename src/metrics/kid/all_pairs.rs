//! KID of many subsets by way of the products of all pairs of images.

use std::ops::Range;

use rayon::prelude::*;

use super::added;
use crate::metrics::MetricSettings;
use crate::metrics::comparison::AllPairs;
use crate::metrics::pairs::Pairs;

/// Whether all pairs of images are no more than those of all subsets.
pub(in crate::metrics) fn takes_all_pairs(
    settings: &MetricSettings,
    generated: usize,
    real: usize,
) -> bool {
    // Within both sets and between them; likewise of each subset.
    let squared = |count: usize| count as f64 * count as f64;
    let subsets = settings.kid_subsets as f64 * squared(2 * settings.kid_subset_size);
    squared(generated + real) <= subsets
}

/// The unbiased estimates from several subsets of generated and of real images.
pub(super) fn unbiased_of_each(
    mut subsets: Vec<[Vec<usize>; 2]>,
    pairs: &AllPairs<'_>,
) -> Vec<f64> {
    for side in subsets.iter_mut().flatten() {
        side.sort_unstable();
    }
    let [generated, real]: [Vec<&[usize]>; 2] = [0, 1].map(|side| {
        subsets
            .iter()
            .map(|subset| subset[side].as_slice())
            .collect()
    });
    let within_generated = sums(&pairs.generated, &generated, &generated);
    let within_real = sums(&pairs.real, &real, &real);
    let between = sums(&pairs.both, &real, &generated);
    let within = |sum: f64, rows: usize| 2.0 * sum / (rows * (rows - 1)) as f64;
    let estimate = |subset: usize| {
        let (generated, real) = (generated[subset].len(), real[subset].len());
        within(within_generated[subset], generated) + within(within_real[subset], real)
            - 2.0 * between[subset] / (generated * real) as f64
    };
    (0..subsets.len()).map(estimate).collect()
}

/// The sum of k over the pairs that each subset holds, given by its ascending rows on the left and on the right.
fn sums(pairs: &Pairs<'_, f32>, left: &[&[usize]], right: &[&[usize]]) -> Vec<f64> {
    let [added_left, added_right] = pairs.sides().map(|rows| added(rows, pairs.centring()));
    let unit = 1.0 / (pairs.unit * pairs.sides()[0].columns as f64);
    let mut sums = vec![0.0; left.len()];
    pairs.each_block(|panel, other, block| {
        let subsets = left.par_iter().zip(right);
        sums.par_iter_mut()
            .zip(subsets)
            .for_each(|(sum, (left, right))| {
                let columns = of_panel(right, other);
                for &row in of_panel(left, panel) {
                    let seen = if pairs.are_within() {
                        columns.partition_point(|column| *column < row)
                    } else {
                        columns.len()
                    };
                    let kernels = columns[..seen].iter().map(|&column| {
                        let product = block.product(row - panel.start, column - other.start);
                        let added = added_left[row] + added_right[column];
                        let value = f64::from(product) * unit + added;
                        value * value * value
                    });
                    *sum += kernels.sum::<f64>();
                }
            });
    });
    sums
}

/// Those of ascending rows that are in a panel.
fn of_panel<'a>(rows: &'a [usize], panel: &Range<usize>) -> &'a [usize] {
    let before = |end: usize| rows.partition_point(|row| *row < end);
    &rows[before(panel.start)..before(panel.end)]
}
