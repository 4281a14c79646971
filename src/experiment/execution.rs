//! The execution of an experiment: what its runs hang below at a tracking server. It has a folder as a run has.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Config, TrackingConfig};
use crate::data::as_hashed;
use crate::digest::sha256;
use crate::error::Result;
use crate::files::{cannot_write, write_whole};
use crate::tracker::{Ending, Event, Ledger};
use crate::workspace::{Workspace, ledger};

/// Name of the execution of `config`, and the text that names it: its settings but those of tracking.
pub fn execution(config: &Config) -> (String, String) {
    let without_tracking = Config {
        tracking: TrackingConfig::default(),
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

/// Whether the tables of the execution of `config` were made, nothing of it goes on, and they hold all that its runs have: one that had
/// failed may go on after the report, in a process whose node was given up. `runs` are the folders of the runs whose names are known;
/// they are asked for only where a part failed.
///
/// # Errors
/// If a ledger cannot be read, and those of `runs`.
pub fn is_reported(
    config: &Config,
    workspace: &Workspace,
    runs: impl IntoIterator<Item = Result<Option<PathBuf>>>,
) -> Result<bool> {
    let folder = workspace.executions().join(execution(config).0);
    if keeps_open(&folder) {
        return Ok(false);
    }
    let events = Ledger::read_with_times(&ledger(&folder))?;
    let Some((reported, Event::End { ending, reason, .. })) = events.last() else {
        return Ok(false);
    };
    match ending {
        Ending::Finished => Ok(true),
        Ending::Failed if reason == PART_FAILED => {
            for run in runs {
                if let Some(run) = run? {
                    let events = Ledger::read_with_times(&ledger(&run))?;
                    if events.last().and_then(|(time, _)| *time) > *reported {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Opens the execution in `folder` until its report, or closes it.
///
/// # Errors
/// If its folder cannot be written.
pub(super) fn mark_open(folder: &Path, open: bool) -> Result<()> {
    let path = folder.join(OPEN);
    match open {
        true => write_whole(&path, b""),
        false if path.exists() => {
            fs::remove_file(&path).map_err(|error| cannot_write(&path, &error))
        }
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::experiment::resolve;

    fn append(folder: &Path, event: Event) {
        fs::create_dir_all(folder).unwrap();
        let mut ledger = Ledger::open(&ledger(folder)).unwrap();
        ledger.append(event).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }

    fn end(ending: Ending, reason: &str) -> Event {
        Event::End {
            step: 0,
            seconds: 1.0,
            ending,
            reason: reason.to_owned(),
            peak_megabytes: None,
            gigaflop: None,
        }
    }

    #[test]
    fn tables_are_out_of_date_once_a_run_went_on() {
        let out = tempfile::tempdir().unwrap();
        let workspace = Workspace::new(out.path());
        let config = resolve("table1", "smoke", &[]).unwrap();
        let folder = workspace.executions().join(execution(&config).0);
        let runs = ["a", "b"].map(|name| workspace.runs().join(name));
        let is_reported = || {
            let runs = runs.iter().map(|run| Ok(Some(run.clone())));
            is_reported(&config, &workspace, runs).unwrap()
        };
        assert!(!is_reported(), "nothing was begun");
        append(&runs[0], end(Ending::Finished, ""));
        append(&folder, end(Ending::Failed, PART_FAILED));
        assert!(is_reported());
        append(&runs[1], end(Ending::Finished, ""));
        assert!(!is_reported(), "`b` went on after the report");
        append(&folder, end(Ending::Finished, ""));
        assert!(is_reported());
        append(&folder, end(Ending::Killed, "cancelled"));
        assert!(!is_reported());
    }
}
