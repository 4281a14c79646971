//! What a report of paired models needs to know besides its rows.

use serde::{Deserialize, Serialize};

use crate::report::KindRecord;

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

impl KindRecord for TranslationRecord {
    const FILE: &'static str = "translation.toml";
}

impl TranslationRecord {
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
