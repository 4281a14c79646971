//! What a report of paired models needs to know besides its rows.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};
use crate::files::write_whole;
use crate::workspace::Workspace;

/// The rows of a record as backbones, numbers of patches and starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslationRecord {
    /// What was learned: `segment`.
    pub task: String,
    /// The score that decides: `dice`.
    pub score: String,
    /// The rows, in their order.
    pub rows: Vec<TranslationRow>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslationRow {
    /// Its label.
    pub row: String,
    /// Its network.
    pub backbone: String,
    /// Training patches.
    pub patches: usize,
    /// `random` or `pretrained`.
    pub start: String,
}

/// A backbone and a number of patches, with the labels of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranslationCase<'a> {
    /// The network.
    pub backbone: &'a str,
    /// Training patches.
    pub patches: usize,
    /// The row that starts from random weights.
    pub random: Option<&'a str>,
    /// The row that starts from pretrained ones.
    pub pretrained: Option<&'a str>,
}

impl TranslationRecord {
    fn path(out: &Path, name: &str) -> PathBuf {
        Workspace::new(out).report(name).join("translation.toml")
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

    /// Its backbones and numbers of patches, each once, in the order of the rows.
    pub fn cases(&self) -> Vec<TranslationCase<'_>> {
        let mut cases: Vec<TranslationCase<'_>> = Vec::new();
        for row in &self.rows {
            let key = (row.backbone.as_str(), row.patches);
            let known = cases
                .iter()
                .position(|case| (case.backbone, case.patches) == key);
            let place = known.unwrap_or_else(|| {
                cases.push(TranslationCase {
                    backbone: key.0,
                    patches: key.1,
                    random: None,
                    pretrained: None,
                });
                cases.len() - 1
            });
            match row.start.as_str() {
                "pretrained" => cases[place].pretrained = Some(&row.row),
                _ => cases[place].random = Some(&row.row),
            }
        }
        cases
    }
}
