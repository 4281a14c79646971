//! How a run stands, seen from outside.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::{last_mark, lock, recorded_steps};
use crate::error::Result;
use crate::tracker::{Ending, Event, Ledger};
use crate::workspace::ledger;

/// A process without a heartbeat for this long is said to be silent.
const SILENCE: Duration = Duration::from_mins(10);

/// How a run stands.
#[derive(Clone, Debug, PartialEq)]
pub enum RunState {
    /// Nothing was trained yet.
    New,
    /// A process trains it.
    Running {
        /// The process.
        process: u32,
        /// Its machine, if that is another.
        host: Option<String>,
        /// Steps behind it.
        step: u64,
        /// Since the process gave its last heartbeat.
        silent: Duration,
    },
    /// Its training ended.
    Ended {
        /// How.
        ending: Ending,
        /// Steps behind it.
        step: u64,
        /// Why, unless it finished.
        reason: String,
    },
}

/// How the run in `folder` stands.
///
/// # Errors
/// Fails if its ledger cannot be read.
pub fn state(folder: &Path) -> Result<RunState> {
    // First who holds it: what that process writes in between is then seen.
    let holder = lock::holder(folder);
    let events = Ledger::read(&ledger(folder))?;
    let step = recorded_steps(&events);
    Ok(match (last_mark(&events), holder) {
        (
            Some(Event::End {
                ending,
                step,
                reason,
                ..
            }),
            _,
        ) => RunState::Ended {
            ending: *ending,
            step: *step,
            reason: reason.clone(),
        },
        (Some(_), Some(holder)) => RunState::Running {
            process: holder.process,
            host: holder.host,
            step,
            silent: holder.silent,
        },
        (Some(_), None) => RunState::Ended {
            ending: Ending::Stopped,
            step,
            reason: "its process is gone".to_owned(),
        },
        (None, _) => RunState::New,
    })
}

/// Whether a process has `folder`, of a run or an execution, open for writing.
pub fn is_written(folder: &Path) -> bool {
    lock::holder(folder).is_some()
}

impl fmt::Display for RunState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => write!(out, "not begun"),
            Self::Running {
                process,
                host,
                step,
                silent,
            } => {
                let host = host.as_ref().map(|host| format!(" on `{host}`"));
                let host = host.unwrap_or_default();
                write!(out, "running (process {process}{host}), step {step}")?;
                if *silent > SILENCE {
                    let minutes = silent.as_secs() / 60;
                    write!(out, ", no heartbeat for {minutes} min")?;
                }
                Ok(())
            }
            Self::Ended {
                ending,
                step,
                reason,
            } => out.write_str(&ending.describe(*step, reason)),
        }
    }
}
