//! Products of a matrix with vectors and the quotient, row by row. A row is summed by one thread, so bits do not depend on how many
//! there are.

use rayon::prelude::*;

use super::EPSILON;
use crate::kernels::flex::GRAIN;
use crate::kernels::scratch::zeros;
use crate::wide::{sum_of_products, wide};

/// Columns that a thread sums at a time.
const COLUMNS: usize = 512;

/// A matrix times a vector: the product of every row with it.
pub(super) fn times_rows(matrix: &[f32], vector: &[f32]) -> Vec<f32> {
    let columns = vector.len();
    let rows = matrix.par_chunks_exact(columns);
    let products = rows.with_min_len(GRAIN.div_ceil(columns));
    products.map(|row| product(row, vector) as f32).collect()
}

/// A vector times a matrix: the sum of its rows, each times its number of the vector.
pub(super) fn times_columns(matrix: &[f32], vector: &[f32]) -> Vec<f32> {
    let columns = matrix.len() / vector.len();
    let mut sums = zeros(columns);
    let least = GRAIN.div_ceil(COLUMNS * vector.len());
    let runs = sums.par_chunks_mut(COLUMNS).with_min_len(least);
    runs.enumerate().for_each(|(place, sums)| {
        add_rows(&matrix[place * COLUMNS..], columns, vector, sums);
    });
    sums
}

/// A vector over its length.
pub(super) fn unit(vector: &[f32]) -> Vec<f32> {
    let length = (product(vector, vector).sqrt() as f32).max(EPSILON);
    vector.iter().map(|x| x / length).collect()
}

/// sigma = u'Wv
pub(super) fn sigma(matrix: &[f32], [left, right]: [&[f32]; 2]) -> f32 {
    let products = times_rows(matrix, right);
    let terms = left.iter().zip(products);
    terms
        .map(|(&u, product)| f64::from(u) * f64::from(product))
        .sum::<f64>() as f32
}

/// W / sigma
pub(super) fn quotient(matrix: &[f32], sigma: f32) -> Vec<f32> {
    let mut result = zeros(matrix.len());
    let parts = matrix.par_chunks(GRAIN);
    let results = result.par_chunks_mut(GRAIN);
    results
        .zip(parts)
        .for_each(|(result, part)| divide(part, sigma, result));
    result
}

/// The gradient of W from the gradient G of W / sigma: (G - c u v') / sigma with c the sum of G (W / sigma), entry by entry.
pub(super) fn pull_back(
    gradient: &[f32],
    matrix: &[f32],
    [left, right]: [&[f32]; 2],
    sigma: f32,
) -> Vec<f32> {
    let columns = right.len();
    let least = GRAIN.div_ceil(columns);
    let rows = gradient.par_chunks_exact(columns).with_min_len(least);
    let products: Vec<f64> = rows
        .zip(matrix.par_chunks_exact(columns))
        .map(|(gradient, row)| product(gradient, row))
        .collect();
    let scale = products.iter().sum::<f64>() / f64::from(sigma);
    let mut result = zeros(matrix.len());
    let results = result.par_chunks_exact_mut(columns).with_min_len(least);
    results
        .zip(gradient.par_chunks_exact(columns))
        .zip(left)
        .for_each(|((result, gradient), &u)| {
            let factor = (scale * f64::from(u)) as f32;
            subtract(gradient, right, factor, sigma, result);
        });
    result
}

wide! {
    /// The sum of products of two rows.
    fn product(left: &[f32], right: &[f32]) -> f64 {
        sum_of_products(left, right, 0.0)
    }

    /// Adds the beginnings of rows, which lie `columns` apart, each times its factor.
    fn add_rows(rows: &[f32], columns: usize, factors: &[f32], sums: &mut [f32]) {
        for (row, factor) in rows.chunks(columns).zip(factors) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += factor * value;
            }
        }
    }

    fn divide(numbers: &[f32], divisor: f32, results: &mut [f32]) {
        for (result, number) in results.iter_mut().zip(numbers) {
            *result = number / divisor;
        }
    }

    fn subtract(gradient: &[f32], right: &[f32], factor: f32, sigma: f32, result: &mut [f32]) {
        for ((result, g), v) in result.iter_mut().zip(gradient).zip(right) {
            *result = (g - factor * v) / sigma;
        }
    }
}
