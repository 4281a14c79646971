//! What a report of classification from few images needs to know besides its rows: which system and size each is.

use serde::{Deserialize, Serialize};

use crate::report::KindRecord;

/// The rows of a record as systems and sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowDataRecord {
    /// The names of the classes, sorted.
    pub classes: Vec<String>,
    /// Fraction of the training images that is kept for validation.
    pub validation: f64,
    /// Numbers of training images, growing.
    pub sizes: Vec<usize>,
    /// The systems, the CNN first.
    pub systems: Vec<String>,
    /// What the shifted images are; empty without.
    pub shifted: String,
    /// How many images of each row are embedded.
    pub embedded: usize,
    /// The systems with a truncated prior.
    pub tau: Vec<TauRecord>,
    /// The rows.
    pub points: Vec<LowDataPoint>,
}

/// A system with a truncated prior.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TauRecord {
    /// The system.
    pub system: String,
    /// How its tau is found, a clause.
    pub found: String,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowDataPoint {
    /// The system.
    pub system: String,
    /// Training images.
    pub size: usize,
    /// The label of the row.
    pub row: String,
}

impl KindRecord for LowDataRecord {
    const FILE: &'static str = "low-data.toml";
}
