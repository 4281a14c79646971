//! The figures of a report, drawn from an experiment's record, its ledgers and the files beside them.

use std::path::PathBuf;

use super::{Record, Rewards, Table, TableDefinition};
use crate::error::Result;
use crate::workspace::Workspace;

/// A figure of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name, as in its files' names: `losses`.
    pub name: String,
    /// What it shows, a few words.
    pub title: String,
    /// A caption that a paper can print, one or two sentences; also the text for a reader who cannot see it.
    pub caption: String,
    /// Its files below the report's folder: `figures/losses.svg`, `figures/losses.png`.
    pub files: Vec<PathBuf>,
}

/// The figures of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Those that could be drawn.
    pub figures: Vec<Figure>,
    /// Those that could not: what each would show, and why it is not there.
    pub absent: Vec<(String, String)>,
}

/// Draws what can be drawn of an experiment's record, and says of the rest why not.
///
/// # Errors
/// Fails if a ledger cannot be read or a file cannot be written.
pub fn draw(
    record: &Record,
    _tables: &[(&TableDefinition, &Table)],
    workspace: &Workspace,
) -> Result<Drawn> {
    let rewards = Rewards::read(record, workspace.out())?;
    rewards.figures(&workspace.report(&record.name))
}
