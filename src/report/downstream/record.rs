//! What a report of the downstream task needs to know besides its rows: which are the table's, which the curve's.

use serde::{Deserialize, Serialize};

use crate::report::KindRecord;

/// The rows of a record as the downstream task sees them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DownstreamRecord {
    /// The model that made the images.
    pub model: String,
    /// The names of the classes, sorted.
    pub classes: Vec<String>,
    /// Generated images of each class.
    pub generated_per_class: usize,
    /// The rows of the table.
    pub table: Vec<String>,
    /// The points of the curve, by growing number of real patches.
    pub curve: Vec<CurvePoint>,
}

/// A point of the curve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// Real patches of each class.
    pub real: usize,
    /// Whether there are generated images beside them.
    pub generated: bool,
    /// The row.
    pub row: String,
}

impl KindRecord for DownstreamRecord {
    const FILE: &'static str = "downstream.toml";
}
