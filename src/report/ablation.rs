//! The table of an ablation.

use std::path::Path;

use super::rewards::Rewards;
use super::{Record, RunOutcome, Table, TableDefinition, render};
use crate::error::Result;

/// What the table of an ablation shows.
pub const ABLATION: TableDefinition = TableDefinition {
    name: "ablation",
    title: "Ablation",
    caption: "",
    scores: &["fid", "kid", "precision", "recall", "f1"],
    optional: &[],
    remark: "",
};

/// Renders the table of an ablation, with a sentence on each reward in its caption.
///
/// # Errors
/// Fails if a ledger is missing, or if two numbers of a column were measured under different protocols.
pub fn ablation(
    record: &Record,
    outcomes: &[Vec<RunOutcome>],
    out: &Path,
) -> Result<(&'static TableDefinition, Table)> {
    let mut table = render(&ABLATION, record, outcomes)?;
    table.title.clone_from(&record.question);
    table.notes.extend(Rewards::read(record, out)?.sentences);
    Ok((&ABLATION, table))
}
