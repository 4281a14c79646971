//! What a report of the downstream task needs to know besides its rows: which are the table's, which the curve's.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use crate::files::write_whole;
use crate::workspace::Workspace;

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

impl DownstreamRecord {
    fn path(out: &Path, name: &str) -> PathBuf {
        Workspace::new(out).report(name).join("downstream.toml")
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
