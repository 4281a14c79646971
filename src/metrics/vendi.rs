//! Vendi score: the effective number of different images.
//!
//! Friedman and Dieng, *The Vendi Score: A Diversity Evaluation Metric for Machine Learning* (2023, arXiv 2210.02410),
//! definition 3.1: exp of the Shannon entropy of the eigenvalues of K / n, K the similarities of n images. As in Stein et al.
//! (2023, arXiv 2306.04675) similarities are the products of features of length 1, so it goes from 1, where all features point
//! one way, to the smaller one of n and the number of features.
//!
//! It looks at the generated images alone: measure the real ones against themselves to see what they reach. For more images
//! than features the eigenvalues are taken from the matrix of features by features, which has the same ones that are not 0.

use faer::Mat;
use rayon::prelude::*;

use crate::error::Result;
use crate::features::Features;
use crate::linalg::{Matrix, Moments, ROWS_AT_A_TIME, Rows, eigenvalues, multiply, tiles};

use super::unit_rows::{check_directions, unit_rows};
use super::{Comparison, Direction, Metric, MetricSettings, Score, ScoreDefinition, check};

/// Rows of the matrix of similarities that one thread computes at a time.
const SHARE: usize = 64;

/// The effective number of different generated images.
#[derive(Clone, Copy, Debug)]
pub struct Vendi;

impl Metric for Vendi {
    fn name(&self) -> &'static str {
        "vendi"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "vendi",
            title: "Vendi",
            direction: Direction::Higher,
            spread: "",
        }]
    }

    fn minimum_images(&self, _: &MetricSettings) -> usize {
        1
    }

    fn settings(&self, _: &MetricSettings) -> Vec<(&'static str, String)> {
        vec![
            ("order", "1".to_owned()),
            ("similarity", "x.y of features of length 1".to_owned()),
        ]
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        check(self, comparison)?;
        check_directions(Metric::name(self), comparison.generated, None)?;
        let value = vendi(comparison.generated)?;
        Ok(vec![Score::new("vendi", value)])
    }
}

/// The Vendi score of features, of which there is an image and none has a row of zeros.
pub fn vendi(features: &Features) -> Result<f64> {
    let (rows, columns) = (features.rows, features.columns);
    let matrix = if rows <= columns {
        similarities(features)
    } else {
        // X'X / n is the covariance and the square of the mean.
        let mut moments = Moments::new(columns);
        for range in tiles(rows, ROWS_AT_A_TIME) {
            let values = unit_rows(features, range.clone());
            moments.add(Rows::new(range.len(), columns, &values));
        }
        let (covariance, mean) = (moments.covariance(0), moments.mean());
        Mat::from_fn(columns, columns, |i, j| {
            covariance[(i, j)] + mean[i] * mean[j]
        })
    };
    let values = eigenvalues(matrix.as_ref(), None)?;
    let entropy = |&value: &f64| {
        if value > 0.0 {
            -value * value.ln()
        } else {
            0.0
        }
    };
    Ok(values.iter().map(entropy).sum::<f64>().exp())
}

/// X X' / n.
fn similarities(features: &Features) -> Mat<f64> {
    let (rows, columns) = (features.rows, features.columns);
    let values = unit_rows(features, 0..rows);
    let mut products = vec![0.0; rows * rows];
    products
        .par_chunks_mut(SHARE * rows)
        .zip(values.par_chunks(SHARE * columns))
        .for_each(|(products, share)| {
            let size = [share.len() / columns, rows, columns];
            let (left, right) = (
                Matrix::rows(share, columns),
                Matrix::columns(&values, columns),
            );
            multiply(size, products, rows, left, right, false);
        });
    Mat::from_fn(rows, rows, |i, j| products[i * rows + j] / rows as f64)
}
