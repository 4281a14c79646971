//! What a report of classification from few images needs to know besides its rows: which system and size each is.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use crate::files::write_whole;
use crate::workspace::Workspace;

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

impl LowDataRecord {
    fn path(out: &Path, name: &str) -> PathBuf {
        Workspace::new(out).report(name).join("low-data.toml")
    }

    /// Writes it where [`Self::load`] finds it.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn save(&self, out: &Path, name: &str) -> Result<()> {
        let text = toml::to_string(self).expect("a record has string keys only");
        write_whole(&Self::path(out, name), text.as_bytes())
    }

    /// That of the experiment `name`; none if it is another kind of experiment.
    ///
    /// # Errors
    /// Fails if the file is damaged.
    pub fn load(out: &Path, name: &str) -> Result<Option<Self>> {
        let path = Self::path(out, name);
        let Ok(text) = fs::read_to_string(&path) else {
            return Ok(None);
        };
        toml::from_str(&text).map(Some).map_err(|error| {
            refuse(
                format!("`{}` is damaged: {}", path.display(), error.message()),
                "run the experiment again: finished runs are reused",
            )
        })
    }
}
