//! Features as directions: each row divided by its length, some at a time, in f64.

use std::ops::Range;

use super::{GENERATED, REAL};
use crate::error::{Result, refuse};
use crate::features::Features;

/// The rows at `range`, each of length 1, one after the other.
pub(super) fn unit_rows(features: &Features, range: Range<usize>) -> Vec<f64> {
    let mut values = Vec::with_capacity(range.len() * features.columns);
    for index in range {
        let row = features.row(index).iter().map(|&value| f64::from(value));
        let length = row.clone().map(|value| value * value).sum::<f64>().sqrt();
        values.extend(row.map(|value| value / length));
    }
    values
}

/// Refuses a row of zeros, which has no direction.
pub(super) fn check_directions(
    metric: &str,
    generated: &Features,
    real: Option<&Features>,
) -> Result<()> {
    let sides = [(GENERATED, Some(generated)), (REAL, real)];
    for (name, features) in sides {
        let Some(features) = features else { continue };
        let is_zero = |&index: &usize| features.row(index).iter().all(|&value| value == 0.0);
        if let Some(index) = (0..features.rows).find(is_zero) {
            return Err(refuse(
                format!(
                    "`{metric}` takes features as directions, and all features of image {index} of {name} are 0"
                ),
                "look at that image, or take another extractor",
            ));
        }
    }
    Ok(())
}
