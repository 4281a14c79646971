//! The table and the figures of an ablation.

use std::path::{Path, PathBuf};

use super::figure::{Bar, bars};
use super::rewards::Rewards;
use super::{Cell, Record, Table, TableDefinition, render};
use crate::error::Result;

/// What the table of an ablation shows.
pub const ABLATION: TableDefinition = TableDefinition {
    name: "ablation",
    title: "Ablation",
    scores: &["fid", "kid", "precision", "recall", "f1"],
    optional: &[],
    remark: "",
};

/// Renders the table of an ablation, and draws its first score over its rows and the rewards over the training into
/// `folder`. Returns the table, with a sentence on each reward in its caption, and the paths of the figures.
///
/// # Errors
/// Fails if a ledger is missing, or if two numbers of a column were measured under different protocols.
pub fn ablation(
    record: &Record,
    out: &Path,
    folder: &Path,
) -> Result<(&'static TableDefinition, Table, Vec<PathBuf>)> {
    let mut table = render(&ABLATION, record, out)?;
    table.title.clone_from(&record.question);
    let score = table.columns()[0].title.clone();
    let mut points = Vec::new();
    let mut reference = None;
    for row in table.rows() {
        let Cell::Number { mean, spread, .. } = row.cells[0] else {
            continue;
        };
        if !row.reference {
            points.push(Bar {
                label: row.name.clone(),
                mean,
                spread,
            });
        } else if reference.is_none() {
            reference = Some((row.name.clone(), mean));
        }
    }
    let mut paths = Vec::new();
    if !points.is_empty() {
        let path = folder.join("ablation.png");
        let reference = reference
            .as_ref()
            .map(|(name, value)| (name.as_str(), *value));
        bars(&path, &record.question, &score, &points, reference)?;
        paths.push(path);
    }
    let rewards = Rewards::read(record, out)?;
    for figure in rewards.figures(folder)?.figures {
        paths.extend(figure.files.iter().map(|file| folder.join(file)));
    }
    table.caption.extend(rewards.sentences);
    Ok((&ABLATION, table, paths))
}
