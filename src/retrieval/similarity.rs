//! How like each other two images are, from their features.

use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use crate::features::Features;
use crate::linalg::squared_distance;

/// What says how like each other two rows of features are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Similarity {
    /// The cosine of the angle between them, from -1 to 1; 1 is the same direction.
    Cosine,
    /// Their Euclidean distance, from 0; 0 is equal.
    Euclidean,
}

impl Similarity {
    /// The name of its score.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine similarity",
            Self::Euclidean => "Euclidean distance",
        }
    }

    /// The score of two rows, in f64. A row of zeros has cosine 0.
    pub fn score(self, left: &[f32], right: &[f32]) -> f64 {
        match self {
            Self::Euclidean => squared_distance(left, right).sqrt(),
            Self::Cosine => {
                // The root of the product, not the product of roots: it is exact for equal rows, whose cosine is then 1.
                let lengths = (product(left, left) * product(right, right)).sqrt();
                if lengths > 0.0 {
                    (product(left, right) / lengths).clamp(-1.0, 1.0)
                } else {
                    0.0
                }
            }
        }
    }

    /// A number that is the smaller the more alike images with this score are.
    pub(super) fn rank(self, score: f64) -> f64 {
        match self {
            Self::Cosine => -score,
            Self::Euclidean => score,
        }
    }

    /// Rows whose Euclidean distances are in the order of the scores: the rows themselves, or for cosines their directions.
    ///
    /// # Errors
    /// Refuses a row of zeros, which has no direction.
    pub(super) fn comparable(self, mut features: Features) -> Result<Features> {
        if self == Self::Euclidean {
            return Ok(features);
        }
        let rows = features.values.chunks_exact_mut(features.columns.max(1));
        for (index, row) in rows.enumerate() {
            let length = product(row, row).sqrt();
            if length <= 0.0 {
                return Err(refuse(
                    format!("the features of image {index} are all zero: they have no cosine"),
                    "compare by distance with `--similarity euclidean`, or take another extractor",
                ));
            }
            for value in row {
                *value = (f64::from(*value) / length) as f32;
            }
        }
        Ok(features)
    }

    /// The score of rows at this squared distance, as [`Self::comparable`] makes them.
    pub(super) fn of_squared_distance(self, squared: f64) -> f64 {
        match self {
            Self::Cosine => 1.0 - squared / 2.0,
            Self::Euclidean => squared.sqrt(),
        }
    }

    /// The squared distance of rows with this score, as [`Self::comparable`] makes them.
    pub(super) fn to_squared_distance(self, score: f64) -> f64 {
        match self {
            Self::Cosine => 2.0 - 2.0 * score,
            Self::Euclidean => score * score,
        }
    }
}

fn product(left: &[f32], right: &[f32]) -> f64 {
    let products = left.iter().zip(right);
    products
        .map(|(&left, &right)| f64::from(left) * f64::from(right))
        .sum()
}
