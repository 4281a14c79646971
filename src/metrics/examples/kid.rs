//! KID.

use super::{Example, assert_near, rank_deficient, tilted};
use crate::metrics::{kid_biased, kid_unbiased};

#[test]
fn kid_of_the_tilted_pair() {
    let (x, y) = tilted();
    assert_near(kid_unbiased(x.rows(), y.rows()), -0.008_836_785_227, 1e-9);
    assert_near(
        kid_unbiased(x.rows(), y.first(16).rows()),
        -0.039_925_995_727,
        1e-9,
    );
}

#[test]
fn kid_of_the_rank_deficient_pair() {
    let (x, y) = rank_deficient();
    assert_near(kid_unbiased(x.rows(), y.rows()), 0.485_252_091_317, 1e-9);
    assert_near(kid_biased(x.rows(), y.rows()), 1.322_707_688_315, 1e-9);
    assert_near(kid_unbiased(x.rows(), x.rows()), -0.356_974_858_241, 1e-9);
}

#[test]
fn kid_of_the_square() {
    let square = Example::of(4, 2, |i, j| f64::from((i >> j) & 1));
    // The same square two to the right and two up, and the square with the corner (2, 2) added: sums done by hand.
    let shifted = square.map(|value| value + 2.0);
    assert_near(
        kid_unbiased(square.rows(), shifted.rows()),
        4301.125 / 12.0,
        1e-12,
    );
    let mut more = square.clone();
    more.values.extend([2.0, 2.0]);
    let expected = 10.75 / 6.0 + 54.75 / 10.0 - 2.0 * 81.25 / 20.0;
    assert_near(kid_unbiased(square.rows(), more.rows()), expected, 1e-12);
}

#[test]
fn kid_ignores_the_order_and_is_zero_with_itself_when_biased() {
    let x = Example::normal(300, 7, "x");
    let y = Example::normal(290, 7, "y").map(|value| value + 0.1);
    let distance = kid_unbiased(x.rows(), y.rows());
    assert_near(kid_unbiased(y.rows(), x.rows()), distance, 1e-9);
    assert_near(kid_unbiased(x.backwards().rows(), y.rows()), distance, 1e-9);
    assert!(kid_biased(x.rows(), x.rows()).abs() < 1e-12);
}

#[test]
fn kid_by_tiles_is_kid_by_pairs() {
    let (x, y) = (Example::normal(150, 3, "x"), Example::normal(131, 3, "y"));
    let kernel = |a: &[f64], b: &[f64]| {
        let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        (product / 3.0 + 1.0).powi(3)
    };
    let mean = |a: &Example, b: &Example, same: bool| {
        let (a, b) = (a.rows(), b.rows());
        let pairs = (0..a.rows).flat_map(|i| (0..b.rows).map(move |j| (i, j)));
        let kernels: Vec<f64> = pairs
            .filter(|(i, j)| !same || i != j)
            .map(|(i, j)| kernel(a.row(i), b.row(j)))
            .collect();
        kernels.iter().sum::<f64>() / kernels.len() as f64
    };
    let expected = mean(&x, &x, true) + mean(&y, &y, true) - 2.0 * mean(&x, &y, false);
    assert_near(kid_unbiased(x.rows(), y.rows()), expected, 1e-9);
}
