//! The execution of an experiment: what its runs hang below at a tracking server. It has a folder as a run has.

use std::fs;
use std::path::Path;

use crate::config::{self, Config};
use crate::data::as_hashed;
use crate::digest::sha256;
use crate::error::Result;
use crate::files::{cannot_write, write_whole};
use crate::tracker::{Ending, Event, Ledger};
use crate::workspace::{Workspace, ledger};

/// Name of the execution of `config`, and the text that names it: its settings but those of tracking.
pub fn execution(config: &Config) -> (String, String) {
    let without_tracking = Config {
        tracking: config::Tracking::default(),
        ..config.clone()
    };
    let text = as_hashed(&without_tracking.to_toml());
    let name = format!("{}-{}", config.name, &sha256(&text)[..12]);
    (name, text)
}

/// Why an execution ended whose tables were made, with cells that have no number.
pub const PART_FAILED: &str = "part of it failed";

/// The file that keeps an execution open between the processes of a sweep.
const OPEN: &str = "submitted";

/// Whether the execution in `folder` goes on though no process has it open: it was submitted, and its report is to come.
pub fn keeps_open(folder: &Path) -> bool {
    folder.join(OPEN).exists()
}

/// Whether the tables of the execution of `config` were made: nothing of it goes on, and its ledger tells of an end.
///
/// # Errors
/// If that ledger cannot be read.
pub fn is_reported(config: &Config, workspace: &Workspace) -> Result<bool> {
    let folder = workspace.executions().join(execution(config).0);
    let path = ledger(&folder);
    if keeps_open(&folder) || !path.exists() {
        return Ok(false);
    }
    let events = Ledger::read(&path)?;
    let has_tables = |ending: Ending, reason: &str| match ending {
        Ending::Finished => true,
        Ending::Failed => reason == PART_FAILED,
        _ => false,
    };
    Ok(matches!(
        events.last(),
        Some(Event::End { ending, reason, .. }) if has_tables(*ending, reason)
    ))
}

/// Opens the execution in `folder` until its report, or closes it.
///
/// # Errors
/// If its folder cannot be written.
pub fn mark_open(folder: &Path, open: bool) -> Result<()> {
    let path = folder.join(OPEN);
    match open {
        true => write_whole(&path, b""),
        false if path.exists() => {
            fs::remove_file(&path).map_err(|error| cannot_write(&path, &error))
        }
        false => Ok(()),
    }
}
