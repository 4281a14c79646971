//! The key of a reading test: what each patch is.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::files::write_whole;

/// What a patch is, and what a reader takes it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatchKind {
    /// Of tissue.
    Real,
    /// Made by a model.
    Generated,
}

/// A patch of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its number in the test, the name of its file without the ending.
    pub item: String,
    /// What it is.
    pub kind: PatchKind,
    /// Its class, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Where it comes from.
    pub source: String,
    /// SHA-256 of its pixels.
    pub sha256: String,
}

/// What each patch of a test is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Names the test: twelve digits of a SHA-256 over its patches in their order.
    pub study: String,
    /// What the generated patches were made by.
    pub generated: String,
    /// Where the real ones were taken from.
    pub real: String,
    /// The seed of the patches and of their order.
    pub seed: u64,
    /// The patches in the order in which they are shown.
    pub items: Vec<Item>,
}

impl Key {
    /// The name of a test of these patches.
    pub(super) fn name(items: &[Item]) -> String {
        let hashes: Vec<&str> = items.iter().map(|item| item.sha256.as_str()).collect();
        sha256(hashes.join("\n"))[..12].to_owned()
    }

    /// Reads the key in `path`.
    ///
    /// # Errors
    /// If it cannot be read, is no key, or is not whole.
    pub fn load(path: &Path) -> Result<Self> {
        let no_key = |reason: String| {
            refuse(
                format!("`{}` is no key of a reading test: {reason}", path.display()),
                "give the file that `histogen study make` wrote beside the readers' folder",
            )
        };
        let text = std::fs::read_to_string(path).map_err(|error| no_key(error.to_string()))?;
        let key: Self = serde_json::from_str(&text).map_err(|error| no_key(error.to_string()))?;
        if key.study != Self::name(&key.items) {
            return Err(no_key(
                "its items are not those it was written with".to_owned(),
            ));
        }
        Ok(key)
    }

    /// Writes the key to `path`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        write_whole(path, text.as_bytes())
    }
}
